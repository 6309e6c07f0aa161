"""A configuration in a temporary folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from homing.config import load


@pytest.fixture
def write(tmp_path):
    """
    Write files into one folder; returns the path of the first.
    """

    def _write(text="", **others) -> Path:
        path = tmp_path / "homing.toml"
        path.write_text(text, encoding="utf-8")
        for name, content in others.items():
            file = tmp_path / name.replace("__", "/").replace("_", ".")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content, encoding="utf-8")
        return path

    return _write


@pytest.fixture
def loaded(write):
    """
    Load a text, with an environment given by name.
    """

    def _loaded(text="", **environ):
        return load(write(text), environ=environ)

    return _loaded

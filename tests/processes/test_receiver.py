"""The two children as programs of their own: what they load, and what they say without a file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from homing.processes.exits import EX_CONFIG


class TestMain:
    @pytest.mark.parametrize("name", ["receiver", "worker"])
    def test_it_loads_nothing_that_only_commands_need(self, tmp_path: Path, name: str) -> None:
        """
        Memory is part of the promise; no configuration is exit code 78, and says which.
        """
        missing = tmp_path / "nowhere.toml"
        argv = ("-X", "importtime", "-m", f"homing.processes.{name}", "--config", str(missing))
        ended = subprocess.run(
            (sys.executable, *argv), capture_output=True, text=True, timeout=60, check=False
        )
        lines = ended.stderr.splitlines()
        loaded = {line.rpartition("|")[2].strip() for line in lines if "|" in line}

        assert EX_CONFIG == ended.returncode
        assert "nowhere.toml" in ended.stderr
        assert "structlog" in loaded
        assert not loaded & {"rich.console", "pygments", "sqlite_utils", "click"}

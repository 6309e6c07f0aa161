"""The manual's pages on sandbox and emulators say what is so."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from homing.cli.sandbox import sandbox_command
from homing.emulators.faults import FAULTS
from homing.sandbox.happenings import What
from homing.sandbox.summary import Summary

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"


class TestEmulators:
    async def test_its_example_runs(self) -> None:
        """As it stands, every test of it."""
        page = (HOW_TO / "emulators.md").read_text("utf-8")
        (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
        names: dict[str, object] = {}
        exec(compile(code, "emulators.md", "exec"), names)  # noqa: S102  our own page

        tests = [test for name, test in names.items() if name.startswith("test_")]
        for test in tests:
            await test()

        assert 3 == len(tests)


class TestSandbox:
    @pytest.mark.parametrize("page", ["sandbox.md", "emulators.md"])
    def test_every_fault_is_named(self, page: str) -> None:
        """In the order of the command's own help."""
        text = (HOW_TO / page).read_text("utf-8")

        for faults in FAULTS.values():
            assert ", ".join(f"`{fault}`" for fault in faults) in text

    def test_every_option_and_kind_is_explained(self) -> None:
        """Options in the table, kinds of lines and the summary's fields in the words on --json."""
        text = (HOW_TO / "sandbox.md").read_text("utf-8")

        options = {name for option in sandbox_command.params for name in option.opts}
        words = {f"`{what}`" for what in What}
        words |= {f"`{field.name}`" for field in dataclasses.fields(Summary)} | {"`balances`"}
        assert {word for word in words if word not in text} == set()
        assert {name for name in options if name.startswith("--") and name not in text} == set()

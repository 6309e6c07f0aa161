"""The manual says what the program does."""

from __future__ import annotations

import click
import pytest
from tests.docs.generate import FIELDS, PAGES, REFERENCE, walk

from homing.cli.main import COMMANDS

EVERY = dict(walk())


class TestReference:
    @pytest.mark.parametrize("name", PAGES)
    def test_a_page_is_as_the_code_would_write_it_now(self, name: str) -> None:
        """A stale page fails: ``make docs`` writes it anew."""
        assert PAGES[name]() == (REFERENCE / name).read_text()


class TestCommands:
    def test_the_table_of_commands_lists_what_can_be_run(self) -> None:
        """Each name in the table leads to a command."""
        assert set(COMMANDS) == {path for path in EVERY if " " not in path}

    @pytest.mark.parametrize("path", EVERY)
    def test_a_command_has_help(self, path: str) -> None:
        """Its help says what it does, in a sentence."""
        assert (EVERY[path].help or "").strip().split("\n")[0].endswith((".", "?"))

    @pytest.mark.parametrize("path", EVERY)
    def test_a_command_is_in_the_manual(self, path: str) -> None:
        """It has a heading of its own."""
        assert f"# `homing {path}`\n" in (REFERENCE / "commands.md").read_text()

    @pytest.mark.parametrize("path", EVERY)
    def test_every_option_has_help(self, path: str) -> None:
        """Each option says what it is for."""
        options = [p for p in EVERY[path].params if isinstance(p, click.Option)]

        assert [] == [option.name for option in options if not option.help]

    @pytest.mark.parametrize("path", EVERY)
    def test_what_json_prints_is_documented(self, path: str) -> None:
        """A command with --json lists its fields."""
        has_json = any("--json" in param.opts for param in EVERY[path].params)

        assert not has_json or path in FIELDS

"""How rows are shown: nothing that comes from outside can move the cursor."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.cli.conftest import Command

from homing.cli.show import MAX_CELL, cell, text, time_text

HOSTILE = ["\x1b[2J", "\r", "\x07", "\u202e", "\x9b31m", "\x00", "\ud800"]


def on_a_terminal(folder: Path, *args: str, **environ: str) -> str:
    """What `homing ARGS` writes to a terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "homing", *args], cwd=folder, stdout=theirs, stdin=theirs,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "200", **environ},
    ) as process:  # fmt: skip
        os.close(theirs)
        said = b""
        try:
            while chunk := os.read(ours, 65536):
                said += chunk
        except OSError:  # so a terminal ends on Linux
            pass
        process.wait()
    os.close(ours)
    return said.decode()


class TestText:
    @pytest.mark.parametrize("hostile", HOSTILE)
    def test_hostile_characters_are_replaced(self, hostile: str) -> None:
        """Each by one that can be seen."""
        assert text(f"a{hostile}b").replace("�", "").isprintable()

    @settings(deadline=None)  # the machine may have other things to do
    @given(st.text(), st.recursive(st.none() | st.text() | st.integers(), st.lists))
    def test_a_cell_is_one_printable_line(self, words: str, value: object) -> None:
        """Whatever it holds, and however long."""
        for one in (cell(words), cell(value), cell({"a": value})):
            assert one.isprintable()
            assert len(one) <= MAX_CELL


class TestTimeText:
    @pytest.mark.parametrize(
        ("at", "shown"),
        [
            (0, "1970-01-01T00:00:00.000+00:00"),
            (1_800_000_000_123, "2027-01-15T08:00:00.123+00:00"),
            (None, None),
            (-1, None),
            (1 << 62, None),
            ("x", None),
        ],
    )
    def test_rfc_3339_or_nothing(self, at: object, shown: str | None) -> None:
        """A time that no calendar knows is none."""
        assert shown == time_text(at)


class TestRowsOut:
    def test_a_table_with_colour_on_a_terminal(self, filled: Path) -> None:
        """States are coloured; traits of a stranger colour nothing."""
        said = on_a_terminal(filled, "events")

        assert "\x1b[" in said
        assert "Order Completed" in said

    def test_no_colour_where_it_is_not_wanted(self, filled: Path) -> None:
        """``NO_COLOR`` is honoured."""
        said = on_a_terminal(filled, "sends", NO_COLOR="1")

        assert "digest" in said
        assert "\x1b[3" not in said  # no colour

    def test_hostile_traits_on_a_terminal(self, filled: Path) -> None:
        """u1's name would turn what follows red."""
        assert "Eve\x1b" not in on_a_terminal(filled, "people", NO_COLOR="1")
        assert "Eve\x1b" not in on_a_terminal(filled, "people", "u1", NO_COLOR="1")

    def test_nothing_is_said_aside(self, look: Command) -> None:
        """Standard output stays empty."""
        done = look("sends", "--state", "parked")

        assert (0, "", "nothing\n") == (done.code, done.out, done.err)

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

from homing.cli.show import MAX_CELL, cell, named, pairs_out, rows_out, text, time_text

HOSTILE = ["\x1b[2J", "\r", "\x07", "\u202e", "\x9b31m", "\x00", "\ud800"]


def on_a_terminal(folder: Path, *args: str, **environ: str) -> str:
    """What `homing ARGS` writes to a terminal."""
    return _on_a_terminal(folder, "-m", "homing", *args, **environ)


def on_a_terminal_code(code: str, **environ: str) -> str:
    """What a piece of Python writes to a terminal."""
    return _on_a_terminal(Path.cwd(), "-c", code, **environ)


def _on_a_terminal(folder: Path, *args: str, **environ: str) -> str:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, *args], cwd=folder, stdout=theirs, stdin=theirs,
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


class TestNamed:
    @pytest.mark.parametrize(
        ("state", "message_id", "shown"),
        [
            ("accepted", "captured-1-0000000001", "captured"),
            ("accepted", "mid", "accepted"),
            ("accepted", None, "accepted"),
            ("rejected", "captured-1-0000000001", "rejected"),
        ],
    )
    def test_what_never_left_was_accepted_by_nobody(
        self, state: str, message_id: str | None, shown: str
    ) -> None:
        """Nor is it called so where people read."""
        row = {"id": "1", "state": state, "message_id": message_id}

        assert {**row, "state": shown} == named(row)

    def test_tables_say_so_and_json_keeps_the_ledgers_word(
        self, capsysbinary: pytest.CaptureFixture[bytes]
    ) -> None:
        """In lists, and of one send."""
        row = {"state": "accepted", "message_id": "captured-1"}
        rows_out([row], as_json=False, columns=("state",))
        pairs_out(row)
        assert 2 == capsysbinary.readouterr().out.count(b"captured\n")
        rows_out([row], as_json=True)
        assert b'"accepted"' in capsysbinary.readouterr().out


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

    @pytest.mark.parametrize("columns", [60, 120, 200])
    def test_a_long_reason_is_whole(self, columns: int) -> None:
        """On a terminal it has the width that is left; no word of another column is folded."""
        why = "because " * 60 + "of that"
        rows = f'[{{"id": "x1", "state": "dead", "reason": "{why}", "at": "2026-01-05"}}] * 2'
        code = f"from homing.cli.show import rows_out; rows_out({rows}, as_json=False)"
        said = on_a_terminal_code(code, COLUMNS=str(columns), NO_COLOR="1")

        lines = said.replace("\x1b[1m", "").replace("\x1b[0m", "").splitlines()
        assert 2 == sum("x1  " in line and "dead  " in line for line in lines)
        assert 2 == sum("2026-01-05" in line for line in lines)
        assert 120 == said.replace("\r\n", " ").count("because")
        assert max(map(len, lines)) <= columns

    def test_nothing_is_cut_where_no_terminal_is(self, capsys: pytest.CaptureFixture[str]) -> None:
        """What is long stands out of its column, and makes no other line long."""
        rows = [{"what": "a" * 500, "then": "b"}, {"what": "a", "then": "b"}]
        rows_out(rows, as_json=False)

        head, long, short = capsys.readouterr().out.splitlines()
        assert ("a" * 500 + "  b", "a" + " " * 121 + "b") == (long, short)
        assert head.startswith("WHAT ")

    def test_nothing_is_said_aside(self, look: Command) -> None:
        """Standard output stays empty."""
        done = look("sends", "--state", "parked")

        assert (0, "", "nothing\n") == (done.code, done.out, done.err)

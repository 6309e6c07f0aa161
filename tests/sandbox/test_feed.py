"""The lines a run prints."""

from __future__ import annotations

import dataclasses

import pytest

from homing.cli.feed import line_of, summary_lines
from homing.sandbox.happenings import Happening, What
from homing.sandbox.summary import Summary, Waits

AT = 1_700_000_000.0  # 22:13:20 UTC
SUMMARY = Summary(
    lasted_s=5.0, made=10, lost=0,
    events={"received": 12, "duplicates": 0, "quarantined": 0},
    sends={"accepted": 4, "rejected": 0, "expired": 0, "dropped": 0, "skipped": 0},
    journeys={}, skipped={}, unknown={"total": 0, "proved": 0, "resent": 0}, waiting=(),
    taken=4, home=8, calls_waiting=0, faults={}, paused={}, problems=(),
)  # fmt: skip


class TestLineOf:
    @pytest.mark.parametrize("what", list(What))
    def test_columns_are_aligned(self, what: What) -> None:
        """Whatever happens, who it is about begins in the same column."""
        line = line_of(Happening(AT, what, "u_0001", "welcome", "x"), colour=False, width=None)

        assert "22:13:20" == line[:8]
        assert what.replace("_", " ") == line[10:19].rstrip()
        assert "u_0001    welcome               x" == line[21:]

    @pytest.mark.parametrize("what", list(What))
    def test_colour_is_asked_for(self, what: What) -> None:
        """Without it there is no escape sequence."""
        happening = Happening(AT, what, "u", "Email Opened", "welcome")

        assert "\x1b[" in line_of(happening, colour=True, width=None)
        assert "\x1b" not in line_of(happening, colour=False, width=None)

    @pytest.mark.parametrize(("width", "length"), [(80, 80), (60, 73), (None, 253)])
    def test_a_terminal_cuts_the_detail(self, width: int | None, length: int) -> None:
        """To its width, but for a few words; a pipe gets it whole."""
        happening = Happening(AT, What.RETRY, "u_0001", "welcome", "a" * 200)

        assert length == len(line_of(happening, colour=False, width=width))

    def test_hostile_text_moves_no_cursor(self) -> None:
        """Escape sequences and line ends of an event's show as text on its one line."""
        hostile = "\x1b[2J\r\nfake line"
        happening = Happening(AT, What.EVENT_IN, hostile, hostile, hostile)

        line = line_of(happening, colour=False, width=None)

        assert line.isprintable()


class TestSummaryLines:
    def test_what_did_not_happen_is_left_out(self) -> None:
        """A run without trouble is told in four lines."""
        assert [
            ("lasted", "5 s, 10 events of the shop's"),
            ("taken in", "12 events, the shop's and SendGrid's"),
            ("emails", "4 accepted"),
            ("home", "8 calls"),
        ] == [*summary_lines(SUMMARY)]

    def test_trouble_is_named(self) -> None:
        """Each with its number and reason."""
        troubled = dataclasses.replace(
            SUMMARY,
            lost=3,
            journeys={
                "cart": {"entered": 3, "exited": 2, "waiting": 1, "converted": 2, "value": "9.50"},
                "tour": {"entered": 1, "waiting": 1, "converted": 0},
            },
            events={"received": 12, "duplicates": 2, "quarantined": 0},
            sends=SUMMARY.sends | {"skipped": 1},
            skipped={"suppressed: global": 1},
            unknown={"total": 2, "proved": 1, "resent": 1},
            waiting=(Waits(2, "retry", "HTTP 500"),),
            calls_waiting=5,
            faults={"sendgrid": {"401": 1, "502": 2}},
            paused={"mail": "HTTP 401"},
        )

        assert {
            ("taken in", "12 events, the shop's and SendGrid's, 2 duplicates left out"),
            ("journey", "cart: 3 entered, 2 exited, 1 waiting; 2 converted, worth 9.50"),
            ("journey", "tour: 1 entered, 1 waiting; 0 converted"),
            ("emails", "4 accepted, 1 skipped"),
            ("  skipped", "1 suppressed: global"),
            ("  waiting", "2 in retry: HTTP 500"),
            ("home", "8 calls, 5 calls still wait"),
            ("unknown", "2 outcomes, 1 proved by an event, 1 sent again"),
            ("faults", "sendgrid: 401 1, 502 2"),
            ("lost", "3 events never reached Homing"),
            ("paused", "mail: HTTP 401"),
        } < {*summary_lines(troubled)}

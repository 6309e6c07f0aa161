"""The status page: what needs a person first, then the books; nothing in it is markup."""

from __future__ import annotations

import dataclasses
import re

import pytest

from homing.core.effects import EffectState, EventState
from homing.core.ledger import SendState
from homing.ports import Alert, Pause
from homing.processes.books import RESOLUTIONS, Books
from homing.processes.status_page import ago_text, status_page

NOW = 1_767_614_400_000  # 2026-01-05, 12:00 UTC
HOSTILE = '"><script>alert(1)</script>'
BOOKS = Books(
    requests={"received": 7, "pending": 0},
    events={"received": 9, "duplicates": 2, **dict.fromkeys(map(str, EventState), 0), "done": 9},
    effects={"segment": {**dict.fromkeys(map(str, EffectState), 0), "done": 31}},
    sends={**dict.fromkeys(map(str, SendState), 0), "accepted": 5, "skipped": 1},
    unknown={"total": 0, **dict.fromkeys(RESOLUTIONS, 0)},
    counts={},
    alerts=(),
    pauses={},
)


def changed(**parts: object) -> str:
    """Show the page of changed books."""
    return status_page(dataclasses.replace(BOOKS, **parts), now_ms=NOW)


def row(name: str, page: str) -> str:
    """Read the count beside a name."""
    (count,) = re.findall(rf'<th scope="row">{name}</th><td[^>]*>(\d+)</td>', page)
    return count


class TestStatusPage:
    def test_the_books_are_there(self) -> None:
        """Every count under its name, and the moment it was read."""
        page = changed()

        assert "nothing to look at" in page
        assert ("6", "5", "1") == tuple(row(n, page) for n in ("decided", "accepted", "skipped"))
        assert "2" == row("duplicates", page)
        assert "as of 12:00:00 UTC" in page
        assert '<th scope="row">segment</th>' in page

    def test_a_pause_says_why_and_what_to_do(self) -> None:
        """Once, though it raised an alert that says the same."""
        pause = Pause(NOW - 65_000, "HTTP 401: authorization required", "homing")
        alert = Alert("paused", "mail", pause.reason, pause.at, pause.at, 1)

        page = changed(pauses={"mail": pause}, alerts=(alert,))

        assert 1 == page.count("HTTP 401")
        assert "1 min ago" in page
        assert "homing resume mail" in page
        assert "1 to look at" in page
        assert "<title>(1) Homing</title>" in page

    def test_an_alert_says_how_often(self) -> None:
        """With its first and its last time."""
        alert = Alert("refused", "segment", "401: signature", NOW - 7_200_000, NOW - 3_000, 12)

        page = changed(alerts=(alert,))

        assert "12 times, first 2 h ago, last 3 s ago" in page

    def test_an_empty_one_says_what_to_do_next(self) -> None:
        """Before anything has come in."""
        assert "/sendgrid" in changed(requests={"received": 0, "pending": 0})
        assert "Nothing has come in" not in changed()

    def test_nothing_in_it_is_markup(self) -> None:
        """Reasons are the vendors' words, names may be anybody's."""
        pause = Pause(NOW, HOSTILE, HOSTILE)
        alert = Alert(HOSTILE, HOSTILE, HOSTILE, NOW, NOW, 1)

        page = changed(pauses={HOSTILE: pause}, alerts=(alert,))

        assert "<script" not in page
        assert "&lt;script&gt;" in page

    def test_it_needs_nothing_from_elsewhere(self) -> None:
        """No script, no address, light and dark."""
        page = changed()

        assert not re.search(r"<script|src=|href=|url\(|@import|\son\w+=", page)
        assert "prefers-color-scheme: dark" in page


class TestAgoText:
    @pytest.mark.parametrize(
        ("ms", "text"),
        [(-9_000, "just now"), (999, "just now"), (1_000, "1 s ago"), (60_000, "1 min ago"),
         (7_199_999, "1 h ago"), (172_800_000, "2 d ago")],
    )  # fmt: skip
    def test_the_largest_whole_unit_counts(self, ms: int, text: str) -> None:
        """A clock that is behind says that it was now."""
        assert text == ago_text(NOW - ms, now_ms=NOW)

"""Was it a person?"""

from __future__ import annotations

import pytest

from homing.core.bots import Click, Surroundings, signs_of
from homing.core.sendgrid import EmailEvent, parse_event

DELIVERED_MS = 1_700_000_000_000
NOTHING = Surroundings()


def event_of(
    kind: str = "click", *, after_s: int = 60, url: str = "https://x.example/a"
) -> EmailEvent:
    """Make an event so long after delivery."""
    at_s = DELIVERED_MS // 1000 + after_s
    return parse_event({"event": kind, "timestamp": at_s, "url": url})


class TestSignsOf:
    @pytest.mark.parametrize(
        ("kind", "after_s", "expected"),
        [
            ("click", 0, ("click 0 s after delivery",)),
            ("click", 5, ("click 5 s after delivery",)),
            ("click", 6, ()),
            ("click", -3, ("click 3 s before delivery",)),
            ("unsubscribe", 1, ("unsubscribe 1 s after delivery",)),
            ("group_unsubscribe", 1, ("group_unsubscribe 1 s after delivery",)),
            ("open", 1, ()),
            ("delivered", 0, ()),
            ("spamreport", 0, ()),
        ],
    )
    def test_nobody_decides_at_the_moment_of_delivery(
        self, kind: str, after_s: int, expected: tuple[str, ...]
    ) -> None:
        """Clicks and unsubscribes within five seconds are a scanner's; quick opens are not."""
        around = Surroundings(delivered_at_ms=DELIVERED_MS)

        assert expected == signs_of(event_of(kind, after_s=after_s), around)

    def test_without_knowledge_there_is_no_suspicion(self) -> None:
        """An event alone, or one without a time, says nothing."""
        untimed = parse_event({"event": "click"}, DELIVERED_MS)

        assert () == signs_of(event_of(), NOTHING)
        assert () == signs_of(untimed, Surroundings(delivered_at_ms=DELIVERED_MS))

    @pytest.mark.parametrize(
        ("urls", "apart_ms", "suspect"),
        [
            (["b", "c"], 0, True),
            (["b", "c"], 2_000, True),
            (["b", "c"], 2_001, False),
            (["b"], 0, False),
            (["b", "b", "b"], 0, False),
        ],
    )
    def test_three_links_at_once_are_a_machine(
        self, urls: list[str], apart_ms: int, suspect: bool
    ) -> None:
        """Different links within two seconds; the same link again is an impatient person."""
        event = event_of(url="a")
        clicks = [Click(event.at_ms - apart_ms, url) for url in urls]

        assert suspect == bool(signs_of(event, Surroundings(clicks=clicks)))

    def test_an_unsubscribe_amid_clicks_is_suspect_too(self) -> None:
        """Scanners follow the unsubscribe link like any other."""
        event = event_of("unsubscribe")
        clicks = [Click(event.at_ms, url) for url in "abc"]

        assert ("3 links clicked within 2 s",) == signs_of(event, Surroundings(clicks=clicks))

    @pytest.mark.parametrize(("recipients", "suspect"), [(1, False), (4, False), (5, True)])
    def test_one_ip_for_many_recipients_is_a_machine(self, recipients: int, suspect: bool) -> None:
        """An office shares its address, but does not click in the same ten seconds."""
        around = Surroundings(recipients_of_ip=recipients)

        assert suspect == bool(signs_of(event_of("open"), around))

    def test_every_sign_is_listed(self) -> None:
        """All that speaks for a machine, for a person to judge."""
        event = event_of(after_s=0)
        around = Surroundings(DELIVERED_MS, [Click(event.at_ms, "b"), Click(event.at_ms, "c")], 9)

        assert 3 == len(signs_of(event, around))

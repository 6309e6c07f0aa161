"""What somebody no longer agrees to stops at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.stages.test_journey import event
from tests.support.journeys import Life
from tests.support.stages import DAY, HOUR, NOON

from homing.core.events import iso_time
from homing.ports import Store

CONFIG = """
[email.offer]
template = "d-00000000000000000000000000000003"
consent = ["marketing"]
[route.offer]
when = 'event = "Offer"'
send = "offer"
[quiet_hours]
from = "11:00"
to = "13:00"
"""
JOURNEY = """
[journey.nurture]
entry = { when = 'event = "Start"', reentry = "always" }
goal = { when = 'event = "Bought"' }
consent = ["marketing"]
[[journey.nurture.step]]
id = "first"
send = "digest"
[[journey.nurture.step]]
id = "wait"
delay = "10d"
[[journey.nurture.step]]
id = "second"
send = "digest"
[journey.free]
entry = { when = 'event = "Start"' }
[[journey.free.step]]
id = "wait"
delay = "10d"
[[journey.free.step]]
id = "offer"
send = "offer"
"""
UPDATED = "Segment Consent Preference Updated"


def said(name: str, user: str = "u1", at_ms: int = NOON, **preferences: bool) -> Mapping[str, Any]:
    """An event that carries preferences."""
    made: dict[str, Any] = {**event(name, user), "timestamp": iso_time(at_ms)}
    made["context"] = {**made["context"], "consent": {"categoryPreferences": preferences}}
    return made


async def states(life: Life) -> list[tuple[str, str, str | None]]:
    """What became of the sends, by rule."""
    return [(row.rule, row.state, row.reason) for row in await life.sends()]


class TestWithdraw:
    async def test_what_waits_to_leave_does_not_leave(self, store: Store) -> None:
        """
        Sends that quiet hours hold, of a route and of a journey; those that ask nothing stay.
        """
        life = Life.over(store, CONFIG + JOURNEY)
        await life.come(event("Offer"), event("Start"), event("Digest Due"))
        await life.come(said(UPDATED, marketing=False))

        assert [
            ("offer", "skipped", "consent: marketing"),
            ("nurture", "skipped", "consent: marketing"),
            ("digest", "reserved", "quiet hours in UTC"),
        ] == await states(life)

    async def test_runs_that_require_it_end_and_others_go_on(self, store: Store) -> None:
        """
        By the table, with the reason; the goal is counted still, the email asks for itself.
        """
        life = Life.over(store, CONFIG + JOURNEY)
        await life.come(event("Start"))
        await life.come(said(UPDATED, marketing=False))

        assert [("nurture", "exited", "consent: marketing"), ("free", "waiting", None)] == [
            (run.journey, run.state, run.reason) for run in await life.runs()
        ]
        await life.come(event("Bought"), event("Start"))
        assert NOON == (await life.runs())[0].converted_at
        assert 2 == len(await life.runs())
        await life.go_on(11 * DAY)
        assert ("free", "skipped", "consent: marketing") == (await states(life))[-1]

    async def test_an_older_word_changes_nothing(self, store: Store) -> None:
        """
        It counts for what its event asks for, and for that alone.
        """
        life = Life.over(store, CONFIG + JOURNEY)
        await life.come(said("Start", marketing=True))
        await life.come(said("Offer", at_ms=NOON - HOUR, marketing=False))

        assert ["waiting", "waiting"] == [run.state for run in await life.runs()]
        assert ("offer", "skipped", "consent: marketing") == (await states(life))[-1]
        await life.come(event("Offer"))
        assert ("offer", "reserved") == (await states(life))[-1][:2]

    async def test_who_agrees_again_enters_again(self, store: Store) -> None:
        """
        And a wait's end is asked of the newest word, not of the event that began it.
        """
        life = Life.over(store, CONFIG + JOURNEY)
        await life.come(said("Start", marketing=False))
        assert ["free"] == [run.journey for run in await life.runs()]
        await life.come(said(UPDATED, at_ms=NOON + 1, marketing=True))
        await life.come({**event("Start"), "context": {}})
        assert ["free", "nurture"] == sorted(run.journey for run in await life.runs())
        await life.go_on(11 * DAY)

        assert ("free", "accepted", None) in await states(life)

    async def test_two_people_who_are_one_have_the_newer_word(self, store: Store) -> None:
        """
        What either had under way and it forbids stops when they become one.
        """
        life = Life.over(store, CONFIG + JOURNEY)
        await life.come(event("Start", "u1"))
        await life.come(said("Page", "u2", marketing=False))
        alias = {"type": "alias", "userId": "u1", "previousId": "u2", "messageId": "a"}
        await life.come(alias)

        assert [("nurture", "exited", "consent: marketing"), ("free", "waiting", None)] == [
            (run.journey, run.state, run.reason) for run in await life.runs()
        ]
        assert [("nurture", "skipped", "consent: marketing")] == await states(life)

    async def test_a_send_is_asked_again_when_its_intent_is_written(self, store: Store) -> None:
        """
        Also if the configuration came to require it after the send was reserved.
        """
        plain = CONFIG.replace('consent = ["marketing"]\n', "")
        life = Life.over(store, plain)
        await life.come(said("Offer", marketing=False))
        assert "reserved" == (await states(life))[0][1]
        life.configure(CONFIG)
        await life.go_on(2 * HOUR)

        assert [("offer", "skipped", "consent: marketing")] == await states(life)

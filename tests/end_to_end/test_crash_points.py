"""P6: the process dies at each named point of a send's life; each policy has its exact count."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.service import World, track, world

# route's event by the policy of its email
EVENTS = {"resend": "Order Completed", "park": "Digest Due", "drop": "Notice Due"}
POLICIES = list(EVENTS)


@dataclass(frozen=True)
class Count:
    """Posts of the send that reached SendGrid, mails it took, and the state in the end."""

    posts: int
    mails: int
    state: str


ONCE = Count(1, 1, "accepted")

# facts: at most once by park and drop, at least once by resend, whatever the moment
EXPECTED = {
    "before_intent": dict.fromkeys(EVENTS, ONCE),
    "after_intent": {
        "resend": ONCE, "park": Count(0, 0, "parked"), "drop": Count(0, 0, "dropped"),
    },
    "after_headers": {
        "resend": Count(2, 1, "accepted"), "park": Count(1, 0, "parked"),
        "drop": Count(1, 0, "dropped"),
    },
    "after_accept": {
        "resend": Count(2, 2, "accepted"), "park": Count(1, 1, "parked"),
        "drop": Count(1, 1, "dropped"),
    },
    "after_outcome": dict.fromkeys(EVENTS, ONCE),
}  # fmt: skip
UNKNOWN = ("after_intent", "after_headers", "after_accept")
QUICK = 'unknown_after = "1s"'

# What dies together: a batch whose sends are all at the same point; where one send's answer decides
# the moment, each policy has a life of its own. The one that is resent comes last: it would pass
# the point again.
TOGETHER = (("park", "drop", "resend"),)
ONE_BY_ONE = (("park",), ("drop",), ("resend",))
LIVES = {"after_accept": ONE_BY_ONE, "after_outcome": ONE_BY_ONE}


async def crash_at(w: World, point: str, policies: Sequence[str]) -> None:
    """Send an email of each policy, and let the service die when they are at the point."""
    events = [track(POLICIES.index(p), EVENTS[p], {"total": 5}, user=p) for p in policies]
    if point == "after_headers":
        # what the emulator has read has left, and no answer comes
        w.sendgrid.faults.script(["hang"] * len(events))
        await w.service.start()
        assert 200 == (await w.sender.deliver(*events)).status
        await w.sendgrid.until(lambda: len(w.sendgrid.requests) == len(events))
        await w.service.kill()
    else:
        await w.service.start(HOMING_CRASH_AT=point)
        assert 200 == (await w.sender.deliver(*events)).status
        assert -9 == await w.service.exited()


async def resolved(w: World, sends: int) -> None:
    def ended() -> bool:
        rows = w.sends()
        over = [row for row in rows if row.state in ("accepted", "parked", "dropped")]
        return len(over) == len(rows) == sends

    await w.until(ended, what=f"{sends} resolved")


class TestCrashPoints:
    @pytest.mark.parametrize("point", list(EXPECTED))
    async def test_without_evidence_each_policy_has_its_exact_number_of_posts(
        self, tmp_path: Path, point: str
    ) -> None:
        """P6: killed at a point, an unknown outcome is resolved by the email's policy alone."""
        async with world(tmp_path, start=False, processes=1, sendgrid_extra=QUICK) as w:
            w.sendgrid.webhook_url = None
            for policies in LIVES.get(point, TOGETHER):
                await crash_at(w, point, policies)
            await w.service.start()
            await resolved(w, 3)

            posts, mails = w.posts(), w.accepted()
            found = {
                row.user: Count(posts[row.key], mails[row.key], row.state) for row in w.sends()
            }
            assert EXPECTED[point] == found
            assert (3 if point in UNKNOWN else 0) == w.tables()["unknown"]["total"]

    @pytest.mark.parametrize("policy", list(EVENTS))
    async def test_with_evidence_it_is_one_email_whatever_the_policy(
        self, tmp_path: Path, policy: str
    ) -> None:
        """P6: taken, and died before that was recorded: the webhook proves it, none is resent."""
        async with world(tmp_path, start=False, processes=1) as w:
            await crash_at(w, "after_accept", (policy,))
            (row,) = w.sends()
            assert "in_flight" == row.state
            await w.service.start()
            await resolved(w, 1)
            await w.at_rest()

            (row,) = w.sends()
            assert ("accepted", "delivered") == (row.state, row.mail)
            assert {row.key: 1} == w.posts() == w.accepted()
            unknown = w.tables()["unknown"]
            assert (1, 1, 0) == (unknown["total"], unknown["proved"], unknown["resent"])

    async def test_the_supervisor_restarts_a_worker_that_died_mid_send(
        self, tmp_path: Path
    ) -> None:
        """The worker alone is killed amid a send: the other process keeps accepting."""
        async with world(tmp_path, sendgrid_extra=QUICK) as w:
            w.sendgrid.faults.script(["timeout-after-accept"])
            assert 200 == (await w.sender.deliver(_order(1))).status
            await w.sendgrid.until(lambda: len(w.sendgrid.accepted) == 1)
            pid = w.service.children()["worker"]
            await w.service.kill_child("worker")
            posts = await asyncio.gather(*(w.sender.deliver(_order(n)) for n in range(2, 22)))
            assert {200} == {post.status for post in posts}
            await w.until(lambda: w.states()["accepted"] == 21)
            await w.at_rest()

            assert pid != w.service.children()["worker"]
            assert set(w.accepted().values()) == {1}
            assert 1 == w.tables()["unknown"]["proved"]


def _order(number: int) -> dict[str, object]:
    return track(number, "Order Completed", {"total": 1}, user=f"u{number}")

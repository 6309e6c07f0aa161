"""P6: sends whose outcome nobody knows, resolved by evidence, by policy, or by a person."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.service import World, track, world

from homing.emulators import SendGridSettings
from homing.emulators.sendgrid.settings import Pace

N = 8
QUICK = 'unknown_after = "1s"'


def order(number: int, user: str | None = None) -> dict[str, object]:
    return track(number, "Order Completed", {"total": 1, "n": number}, user=user or f"u{number}")


def digest(number: int) -> dict[str, object]:
    return track(number, "Digest Due", {"n": number}, user=f"u{number}")


@asynccontextmanager
async def cut_off(folder: Path) -> AsyncIterator[tuple[World, str]]:
    """A marketing send that SendGrid took and nobody heard of, parked by its policy."""
    async with world(folder, processes=1, sendgrid_extra=QUICK) as w:
        w.sendgrid.webhook_url = None
        w.sendgrid.faults.script(["reset-after-accept"])
        await w.sender.deliver(digest(1))
        await w.until(lambda: w.states()["parked"] == 1)
        (row,) = w.sends()
        assert {row.key: 1} == w.accepted()
        yield w, row.key


class TestEvidence:
    async def test_accepted_and_cut_off_is_one_email_once_the_webhook_comes(
        self, tmp_path: Path
    ) -> None:
        """P6: of mail that was taken, events prove what the lost answers would have said."""
        async with world(tmp_path) as w:
            w.sendgrid.faults.when("reset-after-accept", lambda r: r.path.endswith("send"), times=N)
            await asyncio.gather(*(w.sender.deliver(order(n)) for n in range(N)))
            await w.until(lambda: w.states()["accepted"] == N)
            await w.at_rest()

            unknown = w.tables()["unknown"]
            assert (N, N, 0) == (unknown["total"], unknown["proved"], unknown["resent"])
            assert {1} == set(w.posts().values()) == set(w.accepted().values())
            assert {"delivered"} == {row.mail for row in w.sends()}

    async def test_an_event_that_overtakes_the_answer_frees_the_lane(self, tmp_path: Path) -> None:
        """P4, P6: evidence that comes while the call still hangs lets what waits behind leave."""
        async with world(tmp_path, processes=1) as w:
            w.sendgrid.faults.script(["timeout-after-accept"])
            await w.sender.deliver(order(1, "ann"))
            await w.sender.deliver(order(2, "ann"))
            # far sooner than the call's own time-out of half a minute
            await w.sendgrid.until(lambda: len(w.sendgrid.accepted) == 2)
            await w.until(lambda: w.states()["accepted"] == 2)

            assert [1, 2] == [mail.template_data["n"] for mail in w.sendgrid.accepted]
            assert 0 == w.tables()["unknown"]["total"]

    async def test_late_evidence_settles_what_was_parked_or_given_up(self, tmp_path: Path) -> None:
        """P6: an event that comes after the policy has spoken still says what is true."""
        settings = SendGridSettings(pace=Pace(delivered_after_s=4.0))
        async with world(tmp_path, processes=1, settings=settings, sendgrid_extra=QUICK) as w:
            w.sendgrid.webhook_faults.script(["drop", "drop"])  # of both, `processed`
            w.sendgrid.faults.script(["reset-after-accept"] * 2)
            notice = track(2, "Notice Due", {}, user="u2")
            await w.sender.deliver(digest(1), notice)
            await w.until(lambda: {"parked": 1, "dropped": 1} == w.states())
            await w.until(lambda: w.states()["accepted"] == 2)
            await w.at_rest()

            assert 2 == w.tables()["unknown"]["proved"]
            assert {1} == set(w.accepted().values())

    async def test_the_wait_for_evidence_stands_still_while_none_can_come(
        self, tmp_path: Path
    ) -> None:
        """P6: with the receiver down the clock of evidence stops, and nothing is resent."""
        async with world(tmp_path, sendgrid_extra='unknown_after = "2s"') as w:
            receiver = w.service.children()["receiver"]
            w.sendgrid.faults.script(["timeout-after-accept"])
            await w.sender.deliver(order(1))
            await w.sendgrid.until(lambda: len(w.sendgrid.accepted) == 1)
            os.kill(receiver, signal.SIGSTOP)
            await w.service.kill_child("worker")
            await w.until(lambda: w.states()["unknown"] == 1)
            await asyncio.sleep(4.0)  # how long the receiver is down
            assert {"unknown": 1} == w.states()
            os.kill(receiver, signal.SIGCONT)
            await w.until(lambda: w.states()["accepted"] == 1)
            await w.at_rest()

            assert {1} == set(w.posts().values())


class TestPolicy:
    async def test_without_evidence_the_lane_waits_and_then_the_policy_decides(
        self, tmp_path: Path
    ) -> None:
        """P4, P6: an unknown transactional send holds its lane, and is sent again in its place."""
        async with world(tmp_path, processes=1, sendgrid_extra=QUICK) as w:
            w.sendgrid.webhook_url = None
            w.sendgrid.faults.script(["reset-after-accept"])
            await w.sender.deliver(order(1, "ann"))
            await w.sender.deliver(order(2, "ann"))
            await w.until(lambda: w.states()["accepted"] == 2)

            assert [1, 1, 2] == [mail.template_data["n"] for mail in w.sendgrid.accepted]
            unknown = w.tables()["unknown"]
            assert (1, 1) == (unknown["total"], unknown["resent"])

    async def test_a_person_may_say_that_it_was_sent(self, tmp_path: Path) -> None:
        """`homing resolve --as sent` ends it without another post."""
        async with cut_off(tmp_path) as (w, key):
            await w.service.command("resolve", key, "--as", "sent")
            await w.until(lambda: w.states()["accepted"] == 1)

            assert {key: 1} == w.posts()
            assert 1 == w.tables()["unknown"]["by_hand"]

    async def test_a_person_may_say_send_it_again(self, tmp_path: Path) -> None:
        """`homing resolve --as resend` posts once more."""
        async with cut_off(tmp_path) as (w, key):
            await w.service.ask("resolve", send=key, **{"as": "resend"})
            await w.until(lambda: w.states()["accepted"] == 1)

            assert {key: 2} == w.posts()

    async def test_a_person_may_give_it_up(self, tmp_path: Path) -> None:
        """`homing resolve --as drop` ends it as dropped."""
        async with cut_off(tmp_path) as (w, key):
            await w.service.ask("resolve", send=key, **{"as": "drop"})

            assert {"dropped": 1} == w.states()
            assert {key: 1} == w.posts()

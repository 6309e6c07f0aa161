"""P3 and section 9: who opted out is not mailed, and both sides know."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.support.service import World, track, world

GLOBAL_LIST = "/v3/asm/suppressions/global"
GROUP_LIST = "/v3/asm/groups/12345/suppressions"


def digest(number: int, user: str) -> dict[str, object]:
    return track(number, "Digest Due", {"n": number}, user=user)


def order(number: int, user: str) -> dict[str, object]:
    return track(number, "Order Completed", {"total": 1, "n": number}, user=user)


def opt(number: int, user: str, *, out: bool, email: bool = True) -> dict[str, object]:
    traits: dict[str, object] = {"email_opt_out": out}
    if email:
        traits["email"] = f"{user}@example.com"
    return {
        "type": "identify", "messageId": f"opt-{user}-{number}", "userId": user, "traits": traits,
        "timestamp": f"2026-11-22T11:00:{number:02d}.000Z",
    }  # fmt: skip


def suppression_calls(w: World) -> list[tuple[str, str]]:
    return [(r.method, r.path) for r in w.sendgrid.requests if "/asm/" in r.path]


class TestJustBefore:
    async def test_an_opt_out_that_comes_while_mail_is_held_stops_it(self, tmp_path: Path) -> None:
        """P3: stored before the intent is written, an opt-out stops a send decided long ago."""
        async with world(tmp_path, processes=1) as w:
            await w.service.ask("pause", name="mail")
            await w.sender.deliver(digest(1, "ann"))
            await w.sender.deliver(digest(2, "bob"))
            await w.until(lambda: w.states()["reserved"] == 2)
            await w.sender.deliver(opt(1, "ann", out=True))
            await w.service.ask("resume", name="mail")
            await w.until(lambda: {"skipped": 1, "accepted": 1} == w.states())

            (skipped,) = (row for row in w.sends() if row.state == "skipped")
            assert ("ann", "suppressed: global") == (skipped.user, skipped.reason)
            assert ["bob@example.com"] == [mail.to for mail in w.sendgrid.accepted]

    async def test_an_opt_out_overtakes_what_waits_behind_a_slow_send(self, tmp_path: Path) -> None:
        """P3: the first hangs in flight, the opt-out arrives, the second never leaves."""
        async with world(tmp_path, processes=1) as w:
            w.sendgrid.webhook_url = None
            w.sendgrid.faults.script(["slow"])
            await w.sender.deliver(digest(1, "ann"))
            await w.sendgrid.until(lambda: len(w.sendgrid.requests) == 1)
            await w.sender.deliver(digest(2, "ann"))
            await w.sender.deliver(opt(1, "ann", out=True))
            await w.until(lambda: {"accepted": 1, "skipped": 1} == w.states())

            assert [1] == [mail.template_data["n"] for mail in w.sendgrid.accepted]

    @pytest.mark.parametrize("processes", [1, 2])
    async def test_in_one_request_the_opt_out_behind_the_send_still_stops_it(
        self, tmp_path: Path, processes: int
    ) -> None:
        """P3: everything in the log is evaluated before a batch of intents is written."""
        users = [f"u{n}" for n in range(40)]
        async with world(tmp_path, processes=processes) as w:
            await asyncio.gather(
                *(
                    w.sender.deliver(digest(n, user), opt(n, user, out=True))
                    for n, user in enumerate(users)
                )
            )
            await w.until(lambda: w.states()["skipped"] == len(users))

            assert 0 == len(w.sendgrid.accepted)

    async def test_the_unsubscribe_link_stops_the_next_email(self, tmp_path: Path) -> None:
        """P3: an event of SendGrid's in the log counts as known like any other."""
        async with world(tmp_path, processes=1) as w:
            await w.sender.deliver(digest(1, "ann"))
            await w.until(lambda: w.states()["accepted"] == 1)
            await w.sendgrid.settle()
            w.sendgrid.recipients.unsubscribe(w.sendgrid.accepted[0])
            await w.sendgrid.settle()  # the receiver has answered 200
            await w.sender.deliver(digest(2, "ann"))
            await w.until(lambda: len(w.sends()) == 2 and w.states()["skipped"] == 1)

            assert [1] == [mail.template_data["n"] for mail in w.sendgrid.accepted]

    async def test_an_international_address_is_one_address_in_both_spellings(
        self, tmp_path: Path
    ) -> None:
        """P3: SendGrid unsubscribes the ASCII form; the Unicode form is not mailed again."""
        async with world(tmp_path, processes=1) as w:
            for number in (1, 2):
                event = digest(number, "ann")
                event["context"] = {"traits": {"email": "ann@Bücher.example"}}
                await w.sender.deliver(event)
                if number == 1:
                    await w.until(lambda: w.states()["accepted"] == 1)
                    await w.sendgrid.settle()
                    w.sendgrid.recipients.unsubscribe(w.sendgrid.accepted[0])
                    await w.sendgrid.settle()
                    await w.until(lambda: w.sends()[0].mail == "unsubscribed")
            await w.until(lambda: {"accepted": 1, "skipped": 1} == w.states())

    async def test_an_opt_out_without_an_address_is_of_the_address_that_is_known(
        self, tmp_path: Path
    ) -> None:
        """P3: `identify` with nothing but the wish opts out the address of the person's traits."""
        async with world(tmp_path, processes=1) as w:
            await w.sender.deliver(digest(1, "ann"))
            await w.sendgrid.until(lambda: len(w.sendgrid.accepted) == 1)
            await w.sender.deliver(opt(1, "ann", out=True, email=False))
            await w.sender.deliver(digest(2, "ann"))
            await w.until(lambda: {"accepted": 1, "skipped": 1} == w.states())
            await w.at_rest()

            assert w.sendgrid.suppressions.find("unsubscribes", "ann@example.com")


class TestFromSegment:
    async def test_an_older_opt_in_does_not_lift_a_newer_opt_out(self, tmp_path: Path) -> None:
        """Only a newer explicit opt-in lifts an opt-out, whatever the order of arrival."""
        async with world(tmp_path, processes=1) as w:
            await w.sender.deliver(opt(30, "ann", out=True))
            await w.sender.deliver(opt(10, "ann", out=False))
            await w.sender.deliver(digest(1, "ann"))
            await w.until(lambda: w.states()["skipped"] == 1)
            await w.at_rest()

            assert [("POST", GLOBAL_LIST)] == suppression_calls(w)

    async def test_suppressions_wait_out_an_outage_and_arrive_in_order(
        self, tmp_path: Path
    ) -> None:
        """P4: SendGrid is down, nothing is lost: at its return the last wish of each holds."""
        users = [f"u{n}" for n in range(30)]
        async with world(tmp_path, processes=1) as w:
            w.sendgrid.down = True
            for number, out in enumerate((True, False, True)):
                await w.sender.deliver(*(opt(number, user, out=out) for user in users), batch=True)
            await w.sendgrid.until(lambda: len(w.sendgrid.requests) > 4)
            w.sendgrid.down = False
            await w.at_rest(40)

            suppressed = w.sendgrid.suppressions
            assert all(suppressed.find("unsubscribes", f"{user}@example.com") for user in users)
            dead = w.tables()["effects"]["suppressions"]["dead"]
            assert 0 == dead

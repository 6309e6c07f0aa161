"""A newcomer clicks through the sandbox: what they do at SendGrid comes home to Segment."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from homing.emulators import Engagement, Faults, Pace
from homing.emulators.clock import wall_clock
from homing.sandbox.settling import settle
from homing.sandbox.town import Town, town

NOBODY = Engagement()
#: What a person would call at once, on a machine that has other things to do.
SOON_S = 5.0


class Newcomer:
    """Somebody with a browser, and the shop's customer Ada."""

    here: Town

    def __init__(self, http: ClientSession) -> None:
        self._http = http
        self._events = 0
        #: How far SendGrid's clock is ahead.
        self.wait_s = 0.0

    async def get(self, path: str) -> str:
        """Look at a page of the mailbox."""
        return await self.read(self.here.sendgrid.url + path)

    async def read(self, url: str) -> str:
        """Look at any page."""
        async with self._http.get(url) as response:
            assert 200 == response.status
            return await response.text()

    async def press(self, path: str) -> str:
        """Press a button of the mailbox."""
        async with self._http.post(self.here.sendgrid.url + path) as response:
            assert 200 == response.status
            return await response.text()

    def newest(self, email: str) -> int:
        """Find the number of Ada's newest mail of a kind."""
        mails = self.here.sendgrid.accepted.newest()
        return next(mail.id for mail in mails if mail.custom_args["homing_rule"] == email)

    async def skipped(self) -> dict[str, str]:
        """Ask why sends were skipped, by email."""
        rows = await self.here.look(
            lambda tx: tx.sends.newest(state="skipped", before=None, limit=10)
        )
        return {row.email: row.reason or "" for row in rows}

    async def order(self, number: int) -> None:
        """Let Ada order something, and wait until all that follows has happened."""
        self.happen(
            "track",
            event="Order Completed",
            properties={"order_id": f"o{number}", "total": 5, "products": []},
        )
        assert await settle(self.here, patience_s=SOON_S)

    def happen(self, kind: str, **members: object) -> None:
        """Let Ada do something in the shop."""
        self._events += 1
        ada = {"userId": "ada", "context": {"traits": {"email": "ada@shop.example"}}}
        message_id = f"m{self._events}"
        self.here.send({"type": kind, "messageId": message_id, **ada, **members})

    async def came_home(self, name: str, **properties: object) -> dict[str, Any]:
        """Wait until a track call of that name is at Segment."""

        def found() -> list[dict[str, Any]]:
            return [
                call for call in self.here.segment.received
                if call.get("event") == name and properties.items() <= call["properties"].items()
            ]  # fmt: skip

        await self.here.segment.until(lambda: bool(found()), SOON_S)
        return found()[-1]

    async def has_traits(self, **traits: object) -> None:
        """Wait until Ada's profile says so."""

        def says() -> bool:
            profile = self.here.segment.profiles.find("user_id", "ada")
            return profile is not None and traits.items() <= profile.traits.items()

        await self.here.segment.until(says, SOON_S)


@pytest.fixture
async def newcomer(tmp_path: Path) -> AsyncIterator[Newcomer]:
    """Open a town where nobody but the newcomer does anything."""
    async with ClientSession() as http:
        newcomer = Newcomer(http)

        def clock() -> float:
            return wall_clock() + newcomer.wait_s

        async with town(
            tmp_path, faults=Faults(), people=NOBODY, pace=Pace(), clock=clock
        ) as newcomer.here:
            newcomer.happen("identify", traits={"email": "ada@shop.example", "first_name": "Ada"})
            newcomer.happen("track", event="Newsletter Joined")
            assert await settle(newcomer.here, patience_s=SOON_S)
            yield newcomer


class TestClicking:
    async def test_what_is_done_with_a_mail_comes_home(self, newcomer: Newcomer) -> None:
        """Opened by looking, clicked by following a link, opened by a machine apart from that."""
        assert "Welcome, Ada!" in await newcomer.get("/mailbox")

        await newcomer.get("/mailbox/1")
        opened = await newcomer.came_home("Email Opened")
        body = await newcomer.get("/mailbox/1/body")
        link = re.findall(r'href="(/click/[^"]+)"', body)[0]
        await newcomer.get(link)
        clicked = await newcomer.came_home("Email Link Clicked")
        await newcomer.press("/mailbox/1/machine-open")
        await newcomer.came_home("Email Machine Opened")

        assert ("ada", "welcome") == (opened["userId"], opened["properties"]["campaign_name"])
        assert "https://acme.example/shop?from=welcome" == clicked["properties"]["link_url"]
        await newcomer.has_traits(last_clicked_url="https://acme.example/shop?from=welcome")

    async def test_a_group_that_was_left_gets_no_more_mail(self, newcomer: Newcomer) -> None:
        """Its next email is skipped with the reason, others go on; who comes back gets it again."""
        await newcomer.order(1)
        letter = newcomer.newest("recommendation")

        assert f"/unsubscribe/{letter}" in await newcomer.get(f"/mailbox/{letter}/body")
        assert "You are unsubscribed" in await newcomer.get(f"/unsubscribe/{letter}")
        await newcomer.came_home("Unsubscribed From Group")
        await newcomer.has_traits(email_groups_unsubscribed=["offers"])
        await newcomer.order(2)
        assert {"recommendation": "suppressed: group:offers"} == await newcomer.skipped()
        assert letter == newcomer.newest("recommendation")

        newcomer.wait_s += 2
        assert "You are subscribed" in await newcomer.press(f"/resubscribe/{letter}")
        await newcomer.has_traits(email_groups_unsubscribed=[])
        await newcomer.order(3)
        assert letter < newcomer.newest("recommendation")

    async def test_leaving_everything_stops_marketing_alone(self, newcomer: Newcomer) -> None:
        """A transactional mail's link is global: the receipt still comes, the offer does not."""
        await newcomer.get("/unsubscribe/1")
        await newcomer.has_traits(email_suppressed=True, email_subscription_status="unsubscribed")

        await newcomer.order(1)

        assert {"recommendation": "suppressed: global"} == await newcomer.skipped()
        assert newcomer.newest("order-confirmation")

    async def test_spam_stops_everything(self, newcomer: Newcomer) -> None:
        """One button, and not even a receipt is sent."""
        assert "Marked as spam" in await newcomer.press("/mailbox/1/spam")
        await newcomer.has_traits(email_suppressed=True, email_suppressed_reason="spamreport")

        await newcomer.order(1)

        assert {
            "recommendation": "suppressed: spam", "order-confirmation": "suppressed: spam"
        } == await newcomer.skipped()  # fmt: skip

    async def test_the_pages_lead_to_each_other(self, newcomer: Newcomer) -> None:
        """From the mailbox to the debugger, to the person's profile, to the service's status."""
        debugger, status = re.findall(r'href="(http://[^"]+)"', await newcomer.get("/mailbox"))
        await newcomer.came_home("Email Delivered")

        profile = await newcomer.read(debugger.replace("/debugger", "/profiles/user_id/ada"))

        assert "Email Delivered" in profile
        assert "Newsletter Joined" in profile
        assert "Emails" in await newcomer.read(status)

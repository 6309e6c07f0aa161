"""What became of an email: the ledger, the person's profile, routes; whatever SendGrid says."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.support import oracle
from tests.support.service import World, world
from tests.support.stories import (
    Ahead,
    Event,
    happened,
    home_of,
    identified,
    last_mail,
    mails_to,
    names_home,
    records,
    take,
    verdicts,
)

from homing.emulators import SendGridSettings
from homing.emulators.sendgrid.mail import AcceptedMail

EXTRA = """
[email.with-copy]
template = "d-00000000000000000000000000000006"
cc = ["archive@acme.example"]

[route.with-copy]
when = 'event = "Contract Due"'
send = "with-copy"

[email.thanks]
template = "d-00000000000000000000000000000007"
class = "transactional"

[route.thanks]
when = 'event = "Email Link Clicked" and properties.link_url = "https://shop.example/cart"'
send = "thanks"
track = { event = "Cart Visited", properties = { campaign = "$.properties.campaign_name" } }
"""


@pytest.fixture
async def clock() -> Ahead:
    """SendGrid's clock."""
    return Ahead()


@pytest.fixture
async def w(tmp_path: Path, clock: Ahead) -> AsyncIterator[World]:
    """A world with a copy, and a route on clicks."""
    settings = SendGridSettings(clock=clock)
    async with world(tmp_path, processes=1, extra=EXTRA, settings=settings) as place:
        yield place


def of(mail: AcceptedMail, kind: str, *, after_s: int, **fields: object) -> Event:
    """One event of a mail's, as SendGrid posts it."""
    return {
        "event": kind,
        "email": mail.to,
        "timestamp": int(mail.accepted_at) + after_s,
        "sg_event_id": f"{kind}-{after_s}-{mail.id}",
        "sg_message_id": mail.sg_message_id,
        **mail.custom_args,
        **fields,
    }


async def engage(w: World, *events: Event) -> None:
    """Post events in one request, as SendGrid does, and see them evaluated."""
    assert 200 == await w.engage(json.dumps(events).encode())
    await w.at_rest()


def properties(w: World, user: str, name: str) -> list[dict[str, Any]]:
    """The properties of each track of that name that came home."""
    return [call["properties"] for call in home_of(w, user, "track") if call["event"] == name]


class TestMachines:
    async def test_machine_opens_are_apart_and_a_scanner_is_tagged(self, w: World) -> None:
        """A machine's open has a name of its own; clicks at delivery are home, and suspected."""
        await take(w, happened("Digest Due", "machine1"), happened("Digest Due", "ann"))
        await w.at_rest()
        mail = last_mail(w, "ann")
        (sent,) = (row for row in w.sends() if row.user == "ann")
        delivered = int((sent.delivered_at or 0) / 1000 - int(mail.accepted_at))
        links = [f"https://shop.example/{n}" for n in range(4)]
        burst = [
            of(mail, "click", after_s=delivered + 1, url=url, sg_event_id=url) for url in links
        ]
        person = of(mail, "click", after_s=delivered + 600, url=links[0], sg_event_id="person")
        await engage(w, *burst, person)

        (machine,) = properties(w, "machine1", "Email Machine Opened")
        assert machine["machine_open"] is True
        assert "Email Opened" not in names_home(w, "machine1")
        clicks = properties(w, "ann", "Email Link Clicked")
        assert [True] * 4 + [False] == [click["suspected_bot"] for click in clicks]
        assert [*links, links[0]] == [click["link_url"] for click in clicks]


class TestEchoes:
    async def test_our_own_calls_coming_back_are_filtered(self, w: World) -> None:
        """P2, P5: what we wrote home and Segment posts back starts nothing; it has a reason."""
        await take(
            w, happened("Order Completed", "click1", total=1), happened("Digest Due", "spam1")
        )
        await w.at_rest()
        ours = [dict(call) for call in w.segment.received]
        assert {"track", "identify"} == {call["type"] for call in ours}
        before = (len(w.sendgrid.accepted), len(ours))
        # a source function, or a replay, may give them ids of their own
        again = [{**call, "messageId": f"other-{n}"} for n, call in enumerate(ours)]
        for call in (*ours, *again):
            await take(w, call)
        await w.at_rest()

        assert before == (len(w.sendgrid.accepted), len(w.segment.received))
        assert 2 * len(ours) == w.books().events["filtered"]
        reasons = oracle.rows(
            w.service.state, "SELECT DISTINCT reason FROM event WHERE state = 'filtered'"
        )
        assert [("echo: our own call came back",)] == reasons


class TestUnknown:
    async def test_events_nobody_knows_are_kept_with_a_reason(self, w: World) -> None:
        """P5: an unknown type is quarantined and counted; its neighbours in the request go home."""
        await take(w, happened("Digest Due", "ann"))
        await w.at_rest()
        mail = last_mail(w, "ann")
        odd = {**of(mail, "telepathy", after_s=9), "nested": {"a": [1, None, "\ud800"]}}
        await engage(
            w,
            odd,
            of(mail, "open", after_s=60, sg_machine_open=False),
            {"email": mail.to, "timestamp": 1},
            of(mail, "click", after_s=61, url="https://shop.example/"),
        )

        assert 2 == w.books().events["quarantined"]
        told = oracle.rows(w.service.state, "SELECT reason FROM event WHERE state = 'quarantined'")
        assert [
            "the event has no text under `event`",
            "unknown SendGrid event 'telepathy'",
        ] == sorted(reason for (reason,) in told)
        assert ["Email Delivered", "Email Opened", "Email Link Clicked"] == names_home(w, "ann")


class TestTheLedger:
    async def test_no_order_of_arrival_moves_a_send_back(self, w: World) -> None:
        """P4: every order of a send's events ends in the same state, none lost, each home once."""
        kinds = ("processed", "delivered", "open", "click")
        orders = list(itertools.permutations(kinds))
        w.sendgrid.webhook_url = None
        await take(w, *(happened("Digest Due", f"u{n}") for n in range(len(orders))))
        await w.until(lambda: w.states()["accepted"] == len(orders))
        await w.sendgrid.settle()
        for n, order in enumerate(orders):
            mail = last_mail(w, f"u{n}")
            told = {kind: of(mail, kind, after_s=60 * at) for at, kind in enumerate(kinds)}
            for kind in order:
                assert 200 == await w.engage(json.dumps([told[kind], told[kind]]).encode())
        await w.at_rest()

        assert {("accepted", "clicked")} == {(row.state, row.mail) for row in w.sends()}
        wanted = ["Email Delivered", "Email Link Clicked", "Email Opened"]
        for n in range(len(orders)):
            assert wanted == sorted(names_home(w, f"u{n}"))
        assert len(orders) * len(kinds) == w.books().events["duplicates"]


class TestCorrelation:
    async def test_a_late_bounce_without_ids_is_matched_by_address(self, w: World) -> None:
        """P3: of several recipients, whose bounce has no ids is found, flagged, suppressed."""
        await take(
            w,
            identified("latebounce1", email="latebounce1@example.com"),
            happened("Contract Due", "latebounce1"),
            happened("Contract Due", "bob"),
        )
        await w.at_rest()
        await take(w, happened("Digest Due", "latebounce1"), happened("Digest Due", "bob"))
        await w.at_rest()

        (bounce,) = properties(w, "latebounce1", "Email Bounced")
        assert "address" == bounce["correlation"]
        key = last_mail(w, "latebounce1").custom_args["homing_send"]
        assert key == bounce["send_id"]
        assert ("digest", "skipped", "suppressed: bounce") == verdicts(w, "latebounce1")[-1]
        assert ("digest", "accepted", None) == verdicts(w, "bob")[-1]
        # matched by nothing but the address: the ledger is not moved on a guess
        (row,) = (row for row in w.sends() if row.key == key)
        assert "delivered" == row.mail

    async def test_what_happens_to_a_copy_is_not_the_persons(self, w: World) -> None:
        """P3: the archive's bounce stops the archive, and neither moves nor names the recipient."""
        await take(w, happened("Contract Due", "bob"))
        await w.at_rest()
        (copy,) = w.sendgrid.accepted.to("archive@acme.example")
        await engage(w, of(copy, "bounce", after_s=30, type="bounce", reason="550 no such user"))
        await take(w, happened("Digest Due", "bob"))
        await w.at_rest()

        assert "Email Bounced" not in names_home(w, "bob")
        assert [("with-copy", "accepted", None), ("digest", "accepted", None)] == verdicts(w, "bob")
        assert {"delivered"} == {row.mail for row in w.sends()}
        assert records(w, "archive@acme.example")["bounce"].suppressed
        assert {} == records(w, "bob@example.com")


class TestRoutes:
    async def test_a_click_fires_a_route_without_the_round_trip(self, w: World) -> None:
        """P2: SendGrid's click is an event for routes at once, once, with Segment out of reach."""
        w.segment.down = True
        await take(w, happened("Digest Due", "ann"))
        await w.sendgrid.until(lambda: len(w.sendgrid.accepted) == 1)
        await w.sendgrid.settle()
        mail = last_mail(w, "ann")
        cart = of(mail, "click", after_s=60, url="https://shop.example/cart")
        elsewhere = of(mail, "click", after_s=61, url="https://shop.example/else")
        body = json.dumps([cart, elsewhere, cart]).encode()
        for _ in range(2):
            assert 200 == await w.engage(body)
        await w.sendgrid.until(lambda: len(w.sendgrid.accepted) == 2)
        w.segment.down = False
        await w.service.ask("resume", name="segment")
        await w.at_rest()

        assert ["digest", "thanks"] == [email for email, *_ in verdicts(w, "ann")]
        assert 2 == len(mails_to(w, "ann"))
        assert [{"campaign": "digest"}] == properties(w, "ann", "Cart Visited")
        assert 2 == names_home(w, "ann").count("Email Link Clicked")

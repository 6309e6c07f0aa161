"""Consent through the whole service: what is refused, what stops at once, what flies home."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.service import World, track, world

EXTRA = """
[email.offer]
template = "d-00000000000000000000000000000004"
consent = ["marketing"]

[route.offer]
when = 'event = "Offer Due"'
send = "offer"

[route.seen]
when = 'event = "Offer Due"'
track = { event = "Offer Considered" }

[journey.nurture]
entry = { when = 'event = "Signed Up"' }
consent = ["marketing"]
[[journey.nurture.step]]
id = "wait"
delay = "30d"
[[journey.nurture.step]]
id = "remind"
send = "digest"
"""
UPDATED = "Segment Consent Preference Updated"


@pytest.fixture
async def w(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path, extra=EXTRA) as place:
        yield place


def said(number: int, name: str, user: str, **preferences: bool) -> dict[str, object]:
    """An event that carries preferences."""
    event: dict[str, Any] = track(number, name, {}, user=user)
    event["context"]["consent"] = {"categoryPreferences": preferences}
    return event


async def take(w: World, *events: dict[str, object]) -> None:
    """Receive events, and wait until there is nothing to do."""
    assert 200 == (await w.sender.deliver(*events)).status
    await w.evaluated()
    await w.at_rest()


class TestConsent:
    async def test_who_did_not_agree_is_not_mailed_and_their_journey_ends(self, w: World) -> None:
        """The newest word counts, at once; `why` and `people` say it, write-backs carry it."""
        await take(
            w,
            said(1, "Signed Up", "ada", marketing=True),
            track(2, "Signed Up", {}, user="bob"),
            said(3, "Signed Up", "cay", marketing=False),
        )
        await take(w, track(4, "Offer Due", {}, user="ada"), track(5, "Offer Due", {}, user="cay"))
        await take(w, said(6, UPDATED, "ada", marketing=False))
        await take(w, track(7, "Offer Due", {}, user="ada"))

        reasons = [(row.user, row.state, row.reason) for row in w.sends()]
        assert [
            ("ada", "accepted", None),
            ("cay", "skipped", "consent: marketing"),
            ("ada", "skipped", "consent: marketing"),
        ] == reasons
        runs = [
            json.loads(one)
            for one in (await w.service.command("journeys", "runs", "--json")).splitlines()
        ]
        assert {("ada", "exited", "consent: marketing"), ("bob", "waiting", None)} == {
            (run["person"], run["state"], run["reason"]) for run in runs
        }
        why = json.loads(await w.service.command("why", "cay", "--json"))
        assert {"marketing": False} == why["person"]["consent"]
        assert "consent: marketing" in {one["refused"] for one in why["may_get"]}
        text = await w.service.command("why", "--not", "digest", "cay")
        assert "consent: marketing: required, and not given" in text
        stats = json.loads(await w.service.command("stats", "--journey", "nurture", "--json"))
        assert {"consent": 1} == stats["not_entered"]

        homeward = [
            (message["userId"], message["context"].get("consent"))
            for message in w.segment.received
            if message.get("event") == "Offer Considered"
        ]
        agreed = {"categoryPreferences": {"marketing": True}}
        refused = {"categoryPreferences": {"marketing": False}}
        assert [("ada", agreed), ("ada", refused), ("cay", refused)] == sorted(
            homeward, key=lambda one: (one[0], one[1] != agreed)
        )
        told = [m for m in w.segment.received if m.get("event") == "Email Delivered"]
        assert [agreed] == [m["context"]["consent"] for m in told if m["userId"] == "ada"]

    async def test_simulate_honours_it(self, w: World) -> None:
        """No email, no entry; what started nothing is counted on standard error."""
        events = [
            said(1, "Signed Up", "ada", marketing=False),
            track(2, "Offer Due", {}, user="ada"),
        ]
        path = w.service.folder / "events.jsonl"
        path.write_text("".join(json.dumps(event) + "\n" for event in events))
        lines = (await w.service.command("simulate", str(path), "--json")).splitlines()

        found = [json.loads(line) for line in lines]
        assert [("skipped", "offer", "consent: marketing")] == [
            (one["what"], one["email"], one["reason"]) for one in found if "email" in one
        ]
        assert "entered" not in {one["what"] for one in found}

"""Look-ups in Segment's Profile API before a send: found, unknown, slow, throttled."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.service import World, world

from homing.emulators import Faults

EXTRA = """
[email.hello]
template = "d-00000000000000000000000000000004"
class = "transactional"
data = {{ first_name = "$.profile.first_name", n = "$.properties.n" }}

[route.hello]
when = 'event = "Hello Due"'
send = "hello"
"""
SPACE = 'profiles = {{ space = "{space}", token = "${{SEGMENT_PROFILE_TOKEN}}", endpoint = "{url}" }}'


def due(number: int, user: str, email: str | None = None) -> dict[str, object]:
    """The event that asks for the email; of somebody whose address is not told."""
    event: dict[str, object] = {
        "type": "track", "messageId": f"h-{number}", "userId": user, "event": "Hello Due",
        "properties": {"n": number}, "timestamp": "2026-11-22T10:00:00.000Z",
    }  # fmt: skip
    if email is not None:
        event["context"] = {"traits": {"email": email}}
    return event


@pytest.fixture
async def w(tmp_path: Path) -> AsyncIterator[World]:
    faults = Faults()
    async with world(tmp_path, faults=faults, extra=EXTRA.replace("{{", "{").replace("}}", "}"), start=False) as place:
        segment = place.segment
        line = SPACE.format(space=segment.space, url=segment.url)
        place.service.edit("[segment]\n", f"[segment]\n{line}\n")
        place.service.environ["SEGMENT_PROFILE_TOKEN"] = segment.token
        await place.service.start()
        yield place


def asked(w: World) -> list[str]:
    """The questions that reached the Profile API."""
    return [one.path for one in w.segment.requests if "/profiles/" in one.path]


async def take(w: World, *events: dict[str, object]) -> None:
    """Receive events, and wait until there is nothing to do."""
    assert 200 == (await w.sender.deliver(*events)).status
    await w.evaluated()
    await w.at_rest()

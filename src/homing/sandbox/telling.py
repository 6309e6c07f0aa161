"""One line per thing that happens in the sandbox."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from homing.emulators.newest import Newest
    from homing.sandbox.town import Town

Say = Callable[[str, str, str], None]


def told_event(say: Say, event: Mapping[str, Any]) -> None:
    """A customer did something."""
    name = event.get("event") or event["type"]
    say("event in", str(event.get("userId") or event.get("anonymousId")), str(name))


async def tell_mail(town: Town, say: Say) -> None:
    """Say each mail that SendGrid takes, for ever."""
    seen = 0
    while True:
        accepted = town.sendgrid.accepted
        await town.sendgrid.until(partial(_is_longer, accepted, seen), 86_400)
        for mail in list(accepted)[-(accepted.total - seen) :]:
            args = mail.custom_args
            say("email out", args.get("homing_user", "?"), args.get("homing_rule", "?"))
        seen = accepted.total


async def tell_home(town: Town, say: Say) -> None:
    """Say each call that comes home to Segment, for ever."""
    seen = 0
    while True:
        received = town.segment.received
        await town.segment.until(partial(_is_longer, received, seen), 86_400)
        for call in list(received)[-(received.total - seen) :]:
            say("home", str(call.get("userId") or call.get("anonymousId")), _what(call))
        seen = received.total


def _is_longer(rows: Newest[Any], seen: int) -> bool:
    return rows.total > seen


def _what(call: Mapping[str, Any]) -> str:
    if call["type"] == "track":
        return str(call["event"])
    return "traits: " + ", ".join(sorted(call.get("traits", {})))


async def quiet(town: Town, *, timeout_s: float) -> bool:
    """Wait until nothing is under way any more; False if that takes too long."""
    try:
        async with asyncio.timeout(timeout_s):
            while not await _is_quiet(town):  # noqa: ASYNC110  asked of three programs at once
                await asyncio.sleep(0.1)
    except TimeoutError:
        return False
    return True


async def _is_quiet(town: Town) -> bool:
    if not (town.sender.idle and town.sendgrid.idle):
        return False
    books = await town.service.books()
    waiting = sum(states["ready"] for states in books.effects.values())
    sends = books.sends
    under_way = sends["reserved"] + sends["in_flight"] + sends["retry"] + sends["unknown"]
    return not (books.requests["pending"] or waiting or under_way)

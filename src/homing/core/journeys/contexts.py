"""What a run knows, as bytes: each event once, however often it is spoken of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from homing.core.events import Happened
from homing.core.journeys.run import Context, Seen
from homing.core.wire import json_bytes


def pack(context: Context) -> bytes:
    """A context as JSON."""
    known: dict[int, int] = {}
    events: list[object] = []

    def place(event: Happened) -> int:
        found = known.get(event.id)
        if found is None:
            found = known[event.id] = len(events)
            row = [event.id, event.at_ms, event.received_ms, event.engagement, event.data]
            events.append(row)
        return found

    return json_bytes(
        {
            "entry": place(context.entry),
            "latest": place(context.latest),
            "by_name": {name: place(event) for name, event in context.events.items()},
            "branches": {name: place(event) for name, event in context.branches.items()},
            "seen": [[one.step, one.branch, place(one.event)] for one in context.seen],
            "events": events,
        }
    )


def unpack(raw: bytes) -> Context:
    """The context that `pack` wrote."""
    packed = orjson.loads(raw)
    events = [_event(row) for row in packed["events"]]
    return Context(
        events[packed["entry"]],
        events[packed["latest"]],
        _named(packed["by_name"].items(), events),
        _named(packed["branches"].items(), events),
        tuple(Seen(step, branch, events[at]) for step, branch, at in packed["seen"]),
    )


def _event(row: list[Any]) -> Happened:
    number, at_ms, received_ms, engagement, data = row
    return Happened(number, data, at_ms, received_ms, engagement)


def _named(places: Iterable[tuple[str, int]], events: list[Happened]) -> dict[str, Happened]:
    return {name: events[at] for name, at in places}

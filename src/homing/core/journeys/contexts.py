"""What a run knows: how it grows, what conditions and mappings see of it, and it as bytes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson
from msgspec.structs import replace

from homing.core.events import Happened, iso_time
from homing.core.journeys.run import Context, Run, Seen
from homing.core.wire import json_bytes


def with_event(context: Context, event: Happened, branch: str | None) -> Context:
    """What a run knows once it has taken an event."""
    name = event.name or event.type
    branches = context.branches if branch is None else {**context.branches, branch: event}
    return replace(context, latest=event, events={**context.events, name: event}, branches=branches)


def journey_root(run: Run, context: Context) -> dict[str, object]:
    """What conditions and mappings see as ``journey``."""
    branches: dict[str, dict[str, object]] = {}
    for place, event in context.branches.items():
        step, _, name = place.partition(".")
        branches.setdefault(step, {})[name] = event.data
    return {
        "id": run.journey,
        "key": run.key,
        "step": run.step,
        "variant": run.variant,
        "entered_at": iso_time(run.entered_at),
        "entry": context.entry.data,
        "latest": context.latest.data,
        "events": {name: event.data for name, event in context.events.items()},
        "branch": branches,
    }


def pack(context: Context) -> bytes:
    """A context as JSON: each event once, however often it is spoken of."""
    known: dict[tuple[int, int], int] = {}
    events: list[object] = []

    def place(event: Happened) -> int:
        found = known.get(event.key)
        if found is None:
            found = known[event.key] = len(events)
            when = (event.at_ms, event.received_ms)
            events.append([event.id, *when, event.engagement, event.derived, event.data])
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
    number, at_ms, received_ms, engagement, derived, data = row
    return Happened(number, data, at_ms, received_ms, engagement, derived)


def _named(places: Iterable[tuple[str, int]], events: list[Happened]) -> dict[str, Happened]:
    return {name: events[at] for name, at in places}

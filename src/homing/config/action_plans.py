"""Actions, compiled: the same for routes, for the steps of journeys and for their exits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeAlias

from homing.config.actions import Send as SendSection
from homing.config.actions import Track as TrackSection
from homing.config.parts import Parts
from homing.config.problems import Loc
from homing.core import plans
from homing.core.mapping import Compiled

_At: TypeAlias = Callable[[str], Any]
"""Returns the mapping in one slot of an action, None where there is none."""


def send_of(send: SendSection, at: Callable[[str], Compiled | None]) -> plans.Send:
    """Compile a ``send``; *at* gives the mapping in one of its slots."""
    return plans.Send(send.email, at("to"), at("data"), send.template)


def track_of(track: TrackSection, at: Callable[[str], Compiled | None]) -> plans.Track:
    """Compile a ``track``; *at* gives the mapping in one of its slots."""
    return plans.Track(track.event, at("properties"))


def fields_at(parts: Parts, *loc: str | int) -> dict[str, Compiled] | None:
    """Compile the table of a contact's fields at *loc*; None where there is none."""
    *table, slot = loc
    if slot not in parts.written(*table):
        return None
    found = ((name, parts.mapping(*loc, name)) for name in parts.written(*loc))
    return {name: mapping for name, mapping in found if mapping is not None}


_BUILDERS: Mapping[str, Callable[[Any, _At], plans.Action]] = {
    "send": send_of,
    "track": track_of,
    "identify": lambda _, at: plans.Identify(at("traits")),
    "add_to_list": lambda name, _: plans.ChangeList(name, member=True),
    "remove_from_list": lambda name, _: plans.ChangeList(name, member=False),
    "add_to_audience": lambda key, _: plans.ChangeAudience(key, member=True),
    "remove_from_audience": lambda key, _: plans.ChangeAudience(key, member=False),
    "suppress": lambda scope, _: plans.Suppress(scope),
    "unsuppress": lambda scope, _: plans.Unsuppress(scope),
}


def actions_of(actor: object, loc: Loc, parts: Parts) -> tuple[plans.Action, ...]:
    """
    Compile the actions of the table at *loc*, in the order in which they are written.

    Args:
        actor: That table as it was read: a route or a step.
    """
    actions: list[plans.Action] = []
    for key in parts.written(*loc):
        if key == "upsert_contact":
            own, custom = (fields_at(parts, *loc, key, slot) for slot in ("fields", "custom"))
            actions.append(plans.UpsertContact(own, custom))
        elif key in _BUILDERS:
            at = partial(parts.mapping, *loc, key)
            actions.append(_BUILDERS[key](getattr(actor, key), at))
    return tuple(actions)

"""Whether a condition could be true of an event, if nothing is known of whose it is."""

from __future__ import annotations

from typing import Final

from homing.core.fql.compiler import Event, value_of
from homing.core.fql.facts import Unknown
from homing.core.fql.nodes import DidCall, InAudience, Junction, Node, Not, Path, ungrouped, walk

_NOBODY: Final = Unknown()
# the roots that are not the event's own
_OF_PERSON: Final = frozenset({"profile", "journey"})


def could_hold(node: Node, event: Event) -> bool:
    """
    Tell whether a condition is true of *event* for anybody.

    Of each piece that asks about the person or the run, any answer will do.
    """
    return _chances(node, event)[0]


def _chances(node: Node, event: Event) -> tuple[bool, bool]:
    """Whether it could be true, and whether it could be anything else."""
    node = ungrouped(node)
    if isinstance(node, Not | Junction):
        pieces = [_chances(child, event) for child in node.children]
        if isinstance(node, Not):
            return pieces[0][1], pieces[0][0]
        is_and = node.operator == "and"
        one, other = (all, any) if is_and else (any, all)
        return one(true for true, _ in pieces), other(false for _, false in pieces)
    if any(_asks_of_person(piece) for piece in walk(node)):
        return True, True
    holds = value_of(node)(event, _NOBODY) is True
    return holds, not holds


def _asks_of_person(piece: Node) -> bool:
    if isinstance(piece, Path):
        return piece.segments[0] in _OF_PERSON
    return isinstance(piece, DidCall | InAudience)

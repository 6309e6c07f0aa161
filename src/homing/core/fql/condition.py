"""A condition, parsed once and asked for every event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from homing.core.fql.bounds import names_required, paths_read
from homing.core.fql.chances import could_hold
from homing.core.fql.checks import warnings_of
from homing.core.fql.compiler import Test, test_of
from homing.core.fql.errors import FqlError
from homing.core.fql.explain import Explanation, explain
from homing.core.fql.facts import Did, Facts, Unknown
from homing.core.fql.nodes import DidCall, InAudience, Node, Path, walk
from homing.core.fql.parser import read

_NOBODY: Final = Unknown()


@dataclass(frozen=True, slots=True)
class Condition:
    """
    A condition; equal to any other of the same text.

    Attributes:
        text: As it was written.

        warnings: Sentences about what is legal and probably not meant.

        dids: The distinct ``did()`` calls, in the order of the text.

        audiences: The distinct keys of ``in_audience()``, in the order of the text.

        events: Names of track events outside which the condition is false; None: no such bound.

        types: The same for ``type``.

        paths: Every path it reads, as segments; those of a ``did()``'s condition are in that one.
    """

    text: str
    warnings: tuple[str, ...] = field(compare=False)
    dids: tuple[Did, ...] = field(compare=False, repr=False)
    audiences: tuple[str, ...] = field(compare=False, repr=False)
    events: frozenset[str] | None = field(compare=False, repr=False)
    types: frozenset[str] | None = field(compare=False, repr=False)
    paths: frozenset[tuple[str, ...]] = field(compare=False, repr=False)
    tree: Node = field(compare=False, repr=False)
    test: Test = field(compare=False, repr=False)

    def holds(self, event: Mapping[str, object], facts: Facts | None = None) -> bool:
        """
        Tell whether the condition is true of *event*.

        Without *facts* there are no traits, no run, no past events and no audiences. Never raises,
        whatever the event holds.
        """
        return self.test(event, _NOBODY if facts is None else facts)

    def may_hold(self, kind: str, name: str | None) -> bool:
        """Tell whether it can be true of any event of that ``type`` and ``event``."""
        return (self.types is None or kind in self.types) and (
            self.events is None or name in self.events
        )

    def could_hold(self, event: Mapping[str, object]) -> bool:
        """Tell whether it is true of *event* for anybody, whatever else it asks of them."""
        return could_hold(self.tree, event)

    def explain(self, event: Mapping[str, object], facts: Facts | None = None) -> Explanation:
        """Tell why; evaluates every piece, so not for every event."""
        known = _NOBODY if facts is None else facts
        return explain(self.tree, self.text, event=event, facts=known)


def parse(text: str) -> Condition:
    """
    Parse a condition.

    Raises:
        FqlError: *text* is none, or is longer or deeper than allowed.

    Source: Segment docs, "FQL"; ``did()`` and ``in_audience()`` are Homing's.
    """
    tree = read(text, _about_one_event)
    pieces = tuple(walk(tree))
    dids = tuple(dict.fromkeys(piece.did for piece in pieces if isinstance(piece, DidCall)))
    inner = [warning for did in dids if did.condition for warning in did.condition.warnings]
    return Condition(
        text=text,
        warnings=tuple(dict.fromkeys([*warnings_of(tree, text), *inner])),
        dids=dids,
        audiences=tuple(dict.fromkeys(p.key for p in pieces if isinstance(p, InAudience))),
        events=names_required(tree, "event"),
        types=names_required(tree, "type"),
        paths=paths_read(tree),
        tree=tree,
        test=test_of(tree),
    )


def _about_one_event(text: str) -> Condition:
    """
    Parse the condition inside a ``did()``.

    Raises:
        FqlError: It asks about more than the event. The index behind a ``did()`` is also filled
            from the log, where the person and the run of that moment are no longer known.
    """
    condition = parse(text)
    for piece in walk(condition.tree):
        of_facts = isinstance(piece, Path) and piece.segments[0] in {"profile", "journey"}
        if of_facts or isinstance(piece, DidCall | InAudience):
            msg = "the condition of did() can ask about the counted event only"
            raise FqlError(msg, text, piece.start)
    return condition

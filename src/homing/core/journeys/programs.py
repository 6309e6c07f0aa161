"""The versions of journeys in force, and which of them an event can concern at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from homing.core.fql import Condition
    from homing.core.journeys.program import Awaited, Exit, Hold, Journey
    from homing.core.journeys.run import Run

# distinct (type, name) pairs whose answers are remembered; names come from outside
MAX_REMEMBERED = 4_096


@dataclass(frozen=True, slots=True)
class Concerns:
    """What of one program may hold for events of one type and name."""

    exits: tuple[Exit, ...]
    goal: bool
    awaited: tuple[tuple[Hold, Awaited], ...]

    @property
    def any(self) -> bool:
        """Whether anything may."""
        return bool(self.exits or self.goal or self.awaited)


@dataclass(frozen=True, slots=True)
class Asked:
    """What events of one type and name may start, and whether they may move a run."""

    entries: tuple[Journey, ...]
    watched: bool

    @property
    def any(self) -> bool:
        """Whether they may do anything."""
        return self.watched or bool(self.entries)


@dataclass(frozen=True)
class Programs:
    """
    All programs that runs may be on.

    Args:
        current: The configuration's, by name: what is entered.

        pinned: Others, by (name, version), on which runs may still be.

        definitions: The current ones as they were written: kept before anybody enters.
    """

    current: Mapping[str, Journey] = field(default_factory=dict)
    pinned: Mapping[tuple[str, str], Journey] = field(default_factory=dict)
    definitions: Mapping[str, bytes] = field(default_factory=dict)
    _asked: dict[tuple[str, str | None], Asked] = field(default_factory=dict)
    _concerns: dict[tuple[int, str, str | None], Concerns] = field(default_factory=dict)

    @property
    def all(self) -> tuple[Journey, ...]:
        """Every program."""
        return (*self.current.values(), *self.pinned.values())

    def of(self, run: Run) -> Journey | None:
        """The program that a run is on; None if it is not to be had."""
        current = self.current.get(run.journey)
        if current is not None and current.version == run.version:
            return current
        return self.pinned.get((run.journey, run.version))

    def conditions(self) -> tuple[Condition, ...]:
        """Every condition of every program."""
        return tuple(condition for journey in self.all for condition in journey.conditions)

    def asked(self, kind: str, name: str | None) -> Asked:
        """What events of that type and name may do."""
        found = self._asked.get((kind, name))
        if found is None:
            entries = (j for j in self.current.values() if j.entry.when.may_hold(kind, name))
            watched = any(self.concerns(journey, kind, name).any for journey in self.all)
            found = Asked(tuple(entries), watched)
            if len(self._asked) < MAX_REMEMBERED:
                self._asked[(kind, name)] = found
        return found

    def concerns(self, journey: Journey, kind: str, name: str | None) -> Concerns:
        """What of a program may hold for events of that type and name."""
        key = (id(journey), kind, name)
        found = self._concerns.get(key)
        if found is None:
            found = _concerns_of(journey, kind, name)
            if len(self._concerns) < MAX_REMEMBERED:
                self._concerns[key] = found
        return found


def _concerns_of(journey: Journey, kind: str, name: str | None) -> Concerns:
    return Concerns(
        exits=tuple(one for one in journey.exits if one.when.may_hold(kind, name)),
        goal=journey.goal is not None and journey.goal.when.may_hold(kind, name),
        awaited=tuple((hold, one) for hold, one in journey.awaits if one.when.may_hold(kind, name)),
    )

"""
A journey as it is run: a small program over time, frozen, its targets resolved.

``homing.config`` builds these at load; the hash of what a program does is its *version*, and a run
stays on the version it entered. Durations are milliseconds. Steps are numbered from 0; a *target*
is such a number, or `END`, or in a hold's branch `RESTART`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from homing.core.fql.values import text_of
from homing.core.mapping import ABSENT

if TYPE_CHECKING:
    from homing.core.fql import Condition
    from homing.core.mapping import Compiled
    from homing.core.plans import Action, Send, Track

END: Final = -1
RESTART: Final = -2

DAY_MS: Final = 86_400_000
# a goal without `within` is counted for so long after the entry
DEFAULT_WITHIN_MS: Final = 30 * DAY_MS


class Status(StrEnum):
    """What the configuration in force lets a journey do."""

    LIVE = "live"
    DRAFT = "draft"  # runs, and nothing leaves
    PAUSED = "paused"  # runs, and its sends wait


class Reentry(StrEnum):
    """When somebody who was in a journey before may enter it again; or a duration."""

    ALWAYS = "always"
    ONCE = "once"
    AFTER_EXIT = "after-exit"


class Repeat(StrEnum):
    """What an entry does to a run of the same key that is alive."""

    IGNORE = "ignore"
    RESTART = "restart"


@dataclass(frozen=True, slots=True)
class KeyPath:
    """Where an event holds the key of the run it belongs to; *read* gives `ABSENT` of no value."""

    text: str
    read: Callable[[object], object] = field(compare=False, repr=False)


def key_in(path: KeyPath | None, event: Mapping[str, Any]) -> str | None:
    """The key an event holds, as text; "" without a path, None where there is no value."""
    if path is None:
        return ""
    value = path.read(event)
    text = None if value is ABSENT or isinstance(value, dict | list) else text_of(value)
    return text or None


@dataclass(frozen=True, slots=True)
class Entry:
    """When a person enters. Without a *key*, one run a person."""

    when: Condition
    key: KeyPath | None = None
    reentry: Reentry | int = Reentry.ONCE  # an int: so many ms after the last entry
    repeat: Repeat = Repeat.IGNORE
    max_age_ms: int = DAY_MS
    backfill: bool = False


@dataclass(frozen=True, slots=True)
class Exit:
    """An event that ends the run at once; *key* None: whatever its key."""

    name: str
    when: Condition
    key: KeyPath | None = None
    send: Send | None = None
    track: Track | None = None


@dataclass(frozen=True, slots=True)
class Goal:
    """What the journey is for; *key* None: whatever the run's key."""

    when: Condition
    key: KeyPath | None = None
    within_ms: int = DEFAULT_WITHIN_MS
    value: Compiled | None = None


@dataclass(frozen=True, slots=True)
class Awaited:
    """One event that a hold waits for; *key* None: whatever the run's key."""

    name: str
    when: Condition
    then: int
    key: KeyPath | None = None


@dataclass(frozen=True, slots=True)
class Branch:
    """One branch of a split."""

    name: str
    when: Condition
    then: int


@dataclass(frozen=True, slots=True)
class Variant:
    """One branch of a random split."""

    name: str
    weight: float
    then: int


@dataclass(frozen=True, slots=True)
class Hold:
    """Wait for the first matching event, at most so long."""

    id: str
    for_ms: int
    on: tuple[Awaited, ...]
    timeout: int
    max_restarts: int = 100
    look_back: bool = True


@dataclass(frozen=True, slots=True)
class Delay:
    """Wait."""

    id: str
    for_ms: int
    next: int


@dataclass(frozen=True, slots=True)
class Until:
    """
    Wait for a moment: the one that *at* gives, moved by *offset_ms*; or the next *time* of day on
    one of *days* (0 is Monday; empty: any) in *zone*, or in the zone that *zone_path* gives.
    """

    id: str
    next: int
    at: Compiled | None = None
    offset_ms: int = 0
    time: dt.time | None = None
    days: frozenset[int] = frozenset()
    zone: str = "UTC"
    zone_path: KeyPath | None = None


@dataclass(frozen=True, slots=True)
class Split:
    """Go on by the first branch that holds."""

    id: str
    branches: tuple[Branch, ...]
    otherwise: int


@dataclass(frozen=True, slots=True)
class Random:
    """Go on by chance, the same for the same run; or for the same person if *sticky*."""

    id: str
    variants: tuple[Variant, ...]
    sticky: bool = False


@dataclass(frozen=True, slots=True)
class Act:
    """Do something, and go on at once."""

    id: str
    action: Action
    next: int


Step: TypeAlias = Hold | Delay | Until | Split | Random | Act


@dataclass(frozen=True, slots=True)
class QuietHours:
    """Hours without marketing, past midnight when *start* is later than *end*; equal: none."""

    start: dt.time
    end: dt.time
    zone: str = "UTC"


@dataclass(frozen=True)
class Journey:
    """One version of ``[journey.NAME]``, with what the configuration in force says of it."""

    name: str
    version: str
    entry: Entry
    steps: tuple[Step, ...]
    exits: tuple[Exit, ...] = ()
    goal: Goal | None = None
    status: Status = Status.LIVE
    priority: int = 0
    quiet: QuietHours | None = None  # None: those of the file
    max_lateness_ms: int = 21_600_000
    consent: tuple[str, ...] = ()
    description: str = ""

    @cached_property
    def places(self) -> Mapping[str, int]:
        """The number of each step by its id."""
        return {step.id: number for number, step in enumerate(self.steps)}

    def waits_in(self, step: str) -> bool:
        """Whether a run can wait in the step of that id."""
        place = self.places.get(step)
        return place is not None and isinstance(self.steps[place], Hold | Delay | Until)

    @cached_property
    def conditions(self) -> tuple[Condition, ...]:
        """Every condition in it."""
        found = [self.entry.when, *(one.when for one in self.exits)]
        if self.goal is not None:
            found.append(self.goal.when)
        for step in self.steps:
            if isinstance(step, Hold):
                found += [one.when for one in step.on]
            elif isinstance(step, Split):
                found += [one.when for one in step.branches]
        return tuple(found)

    @cached_property
    def awaits(self) -> tuple[tuple[Hold, Awaited], ...]:
        """Each hold with each event that it waits for, in order."""
        holds = (step for step in self.steps if isinstance(step, Hold))
        return tuple((hold, one) for hold in holds for one in hold.on)

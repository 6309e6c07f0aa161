"""``[journey.NAME]``: a program over time, in the shape that a later version runs."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from homing.config.actions import Actions, NamedSend, Track
from homing.config.emails import ConsentCategory
from homing.config.expressions import Mapped, Path, PathOrFalse, When
from homing.config.sections import Section
from homing.config.values import (
    ClockTime,
    Duration,
    Expect,
    Label,
    Offset,
    Priority,
    Rows,
    Unfit,
    Weekday,
    Words,
    Zone,
    choice,
    number,
    text,
    whole,
    zone_or_path,
)
from homing.core.durations import parse_duration

Target = Annotated[
    str,
    text('a step\'s id, "next" or "end"', longest=73, pattern=re.compile(r"[^.]+")),
]
"""A step's id, or ``"next"``, ``"end"``, and in a hold's branch ``"restart"``."""


def _reentry(value: object) -> str | float:
    if value in _REENTRY:
        return str(value)
    if not isinstance(value, str):
        raise Unfit
    return parse_duration(value)


_REENTRY = ("always", "once", "after-exit")

Reentry = Annotated[
    str | float, Expect('"always", "once", "after-exit" or a duration like "30d"', _reentry)
]
Weight = Annotated[float, number("a number over 0", most=1_000_000)]
ZoneOrPath = Annotated[
    str,
    Expect('a time zone like "Europe/Berlin" or a path like "$.profile.timezone"', zone_or_path),
]


class Entry(Section):
    """When a person enters, and how often."""

    expected: ClassVar[str] = """a table like { when = 'event = "Product Added"' }"""

    when: When
    key: Path | None = None
    reentry: Reentry | None = None
    repeat: Annotated[Literal["ignore", "restart"], choice("ignore", "restart")] = "ignore"
    max_age: Duration = 86_400.0
    backfill: bool = False


class Exit(Section):
    """An event that ends the run at once."""

    name: Label
    when: When
    key: PathOrFalse | None = None
    send: NamedSend | None = None
    track: Track | None = None


class Goal(Section):
    """What the journey is for: counted, never acted on."""

    expected: ClassVar[str] = """a table like { when = 'event = "Order Completed"' }"""

    when: When
    key: PathOrFalse | None = None
    within: Duration | None = None
    value: Mapped | None = None


class QuietHours(Section):
    """Hours without marketing; past midnight when *from* is later than *to*."""

    expected: ClassVar[str] = 'a table like { from = "21:00", to = "08:00" }'

    from_: ClockTime = Field(alias="from")
    to: ClockTime
    zone: Zone = "UTC"


class Awaited(Section):
    """One event that a hold waits for."""

    name: Label
    when: When
    key: PathOrFalse | None = None
    then: Target


class Branch(Section):
    """One branch of a split."""

    name: Label
    when: When
    then: Target


class Variant(Section):
    """One branch of a random split."""

    name: Label
    weight: Weight
    then: Target


class Until(Section):
    """Wait for a moment: the one that the event holds *at*, or the next *time* of day."""

    expected: ClassVar[str] = 'a table like { time = "09:00" } or { at = "$.properties.starts_at" }'

    at: Mapped | None = None
    offset: Offset = 0.0
    time: ClockTime | None = None
    days: Rows[Weekday] = ()
    zone: ZoneOrPath = "UTC"


class Step(Actions):
    """One step: an id, exactly one kind of thing to do, and where to go on."""

    id: Label
    hold: Duration | None = None
    on: Rows[Awaited] = ()
    timeout: Target | None = None
    max_restarts: Annotated[int, whole(0, 1_000_000)] = 100
    look_back: bool = True
    delay: Duration | None = None
    until: Until | None = None
    split: Rows[Branch] | None = None
    else_: Target | None = Field(default=None, alias="else")
    random: Rows[Variant] | None = None
    sticky: bool = False
    next: Target | None = None


def _quiet_or_not(value: object) -> object:
    if value is True:
        return None
    return {"from": "00:00", "to": "00:00"} if value is False else value


class Journey(Section):
    """One journey."""

    entry: Entry
    exit: Rows[Exit] = ()
    goal: Goal | None = None
    step: Rows[Step]
    status: Annotated[Literal["live", "draft", "paused"], choice("live", "draft", "paused")] = (
        "live"
    )
    priority: Priority = 0
    # None: the [quiet_hours] of the file; hours that end as they begin: none at all
    quiet_hours: Annotated[QuietHours | None, BeforeValidator(_quiet_or_not)] = None
    max_lateness: Duration = 21_600.0
    description: Words = ""
    consent: Rows[ConsentCategory] = ()

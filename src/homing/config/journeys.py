"""``[journey.NAME]``: a program over time, in the shape that a later version runs."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import Discriminator, Field, Tag

from homing.config.actions import Actions, Send, Track
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
    whole,
)
"""

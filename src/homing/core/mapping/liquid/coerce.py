"""How LiquidJS reads what a filter is given: as text, as a list, as a count, as a number."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

from homing.core.mapping.limits import MAX_LIQUID_WORK
from homing.core.mapping.text import check_depth, check_length, is_nothing, js_text
from homing.core.mapping.values import ABSENT, number_of

Filter: TypeAlias = Callable[..., object]
"""From the value before the bar and the arguments after the colon to a value."""


def liquid_text(value: object, depth: int = 0) -> str:
    """Write a value as Liquid prints it: absent and null as nothing, lists run together."""
    if isinstance(value, list | tuple | range):
        check_depth(depth)
        check_length(len(value), MAX_LIQUID_WORK)
        return "".join(liquid_text(item, depth + 1) for item in value)
    return "" if is_nothing(value) else js_text(value)


def items_of(value: object) -> Sequence[object]:
    """Read a value as a list: nothing as an empty one, all else as a list of one."""
    if isinstance(value, list | tuple | range):
        return value
    return [] if is_nothing(value) else [value]


def count_of(value: object, default: int) -> int:
    """Read a count or index; what is no number counts as *default*."""
    number = float(default) if is_nothing(value) else number_of(value)
    return int(max(-1e15, min(1e15, number))) if not math.isnan(number) else default


def number_or_zero(value: object) -> float:
    """Read a value as a number; what is none counts as 0."""
    number = math.nan if value is ABSENT else number_of(value)
    return 0.0 if math.isnan(number) else number

"""
Liquid's filters on numbers, on lists and on anything.

Source: LiquidJS 10, ``src/filters/math.ts``, ``array.ts``, ``misc.ts``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from functools import partial
from operator import add, mul, sub
from typing import Final

from homing.core.mapping.limits import MAX_LIQUID_WORK
from homing.core.mapping.liquid.coerce import (
    Filter,
    count_of,
    items_of,
    liquid_text,
    number_or_zero,
)
from homing.core.mapping.text import check_length, is_nothing, js_text, json_text
from homing.core.mapping.values import ABSENT, key_of, member, number_of

# numbers


def _arithmetic(operator: Callable[[Decimal, Decimal], Decimal]) -> Filter:
    """Reckon in decimals, so that 55.34 times 3 is 166.02 and not 166.02000000000001."""

    def reckon(value: object, other: object) -> float:
        left, right = number_or_zero(value), number_or_zero(other)
        try:
            return float(operator(Decimal(repr(left)), Decimal(repr(right))))
        except ArithmeticError:  # infinities, and what is far beyond 28 digits
            return math.nan

    return reckon


def _divided_by(value: object, other: object, integer: object = None) -> float:
    left, right = number_or_zero(value), number_or_zero(other)
    if not right:
        return math.nan if not left else math.copysign(math.inf, left) * math.copysign(1, right)
    given = float(Decimal(repr(left)) / Decimal(repr(right))) if math.isfinite(left) else left
    return math.floor(given) if integer is True and math.isfinite(given) else given


def _modulo(left: Decimal, right: Decimal) -> Decimal:
    return (left % right + right) % right


def _round(value: object, digits: object = None) -> float:
    number, places = number_or_zero(value), count_of(digits, 0)
    if not math.isfinite(number) or not -300 < places < 300:
        return number
    try:
        return float(Decimal(repr(number)).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP))
    except ArithmeticError:  # so many digits that nothing is left to round
        return number


def _to_whole(round_to: Callable[[float], int], value: object) -> float:
    number = number_or_zero(value)
    return round_to(number) if math.isfinite(number) else number


# lists


def _join(value: object, separator: object = None) -> str:
    items, between = items_of(value), " " if is_nothing(separator) else liquid_text(separator)
    check_length(len(items) * len(between), MAX_LIQUID_WORK)
    return between.join("" if is_nothing(item) else js_text(item) for item in items)


def _end_of(index: int, value: object) -> object:
    return value[index] if isinstance(value, list | tuple | range | str) and value else ABSENT


def _sum(value: object, name: object = None) -> float:
    items = items_of(value) if is_nothing(name) else _property_of(value, name)
    numbers = (math.nan if item is ABSENT else number_of(item) for item in items)
    return float(sum(Decimal(repr(n)) for n in numbers if math.isfinite(n)))


def _where(value: object, name: object, wanted: object = ABSENT) -> list[object]:
    pairs = zip(items_of(value), _property_of(value, name), strict=True)
    if wanted is ABSENT:
        return [item for item, found in pairs if not is_nothing(found) and found is not False]
    return [item for item, found in pairs if _equal(found, wanted)]


def _property_of(value: object, name: object) -> list[object]:
    keys = [key_of(step) for step in liquid_text(name).split(".")]
    check_length(len(keys) * len(items_of(value)), MAX_LIQUID_WORK)
    found = list(items_of(value))
    for key in keys:
        found = [ABSENT if is_nothing(item) else member(item, key) for item in found]
    return found


def _equal(left: object, right: object) -> bool:
    return left == right and isinstance(left, bool) == isinstance(right, bool)


def _slice(value: object, begin: object, length: object = None) -> object:
    items = value if isinstance(value, list | tuple | range) else liquid_text(value)
    start, count = count_of(begin, 0), count_of(length, 1)
    start = start + len(items) if start < 0 else start
    nothing = items[:0]
    return items[start : start + count] if start >= 0 and count >= 0 else nothing


# anything


def _default(value: object, other: object = None, *, allow_false: object = False) -> object:
    if isinstance(value, list | tuple | range | str):
        return value if len(value) else other
    if value is False and allow_false is True:
        return False
    return other if is_nothing(value) or value is False else value


def _size(value: object) -> int:
    return len(value) if isinstance(value, list | tuple | range | str) else 0


VALUE_FILTERS: Final[dict[str, Filter]] = {
    "abs": lambda value: abs(number_or_zero(value)),
    "at_least": lambda value, other: max(number_or_zero(value), number_or_zero(other)),
    "at_most": lambda value, other: min(number_or_zero(value), number_or_zero(other)),
    "ceil": partial(_to_whole, math.ceil),
    "floor": partial(_to_whole, math.floor),
    "round": _round,
    "plus": _arithmetic(add),
    "minus": _arithmetic(sub),
    "times": _arithmetic(mul),
    "modulo": _arithmetic(_modulo),
    "divided_by": _divided_by,
    "to_integer": number_of,
    "join": _join,
    "first": partial(_end_of, 0),
    "last": partial(_end_of, -1),
    "size": _size,
    "sum": _sum,
    "where": _where,
    "slice": _slice,
    "compact": lambda value: [item for item in items_of(value) if not is_nothing(item)],
    "push": lambda value, item: [*items_of(value), item],
    "unshift": lambda value, item: [item, *items_of(value)],
    "pop": lambda value: list(items_of(value)[:-1]),
    "shift": lambda value: list(items_of(value)[1:]),
    "default": _default,
    "json": json_text,
    "jsonify": json_text,
    "inspect": json_text,
    "raw": lambda value: value,
}
"""Filters by name."""

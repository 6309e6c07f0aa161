"""What may leave a mapping: JSON, within limits, without `ABSENT` inside."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

from homing.core.mapping.errors import Refused
from homing.core.mapping.limits import MAX_VALUES
from homing.core.mapping.text import check_depth, check_length
from homing.core.mapping.values import ABSENT, Absent, well_formed

_CONTAINERS = frozenset({dict, list})
_MIN_INT, _MAX_INT = -(2**63), 2**64 - 1  # what a JSON writer can be asked to carry


def finished(value: object, *, hole: Absent | None = None) -> object:
    """
    Copy *value* as what can be written as JSON.

    Absent members leave their object; absent items of a list become *hole*; tuples become lists,
    NaN and infinities null, lone surrogates U+FFFD. The copy shares no list and no object with
    the event or the mapping: whoever gets it may change it.

    Args:
        value: What a mapping made of an event.

        hole: Null as in JSON, or `ABSENT` to keep what mapping-kit keeps between two steps.

    Raises:
        Refused: More than `MAX_VALUES` values or `MAX_TEXT` characters, deeper than `MAX_DEPTH`,
            or something that is not JSON (a date, bytes).
    """
    return _Copier(hole).copy(value, 0)


def check_count(count: int) -> None:
    """
    Stop a list or object from growing past what any result may hold.

    Raises:
        Refused: *count* is above `MAX_VALUES`.
    """
    if count > MAX_VALUES:
        problem = f"there are more than {MAX_VALUES:,} values"
        raise Refused(problem)


def count_values(value: object) -> int:
    """Count what *value* holds at all depths, giving up once it is more than `MAX_VALUES`."""
    count, waiting = 1, [value]
    while waiting:
        container = waiting.pop()
        inside = container.values() if isinstance(container, dict) else container
        if not isinstance(inside, Collection) or isinstance(inside, str):
            continue
        count += len(inside)
        if count > MAX_VALUES:
            break
        waiting += [item for item in inside if type(item) in _CONTAINERS]
    return count


class _Copier:
    """One walk over a result, and how much it has met so far."""

    __slots__ = ("_count", "_hole", "_length")

    def __init__(self, hole: Absent | None) -> None:
        self._hole = hole
        self._count = 0
        self._length = 0

    def copy(self, value: object, depth: int) -> object:
        copy = _COPIES.get(type(value))  # nearly all of an event is of these very types
        if copy is not None:
            return copy(self, value, depth)
        for kind, copy in _COPIES.items():
            if isinstance(value, kind):
                return copy(self, value, depth)
        problem = f"{type(value).__name__} is not a JSON value"
        raise Refused(problem)

    def same(self, value: object, _depth: int) -> object:
        return value

    def text(self, value: str, _depth: int) -> str:
        self._grow(len(value))
        return well_formed(str(value))

    def number(self, value: float, _depth: int) -> float | None:
        if isinstance(value, int) and _MIN_INT <= value <= _MAX_INT:
            return int(value)
        try:
            number = float(value)
        except OverflowError:
            return None
        return number if math.isfinite(number) else None

    def items(self, value: Sequence[object], depth: int) -> list[object]:
        self._enter(value, depth)
        return [self._hole if item is ABSENT else self.copy(item, depth + 1) for item in value]

    def members(self, value: Mapping[object, object], depth: int) -> dict[str, object]:
        self._enter(value, depth)
        fit: dict[str, object] = {}
        for key, item in value.items():
            if item is ABSENT:
                continue
            name = key if type(key) is str and key.isascii() else _name(key)
            self._length += len(name)
            if type(item) is str and item.isascii():  # the commonest value is not worth a call
                self._length += len(item)
                fit[name] = item
            else:
                fit[name] = self.copy(item, depth + 1)
        self._grow(0)
        return fit

    def _enter(self, value: Collection[object], depth: int) -> None:
        check_depth(depth)
        self._count += len(value)
        check_count(self._count)

    def _grow(self, length: int) -> None:
        self._length += length
        check_length(self._length)


def _name(key: object) -> str:
    if not isinstance(key, str):
        problem = f"{type(key).__name__} is not a name that JSON can have"
        raise Refused(problem)
    return well_formed(str(key))


_COPIES: Final[dict[type, Callable[[_Copier, Any, int], object]]] = {
    str: _Copier.text,
    dict: _Copier.members,
    list: _Copier.items,
    bool: _Copier.same,  # before int, which it is too
    type(None): _Copier.same,
    Absent: _Copier.same,
    int: _Copier.number,
    float: _Copier.number,
    tuple: _Copier.items,
    Mapping: _Copier.members,
}

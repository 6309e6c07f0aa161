"""What may leave a mapping: JSON, within limits, without `ABSENT` inside."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping

from homing.core.mapping.errors import Refused
from homing.core.mapping.limits import MAX_VALUES
from homing.core.mapping.text import check_depth, check_length
from homing.core.mapping.values import ABSENT, Absent, well_formed

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
    while waiting and count <= MAX_VALUES:
        container = waiting.pop()
        if isinstance(container, Mapping):
            count += len(container)
            waiting.extend(_containers(container.values()))
        elif isinstance(container, list | tuple):
            count += len(container)
            waiting.extend(_containers(container))
    return count


def _containers(values: Iterable[object]) -> Iterator[object]:
    return (value for value in values if isinstance(value, Mapping | list | tuple))


class _Copier:
    """One walk over a result, and how much it has met so far."""

    __slots__ = ("_count", "_hole", "_length")

    def __init__(self, hole: Absent | None) -> None:
        self._hole = hole
        self._count = 0
        self._length = 0

    def copy(self, value: object, depth: int) -> object:
        if isinstance(value, str):
            self._grow(len(value))
            return well_formed(str(value))
        if value is None or value is ABSENT or isinstance(value, bool):
            return value
        if isinstance(value, int | float):
            return _number(value)
        check_depth(depth)
        return self._container(value, depth + 1)

    def _container(self, value: object, depth: int) -> object:
        if isinstance(value, Mapping):
            self._enter(len(value))
            return self._object(value, depth)
        if isinstance(value, list | tuple):
            self._enter(len(value))
            return [self._hole if item is ABSENT else self.copy(item, depth) for item in value]
        problem = f"{type(value).__name__} is not a JSON value"
        raise Refused(problem)

    def _object(self, value: Mapping[object, object], depth: int) -> dict[str, object]:
        fit: dict[str, object] = {}
        for key, item in value.items():
            if item is ABSENT:
                continue
            name = key if type(key) is str and key.isascii() else _name(key)
            # ASCII text is most of an event, and not worth a call
            if type(item) is str and item.isascii():
                self._length += len(item)
                fit[name] = item
            else:
                fit[name] = self.copy(item, depth)
            self._length += len(name)
        self._grow(0)
        return fit

    def _enter(self, count: int) -> None:
        self._count += count
        check_count(self._count)

    def _grow(self, length: int) -> None:
        self._length += length
        check_length(self._length)


def _name(key: object) -> str:
    if not isinstance(key, str):
        problem = f"{type(key).__name__} is not a name that JSON can have"
        raise Refused(problem)
    return well_formed(str(key))


def _number(number: float) -> float | None:
    if isinstance(number, int) and _MIN_INT <= number <= _MAX_INT:
        return int(number)
    try:
        number = float(number)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None

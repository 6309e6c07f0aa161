"""Objects made of objects: `@merge`, `@flatten` and `@excludeWhenNull`, as JavaScript does them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from homing.core.mapping.results import check_count
from homing.core.mapping.text import check_depth, check_length
from homing.core.mapping.values import ABSENT, utf16_units


def merged(values: Iterable[object]) -> dict[str, object]:
    """
    Put *values* over each other, later ones on top: ``Object.assign({}, ...values)``.

    Text is spread by character and a list by item, under ``"0"``, ``"1"``, …; numbers, booleans,
    null and `ABSENT` add nothing. A member that is `ABSENT` still hides an earlier one.

    Raises:
        Refused: Too many members.
    """
    whole: dict[str, object] = {}
    for value in values:
        if isinstance(value, Mapping):
            whole.update(value)
        elif isinstance(value, str):
            check_count(len(value))
            whole.update((str(i), char) for i, char in enumerate(utf16_units(value)))
        elif isinstance(value, list | tuple):
            check_count(len(value))
            whole.update((str(i), item) for i, item in enumerate(value))
    return whole


def flattened(value: object, separator: str, *, omit_arrays: bool) -> dict[str, object]:
    """
    Bring nested objects, and lists unless *omit_arrays*, to one level: ``{"a.0.b": 1}``.

    Empty ones vanish; a plain value becomes ``{"": value}``.

    Raises:
        Refused: Too deep, too many values, or names that are too long in all.
    """
    flattening = _Flattening(separator, omit_arrays=omit_arrays)
    flattening.add(value, "", 0)
    return flattening.flat


class _Flattening:
    """One flat object in the making, and the length of its names."""

    __slots__ = ("_length", "_omit_arrays", "_separator", "flat")

    def __init__(self, separator: str, *, omit_arrays: bool) -> None:
        self._separator = separator
        self._omit_arrays = omit_arrays
        self._length = 0
        self.flat: dict[str, object] = {}

    def add(self, value: object, name: str, depth: int) -> None:
        self._length += len(name)
        check_length(self._length)
        if isinstance(value, Mapping):
            self._add_all(value.items(), name, depth)
        elif isinstance(value, list | tuple) and not self._omit_arrays:
            self._add_all(enumerate(value), name, depth)
        else:
            self.flat[name] = value
            check_count(len(self.flat))

    def _add_all(self, items: Iterable[tuple[object, object]], name: str, depth: int) -> None:
        check_depth(depth)
        prefix = f"{name}{self._separator}" if name else ""
        for key, item in items:
            self.add(item, f"{prefix}{key}", depth + 1)


def without_nulls(value: object, depth: int = 0) -> object:
    """
    Make null absent, in *value* itself and in objects inside objects; lists keep theirs.

    Raises:
        Refused: Too deep.
    """
    if value is None:
        return ABSENT
    if not isinstance(value, Mapping):
        return value
    check_depth(depth)
    return {key: without_nulls(item, depth + 1) for key, item in value.items()}

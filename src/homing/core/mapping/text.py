"""Values as text, the ways JavaScript writes them: ``String(value)`` and ``JSON.stringify``."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import orjson

from homing.core.mapping.errors import Refused
from homing.core.mapping.limits import MAX_DEPTH, MAX_TEXT
from homing.core.mapping.values import ABSENT, key_of, well_formed
from homing.core.numbers import number_text

OBJECT_TEXT = "[object Object]"


def js_text(value: object, depth: int = 0) -> str:
    """
    Write *value* as ``String(value)`` does: ``[object Object]``, ``false``, ``null``, ``1,,2``.

    Raises:
        Refused: Lists nest deeper than `MAX_DEPTH`.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return number_text(value)
    if isinstance(value, list | tuple):
        check_depth(depth)
        return ",".join("" if is_nothing(item) else js_text(item, depth + 1) for item in value)
    return OBJECT_TEXT if isinstance(value, Mapping) else "null" if value is None else "undefined"


def is_nothing(value: object) -> bool:
    """Tell whether *value* is null or absent: what JavaScript's ``??`` replaces."""
    return value is None or value is ABSENT


def is_blank(value: object) -> bool:
    """
    Tell whether *value* is absent, null or loosely equal to ``""``: 0, false, ``[]`` are too.

    Source: mapping-kit compares with ``!= ''``, JavaScript's loose inequality.
    """
    if isinstance(value, str):
        return not value
    if isinstance(value, list | tuple):
        return len(value) < 2 and not js_text(value)  # two items have a comma between them
    return is_nothing(value) or (isinstance(value, int | float) and value == 0)


def json_text(value: object) -> object:
    """
    Write *value* as ``JSON.stringify`` does: 5.0 is ``5``, absent list items are ``null``.

    Returns:
        The text; `ABSENT` for `ABSENT`.

    Raises:
        Refused: Deeper than `MAX_DEPTH` or longer than `MAX_TEXT`.
    """
    if value is ABSENT:
        return ABSENT
    writer = _JsonWriter()
    writer.write(value, 0)
    return "".join(writer.parts)


def check_depth(depth: int) -> None:
    """
    Stop a walk that is too deep.

    Raises:
        Refused: *depth* is `MAX_DEPTH` or more.
    """
    if depth >= MAX_DEPTH:
        problem = f"the value nests deeper than {MAX_DEPTH} levels"
        raise Refused(problem)


def check_length(length: int, limit: int = MAX_TEXT) -> None:
    """
    Stop text from growing past what any result may hold.

    Raises:
        Refused: *length* is above *limit*.
    """
    if length > limit:
        problem = f"the text is longer than {limit:,} characters"
        raise Refused(problem)


class _JsonWriter:
    """Collects the pieces of one JSON text and watches its length."""

    __slots__ = ("length", "parts")

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.length = 0

    def write(self, value: object, depth: int) -> None:
        if isinstance(value, Mapping):
            check_depth(depth)
            self._write_object(value, depth)
        elif isinstance(value, list | tuple):
            check_depth(depth)
            self._write_list(value, depth)
        else:
            self._put(_scalar_text(value))

    def _write_object(self, value: Mapping[object, object], depth: int) -> None:
        separator = "{"
        for key, item in _in_js_order(value):
            if item is not ABSENT:
                self._put(f"{separator}{_scalar_text(str(key))}:")
                self.write(item, depth + 1)
                separator = ","
        self._put("{}" if separator == "{" else "}")

    def _write_list(self, value: list[object] | tuple[object, ...], depth: int) -> None:
        separator = "["
        for item in value:
            self._put(separator)
            self.write(item, depth + 1)
            separator = ","
        self._put("[]" if separator == "[" else "]")

    def _put(self, text: str) -> None:
        self.length += len(text)
        check_length(self.length)
        self.parts.append(text)


def _in_js_order(value: Mapping[object, object]) -> Iterable[tuple[object, object]]:
    """Put list indexes first, ascending, as in every JavaScript object; then as written."""
    if not any(isinstance(key, str) and key[:1].isdigit() for key in value):
        return value.items()
    indexed = [(key_of(str(key))[1], key) for key in value]
    first = sorted((index, key) for index, key in indexed if index is not None)
    return [(key, value[key]) for _, key in first] + [
        (key, value[key]) for index, key in indexed if index is None
    ]


def _scalar_text(value: object) -> str:
    if isinstance(value, str):
        return orjson.dumps(well_formed(value)).decode()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float) and math.isfinite(value):
        return number_text(value)
    return "null"

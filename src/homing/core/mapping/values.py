"""
JSON values as JavaScript treats them, which is how Segment's mapping-kit treats them.

Every function takes any value and raises nothing but `Refused`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Final, Literal, TypeAlias, final

JS_SPACE: Final = "\t\n\v\f\r \u00a0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff" + "".join(
    map(chr, range(0x2000, 0x200B))
)
"""The characters that JavaScript's ``trim`` removes."""

_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_RADIX: Final = re.compile(r"0(?:[xX][0-9a-fA-F]+|[oO][0-7]+|[bB][01]+)")
_INFINITIES: Final = {"Infinity": math.inf, "+Infinity": math.inf, "-Infinity": -math.inf}
_LONGEST_NUMBER: Final = 400  # digits after which a double is infinite anyway


@final
class Absent:
    """The type of `ABSENT`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "ABSENT"

    def __bool__(self) -> Literal[False]:
        return False

    def __reduce__(self) -> str:
        return "ABSENT"  # copies and pickles stay the one sentinel


ABSENT: Final = Absent()
"""There is no value (JavaScript's ``undefined``); falsy, and not the same as null."""

Key: TypeAlias = tuple[str, int | None]
"""A step of a path: the name, and the same as a list index where it is one."""


def key_of(name: str) -> Key:
    """Prepare one step of a path: ``"0"`` is also an index, ``"00"`` and ``"-1"`` are not."""
    canonical = name == "0" or (name.isascii() and name.isdigit() and name[0] != "0")
    return name, int(name) if canonical and len(name) <= 10 else None


def member(value: object, key: Key) -> object:
    """
    Read ``value[key]`` as mapping-kit's ``get`` does.

    What is falsy in JavaScript (`ABSENT`, null, false, 0, ``""``) is returned instead of being
    read: ``z = 0`` makes ``z.y`` 0. Lists and text have indexes and ``length``; inherited
    properties (``constructor``) do not exist here.
    """
    if isinstance(value, Mapping):
        return value.get(key[0], ABSENT)
    if isinstance(value, list | tuple):
        return _item(value, key)
    if isinstance(value, str):
        return _character(value, key) if value else value
    if value is None or (isinstance(value, int | float) and (not value or math.isnan(value))):
        return value
    return ABSENT


def _item(items: list[object] | tuple[object, ...], key: Key) -> object:
    name, index = key
    if index is not None:
        return items[index] if index < len(items) else ABSENT
    return len(items) if name == "length" else ABSENT


def _character(text: str, key: Key) -> object:
    name, index = key
    if index is not None:
        units = text if text.isascii() else utf16_units(text)
        return units[index] if index < len(units) else ABSENT
    return utf16_length(text) if name == "length" else ABSENT


def utf16_length(text: str) -> int:
    """Count *text* as JavaScript does: a character beyond U+FFFF counts twice."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def utf16_units(text: str) -> list[str]:
    """
    Take *text* apart as JavaScript indexes it.

    The halves of a character beyond U+FFFF cannot stand alone in JSON; each becomes U+FFFD.
    """
    units = [char if char <= "\uffff" else "\ufffd\ufffd" for char in well_formed(text)]
    return list("".join(units))


def well_formed(text: str) -> str:
    """Replace lone surrogates, which no UTF-8 can carry, by U+FFFD; other text is unchanged."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def number_of(value: object) -> float:
    """Convert as JavaScript's ``Number(value)``: null is 0, ``""`` is 0, text that is none NaN."""
    if isinstance(value, int | float):
        return _float(value)
    if value is None:
        return 0.0
    if isinstance(value, str):
        return _number_in(value.strip(JS_SPACE))
    return math.nan  # of lists too: JavaScript would read ["5"], which nobody writes


def _number_in(text: str) -> float:
    if not text:
        return 0.0
    if len(text) > _LONGEST_NUMBER:
        return math.nan
    if _NUMBER.fullmatch(text):
        return float(text)
    if _RADIX.fullmatch(text):
        return _float(int(text, 0))
    return _INFINITIES.get(text, math.nan)


def _float(number: float) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf

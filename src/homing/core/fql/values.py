"""
Values as FQL sees them: their kinds, equality, members, and the readings between kinds.

Nothing here raises, whatever JSON holds. Kinds are ``typeof()``'s words: string, number, list,
bool, null; and object, for which the documentation has no word.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Iterable, Mapping
from decimal import Decimal

_KINDS: dict[type, str] = {
    str: "string",
    int: "number",
    float: "number",
    bool: "bool",
    type(None): "null",
    list: "list",
    tuple: "list",
}
# Events are refused when nested deeper; what a run holds of them lies a little deeper still.
_DEEPEST = 100
# Longer text is no price; and Python refuses to read integers of more than 4,300 digits.
_LONGEST_NUMERAL = 300
_INDEX = re.compile(r"[0-9]{1,9}")
_NUMERAL = re.compile(
    r"[+-]?(?:(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?"
)


def kind_of(value: object) -> str:
    """Return the kind of *value*: the result of ``typeof()``."""
    return _KINDS.get(type(value), "object")


def member(value: object, segment: str) -> object:
    """
    Return what *segment* of a path finds in *value*: a key's value, or a list's element.

    The documentation is silent on lists; Segment's own evaluator indexes them with a number.
    Missing is None.
    """
    if type(value) is dict or isinstance(value, Mapping):  # the check for a Mapping is slow
        return value.get(segment)
    if isinstance(value, list | tuple) and _INDEX.fullmatch(segment):
        index = int(segment)
        return value[index] if index < len(value) else None
    return None


def same(left: object, right: object) -> bool:
    """Tell whether two values are of one kind and strictly equal, in lists and objects too."""
    # A stack of our own: a value nested deeper than Python's must not raise.
    pending = [iter([(left, right)])]
    while pending:
        pair = next(pending[-1], None)
        if pair is None:
            pending.pop()
            continue
        below = _pairs_below(*pair)
        if below is None:
            return False
        if below:
            pending.append(iter(below))
    return True


def _pairs_below(one: object, other: object) -> Iterable[tuple[object, object]] | None:
    """Return what else must be the same for two values to be; None if they differ already."""
    kind = kind_of(one)
    if kind != kind_of(other):
        return None
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return zip(one, other, strict=True) if len(one) == len(other) else None
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        keys = one.keys()
        return ((one[key], other[key]) for key in keys) if keys == other.keys() else None
    return () if one == other else None


def text_of(value: object) -> str | None:
    """
    Return ``string(value)``: ``5.0`` is "5", a list or an object is its JSON.

    None for None, and for what nests too deep to be an event.
    """
    if value is None or isinstance(value, str):
        return value
    return _json(value, _DEEPEST)


def number_of(value: object) -> int | float | None:
    """
    Return ``number(value)``: text without one currency sign and thousands commas, else None.

    ``"$1,234.50"`` is 1234.5; ``"1,23"`` is None, not 123.
    """
    if isinstance(value, str):
        numeral = _numeral(value)
        return None if numeral is None else _finite(numeral)
    return value if kind_of(value) == "number" else None  # type: ignore[return-value]  # a number


def decimal_of(value: object) -> Decimal | None:
    """Return what `number_of` reads, exact as written: for sums of money."""
    if isinstance(value, str):
        numeral = _numeral(value)
        return None if numeral is None or _finite(numeral) is None else Decimal(numeral)
    if isinstance(value, float):
        return Decimal(repr(value)) if math.isfinite(value) else None
    return Decimal(value) if kind_of(value) == "number" else None  # type: ignore[arg-type]


def truth_of(value: object) -> bool | None:
    """Return ``bool(value)``: zero and the empty are false, any other text is true."""
    return None if value is None else bool(value)


def _numeral(text: str) -> str | None:
    """Return the number that *text* holds, in a form that Python reads; None if there is none."""
    if len(text) > _LONGEST_NUMERAL:
        return None
    text = text.strip()
    sign = text[0] if text.startswith(("-", "+")) else ""
    digits = _without_currency(text[len(sign) :].strip())
    if not _NUMERAL.fullmatch(digits) or (sign and digits.startswith(("-", "+"))):
        return None
    return sign + digits.replace(",", "")


def _without_currency(text: str) -> str:
    """Return *text* without the currency sign at its beginning or else its end."""
    if text and unicodedata.category(text[0]) == "Sc":
        return text[1:].lstrip()
    if text and unicodedata.category(text[-1]) == "Sc":
        return text[:-1].rstrip()
    return text


def _finite(numeral: str) -> int | float | None:
    if numeral.lstrip("+-").isdecimal():
        return int(numeral)
    number = float(numeral)
    return number if math.isfinite(number) else None


def _json(value: object, depth: int) -> str | None:
    """Return the JSON of *value*, numbers as ``string()`` writes them; None beyond *depth*."""
    if depth == 0:
        return None
    if isinstance(value, Mapping):
        members = [(json.dumps(str(key)), _json(item, depth - 1)) for key, item in value.items()]
        return _joined("{}", [item and f"{key}:{item}" for key, item in members])
    if isinstance(value, list | tuple):
        return _joined("[]", [_json(item, depth - 1) for item in value])
    return _scalar(value)


def _joined(brackets: str, parts: list[str | None]) -> str | None:
    present = [part for part in parts if part is not None]
    if len(present) < len(parts):
        return None
    return f"{brackets[0]}{','.join(present)}{brackets[1]}"


def _scalar(value: object) -> str | None:
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return str(int(value))
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    try:
        return json.dumps(value)
    except (TypeError, ValueError):  # no JSON value, or an integer of thousands of digits
        return None

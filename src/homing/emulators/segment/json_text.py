"""
JSON as ``JSON.stringify`` writes it, byte for byte.

Segment signs that text, and its receivers get it, so the emulator has to write
the same bytes. Source: ECMA-262, ``JSON.stringify`` and ``Number::toString``.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import Final

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
#: A property name that JavaScript takes for an array index: listed first, ascending.
_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,9}")
_MOST_INDEX: Final = 2**32 - 2
_WORDS: Final = {None: "null", True: "true", False: "false"}


def stringify(value: object) -> str:
    """
    Write a value made of dicts, lists, text, numbers, booleans and None.

    Raises:
        TypeError: Something else is in it.
    """
    match value:
        case None | bool():
            return _WORDS[value]
        case int() | float():
            return number_text(value)
        case str():
            return string_text(value)
        case Mapping():
            return "{" + ",".join(_members(value)) + "}"
        case list() | tuple():
            return "[" + ",".join(map(stringify, value)) + "]"
        case _:
            msg = f"no JSON value: {type(value).__name__}"
            raise TypeError(msg)


def string_text(text: str) -> str:
    """Write a text: all as it is, but quotes, backslashes, controls and lone surrogates."""
    quoted = json.dumps(text, ensure_ascii=False)
    return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", quoted)


def number_text(number: float) -> str:
    """Write a number as JavaScript does: a double, without ``.0``, ``null`` when not finite."""
    try:
        double = float(number)
    except OverflowError:
        double = math.inf
    if not math.isfinite(double):
        return "null"
    if double == 0:
        return "0"
    sign, digits, point = _shortest(double)
    return sign + _placed(digits, point)


def _members(value: Mapping[object, object]) -> Iterable[str]:
    names = [name if isinstance(name, str) else str(name) for name in value]
    by_name = dict(zip(names, value.values(), strict=True))
    indexes = sorted((n for n in by_name if _is_index(n)), key=int)
    ordered = [*indexes, *(n for n in by_name if not _is_index(n))] if indexes else by_name
    return (f"{string_text(name)}:{stringify(by_name[name])}" for name in ordered)


def _is_index(name: str) -> bool:
    return _INDEX.fullmatch(name) is not None and int(name) <= _MOST_INDEX


def _shortest(double: float) -> tuple[str, str, int]:
    """Return sign, the shortest digits that mean this double, and where the point goes."""
    mantissa, _, exponent = f"{double!r}".partition("e")
    sign, mantissa = ("-", mantissa[1:]) if mantissa.startswith("-") else ("", mantissa)
    whole, _, fraction = mantissa.partition(".")
    fraction = "" if fraction == "0" else fraction
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    return sign, digits.rstrip("0"), point


def _placed(digits: str, point: int) -> str:
    """Place the point as ``Number::toString`` does, with an exponent outside 1e-6 … 1e21."""
    if len(digits) <= point <= 21:
        return digits + "0" * (point - len(digits))
    if 0 < point <= 21:
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"0.{'0' * -point}{digits}"
    exponent = point - 1
    mantissa = digits if len(digits) == 1 else f"{digits[0]}.{digits[1:]}"
    return f"{mantissa}e{'+' if exponent >= 0 else '-'}{abs(exponent)}"

"""Numbers as people write them, and as JavaScript prints them."""

from __future__ import annotations

import math
import re
import unicodedata
from decimal import Decimal, InvalidOperation

MAX_NUMBER_TEXT = 100
"""Characters a number written as text may have; longer text is no number."""

_MIN_INT, _MAX_INT = -(2**63), 2**64 - 1  # what JSON writers of this project can carry

_LEAST_EXPONENT = -400  # floats end at 1e-324

_NUMBER = re.compile(
    r"""
    (?P<sign>[+-]?)
    (?P<whole>[0-9]{1,3}(?:,[0-9]{3})+|[0-9]*)
    (?P<fraction>\.[0-9]+)?
    (?P<exponent>[eE][+-]?[0-9]+)?
    """,
    re.VERBOSE,
)


def read_number(value: object) -> int | float | None:
    """
    Read a number, or text that is one: ``"$55.34"`` is 55.34, ``"1,234"`` is 1234.

    Text may have one currency sign (Unicode category Sc) before or after the digits, a sign
    before or after that, thousands commas in the right places, a decimal point and an exponent.
    Text without point and exponent is an int; other text the nearest float.

    Returns:
        A finite number; None for all else: booleans, ``"1.234,50"``, ``"1,5"``, ``"5."``,
        ``"USD 5"``, ``"NaN"``, blank text, text longer than `MAX_NUMBER_TEXT`.
    """
    kind = type(value)
    if kind is int:
        return value  # type: ignore[return-value]  # the exact type was just asked
    if kind is float:
        return value if math.isfinite(value) else None  # type: ignore[arg-type,return-value]
    if isinstance(value, str) and len(value) <= MAX_NUMBER_TEXT:
        return _read_text(value)
    return None


def read_decimal(value: object) -> Decimal | None:
    """
    Read what `read_number` reads, exact as written: for sums of money.

    What is smaller than any float, ``"1e-999999999"``, is 0 here too: written out it would fill a
    disk.
    """
    if isinstance(value, str):
        text = _digits_in(value) if len(value) <= MAX_NUMBER_TEXT else None
        return None if text is None or read_number(text) is None else _exact(text)
    number = read_number(value)
    if number is None:
        return None
    return Decimal(repr(number)) if isinstance(number, float) else Decimal(number)


def _exact(text: str) -> Decimal:
    try:
        exact = Decimal(text)
    except InvalidOperation:  # of no decimal's exponent: as a float it was not infinite
        return Decimal(0)
    return Decimal(0) if exact.adjusted() < _LEAST_EXPONENT else exact


def number_text(number: float) -> str:
    """
    Print *number* as JavaScript's ``String(number)`` does: 5.0 is ``5``, 1e21 is ``1e+21``.

    An int below 1e21 is printed to its last digit, where JavaScript would have rounded it to a
    double while reading: an order number of 19 digits stays itself.

    Source: ECMA-262, Number::toString.
    """
    if isinstance(number, int):
        if -(10**21) < number < 10**21:
            return str(int(number))
        number = _as_float(number)
    if not math.isfinite(number):
        return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"
    return _finite_text(number)


def _read_text(text: str) -> int | float | None:
    digits = _digits_in(text)
    if digits is None:
        return None
    if digits.lstrip("+-").isdecimal():
        whole = int(digits)
        if _MIN_INT <= whole <= _MAX_INT:
            return whole
    number = float(digits)
    return number if math.isfinite(number) else None


def _digits_in(text: str) -> str | None:
    """Return the number that *text* holds, in a form that Python reads; None if there is none."""
    match = _NUMBER.fullmatch(_without_currency(text.strip()))
    if match is None or not (match["whole"] or match["fraction"]):
        return None
    return match[0].replace(",", "")


def _without_currency(text: str) -> str:
    """Take one currency sign away: ``$5``, ``-$5``, ``$-5``, ``5 €``, ``$ 5`` are numbers."""
    sign, rest = (text[0], text[1:].lstrip()) if text[:1] in {"+", "-"} else ("", text)
    if rest and _is_currency(rest[0]):
        return sign + rest[1:].lstrip()
    if rest and _is_currency(rest[-1]):
        return sign + rest[:-1].rstrip()
    return text


def _is_currency(char: str) -> bool:
    return char == "$" or unicodedata.category(char) == "Sc"


def _as_float(number: int) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def _finite_text(number: float) -> str:
    text = repr(number)
    if "e" not in text:
        return "0" if number == 0 else text.removesuffix(".0")
    if 1e-6 <= abs(number) < 1e21:
        return format(Decimal(text), "f")
    mantissa, _, exponent = text.partition("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent):+d}"

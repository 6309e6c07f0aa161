"""
The functions of FQL, over values.

Those of null are null, but for ``contains`` and ``match`` (false), ``length`` (0) and ``typeof``.
The same goes for an argument of a kind a function does not take. Source: Segment docs, "FQL",
Functions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from homing.core.fql.globs import compile_glob
from homing.core.fql.values import kind_of, text_of, truth_of
from homing.core.numbers import read_number

# Patterns in a condition are as long as the condition may be; one that comes with the event is
# the sender's, and costs time in proportion to its length.
_LONGEST_PATTERN = 256


@dataclass(frozen=True, slots=True)
class Function:
    """A function: how many values it takes, what kind it returns (or null)."""

    compute: Callable[..., object]
    arity: int
    returns: str


def contains(text: object, part: object) -> bool:
    """Tell whether *text* contains *part*; false unless both are text."""
    return isinstance(text, str) and isinstance(part, str) and part in text


def match(text: object, pattern: object) -> bool:
    """Tell whether *pattern* matches the whole of *text*; see `homing.core.fql.globs`."""
    if not isinstance(text, str) or not isinstance(pattern, str):
        return False
    glob = compile_glob(pattern) if len(pattern) <= _LONGEST_PATTERN else None
    return glob is not None and glob.matches(text)


def length(value: object) -> int | None:
    """Return the elements of a list, or the bytes (UTF-8) of a text."""
    if value is None:
        return 0
    if isinstance(value, str):
        # Node escapes half an emoji as a lone surrogate: three bytes, as in its own encoding.
        return len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass"))
    return len(value) if isinstance(value, list | tuple) else None


def lowercase(text: object) -> str | None:
    """Return *text* with its upper-case letters lowered."""
    return text.lower() if isinstance(text, str) else None


def uppercase(text: object) -> str | None:
    """Return *text* with its lower-case letters raised."""
    return text.upper() if isinstance(text, str) else None


def snakecase(text: object) -> str | None:
    """Return *text* with underscores for spaces; nothing else changes."""
    return text.replace(" ", "_") if isinstance(text, str) else None


def kebabcase(text: object) -> str | None:
    """Return *text* with dashes for spaces; nothing else changes."""
    return text.replace(" ", "-") if isinstance(text, str) else None


def titlecase(text: object) -> str | None:
    """
    Return *text* with the first letter of each word raised; nothing else changes.

    The documentation's description is a slip; its sample is ``Test String``.
    """
    if not isinstance(text, str):
        return None
    return " ".join(word[:1].title() + word[1:] for word in text.split(" "))


FUNCTIONS: Final = {
    "contains": Function(contains, 2, "bool"),
    "match": Function(match, 2, "bool"),
    "length": Function(length, 1, "number"),
    "lowercase": Function(lowercase, 1, "string"),
    "uppercase": Function(uppercase, 1, "string"),
    "snakecase": Function(snakecase, 1, "string"),
    "kebabcase": Function(kebabcase, 1, "string"),
    "titlecase": Function(titlecase, 1, "string"),
    "typeof": Function(kind_of, 1, "string"),
    "bool": Function(truth_of, 1, "bool"),
    "string": Function(text_of, 1, "string"),
    "number": Function(read_number, 1, "number"),
}

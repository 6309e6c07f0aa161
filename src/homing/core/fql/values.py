"""
Values as FQL sees them: their kinds, equality, members, and the readings between kinds.

Nothing here raises, whatever JSON holds. Kinds are ``typeof()``'s words: string, number, list,
bool, null; and object, for which the documentation has no word. ``number()`` reads as
`homing.core.numbers` does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

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
_INDEX = re.compile(r"[0-9]{1,9}")


def kind_of(value: object) -> str:
    """Return the kind of *value*: the result of ``typeof()``."""
    return _KINDS.get(type(value), "object")


def member(value: object, segment: str) -> object:
    """
    Return what *segment* of a path finds in *value*: a key's value, or a list's element.

    The documentation is silent on lists; Segment's own evaluator indexes them with a number.
    Missing is None.
    """
    if value is None:
        return None
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


def truth_of(value: object) -> bool | None:
    """Return ``bool(value)``: zero and the empty are false, any other text is true."""
    return None if value is None else bool(value)


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

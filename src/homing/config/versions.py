"""Versions: a hash of what a configuration means, whatever it looks like."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
from collections.abc import Mapping

from homing.core.fql import Condition
from homing.core.mapping import Compiled

VERSION_DIGITS = 16


def version_of(compiled: object, sources: Mapping[Compiled, object]) -> str:
    """
    Hash all that *compiled* means, as 16 hex digits.

    The same for any two files that mean the same: layout, comments, the order of keys and the way
    a duration is written do not count; the order of lists does.

    Args:
        compiled: Dataclasses, tables and lists of them. Fields that do not compare do not count.

        sources: What each mapping in it was compiled from.
    """
    text = json.dumps(_meaning(compiled, sources), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:VERSION_DIGITS]


def _meaning(value: object, sources: Mapping[Compiled, object]) -> object:
    if isinstance(value, Condition):
        return value.text
    if isinstance(value, dt.time):
        return value.isoformat()
    if isinstance(value, Compiled):
        value = {"": "Compiled", "source": sources[value]}
    elif dataclasses.is_dataclass(value):
        fields = [field.name for field in dataclasses.fields(value) if field.compare]
        value = {"": type(value).__name__, **{name: getattr(value, name) for name in fields}}
    if isinstance(value, frozenset):
        value = sorted(map(str, value))
    if isinstance(value, Mapping):
        return {str(key): _meaning(child, sources) for key, child in value.items()}
    return (
        [_meaning(child, sources) for child in value] if isinstance(value, list | tuple) else value
    )

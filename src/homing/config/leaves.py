"""Every value of the settings with the place it has in the file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from homing.config.problems import Loc
from homing.config.sections import Section

T = TypeVar("T")


def leaves_of(value: object, loc: Loc = ()) -> Iterator[tuple[Loc, object]]:
    """Walk *value* down to what is no section, table or list."""
    match value:
        case Section():
            for name, info in type(value).model_fields.items():
                yield from leaves_of(getattr(value, name), (*loc, info.alias or name))
        case dict():
            for key, child in value.items():
                yield from leaves_of(child, (*loc, key))
        case tuple():
            for index, child in enumerate(value):
                yield from leaves_of(child, (*loc, index))
        case _:
            yield loc, value


def all_of(kind: type[T], value: object) -> Iterator[tuple[Loc, T]]:
    """Find each leaf of one *kind*: all conditions, all references to secrets."""
    return ((loc, leaf) for loc, leaf in leaves_of(value) if isinstance(leaf, kind))

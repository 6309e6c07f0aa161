"""The kinds of value that are programs: conditions (FQL), mappings, and paths into an event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from homing.config.secrets import SecretRef
from homing.config.values import Expect, Unfit
from homing.core.fql import Condition, FqlError, parse
from homing.core.mapping.paths import compile_path

_WHOLE = frozenset({""})


def _when(value: object) -> Condition:
    if not isinstance(value, str):
        raise Unfit
    try:
        return parse(value)
    except FqlError as error:
        raise Unfit(str(error)) from None


@dataclass(frozen=True, slots=True)
class RawMapping:
    """A mapping as the file has it: it is compiled once its place in the file is known."""

    value: object


def _mapped(value: object) -> RawMapping:
    if _holds_reference(value):
        msg = "references are read only where a secret is expected"
        raise Unfit(msg)
    return RawMapping(value)


def _mapped_table(value: object) -> RawMapping:
    if not isinstance(value, dict):
        raise Unfit
    return _mapped(value)


def _holds_reference(value: object) -> bool:
    match value:
        case dict():
            return any(map(_holds_reference, value.values()))
        case list():
            return any(map(_holds_reference, value))
        case _:
            return isinstance(value, SecretRef)


def _path(value: object) -> str:
    if not isinstance(value, str) or not value.startswith("$.") or not value.isprintable():
        raise Unfit
    if compile_path(value).paths == _WHOLE:
        msg = "it leads to the whole event"
        raise Unfit(msg)
    return value


def _path_or_false(value: object) -> str | Literal[False]:
    return False if value is False else _path(value)


_A_PATH = 'a path like "$.properties.cart_id"'

When: TypeAlias = Annotated[
    Condition, Expect("""a condition like 'event = "Order Completed"'""", _when)
]
Mapped: TypeAlias = Annotated[RawMapping, Expect(f"a value, {_A_PATH} or a directive", _mapped)]
MappedTable: TypeAlias = Annotated[
    RawMapping, Expect('a table of values like { name = "$.traits.name" }', _mapped_table)
]
Path: TypeAlias = Annotated[str, Expect(_A_PATH, _path)]
PathOrFalse: TypeAlias = Annotated[
    str | Literal[False], Expect(f"{_A_PATH}, or false", _path_or_false)
]

"""The kinds of value that are programs: conditions (FQL), mappings, and paths into an event."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from homing.config.secrets import SecretRef
from homing.config.values import Expect, Unfit
from homing.core.fql import Condition, FqlError, parse
from homing.core.mapping import Compiled, MappingError, compile_mapping


def _when(value: object) -> Condition:
    if not isinstance(value, str):
        raise Unfit
    try:
        return parse(value)
    except FqlError as error:
        raise Unfit(str(error)) from None


def _mapped(value: object) -> Compiled:
    if _holds_reference(value):
        msg = "references are read only where a secret is expected"
        raise Unfit(msg)
    try:
        return compile_mapping(value)
    except MappingError as error:
        raise Unfit(str(error)) from None


def _mapped_table(value: object) -> Compiled:
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
    if not isinstance(value, str) or not value.startswith("$."):
        raise Unfit
    _mapped(value)
    return value


def _path_or_false(value: object) -> str | Literal[False]:
    return False if value is False else _path(value)


_A_PATH = 'a path like "$.properties.cart_id"'

When: TypeAlias = Annotated[
    Condition, Expect("""a condition like 'event = "Order Completed"'""", _when)
]
Mapped: TypeAlias = Annotated[Compiled, Expect(f"a value, {_A_PATH} or a directive", _mapped)]
MappedTable: TypeAlias = Annotated[
    Compiled, Expect('a table of values like { name = "$.traits.name" }', _mapped_table)
]
Path: TypeAlias = Annotated[str, Expect(_A_PATH, _path)]
PathOrFalse: TypeAlias = Annotated[
    str | Literal[False], Expect(f"{_A_PATH}, or false", _path_or_false)
]

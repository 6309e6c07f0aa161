"""
From a mapping as configured to a function of the event.

Everything that can be decided about a mapping is decided here, once, at load.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from homing.core.mapping.directives import DIRECTIVES
from homing.core.mapping.errors import MappingError, MappingFailure, Refused
from homing.core.mapping.limits import MAX_MAPPING_DEPTH, MAX_TEXT
from homing.core.mapping.parts import Part, Read, Scope, combined, constant, guessed, listed
from homing.core.mapping.paths import compile_path
from homing.core.mapping.results import finished
from homing.core.mapping.values import ABSENT, well_formed

_ROOT_DIRECTIVE: Final = "__segment_internal_directive"
_METADATA: Final = "_metadata"  # what Segment's editor may leave beside a directive


@dataclass(frozen=True, slots=True, eq=False)
class Compiled:
    """
    A mapping, ready to be applied.

    Attributes:
        resolve: From the root (the event plus ``profile``, ``journey``, ``send``) to the value,
            which is JSON and the caller's own, or `ABSENT`. Never changes the root; raises
            nothing but `MappingFailure`.

        paths: The paths of the root that are read, as far as the mapping shows them:
            ``properties.total``; ``""`` is the whole root.

        constant: The value is the same for every root.
    """

    resolve: Callable[[Mapping[str, object]], object]
    paths: frozenset[str]
    constant: bool


def compile_mapping(value: object, *, place: str = "") -> Compiled:
    """
    Compile a mapping: a plain value, a directive, or objects and lists of them.

    Text that starts with ``$.`` is a path; text that contains ``{{`` is Liquid.

    Args:
        value: The mapping as TOML or JSON gives it.

        place: What to call the mapping in messages (``email.order.data``).

    Raises:
        MappingError: The mapping cannot be meant so: names the place, what is expected there and
            what was found.
    """
    part = _compile(_with_root_directive(value, place), Scope(_compile, place))
    return Compiled(_resolver(part.read, place), part.paths, part.constant)


def _resolver(read: Read, place: str) -> Callable[[Mapping[str, object]], object]:
    def resolve(root: Mapping[str, object]) -> object:
        try:
            value = read(root)
            return value if _is_fit(value) else finished(value)
        except Refused as refused:
            raise MappingFailure(place, problem=str(refused)) from None
        except RecursionError:
            raise MappingFailure(place, problem="the value nests too deep") from None

    return resolve


def _is_fit(value: object) -> bool:
    """Recognize the common values that need no walk: plain text, ordinary numbers, nothing."""
    if type(value) is str:
        return value.isascii() and len(value) <= MAX_TEXT
    if type(value) is int or type(value) is float:
        return -1e18 < value < 1e18
    return value is None or value is ABSENT


def _compile(value: object, scope: Scope) -> Part:
    if scope.depth > MAX_MAPPING_DEPTH:
        expected = f"be at most {MAX_MAPPING_DEPTH} steps deep"
        raise scope.error(expected, value)
    if isinstance(value, dict):
        return _object(value, scope)
    if isinstance(value, list | tuple):
        return _list(value, scope)
    return _text(value, scope) if isinstance(value, str) else constant(_scalar(value, scope))


def _object(value: dict[object, object], scope: Scope) -> Part:
    names = [_name(key, scope) for key in value]
    directives = [name for name in names if name.startswith("@")]
    if directives:
        others = [name for name in names if name not in directives and name != _METADATA]
        return _directive(_only(directives, others, scope), value, scope)
    members = [(name, _compile(value[name], scope.at(name))) for name in names]
    reads = [(name, part.read) for name, part in members]
    whole = combined(
        lambda root: {name: read(root) for name, read in reads}, *(part for _, part in members)
    )
    return constant(whole.read({})) if whole.constant else whole


def _list(value: list[object] | tuple[object, ...], scope: Scope) -> Part:
    parts = [_compile(item, scope.at(i)) for i, item in enumerate(value)]
    reads = [part.read for part in parts]
    whole = combined(lambda root: [read(root) for read in reads], *parts)
    return constant(whole.read({})) if whole.constant else whole


def _text(value: str, scope: Scope) -> Part:
    if value != well_formed(value):
        raise scope.error("be text without lone surrogates", "text with one")
    if scope.is_path(value):
        return compile_path(value)
    if scope.shorthands and "{{" in value:
        return _placed(DIRECTIVES["@liquid"](value, scope), scope)
    return constant(value)


def _scalar(value: object, scope: Scope) -> object:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and -(2**63) <= value < 2**64:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise scope.error("be a value that JSON has", value)


def _name(key: object, scope: Scope) -> str:
    if not isinstance(key, str) or key != well_formed(key):
        raise scope.error("have names that are text", key)
    return key


def _only(directives: list[str], others: list[str], scope: Scope) -> str:
    if len(directives) > 1:
        found = f"{len(directives)}: {listed(directives)}"
        raise MappingError(scope.place, expected="have one directive", found=found)
    if others:
        expected = f'have nothing beside the directive "{directives[0]}"'
        raise MappingError(scope.place, expected=expected, found=listed(others[:3]))
    return directives[0]


def _directive(name: str, value: dict[object, object], scope: Scope) -> Part:
    directive = DIRECTIVES.get(name)
    if directive is None:
        found = guessed(name, DIRECTIVES)
        raise MappingError(scope.place, expected="have a directive of mapping-kit", found=found)
    inside = scope.at(name)
    part = directive(value[name], inside)
    # a plain path cannot fail, and is the one place where a call more would be felt
    return part if name == "@path" and isinstance(value[name], str) else _placed(part, inside)


def _placed(part: Part, scope: Scope) -> Part:
    """Add the place to what the part refuses; work out constants now."""
    read_part, place = part.read, scope.place

    def read(root: object) -> object:
        try:
            return read_part(root)
        except Refused as refused:
            raise MappingFailure(place, problem=str(refused)) from refused.__cause__

    if not part.constant:
        return Part(read, part.paths)
    try:
        return constant(read({}))
    except MappingFailure as failure:
        found = f"a failure: {failure.problem}"
        raise MappingError(place, expected="have a value", found=found) from failure


def _with_root_directive(value: object, place: str) -> object:
    """
    Unfold Segment's ``__segment_internal_directive``.

    It holds one directive without its slot ``mapping``; the fields beside it are that slot.
    """
    if not isinstance(value, dict) or _ROOT_DIRECTIVE not in value:
        return value
    root = value[_ROOT_DIRECTIVE]
    inner = next(iter(root.values())) if isinstance(root, dict) and len(root) == 1 else None
    if not isinstance(inner, dict):
        where = f"{place}.{_ROOT_DIRECTIVE}" if place else _ROOT_DIRECTIVE
        raise MappingError(
            where, expected="hold one directive with its slots", found="something else"
        )
    fields = {name: field for name, field in value.items() if name != _ROOT_DIRECTIVE}
    return {next(iter(root)): {**inner, "mapping": fields}}

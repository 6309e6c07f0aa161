"""Fit a document to the models, and say in our words where it does not fit."""

from __future__ import annotations

import types
from collections.abc import Iterator
from itertools import takewhile
from typing import Annotated, TypeGuard, Union, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from homing.config.documents import Values
from homing.config.problems import KEY, Finding, Loc, expected, guess, kind_of, shown
from homing.config.sections import Section
from homing.config.settings import Settings
from homing.config.values import Expect

# Errors about a container: what is in it is of no use in the message, and may be a secret.
_CONTAINERS = frozenset({"tuple_type", "dict_type", "model_type"})


def fit(values: Values) -> tuple[Settings, list[Finding]]:
    """
    Read *values* as settings.

    Returns:
        The settings, and what does not fit. What does not fit is left out of the settings, so
        that the rest can be checked all the same.
    """
    findings: list[Finding] = []
    rest = values
    while True:
        try:
            return Settings.model_validate(rest), findings
        except ValidationError as error:
            details = error.errors(include_url=False)
        # Later rounds only find what this one left out.
        findings = findings or [_finding(detail) for detail in details]
        smaller = _without(rest, {_misfit(detail) for detail in details})
        rest = smaller if smaller != rest else {}


def keys_of(section: type[Section]) -> dict[str, FieldInfo]:
    """List the keys of a section as they stand in the file."""
    return {info.alias or name: info for name, info in section.model_fields.items()}


def section_at(loc: Loc) -> type[Section] | None:
    """Find which model reads the table at *loc*; None where the keys are free or there is none."""
    return next((part for part in _parts(_annotation_at(loc)) if _is_section(part)), None)


def _misfit(detail: ErrorDetails) -> Loc:
    """Choose what to leave out: a key, but a list as a whole, so that no item changes its place."""
    loc = _loc(detail)
    if detail["type"] == "missing":
        loc = loc[:-1]
    return tuple(takewhile(lambda part: isinstance(part, str), loc))


def _loc(detail: ErrorDetails) -> Loc:
    *above, last = detail["loc"]
    # What pydantic adds where the key itself is meant; a key of the file may be called the same.
    is_key = last == "[key]" and above[-1:] == [detail["input"]]
    return tuple(above) if is_key else detail["loc"]


def _without(values: Values, locs: set[Loc], at: Loc = ()) -> Values:
    return {
        key: _without(value, locs, (*at, key)) if isinstance(value, dict) else value
        for key, value in values.items()
        if (*at, key) not in locs
    }


def _finding(detail: ErrorDetails) -> Finding:
    loc, value = _loc(detail), detail["input"]
    match detail["type"]:
        case "extra_forbidden":
            return Finding(loc, f"unknown key `{KEY}`{_nearest_key(loc)}")
        case "missing":
            return Finding(loc, expected(_words_for(loc), "nothing"))
        case "expected":
            context = detail["ctx"]
            got = f"{kind_of(value)} (not shown)" if context["hidden"] else shown(value)
            return Finding(loc, expected(context["what"], got, why=context["why"]))
        case kind:
            got = kind_of(value) if kind in _CONTAINERS else shown(value)
            return Finding(loc, expected(_words_for(loc), got))


def _nearest_key(loc: Loc) -> str:
    section = section_at(loc[:-1])
    return guess(str(loc[-1]), keys_of(section)) if section else ""


def _words_for(loc: Loc) -> str:
    """Say what belongs at *loc*, from the annotation that stands there."""
    for part in _parts(_annotation_at(loc)):
        if isinstance(part, Expect):
            return part.what
        if _is_section(part):
            return part.expected
        if part is bool:
            return "true or false"
        if get_origin(part) is tuple:
            return "a list"
    return "a table"


def _annotation_at(loc: Loc) -> object:
    annotation: object = Settings
    for part in loc:
        annotation = next(_below(annotation, part), None)
    return annotation


def _below(annotation: object, key: str | int) -> Iterator[object]:
    """Go one step down: to a field of a section, or to what a list or a free table holds."""
    for part in _parts(annotation):
        if _is_section(part) and key in keys_of(part):
            info = keys_of(part)[str(key)]
            yield Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation
        elif get_origin(part) is tuple and isinstance(key, int):
            yield get_args(part)[0]
        elif get_origin(part) is dict and isinstance(key, str):
            yield get_args(part)[1]


def _parts(annotation: object) -> Iterator[object]:
    """Take an annotation apart: its `Expect` first, then each alternative."""
    if get_origin(annotation) is Annotated:
        inner, *metadata = get_args(annotation)
        yield from (entry for entry in metadata if isinstance(entry, Expect))
        yield from _parts(inner)
    elif get_origin(annotation) in {Union, types.UnionType}:
        for alternative in get_args(annotation):
            yield from _parts(alternative)
    else:
        yield annotation


def _is_section(part: object) -> TypeGuard[type[Section]]:
    return isinstance(part, type) and issubclass(part, Section)

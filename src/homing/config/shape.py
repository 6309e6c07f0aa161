"""Fit a document to the models, and say in our words where it does not fit."""

from __future__ import annotations

import re
import types
from collections.abc import Iterator
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
_INNER = re.compile(r"<.*>|\[key\]")


def fit(values: Values) -> tuple[Settings, list[Finding]]:
    """
    Read *values* as settings.

    Returns:
        The settings, and what does not fit. What does not fit is left out of the settings, with
        the table around it, so that the rest can be checked all the same.
    """
    try:
        return Settings.model_validate(values), []
    except ValidationError as error:
        details = error.errors(include_url=False)
    findings = [_finding(detail) for detail in details]
    rest = _without(values, {_misfit(detail)[:2] for detail in details})
    settings, more = fit(rest) if rest != values else (Settings(), [])
    return settings, findings + more


def keys_of(section: type[Section]) -> dict[str, FieldInfo]:
    """List the keys of a section as they stand in the file."""
    return {info.alias or name: info for name, info in section.model_fields.items()}


def section_at(loc: Loc) -> type[Section] | None:
    """Find which model reads the table at *loc*; None where the keys are free or there is none."""
    return next((part for part in _parts(_annotation_at(loc)) if _is_section(part)), None)


def _misfit(detail: ErrorDetails) -> Loc:
    loc = _loc(detail)
    return loc[:-1] if detail["type"] == "missing" else loc


def _loc(detail: ErrorDetails) -> Loc:
    # Without what pydantic adds to say which alternative, or that the key itself is meant.
    return tuple(part for part in detail["loc"] if not _INNER.fullmatch(str(part)))


def _without(values: Values, locs: set[Loc]) -> Values:
    """Leave out what stands at *locs*, each of one or two keys."""
    kept: Values = {}
    for key, value in values.items():
        if (key,) in locs:
            continue
        kept[key] = value
        if isinstance(value, dict):
            kept[key] = {name: v for name, v in value.items() if (key, name) not in locs}
    return kept


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
        elif get_origin(part) is tuple:
            yield get_args(part)[0]
        elif get_origin(part) is dict:
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

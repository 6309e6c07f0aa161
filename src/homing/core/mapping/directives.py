"""
The directives of Segment's mapping-kit: one directive, one function from its slots to a part.

What they do at odd corners is what Segment's do, so that a mapping pasted from Segment gives the
same values. Source: segmentio/action-destinations, packages/core/src/mapping-kit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final, TypeAlias

import orjson

from homing.core.mapping.combine import flattened, merged, without_nulls
from homing.core.mapping.errors import MappingError, Refused
from homing.core.mapping.limits import MAX_GIVEN_TEXT
from homing.core.mapping.parts import (
    Part,
    Read,
    Scope,
    combined,
    constant,
    described,
    guessed,
    listed,
    options_of,
)
from homing.core.mapping.paths import compile_path, read_path
from homing.core.mapping.replace import replacer
from homing.core.mapping.results import check_count, count_values, finished
from homing.core.mapping.template import compile_template, render_template
from homing.core.mapping.text import check_length, is_blank, is_nothing, json_text
from homing.core.mapping.values import ABSENT

Directive: TypeAlias = Callable[[object, Scope], Part]


def path(value: object, scope: Scope) -> Part:
    """``{"@path": "$.a.b"}``: what is at the path; the path itself may come from a directive."""
    if isinstance(value, str):
        return compile_path(value)
    return _with_text(read_path, _text_or_directive(value, scope.literal()), "path")


def template(value: object, scope: Scope) -> Part:
    """``{"@template": "Hi {{a.b}}"}``: text with values in it; deprecated by Segment."""
    if isinstance(value, str):
        return compile_template(value)
    return _with_text(render_template, _text_or_directive(value, scope.literal()), "template")


def liquid(value: object, scope: Scope) -> Part:
    """``{"@liquid": "{{ properties.a | upcase }}"}``: Liquid, at most 1,000 characters of it."""
    # The engine takes 75 ms to import: only who writes Liquid pays for it.
    from homing.core.mapping.liquid.engine import compile_liquid  # noqa: PLC0415

    if not isinstance(value, str):
        raise scope.error("be text", value)
    try:
        return compile_liquid(value)
    except Refused as refused:
        raise MappingError(scope.place, expected="be Liquid", found=str(refused)) from refused


def literal(value: object, scope: Scope) -> Part:
    """``{"@literal": x}``: *x* without shorthands; directives inside are still resolved."""
    return scope.compile(value, scope.literal())


def if_(value: object, scope: Scope) -> Part:
    """
    ``{"@if": {"exists": …, "then": …, "else": …}}``, or with ``blank``.

    ``then`` is taken if ``exists`` is neither absent nor null, or if ``blank`` is *not* blank: it
    is named the wrong way round. A falsy constant in ``else`` is dropped.
    """
    options = options_of(value, scope, may=("exists", "blank", "then", "else"))
    test, holds = _condition(options, scope)
    then = scope.part(options, "then") if "then" in options else constant(ABSENT)
    otherwise = scope.part(options, "else") if _truthy(options.get("else")) else constant(ABSENT)
    read_test, read_then, read_else = test.read, then.read, otherwise.read

    def read(root: object) -> object:
        return read_then(root) if holds(read_test(root)) else read_else(root)

    return combined(read, test, then, otherwise)


def case(value: object, scope: Scope) -> Part:
    """``{"@case": {"operator": "lower", "value": …}}``: text in lower or upper case; else as is."""
    options = options_of(value, scope, needs=("operator",), may=("value",))
    operator = _one_of(options["operator"], scope.at("operator"), ("lower", "upper"))
    text = _text_slot(options, scope)
    change, read_text = {"lower": str.lower, "upper": str.upper}[operator], text.read

    def read(root: object) -> object:
        found = read_text(root)
        return change(found) if isinstance(found, str) else found

    return combined(read, text)


def replace(value: object, scope: Scope) -> Part:
    """
    ``{"@replace": {"pattern": …, "replacement": …, "value": …}}``, and once more with
    ``pattern2``.

    Patterns are plain text, in replacements ``$&`` is the match; at most 10 characters each.
    Numbers and booleans become text first; all that is no text becomes ``""``.
    """
    slots = ("replacement", "pattern2", "replacement2", "ignorecase", "global")
    options = options_of(value, scope, needs=("pattern", "value"), may=slots)
    text = _text_slot(options, scope)
    change, read_text = replacer(options, scope), text.read
    if options["value"] == "":
        return constant(ABSENT)
    return combined(lambda root: change(read_text(root)), text)


def array_path(value: object, scope: Scope) -> Part:
    """
    ``{"@arrayPath": ["$.products", {…}]}``: the list, each item in the shape given.

    In the shape, paths start at the item. A single object counts as a list of one.
    """
    if not isinstance(value, list | tuple) or not 1 <= len(value) <= 2:
        raise scope.error("be a list of a path and the shape of an item", value)
    items = _items(value[0], scope.at(0).literal())
    if len(value) == 1 or value[1] is None or value[1] == {}:
        return items
    shape = _directive_or_object(value[1], scope.at(1))
    read = _each(items.read, shape.read)
    return Part(read=read, paths=items.paths, constant=items.constant)


def merge(value: object, scope: Scope) -> Part:
    """``{"@merge": {"objects": […], "direction": "right"}}``: one object; later wins, or left."""
    options = options_of(value, scope, needs=("objects",), may=("direction",))
    direction = options.get("direction", "right")
    leftwards = _one_of(direction, scope.at("direction"), ("left", "right")) == "left"
    inside = scope.at("objects")
    if not isinstance(options["objects"], list | tuple):
        raise inside.error("be a list of objects", options["objects"])
    parts = [_directive_or_object(item, inside.at(i)) for i, item in enumerate(options["objects"])]
    reads = [part.read for part in (reversed(parts) if leftwards else parts)]
    return combined(lambda root: merged(read(root) for read in reads), *parts)


def flatten(value: object, scope: Scope) -> Part:
    """``{"@flatten": {"value": …, "separator": "."}}``: nested objects and lists on one level."""
    options = options_of(value, scope, needs=("value",), may=("separator", "omitArrays"))
    separator = options.get("separator", ".")
    if not isinstance(separator, str) or not separator:
        raise scope.at("separator").error("be text of at least one character", separator)
    omit = options.get("omitArrays")
    if omit is not None and not isinstance(omit, bool):
        raise scope.at("omitArrays").error("be true or false", omit)
    nested = scope.part(options, "value")
    flat, read_nested = partial(flattened, separator=separator, omit_arrays=bool(omit)), nested.read
    return combined(lambda root: flat(read_nested(root)), nested)


def json(value: object, scope: Scope) -> Part:
    """``{"@json": {"mode": "decode", "value": …}}``: JSON text to a value, or back."""
    options = options_of(value, scope, needs=("mode", "value"))
    mode = _one_of(options["mode"], scope.at("mode"), ("encode", "decode"))
    if not _truthy(options["value"]):
        raise scope.at("value").error(
            "be a directive or a value that is not empty", options["value"]
        )
    part = scope.part(options, "value")
    change, read_value = {"encode": json_text, "decode": _decoded}[mode], part.read
    return combined(lambda root: change(read_value(root)), part)


def transform(value: object, scope: Scope) -> Part:
    """``{"@transform": {"apply": {…}, "mapping": …}}``: map, then map the result."""
    options = options_of(value, scope, needs=("apply", "mapping"))
    applied = _directive_or_object(options["apply"], scope.at("apply"))
    mapping = _directive_or_object(options["mapping"], scope.at("mapping"))
    read_applied, read_mapping = applied.read, mapping.read

    def read(root: object) -> object:
        if not isinstance(root, Mapping) and root is not ABSENT:
            problem = "the item to transform is not an object"
            raise Refused(problem)
        given = read_applied(root)
        # what several steps have multiplied is counted before it is copied
        check_count(count_values(given))
        return read_mapping(finished(given, hole=ABSENT))

    return Part(read=read, paths=applied.paths, constant=applied.constant)


def exclude_when_null(value: object, scope: Scope) -> Part:
    """``{"@excludeWhenNull": …}``: null is absent, also in nested objects, though not in lists."""
    part = scope.compile(value, scope)
    read_value = part.read
    return combined(lambda root: without_nulls(read_value(root)), part)


DIRECTIVES: Final[dict[str, Directive]] = {
    "@path": path,
    "@template": template,
    "@liquid": liquid,
    "@literal": literal,
    "@if": if_,
    "@case": case,
    "@replace": replace,
    "@arrayPath": array_path,
    "@merge": merge,
    "@flatten": flatten,
    "@json": json,
    "@transform": transform,
    "@excludeWhenNull": exclude_when_null,
}


def _condition(
    options: Mapping[str, object], scope: Scope
) -> tuple[Part, Callable[[object], bool]]:
    if not _truthy(options.get("exists")) and not _truthy(options.get("blank")):
        raise MappingError(
            scope.place, expected='have "exists" or "blank" with something to test', found="none"
        )
    if "exists" in options:
        return scope.part(options, "exists"), lambda found: not is_nothing(found)
    return scope.part(options, "blank"), lambda found: not is_blank(found)


def _truthy(value: object) -> bool:
    """Tell whether JavaScript holds a constant for true: empty lists and objects are."""
    return isinstance(value, dict | list | tuple) or bool(value)


def _text_slot(options: Mapping[str, object], scope: Scope) -> Part:
    """Compile the slot ``value`` of a directive on text; without it there is no result."""
    if options.get("value", "") == "":
        return constant(ABSENT)
    return _text_or_directive(options["value"], scope.at("value"))


def _text_or_directive(value: object, scope: Scope) -> Part:
    if isinstance(value, str) or _is_directive(value):
        return scope.compile(value, scope)
    raise scope.error("be text or a directive", value)


def _directive_or_object(value: object, scope: Scope) -> Part:
    if isinstance(value, dict) or scope.is_path(value):
        return scope.compile(value, scope)
    raise scope.error("be an object or a directive", value)


def _is_directive(value: object) -> bool:
    return isinstance(value, dict) and any(str(key).startswith("@") for key in value)


def _one_of(value: object, scope: Scope, names: tuple[str, ...]) -> str:
    if isinstance(value, str) and value in names:
        return value
    found = guessed(value, names)
    raise MappingError(scope.place, expected=f"be one of {listed(names)}", found=found)


def _with_text(use: Callable[[object, str], object], part: Part, what: str) -> Part:
    """Use a path or template that another directive gives."""
    read_text = part.read

    def read(root: object) -> object:
        text = read_text(root)
        if not isinstance(text, str):
            problem = f"the {what} it should use is {described(text)}, not text"
            raise Refused(problem)
        check_length(len(text), MAX_GIVEN_TEXT)
        return use(root, text)

    # what it reads in the end is not known here
    return Part(read=read, paths=part.paths, constant=False)


def _items(value: object, scope: Scope) -> Part:
    if isinstance(value, str):
        return compile_path(value)
    return _text_or_directive(value, scope)


def _each(read_items: Read, read_shape: Read) -> Read:
    def read(root: object) -> object:
        found = read_items(root)
        if isinstance(found, list | tuple):
            return _shaped(found, read_shape)
        return _shaped([found], read_shape) if isinstance(found, Mapping) else found

    return read


def _shaped(items: Sequence[object], read_shape: Read) -> list[object]:
    check_count(len(items))
    given: list[object] = []
    count = 0
    for item in items:
        given.append(read_shape(item))
        # a shape may hold lists of its own: count while walking, not when it is too late
        count += count_values(given[-1])
        check_count(count)
    return given


def _decoded(value: object) -> object:
    try:
        return orjson.loads(value) if isinstance(value, str) else value
    except orjson.JSONDecodeError:
        return value

"""
Tree to closures, once at load; asking a condition is then calls and dictionary look-ups.

Each piece can be asked for its value or for its truth. Only ``true`` is true: a path that holds
1 or "yes" is not. The commonest forms have closures of their own, because each call saved is
saved for every event and every condition.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from functools import singledispatch
from typing import Any, Final, TypeAlias

from homing.core.fql.facts import Facts
from homing.core.fql.functions import FUNCTIONS
from homing.core.fql.globs import compile_glob
from homing.core.fql.nodes import (
    Call,
    Comparison,
    DidCall,
    Group,
    InAudience,
    Junction,
    ListOf,
    Literal,
    Node,
    Not,
    Path,
    text_literal,
    ungrouped,
)
from homing.core.fql.values import kind_of, member, same

Event: TypeAlias = Mapping[str, object]
Value: TypeAlias = Callable[[Event, Facts], object]
Test: TypeAlias = Callable[[Event, Facts], bool]

_ORDER: Final[dict[str, Callable[[Any, Any], bool]]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_NUMBERS: Final = frozenset({int, float})
_SCALARS: Final = frozenset({"string", "number", "bool", "null"})


@singledispatch
def value_of(node: Node) -> Value:
    """Compile what *node* is worth; for the logical forms that is their truth."""
    return test_of(node)


@singledispatch
def test_of(node: Node) -> Test:
    """Compile whether *node* is true; for all but the logical forms: is its value ``true``."""
    value = value_of(node)
    return lambda event, facts: value(event, facts) is True


@value_of.register
def _literal(node: Literal) -> Value:
    value = node.value
    return lambda event, facts: value


@value_of.register
def _list(node: ListOf) -> Value:
    items = tuple(value_of(item) for item in node.items)
    return lambda event, facts: [item(event, facts) for item in items]


@value_of.register
def _group(node: Group) -> Value:
    return value_of(node.inner)


@test_of.register
def _group_test(node: Group) -> Test:
    return test_of(node.inner)


@value_of.register
def _path(node: Path) -> Value:
    root, *rest = node.segments
    if root == "profile":
        return _below(lambda event, facts: facts.profile, rest)
    if root == "journey":
        return _below(lambda event, facts: facts.journey, rest)
    if len(rest) == 1:
        return _second(root, rest[0])
    return _below(lambda event, facts: event.get(root), rest)


def _below(root: Value, segments: list[str]) -> Value:
    if not segments:
        return root

    def value(event: Event, facts: Facts) -> object:
        found = root(event, facts)
        for segment in segments:
            found = member(found, segment)
            if found is None:
                break
        return found

    return value


def _second(first: str, second: str) -> Value:
    """``properties.total``: the form of nearly every path."""

    def value(event: Event, facts: Facts) -> object:
        found = event.get(first)
        return found.get(second) if type(found) is dict else member(found, second)

    return value


@value_of.register
def _call(node: Call) -> Value:
    compute = FUNCTIONS[node.name].compute
    args = tuple(value_of(arg) for arg in node.args)
    if node.name == "match" and (pattern := text_literal(node.args[1])) is not None:
        return _match(args[0], pattern)
    if len(args) == 1:
        only = args[0]
        return lambda event, facts: compute(only(event, facts))
    first, second = args
    return lambda event, facts: compute(first(event, facts), second(event, facts))


def _match(text: Value, pattern: str) -> Value:
    glob = compile_glob(pattern)
    if glob is None:
        return lambda event, facts: False
    matches = glob.matches

    def value(event: Event, facts: Facts) -> bool:
        found = text(event, facts)
        return isinstance(found, str) and matches(found)

    return value


@test_of.register
def _did(node: DidCall) -> Test:
    did, at_least = node.did, node.did.at_least
    return lambda event, facts: facts.did(did) >= at_least


@test_of.register
def _in_audience(node: InAudience) -> Test:
    key = node.key
    return lambda event, facts: facts.in_audience(key)


@test_of.register
def _not(node: Not) -> Test:
    test = test_of(node.operand)
    return lambda event, facts: not test(event, facts)


@test_of.register
def _junction(node: Junction) -> Test:
    tests = tuple(test_of(operand) for operand in node.operands)
    if len(tests) == 2:
        return _pair(node.operator, tests[0], tests[1])
    decided = node.operator == "or"

    def test(event: Event, facts: Facts) -> bool:
        for operand in tests:
            if operand(event, facts) is decided:
                return decided
        return not decided

    return test


def _pair(word: str, first: Test, second: Test) -> Test:
    if word == "and":
        return lambda event, facts: first(event, facts) and second(event, facts)
    return lambda event, facts: first(event, facts) or second(event, facts)


@test_of.register
def _comparison(node: Comparison) -> Test:
    if node.operator == "in":
        return _membership(node)
    if node.operator in _ORDER:
        return _ordering(node)
    equal = _equality(node)
    if node.operator == "=":
        return equal
    return lambda event, facts: not equal(event, facts)


def _equality(node: Comparison) -> Test:
    left, right = ungrouped(node.left), ungrouped(node.right)
    if isinstance(left, Literal):
        left, right = right, left
    if isinstance(right, Literal):
        return _equal_to(left, right.value)
    one, other = value_of(left), value_of(right)
    return lambda event, facts: same(one(event, facts), other(event, facts))


def _equal_to(node: Node, wanted: object) -> Test:
    value = value_of(node)
    if isinstance(wanted, str):
        return _equal_to_text(node, value, wanted)
    if wanted is None or isinstance(wanted, bool):
        return lambda event, facts: value(event, facts) is wanted

    def test(event: Event, facts: Facts) -> bool:
        found = value(event, facts)
        return type(found) in _NUMBERS and found == wanted

    return test


def _equal_to_text(node: Node, value: Value, wanted: str) -> Test:
    # Nothing that JSON holds equals a text but the same text, so the kinds need no comparing.
    if isinstance(node, Path) and len(node.segments) == 1 and not _is_of_facts(node):
        key = node.segments[0]
        return lambda event, facts: event.get(key) == wanted
    return lambda event, facts: value(event, facts) == wanted


def _is_of_facts(path: Path) -> bool:
    return path.segments[0] in {"profile", "journey"}


def _ordering(node: Comparison) -> Test:
    holds = _ORDER[node.operator]
    left, right = value_of(node.left), value_of(node.right)

    def test(event: Event, facts: Facts) -> bool:
        one, other = left(event, facts), right(event, facts)
        return type(one) in _NUMBERS and type(other) in _NUMBERS and holds(one, other)

    return test


def _membership(node: Comparison) -> Test:
    left, right = value_of(node.left), ungrouped(node.right)
    texts = _fixed_texts(right)
    if texts is not None:
        return _among_texts(left, texts)
    items = value_of(right)

    def test(event: Event, facts: Facts) -> bool:
        found, options = left(event, facts), items(event, facts)
        if not isinstance(options, list | tuple) or kind_of(found) not in _SCALARS:
            return False
        if found is None or isinstance(found, str):
            return found in options  # nothing else equals these
        return any(same(found, option) for option in options)

    return test


def _among_texts(value: Value, texts: frozenset[str]) -> Test:
    def test(event: Event, facts: Facts) -> bool:
        found = value(event, facts)
        # A list or an object cannot be looked up in a set.
        return type(found) is str and found in texts

    return test


def _fixed_texts(node: Node) -> frozenset[str] | None:
    """Return the items of a list of nothing but texts, else None."""
    if not isinstance(node, ListOf):
        return None
    texts = [text_literal(item) for item in node.items]
    return None if None in texts else frozenset(text for text in texts if text is not None)

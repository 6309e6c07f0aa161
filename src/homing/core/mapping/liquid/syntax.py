"""
What a parsed Liquid template may say, and how its conditions compare.

LiquidJS compares as JavaScript does: ``"150" > 100`` holds and a number that is missing is never
above or below another, where python-liquid would raise.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable, Iterator
from typing import Final

from liquid import RenderContext
from liquid.ast import Node
from liquid.builtin.expressions import FilteredExpression
from liquid.builtin.expressions.arguments import KeywordArgument
from liquid.builtin.expressions.filtered import Filter as FilterNode
from liquid.builtin.expressions.logical import (
    ContainsExpression,
    EqExpression,
    GeExpression,
    GtExpression,
    LeExpression,
    LtExpression,
    NeExpression,
)
from liquid.expression import Expression
from liquid.template import BoundTemplate

from homing.core.mapping.errors import Refused
from homing.core.mapping.liquid.coerce import liquid_text
from homing.core.mapping.liquid.context import plain, spend_in
from homing.core.mapping.liquid.filters import DISABLED_FILTERS, FILTERS
from homing.core.mapping.parts import guessed
from homing.core.mapping.text import is_nothing
from homing.core.mapping.values import number_of

_NAMED_ARGUMENTS: Final = {"default": {"allow_false"}}


def filters_of(template: BoundTemplate) -> frozenset[str]:
    """
    List the filters a template uses, each known, allowed and given the right number of arguments.

    Raises:
        Refused: One is not.
    """
    nodes = [
        node
        for expression in _expressions_of(template)
        if isinstance(expression, FilteredExpression)
        for node in expression.filters or ()
    ]
    for node in nodes:
        _check(node)
    return frozenset(node.name for node in nodes)


def compare_as_javascript(template: BoundTemplate) -> None:
    """Give every comparison of *template* the meaning it has in LiquidJS."""
    for expression in _expressions_of(template):
        kind = _COMPARISONS.get(type(expression))
        if kind is not None:
            # the same fields, another `evaluate`: rebuilding the tree would say no more
            expression.__class__ = kind


def _check(node: FilterNode) -> None:
    if node.name in DISABLED_FILTERS:
        problem = f'the filter "{node.name}", which is disabled'
        raise Refused(problem)
    if node.name not in FILTERS:
        problem = f"the unknown filter {guessed(node.name, FILTERS)}"
        raise Refused(problem)
    named = [arg.name for arg in node.args if isinstance(arg, KeywordArgument)]
    positional = len(node.args) - len(named)
    if not _takes(node.name, positional, named):
        problem = f'the filter "{node.name}" with other arguments than it takes'
        raise Refused(problem)


def _takes(name: str, positional: int, named: list[str]) -> bool:
    if not _NAMED_ARGUMENTS.get(name, set()).issuperset(named):
        return False
    try:
        inspect.signature(FILTERS[name]).bind(*range(positional + 1), **dict.fromkeys(named))
    except TypeError:
        return False
    return True


def _expressions_of(template: BoundTemplate) -> Iterator[Expression]:
    static = RenderContext(template)
    for node in template.nodes:
        yield from _expressions_in(node, static)


def _expressions_in(node: Node, static: RenderContext) -> Iterator[Expression]:
    yield from _with_children(node.expressions())
    for child in node.children(static):
        yield from _expressions_in(child, static)


def _with_children(expressions: Iterable[Expression]) -> Iterator[Expression]:
    waiting = list(expressions)
    while waiting:
        expression = waiting.pop()
        yield expression
        waiting.extend(expression.children())


def _order(left: Expression, right: Expression, context: RenderContext) -> int | None:
    """Tell whether *left* is below (-1), equal to (0) or above (1) *right*; None if neither."""
    one, other = plain(left.evaluate(context)), plain(right.evaluate(context))
    if is_nothing(one) or is_nothing(other):
        return None
    if isinstance(one, str) and isinstance(other, str):
        return (one > other) - (one < other)
    first, second = number_of(one), number_of(other)
    if math.isnan(first) or math.isnan(second):
        return None
    return (first > second) - (first < second)


class _Less(LtExpression):
    __slots__ = ()

    def evaluate(self, context: RenderContext) -> bool:
        return _order(self.left, self.right, context) == -1


class _Greater(GtExpression):
    __slots__ = ()

    def evaluate(self, context: RenderContext) -> bool:
        return _order(self.left, self.right, context) == 1


class _AtMost(LeExpression):
    __slots__ = ()

    def evaluate(self, context: RenderContext) -> bool:
        return _order(self.left, self.right, context) in {-1, 0}


class _AtLeast(GeExpression):
    __slots__ = ()

    def evaluate(self, context: RenderContext) -> bool:
        return _order(self.left, self.right, context) in {0, 1}


class _Contains(ContainsExpression):
    __slots__ = ()

    def evaluate(self, context: RenderContext) -> bool:
        left = plain(self.left.evaluate(context))
        right = plain(self.right.evaluate(context))
        spend_in(context, left)
        if isinstance(left, str):
            return not is_nothing(right) and liquid_text(right) in left
        return isinstance(left, list | tuple | range) and right in left


class _Equal(EqExpression):
    __slots__ = ()

    def evaluate(self, context: RenderContext) -> bool:
        spend_in(context, plain(self.left.evaluate(context)))
        return bool(super().evaluate(context))


class _Unequal(NeExpression):
    __slots__ = ()

    def evaluate(self, context: RenderContext) -> bool:
        spend_in(context, plain(self.left.evaluate(context)))
        return bool(super().evaluate(context))


_COMPARISONS: Final[dict[type, type[Expression]]] = {
    LtExpression: _Less,
    GtExpression: _Greater,
    LeExpression: _AtMost,
    GeExpression: _AtLeast,
    ContainsExpression: _Contains,
    EqExpression: _Equal,
    NeExpression: _Unequal,
}

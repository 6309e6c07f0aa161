"""The tree of a condition: one class a form of the grammar, each knowing where it stood."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal as OneOf
from typing import TypeAlias

from homing.core.fql.facts import Did

Scalar: TypeAlias = str | int | float | bool | None
Operator: TypeAlias = OneOf["=", "!=", ">", ">=", "<", "<=", "in"]


@dataclass(frozen=True, slots=True)
class Node:
    """A piece of a condition: ``text[start:end]``."""

    start: int
    end: int

    @property
    def children(self) -> tuple[Node, ...]:
        """The pieces it is made of, in the order they were written."""
        return ()


@dataclass(frozen=True, slots=True)
class Literal(Node):
    """A value written out: text, a number, true, false, null."""

    value: Scalar


@dataclass(frozen=True, slots=True)
class ListOf(Node):
    """``[a, b]``: the items may be paths."""

    items: tuple[Node, ...]

    @property
    def children(self) -> tuple[Node, ...]:
        """The items."""
        return self.items


@dataclass(frozen=True, slots=True)
class Path(Node):
    """``properties.total``, its escapes removed."""

    segments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Call(Node):
    """A call of one of `homing.core.fql.functions.FUNCTIONS`."""

    name: str
    args: tuple[Node, ...]

    @property
    def children(self) -> tuple[Node, ...]:
        """The arguments."""
        return self.args


@dataclass(frozen=True, slots=True)
class DidCall(Node):
    """``did("Event", 3, "7d")``."""

    did: Did


@dataclass(frozen=True, slots=True)
class InAudience(Node):
    """``in_audience("key")``."""

    key: str


@dataclass(frozen=True, slots=True)
class Group(Node):
    """Something in parentheses, kept so that the warnings can tell what was written."""

    inner: Node

    @property
    def children(self) -> tuple[Node, ...]:
        """What stands between the parentheses."""
        return (self.inner,)


@dataclass(frozen=True, slots=True)
class Not(Node):
    """``!x``."""

    operand: Node

    @property
    def children(self) -> tuple[Node, ...]:
        """What is negated."""
        return (self.operand,)


@dataclass(frozen=True, slots=True)
class Junction(Node):
    """Two or more operands joined by the same word."""

    operator: OneOf["and", "or"]
    operands: tuple[Node, ...]

    @property
    def children(self) -> tuple[Node, ...]:
        """The operands."""
        return self.operands


@dataclass(frozen=True, slots=True)
class Comparison(Node):
    """``left operator right``."""

    operator: Operator
    left: Node
    right: Node

    @property
    def children(self) -> tuple[Node, ...]:
        """Left, right."""
        return (self.left, self.right)


def walk(node: Node) -> Iterator[Node]:
    """Yield *node* and everything below it, in the order of the text."""
    yield node
    for child in node.children:
        yield from walk(child)


def text_literal(node: Node) -> str | None:
    """Return the text that *node* writes out, in parentheses or not; None if it is none."""
    node = ungrouped(node)
    return node.value if isinstance(node, Literal) and isinstance(node.value, str) else None


def ungrouped(node: Node) -> Node:
    """Return *node* without the parentheses around it."""
    while isinstance(node, Group):
        node = node.inner
    return node

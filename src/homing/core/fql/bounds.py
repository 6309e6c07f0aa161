"""
What a condition cannot be true without: which event names, which types; and what it reads.

Callers skip the conditions that an event cannot meet, without asking them.
"""

from __future__ import annotations

from functools import singledispatch

from homing.core.fql.nodes import (
    Comparison,
    Group,
    Junction,
    ListOf,
    Literal,
    Node,
    Path,
    text_literal,
    ungrouped,
    walk,
)


def names_required(node: Node, field: str) -> frozenset[str] | None:
    """
    Return the texts outside which *field* makes *node* false; None if there is no such bound.

    ``names_required(…, "event")`` of ``event = "A" or event in ["B", "C"]`` is {A, B, C}. Not
    every bound is found (none under ``!``), but what is found holds.
    """
    return _bound(node, field)


def paths_read(node: Node) -> frozenset[tuple[str, ...]]:
    """Return every path in *node*, but those inside the condition of a ``did()``."""
    return frozenset(piece.segments for piece in walk(node) if isinstance(piece, Path))


@singledispatch
def _bound(node: Node, field: str) -> frozenset[str] | None:
    return None


@_bound.register
def _literal(node: Literal, field: str) -> frozenset[str] | None:
    return None if node.value is True else frozenset()


@_bound.register
def _group(node: Group, field: str) -> frozenset[str] | None:
    return _bound(node.inner, field)


@_bound.register
def _junction(node: Junction, field: str) -> frozenset[str] | None:
    bounds = [_bound(operand, field) for operand in node.operands]
    known = [bound for bound in bounds if bound is not None]
    if node.operator == "and":
        return frozenset.intersection(*known) if known else None
    return frozenset.union(*known) if len(known) == len(bounds) else None


@_bound.register
def _comparison(node: Comparison, field: str) -> frozenset[str] | None:
    left, right = ungrouped(node.left), ungrouped(node.right)
    if node.operator == "=":
        if _is_field(right, field):
            left, right = right, left
        return _texts((right,)) if _is_field(left, field) else None
    if node.operator == "in" and _is_field(left, field) and isinstance(right, ListOf):
        return _texts(right.items)
    return None


def _is_field(node: Node, field: str) -> bool:
    return isinstance(node, Path) and node.segments == (field,)


def _texts(nodes: tuple[Node, ...]) -> frozenset[str] | None:
    """Return what the nodes say, if all are texts: null would let in an event without a name."""
    texts = [text_literal(node) for node in nodes]
    return None if None in texts else frozenset(text for text in texts if text is not None)

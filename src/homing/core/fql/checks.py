"""
What to say of a condition that is legal and probably not meant.

Each check is one function from a piece of the tree to a sentence, or None.
"""

from __future__ import annotations

import difflib
from typing import Final

from homing.core.fql.display import printable
from homing.core.fql.functions import FUNCTIONS
from homing.core.fql.globs import compile_glob
from homing.core.fql.nodes import (
    Call,
    Comparison,
    DidCall,
    InAudience,
    Junction,
    ListOf,
    Literal,
    Node,
    Not,
    Path,
    text_literal,
    ungrouped,
    walk,
)
from homing.core.fql.values import kind_of

# Segment docs, "Spec: Common" and the calls' own pages; then the roots that Homing adds.
_ROOTS: Final = frozenset(
    {
        *("anonymousId", "category", "channel", "context", "event", "groupId", "integrations"),
        *("messageId", "metadata", "_metadata", "name", "originalTimestamp", "previousId"),
        *("projectId", "properties", "receivedAt", "sentAt", "timestamp", "traits", "type"),
        *("userId", "version", "writeKey"),
        *("journey_context", "journey_metadata"),
        *("profile", "journey"),
    }
)
_KINDS: Final = frozenset({"string", "number", "list", "bool", "null", "object"})
_MOST_SHOWN: Final = 60


def warnings_of(node: Node, text: str) -> tuple[str, ...]:
    """Return what to warn of in the condition *text*, in its order, each thing once."""
    checks = (_mixed, _negated_comparison, _root, _comparison, _type_name, _order, _pattern, _truth)
    found = [_untrue(node, text)]
    for piece in walk(node):
        found += [check(piece, text) for check in checks]
    return tuple(dict.fromkeys(warning for warning in found if warning))


def _piece(node: Node, text: str) -> str:
    return f"`{printable(' '.join(text[node.start : node.end].split()), _MOST_SHOWN)}`"


def _mixed(node: Node, text: str) -> str | None:
    if not isinstance(node, Junction) or node.operator == "and":
        return None
    bare = [operand for operand in node.operands if isinstance(operand, Junction)]
    if not bare:
        return None
    return (
        f"{_piece(bare[0], text)} is read as if in parentheses, because `and` binds closer than "
        "`or`; Segment's Actions triggers read it otherwise: write the parentheses"
    )


def _negated_comparison(node: Node, text: str) -> str | None:
    if not isinstance(node, Not) or not isinstance(node.operand, Comparison):
        return None
    piece = _piece(node.operand, text)[1:-1]
    return f"{_piece(node, text)} is read as `!({piece})`: write the parentheses"


def _root(node: Node, text: str) -> str | None:
    if not isinstance(node, Path) or node.segments[0] in _ROOTS:
        return None
    root = node.segments[0]
    if root.lower() in {"true", "false", "null"}:
        return f"{_piece(node, text)} is read as a path and is null: write `{root.lower()}`"
    close = difflib.get_close_matches(root[:40], sorted(_ROOTS), n=1)
    hint = f"did you mean `{close[0]}`?" if close else "text is written in quotes"
    return f"{_piece(node, text)} is no field of an event that Segment documents: {hint}"


def _kind(node: Node) -> str | None:
    """Return the kind that the value of *node* surely has if it is not null; None if unknown."""
    node = ungrouped(node)
    if isinstance(node, Literal):
        return kind_of(node.value)
    if isinstance(node, Call):
        return FUNCTIONS[node.name].returns
    if isinstance(node, ListOf):
        return "list"
    if isinstance(node, Not | Junction | Comparison | DidCall | InAudience):
        return "bool"
    return None


def _comparison(node: Node, text: str) -> str | None:
    """Comparisons whose result does not depend on the event."""
    if not isinstance(node, Comparison):
        return None
    if node.operator == "in":
        return _membership(node, text)
    return (_equality if node.operator in {"=", "!="} else _ordering)(node, text)


def _equality(node: Comparison, text: str) -> str | None:
    left, right = _kind(node.left), _kind(node.right)
    if None in {left, right} or "null" in {left, right} or left == right:
        return None
    always = "false" if node.operator == "=" else "true"
    return f"{_piece(node, text)} is always {always}: a {left} is never equal to a {right}"


def _ordering(node: Comparison, text: str) -> str | None:
    for side in (node.left, node.right):
        kind = _kind(side)
        if kind not in {None, "number"}:
            return (
                f"{_piece(node, text)} is always false: `{node.operator}` compares numbers, and "
                f"{_piece(side, text)} is a {kind}"
            )
    return None


def _membership(node: Comparison, text: str) -> str | None:
    right = _kind(node.right)
    if right not in {None, "list"}:
        return f"{_piece(node, text)} is always false: {_piece(node.right, text)} is no list"
    if _kind(node.left) == "list":
        return f"{_piece(node, text)} is always false: a list is in no list"
    return None


def _type_name(node: Node, text: str) -> str | None:
    if not isinstance(node, Comparison) or node.operator not in {"=", "!="}:
        return None
    left, right = ungrouped(node.left), ungrouped(node.right)
    if not (isinstance(left, Call) and left.name == "typeof" and isinstance(right, Literal)):
        return None
    if right.value in _KINDS:
        return None
    return f"typeof() is never {_piece(right, text)}, but one of {', '.join(sorted(_KINDS))}"


def _order(node: Node, text: str) -> str | None:
    """Segment's documentation itself once swaps the arguments of ``match``."""
    if not isinstance(node, Call) or node.name not in {"match", "contains"}:
        return None
    first, second = (ungrouped(arg) for arg in node.args)
    if not isinstance(first, Literal) or isinstance(second, Literal):
        return None
    swapped = f"{node.name}({_piece(second, text)[1:-1]}, {_piece(first, text)[1:-1]})"
    return f"{_piece(node, text)} looks for the path in the text: did you mean `{swapped}`?"


def _pattern(node: Node, text: str) -> str | None:
    if not isinstance(node, Call) or node.name != "match":
        return None
    pattern = text_literal(node.args[1])
    if pattern is None or compile_glob(pattern) is not None:
        return None
    return f"{_piece(node, text)} is always false: the pattern is malformed"


def _truth(node: Node, text: str) -> str | None:
    """Operands of the logical forms that are never ``true``."""
    if not isinstance(node, Junction | Not):
        return None
    found = (_untrue(operand, text) for operand in node.children)
    return next((warning for warning in found if warning), None)


def _untrue(node: Node, text: str) -> str | None:
    kind = _kind(node)
    if kind in {None, "bool"}:
        return None
    return f"{_piece(node, text)} is a {kind}, and only true is true: compare it with something"

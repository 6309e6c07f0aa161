"""Why a condition held or not: each piece with its value, as data and as lines to read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

from homing.core.fql.compiler import Event, value_of
from homing.core.fql.display import printable
from homing.core.fql.facts import Facts
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
    ungrouped,
)
from homing.core.fql.values import kind_of, text_of

_MOST_LINES = 60
_MOST_CHARS = 100
_MOST_ITEMS = 6


@dataclass(frozen=True, slots=True)
class Explanation:
    """
    A piece of a condition and what it was worth.

    ``form`` is ``and``, ``or``, ``!``, a comparison's sign, a function's name with ``()``,
    ``path``, ``literal`` or ``list``. ``left`` and ``right`` are the values a comparison compared,
    else None. ``parts`` are the pieces it is made of, all of them, also those that a short cut
    skipped. ``count`` is what a ``did()`` counted.
    """

    text: str
    value: object = field(repr=False)  # the values of an event may be too deep to print
    form: str
    left: object = field(default=None, repr=False)
    right: object = field(default=None, repr=False)
    parts: tuple[Explanation, ...] = ()
    count: int | None = None

    def __str__(self) -> str:
        return self.render()

    @property
    def holds(self) -> bool:
        """Whether the piece is true: nothing but ``true`` is."""
        return self.value is True

    def render(self) -> str:
        """
        Return lines to read: each clause with true or false, and the values it looked at.

        Control characters, and whatever cannot be written as UTF-8, are escaped; long values are
        cut; at most 60 lines.
        """
        lines = list(islice(_lines(self, 0), _MOST_LINES + 1))
        if len(lines) > _MOST_LINES:
            lines[_MOST_LINES:] = ["…"]
        return "\n".join(lines)


def explain(node: Node, text: str, *, event: Event, facts: Facts) -> Explanation:
    """Evaluate every piece of *node*, a condition whose text is *text*."""
    node = ungrouped(node)
    parts = tuple(explain(child, text, event=event, facts=facts) for child in node.children)
    compared = isinstance(node, Comparison)
    return Explanation(
        text=text[node.start : node.end],
        value=value_of(node)(event, facts),
        form=_form(node),
        left=parts[0].value if compared else None,
        right=parts[1].value if compared else None,
        parts=parts,
        count=facts.did(node.did) if isinstance(node, DidCall) else None,
    )


def _form(node: Node) -> str:
    if isinstance(node, Comparison | Junction):
        return node.operator
    if isinstance(node, Call):
        return f"{node.name}()"
    return _FORMS[type(node)]


_FORMS: dict[type[Node], str] = {
    Literal: "literal",
    ListOf: "list",
    Path: "path",
    Not: "!",
    DidCall: "did()",
    InAudience: "in_audience()",
}


def _lines(piece: Explanation, depth: int) -> Iterator[str]:
    verdict = "true" if piece.holds else "false"
    logical = piece.form in {"and", "or", "!"}
    seen = "" if logical else _seen(piece)
    yield f"{'  ' * depth}{verdict}: {printable(' '.join(piece.text.split()), _MOST_CHARS)}{seen}"
    if logical:
        for part in piece.parts:
            yield from _lines(part, depth + 1)


def _seen(clause: Explanation) -> str:
    """Return the values a clause looked at, in parentheses; nothing if it looked at none."""
    notes = [] if clause.count is None else [f"counted {clause.count}"]
    for piece in _looked_at(clause):
        if piece is not clause or not isinstance(piece.value, bool):
            name = printable(piece.text, _MOST_CHARS)
            notes.append(f"{name} is {shown(piece.value)}{_misfit(clause, piece)}")
    return f" ({'; '.join(dict.fromkeys(notes))})" if notes else ""


def _looked_at(piece: Explanation) -> Iterator[Explanation]:
    """Yield the paths and calls in *piece*, itself included."""
    if piece.form == "path" or piece.form.endswith("()"):
        yield piece
    for part in piece.parts:
        yield from _looked_at(part)


def _misfit(clause: Explanation, piece: Explanation) -> str:
    """Say what kept a value from counting, where that is easily overlooked."""
    if piece.value is None:
        return ""
    if clause.form in {">", ">=", "<", "<="} and any(piece is part for part in clause.parts):
        return "" if kind_of(piece.value) == "number" else ", not a number"
    return ", not true" if piece is clause else ""


def shown(value: object) -> str:
    """Return a value on one line, nearly as JSON, cut to a readable length; never fails."""
    if isinstance(value, list | tuple):
        more = [f"{len(value) - _MOST_ITEMS} more"] if len(value) > _MOST_ITEMS else []
        return f"[{', '.join([*map(_brief, value[:_MOST_ITEMS]), *more])}]"
    if isinstance(value, Mapping) and value:
        return f"an object with {', '.join(map(_brief, islice(value, _MOST_ITEMS)))}"
    return _brief(value)


def _brief(value: object) -> str:
    """Return a scalar, or the size of anything greater."""
    if isinstance(value, str):
        return f'"{printable(value, _MOST_CHARS)}"'
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    if isinstance(value, Mapping):
        return f"an object of {len(value)}"
    return (
        "null" if value is None else printable(text_of(value) or type(value).__name__, _MOST_CHARS)
    )

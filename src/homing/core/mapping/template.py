"""
`@template`: ``Hello, {{traits.name}}!``.

Two braces or three, without difference and without escaping. A value that is put in is never read
as a template again, though mapping-kit would: an event must not choose what is read of another.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from homing.core.mapping.parts import Part, combined, constant
from homing.core.mapping.paths import compile_steps
from homing.core.mapping.text import check_length, is_nothing, js_text
from homing.core.mapping.values import ABSENT, JS_SPACE

_TRIPLE: Final = re.compile(r"\{\{\{([^}]+)\}\}\}")
_DOUBLE: Final = re.compile(r"\{\{([^}]+)\}\}")


def compile_template(text: str) -> Part:
    """
    Compile *text*: each path in braces becomes its value, absent and null become nothing.

    Between the braces stands a path without ``$.``; the value is written as JavaScript does.
    """
    parts = list(_parts_of(text))
    reads = [part.read for part in parts]

    def read(root: object) -> str:
        given: list[str] = []
        length = 0
        root = {} if root is ABSENT else root  # a default argument of mapping-kit's `render`
        for read_part in reads:
            value = read_part(root)
            given.append("" if is_nothing(value) else js_text(value))
            length += len(given[-1])
            check_length(length)
        return "".join(given)

    return combined(read, *parts)


def render_template(root: object, text: str) -> object:
    """Render a template that is only known now: what `@template` gets from another directive."""
    return compile_template(text).read(root)


def _parts_of(text: str) -> Iterator[Part]:
    # mapping-kit looks for three braces in the whole text before it looks for two
    for outside, path in _split(_TRIPLE, text):
        for plain, inner in _split(_DOUBLE, outside):
            yield constant(plain)
            yield from (compile_steps(name.strip(JS_SPACE)) for name in inner)
        yield from (compile_steps(name.strip(JS_SPACE)) for name in path)


def _split(expression: re.Pattern[str], text: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Give the texts between matches, each with what the match after it holds (if there is one)."""
    pieces = expression.split(text)
    for i in range(0, len(pieces), 2):
        yield pieces[i], tuple(pieces[i + 1 : i + 2])

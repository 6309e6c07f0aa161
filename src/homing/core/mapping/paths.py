"""
Paths: ``$.properties.products[0].id``.

The grammar is that of mapping-kit's ``get``: steps divided by dots and brackets, quotes dropped,
no way to escape a dot. ``$.`` alone is the whole root; ``$`` alone is a step of that name.
"""

from __future__ import annotations

import re
from typing import Final

from homing.core.mapping.parts import Part, Read
from homing.core.mapping.values import ABSENT, Key, key_of, member

_STEPS: Final = re.compile(r"""\[(?=["'0-9])|\.|(?<=["'0-9])\]+""")
_QUOTES: Final = str.maketrans("", "", "'\"")


def compile_path(text: str) -> Part:
    """Compile a path as ``@path`` reads it: the first ``$.`` in it, usually leading, is dropped."""
    return compile_steps(text.replace("$.", "", 1))


def compile_steps(text: str) -> Part:
    """Compile a path without ``$.``, as it stands in the braces of ``@template``."""
    names = [name.translate(_QUOTES) for name in _STEPS.split(text) if name]
    return Part(read=_reader([key_of(name) for name in names]), paths=frozenset({".".join(names)}))


def read_path(root: object, text: str) -> object:
    """Read a path that is only known now: what ``@path`` gets from another directive."""
    return compile_path(text).read(root)


def _reader(keys: list[Key]) -> Read:
    if len(keys) == 2:
        return _two_steps(keys[0], keys[1])
    steps = tuple(keys)

    def read(root: object) -> object:
        value = root
        for key in steps:
            value = value.get(key[0], ABSENT) if type(value) is dict else member(value, key)
        return value

    return read


def _two_steps(first: Key, second: Key) -> Read:
    """``$.properties.total`` and ``$.profile.email``: most paths there are."""
    outer, inner = first[0], second[0]

    def read(root: object) -> object:
        value = root.get(outer, ABSENT) if type(root) is dict else member(root, first)
        return value.get(inner, ABSENT) if type(value) is dict else member(value, second)

    return read

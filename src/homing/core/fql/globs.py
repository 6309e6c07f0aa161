"""
The patterns of ``match()``: ``*``, ``?``, ``[abc]``, ``[a-z]``, ``[^…]``, ``\\x``.

A pattern is cut at its stars into chunks of fixed width. Each chunk but the last is taken where
it first fits, the last where the text ends; a choice is never taken back, so the time grows with
the length of the text, never with the ways to share it among the stars.

Source: Segment docs, "FQL", ``match``; npm ``@segment/tsub`` 2.0.1 for malformed patterns.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_STAR: Final = "*"


@dataclass(frozen=True, slots=True)
class _Chunk:
    """A piece between two stars: it takes exactly *width* characters."""

    pattern: re.Pattern[str]
    width: int


@dataclass(frozen=True, slots=True)
class Glob:
    """A pattern, compiled."""

    head: _Chunk
    middle: tuple[_Chunk, ...]
    tail: _Chunk | None  # None: the pattern has no star

    def matches(self, text: str) -> bool:
        """Tell whether the pattern matches the whole of *text*."""
        if self.tail is None:
            return len(text) == self.head.width and self.head.pattern.match(text) is not None
        at, end = self.head.width, len(text) - self.tail.width
        if end < at or not self.head.pattern.match(text) or not self.tail.pattern.match(text, end):
            return False
        for chunk in self.middle:
            found = chunk.pattern.search(text, at, end)
            if found is None:
                return False
            at = found.end()
        return True


def compile_glob(pattern: str) -> Glob | None:
    """
    Compile a pattern; None for a malformed one, which matches nothing.

    Malformed are a class that is not closed or has a dangling ``-`` (``[a-]``), and a backslash
    at the end.
    """
    atoms = _atoms(pattern)
    if atoms is None:
        return None
    chunks = _chunks(atoms)
    if len(chunks) == 1:
        return Glob(head=chunks[0], middle=(), tail=None)
    middle = tuple(chunk for chunk in chunks[1:-1] if chunk.width)
    return Glob(head=chunks[0], middle=middle, tail=chunks[-1])


def _chunks(atoms: list[str]) -> list[_Chunk]:
    chunks: list[list[str]] = [[]]
    for atom in atoms:
        if atom == _STAR:
            chunks.append([])
        else:
            chunks[-1].append(atom)
    return [_Chunk(re.compile("".join(chunk), re.DOTALL), len(chunk)) for chunk in chunks]


def _atoms(pattern: str) -> list[str] | None:
    """Return a star, or a regular expression of one character, per element; None if malformed."""
    atoms: list[str] = []
    at = 0
    while at < len(pattern):
        read = _class(pattern, at + 1) if pattern[at] == "[" else _single(pattern, at)
        if read is None:
            return None
        atom, at = read
        atoms.append(atom)
    return atoms


def _single(pattern: str, at: int) -> tuple[str, int] | None:
    if pattern[at] == "*":
        return _STAR, at + 1
    if pattern[at] == "?":
        return ".", at + 1
    if pattern[at] != "\\":
        return re.escape(pattern[at]), at + 1
    return (re.escape(pattern[at + 1]), at + 2) if at + 1 < len(pattern) else None


def _class(pattern: str, at: int) -> tuple[str, int] | None:
    """Read a class from behind its bracket."""
    negated = pattern.startswith("^", at)
    at += negated
    ranges: list[tuple[str, str]] = []
    while not (ranges and pattern.startswith("]", at)):
        read = _range(pattern, at)
        if read is None:
            return None
        low, high, at = read
        ranges.append((low, high))
    return _class_expression(ranges, negated=negated), at + 1


def _range(pattern: str, at: int) -> tuple[str, str, int] | None:
    low = _class_char(pattern, at)
    if low is None:
        return None
    if not pattern.startswith("-", low[1]):
        return low[0], low[0], low[1]
    high = _class_char(pattern, low[1] + 1)
    return None if high is None else (low[0], high[0], high[1])


def _class_char(pattern: str, at: int) -> tuple[str, int] | None:
    if at >= len(pattern) or pattern[at] in "-]":
        return None
    at += pattern[at] == "\\"
    return (pattern[at], at + 1) if at < len(pattern) else None


def _class_expression(ranges: list[tuple[str, str]], *, negated: bool) -> str:
    # Python refuses a range that runs backwards; here it is legal and holds no character.
    proper = [f"{re.escape(low)}-{re.escape(high)}" for low, high in ranges if low <= high]
    if not proper:
        return "." if negated else "(?!)."
    return f"[{'^' if negated else ''}{''.join(proper)}]"

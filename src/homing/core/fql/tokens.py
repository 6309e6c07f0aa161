"""Cut the text of a condition into words, each knowing where it stood."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final, NamedTuple

from homing.core.fql.errors import FqlError

# Source: Segment docs, "FQL", Field paths; npm `@segment/fql-ts` 1.10.1 for what a path, a number
# and a blank are.
_WORD: Final = re.compile(
    r"""
      (?P<blank>[ \t\r\n]+)
    | (?P<path>(?:[A-Za-z_]|\\.)(?:[\w-]|\\.)*(?:\.(?:[\w-]|\\.)+)*)
    | (?P<number>[+-]?[0-9]+(?:\.[0-9]+)?)
    | (?P<text>"[^"]*"|'[^']*')
    | (?P<sign>!=|>=|<=|[=<>!(),\[\]])
    """,
    re.ASCII | re.DOTALL | re.VERBOSE,
)
_SEGMENT: Final = re.compile(r"(?:[\w-]|\\.)+", re.ASCII | re.DOTALL)
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_KEYWORDS: Final = frozenset({"and", "or", "in", "true", "false", "null"})
_HINTS: Final = {
    "$": "a condition writes its paths without `$.`, as in `properties.total`",
    "&": "write `and`",
    "|": "write `or`",
    ".": "a name is missing beside this dot; numbers are written like 0.5",
    "\\": "nothing follows this backslash",
    '"': "this quote is never closed",
    "'": "this quote is never closed",
    **dict.fromkeys("\u201c\u201d\u2018\u2019", "use straight quotes"),
}


class Kind(StrEnum):
    """What a word is; its value is what a message calls it."""

    PATH = "path"
    NUMBER = "number"
    TEXT = "text"
    SIGN = "sign"
    KEYWORD = "keyword"
    END = "the end"


class Token(NamedTuple):
    """A word: ``text[start:end]`` of the condition."""

    kind: Kind
    text: str
    start: int
    end: int


def tokenize(text: str) -> list[Token]:
    """
    Return the words of *text* and an END.

    Raises:
        FqlError: A character belongs to no word.
    """
    tokens: list[Token] = []
    at = 0
    while at < len(text):
        word = _WORD.match(text, at)
        if word is None:
            raise FqlError(_complaint(text, at), text, at)
        if word.lastgroup != "blank":
            tokens.append(_token(word))
            _refuse_glued(text, tokens[-1])
        at = word.end()
    tokens.append(Token(Kind.END, "", at, at))
    return tokens


def segments_of(path: str) -> tuple[str, ...]:
    r"""Split a path at its dots and remove its escapes: ``a.b\ c`` is ``("a", "b c")``."""
    return tuple(_ESCAPE.sub(r"\1", segment) for segment in _SEGMENT.findall(path))


def _token(word: re.Match[str]) -> Token:
    kind = Kind(word.lastgroup or "")
    if kind is Kind.PATH and word.group() in _KEYWORDS:
        kind = Kind.KEYWORD
    return Token(kind, word.group(), word.start(), word.end())


def _refuse_glued(text: str, token: Token) -> None:
    """Refuse ``1e3``, ``5abc``, ``1.2.3``: Segment's Actions would read only their beginning."""
    if token.kind is Kind.NUMBER and re.match(r"[\w.\\]", text[token.end : token.end + 1]):
        msg = "a number is written with digits and at most one dot, and a blank or a sign behind it"
        raise FqlError(msg, text, token.end)


def _complaint(text: str, at: int) -> str:
    char = text[at]
    if char in _HINTS:
        return _HINTS[char]
    if char.isalnum():
        return f"`{char}` must be escaped in a path: write `\\{char}`"
    return f"{char!r} is not part of a condition; in a path, put a backslash before it"

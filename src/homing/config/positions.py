"""
Which line each key of a TOML text stands on: what ``tomllib`` does not tell.

Reads only text that ``tomllib`` has accepted, so it need not judge, only keep count.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from collections.abc import Mapping

from homing.config.problems import Loc

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}'
    r"|'''.*?'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_KEY_PART = re.compile(r"""[ \t]*("(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[A-Za-z0-9_-]+)[ \t]*""")
_SCALAR = re.compile(r"[^,\]}\n#]*")


def lines_of(text: str) -> Mapping[Loc, int]:
    """
    Find the line, from 1, on which each key and each list item of *text* begins.

    Args:
        text: TOML that ``tomllib.loads`` has accepted, nested less deep than the recursion limit.
    """
    return _Scan(text).run()


class _Scan:
    """One pass over a text; *at* is the offset of the next unread character."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[Loc, int] = {}
        self.counts: dict[Loc, int] = {}  # items so far of each [[array of tables]]
        self.starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def run(self) -> Mapping[Loc, int]:
        table: Loc = ()
        self.skip_blank()
        while self.at < len(self.text):
            if self.text.startswith("[", self.at):
                table = self.header()
            else:
                self.pair(table)
            self.skip_blank()
        return self.lines

    def skip_blank(self) -> None:
        match = _BLANK.match(self.text, self.at)
        self.at = match.end() if match else self.at

    def line(self) -> int:
        return bisect_right(self.starts, self.at)

    def header(self) -> Loc:
        width = 2 if self.text.startswith("[[", self.at) else 1
        self.at += width
        *above, last = self.key()
        self.at += width
        parent = self.place(above)
        for end in range(1, len(parent) + 1):
            self.lines.setdefault(parent[:end], self.line())
        loc = (*parent, last)
        if width == 2:
            self.lines.setdefault(loc, self.line())
            self.counts[loc] = self.counts.get(loc, -1) + 1
            loc = (*loc, self.counts[loc])
        # A sub-table may have come first: the table's own header is its line.
        self.lines[loc] = self.line()
        return loc

    def place(self, parts: list[str]) -> Loc:
        """Follow a header's key; a list of tables on the way means its newest item."""
        loc: Loc = ()
        for part in parts:
            loc = (*loc, part)
            if loc in self.counts:
                loc = (*loc, self.counts[loc])
        return loc

    def key(self) -> list[str]:
        parts = [self.key_part()]
        while self.text.startswith(".", self.at):
            self.at += 1
            parts.append(self.key_part())
        return parts

    def key_part(self) -> str:
        match = _KEY_PART.match(self.text, self.at)
        if match is None:
            raise ValueError(self.at)
        self.at = match.end()
        part = match[1]
        return str(tomllib.loads(f"k = {part}")["k"]) if part[0] in "\"'" else part

    def pair(self, table: Loc) -> None:
        loc = table
        for part in self.key():
            loc = (*loc, part)
            self.lines.setdefault(loc, self.line())
        self.at += 1  # the "="
        self.value(loc)

    def value(self, loc: Loc) -> None:
        self.skip_blank()
        match self.text[self.at : self.at + 1]:
            case "[":
                self.items(loc)
            case "{":
                self.inline_table(loc)
            case '"' | "'":
                self.advance(_STRING)
            case _:
                self.advance(_SCALAR)

    def advance(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self.text, self.at)
        if match is None or match.end() == self.at:
            raise ValueError(self.at)
        self.at = match.end()

    def items(self, loc: Loc) -> None:
        index = 0
        while self.inside("]"):
            self.lines[(*loc, index)] = self.line()
            self.value((*loc, index))
            index += 1

    def inline_table(self, loc: Loc) -> None:
        while self.inside("}"):
            self.pair(loc)

    def inside(self, closing: str) -> bool:
        """Step over an opening bracket or a comma; False past the *closing* one."""
        self.skip_blank()
        if self.text.startswith(closing, self.at):
            self.at += 1
            return False
        self.at += 1
        self.skip_blank()
        if self.text.startswith(closing, self.at):  # after a trailing comma, or empty
            self.at += 1
            return False
        return True

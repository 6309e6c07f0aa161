"""What is wrong with a configuration, in words: one form for every message."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from homing.config.secrets import SecretRef
from homing.core.errors import HomingError

Loc: TypeAlias = tuple[str | int, ...]
"""Where a value stands: table keys, and positions in lists from 0."""

KEY = "\0"
"""Stands in a finding's message for the key, which only the document can write."""

_PASSWORD = re.compile(r"://[^/\s]*:[^/\s]*@")

SHOWN_CHARACTERS = 60
GUESSED_CHARACTERS = 100


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to say about the value at *loc*; *message* has ``KEY`` where the key belongs."""

    loc: Loc
    message: str


@dataclass(frozen=True, slots=True)
class Problem:
    """
    One error or warning about a configuration, for a person to act on.

    *key* is dotted and empty for a file as a whole; *line* counts from 1. *message* names the key
    itself and may go on over further lines (the caret under a condition).
    """

    file: Path
    key: str
    line: int | None
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else f"{self.file}"
        return f"{place}: {self.message}"


class ConfigError(HomingError):
    """The configuration cannot be used: *problems* holds every reason, in order of the files."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


def expected(what: str, got: str, *, why: str = "") -> str:
    """Say in the one form what the key should be and what it is."""
    return f"expected `{KEY}` to be {what}, got {got}" + (f": {why}" if why else "")


def guess(name: str, known: Iterable[str]) -> str:
    """Ask ``, did you mean "…"?`` with the nearest of *known*; empty when none is near."""
    from difflib import get_close_matches  # noqa: PLC0415 - only a wrong configuration pays for it

    plain = {entry.casefold(): entry for entry in known}
    wanted = name.strip("`\"'").casefold()[:GUESSED_CHARACTERS]
    near = get_close_matches(wanted, plain, n=1)
    return f', did you mean "{plain[near[0]]}"?' if near else ""


def shown(value: object) -> str:
    """Write a value as the file has it, shortened; of tables and lists say only what they are."""
    if isinstance(value, SecretRef):
        return f"the reference {value.reference}"
    if isinstance(value, str):
        return _text_shown(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and abs(value) >= 10**SHOWN_CHARACTERS:
        return "a very large number"
    return kind_of(value) if isinstance(value, list | tuple | dict) else f"{value}"


def kind_of(value: object) -> str:
    """Name the kind of a TOML value without showing it."""
    kinds = (kind for types, kind in _KINDS if isinstance(value, types))
    return next(kinds, "a table")


_KINDS = (
    ((SecretRef, str), "text"),
    (bool, "true or false"),
    ((int, float), "a number"),
    ((dt.date, dt.time), "a date or time"),
    ((list, tuple), "a list"),
)


def _text_shown(text: str) -> str:
    # A key pasted into the wrong field, or a password in a URL, must not end up in a log.
    if text.startswith("SG.") or _PASSWORD.search(text):
        return "text (not shown)"
    short = text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"
    return json.dumps(short, ensure_ascii=False)

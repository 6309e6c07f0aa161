"""What a check says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

NAMED: Final = 6


class Status(StrEnum):
    """How it stands; only ``error`` makes the command fail."""

    OK = "ok"
    SKIPPED = "skipped"
    WARN = "warn"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """
    One thing a check found.

    ``about`` names what it is of ("email receipt"), empty: the account as a whole. ``cure`` is one
    sentence that says what to do; empty where there is nothing. ``detail`` is a diff.
    """

    status: Status
    found: str
    cure: str = ""
    about: str = ""
    detail: str = ""
    check: str = ""


def ok(found: str, *, about: str = "") -> Finding:
    """All is well."""
    return Finding(Status.OK, found, about=about)


def skipped(found: str, cure: str = "", *, about: str = "") -> Finding:
    """It could not, or need not, be looked at."""
    return Finding(Status.SKIPPED, found, cure, about)


def warn(found: str, cure: str, *, about: str = "") -> Finding:
    """It works, and is probably not meant so."""
    return Finding(Status.WARN, found, cure, about)


def error(found: str, cure: str, *, about: str = "") -> Finding:
    """Something does not work."""
    return Finding(Status.ERROR, found, cure, about)


def listed(names: Iterable[str]) -> str:
    """Write names for a sentence; of many, the first and how many more."""
    every: Sequence[str] = list(dict.fromkeys(names))
    more = len(every) - NAMED
    return ", ".join(every[:NAMED]) + (f" and {more} more" if more > 0 else "")

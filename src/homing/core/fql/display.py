"""Text from a stranger, made fit for a terminal or a page."""

from __future__ import annotations

import unicodedata


def printable(text: str, most: int | None = None) -> str:
    r"""
    Return *text* with escapes for what would move a cursor or cannot be written as UTF-8.

    Cut to *most* characters, if given, before escaping.
    """
    if most is not None and len(text) > most:
        text = text[: most - 1] + "…"
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def columns_of(text: str) -> int:
    """Return how many columns of a terminal printable *text* takes."""
    return sum(map(_columns, text))


def _columns(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in {"W", "F"} else 1

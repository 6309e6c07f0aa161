"""What is wrong with a condition, and where: the message, the text, a caret."""

from __future__ import annotations

import unicodedata

from homing.core.errors import HomingError

# Wide enough for a pasted filter, narrow enough for a terminal.
_WINDOW = 100


class FqlError(HomingError, ValueError):
    """
    The text is no condition.

    Attributes:
        message: What is wrong, in one sentence.

        text: The whole condition as it was given.

        column: Where in *text*, counted in characters from 0; at most ``len(text)``.
    """

    def __init__(self, message: str, text: str, column: int) -> None:
        super().__init__(message, text, column)  # the arguments again: pickle rebuilds from them
        self.message = message
        self.text = text
        self.column = column

    def __str__(self) -> str:
        line, at = _line_around(self.text, self.column)
        return f"{self.message}\n  {''.join(map(_shown, line))}\n  {_padding(line[:at])}^"


def _line_around(text: str, column: int) -> tuple[str, int]:
    """Return the line that holds *column*, cut to a window, and the column within it."""
    start = text.rfind("\n", 0, column) + 1
    end = text.find("\n", column)
    line = text[start:] if end < 0 else text[start:end]
    at = column - start
    if len(line) <= 2 * _WINDOW:
        return line, at
    first = max(0, at - _WINDOW)
    return ("…" if first else "") + line[first : at + _WINDOW], at - first + bool(first)


def _shown(char: str) -> str:
    return char if char.isprintable() or char == "\t" else "�"


def _padding(before: str) -> str:
    """Return blanks as wide as *before*, so that the caret stands under the next character."""
    return "".join("\t" if char == "\t" else " " * _width(char) for char in before)


def _width(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in {"W", "F"} else 1

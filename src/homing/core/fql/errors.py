"""What is wrong with a condition, and where: the message, the text, a caret."""

from __future__ import annotations

from homing.core.errors import HomingError
from homing.core.fql.display import columns_of, printable

# Longer lines are shown this far on either side of the caret.
_AROUND = 100


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
        before, after = _line_around(self.text, self.column)
        caret = " " * columns_of(printable(before))
        return f"{printable(self.message)}\n  {printable(before + after)}\n  {caret}^"


def _line_around(text: str, column: int) -> tuple[str, str]:
    """Return what stands before and behind *column* on its line."""
    before = text[text.rfind("\n", 0, column) + 1 : column]
    after = text[column:].partition("\n")[0]
    if len(before) + len(after) <= 2 * _AROUND:
        return before, after
    return _cut(before[::-1])[::-1], _cut(after)


def _cut(text: str) -> str:
    return text if len(text) <= _AROUND else text[: _AROUND - 1] + "…"

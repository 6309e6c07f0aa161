"""How the tables are cut whose rows are found by a random key."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Generations:
    """
    Powers of two; a file is always opened with those it was made with.

    A random key dirties a page of its generation. So generations are small: what a transaction adds
    shares pages. Those of traces are larger: they are asked from the newest to the oldest, and most
    of what is asked for is in none.

    Args:
        event: Events a generation of ``seen`` and ``history``.

        trace: Sends a generation of ``trace``.

        window: Generations of ``seen`` that share a filter.

        words: 64-bit words of a filter; four bytes an event make one wrong "perhaps" in thousands.
    """

    event: int = 13
    trace: int = 17
    window: int = 5
    words: int = 17


DEFAULT = Generations()

"""How fast calls may leave: a token bucket, lowered by what the API's headers say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from homing.core.outcomes import Answer

BURST_S = 0.25


@dataclass(slots=True)
class Rate:
    """
    A destination's budget.

    Args:
        per_second: Calls at most.

        monotonic_s: A clock that never jumps.

        wall_s: Unix seconds, which ``X-RateLimit-Reset`` speaks of.
    """

    per_second: float
    monotonic_s: Callable[[], float]
    wall_s: Callable[[], float]
    _tokens: float = field(init=False)
    _at: float = field(init=False)
    _closed_until: float = 0.0

    def __post_init__(self) -> None:
        self._tokens = self._most
        self._at = self.monotonic_s()

    @property
    def _most(self) -> float:
        return max(1.0, self.per_second * BURST_S)

    def available(self) -> int:
        """How many calls may start now."""
        now = self.monotonic_s()
        if now < self._closed_until:
            return 0
        self._tokens = min(self._most, self._tokens + (now - self._at) * self.per_second)
        self._at = now
        return int(self._tokens)

    def take(self, calls: int) -> None:
        """They start."""
        self._tokens -= calls

    def wait_s(self) -> float:
        """How long until one more may start."""
        now = self.monotonic_s()
        if now < self._closed_until:
            return self._closed_until - now
        return max(0.0, (1.0 - self._tokens) / self.per_second)

    def heed(self, answer: Answer) -> None:
        """Stop until the API's window starts anew when its headers say that it is used up."""
        remaining = answer.headers.get("X-RateLimit-Remaining")
        reset = answer.headers.get("X-RateLimit-Reset")
        if reset is None or (remaining != "0" and answer.status != 429):
            return
        if reset.isascii() and reset.isdigit() and len(reset) < 12:
            wait_s = min(max(0.0, int(reset) - self.wall_s()), 3_600.0)
            self._closed_until = self.monotonic_s() + wait_s

"""How fast calls may leave: a token bucket, lowered by what the API's headers say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from homing.core.outcomes import MAX_WAIT_S, Answer, Outcome, RetryLater, told_wait_s

if TYPE_CHECKING:
    from collections.abc import Callable

BURST_S = 0.25


@dataclass(slots=True)
class Rate:
    """
    A destination's budget.

    Args:
        per_second: Calls at most.

        monotonic_s: A clock that never jumps.

        wall_s: Unix seconds, which ``X-RateLimit-Reset`` speaks of.

        share: How much of the limit that the API tells may be used up; the rest is for others.
    """

    per_second: float
    monotonic_s: Callable[[], float]
    wall_s: Callable[[], float]
    share: float = 1.0
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

    def heed(self, answer: Answer, outcome: Outcome) -> None:
        """Stop as long as a 429 tells, or until the window starts anew once it is used up."""
        if isinstance(outcome, RetryLater) and answer.status == 429:
            self._close(outcome.after_s or 0.0)
        elif answer.headers.get("X-RateLimit-Remaining") == "0":
            self._close(self._reset_s(answer.headers.get("X-RateLimit-Reset")))

    def listen(self, answer: Answer, *, now_ms: int) -> None:
        """Heed an answer that nobody has judged, see `heed`: stop where our share is used up."""
        if answer.status == 429:
            self._close(told_wait_s(answer.headers, now_ms=now_ms) or 1.0)
            return
        limit, left = (
            _count(answer.headers.get(name))
            for name in ("X-RateLimit-Limit", "X-RateLimit-Remaining")
        )
        if left is not None and left <= (limit or 0) * (1.0 - self.share):
            self._close(self._reset_s(answer.headers.get("X-RateLimit-Reset")))

    def _close(self, wait_s: float) -> None:
        self._closed_until = max(self._closed_until, self.monotonic_s() + wait_s)

    def _reset_s(self, reset: str | None) -> float:
        if reset is None or not (reset.isascii() and reset.isdigit() and len(reset) < 12):
            return 0.0
        return min(max(0.0, int(reset) - self.wall_s()), MAX_WAIT_S)


def _count(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() else None

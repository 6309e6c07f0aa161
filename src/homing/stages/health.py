"""The clock of evidence: it runs only while the receiver is up, and survives restarts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from homing.ports import Clock, Tx

KEY = "healthy_ms"
# a receiver that was not heard for so long is not up
GRACE_S = 3.0


@dataclass(slots=True)
class Health:
    """How long, in all, SendGrid could have told us what became of a send."""

    clock: Clock
    _total_ms: float = 0.0
    _heard_at: float | None = None

    def load(self, tx: Tx) -> None:
        """Go on where the last run ended."""
        known = tx.books.get(KEY)
        self._total_ms = float(known) if isinstance(known, int) else 0.0

    def heard(self) -> None:
        """The receiver is up at this moment."""
        now = self.clock.monotonic_s()
        if self._heard_at is not None and now - self._heard_at <= GRACE_S:
            self._total_ms += (now - self._heard_at) * 1000
        self._heard_at = now

    def is_up(self) -> bool:
        """Whether the receiver was heard lately."""
        return self._heard_at is not None and self.clock.monotonic_s() - self._heard_at <= GRACE_S

    def healthy_ms(self) -> int:
        """The clock's time."""
        return int(self._total_ms)

    def save(self, tx: Tx) -> None:
        """Keep it for the next run."""
        tx.books.set(KEY, self.healthy_ms())

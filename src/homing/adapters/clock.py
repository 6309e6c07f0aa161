"""The one place that reads the clock and rolls the dice: answers ``ports.Clock``."""

from __future__ import annotations

import random
import time


class SystemClock:
    """This machine's time."""

    def now_ms(self) -> int:
        """Wall clock, unix milliseconds."""
        return int(time.time() * 1000)

    def monotonic_s(self) -> float:
        """Seconds that never jump."""
        return time.monotonic()

    def chance(self) -> float:
        """A random number in [0, 1)."""
        return random.random()  # noqa: S311  jitter, not secrets

"""
A wall clock that jumps ahead: timers that are due by the jump alone fire with care.

Somebody sets the clock, or the machine was asleep: nobody can tell which. After a jump of more
than five minutes it is said, and for ten minutes no more than a hundred timers fire a second,
so that there is time to look before a year's emails have left.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from homing.ports import Clock

JUMP_MS = 300_000
CAREFUL_S = 600.0
CAREFUL_PER_SECOND = 100.0


@dataclass(slots=True)
class Jumps:
    """What the wall clock did, told by the clock that never jumps."""

    clock: Clock
    _wall_ms: int = field(init=False)
    _at_s: float = field(init=False)
    _careful_until_s: float = float("-inf")
    _allowance: float = 0.0

    def __post_init__(self) -> None:
        self._wall_ms, self._at_s = self.clock.now_ms(), self.clock.monotonic_s()

    def look(self) -> int:
        """
        Look at both clocks; by how many ms the wall clock jumped since the last look.

        Returns:
            0 unless it was more than five minutes, either way.
        """
        wall_ms, at_s = self.clock.now_ms(), self.clock.monotonic_s()
        jump_ms = round(wall_ms - self._wall_ms - (at_s - self._at_s) * 1_000)
        if at_s < self._careful_until_s:
            grown = self._allowance + (at_s - self._at_s) * CAREFUL_PER_SECOND
            self._allowance = min(CAREFUL_PER_SECOND, grown)
        self._wall_ms, self._at_s = wall_ms, at_s
        if jump_ms > JUMP_MS:
            self._careful_until_s, self._allowance = at_s + CAREFUL_S, 0.0
        return jump_ms if abs(jump_ms) > JUMP_MS else 0

    def allowed(self, most: int) -> int:
        """How many timers may fire now, *most* on ordinary days."""
        return most if self._at_s >= self._careful_until_s else min(most, int(self._allowance))

    def fired(self, number: int) -> None:
        """So many did."""
        self._allowance -= number

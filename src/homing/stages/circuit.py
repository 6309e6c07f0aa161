"""Whether calls to a destination may leave: its breaker, its pause, what it lacks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from homing.core import breaker as breakers
from homing.core.breaker import Breaker, BreakerState, Signal
from homing.core.errors import Unavailable
from homing.log import BREAKER_TURNED, DESTINATION_PAUSED, DESTINATION_RESUMED, log
from homing.ports import Pause

if TYPE_CHECKING:
    from collections.abc import Callable

    from homing.core.effects import Dest
    from homing.core.outcomes import Outcome
    from homing.ports import Clock, Tx


class StageBroken(Unavailable):
    """This process cannot go on; the next start resumes from the store."""


OURS = "homing"
"""Who paused what an API refuses; whatever a person paused stays so until a person resumes it."""

LACKING = "waiting"


@dataclass(slots=True)
class Circuit:
    """
    The circuit of one destination.

    Args:
        lacking: What has to be configured before anything can leave; None if nothing has.
    """

    dest: Dest
    clock: Clock
    lacking: str | None = None
    breaker: Breaker = field(default_factory=Breaker)
    _told: str | None = ""
    _passed: int = 0  # calls that succeeded, and the breaker has not heard of yet

    def allowance(self, *, in_flight: int, most: int) -> int:
        """How many calls may start now, as far as the breaker knows."""
        self._turn(Signal.TICKED)
        return breakers.allowance(self.breaker, in_flight=in_flight, most=most)

    @property
    def is_down(self) -> bool:
        """Whether the destination is in trouble: what fails now is not the call's fault."""
        return self.breaker.state is not BreakerState.CLOSED

    @property
    def is_probing(self) -> bool:
        """Whether the next call only asks if the destination is well again."""
        return self.breaker.state is BreakerState.HALF_OPEN

    def granted(self, tx: Tx, room: int, *, in_flight: int, is_waited: Callable[[Tx], bool]) -> int:
        """
        How many calls may start, after a look into the books.

        None while a person holds them, or something is lacking, which is said as soon as anything
        waits for it (*is_waited*). One, as a probe, while we hold them ourselves: the breaker tells
        when, but a start of the process has a new one.
        """
        if self.lacking is not None:
            if self.lacking != self._told and is_waited(tx):
                self._told = self.lacking
                tx.books.alert(LACKING, self.dest, self.lacking, at=self.clock.now_ms())
            return 0
        if self._told is not None:
            self._told = None
            tx.books.clear_alert(LACKING, self.dest)
        pause = tx.books.pauses().get(self.dest)
        if pause is None:
            return room
        return min(room, 1) if pause.by == OURS and not in_flight else 0

    def heed(self, outcome: Outcome) -> None:
        """Take what a call came to."""
        signal = breakers.signal_of(outcome)
        if signal is Signal.SUCCEEDED and breakers.is_steady(self.breaker):
            self._passed += 1  # told together, at the next turn
        elif signal is not None:
            self._turn(signal)

    def reset(self) -> None:
        """Somebody ended a pause, or gave another key or address: try at once."""
        self.breaker, self._passed = Breaker(), 0

    def _turn(self, signal: Signal) -> None:
        before = self.breaker.state
        now_ms = int(self.clock.monotonic_s() * 1000)
        if self._passed:
            self.breaker = breakers.passed(self.breaker, self._passed, now_ms=now_ms)
            self._passed = 0
        self.breaker = breakers.after(self.breaker, signal, now_ms=now_ms)
        if before is not self.breaker.state:
            log.info(BREAKER_TURNED, destination=self.dest.value, state=self.breaker.state.value)


def pause(tx: Tx, name: str, reason: str, *, now_ms: int) -> None:
    """Pause what an API refuses, a destination or "email/NAME", unless it is paused already."""
    tx.books.alert("paused", name, reason, at=now_ms)
    if name not in tx.books.pauses():
        tx.books.pause(name, Pause(now_ms, reason, OURS))
        log.error(DESTINATION_PAUSED, destination=name, reason=reason)


def got_through(tx: Tx, name: str, *, left_at_ms: int) -> bool:
    """
    Whether a call that got through ended a pause of ours.

    One that had left before says nothing of what has been wrong since.
    """
    standing = tx.books.pauses().get(name)
    if standing is None or standing.by != OURS or left_at_ms <= standing.at:
        return False
    tx.books.resume(name)
    tx.books.clear_alert("paused", name)
    log.info(DESTINATION_RESUMED, destination=name)
    return True

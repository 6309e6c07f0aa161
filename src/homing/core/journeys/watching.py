"""Until when a run is of concern: to its goal, and to what could still be cancelled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from homing.core.journeys.run import FOREVER, OF_ITSELF, Run, RunState

if TYPE_CHECKING:
    from homing.core.journeys.program import Journey


_ENDED: Final = (RunState.EXITED, *OF_ITSELF)


def watch_until(journey: Journey, run: Run, at_ms: int) -> int | None:
    """Until when its person's events concern a run: its goal, and what could still be cancelled."""
    if run.is_alive:
        return FOREVER
    if run.state not in _ENDED:
        return None
    goal = journey.goal
    until = 0
    if goal is not None and run.converted_at is None:
        # its last instant counts, and what is watched until then is not watched then
        until = min(run.entered_at + goal.within_ms + 1, FOREVER - 1)
    # an exit may cancel it, and of a keyed journey the next run
    may_be_cancelled = journey.exits or journey.entry.key is not None
    if may_be_cancelled and has_sends_out(run, at_ms):
        until = max(until, min(run.sends_until, FOREVER - 1))
    return until if until > at_ms else None


def has_sends_out(run: Run, at_ms: int) -> bool:
    """Whether a run has ended of itself, and what it reserved may not have left yet."""
    return run.state in OF_ITSELF and run.sends_until > at_ms

"""
The breaker of one destination: stop calling an API that does not answer, and find out when it does.

Times are milliseconds of a clock that never goes back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import assert_never

from homing.core.outcomes import (
    Delivered,
    Outcome,
    Paused,
    Rejected,
    RetryLater,
    Scope,
    Unknown,
)

CONNECTION_FAILURES = 5
WINDOW_MS = 60_000
MIN_CALLS = 10
FAILURE_SHARE = 0.7
FIRST_PROBE_MS = 1_000
LAST_PROBE_MS = 30_000
FULL_RAMP = 256
"""Above so many calls at a time the ramp after a recovery ends."""

_BUCKET_MS = 10_000


class BreakerState(StrEnum):
    """Whether calls go out."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Signal(StrEnum):
    """What a call, or the clock, tells the breaker."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNREACHABLE = "unreachable"
    REFUSED = "refused"  # key, scope or address is wrong: no use in trying ten more
    TICKED = "ticked"


class Turn(StrEnum):
    """What moves a breaker from state to state."""

    TRIP = "trip"
    PROBE = "probe"
    RECOVER = "recover"
    RELAPSE = "relapse"


TRANSITIONS: Mapping[BreakerState, Mapping[Turn, BreakerState]] = {  # absent: it stays
    BreakerState.CLOSED: {Turn.TRIP: BreakerState.OPEN},
    BreakerState.OPEN: {Turn.PROBE: BreakerState.HALF_OPEN},
    BreakerState.HALF_OPEN: {
        Turn.RECOVER: BreakerState.CLOSED,
        Turn.RELAPSE: BreakerState.OPEN,
    },
}


@dataclass(frozen=True, slots=True)
class Bucket:
    """The calls of ten seconds."""

    start_ms: int
    calls: int = 0
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Breaker:
    """
    Where one destination stands.

    ``limit`` is how many calls may be under way at once while it ramps up after a recovery;
    ``None`` is no limit of the breaker's own.
    """

    state: BreakerState = BreakerState.CLOSED
    buckets: tuple[Bucket, ...] = ()
    unreachable_in_a_row: int = 0
    probe_at_ms: int = 0
    probe_delay_ms: int = FIRST_PROBE_MS
    limit: int | None = None
    passed: int = 0  # calls that succeeded at this limit


def signal_of(outcome: Outcome) -> Signal | None:
    """
    Tell what an outcome says about the destination's health, ``None`` when nothing.

    A refusal of one item is an answer like any other: the API is well. Being throttled says only
    that there is someone to throttle us.
    """
    match outcome:
        case Delivered() | Rejected():
            return Signal.SUCCEEDED
        case RetryLater():
            return _signal_of_retry(outcome)
        case Unknown():
            return Signal.FAILED
        case Paused(scope=scope):
            return Signal.REFUSED if scope is Scope.DESTINATION else Signal.SUCCEEDED
    assert_never(outcome)


def after(breaker: Breaker, signal: Signal, *, now_ms: int) -> Breaker:
    """Take one signal: count it, and turn if it is time."""
    counted = _counted(breaker, signal, now_ms)
    turn = _turn_of(counted, signal, now_ms)
    if turn is None:
        return counted
    state = TRANSITIONS[counted.state][turn]
    match turn:
        case Turn.TRIP:
            return Breaker(
                state=state,
                probe_at_ms=now_ms + FIRST_PROBE_MS,
            )
        case Turn.PROBE:
            return replace(counted, state=state)
        case Turn.RECOVER:
            return Breaker(state=state, limit=1)
        case Turn.RELAPSE:
            delay_ms = min(counted.probe_delay_ms * 2, LAST_PROBE_MS)
            return Breaker(state=state, probe_at_ms=now_ms + delay_ms, probe_delay_ms=delay_ms)
    assert_never(turn)


def is_steady(breaker: Breaker) -> bool:
    """Whether a success changes nothing but the count: see `passed`."""
    return breaker.state is BreakerState.CLOSED and breaker.limit is None


def passed(breaker: Breaker, calls: int, *, now_ms: int) -> Breaker:
    """Take *calls* successes of a steady breaker at once; what as many signals would come to."""
    buckets = _filled(breaker.buckets, now_ms, calls=calls, failures=0)
    return replace(breaker, buckets=buckets, unreachable_in_a_row=0)


def allowance(breaker: Breaker, *, in_flight: int, most: int) -> int:
    """
    Tell how many more calls may start.

    Args:
        breaker: After ``Signal.TICKED`` at this moment.

        in_flight: Calls under way. A probe that was lost (a shutdown, say) is not in flight, so
            another may start: the breaker cannot get stuck half-open.

        most: The destination's configured number of connections.
    """
    return max(0, min(_limit(breaker, most), most) - in_flight)


def _limit(breaker: Breaker, most: int) -> int:
    match breaker.state:
        case BreakerState.CLOSED:
            return most if breaker.limit is None else breaker.limit
        case BreakerState.OPEN:
            return 0
        case BreakerState.HALF_OPEN:
            return 1
    assert_never(breaker.state)


def _signal_of_retry(outcome: RetryLater) -> Signal | None:
    if not outcome.counts:
        return None
    return Signal.UNREACHABLE if outcome.unreachable else Signal.FAILED


def _counted(breaker: Breaker, signal: Signal, now_ms: int) -> Breaker:
    if breaker.state is not BreakerState.CLOSED or signal is Signal.TICKED:
        return breaker
    failed = signal is not Signal.SUCCEEDED
    limit, passed = _ramped(breaker.limit, breaker.passed + (not failed))
    in_a_row = breaker.unreachable_in_a_row + 1 if signal is Signal.UNREACHABLE else 0
    return replace(
        breaker,
        buckets=_filled(breaker.buckets, now_ms, calls=1, failures=int(failed)),
        unreachable_in_a_row=in_a_row,
        limit=limit,
        passed=passed,
    )


def _ramped(limit: int | None, passed: int) -> tuple[int | None, int]:
    if limit is None:
        return None, 0
    if passed < limit:
        return limit, passed
    return (None if limit >= FULL_RAMP else limit * 2), 0


def _filled(
    buckets: tuple[Bucket, ...], now_ms: int, *, calls: int, failures: int
) -> tuple[Bucket, ...]:
    start_ms = now_ms - now_ms % _BUCKET_MS
    last = buckets[-1] if buckets and buckets[-1].start_ms == start_ms else Bucket(start_ms)
    kept = tuple(b for b in buckets if now_ms - WINDOW_MS < b.start_ms != start_ms)
    return (*kept, Bucket(start_ms, last.calls + calls, last.failures + failures))


def _turn_of(breaker: Breaker, signal: Signal, now_ms: int) -> Turn | None:
    match breaker.state:
        case BreakerState.CLOSED:
            return Turn.TRIP if signal is Signal.REFUSED or _is_failing(breaker) else None
        case BreakerState.OPEN:
            due = signal is Signal.TICKED and now_ms >= breaker.probe_at_ms
            return Turn.PROBE if due else None
        case BreakerState.HALF_OPEN:
            return _turn_of_probe(signal)
    assert_never(breaker.state)


def _turn_of_probe(signal: Signal) -> Turn | None:
    if signal is Signal.TICKED:
        return None
    return Turn.RECOVER if signal is Signal.SUCCEEDED else Turn.RELAPSE


def _is_failing(breaker: Breaker) -> bool:
    if breaker.unreachable_in_a_row >= CONNECTION_FAILURES:
        return True
    calls = sum(bucket.calls for bucket in breaker.buckets)
    failures = sum(bucket.failures for bucket in breaker.buckets)
    return calls >= MIN_CALLS and failures >= FAILURE_SHARE * calls

"""The breaker of a destination."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.core.breaker import (
    FULL_RAMP,
    LAST_PROBE_MS,
    TRANSITIONS,
    Breaker,
    BreakerState,
    Signal,
    Turn,
    after,
    allowance,
    signal_of,
)
from homing.core.outcomes import Delivered, Outcome, Paused, Rejected, RetryLater, Scope, Unknown

DOWN = Signal.UNREACHABLE
OPEN = Breaker(BreakerState.OPEN, probe_at_ms=1_000)


def after_all(breaker: Breaker, signals: list[Signal], *, now_ms: int = 0) -> Breaker:
    """Take several signals at one moment."""
    for signal in signals:
        breaker = after(breaker, signal, now_ms=now_ms)
    return breaker


class TestAfter:
    def test_opens_after_five_connection_failures_in_a_row(self) -> None:
        """Four and an answer are no reason."""
        assert BreakerState.CLOSED is after_all(Breaker(), [DOWN] * 4).state
        assert BreakerState.OPEN is after_all(Breaker(), [DOWN] * 5).state
        mixed = [*[DOWN] * 4, Signal.FAILED, *[DOWN] * 4]
        assert BreakerState.CLOSED is after_all(Breaker(), mixed, now_ms=0).state

    @pytest.mark.parametrize(
        ("failed", "succeeded", "expected"),
        [
            (7, 3, BreakerState.OPEN),
            (9, 0, BreakerState.CLOSED),
            (10, 0, BreakerState.OPEN),
            (6, 4, BreakerState.CLOSED),
            (69, 31, BreakerState.CLOSED),
        ],
    )
    def test_opens_when_seven_of_ten_calls_fail(
        self, failed: int, succeeded: int, expected: BreakerState
    ) -> None:
        """70 % of at least ten calls."""
        calls = [Signal.SUCCEEDED] * succeeded + [Signal.FAILED] * failed

        assert expected is after_all(Breaker(), calls).state

    def test_forgets_what_is_older_than_a_minute(self) -> None:
        """Nine failures an hour ago and one now are one."""
        breaker = after_all(Breaker(), [Signal.FAILED] * 9)

        assert BreakerState.CLOSED is after(breaker, Signal.FAILED, now_ms=70_000).state

    def test_a_refusal_opens_at_once(self) -> None:
        """A wrong key is wrong for every call."""
        assert BreakerState.OPEN is after(Breaker(), Signal.REFUSED, now_ms=0).state

    def test_probes_when_it_is_time(self) -> None:
        """One second after it opened, and not before."""
        assert BreakerState.OPEN is after(OPEN, Signal.TICKED, now_ms=999).state
        assert BreakerState.HALF_OPEN is after(OPEN, Signal.TICKED, now_ms=1_000).state

    def test_probes_ever_later_up_to_half_a_minute(self) -> None:
        """1, 2, 4, 8, 16, 30, 30 s."""
        breaker, now_ms, waits = OPEN, 0, []
        for _ in range(7):
            waits.append(breaker.probe_at_ms - now_ms)
            now_ms = breaker.probe_at_ms
            probing = after(breaker, Signal.TICKED, now_ms=now_ms)
            breaker = after(probing, Signal.FAILED, now_ms=now_ms)

        assert [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000] == waits

    def test_what_comes_late_changes_nothing_while_open(self) -> None:
        """Calls that were under way when it opened come back one by one."""
        late = [Signal.FAILED, Signal.SUCCEEDED, DOWN, Signal.REFUSED]

        assert OPEN == after_all(OPEN, late, now_ms=500)

    def test_ramps_up_after_a_recovery(self) -> None:
        """1, 2, 4, … calls at a time, then no limit of its own."""
        breaker = after(Breaker(BreakerState.HALF_OPEN), Signal.SUCCEEDED, now_ms=0)
        limits = [breaker.limit]
        while breaker.limit is not None:
            breaker = after(breaker, Signal.SUCCEEDED, now_ms=0)
            if breaker.limit != limits[-1]:
                limits.append(breaker.limit)

        assert [2**n for n in range(9)] == limits[:-1]
        assert (FULL_RAMP, None) == (limits[-2], limits[-1])

    def test_a_step_of_the_ramp_takes_as_many_successes_as_it_allows(self) -> None:
        """Two at a time until two succeeded, then four until four did."""
        breaker = after(Breaker(BreakerState.HALF_OPEN), Signal.SUCCEEDED, now_ms=0)
        limits = []
        for _ in range(8):
            limits.append(breaker.limit)
            breaker = after(breaker, Signal.SUCCEEDED, now_ms=0)

        assert [1, 2, 2, 4, 4, 4, 4, 8] == limits

    def test_one_failure_does_not_stop_the_ramp(self) -> None:
        """An API that fails one call in ten still gets back to full speed."""
        breaker = Breaker(limit=1)
        for _ in range(1_000):
            breaker = after_all(breaker, [Signal.SUCCEEDED] * 9 + [Signal.FAILED])

        assert (BreakerState.CLOSED, None) == (breaker.state, breaker.limit)

    @given(st.lists(st.tuples(st.sampled_from(Signal), st.integers(0, 20_000)), max_size=80))
    def test_never_gets_stuck(self, steps: list[tuple[Signal, int]]) -> None:
        """From wherever it got to, time and one success let calls through again."""
        breaker, now_ms = Breaker(), 0
        for signal, passed_ms in steps:
            now_ms += passed_ms
            breaker = after(breaker, signal, now_ms=now_ms)

        breaker = after(breaker, Signal.TICKED, now_ms=now_ms + LAST_PROBE_MS)
        assert allowance(breaker, in_flight=0, most=64) >= 1
        assert len(breaker.buckets) <= 7
        breaker = after(breaker, Signal.SUCCEEDED, now_ms=now_ms + LAST_PROBE_MS)
        assert breaker.state in (BreakerState.CLOSED, BreakerState.OPEN)

    def test_moves_only_along_the_table(self) -> None:
        """Every state and signal, at every stage of counting, ends where the table says."""
        stages = [
            Breaker(),
            after_all(Breaker(), [DOWN] * 4),
            OPEN,
            Breaker(BreakerState.HALF_OPEN),
        ]
        for breaker, signal in product(stages, Signal):
            state = after(breaker, signal, now_ms=5_000).state
            assert state in {breaker.state, *TRANSITIONS[breaker.state].values()}
        assert set(BreakerState) == set(TRANSITIONS)
        assert set(Turn) == {turn for turns in TRANSITIONS.values() for turn in turns}


class TestAllowance:
    @pytest.mark.parametrize(
        ("breaker", "in_flight", "expected"),
        [
            (Breaker(), 0, 64),
            (Breaker(), 60, 4),
            (Breaker(), 70, 0),
            (Breaker(limit=4), 1, 3),
            (Breaker(limit=256), 0, 64),
            (OPEN, 0, 0),
            (Breaker(BreakerState.HALF_OPEN), 0, 1),
            (Breaker(BreakerState.HALF_OPEN), 1, 0),
        ],
    )
    def test_is_what_state_and_ramp_leave(
        self, breaker: Breaker, in_flight: int, expected: int
    ) -> None:
        """Half-open lets one probe out, and another when that one got lost."""
        assert expected == allowance(breaker, in_flight=in_flight, most=64)


class TestSignalOf:
    @pytest.mark.parametrize(
        ("outcome", "expected"),
        [
            (Delivered("x"), Signal.SUCCEEDED),
            (Rejected("HTTP 400"), Signal.SUCCEEDED),
            (RetryLater("HTTP 500"), Signal.FAILED),
            (RetryLater("no connection", unreachable=True), Signal.UNREACHABLE),
            (RetryLater("HTTP 429", counts=False), None),
            (Unknown("timeout"), Signal.FAILED),
            (Paused("HTTP 401"), Signal.REFUSED),
            (Paused("HTTP 403", Scope.EMAIL), Signal.SUCCEEDED),
        ],
    )
    def test_tells_the_destinations_health(self, outcome: Outcome, expected: Signal | None) -> None:
        """One bad send or sender is not a bad destination."""
        assert expected is signal_of(outcome)

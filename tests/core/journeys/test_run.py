"""How a run moves, and how its sends are told apart."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.core.journeys.run import (
    MAX_PASSAGES,
    OF_ITSELF,
    TRANSITIONS,
    IllegalMove,
    Run,
    RunSignal,
    RunState,
    after,
    exit_origin,
    origin_of,
    origins_of,
    passage_of,
    run_of,
)

ENDED = set(RunState) - {RunState.PASSING, RunState.WAITING}
NUMBERS = st.integers(1, 1 << 50)


class TestAfter:
    @pytest.mark.parametrize(
        ("state", "signal"), list(itertools.product(RunState, RunSignal)), ids=str
    )
    def test_every_move_is_in_the_table_or_refused(self, state, signal):
        """
        No pair is forgotten.
        """
        expected = TRANSITIONS[state].get(signal)
        if expected is None:
            with pytest.raises(IllegalMove, match=f"{state} cannot {signal}"):
                after(state, signal)
        else:
            assert expected is after(state, signal)

    def test_what_has_ended_stays_so(self):
        """
        No way leads out.
        """
        assert ENDED == {state for state in RunState if not TRANSITIONS[state]}
        assert set(OF_ITSELF) < ENDED

    def test_every_end_can_be_come_to(self):
        """
        And each signal means something.
        """
        moves = [move for moves in TRANSITIONS.values() for move in moves.items()]

        assert ENDED <= {state for _, state in moves}
        assert set(RunSignal) == {signal for signal, _ in moves}


class TestIsAlive:
    @pytest.mark.parametrize("state", RunState)
    def test_until_it_has_ended(self, state):
        """
        Passing or waiting.
        """
        assert (state not in ENDED) is Run(1, 1, "j", "v", "", 0, state).is_alive


class TestOrigins:
    @given(NUMBERS, st.integers(1, MAX_PASSAGES))
    def test_an_origin_tells_run_and_passage(self, run, passage):
        """
        Below zero, where no event's number is.
        """
        origin = origin_of(run, passage)

        assert (run, passage) == (run_of(origin), passage_of(origin))
        assert -(1 << 63) <= origin < 0
        least, greatest = origins_of(run)
        assert least <= origin <= greatest

    @given(NUMBERS)
    def test_an_exits_origin_is_no_steps(self, run):
        """
        However many it passed.
        """
        assert exit_origin(run) not in {origin_of(run, n) for n in range(MAX_PASSAGES + 1)}
        assert run == run_of(exit_origin(run))
        assert origins_of(run)[0] == exit_origin(run)

    @given(NUMBERS)
    def test_runs_do_not_touch(self, run):
        """
        One's last origin comes before the next one's first.
        """
        assert origins_of(run + 1)[1] < origins_of(run)[0]

    @given(st.integers(0, 1 << 62))
    def test_an_event_is_no_run(self, origin):
        """
        Nor is the number of none.
        """
        assert None is run_of(origin)

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.processes.restarts import Deaths, GiveUp, Patience, RestartIn, after_death, cause

PATIENCE = Patience(deaths=5, window_s=60.0)


def died(*times: float) -> Deaths:
    deaths = Deaths()
    for at in times:
        deaths = deaths.recorded(at, "exit 1", PATIENCE.window_s)
    return deaths


class TestAfterDeath:
    @pytest.mark.parametrize(
        ("count", "delay_s"),
        [(1, 0.0), (2, 0.1), (3, 0.2), (4, 0.4), (5, 0.8), (6, 1.6), (7, 3.2), (8, 5.0), (60, 5.0)],
    )
    def test_the_delay_doubles_from_nothing_to_five_seconds(self, count, delay_s):
        """
        One crash is answered at once, a state of crashing ever more slowly.
        """
        deaths = died(*(at / 10 for at in range(count)))

        verdict = after_death(deaths, now=6.0, exit_code=1, was_ready=True, patience=PATIENCE)

        assert RestartIn(pytest.approx(delay_s)) == verdict

    def test_deaths_before_the_window_are_forgotten(self):
        """
        A crash a minute is each time the first.
        """
        deaths = died(0.0, 60.0, 120.0)

        verdict = after_death(deaths, now=120.0, exit_code=-9, was_ready=True, patience=PATIENCE)

        assert RestartIn(0.0) == verdict

    @pytest.mark.parametrize(
        ("exit_code", "was_ready", "verdict"),
        [
            (78, False, GiveUp(78)),
            (75, False, GiveUp(75)),
            (74, False, GiveUp(74)),
            (65, False, GiveUp(65)),
            (70, False, RestartIn(0.0)),
            (0, False, RestartIn(0.0)),
            (-11, False, RestartIn(0.0)),
            (78, True, RestartIn(0.0)),
            (75, True, RestartIn(0.0)),
        ],
    )
    def test_four_codes_are_hopeless_until_the_child_was_ready(self, exit_code, was_ready, verdict):
        """
        A service that never ran says why; one that ran keeps its other half.
        """
        assert verdict == after_death(
            died(1.0), now=1.0, exit_code=exit_code, was_ready=was_ready, patience=PATIENCE
        )

    @given(count=st.integers(1, 200), was_ready=st.booleans())
    def test_only_a_child_that_never_was_ready_is_given_up(self, count, was_ready):
        """
        More than five deaths within the window, and no sooner.
        """
        deaths = died(*(at / 10 for at in range(count)))

        verdict = after_death(
            deaths, now=count / 10, exit_code=1, was_ready=was_ready, patience=PATIENCE
        )

        assert (count > 5 and not was_ready) == (verdict == GiveUp(70))


class TestDeaths:
    @given(gaps=st.lists(st.floats(0, 30), max_size=300))
    def test_the_record_stays_small(self, gaps):
        """
        A child that crashes for a year costs no memory.
        """
        now, deaths = 0.0, Deaths()
        for gap in gaps:
            now += gap
            deaths = deaths.recorded(now, "exit 1", 60.0)

        assert len(deaths.times) <= 64
        assert deaths.within(now, 60.0) == len(deaths.times)


class TestCause:
    @pytest.mark.parametrize(
        ("exit_code", "text"), [(0, "exit 0"), (78, "exit 78"), (-9, "SIGKILL"), (-99, "signal 99")]
    )
    def test_it_says_what_a_person_would(self, exit_code, text):
        """
        Signals by name, exits by number.
        """
        assert text == cause(exit_code)

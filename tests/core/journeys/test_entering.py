"""May this event start a run?"""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.support.journeys import happened
from tests.support.stages import DAY, HOUR, NOON, plans_of

from homing.core.decide import Rules, learn
from homing.core.journeys.entering import Entering, Last, Refused, entering
from homing.core.journeys.program import Journey
from homing.core.journeys.programs import Programs
from homing.core.journeys.run import Run, RunState
from homing.core.people import Person

ADA = Person(1, user_id="u1")
KEY = 'key = "$.properties.cart"'


def journey(more: str = "", *, when: str = 'event = "Start"') -> Journey:
    text = f"[journey.j]\nentry = {{ when = '{when}'{', ' if more else ''}{more} }}\n"
    return plans_of(text + "step = [{ id = 'a', delay = '1h' }]\n").journeys["j"]


def never(key: str) -> Last | None:
    """Nobody entered before, and nobody should ask."""
    raise AssertionError(key)


def alive(key: str = "", *, name: str = "j", number: int = 1) -> Run:
    return Run(number, 1, name, "v", key, NOON, RunState.WAITING)


class TestEntering:
    def test_an_event_that_does_not_match_is_none_at_all(self):
        """
        It is not counted as refused.
        """
        assert None is entering(journey(), happened("Other"), ADA, runs=[], last=never)

    @pytest.mark.parametrize("value", [None, "", [], {}, ["c1"], {"id": "c1"}])
    def test_an_event_without_a_key_starts_nothing(self, value):
        """
        It is refused by name, whatever else would refuse it.
        """
        event = replace(happened("Start", cart=value), at_ms=0)

        assert Entering("", Refused.MISSING_KEY) == entering(
            journey(KEY), event, ADA, runs=[], last=never
        )

    @pytest.mark.parametrize(("value", "key"), [("c1", "c1"), (5.0, "5"), (False, "false")])
    def test_its_key_is_text(self, value, key):
        """
        Numbers and booleans too.
        """
        event = happened("Start", cart=value)

        assert Entering(key) == entering(journey(KEY), event, ADA, runs=[], last=never)

    @pytest.mark.parametrize(
        ("consent", "said", "refused"),
        [
            (None, {}, None),
            ({"ads": True}, {}, None),
            ({"ads": False}, {}, Refused.CONSENT),
            ({}, {}, Refused.CONSENT),
            (None, {"categoryPreferences": {"ads": False}}, Refused.CONSENT),
            ({"ads": True}, {"categoryPreferences": {}}, Refused.CONSENT),
        ],
    )
    def test_who_does_not_agree_does_not_enter(self, consent, said, refused):
        """
        The person must allow it, and the event that asks; an entry's `restart` asks, too.
        """
        program = dataclasses.replace(journey('repeat = "restart"'), consent=("ads",))
        event = happened("Start")
        event = replace(event, data={**event.data, "context": {"consent": said}})
        person = replace(ADA, consent=consent)

        found = entering(program, event, person, runs=[alive()], last=never)

        assert found is not None
        assert refused == found.refused

    @pytest.mark.parametrize(
        ("more", "age", "is_refused"),
        [
            ("", DAY, False),
            ("", DAY + 1, True),
            ("", -DAY, False),
            ('max_age = "1h"', HOUR, False),
            ('max_age = "1h"', HOUR + 1, True),
            ("backfill = true", 400 * DAY, False),
        ],
    )
    def test_an_old_event_starts_nothing(self, more, age, *, is_refused):
        """
        Its arrival is compared with its own time; `backfill` lets it in.
        """
        event = replace(happened("Start"), at_ms=NOON - age)
        found = entering(journey(more), event, ADA, runs=[], last=lambda _: None)

        assert Entering("", Refused.TOO_OLD if is_refused else None) == found

    @pytest.mark.parametrize(
        ("more", "last", "refused"),
        [
            ("", None, None),
            ("", Last(0, RunState.EXITED), Refused.ONCE),
            ("", Last(0, None), Refused.ONCE),
            ('reentry = "once"', Last(0, RunState.COMPLETED), Refused.ONCE),
            ('reentry = "after-exit"', None, None),
            ('reentry = "after-exit"', Last(0, RunState.EXITED), None),
            ('reentry = "after-exit"', Last(0, RunState.COMPLETED), Refused.NOT_EXITED),
            ('reentry = "after-exit"', Last(0, RunState.LOOPED), Refused.NOT_EXITED),
            ('reentry = "after-exit"', Last(0, None), None),
            ('reentry = "1d"', None, None),
            ('reentry = "1d"', Last(NOON - DAY, RunState.COMPLETED), None),
            ('reentry = "1d"', Last(NOON - DAY + 1, RunState.EXITED), Refused.TOO_SOON),
        ],
    )
    @pytest.mark.parametrize("key", ["", "c1"])
    def test_who_was_in_before_enters_as_reentry_says(self, key, more, last, refused):
        """
        Per key; once, unless it says otherwise or has keys.
        """
        more = ", ".join(filter(None, [KEY if key else "", more or 'reentry = "once"']))
        asked: list[str] = []

        def entered(name: str) -> Last | None:
            asked.append(name)
            return last

        event = happened("Start", cart="c1")
        assert Entering(key, refused) == entering(journey(more), event, ADA, runs=[], last=entered)
        assert [key] == asked

    def test_always_never_asks(self):
        """
        The default with a key.
        """
        event = happened("Start", cart="c1")

        assert Entering("c1") == entering(journey(KEY), event, ADA, runs=[], last=never)
        assert Entering("") == entering(
            journey('reentry = "always"'), event, ADA, runs=[], last=never
        )

    def test_a_run_under_way_is_not_started_twice(self):
        """
        Of that journey and key; it goes on, or starts over by `repeat`.
        """
        event = happened("Start", cart="c1")
        others = [alive("c2"), alive("c1", name="k"), over("c1"), alive("c1", number=4)]
        ignore = entering(journey(KEY), event, ADA, runs=others, last=never)
        restart = entering(
            journey(f'{KEY}, repeat = "restart"'), event, ADA, runs=others, last=never
        )

        assert Entering("c1", Refused.ALIVE) == ignore
        assert Entering("c1", restarts=others[3]) == restart
        assert Entering("c1") == entering(journey(KEY), event, ADA, runs=others[:3], last=never)

    def test_a_repeat_is_as_young_as_an_entry(self):
        """
        A replayed event restarts nothing.
        """
        event = replace(happened("Start", cart="c1"), at_ms=0)
        found = entering(
            journey(f'{KEY}, repeat = "restart"'), event, ADA, runs=[alive("c1")], last=never
        )

        assert Entering("c1", Refused.TOO_OLD) == found

    def test_conditions_may_ask_what_the_person_did(self):
        """
        The present event counts.
        """
        viewed = journey('reentry = "always"', when='did("Start", 2, "7d")')
        once = Person(1, user_id="u1")

        assert None is entering(viewed, happened("Start"), once, runs=[], last=never)
        assert None is not entering(
            viewed, happened("Start", 2), learned(viewed, once), runs=[], last=never
        )

    @given(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text())
        | st.dictionaries(st.text(), st.integers()),
        st.integers(-(1 << 60), 1 << 60),
    )  # fmt: skip
    def test_any_event_comes_to_something(self, value, at_ms):
        """
        Whatever its key and its time.
        """
        event = replace(happened("Start", cart=value), at_ms=at_ms)
        found = entering(journey(KEY), event, ADA, runs=[], last=never)

        assert found is not None
        assert isinstance(found.key, str)
        assert bool(found.key) is (found.refused is not Refused.MISSING_KEY)


def over(key: str) -> Run:
    return replace(alive(key, number=3), state=RunState.COMPLETED)


def learned(program: Journey, person: Person) -> Person:
    """The person after one `Start`."""
    rules = Rules(plans_of(), Programs({program.name: program}))
    return learn(person, happened("Start"), rules.candidates("track", "Start"))

"""What an event, or a moment, does to a run."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace as changed
from tests.support.journeys import Play, happened
from tests.support.stages import DAY, HOUR, MINUTE, NOON

from homing.core import people
from homing.core.effects import CannotDo, WantCall, WantSend
from homing.core.journeys import engine
from homing.core.journeys.engine import MAX_SEEN
from homing.core.journeys.program import KeyPath, key_in
from homing.core.journeys.run import (
    FOREVER,
    MAX_PASSAGES,
    RunSignal,
    RunState,
    exit_origin,
    origin_of,
)
from homing.core.journeys.walk import Moment
from homing.core.journeys.watching import watch_until
from homing.core.mapping.paths import compile_path
from homing.core.people import Person

ENTRY = """
[journey.j]
entry = { when = 'event = "Start"' }
"""
KEYED = """
[journey.j]
entry = { when = 'event = "Start"', key = "$.properties.cart" }
"""
EXIT = """exit = [{ name = "bought", when = 'event = "Bought"' }]
"""
GOAL = """goal = { when = 'event = "Bought"', within = "1d", value = "$.properties.total" }
"""
SEND = """send = "digest"
"""
TEN_MINUTES = 600_000
NAN = float("nan")
TOO_LONG = """\"{{ properties.x | replace: 'a', properties.x }}\""""


def step(name: str, text: str) -> str:
    return f"[[journey.j.step]]\nid = '{name}'\n{text}\n"


def on(*branches: str, hold: str = "2h", more: str = "") -> str:
    """A hold; each branch is "name:Event:then"."""
    parts = [one.split(":") for one in branches]
    listed = ", ".join(
        f"{{ name = '{name}', when = 'event = \"{event}\"', then = '{then}' }}"
        for name, event, then in parts
    )
    return f"hold = '{hold}'\non = [{listed}]\n{more}"


class TestKeyIn:
    @pytest.mark.parametrize(
        ("value", "key"),
        [
            ("c1", "c1"), (5, "5"), (5.0, "5"), (5.5, "5.5"), (True, "true"), (0, "0"),
            ("", None), (None, None), ([], None), ({}, None), (["c1"], None), (" ", " "),
            (10**30, str(10**30)), ("é\u0000", "é\u0000"),
        ],
    )  # fmt: skip
    def test_keys_compare_as_text(self, value, key):
        """
        What is no single value is none.
        """
        path = KeyPath("$.k", compile_path("$.k").read)

        assert key == key_in(path, {"k": value})

    def test_a_missing_key_is_none_and_no_path_is_one_run_a_person(self):
        """
        None starts nothing; "" is the key of them all.
        """
        path = KeyPath("$.a.k", compile_path("$.a.k").read)

        assert [None, None, ""] == [key_in(path, {}), key_in(path, {"a": 3}), key_in(None, {})]


class TestEntered:
    def test_steps_are_passed_until_one_waits(self):
        """
        Each is a line, in order; the timer counts from the entry.
        """
        play = Play(ENTRY + step("a", SEND) + step("b", SEND) + step("c", 'delay = "1h"')).enter()

        assert ["entered", "send a", "send b", "waiting c"] == play.story()
        assert (RunState.WAITING, "c", NOON + HOUR, NOON, 3) == (
            play.run.state, play.run.step, play.run.due_at, play.run.step_at, play.run.passages,
        )  # fmt: skip

    def test_a_journey_that_waits_nowhere_is_over_at_once(self):
        """
        Its run is completed.
        """
        play = Play(ENTRY + step("a", SEND)).enter()

        assert ["entered", "send a", "completed a"] == play.story()
        assert (RunState.COMPLETED, NOON) == (play.run.state, play.run.ended_at)

    def test_targets_lead_forward_and_back(self):
        """
        By `next`, by a branch, to the end.
        """
        text = (
            ENTRY
            + step("a", SEND + 'next = "d"')
            + step("b", SEND + 'next = "c"')
            + step("c", 'delay = "1h"\nnext = "end"')
            + step("d", SEND + 'next = "b"')
            + step("e", SEND)
        )
        play = Play(text).enter()
        play.tick()

        assert [
            "entered", "send a", "send d", "send b", "waiting c", "completed c",
        ] == play.story()  # fmt: skip

    def test_it_needs_an_event(self):
        """
        A tick starts nothing.
        """
        play = Play(ENTRY + step("a", SEND))

        with pytest.raises(ValueError, match="by an event"):
            engine.entered(play.journey, 1, "", person=play.person, moment=Moment(NOON))

    def test_who_passes_a_thousand_steps_is_stopped(self):
        """
        As looped, with what it did so far.
        """
        text = ENTRY + step("a", SEND) + step("b", SEND + 'next = "a"')
        play = Play(text).enter()

        assert (RunState.LOOPED, "looped: passed 1,000 steps") == (play.run.state, play.run.reason)
        assert MAX_PASSAGES == play.run.passages == len(play.wishes())
        origins = [line.origin for line in play.lines if line.wish is not None]
        assert len(origins) == len(set(origins))
        assert exit_origin(1) not in origins
        assert "exited b" == play.story()[-1]

    def test_a_loop_with_waits_is_stopped_too(self):
        """
        Over any time.
        """
        play = Play(ENTRY + step("a", "delay = '1h'") + step("b", SEND + "next = 'a'")).enter()
        while play.run.is_alive:
            play.tick()

        assert (RunState.LOOPED, MAX_PASSAGES) == (play.run.state, play.run.passages)
        assert NOON + MAX_PASSAGES // 2 * HOUR == play.now


class TestReentered:
    def test_the_run_starts_over_with_the_new_event(self):
        """
        One `restarted` line, no second `entered`; what it knew is gone, its entry time is not.
        """
        text = ENTRY + step("a", on("yes:Yes:next")) + step("b", on("no:No:next"))
        play = Play(text).enter(n=1).hear("No").hear("Yes")
        assert RunState.COMPLETED is play.run.state

        play = Play(text).enter(n=1).hear("No")
        play.last()
        play.now += HOUR
        play.enter_again(n=2)

        assert ["restarted a", "waiting a"] == play.last()
        assert (NOON, play.now + 2 * HOUR) == (play.run.entered_at, play.run.due_at)
        assert (2, 2, ()) == (
            play.context.entry.data["properties"]["n"],
            play.context.latest.data["properties"]["n"],
            play.context.seen,
        )

    def test_steps_go_on_being_counted(self):
        """
        So its sends have names of their own, and it cannot be restarted for ever.
        """
        play = Play(ENTRY + step("a", SEND) + step("b", "delay = '1h'")).enter().enter_again()

        origins = [line.origin for line in play.lines if line.wish is not None]
        assert [origin_of(1, 1), origin_of(1, 3)] == origins


class TestHold:
    def test_the_first_matching_branch_is_taken(self):
        """
        Of several, in the order of the file.
        """
        branches = on("never:Never:end", "one:Yes:c", "two:Yes:next")
        play = Play(ENTRY + step("a", branches) + step("b", SEND) + step("c", "delay = '1h'"))
        play.enter().hear("Yes")

        assert ["entered", "waiting a", "branch a one", "waiting c"] == play.story()

    def test_without_one_its_time_is_over(self):
        """
        And the run goes on by `timeout`.
        """
        text = on("yes:Yes:next", more="timeout = 'c'")
        play = Play(ENTRY + step("a", text) + step("b", SEND) + step("c", "delay = '1h'"))
        play.enter().hear("Other").tick()

        assert ["entered", "waiting a", "timeout a", "waiting c"] == play.story()
        assert NOON + 3 * HOUR == play.run.due_at

    @pytest.mark.parametrize("then", ["end", "next", "a", "b"])
    def test_a_branch_leads_anywhere(self, then):
        """
        The end, the next step, an earlier one, itself.
        """
        text = ENTRY + step("a", "delay = '1h'") + step("b", on(f"yes:Yes:{then}"))
        play = Play(text).enter().tick().hear("Yes")

        expected = {"end": "completed b", "next": "completed b"}
        assert expected.get(then, f"waiting {then}") == play.story()[-1]

    def test_a_restart_starts_the_timer_again_with_the_new_event(self):
        """
        It is a `restarted` line, no branch.
        """
        play = Play(ENTRY + step("a", on("changed:Changed:restart"))).enter(n=1)
        play.hear("Changed", after=HOUR, n=2)

        assert ["entered", "waiting a", "restarted a changed"] == play.story()
        assert (NOON + 3 * HOUR, NOON + HOUR, 1, 1) == (
            play.run.due_at, play.run.step_at, play.run.restarts, play.run.passages,
        )  # fmt: skip
        assert 2 == play.context.latest.data["properties"]["n"]

    def test_restarts_are_counted_on_the_step(self):
        """
        All its branches share them; past them the timer stays, and other branches still count.
        """
        text = on("a:A:restart", "b:B:restart", "c:C:end", more="max_restarts = 2")
        play = Play(ENTRY + step("a", text)).enter()
        play.hear("A", after=MINUTE).hear("B", after=MINUTE).hear("A", after=MINUTE)
        due = play.run.due_at
        play.hear("B", after=MINUTE)

        assert (2, NOON + 2 * MINUTE + 2 * HOUR, due) == (play.run.restarts, due, play.run.due_at)
        assert RunState.COMPLETED is play.hear("C").run.state

    def test_a_spent_restart_leaves_the_event_to_a_later_branch(self):
        """
        The first that still may.
        """
        text = on("again:A:restart", "enough:A:end", more="max_restarts = 1")
        play = Play(ENTRY + step("a", text)).enter().hear("A").hear("A")

        assert ["restarted a again", "branch a enough", "completed a"] == play.story()[2:]

    def test_no_restarts_at_all(self):
        """
        0 is a limit like any other.
        """
        play = Play(ENTRY + step("a", on("again:A:restart", more="max_restarts = 0"))).enter()

        assert ["entered", "waiting a"] == play.hear("A", after=HOUR).story()
        assert NOON + 2 * HOUR == play.run.due_at

    def test_events_of_another_key_do_not_count(self):
        """
        The key is that of the entry, unless the branch has its own path, or `key = false`.
        """
        text = """hold = "2h"
on = [{ name = "own", when = 'event = "A"', then = "end" },
      { name = "path", when = 'event = "B"', key = "$.properties.id", then = "end" },
      { name = "any", when = 'event = "C"', key = false, then = "end" }]
"""
        for name, properties, is_taken in [
            ("A", {"cart": "c1"}, True), ("A", {"cart": "c2"}, False), ("A", {}, False),
            ("B", {"id": "c1"}, True), ("B", {"cart": "c1"}, False), ("C", {}, True),
        ]:  # fmt: skip
            play = Play(KEYED + step("a", text)).enter(key="c1", cart="c1")
            play.hear(name, **properties)
            assert is_taken is not play.run.is_alive, (name, properties)


class TestLookBack:
    def test_an_event_that_came_before_the_hold_counts(self):
        """
        Once the run comes there; it says so.
        """
        text = ENTRY + step("a", "delay = '1h'") + step("b", on("yes:Yes:end"))
        play = Play(text).enter().hear("Yes", n=7).tick()

        assert ["entered", "waiting a", "branch b yes", "completed b"] == play.story()
        assert "looked back" == play.lines[2].reason
        assert 7 == play.context.latest.data["properties"]["n"]

    @pytest.mark.parametrize(
        ("hold", "why"),
        [
            (on("yes:Yes:end", more="look_back = false"), "it does not look back"),
            (on("yes:Yes:restart"), "a restart is no branch to look back to"),
            (on("yes:Start:end"), "the entry event is not looked back to"),
        ],
    )
    def test_what_it_does_not_see(self, hold, why):
        """
        Then it waits as ever.
        """
        play = Play(ENTRY + step("a", "delay = '1h'") + step("b", hold)).enter().hear("Yes").tick()

        assert "waiting b" == play.story()[-1], why

    def test_what_an_earlier_step_took_is_taken(self):
        """
        By its branch, or by a restart.
        """
        text = (
            ENTRY
            + step("a", on("yes:Yes:next", "more:More:restart"))
            + step("b", on("yes:Yes:end", "more:More:end"))
        )
        play = Play(text).enter().hear("More").hear("Yes")

        assert ["restarted a more", "branch a yes", "waiting b"] == play.story()[2:]

    def test_what_one_hold_looks_back_to_the_next_does_not(self):
        """
        One event moves a run once.
        """
        text = ENTRY + step("a", "delay = '1h'")
        text += step("b", on("yes:Yes:next")) + step("c", on("yes:Yes:next"))
        once = Play(text).enter().hear("Yes").tick()
        twice = Play(text).enter().hear("Yes").hear("Yes").tick()

        assert ["branch b yes", "waiting c"] == once.story()[2:]
        assert ["branch b yes", "branch c yes", "completed c"] == twice.story()[2:]

    def test_the_first_match_counts_first(self):
        """
        By arrival, then by the order of the branches.
        """
        text = ENTRY + step("a", "delay = '1h'")
        text += step("b", on("late:Late:end", "early:Early:end", "also:Early:end"))
        play = Play(text).enter().hear("Early").hear("Late").tick()

        assert "branch b early" == play.story()[2]

    def test_conditions_are_asked_when_the_event_comes(self):
        """
        Of the person as known then.
        """
        text = ENTRY + step("a", "delay = '1h'")
        text += step(
            "b",
            """hold = "1h"
on = [{ name = "pro", when = 'event = "Yes" and profile.plan = "pro"', then = "end" }]
""",
        )
        play = Play(text, Person(1, user_id="u1", traits={"plan": "free"})).enter().hear("Yes")
        play.person = changed(play.person, traits={"plan": "pro"})

        assert "waiting b" == play.tick().story()[-1]

    def test_in_a_loop_each_visit_takes_another_event(self):
        """
        Until none is left.
        """
        text = ENTRY + step("a", "delay = '1h'") + step("b", on("yes:Yes:b"))
        play = Play(text).enter()
        for _ in range(3):
            play.hear("Yes")
        play.tick()

        assert ["branch b yes"] * 3 + ["waiting b"] == play.story()[2:]

    def test_what_is_remembered_is_bounded(self):
        """
        The oldest, of each hold.
        """
        text = ENTRY + step("a", "delay = '1h'") + step("b", on("yes:Yes:b"))
        play = Play(text).enter()
        for number in range(50):
            play.hear("Yes", n=number)
        assert MAX_SEEN == len(play.context.seen)
        play.tick()

        assert MAX_SEEN == play.story().count("branch b yes")

    def test_keys_count_here_too(self):
        """
        Another cart's event is not this run's.
        """
        text = KEYED + step("a", "delay = '1h'") + step("b", on("yes:Yes:end"))
        play = Play(text).enter(key="c1", cart="c1").hear("Yes", cart="c2").tick()

        assert "waiting b" == play.story()[-1]


class TestExit:
    def test_it_comes_before_any_branch(self):
        """
        And ends the run at once, its sends with it.
        """
        text = ENTRY + EXIT + step("a", on("yes:Bought:next")) + step("b", SEND)
        play = Play(text).enter().hear("Bought", after=HOUR)

        assert ["entered", "waiting a", "exited a bought"] == play.story()
        assert (RunState.EXITED, "bought", None, play.now) == (
            play.run.state, play.run.reason, play.run.due_at, play.run.ended_at,
        )  # fmt: skip
        assert ["exited: bought"] == play.cancels

    def test_the_first_that_holds_names_it(self):
        """
        In the order of the file.
        """
        exits = """exit = [{ name = "no", when = 'event = "No"' }, { name = "one", when = "all" },
        { name = "two", when = "all" }]
"""
        play = Play(ENTRY + exits + step("a", "delay = '1h'")).enter().hear("Any")

        assert "exited a one" == play.story()[-1]

    @pytest.mark.parametrize(
        ("key", "properties", "is_exit"),
        [
            ("", {"cart": "c1"}, True),
            ("", {"cart": "c2"}, False),
            ("", {}, False),
            ("", {"cart": ["c1"]}, False),
            (", key = false", {}, True),
            (', key = "$.properties.id"', {"id": "c1"}, True),
            (', key = "$.properties.id"', {"cart": "c1"}, False),
        ],
    )
    def test_it_is_for_runs_of_its_key(self, key, properties, is_exit):
        """
        The entry's path unless it has its own; all of the person's if `key = false`.
        """
        exits = f"exit = [{{ name = 'bought', when = 'event = \"Bought\"'{key} }}]\n"
        play = Play(KEYED + exits + step("a", "delay = '1h'")).enter(key="c1", cart="c1")
        play.hear("Bought", **properties)

        assert is_exit is (play.run.state is RunState.EXITED)

    def test_a_number_and_its_text_are_one_key(self):
        """
        Keys compare as text.
        """
        play = Play(KEYED + EXIT + step("a", "delay = '1h'")).enter(key="5", cart=5)

        assert RunState.EXITED is play.hear("Bought", cart="5").run.state

    def test_it_may_send_and_track_once(self):
        """
        With no step, and what it sends is not cancelled with the rest.
        """
        exits = """[[journey.j.exit]]
name = "bought"
when = 'event = "Bought"'
send = "receipt"
track = { event = "Saved", properties = { n = "$.properties.n" } }
"""
        play = Play(ENTRY + exits + step("a", "delay = '1h'")).enter().hear("Bought", n=3)
        send, track = play.wishes()

        assert WantSend("j", "receipt") == send
        assert WantCall("j", "track", "Saved", {"n": 3}) == track
        assert [("send", "", exit_origin(1)), ("effect", "", exit_origin(1))] == [
            (line.what, line.step, line.origin) for line in play.lines if line.wish is not None
        ]
        assert ["exited: bought"] == play.cancels
        play.hear("Bought")
        assert 2 == len(play.wishes())

    def test_after_the_end_it_cancels_what_still_waits(self):
        """
        For as long as that could leave; the run stays completed.
        """
        play = Play(ENTRY + EXIT + step("a", SEND)).enter()
        play.run = changed(play.run, sends_until=NOON + HOUR)
        play.hear("Bought", after=MINUTE)

        assert (["exited: bought"], RunState.COMPLETED, 0) == (
            play.cancels, play.run.state, play.run.sends_until,
        )  # fmt: skip
        assert "completed a" == play.story()[-1]
        assert ["exited: bought"] == play.hear("Bought").cancels

    def test_after_all_has_left_it_says_nothing(self):
        """
        There is nothing to cancel.
        """
        play = Play(ENTRY + EXIT + step("a", SEND)).enter()
        play.run = changed(play.run, sends_until=NOON + HOUR)
        before = play.run

        assert before == play.hear("Bought", after=HOUR).run

    def test_also_of_a_run_that_could_not_go_on(self):
        """
        Failed or looped: what it reserved has not failed.
        """
        text = ENTRY + EXIT + step("a", SEND) + step("b", 'until = { at = "$.properties.at" }')
        play = Play(text).enter()
        play.run = changed(play.run, sends_until=NOON + HOUR)
        assert RunState.FAILED is play.run.state
        assert NOON + HOUR == watch_until(play.journey, play.run, NOON)

        play.hear("Bought")
        assert ["exited: bought"] == play.cancels
        assert None is watch_until(play.journey, play.run, NOON)


class TestGoal:
    def test_one_conversion_a_run_with_its_value(self):
        """
        Prices as text are numbers; the variant is counted with it.
        """
        play = Play(ENTRY + GOAL + step("a", "delay = '1h'")).enter()
        play.hear("Bought", after=MINUTE, total="$55.34").hear("Bought", total="$1.00")

        assert ["entered", "waiting a", "goal a"] == play.story()
        assert (NOON + MINUTE, "55.34", "55.34") == (
            play.run.converted_at, play.run.value, play.lines[-1].value,
        )  # fmt: skip

    @pytest.mark.parametrize(
        ("total", "value"),
        [("$1,055.34", "1055.34"), (12, "12"), (12.5, "12.5"), ("a lot", None), (None, None),
         (True, None), ([1], None), ("-3", "-3"), ("1e400", None)],
    )  # fmt: skip
    def test_a_value_is_a_number_or_none(self, total, value):
        """
        The conversion counts either way.
        """
        play = Play(ENTRY + GOAL + step("a", "delay = '1h'")).enter().hear("Bought", total=total)

        assert play.run.converted_at is not None
        if total != "1e400":  # how far numbers go is not told here
            assert value == play.run.value

    @pytest.mark.parametrize(("after", "is_counted"), [(DAY, True), (DAY + 1, False)])
    @pytest.mark.parametrize("is_over", [False, True])
    def test_within_counts_from_the_entry_inclusive(self, after, *, is_counted, is_over):
        """
        Also after the run ended.
        """
        steps = step("a", "delay = '1h'" if is_over else "delay = '9d'")
        play = Play(ENTRY + GOAL + steps).enter()
        if is_over:
            play.tick()
            assert RunState.COMPLETED is play.run.state
        play.now = NOON + after
        watched = watch_until(play.journey, play.run, NOON + HOUR)
        play.hear("Bought")

        assert is_counted is (play.run.converted_at is not None)
        assert is_counted is (watched is not None and watched > play.now) or not is_over

    def test_an_exit_may_be_a_goal(self):
        """
        Both are told, the exit first.
        """
        play = Play(ENTRY + EXIT + GOAL + step("a", "delay = '1h'")).enter()

        assert ["exited a bought", "goal a"] == play.hear("Bought", total=5).story()[2:]

    def test_a_goal_has_keys_like_an_exit(self):
        """
        Another cart is another's.
        """
        play = Play(KEYED + GOAL + step("a", "delay = '1h'")).enter(key="c1", cart="c1")

        assert None is play.hear("Bought", cart="c2").run.converted_at
        assert None is not play.hear("Bought", cart="c1").run.converted_at

    def test_who_converted_is_watched_no_longer(self):
        """
        Once the run is over.
        """
        play = Play(ENTRY + GOAL + step("a", SEND)).enter()
        until = NOON + DAY + 1
        assert until == watch_until(play.journey, play.run, NOON)
        play.hear("Bought")

        assert None is watch_until(play.journey, play.run, NOON)


class TestSplit:
    @pytest.mark.parametrize(("plan", "where"), [("pro", "b"), ("free", "c"), (None, "d")])
    def test_the_first_branch_that_holds_or_else(self, plan, where):
        """
        By the person as known when the run comes there.
        """
        text = """split = [{ name = "pro", when = 'profile.plan = "pro"', then = "b" },
         { name = "any", when = 'profile.plan != null', then = "c" }]
else = "d"
"""
        steps = [step("a", text), *(step(one, "delay = '1h'") for one in "bcd")]
        play = Play(ENTRY + "".join(steps), Person(1, traits={"plan": plan} if plan else {}))
        play.enter()

        name = {"b": "pro", "c": "any", "d": "else"}[where]
        assert ["entered", f"branch a {name}", f"waiting {where}"] == play.story()

    def test_without_else_it_goes_on(self):
        """
        To the next step.
        """
        text = "split = [{ name = 'no', when = 'event = \"No\"', then = 'end' }]"
        play = Play(ENTRY + step("a", text) + step("b", "delay = '1h'")).enter()

        assert ["branch a else", "waiting b"] == play.story()[1:]

    @pytest.mark.parametrize(
        ("when", "is_met"),
        [
            ('journey.entry.properties.n = 1', True),
            ('journey.latest.properties.n = 2', True),
            ('properties.n = 2', True),
            ('journey.events.Cart\\\\ Modified.properties.n = 2', True),
            ('journey.events.Start.properties.n = 1', True),
            ('journey.branch.a.changed.properties.n = 2', True),
            ('journey.branch.a.other.properties.n = null', True),
            ('journey.id = "j" and journey.step = "s"', True),
            ('journey.variant = null', True),
            ('journey.entered_at = "2026-01-05T12:00:00.000Z"', True),
            ('journey.entry.properties.n = 2', False),
        ],
    )  # fmt: skip
    def test_conditions_see_what_the_run_knows(self, when, is_met):
        """
        Whole events, by name and by branch.
        """
        split = f"split = [{{ name = 'yes', when = '''{when}''', then = 'end' }}]"
        split = split.replace("\\\\", "\\")
        text = ENTRY + step("a", on("changed:Cart Modified:next")) + step("s", split)
        play = Play(text + step("z", "delay = '1h'")).enter(n=1).hear("Cart Modified", n=2)

        assert is_met is (play.run.state is RunState.COMPLETED), play.story()

    def test_at_a_tick_windows_end_with_it(self):
        """
        What `did()` counts has left the window by then; audiences are those of now.
        """
        split = """split = [{ name = "did", when = 'did("Seen", 1, "1h")', then = "end" },
        { name = "in", when = 'in_audience("vip")', then = "end" }]
"""
        text = ENTRY + step("a", "delay = 'WAIT'") + step("s", split) + step("z", "delay = '1h'")
        near = Play(text.replace("WAIT", "1h")).enter().hear("Seen").tick()
        far = Play(text.replace("WAIT", "61m")).enter().hear("Seen").tick()
        vip = Play(text.replace("WAIT", "61m")).enter()
        vip.person = people.with_audience(vip.person, "vip", NOON, member=True)

        assert ["branch s did", "completed s"] == near.story()[2:]
        assert ["branch s else", "waiting z"] == far.story()[2:]
        assert ["branch s in", "completed s"] == vip.tick().story()[2:]


RANDOM = """random = [{ name = "plain", weight = 1, then = "b" },
          { name = "none", weight = 1, then = "end" }]
"""


class TestRandom:
    def _variants(self, *, sticky: bool, people: int = 1, runs: int = 1, salt: str = "") -> list:
        text = ENTRY + step("a", RANDOM + f"sticky = {str(sticky).lower()}")
        text += step("b", "delay = '1h'")
        found = []
        for person in range(people):
            for run in range(runs):
                play = Play(text, Person(1, user_id=f"p{person}"), salt=salt)
                play.number = run
                found.append(play.enter(key=f"k{run}").run.variant)
        return found

    def test_the_branch_is_the_variant(self):
        """
        A hold-out ends at once.
        """
        text = ENTRY + step("a", RANDOM) + step("b", "delay = '1h'")
        for user in map(str, range(20)):
            play = Play(text, Person(1, user_id=user)).enter()
            end = "completed a" if play.run.variant == "none" else "waiting b"
            assert ["entered", f"branch a {play.run.variant}", end] == play.story()

    def test_sticky_is_the_same_in_every_run_of_a_person(self):
        """
        Otherwise each run has its own chance, the same each time it is asked.
        """
        assert 1 == len(set(self._variants(sticky=True, runs=30)))
        assert 2 == len(set(self._variants(sticky=False, runs=30)))
        assert 2 == len(set(self._variants(sticky=True, people=30)))
        assert self._variants(sticky=False, runs=30) == self._variants(sticky=False, runs=30)

    def test_a_salt_moves_it(self):
        """
        As a simulation's seed.
        """
        plain, salted = (self._variants(sticky=True, people=40, salt=salt) for salt in ("", "s"))
        assert plain != salted

    def test_sends_carry_it(self):
        """
        So that results can be counted by variant.
        """
        one = "random = [{ name = 'only', weight = 1, then = 'next' }]"
        play = Play(ENTRY + step("a", one) + step("b", SEND)).enter()

        assert [WantSend("j", "digest", step="b", variant="only")] == play.wishes()


class TestUntil:
    def _due(self, until: str, *, person: Person | None = None, **properties: object) -> Play:
        text = ENTRY + step("a", f"until = {until}")
        return Play(text, person or Person(1, user_id="u1")).enter(**properties)

    @pytest.mark.parametrize(
        ("at", "offset", "due"),
        [
            ("2026-01-05T15:00:00Z", "0s", NOON + 3 * HOUR),
            ("2026-01-05T15:00:00Z", "-1h", NOON + 2 * HOUR),
            ("2026-01-05T15:00:00+02:00", "1h", NOON + 2 * HOUR),
            (NOON // 1000 + 60, "0s", NOON + MINUTE),
            (NOON + 60_000, "0s", NOON + MINUTE),
        ],
    )
    def test_a_moment_the_event_holds(self, at, offset, due):
        """
        Moved by the offset.
        """
        play = self._due(f'{{ at = "$.properties.at", offset = "{offset}" }}', at=at)

        assert due == play.run.due_at
        assert RunState.COMPLETED is play.tick().run.state

    @pytest.mark.parametrize("at", ["2026-01-05T12:00:00Z", "2026-01-05T12:30:00Z", "1999-01-01"])
    def test_one_that_is_past_is_not_waited_for(self, at):
        """
        Nor one that is now.
        """
        play = self._due('{ at = "$.properties.at", offset = "-30m" }', at=at)

        assert ["entered", "completed a"] == play.story()

    @pytest.mark.parametrize("at", [None, "soon", True, [], {}, "", NAN])
    def test_none_ends_the_run_by_name(self, at):
        """
        It cannot go on, and says why.
        """
        play = self._due('{ at = "$.properties.at" }', at=at)

        said = f"until: expected a time, got {'none' if at is None or at is NAN else repr(at)}"
        assert (RunState.FAILED, said) == (play.run.state, play.run.reason)
        assert f"failed: {said}" == play.lines[-1].reason

    def test_a_value_that_cannot_be_had_ends_it_too(self):
        """
        A mapping that fails is no time.
        """
        play = self._due(f"{{ at = {TOO_LONG} }}", x="a" * 10_000)

        assert RunState.FAILED is play.run.state
        assert str(play.run.reason).startswith("until: ")
        assert "expected a time" not in str(play.run.reason)

    @pytest.mark.parametrize(
        ("until", "traits", "zone", "due"),
        [
            ('{ time = "12:00" }', {}, None, None),  # now is not past
            ('{ time = "11:59" }', {}, None, NOON + DAY - MINUTE),
            ('{ time = "13:00", zone = "Europe/Berlin" }', {}, None, None),
            ('{ time = "14:00", zone = "Europe/Berlin" }', {}, "Asia/Tokyo", NOON + HOUR),
            ('{ time = "09:00", zone = "$.profile.timezone" }', {}, None, NOON + 21 * HOUR),
            (
                '{ time = "22:00", zone = "$.profile.timezone" }', {"timezone": "Asia/Tokyo"},
                "Europe/Berlin", NOON + HOUR,
            ),
            (
                '{ time = "22:00", zone = "$.profile.timezone" }', {"timezone": "Mars/Olympus"},
                "Asia/Tokyo", NOON + HOUR,
            ),
            ('{ time = "12:00", days = ["tue"] }', {}, None, NOON + DAY),
            ('{ time = "12:00", days = ["mon"] }', {}, None, None),
            ('{ time = "11:00", days = ["mon"] }', {}, None, NOON + 7 * DAY - HOUR),
        ],
    )  # fmt: skip
    def test_a_time_of_day(self, until, traits, zone, due):
        """
        Today if not past, inclusive; in the zone that is written, or looked up, or the person's.
        """
        person = Person(1, user_id="u1", traits=traits, zone=zone)
        play = self._due(until, person=person)

        assert due == play.run.due_at
        assert (RunState.COMPLETED if due is None else RunState.WAITING) is play.run.state

    @given(
        st.times(timezones=st.none()).map(lambda at: at.replace(second=0, microsecond=0)),
        st.integers(0, 365 * 24 * 60),
        st.sampled_from(
            ["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Sydney"]
        ),
    )
    @settings(max_examples=50, deadline=None)
    def test_it_is_never_past_and_at_most_two_days_off(self, at, minute, zone):
        """
        Whatever clocks do in between.
        """
        text = f'until = {{ time = "{at:%H:%M}", zone = "{zone}" }}'
        play = Play(ENTRY + step("a", text))
        play.now = NOON + minute * MINUTE
        play.enter()

        due = play.run.due_at or play.now
        assert play.now <= due <= play.now + 2 * DAY


class TestActions:
    def test_mappings_see_the_latest_event_and_the_run(self):
        """
        `$.` is the event last taken; `journey` what the run knows.
        """
        track = """[journey.j.step.track]
event = "T"
[journey.j.step.track.properties]
n = "$.properties.n"
first = "$.journey.entry.properties.n"
last = "$.journey.latest.properties.n"
changed = "$.journey.branch.a.changed.properties.n"
named = "$.journey.events['Changed'].type"
id = "{{ journey.id }}-{{ journey.step }}"
key = "$.journey.key"
none = "$.journey.branch.x.y"
"""
        text = KEYED + step("a", on("changed:Changed:next")) + step("t", track)
        play = Play(text).enter(key="c1", cart="c1", n=1).hear("Changed", cart="c1", n=2)
        (call,) = play.wishes()

        assert {
            "n": 2, "first": 1, "last": 2, "changed": 2, "named": "track", "id": "j-t", "key": "c1",
        } == call.fields  # fmt: skip

    def test_traits_are_those_of_the_moment(self):
        """
        Not those of the entry.
        """
        text = ENTRY + step("a", "delay = '1h'")
        text += step("t", 'identify = { traits = { plan = "$.profile.plan" } }')
        play = Play(text, Person(1, user_id="u1", traits={"plan": "free"})).enter()
        play.person = changed(play.person, traits={"plan": "pro"})
        play.tick()

        assert [WantCall("j", "identify", None, {"plan": "pro"})] == play.wishes()

    def test_values_that_cannot_be_had_stop_nothing(self):
        """
        It is said, and the run goes on.
        """
        text = ENTRY + step("a", f"track = {{ event = 'T', properties = {{ n = {TOO_LONG} }} }}")
        play = Play(text + step("b", "delay = '1h'")).enter(x="a" * 10_000)
        (wish,) = play.wishes()

        assert isinstance(wish, CannotDo)
        assert ["effect a", "waiting b"] == play.story()[1:]

    def test_a_local_audience_moves_at_once(self):
        """
        A split right after it sees it.
        """
        text = ENTRY + step("a", 'add_to_audience = "vip"')
        text += step("s", "split = [{ name = 'in', when = 'in_audience(\"vip\")', then = 'end' }]")
        play = Play(text + step("z", "delay = '1h'")).enter()

        assert ["branch s in", "completed s"] == play.story()[2:]
        assert play.person.audiences["vip"][0]


class TestTicked:
    def test_a_step_that_its_version_lacks_ends_the_run_by_name(self):
        """
        Of a definition kept by hand, or damaged.
        """
        play = Play(ENTRY + step("a", "delay = '1h'")).enter()
        play.run = changed(play.run, step="gone")
        play.tick()

        assert (RunState.FAILED, "its version has no step 'gone'") == (
            play.run.state, play.run.reason,
        )  # fmt: skip


class TestHeard:
    def test_events_that_concern_nothing_ask_for_nothing(self):
        """
        What the run knows is not even read.
        """
        play = Play(ENTRY + EXIT + step("a", on("yes:Yes:end"))).enter()
        concerns = play.rules.programs.concerns(play.journey, "track", "Other")

        def context() -> None:
            raise AssertionError

        moment = Moment(NOON, happened("Other"))
        assert None is engine.heard(
            play.journey, play.run, concerns, context=context, person=play.person, moment=moment
        )

    def test_ended_otherwise_nothing_concerns_a_run(self):
        """
        Merged, archived, failed from outside.
        """
        for signal in (RunSignal.MERGE, RunSignal.ARCHIVE, RunSignal.FAIL):
            play = Play(ENTRY + EXIT + GOAL + step("a", "delay = '1h'")).enter()
            over = engine.ended(play.run, signal, "why", at_ms=NOON)

            assert (None, NOON, "why", None) == (
                over.due_at, over.ended_at, over.reason, over.watch_until,
            )  # fmt: skip

    def test_while_it_waits_all_concerns_it(self):
        """
        For ever.
        """
        play = Play(ENTRY + step("a", "delay = '1h'")).enter()

        assert FOREVER == watch_until(play.journey, play.run, NOON)


EVENTS = st.sampled_from(["Start", "Yes", "No", "Again", "Bought", "tick", "over"])
BUSY = (
    ENTRY.replace("[journey.j]", "[journey.j]\n" + EXIT + GOAL)
    + step("a", on("yes:Yes:next", "again:Again:restart", more="max_restarts = 2"))
    + step("b", SEND)
    + step("c", on("no:No:a", "yes:Yes:d", hold="30m"))
    + step("d", RANDOM)
    + step("b2", "delay = '10m'\nnext = 'a'")
).replace('then = "b"', "then = 'b2'")


class TestAlways:
    @given(st.lists(EVENTS, max_size=40), st.text(max_size=3))
    @settings(max_examples=80, deadline=None)
    def test_the_same_story_gives_the_same_run(self, events, user):
        """
        P7; and whatever happens a run stands somewhere that makes sense.
        """
        first, second = self._played(events, user), self._played(events, user)

        assert (first.run, first.lines, first.context) == (second.run, second.lines, second.context)
        run = first.run
        assert (run.state is RunState.WAITING) is (run.due_at is not None) is run.is_alive
        assert run.is_alive is (run.ended_at is None)
        assert run.step in first.journey.places
        assert run.due_at is None or run.due_at >= run.step_at
        origins = [line.origin for line in first.lines if line.wish is not None]
        assert len(origins) == len(set(origins))
        assert first.story().count("goal a") <= 1

    def _played(self, events: list[str], user: str) -> Play:
        play = Play(BUSY, Person(1, user_id=user or "u")).enter()
        for name in events:
            if name == "tick":
                if play.run.is_alive:
                    play.tick()
            elif name == "over":
                play.now += TEN_MINUTES
            else:
                play.hear(name)
        return play


def test_noon_is_a_monday():
    """
    Which the days above count on.
    """
    assert 0 == dt.datetime.fromtimestamp(NOON / 1000, dt.UTC).weekday()

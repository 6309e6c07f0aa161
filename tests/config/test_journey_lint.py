"""Warnings about journeys: legal, and probably not meant."""
# ruff: noqa: E501 - a message is compared whole, on one line

from __future__ import annotations

import pytest

HEAD = f"sendgrid = {{ from = 'a@b.example', api_key = '${{K}}' }}\nsegment.write_key = '${{K}}'\nemail.a.template = 'd-{'0' * 32}'\nroute.r = {{ when = 'all', send = 'a' }}\n"
KEYED = """when = 'event = "X"', key = '$.properties.id'"""
WAIT = "hold = '1h', on = [{ name = 'x', when = 'event = \"X\"', then = 'next' }]"


def on(*branches):
    """
    A hold that waits for each (name, condition, target and more).
    """
    rows = ", ".join(f"{{ name = '{n}', when = '{w}', then = {t} }}" for n, w, t in branches)
    return f"hold = '1h', on = [{rows}]"


def split(*branches):
    """
    A split by each (name, condition, target).
    """
    rows = ", ".join(f"{{ name = '{n}', when = '{w}', then = '{t}' }}" for n, w, t in branches)
    return f"split = [{rows}]"


@pytest.fixture
def warned(loaded):
    """
    Say what is warned of in one journey of these steps, without the names that all share.
    """

    def _warned(*steps, entry="when = 'event = \"X\"'", table=""):
        rows = ", ".join(f"{{ id = 's{n}', {step} }}" for n, step in enumerate(steps))
        text = f"{HEAD}[journey.j]\nentry = {{ {entry} }}\nstep = [{rows}]\n{table}"
        found = loaded(text, K="x").warnings
        return [
            warning.message.replace("`journey.j.", "`").replace("`step.", "`") for warning in found
        ]

    return _warned


class TestPassage:
    @pytest.mark.parametrize(
        ("steps", "unreached"),
        [
            (["delay = '1h'", "send = 'a'"], []),
            (["delay = '1h', next = 'end'", "send = 'a'"], ["s1"]),
            (["delay = '1h', next = 's2'", "send = 'a'", "send = 'a'"], ["s1"]),
            (["delay = '1h', next = 'end'", "send = 'a', next = 's2'", "send = 'a', next = 's1'"], ["s1", "s2"]),
            (["random = [{ name = 'a', weight = 1, then = 'end' }, { name = 'b', weight = 1, then = 's2' }]", "send = 'a'", "delay = '1h'"], ["s1"]),
            ([split(("a", "profile.x = 1", "s2")) + ", else = 'end'", "send = 'a'", "send = 'a'"], ["s1"]),
            ([split(("a", "profile.x = 1", "s2")), "send = 'a'", "send = 'a'"], []),
            ([on(("a", "all", "'s2'")) + ", timeout = 'end'", "send = 'a'", "send = 'a'"], ["s1"]),
            ([on(("a", "all", "'restart'")), "send = 'a', next = 's0'"], []),
        ],
    )  # fmt: skip
    def test_a_step_that_nothing_leads_to(self, warned, *, steps, unreached):
        """
        Found by following every target from the first step on.
        """
        expected = [f"`{step}` is never reached: nothing leads to it" for step in unreached]

        assert expected == warned(*steps)

    @pytest.mark.parametrize(
        ("steps", "way"),
        [
            (["send = 'a', next = 's0'"], '("s0")'),
            (["delay = '1h', next = 's0'"], None),
            ([WAIT, "send = 'a', next = 's0'"], None),
            (["until = { time = '09:00' }", "send = 'a', next = 's0'"], None),
            (["send = 'a'", "delay = '1h'", "send = 'a', next = 's0'"], None),
            (["delay = '1h'", "send = 'a'", "send = 'a'", "send = 'a', next = 's1'"], '("s1" -> "s2" -> "s3")'),
            (["send = 'a'", split(("a", "profile.x = 1", "s0"))], '("s0" -> "s1")'),
            (["send = 'a'", "random = [{ name = 'a', weight = 1, then = 's0' }, { name = 'b', weight = 1, then = 'end' }]"], '("s0" -> "s1")'),
            (["delay = '1h', next = 's2'", "send = 'a'", "send = 'a', next = 's1'"], '("s1" -> "s2")'),
            ([*["send = 'a'"] * 6, "send = 'a', next = 's0'"], '("s0" -> "s1" -> "s2" -> "s3" -> "s4" -> …)'),
        ],
    )  # fmt: skip
    def test_a_loop_in_which_nothing_waits(self, warned, *, steps, way):
        """
        It would end each run; where something waits it is sound.
        """
        loops = [message for message in warned(*steps) if "loop" in message]

        if way is None:
            assert [] == loops
        else:
            (loop,) = loops
            assert loop.endswith(
                f"is in a loop that waits for nothing {way}: a run in it ends as looped"
            )

    def test_a_moment_that_may_be_past_is_no_wait(self, warned):
        """
        The second time around it is.
        """
        (loop,) = warned("until = { at = '$.properties.at' }", "send = 'a', next = 's0'")

        assert (
            '`s0` is in a loop that waits for nothing once its `until` is past ("s0" -> "s1"): a run in it ends as looped'
            == loop
        )

    def test_each_loop_is_said_once(self, warned):
        """
        Also when there are two, and one journey holds both.
        """
        found = warned(
            split(("a", "profile.x = 1", "s2")),
            "send = 'a', next = 's1'",
            "send = 'a', next = 's2'",
        )

        assert ["`s1` is in a loop", "`s2` is in a loop"] == sorted(m[:17] for m in found)


class TestConditions:
    @pytest.mark.parametrize(
        ("when", "never"),
        [
            ('event = "A" and event = "B"', "never holds, whatever the event"),
            ('type = "track" and type = "page"', "never holds, whatever the event"),
            ("false", "never holds, whatever the event"),
            ('type = "identify" and event = "A"', "asks for the name of a track event and for another type: it never holds"),
            ('type = "track" and event = "A"', None),
            ('event = "A" or event = "B"', None),
            ("all", None),
        ],
    )  # fmt: skip
    def test_a_condition_that_cannot_hold(self, warned, *, when, never):
        """
        Wherever in a journey it stands.
        """
        found = warned(
            on(("b", when, "'next'")), split(("b", when, "s0")), entry=f"when = '{when}'"
        )

        places = ["entry.when", "s0.on.b.when", "s1.split.b.when"]
        assert ([f"`{place}` {never}" for place in places] if never else []) == sorted(found)


class TestHidden:
    @pytest.mark.parametrize(
        ("branches", "behind"),
        [
            ([("a", 'event = "A"', "'end'"), ("b", 'event = "A"', "'end'")], ["b", "a"]),
            ([("a", "all", "'end'"), ("b", 'event = "A"', "'end'")], ["b", "a"]),
            ([("a", "true", "'end'"), ("b", "all", "'end'")], ["b", "a"]),
            ([("a", 'event = "A"', "'end'"), ("b", 'event = "B"', "'end'")], None),
            ([("a", 'event = "A"', "'end'"), ("b", "all", "'end'")], None),
            # the first is for one key, the second for all
            ([("a", 'event = "A"', "'end'"), ("b", 'event = "A"', "'end', key = false")], None),
            ([("a", 'event = "A"', "'end', key = false"), ("b", 'event = "A"', "'end'")], ["b", "a"]),
            ([("a", 'event = "A"', "'end', key = '$.a'"), ("b", 'event = "A"', "'end', key = '$.b'")], None),
            # a restart is not looked back to, and has an end
            ([("a", 'event = "A"', "'restart'"), ("b", 'event = "A"', "'end'")], None),
            ([("a", 'event = "A"', "'restart'"), ("b", 'event = "A"', "'restart'")], ["b", "a"]),
            ([("a", 'event = "A"', "'end'"), ("b", 'event = "A"', "'restart'")], ["b", "a"]),
        ],
    )  # fmt: skip
    def test_a_branch_behind_one_that_always_comes_first(self, warned, *, branches, behind):
        """
        Of the same condition, or of all, and of a key that is not narrower.
        """
        expected = (
            [f'`s0.on.{behind[0]}` is never taken: "{behind[1]}" before it holds whenever it does']
            if behind
            else []
        )

        assert expected == warned(on(*branches), entry=KEYED)

    def test_splits_and_exits_are_asked_in_order_too(self, warned):
        """
        One sentence each.
        """
        found = warned(
            split(("a", "profile.x = 1", "end"), ("b", "profile.x = 1", "end")),
            table="""exit = [{ name = 'a', when = 'event = "Y"' }, { name = 'b', when = 'event = "Y"' }]""",
        )

        assert {
            '`s0.split.b` is never taken: "a" before it holds whenever it does',
            '`exit.b` is never taken: "a" before it holds whenever it does',
        } == set(found)


class TestNeedless:
    @pytest.mark.parametrize(
        ("step", "messages"),
        [
            ("hold = '1h'", ["`s0.hold` waits for no event: without `on` it is a delay"]),
            ("hold = '1h', on = []", ["`s0.hold` waits for no event: without `on` it is a delay"]),
            ("random = [{ name = 'a', weight = 9, then = 'next' }]", ["`s0.random` has one variant: every run takes it"]),
            ("until = { time = '09:00', offset = '1h' }", ["`s0.until.offset` is not used: it moves `at`, not `time`"]),
            ("until = { at = '$.x', days = ['mon'] }", ["`s0.until.days` is not used: it goes with `time`, not with `at`"]),
            (on(("a", "all", "'end'")) + ", timeout = 'end', next = 'end'", ["`s0.next` is not used: every branch says where it leads"]),
            (on(("a", "all", "'next'")) + ", timeout = 'end', next = 'end'", []),
            (on(("a", "all", "'end'")) + ", next = 'end'", []),
            (split(("a", "profile.x = 1", "end")) + ", else = 'end', next = 'end'", ["`s0.next` is not used: every branch says where it leads"]),
            (split(("a", "profile.x = 1", "end")) + ", else = 'next', next = 'end'", []),
            ("random = [{ name = 'a', weight = 1, then = 'end' }, { name = 'b', weight = 1, then = 'end' }], next = 'end'", ["`s0.next` is not used: every branch says where it leads"]),
            ("random = [{ name = 'a', weight = 1, then = 'end' }, { name = 'b', weight = 1, then = 'next' }], next = 'end'", []),
        ],
    )  # fmt: skip
    def test_what_says_nothing(self, warned, *, step, messages):
        """
        A step that could be said more simply, a key that is not looked at.
        """
        assert messages == warned(step)


class TestKeys:
    def test_a_key_without_a_key_of_the_entry(self, warned):
        """
        Runs have none that it could be compared with; false says as much.
        """
        found = warned(
            "hold = '1h', on = [{ name = 'a', when = 'event = \"A\"', key = '$.x', then = 'end' }, { name = 'b', when = 'event = \"B\"', key = false, then = 'end' }]",
            table="exit = [{ name = 'e', when = 'event = \"Y\"', key = '$.x' }]\ngoal = { when = 'event = \"Y\"', key = '$.x' }",
        )

        assert {
            f"`{place}.key` is not looked at, as `entry` has no key"
            for place in ("s0.on.a", "exit.e", "goal")
        } == set(found)

    def test_events_of_sendgrids_have_no_key_of_segments(self, warned):
        """
        They would never end the run, unless a key is given or the entry is such an event too.
        """
        clicked = "exit = [{ name = 'e', when = 'event = \"Email Link Clicked\"'%s }]"
        message = (
            '`exit.e.key` is not set: SendGrid\'s event is asked for "$.properties.id", which it lacks;'
            " `key = false` lets it concern every run"
        )

        assert [message] == warned("delay = '1h'", entry=KEYED, table=clicked % "")
        for sound in (", key = false", ", key = '$.properties.send_id'"):
            assert [] == warned("delay = '1h'", entry=KEYED, table=clicked % sound)
        opened = "when = 'event = \"Email Opened\"', key = '$.properties.campaign_id'"
        assert [] == warned("delay = '1h'", entry=opened, table=clicked % "")
        assert [] == warned("delay = '1h'", table=clicked % "")


class TestBranches:
    @pytest.mark.parametrize(
        ("path", "wrong"),
        [
            ("journey.branch.s0.x.properties.a", None),
            ("journey.branch.s0.x", None),
            ("journey.branch.s0", None),
            ("journey.branch", None),
            ("journey.events.Y.properties.a", None),
            ("journey.branch.s0.y.properties.a", "s0.y"),
            ("journey.branch.s1.a", "s1.a"),
            ("journey.branch.wait.x", "wait.x"),
            ("journey.branch.wait", "wait"),
        ],
    )
    def test_a_branch_that_no_hold_has(self, warned, *, path, wrong):
        """
        Told where a condition or a mapping reads it; a split keeps no event.
        """
        found = warned(
            WAIT,
            split(("a", f"{path} = 1", "next")),
            f"send = {{ email = 'a', data = {{ a = '$.{path}' }} }}",
        )

        places = ["`s1.split.a.when`", "`s2.send.data`"]
        assert ([] if wrong is None else places) == [message.split(" ")[0] for message in found]
        assert all(
            f'reads "journey.branch.{wrong}", and no hold has that branch' in m for m in found
        )

    def test_the_nearest_is_guessed(self, warned):
        """
        Most wrong names are slips.
        """
        (message,) = warned(
            WAIT.replace("'x'", "'changed'"),
            "track = { event = 'E', properties = { a = '$.journey.branch.s0.chnged' } }",
        )

        assert message.endswith(', did you mean "s0.changed"?')


class TestErrors:
    @pytest.mark.parametrize(
        ("step", "message"),
        [
            ("split = []", "expected `journey.j.step.s.split` to be a list of branches, got an empty one"),
            ("random = []", "expected `journey.j.step.s.random` to be a list of branches, got an empty one"),
            ("random = [{ name = 'a', weight = 0, then = 'end' }]", "to be a number over 0, got 0"),
            ("random = [{ name = 'a', weight = nan, then = 'end' }]", "to be a number over 0, got nan"),
            ("hold = '1h', timeout = 'restart'", 'to be a step\'s id, "next" or "end", got "restart"'),
            ("hold = '1h', on = [{ name = 'a', when = 'all', key = '$.', then = 'end' }]", "it leads to the whole event"),
        ],
    )  # fmt: skip
    def test_what_no_run_could_pass(self, loaded, *, step, message):
        """
        Refused at load.
        """
        with pytest.raises(Exception, match="expected") as error:
            loaded(f"[journey.j]\nentry = {{ when = 'all' }}\nstep = [{{ id = 's', {step} }}]")

        assert message in str(error.value)

    def test_more_steps_than_a_run_may_pass(self, loaded):
        """
        A thousand fit, one more does not.
        """
        steps = ",".join(f"{{ id = 's{n}', delay = '1h' }}" for n in range(1_001))

        with pytest.raises(Exception, match="at most 1,000 steps, got 1,001"):
            loaded(f"[journey.j]\nentry = {{ when = 'all' }}\nstep = [{steps}]")


class TestSize:
    def test_the_largest_journey_is_read(self, loaded):
        """
        Loops, branches and targets cost no more than their number: here 1,000 steps of ten.
        """
        branches = ",".join(
            f"{{ name = 'b{n}', when = 'profile.x = {n}', then = 's%d' }}" for n in range(10)
        )
        steps = ",".join(
            f"{{ id = 's{n}', split = [{branches % ((n * 7 % 1_000,) * 10)}], else = 's{n}' }}"
            for n in range(1_000)
        )
        text = f"[journey.j]\nentry = {{ when = 'all' }}\nstep = [{steps}]"

        warnings = loaded(text).warnings

        assert 1 < len(warnings) <= 1_000

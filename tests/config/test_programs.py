"""Journeys: what is written is what is run, and the version says when it changes."""

from __future__ import annotations

import datetime as dt

import pytest

from homing.core import plans
from homing.core.journeys.program import (
    DAY_MS,
    DEFAULT_WITHIN_MS,
    END,
    RESTART,
    Act,
    Delay,
    Hold,
    QuietHours,
    Reentry,
    Repeat,
    Status,
    Until,
)
from homing.core.mapping import ABSENT

EMAIL = f"sendgrid.from = 'Acme <a@b.example>'\nemail.a.template = 'd-{'0' * 32}'\n"
WHEN = """when = 'event = "X"'"""
KEY = 'key = "$.properties.cart_id"'
HOUR_MS = 3_600_000


@pytest.fixture
def journey(loaded):
    """
    Compile one journey, given what stands in its table and in those of its steps.
    """

    def _journey(*steps, entry=WHEN, table="", top=""):
        text = "".join(f"[[journey.j.step]]\nid = 's{n}'\n{step}\n" for n, step in enumerate(steps))
        head = f"{EMAIL}{top}\n[journey.j]\nentry = {{ {entry} }}\n{table}\n"
        return loaded(head + (text or "step = [{ id = 's0', delay = '1h' }]")).plans.journeys["j"]

    return _journey


def texts(*paths):
    """
    Name where keys are read, None of those that are not.
    """
    return [path and path.text for path in paths]


class TestDefaults:
    def test_a_short_journey_has_the_documented_defaults(self, journey):
        """
        What the manual says of keys that are left out.
        """
        found = journey("hold = '1h'", table=f"goal = {{ {WHEN} }}")

        entry, (hold,) = found.entry, found.steps
        assert (None, Reentry.ONCE, Repeat.IGNORE, DAY_MS, False) == (
            *(entry.key, entry.reentry, entry.repeat, entry.max_age_ms, entry.backfill),
        )
        assert Hold("s0", HOUR_MS, (), END, 100, look_back=True) == hold
        assert (DEFAULT_WITHIN_MS, None) == (found.goal.within_ms, found.goal.value)
        assert ("j", Status.LIVE, 0, None, 6 * HOUR_MS, (), "", ()) == (
            *(found.name, found.status, found.priority, found.quiet, found.max_lateness_ms),
            *(found.consent, found.description, found.exits),
        )

    @pytest.mark.parametrize(
        ("entry", "reentry"),
        [
            ("", Reentry.ONCE),
            (KEY, Reentry.ALWAYS),
            ('reentry = "always"', Reentry.ALWAYS),
            (f'{KEY}, reentry = "once"', Reentry.ONCE),
            ('reentry = "after-exit"', Reentry.AFTER_EXIT),
            ('reentry = "1d12h"', 36 * HOUR_MS),
        ],
    )
    def test_who_may_enter_again_depends_on_the_key(self, journey, *, entry, reentry):
        """
        Always with a key, once without, unless it is said.
        """
        found = journey(entry=", ".join(filter(None, [WHEN, entry]))).entry.reentry

        assert (reentry, type(reentry)) == (found, type(found))

    def test_every_key_reaches_the_program(self, journey):
        """
        Durations are whole milliseconds, days count from Monday.
        """
        found = journey(
            entry=f'{WHEN}, {KEY}, repeat = "restart", max_age = "90m", backfill = true',
            table=f"goal = {{ {WHEN}, within = '7d', value = '$.properties.total' }}\n"
            "status = 'paused'\npriority = -3\nmax_lateness = '1h'\ndescription = 'D'\n"
            "consent = ['ads']\n"
            "quiet_hours = { from = '21:00', to = '08:00', zone = 'Asia/Tokyo' }",
        )

        assert ("restart", 90 * 60_000, True) == (
            *(found.entry.repeat, found.entry.max_age_ms, found.entry.backfill),
        )
        assert 7 * DAY_MS == found.goal.within_ms
        assert 5 == found.goal.value.resolve({"properties": {"total": 5}})
        assert ("paused", -3, HOUR_MS, "D", ("ads",)) == (
            *(found.status, found.priority, found.max_lateness_ms, found.description),
            found.consent,
        )
        assert QuietHours(dt.time(21), dt.time(8), "Asia/Tokyo") == found.quiet


class TestKeys:
    @pytest.mark.parametrize(
        ("entry", "given", "expected"),
        [
            (KEY, "", "$.properties.cart_id"),
            (KEY, ", key = false", None),
            (KEY, ', key = "$.properties.cart"', "$.properties.cart"),
            ("", "", None),
            ("", ", key = false", None),
            ("", ', key = "$.properties.cart"', None),
        ],
    )
    def test_a_key_is_read_where_the_entry_reads_it_unless_said(
        self, journey, *, entry, given, expected
    ):
        """
        The same for exits, goals and what a hold waits for; none where runs have no key.
        """
        one = f"{WHEN}{given}"
        found = journey(
            f"hold = '1h'\non = [{{ name = 'n', then = 'next', {one} }}]",
            entry=", ".join(filter(None, [WHEN, entry])),
            table=f"exit = [{{ name = 'e', {one} }}]\ngoal = {{ {one} }}",
        )

        keys = texts(found.exits[0].key, found.goal.key, found.steps[0].on[0].key)
        assert [expected] * 3 == keys

    def test_the_path_is_ready_to_be_read(self, journey):
        """
        Compiled once, at load; no value is told from null.
        """
        key = journey(entry=f"{WHEN}, {KEY}").entry.key

        assert 7 == key.read({"properties": {"cart_id": 7}})
        assert key.read({"properties": {"cart_id": None}}) is None
        assert [ABSENT, ABSENT, ABSENT] == [key.read(e) for e in ({}, {"properties": 1}, [])]


class TestTargets:
    def test_targets_are_numbers_of_steps(self, journey):
        """
        By id, "next", none, "end" and "restart"; below the last step is the end.
        """
        found = journey(
            f"hold = '1h'\ntimeout = 's2'\non = [{{ name = 'a', {WHEN}, then = 'restart' }}, "
            f"{{ name = 'b', {WHEN}, then = 'end' }}, {{ name = 'c', {WHEN}, then = 'next' }}]",
            f"split = [{{ name = 'a', {WHEN}, then = 's0' }}]",
            "random = [{ name = 'a', weight = 1, then = 'end' }, "
            "{ name = 'b', weight = 2.5, then = 's1' }]",
            "delay = '1h'\nnext = 'end'",
            "send = 'a'",
        )

        hold, split, random, delay, send = found.steps
        assert ([RESTART, END, 1], 2) == ([one.then for one in hold.on], hold.timeout)
        assert ([0], 2) == ([one.then for one in split.branches], split.otherwise)
        assert [(1.0, END), (2.5, 1)] == [(one.weight, one.then) for one in random.variants]
        assert (END, END) == (delay.next, send.next)
        assert {"s0": 0, "s1": 1, "s2": 2, "s3": 3, "s4": 4} == found.places

    def test_next_is_where_the_step_says_that_it_goes_on(self, journey):
        """
        A step's own ``next`` is what "next", a timeout and an else that are left out mean.
        """
        hold, split, *_ = journey(
            f"hold = '1h'\nnext = 's2'\non = [{{ name = 'a', {WHEN}, then = 'next' }}]",
            f"split = [{{ name = 'a', {WHEN}, then = 's0' }}]\nnext = 'end'",
            "delay = '1h'\nnext = 'next'",
        ).steps

        assert (2, 2, END) == (hold.on[0].then, hold.timeout, split.otherwise)


class TestSteps:
    def test_a_moment_that_the_event_tells(self, journey):
        """
        Moved by the offset.
        """
        (until,) = journey("until = { at = '$.properties.at', offset = '-1h' }").steps

        assert "2026" == until.at.resolve({"properties": {"at": "2026"}})
        assert (-HOUR_MS, None, frozenset(), "UTC", None, END) == (
            *(until.offset_ms, until.time, until.days, until.zone, until.zone_path, until.next),
        )

    @pytest.mark.parametrize(
        ("zone", "expected", "path"),
        [
            ("", "UTC", None),
            (", zone = 'Europe/Berlin'", "Europe/Berlin", None),
            (", zone = '$.profile.timezone'", "UTC", "$.profile.timezone"),
        ],
    )
    def test_a_time_of_day(self, journey, *, zone, expected, path):
        """
        In a zone that is named, or that a path leads to.
        """
        (until,) = journey(f"until = {{ time = '09:30', days = ['thu', 'mon']{zone} }}").steps

        assert Until("s0", END, None, 0, dt.time(9, 30), frozenset({0, 3}), expected) == Until(
            *(until.id, until.next, until.at, until.offset_ms, until.time, until.days, until.zone),
        )
        assert [path] == texts(until.zone_path)
        if until.zone_path:
            assert "A/B" == until.zone_path.read({"profile": {"timezone": "A/B"}})

    def test_the_keys_of_a_hold(self, journey):
        """
        How often it restarts, and whether it looks back.
        """
        (hold,) = journey("hold = '1h'\nmax_restarts = 0\nlook_back = false").steps

        assert Hold("s0", HOUR_MS, (), END, 0, look_back=False) == hold

    def test_actions_are_those_of_routes(self, journey):
        """
        One a step; an exit may send and track.
        """
        found = journey(
            "send = { email = 'a', to = '$.x', data = { k = 1 } }",
            "track = { event = 'E', properties = { p = '$.x' } }",
            "identify = { traits = { t = '$.x' } }",
            "upsert_contact = true",
            "add_to_list = 'vip'",
            "remove_from_list = 'vip'",
            "add_to_audience = 'k'",
            "remove_from_audience = 'k'",
            "suppress = 'global'",
            "unsuppress = 'global'",
            table=f"exit = [{{ name = 'e', {WHEN}, send = {{ email = 'a', data = {{ d = 1 }} }}, "
            "track = { event = 'T', properties = { q = '$.x' } } }]",
            top="[list.vip]",
        )

        assert all(isinstance(step, Act) for step in found.steps)
        send, track, identify, *others = (step.action for step in found.steps)
        assert ("a", "X", {"k": 1}) == (
            *(send.email, send.to.resolve({"x": "X"}), send.data.resolve({})),
        )
        assert ("E", {"p": "X"}) == (track.event, track.properties.resolve({"x": "X"}))
        assert {"t": "X"} == identify.traits.resolve({"x": "X"})
        assert [
            plans.UpsertContact(),
            plans.ChangeList("vip", member=True),
            plans.ChangeList("vip", member=False),
            plans.ChangeAudience("k", member=True),
            plans.ChangeAudience("k", member=False),
            plans.Suppress("global"),
            plans.Unsuppress("global"),
        ] == others
        (way_out,) = found.exits
        assert ("a", {"d": 1}) == (way_out.send.email, way_out.send.data.resolve({}))
        assert ("T", {"q": 2}) == (way_out.track.event, way_out.track.properties.resolve({"x": 2}))

    def test_a_long_journey_is_compiled(self, journey):
        """
        As many steps as there may be.
        """
        found = journey(*["delay = '1s'"] * 1_000)

        assert Delay("s999", 1_000, END) == found.steps[-1]
        assert 1_000 == len(found.places)


class TestQuietHours:
    @pytest.mark.parametrize(
        ("text", "quiet"),
        [
            ("", None),
            ("quiet_hours = true", None),
            ("quiet_hours = false", QuietHours(dt.time(0), dt.time(0))),
            ("quiet_hours = { from = '09:00', to = '09:00' }", QuietHours(dt.time(9), dt.time(9))),
        ],
    )
    def test_a_journey_may_have_none_or_those_of_the_file(self, journey, *, text, quiet):
        """
        None is the file's; hours that end as they begin are none at all.
        """
        assert quiet == journey(table=text).quiet

    def test_caps_and_quiet_hours_of_the_file_are_in_the_plans(self, loaded):
        """
        In milliseconds, in the order of the file; none where none are set.
        """
        found = loaded(
            "quiet_hours = { from = '21:00', to = '08:00' }\n"
            "caps.marketing = [{ max = 3, per = '7d' }, { max = 1, per = '1d' }]"
        ).plans

        assert QuietHours(dt.time(21), dt.time(8), "UTC") == found.quiet
        assert (plans.Cap(3, 7 * DAY_MS), plans.Cap(1, DAY_MS)) == found.caps
        assert ((), None, {}) == (
            loaded().plans.caps,
            loaded().plans.quiet,
            loaded().plans.journeys,
        )


BASE = f"""{EMAIL}
[journey.j]
entry = {{ {WHEN}, {KEY} }}
exit = [{{ name = "bought", when = 'event = "Y"' }}]
goal = {{ when = 'event = "Y"', within = "1d" }}
[[journey.j.step]]
id = "wait"
hold = "2h"
on = [{{ name = "changed", {WHEN}, then = "restart" }}]
[[journey.j.step]]
id = "morning"
until = {{ time = "09:00", days = ["mon", "thu"] }}
[[journey.j.step]]
id = "mail"
send = {{ email = "a", data = {{ a = "$.x", b = 1 }} }}
next = "end"
"""


class TestVersion:
    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ('hold = "2h"', "hold = '120m' # longer"),
            ('hold = "2h"', 'hold = "2h"\ntimeout = "morning"\nmax_restarts = 100'),
            ('["mon", "thu"]', "['thu', 'mon']"),
            ('a = "$.x", b = 1', 'b = 1, a = "$.x"'),
            ('next = "end"\n', ""),
            ('id = "wait"\nhold = "2h"', 'hold="2h"\nid="wait"'),
            ('event = "Y"\' }]', "event = \"Y\"', key = '$.properties.cart_id' }]"),
            (KEY, f'{KEY}, reentry = "always", max_age = "1d", backfill = false'),
            ("[journey.j]", "[journey.j]\nstatus = 'paused'"),
            ("[journey.j]", "[journey.j]\npriority = 7\ndescription = 'D'\nconsent = ['x']"),
            ("[journey.j]", "[journey.j]\nquiet_hours = false\nmax_lateness = '1d'"),
            ("[journey.j]", "[email.b]\ntemplate = 'd-" + "1" * 32 + "'\n[journey.j]"),
            ("Acme", "Other"),
        ],
    )
    def test_what_runs_do_the_same_has_the_same_version(self, loaded, *, old, new):
        """
        How it is written does not count, nor what holds for every version.
        """
        assert BASE != BASE.replace(old, new, 1)
        assert self.version(loaded, BASE) == self.version(loaded, BASE.replace(old, new, 1))

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ('hold = "2h"', 'hold = "3h"'),
            ('hold = "2h"', 'hold = "2h"\nlook_back = false'),
            ('then = "restart"', 'then = "next"'),
            ('id = "morning"', 'id = "evening"'),
            ('"09:00"', '"09:01"'),
            ('["mon", "thu"]', '["mon"]'),
            ("days", "zone = '$.profile.zone', days"),
            ('"$.x"', '"$.y"'),
            ('email = "a"', 'email = "a", to = "x@y.example"'),
            ('event = "Y"\' }]', 'event = "Y"\', key = false }]'),
            ('event = "Y"\' }]', 'event = "Z"\' }]'),
            ('"bought"', '"paid"'),
            ('within = "1d"', 'within = "2d"'),
            ('within = "1d"', 'within = "1d", value = "$.x"'),
            (KEY, f'{KEY}, repeat = "restart"'),
            (KEY, 'key = "$.properties.other"'),
        ],
    )
    def test_what_runs_do_otherwise_has_another_version(self, loaded, *, old, new):
        """
        Whatever could change where a run goes or what it does.
        """
        assert BASE != BASE.replace(old, new, 1)
        assert self.version(loaded, BASE) != self.version(loaded, BASE.replace(old, new, 1))

    @pytest.mark.parametrize(
        ("old", "new", "is_same"),
        [
            ("[journey.j]", "[journey.j]\ndescription = 'D'", True),
            ('hold = "2h"', 'hold = "120m"', True),
            ('hold = "2h"', 'hold = "3h"', False),
            ("[journey.j]", "[journey.j]\npriority = 7", False),
            ("[journey.j]", "[journey.j]\nquiet_hours = false", False),
            ("[journey.j]", "[caps]\nmarketing = [{ max = 3, per = '7d' }]\n[journey.j]", False),
            ("[journey.j]", "[quiet_hours]\nfrom = '21:00'\nto = '08:00'\n[journey.j]", False),
        ],
    )
    def test_the_version_of_the_file_counts_what_decides(self, loaded, *, old, new, is_same):
        """
        Also what holds for every version of a journey, but nothing for readers alone.
        """
        changed = loaded(BASE.replace(old, new, 1)).plans.version

        assert is_same == (changed == loaded(BASE).plans.version)

    def version(self, loaded, text):
        """
        The version of the one journey, of the right form.
        """
        version = loaded(text).plans.journeys["j"].version
        assert 16 == len(version)
        assert int(version, 16)
        return version

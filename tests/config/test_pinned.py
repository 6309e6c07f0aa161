"""Versions that are kept: compiled again, they are what they were."""

from __future__ import annotations

import dataclasses
import json
import re

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.config import ConfigError, load
from homing.config.pinned import program_of, with_policy
from homing.core.journeys.program import END, RESTART, QuietHours, Status

EXAMPLE = """
sendgrid.from = "a@b.example"
sendgrid.groups.news = 1
[email.mail]
subject = "S"
text_file = "mail.txt"
[list.vip]
[journey.j]
entry = { when = 'event = "X"', key = "$.properties.id", reentry = "2h" }
exit = [{ name = "out", when = 'event = "Y"', send = "mail" }]
goal = { when = 'event = "Y"', value = "$.properties.total" }
priority = 3
[[journey.j.step]]
id = "wait"
hold = "2h"
on = [{ name = "again", when = 'event = "X"', then = "restart" }]
[[journey.j.step]]
id = "which"
random = [{ name = "é", weight = 1, then = "next" }, { name = "none", weight = 0.5, then = "end" }]
[[journey.j.step]]
id = "morning"
until = { time = "09:00", zone = "$.profile.zone" }
[[journey.j.step]]
id = "mail"
send = { email = "mail", data = { n = 18446744073709551615, f = 1e300, a = [true, {}] } }
[[journey.j.step]]
id = "list"
add_to_list = "vip"
[[journey.j.step]]
id = "news"
suppress = "news"
"""


@pytest.fixture
def example(write):
    """
    Load the example.
    """
    return load(write(EXAMPLE, mail_txt="Hello"), environ={})


def of_step(keys, *, when="all"):
    """
    Write a definition of one step.
    """
    return f'{{"entry": {{"when": "{when}"}}, "step": [{{"id": "a"{keys}}}]}}'.encode()


def readable(value):
    """
    Make a program comparable: mappings are equal by what they give.
    """
    if hasattr(value, "resolve"):
        return value.resolve({"properties": {"total": 5}})
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value) if field.compare]
        return [type(value), *(readable(getattr(value, name)) for name in names)]
    return [readable(child) for child in value] if isinstance(value, tuple) else value


class TestDefinitionOf:
    def test_it_is_the_table_as_the_file_has_it(self, example):
        """
        Durations and targets as they were written, and nothing of the defaults.
        """
        (definition,) = example.definitions.values()

        table = json.loads(definition)
        assert {"entry", "exit", "goal", "priority", "step"} == set(table)
        assert {"id": "list", "add_to_list": "vip"} == table["step"][4]
        assert "2h" == table["step"][0]["hold"]

    def test_the_order_of_keys_does_not_show(self, example):
        """
        The same table gives the same bytes.
        """
        definition = example.definitions["j"]

        assert definition == orjson.dumps(json.loads(definition), option=orjson.OPT_SORT_KEYS)

    def test_every_journey_has_one(self, loaded):
        """
        Also one that an included file holds; none without a journey.
        """
        step = "step = [{ id = 'a', delay = '1h' }]"
        entry = """entry = { when = 'event = "X"' }"""

        assert {} == loaded().definitions
        assert {"a", "b"} == set(
            loaded(f"[journey.a]\n{entry}\n{step}\n[journey.b]\n{entry}\n{step}").definitions
        )


class TestProgramOf:
    def test_it_is_the_program_that_was_compiled(self, example):
        """
        Every target, duration, condition and mapping of it.
        """
        current = example.plans.journeys["j"]

        pinned = program_of("j", example.definitions["j"], current.version)

        assert readable(current) == readable(pinned)

    def test_the_rest_of_the_file_may_be_gone(self, example):
        """
        Its email, list and group are looked for when they are needed, not here.
        """
        pinned = program_of("j", example.definitions["j"], "old")

        assert ("old", "mail", "vip") == (
            *(pinned.version, pinned.steps[3].action.email, pinned.steps[4].action.list_name),
        )

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (b"", "expected a definition in JSON, got something else"),
            (b'{"entry": ', "expected a definition in JSON, got something else"),
            (b"\xff", "expected a definition in JSON, got something else"),
            (b"[" * 100_000, "expected a definition in JSON, got something else"),
            (b"null", "expected a definition in JSON, got something else: no table"),
            (b"[]", "expected a definition in JSON, got something else: no table"),
            (b"{}", "expected `journey.j.entry` to be a table"),
            (of_step("", when="x ="), "to be a condition"),
            (b'{"entry": {"when": "all"}, "step": []}', "to be a list of steps"),
            (of_step(""), "to have one kind, got none"),
            (of_step(', "delay": "1h", "wat": 1'), "unknown key"),
            (of_step(', "delay": "1h", "next": "b"'), "to be a step's id"),
            (of_step(', "send": {"email": "e", "data": {"@no": 1}}'), "have a directive"),
        ],
    )
    def test_what_does_not_fit_any_more_is_named(self, *, text, message):
        """
        By journey and version, each reason on a line.
        """
        with pytest.raises(ConfigError) as error:
            program_of("j", text, "0123")

        assert message in str(error.value)
        assert all(
            str(problem).startswith("version 0123 of journey j: ")
            for problem in error.value.problems
        )


WHENS = ("all", 'event = \\"X\\"', "profile.x = 1", 'did(\\"X\\", 2, \\"7d\\")')
STEPS = (
    "delay = '1h'",
    "hold = '2h'",
    'hold = "2h", on = [{ name = "x", when = "WHEN", then = "GO" }], timeout = "GO"',
    'hold = "2h", on = [{ name = "x", when = "WHEN", key = "$.k", then = "restart" }]',
    "until = { at = '$.properties.at', offset = '-1h' }",
    "until = { time = '09:00', days = ['sun'], zone = 'Asia/Tokyo' }",
    'split = [{ name = "é", when = "WHEN", then = "GO" }], else = "GO", next = "GO"',
    'random = [{ name = "x", weight = 1, then = "GO" }, { name = "y", weight = 2, then = "GO" }]',
    "send = { email = 'mail', to = '$.properties.to', data = { b = 1, a = '{{ x }}' } }",
    "track = { event = 'E', properties = { p = '$.properties.total' } }",
    "suppress = 'global'",
)


class TestAnyJourney:
    @given(st.lists(st.sampled_from(STEPS), min_size=1, max_size=6), st.randoms())
    def test_what_loads_can_be_kept_and_leads_somewhere(self, tmp_path_factory, steps, chance):
        """
        Whatever the steps: every target is one, and the definition gives the same program.
        """
        targets = ["next", "end", *(f"s{n}" for n in range(len(steps)))]
        rows = []
        for number, step in enumerate(steps):
            text = re.sub("GO", lambda _: chance.choice(targets), step)
            text = re.sub("WHEN", lambda _: chance.choice(WHENS), text)
            rows.append(f"{{ id = 's{number}', {text} }}")
        path = tmp_path_factory.getbasetemp() / "any.toml"
        path.write_text(
            f"sendgrid.from = 'a@b.example'\nemail.mail.template = 'd-{'0' * 32}'\n"
            f"[journey.j]\nentry = {{ when = 'all', key = '$.k' }}\nstep = [{', '.join(rows)}]"
        )

        found = load(path, environ={})

        current = found.plans.journeys["j"]
        pinned = program_of("j", found.definitions["j"], current.version)
        assert readable(current) == readable(pinned)
        numbers = {RESTART, END, *range(len(steps))}
        assert numbers >= set(targets_of(current))


def targets_of(journey):
    """
    List where each step may lead.
    """
    for step in journey.steps:
        for name in ("next", "timeout", "otherwise"):
            if hasattr(step, name):
                yield getattr(step, name)
        for name in ("on", "branches", "variants"):
            yield from (one.then for one in getattr(step, name, ()))


class TestWithPolicy:
    def test_what_is_in_force_holds_for_every_version(self, example, loaded):
        """
        Status, priority, hours, lateness and consent; not where a run goes.
        """
        pinned = example.plans.journeys["j"]
        current = loaded("""
[journey.j]
entry = { when = 'event = "Z"' }
step = [{ id = "other", delay = "1h" }]
status = "draft"
priority = 9
quiet_hours = false
max_lateness = "1h"
consent = ["ads"]
description = "D"
""").plans.journeys["j"]

        found = with_policy(pinned, current)

        assert (Status.DRAFT, 9, 3_600_000, ("ads",), "D") == (
            *(found.status, found.priority, found.max_lateness_ms, found.consent),
            found.description,
        )
        assert isinstance(found.quiet, QuietHours)
        assert found.quiet.start == found.quiet.end
        assert (pinned.version, pinned.entry, pinned.steps, pinned.exits, pinned.goal) == (
            *(found.version, found.entry, found.steps, found.exits, found.goal),
        )

    def test_what_it_said_itself_holds_once_the_journey_is_gone(self, example):
        """
        Runs are drained as they were meant.
        """
        pinned = example.plans.journeys["j"]

        assert pinned is with_policy(pinned, None)
        assert 3 == pinned.priority

"""What a template shows, and what it is given."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.doctor.conftest import statuses

from homing.doctor.contract import Supply, judged


def verdict(template, *supplies, is_sendgrids=True, name="html"):
    return list(judged([(name, template)], supplies, about="email e", is_sendgrids=is_sendgrids))


def keys(*names, place="route r", data=()):
    return Supply(place, frozenset(names), data)


def events(*data, place="route r"):
    return Supply(place, None, data)


class TestJudgedByData:
    @pytest.mark.parametrize(
        ("template", "given", "expected"),
        [
            ("{{name}}", ["name"], "ok"),
            ("{{name}}", [], "error"),
            ("{{name}}", ["nam"], "error"),
            ("{{order.total}}", ["order"], "ok"),
            ("{{order.total}}", [], "error"),
            ("{{#if name}}{{name}}{{/if}}", [], "ok"),
            ("{{#if name}}{{name}}{{else}}there{{/if}}", [], "ok"),
            ('{{insert name "default=there"}}', [], "ok"),
            ("{{#if vip}}{{code}}{{/if}}", ["vip"], "warn"),
            ("{{#if vip}}{{code}}{{/if}}", [], "ok"),
            ("{{#each items}}{{name}}{{/each}}", ["items"], "ok"),
            ("{{#each items}}{{name}}{{/each}}", [], "error"),
            ("{{#each items}}{{name}}{{else}}none{{/each}}", [], "ok"),
            ('{{#equals plan "pro"}}x{{/equals}}', [], "warn"),
            ('{{formatDate at "YYYY"}}', [], "error"),
            ("{{unsubscribe}} {{{unsubscribe_preferences}}}", [], "ok"),
            ("nothing", [], "ok"),
        ],
    )
    def test_what_is_shown_must_be_given(self, template, given, expected):
        """Unless a block asks for it, or it has a default."""
        assert [expected] == statuses(verdict(template, keys(*given)))

    def test_homing_fills_in_nothing_of_its_own(self):
        """`unsubscribe` is SendGrid's."""
        assert ["error"] == statuses(verdict("{{unsubscribe}}", keys(), is_sendgrids=False))

    def test_every_way_must_give_it(self):
        """The one that does not is named."""
        (finding,) = verdict("{{code}}", keys("code", place="route a"), keys(place="route b"))

        assert "error" == finding.status.value
        assert "route b does not give code" in finding.found
        assert "route a" not in finding.found

    def test_what_nobody_reads_is_a_note(self):
        """Not a warning."""
        (finding,) = verdict("{{a}}", keys("a", "b", "c"))

        assert "ok" == finding.status.value
        assert "given, and not read: b, c" in finding.found

    def test_the_place_in_the_template_is_told(self):
        """Part and line."""
        (finding,) = verdict("\n\n{{x}}", keys(), name="subject")

        assert "{{x}} (subject, line 3)" in finding.found


class TestJudgedByEvents:
    @pytest.mark.parametrize(
        ("template", "data", "expected"),
        [
            ("{{name}}", [{"name": "a"}, {"name": "b"}], "ok"),
            ("{{name}}", [{"name": "a"}, {}], "warn"),
            ("{{name}}", [{}, {}], "error"),
            ("{{name}}", [{"name": None}], "error"),
            ("{{name}}", [], "skipped"),
            ("{{#if name}}{{name}}{{/if}}", [], "ok"),
            ("{{#if name}}{{name}}{{/if}}", [{}], "ok"),
            ("{{#if vip}}{{code}}{{/if}}", [{"vip": True}], "warn"),
            ("{{#each items}}{{name}}{{/each}}", [{"items": [{"name": 1}]}], "ok"),
            ("{{#each items}}{{name}}{{/each}}", [{"items": [{}]}], "warn"),
            ("{{#each items}}{{name}}{{/each}}", [{"items": []}], "ok"),
        ],
    )
    def test_without_data_recorded_events_tell(self, template, data, expected):
        """In none of them: an error. In some not: a warning. Without any: nobody knows."""
        assert [expected] == statuses(verdict(template, events(*data)))

    def test_what_is_mapped_and_never_there_is_a_warning(self):
        """The mapping is right, the events are not."""
        assert ["warn"] == statuses(verdict("{{a}}", keys("a", data=({"a": None},))))

    def test_how_many_events_lack_it_is_told(self):
        """Counted over every way."""
        (finding,) = verdict("{{a}}", events({"a": 1}, {}), events({}, place="route s"))

        assert "not in 2 of 3 recorded events" in finding.found

    def test_data_that_cannot_be_made_is_an_error(self):
        """With the reason."""
        found = verdict("{{a}}", Supply("route r", frozenset(["a"]), (), "no number (event e7)"))

        assert "error" == found[0].status.value
        assert "route r: data cannot be made: no number (event e7)" == found[0].found


class TestBadTemplates:
    @pytest.mark.parametrize(
        "template",
        ["{{#if a}", "{{#each}}x{{/each}}", "{{> partial}}", "{{nope a}}", "{{a", "{{/if}}"],
    )
    def test_what_sendgrid_drops_is_an_error(self, template):
        """It answers 202, and drops the mail when it renders."""
        assert "error" == verdict(template, keys("a"))[0].status.value

    def test_the_worst_input_ends_in_time(self):
        """Deep, wide, hostile."""
        deep = "{{#if a}}" * 100 + "{{b}}" + "{{/if}}" * 100
        wide = "".join(f"{{{{v{number}}}}}" for number in range(5_000))

        assert ["warn"] == statuses(verdict(deep, keys("a")))
        (finding,) = verdict(wide, keys())
        assert len(finding.found) < 1_000
        assert "error" == verdict("\0", keys())[0].status.value


class TestWhateverIsShown:
    @given(names=st.lists(st.sampled_from(["a", "b.c", "d"]), max_size=5), shape=st.data())
    def test_what_gives_every_name_is_never_wrong(self, names, shape):
        """Whatever the blocks around it."""
        blocks = ["{{%s}}", "{{#if a}}{{%s}}{{else}}-{{/if}}", "{{#unless b}}{{%s}}{{/unless}}",
                  '{{insert %s "default=x"}}', "{{#each d}}{{@root.%s}}{{/each}}"]  # fmt: skip
        template = "".join(shape.draw(st.sampled_from(blocks)) % name for name in names)

        assert ["ok"] == statuses(verdict(template, keys("a", "b", "d")))
        assert {"error"}.isdisjoint(statuses(verdict(template, events())))

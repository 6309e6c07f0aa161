"""Liquid: what a template may say, what it prints, and what stops it."""

from __future__ import annotations

import re

import pytest

from homing.core.mapping import MappingError, MappingFailure, compile_mapping
from homing.core.mapping.limits import MAX_LIQUID_OUTPUT, MAX_LIQUID_TEMPLATE

EVENT = {
    "type": "track",
    "timestamp": "2024-03-01T12:00:00Z",
    "properties": {
        "world": "Earth",
        "price": "55.34",
        "total": 150.0,
        "paid": True,
        "none": None,
        "tags": ["a", "b", None, [True, 2.50]],
        "items": [{"name": "Cup", "size": "L"}, {"name": "Pot"}],
        "empty": [],
        "size": {"size": "XL"},
    },
    "profile": {"first_name": "Ann", "Cart Modified": {"id": 7}},
}


def rendered(template, root=EVENT):
    return compile_mapping({"@liquid": template}).resolve(root)


class TestOutput:
    @pytest.mark.parametrize(
        ("template", "text"),
        [
            ("", ""),
            ("plain", "plain"),
            ("Hello, {{ properties.world }} !", "Hello, Earth !"),
            ("{{ properties.nope }}{{ nope.x.y }}{{ properties.none }}", ""),
            ("{{ properties.total }} {{ properties.paid }} {{ 5.0 }}", "150 true 5"),
            ("{{ properties.tags }}", "abtrue2.5"),
            ("{{ properties }}", "[object Object]"),
            ("{{ properties.items[0].name }}{{ properties.items.1.name }}", "CupPot"),
            ("{{ properties.items.first.name }} {{ properties.items.last.name }}", "Cup Pot"),
            ("{{ properties.items[-1].name }} {{ properties.items[9].name }}", "Pot "),
            ("{{ properties.items.size }} {{ properties.world.size }}", "2 5"),
            ("{{ properties.items.length }} {{ properties.world.length }}", "2 5"),
            ("{{ properties.items[0].size }} {{ properties.size.size }}", "L XL"),
            ('{{ profile["Cart Modified"].id }}', "7"),
            ("{{ properties[profile.key] }}{{ properties[properties.tags] }}", ""),
            ("{{ 'now' }} {{ now }}{{ today }}", "now "),
            ("{{ (1..3) }}", "123"),
            ("{{ empty }}{{ blank }}{{ nil }}", ""),
            ("{%- if true -%} a {%- endif -%} b", "ab"),
        ],
    )
    def test_values_print_as_in_liquidjs(self, template, text):
        """
        Missing is nothing, numbers are JavaScript's, lists run together.
        """
        assert text == rendered(template)

    @pytest.mark.parametrize("root", [None, 5, "text", [1], []])
    def test_any_root_will_do(self, root):
        """
        An item of a list may be anything; then there are no variables.
        """
        assert "[]" == rendered("[{{ a.b }}]", root)


class TestTags:
    @pytest.mark.parametrize(
        ("template", "text"),
        [
            ("{% assign a = properties.world | upcase %}{{ a }}", "EARTH"),
            ("{% capture a %}<{{ properties.world }}>{% endcapture %}{{ a }}", "<Earth>"),
            ("{% if properties.paid %}yes{% else %}no{% endif %}", "yes"),
            ("{% if properties.none %}1{% elsif properties.nope %}2{% else %}3{% endif %}", "3"),
            ("{% unless properties.none %}x{% endunless %}", "x"),
            ("{% comment %}{{ x }}{% endcomment %}{% # note %}-", "-"),
            ("{% raw %}{{ x }}{% endraw %}", "{{ x }}"),
            ("{% increment a %}{% increment a %}{% decrement b %}", "01-1"),
            ("{% cycle 'a', 5.0 %}{% cycle 'a', 5.0 %}{% cycle 'x': 'a' %}", "a5a"),
            ("{% echo properties.tags %}", "abtrue2.5"),
            ("{% liquid\nassign a = 5.0\necho a\n%}", "5"),
            ("{% if properties.paid %}  {% endif %}", "  "),
        ],
    )
    def test_the_tags_that_are_left(self, template, text):
        """
        Assignments, captures and conditions work; nothing loops.
        """
        assert text == rendered(template)

    @pytest.mark.parametrize("tag", ["case", "for", "include", "layout", "render", "tablerow"])
    def test_disabled_tags_are_refused_by_name(self, tag):
        """
        The list is Segment's; they are not hidden inside the `liquid` tag either.
        """
        for template in (f"{{% {tag} %}}, {{{{ a }}}}", f"{{% liquid\n{tag} a in b\n%}}"):
            with pytest.raises(MappingError, match=f'the tag "{tag}", which is disabled'):
                rendered(template)

    @pytest.mark.parametrize(
        ("template", "found"),
        [
            ("{{ a ", "a syntax error: expected '}}', found end of file (line 1, column 1)"),
            ("{% if a %}", "a syntax error: "),
            ("{% ifchanged %}{% endifchanged %}", "a syntax error: unexpected tag 'ifchanged'"),
            ("x\n{% nope %}", "unexpected tag 'nope' (line 2, column 4)"),
            ("{{ 'a }}", "a syntax error: "),
            ("{{ a | }}", "a syntax error: "),
            ("{{ a b }}", "a syntax error: "),
            ("{% break %}", "unexpected tag 'break'"),
            ("x" * (MAX_LIQUID_TEMPLATE + 1), "1,001 characters (at most 1,000)"),
        ],
    )
    def test_what_is_not_liquid_is_refused_at_load(self, template, found):
        """
        The message says what is wrong and, where the engine knows, at which character.
        """
        with pytest.raises(MappingError, match=re.escape(found)):
            compile_mapping({"a": {"@liquid": template}})

    def test_a_template_of_a_thousand_characters_is_allowed(self):
        """
        The limit itself is within it.
        """
        assert "x" * MAX_LIQUID_TEMPLATE == rendered("x" * MAX_LIQUID_TEMPLATE)


class TestClock:
    @pytest.mark.parametrize(
        ("root", "text"),
        [
            ({"timestamp": "2024-03-01T12:00:00Z"}, "2024-03-01"),
            ({"timestamp": "2024-03-01", "receivedAt": "2024-03-02"}, "2024-03-02"),
            ({"receivedAt": "2024-03-02", "send": {"time": "2024-03-03"}}, "2024-03-03"),
            ({"send": {"time": 5}}, "now"),
            ({}, "now"),
        ],
    )
    def test_now_is_the_events_own_time(self, root, text):
        """
        The core has no clock: the same event gives the same text for ever.
        """
        assert text == rendered("{{ 'now' | date: '%Y-%m-%d' }}", root)


class TestLimits:
    @pytest.mark.parametrize(
        ("template", "root"),
        [
            ("{% assign a = s %}" + "{% assign a = a | append: a %}" * 30, {"s": "xxxxxxxx"}),
            ("{% assign a = s %}" + "{% capture a %}{{a}}{{a}}{% endcapture %}" * 21, {"s": "x"}),
            ("{{ s | replace: 'a', s | replace: 'a', s }}", {"s": "a" * 1000}),
            ("{{ s | split: '' | join: s }}", {"s": "a" * 10_000}),
            ("{{ s | upcase }}", {"s": "a" * 8_000_000}),
            ("{{ s | strip_html }}", {"s": "<" * 3_000_000}),
            ("{{ l | join: s }}", {"l": [0] * 10_000, "s": "a" * 10_000}),
            ("{{ l }}" * 100, {"l": [None] * 10_000}),
            ("{{ s }}", {"s": "é" * MAX_LIQUID_OUTPUT}),
            ("{{ (1..n) }}", {"n": 9_999_999_999}),
            ("{{ (1..n) | size }}", {"n": "9" * 4000}),
            ("{% if a == b %}{% endif %}" * 38, {"a": [0] * 100_000, "b": [0] * 100_000}),
            ("{% if a contains 1 %}{% endif %}" * 30, {"a": [0] * 100_000}),
            ("{{ 0 | date: '%999999d' }}{{ x }}", {}),
            ("{{ 0 | date: s }}", {"s": "%Y" * 1000}),
            ("{% cycle s, s %}" * 60, {"s": "a" * 100_000}),
        ],
    )
    def test_work_without_end_is_a_failure(self, template, root):
        """
        Doubling, multiplying, megabytes and endless ranges stop at the limits, with the place.
        """
        compiled = compile_mapping({"a": {"@liquid": template}})

        with pytest.raises(MappingFailure, match=r"`a.@liquid` failed: "):
            compiled.resolve(root)

    @pytest.mark.parametrize("template", ["{{ a }}", "{{ a | json }}", "{% if a == b %}{%endif%}"])
    def test_endless_nesting_is_a_failure(self, template):
        """
        A hundred thousand lists inside each other break no stack.
        """
        value: list[object] = []
        for _ in range(100_000):
            value = [value]

        with pytest.raises(MappingFailure, match=r"`@liquid` failed: "):
            rendered(template, {"a": value, "b": [value]})

    @pytest.mark.parametrize(
        "template",
        [
            "{% if " + " or ".join(["a"] * 150) + " %}x{% endif %}",
            "{% if " + "not " * 200 + "a %}{% endif %}",
            "{% if " + "(" * 300 + "a" + ")" * 300 + " %}{% endif %}",
            "{{ " + "a[" * 300 + "1" + "]" * 300 + " }}",
            "{% if a %}" * 29 + "{% endif %}" * 29,
            "{{ " + "9" * 900 + ".5 | plus: 1 }}",
        ],
    )
    def test_the_widest_templates_render(self, template):
        """
        Whatever fits into 1,000 characters fits on the stack.
        """
        assert isinstance(rendered(template), str)

    def test_a_lone_surrogate_is_replaced(self):
        """
        What a sender's broken text holds does not fail the template.
        """
        assert "\ufffd %EF%BF%BD" == rendered("{{ a }} {{ a | url_encode }}", {"a": "\ud800"})

    def test_two_renderings_know_nothing_of_each_other(self):
        """
        Variables, counters and work start anew each time.
        """
        template = "{% increment n %}{{ a }}{% assign a = s | append: s %}"
        compiled = compile_mapping({"@liquid": template})

        assert ["0"] * 8 == [compiled.resolve({"s": "x" * 200_000}) for _ in range(8)]

"""`compile_mapping`: plain values, shorthands, messages, and what a compiled mapping promises."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime

import pytest

from homing.core.errors import HomingError
from homing.core.mapping import ABSENT, MappingError, MappingFailure, compile_mapping

EVENT = {
    "type": "track",
    "traits": {"name": "Peter", "logins": 5, "address": {"city": "San Francisco"}},
    "properties": {"total": 55.34, "products": [{"id": 1}]},
    "profile": {"first_name": "Ann"},
}


def resolved(mapping, root=EVENT):
    return compile_mapping(mapping).resolve(root)


class TestPlainValues:
    @pytest.mark.parametrize(
        "value",
        [42, 2.5, "text", "", True, None, [], {}, [1, [2]], {"a": {"b": None}}, 2**64 - 1, "$5.00"],
    )
    def test_they_are_themselves(self, value):
        """
        A mapping without directives is its own result, for every event.
        """
        compiled = compile_mapping(value)

        assert value == compiled.resolve(EVENT)
        assert compiled.constant
        assert frozenset() == compiled.paths

    @pytest.mark.parametrize(
        ("mapping", "value"),
        [
            ({"a": "$.nope", "b": None, "c": "$.traits.nope.x"}, {"b": None}),
            (["$.nope", 1], [None, 1]),
            ({"a": {"b": "$.nope"}, "c": [{"d": "$.nope"}]}, {"a": {}, "c": [{}]}),
            ("$.nope", ABSENT),
        ],
    )
    def test_what_is_missing_is_absent(self, mapping, value):
        """
        Members leave, list items become null, null stays: never the text `undefined`.
        """
        assert value == resolved(mapping)

    @pytest.mark.parametrize(
        ("value", "found"),
        [
            (float("nan"), "a number that JSON has not"),
            (float("inf"), "a number that JSON has not"),
            (2**64, "the number 1.84467e+19"),
            (10**400, "a number that JSON has not"),
            (datetime(2024, 1, 5, tzinfo=UTC), "a datetime"),
            (b"x", "a bytes"),
        ],
    )
    def test_what_is_not_json_is_refused(self, value, found):
        """
        TOML has dates and endless numbers; an event does not.
        """
        message = f"expected `a[0]` to be a value that JSON has, got {found}"

        with pytest.raises(MappingError, match=re.escape(message)):
            compile_mapping({"a": [value]})

    @pytest.mark.parametrize("value", ["\ud800", {"\ud800": 1}, {1: 2}])
    def test_text_and_names_can_be_written(self, value):
        """
        Lone surrogates and names that are no text are refused.
        """
        with pytest.raises(MappingError, match=r"lone surrogates|names that are text"):
            compile_mapping(value)


class TestShorthands:
    @pytest.mark.parametrize(
        ("mapping", "value"),
        [
            ("$.traits.name", "Peter"),
            ("$.properties.products[0].id", 1),
            ("Hi {{ profile.first_name }}", "Hi Ann"),
            ({"a": ["$.traits.logins", "{{ traits.logins }}"]}, {"a": [5, "5"]}),
            ("$", "$"),
            ("$5.34", "$5.34"),
            (" $.traits.name", " $.traits.name"),
            ("{% if true %}x{% endif %}", "{% if true %}x{% endif %}"),
            ({"@if": {"exists": "$.traits.name", "then": "{{ traits.name }}"}}, "Peter"),
            ({"@case": {"operator": "upper", "value": "$.traits.name"}}, "PETER"),
            ({"@excludeWhenNull": "$.traits.name"}, "Peter"),
        ],
    )
    def test_paths_and_liquid_may_be_plain_text(self, mapping, value):
        """
        Text that starts with `$.` is a path, text that contains `{{` is Liquid.
        """
        assert value == resolved(mapping)

    def test_a_whole_root_is_the_event(self):
        """
        `$.` alone copies everything.
        """
        assert EVENT == resolved("$.")


class TestMessages:
    @pytest.mark.parametrize(
        ("mapping", "message"),
        [
            (
                {"data": {"items": {"@pth": "$.a"}}},
                "expected `data.items` to have a directive of mapping-kit, "
                'got "@pth" (did you mean "@path"?)',
            ),
            ({"@": 1}, 'expected the mapping to have a directive of mapping-kit, got "@"'),
            (
                {"a": [{"@path": "$.a", "@template": "x"}]},
                'expected `a[0]` to have one directive, got 2: "@path", "@template"',
            ),
            (
                {"@path": "$.a", "foo": 1, "_metadata": {}},
                'expected the mapping to have nothing beside the directive "@path", got "foo"',
            ),
            ("{{ a ", "expected the mapping to be Liquid, got a syntax error: "),
            ({"a": "{{ b | sort }}"}, 'expected `a` to be Liquid, got the filter "sort", which is'),
            ({"a": "{{" + "x" * 999}, "expected `a` to be Liquid, got 1,001 characters (at most"),
        ],
    )
    def test_they_name_the_place_what_is_expected_and_what_was_found(self, mapping, message):
        """
        One sentence says all that is needed to repair the mapping.
        """
        with pytest.raises(MappingError, match=re.escape(message)):
            compile_mapping(mapping)

    def test_the_place_starts_where_the_caller_says(self):
        """
        A configuration calls its mappings by their place in the file, at load and at run time.
        """
        with pytest.raises(
            MappingError, match=r"expected `email.order.data.a.@if` to have"
        ) as error:
            compile_mapping({"a": {"@if": {}}}, place="email.order.data")
        with pytest.raises(MappingFailure, match=r"`email.order.data.a.@path` failed") as failure:
            compile_mapping({"a": {"@path": {"@path": "$.x"}}}, place="email.order.data").resolve(
                {}
            )

        assert "email.order.data.a.@if" == error.value.place
        assert "email.order.data.a.@path" == failure.value.place

    def test_errors_are_ours_and_a_value_error(self):
        """
        Callers may catch either; a failure at run time is none of the mapping's.
        """
        assert issubclass(MappingError, HomingError)
        assert issubclass(MappingError, ValueError)
        assert issubclass(MappingFailure, HomingError)
        assert not issubclass(MappingFailure, ValueError)

    def test_long_values_are_cut(self):
        """
        A message stays a line however long the text is.
        """
        with pytest.raises(MappingError) as error:
            compile_mapping({"@case": {"operator": "x" * 10_000, "value": "a"}})

        assert 200 > len(str(error.value))


class TestCompiled:
    @pytest.mark.parametrize(
        ("mapping", "paths"),
        [
            ("$.properties.total", {"properties.total"}),
            ("$.properties.products[0]['id']", {"properties.products.0.id"}),
            ("$.", {""}),
            ({"a": "$.a", "b": ["$.b.c"]}, {"a", "b.c"}),
            ("{{ a.b | append: c }}{% if d['x y'] %}{% endif %}", {"a.b", "c", "d.x y"}),
            ("{% assign a = b %}{{ a }}", {"b"}),
            ("{{ a[b].c }}", {"a", "b"}),
            ({"@template": "{{a.b}} {{{c}}}"}, {"a.b", "c"}),
            ({"@if": {"exists": "$.a", "then": "$.b", "else": "$.c"}}, {"a", "b", "c"}),
            ({"@path": {"@path": "$.a"}}, {"a"}),
            ({"@arrayPath": ["$.a", {"x": "$.b"}]}, {"a"}),
            ({"@transform": {"apply": {"x": "$.a"}, "mapping": "$.x"}}, {"a"}),
            ({"@merge": {"objects": ["$.a", {"b": "$.c"}]}}, {"a", "c"}),
            ({"@replace": {"pattern": "x", "value": "$.a"}}, {"a"}),
            ({"@literal": {"a": "$.b"}}, set()),
        ],
    )
    def test_it_says_which_paths_of_the_root_it_reads(self, mapping, paths):
        """
        What is read of an item or of a first mapping's result is not of the root.
        """
        assert paths == compile_mapping(mapping).paths

    @pytest.mark.parametrize(
        ("mapping", "constant"),
        [
            ({"@literal": {"a": 1}}, True),
            ({"@if": {"exists": 1, "then": "x"}}, True),
            ({"@case": {"operator": "upper", "value": "x"}}, True),
            ({"@arrayPath": [{"@literal": [{"a": 1}]}, "$.a"]}, True),
            ("{{ 'a' | upcase }}", True),
            ("{{ 'now' | date: '%Y' }}", False),
            ({"a": 1, "b": "$.c"}, False),
            ({"@path": {"@literal": "a"}}, False),
        ],
    )
    def test_it_knows_whether_events_matter(self, mapping, constant):
        """
        What reads nothing is worked out once, at load.
        """
        assert constant is compile_mapping(mapping).constant

    def test_results_are_the_callers_own(self):
        """
        Changing a result changes neither the event nor the next result.
        """
        event = {"a": {"b": [1]}}
        for mapping in ({"x": "$.a", "y": {"z": [1]}}, {"x": {"b": [1]}, "y": {"z": [1]}}):
            compiled = compile_mapping(mapping)
            first = compiled.resolve(event)
            first["x"]["b"].append(2)
            first["y"]["z"].append(2)

            assert {"x": {"b": [1]}, "y": {"z": [1]}} == compiled.resolve(event)
        assert {"a": {"b": [1]}} == event

    def test_a_constant_that_cannot_be_is_refused_at_load(self):
        """
        What fails for every event fails before the first.
        """
        with pytest.raises(MappingError, match=r"`a.@liquid` to have a value, got a failure: it"):
            compile_mapping({"a": {"@liquid": "{{ (1..999999999) }}"}})

    def test_liquid_costs_nothing_until_it_is_used(self):
        """
        The engine is imported by the first mapping that needs it.
        """
        code = (
            "import sys; from homing.core.mapping import compile_mapping as c; c('$.a');"
            "before = 'liquid' in sys.modules; c('{{ a }}'); print(before, 'liquid' in sys.modules)"
        )

        assert "False True" == _output_of(code)


def _output_of(code):
    import subprocess  # noqa: PLC0415  # only this test needs a process of its own

    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()


class TestLimits:
    @pytest.mark.parametrize(
        "wrap",
        [
            lambda m: [m],
            lambda m: {"a": m},
            lambda m: {"@literal": m},
            lambda m: {"@if": {"exists": m}},
        ],
    )
    def test_a_mapping_that_nests_without_end_is_refused(self, wrap):
        """
        The compiler never runs out of stack.
        """
        mapping = 1
        for _ in range(10_000):
            mapping = wrap(mapping)

        with pytest.raises(MappingError, match="at most 64 steps deep"):
            compile_mapping(mapping)

    def test_the_deepest_mapping_and_the_deepest_event_fit_together(self):
        """
        64 levels of an event within 60 of a mapping are a result.
        """
        mapping, value = "$.a", 1
        for _ in range(60):
            mapping = [mapping]
        for _ in range(64):
            value = [value]

        assert [[mapping]] != resolved(mapping, {"a": value})

    @pytest.mark.parametrize(
        ("mapping", "root"),
        [
            ("$.a", {"a": [0] * 250_001}),
            ("$.a", {"a": "x" * 8_400_000}),
            ({"a": ["$.a"] * 10}, {"a": "x" * 1_000_000}),
            ("$.a", {"a": datetime(2024, 1, 5, tzinfo=UTC)}),
        ],
    )
    def test_a_result_that_is_too_large_is_a_failure(self, mapping, root):
        """
        The failure names the mapping.
        """
        with pytest.raises(MappingFailure, match=r"`m` failed: "):
            compile_mapping(mapping, place="m").resolve(root)


class TestRootDirective:
    def test_the_fields_beside_it_are_its_mapping(self):
        """
        Segment's framework puts one directive around all fields.
        """
        mapping = {
            "__segment_internal_directive": {"@transform": {"apply": {"t": "$.traits.name"}}},
            "name": {"@path": "$.t"},
            "who": "$.traits",
        }

        assert {"name": "Peter"} == resolved(mapping)

    @pytest.mark.parametrize("wrong", [None, {}, {"@a": 1}, {"@a": {}, "@b": {}}, "x"])
    def test_it_holds_one_directive(self, wrong):
        """
        All else is refused, with the place.
        """
        with pytest.raises(MappingError, match=r"`m.__segment_internal_directive` to hold one"):
            compile_mapping({"__segment_internal_directive": wrong}, place="m")

"""The directives, each by the table of what Segment documents and what its library does."""

from __future__ import annotations

import re

import pytest

from homing.core.mapping import ABSENT, MappingError, MappingFailure, compile_mapping

EVENT = {
    "type": "track",
    "event": "Order Completed",
    "properties": {
        "total": 55.34,
        "count": 0,
        "coupon": "",
        "note": None,
        "gift": False,
        "code": "MiXed 9",
        "products": [{"sku": "a", "price": 1}, {"sku": "b", "price": None}, {"price": 3}],
        "cart": {"sku": "single"},
        "json": '{"a":[1,2.0]}',
        "broken": "{nope",
        "field": "$.properties.total",
        "text": "total {{properties.total}}",
    },
    "profile": {"first_name": "Ann", "plan": "free"},
}


def resolved(mapping, root=EVENT):
    return compile_mapping(mapping).resolve(root)


def refuses(mapping, message):
    with pytest.raises(MappingError, match=re.escape(message)):
        compile_mapping(mapping)


class TestPath:
    @pytest.mark.parametrize(
        ("mapping", "value"),
        [
            ({"@path": "$.properties.total"}, 55.34),
            ({"@path": "profile.first_name"}, "Ann"),
            ({"@path": "$.properties.note"}, None),
            ({"@path": "$.properties.nope"}, ABSENT),
            ({"@path": "$.properties.count.deeper"}, 0),
            ({"@path": {"@path": "$.properties.field"}}, 55.34),
            ({"@path": {"@template": "properties.{{properties.coupon}}gift"}}, False),
            ({"@path": "$.properties.products[1].sku", "_metadata": {"label": "x"}}, "b"),
        ],
    )
    def test_a_value_is_read(self, mapping, value):
        """
        What is at the path is the value, whatever it is; the path may come from a directive.
        """
        assert value == resolved(mapping)

    @pytest.mark.parametrize("wrong", [False, 123, None, {}, {"a": 1}, ["a"]])
    def test_a_path_is_text_or_a_directive(self, wrong):
        """
        All else is refused at load.
        """
        refuses({"a": {"@path": wrong}}, "expected `a.@path` to be text or a directive, got ")

    def test_a_path_that_turns_out_to_be_no_text_fails(self):
        """
        Which event has it wrong is known only when it comes: the place is named then.
        """
        with pytest.raises(MappingFailure, match=r"`a.@path` failed: the path .* number 55.34"):
            resolved({"a": {"@path": {"@path": "$.properties.total"}}})
        with pytest.raises(MappingFailure, match="longer than 10,000"):
            resolved({"@path": {"@path": "$.p"}}, {"p": "a." * 10_000})


class TestTemplate:
    def test_text_is_filled_in(self):
        """
        A template may come from a directive too.
        """
        assert "Hi Ann, 55.34" == resolved(
            {"@template": "Hi {{profile.first_name}}, {{properties.total}}"}
        )
        assert "total 55.34" == resolved({"@template": {"@path": "$.properties.text"}})

    def test_a_template_is_text_or_a_directive(self):
        """
        All else is refused at load.
        """
        refuses({"@template": False}, "expected `@template` to be text or a directive, got false")


class TestLiteral:
    @pytest.mark.parametrize(
        ("literal", "value"),
        [
            (True, True),
            (None, None),
            ("$.properties.total", "$.properties.total"),
            ("{{ profile.first_name }}", "{{ profile.first_name }}"),
            ({"a": ["$.b", {"c": "{{ d"}]}, {"a": ["$.b", {"c": "{{ d"}]}),
            ({"a": {"@path": "$.profile.plan"}, "b": {"@path": "$.nope"}}, {"a": "free"}),
            ({"@if": {"exists": {"@path": "$.profile"}, "then": "$.x"}}, "$.x"),
        ],
    )
    def test_text_is_itself_and_directives_are_not(self, literal, value):
        """
        Shorthands mean nothing inside, however deep; directives are resolved.
        """
        assert value == resolved({"@literal": literal})


class TestIf:
    @pytest.mark.parametrize(
        ("test", "branch"),
        [
            ({"exists": "$.properties.total"}, 1),
            ({"exists": "$.properties.coupon"}, 1),
            ({"exists": "$.properties.count"}, 1),
            ({"exists": "$.properties.gift"}, 1),
            ({"exists": "$.properties.note"}, 2),
            ({"exists": "$.properties.nope"}, 2),
            ({"exists": "a constant"}, 1),
            ({"exists": {"a": "$.nope"}}, 1),
            ({"blank": "$.properties.total"}, 1),
            ({"blank": "$.properties.coupon"}, 2),
            ({"blank": "$.properties.count"}, 2),
            ({"blank": "$.properties.gift"}, 2),
            ({"blank": "$.properties.note"}, 2),
            ({"blank": "$.properties.nope"}, 2),
            ({"blank": {"@literal": []}}, 2),
            ({"blank": {"@literal": " "}}, 1),
            ({"exists": "$.properties.nope", "blank": "$.properties.total"}, 2),
        ],
    )
    def test_exists_and_blank(self, test, branch):
        """
        `exists` is neither missing nor null; `blank` chooses `then` when it is *not* blank.
        """
        assert branch == resolved({"@if": {**test, "then": 1, "else": 2}})

    @pytest.mark.parametrize(
        ("branches", "value"),
        [
            ({"then": 1}, ABSENT),
            ({}, ABSENT),
            ({"else": 0}, ABSENT),
            ({"else": ""}, ABSENT),
            ({"else": False}, ABSENT),
            ({"else": None}, ABSENT),
            ({"else": []}, []),
            ({"else": {}}, {}),
            ({"else": {"@literal": 0}}, 0),
            ({"else": "$.properties.count"}, 0),
        ],
    )
    def test_a_falsy_constant_in_else_is_dropped(self, branches, value):
        """
        So it is in Segment; a directive that gives the same is kept.
        """
        assert value == resolved({"@if": {"exists": "$.nope", **branches}})

    def test_a_falsy_constant_in_then_is_kept(self):
        """
        `then` has no such gap.
        """
        assert [0, None] == resolved([{"@if": {"exists": "x", "then": v}} for v in (0, None)])

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({}, 'expected `a.@if` to have "exists" or "blank" with something to test, got none'),
            ({"exists": ""}, '"exists" or "blank" with something to test'),
            ({"exits": 1}, 'got "exits" (did you mean "exists"?)'),
            ("x", 'to be an object with "exists", "blank", "then", "else", got "x"'),
            (
                {"exists": {"@pth": ""}},
                "expected `a.@if.exists` to have a directive of mapping-kit",
            ),
        ],
    )
    def test_wrong_slots_are_named(self, options, message):
        """
        The slots are checked at load, inside and out.
        """
        refuses({"a": {"@if": options}}, message)


class TestCase:
    @pytest.mark.parametrize(
        ("operator", "value", "given"),
        [
            ("lower", "$.properties.code", "mixed 9"),
            ("upper", "$.properties.code", "MIXED 9"),
            ("upper", {"@literal": "straße"}, "STRASSE"),
            ("lower", "$.properties.total", 55.34),
            ("lower", "$.properties.note", None),
            ("lower", "$.properties.nope", ABSENT),
            ("lower", "$.profile", {"first_name": "Ann", "plan": "free"}),
            ("upper", "", ABSENT),
        ],
    )
    def test_text_changes_and_nothing_else(self, operator, value, given):
        """
        What is not text passes through.
        """
        assert given == resolved({"@case": {"operator": operator, "value": value}})

    def test_without_value_there_is_no_result(self):
        """
        The slot may be missing.
        """
        assert ABSENT is resolved({"@case": {"operator": "lower"}})

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"value": "x"}, 'expected `@case` to have "operator", got none'),
            (
                {"operator": "lowr"},
                'be one of "lower", "upper", got "lowr" (did you mean "lower"?)',
            ),
            ({"operator": {"@path": "$.x"}}, "expected `@case.operator` to be one of"),
            ({"operator": "lower", "value": 5}, "expected `@case.value` to be text or a directive"),
            (None, 'expected `@case` to be an object with "operator", got null'),
        ],
    )
    def test_wrong_slots_are_named(self, options, message):
        """
        The operator is one of two words.
        """
        refuses({"@case": options}, message)


class TestArrayPath:
    @pytest.mark.parametrize(
        ("options", "value"),
        [
            (["$.properties.products"], EVENT["properties"]["products"]),
            (["$.properties.products", {}], EVENT["properties"]["products"]),
            (["$.properties.products", None], EVENT["properties"]["products"]),
            (
                ["$.properties.products", {"id": {"@path": "$.sku"}, "p": "$.price"}],
                [{"id": "a", "p": 1}, {"id": "b", "p": None}, {"p": 3}],
            ),
            (["properties.products", {"@path": "$.sku"}], ["a", "b", None]),
            (["$.properties.products", "$.price"], [1, None, 3]),
            (["$.properties.cart", {"id": "$.sku"}], [{"id": "single"}]),
            (["$.properties.code", {"id": "$.sku"}], "MiXed 9"),
            (["$.properties.nope", {"id": "$.sku"}], ABSENT),
            (["$.properties.note", {"id": "$.sku"}], None),
            ([{"@literal": [1, None]}, {"id": "$.sku"}], [{}, {"id": None}]),
            (["$.properties.products", {"who": "$.profile.plan"}], [{}, {}, {}]),
            (
                [{"@if": {"exists": {"@path": "$.nope"}, "else": []}}, {"id": "$.sku"}],
                [],
            ),
        ],
    )
    def test_items_take_the_shape(self, options, value):
        """
        In the shape paths start at the item; a single object is a list of one.
        """
        assert value == resolved({"@arrayPath": options})

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ("$.properties.products", "expected `@arrayPath` to be a list of a path and the shape"),
            ([], "be a list of a path"),
            (["$.a", {}, {}], "be a list of a path"),
            ([5], "expected `@arrayPath[0]` to be text or a directive, got the number 5"),
            (
                ["$.a", "plain"],
                'expected `@arrayPath[1]` to be an object or a directive, got "plain"',
            ),
            (["$.a", {"b": {"@pth": ""}}], "expected `@arrayPath[1].b` to have a directive"),
        ],
    )
    def test_wrong_shapes_are_named(self, options, message):
        """
        The list has a path and at most one shape.
        """
        refuses({"@arrayPath": options}, message)

    @pytest.mark.parametrize(
        ("shape", "root"),
        [
            ({"x": "$.x"}, {"a": [{}] * 250_001}),
            ({"x": {"@arrayPath": ["$.b", {"y": "$.y"}]}}, {"a": [{"b": [{}] * 2000}] * 200}),
            ({str(i): "$." for i in range(100)}, {"a": [{"b": 1, "c": 2}] * 2000}),
        ],
    )
    def test_lists_without_end_are_refused_while_walking(self, shape, root):
        """
        Long, nested or multiplied: the values are counted before there are too many.
        """
        with pytest.raises(
            MappingFailure, match=r"`@arrayPath` failed: there are more than 250,000"
        ):
            resolved({"@arrayPath": ["$.a", shape]}, root)


class TestMerge:
    @pytest.mark.parametrize(
        ("options", "value"),
        [
            (
                {"objects": ["$.profile", {"plan": "pro"}], "direction": "right"},
                {"first_name": "Ann", "plan": "pro"},
            ),
            (
                {"objects": ["$.profile", {"plan": "pro"}], "direction": "left"},
                {"first_name": "Ann", "plan": "free"},
            ),
            ({"objects": ["$.profile", {"plan": "pro"}]}, {"first_name": "Ann", "plan": "pro"}),
            ({"objects": ["$.profile", {"plan": "$.nope"}]}, {"first_name": "Ann"}),
            ({"objects": [{"@literal": "ab"}]}, {"0": "a", "1": "b"}),
            ({"objects": ["$.nope", "$.properties.note"]}, {}),
            ({"objects": []}, {}),
        ],
    )
    def test_directions(self, options, value):
        """
        Right lets later objects win, left earlier ones; a missing value wins as well.
        """
        assert value == resolved({"@merge": options})

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"direction": "left"}, 'expected `@merge` to have "objects", got none'),
            (
                {"objects": {}},
                "expected `@merge.objects` to be a list of objects, got an empty object",
            ),
            ({"objects": [{}, 123]}, "expected `@merge.objects[1]` to be an object or a directive"),
            ({"objects": [], "direction": "LEFT"}, 'be one of "left", "right", got "LEFT"'),
            ([{}, 123], 'expected `@merge` to be an object with "objects", got a list'),
        ],
    )
    def test_wrong_slots_are_named(self, options, message):
        """
        What stands in the list is checked one by one.
        """
        refuses({"@merge": options}, message)


class TestFlatten:
    def test_nested_fields_get_one_name(self):
        """
        The separator is a dot unless another is given.
        """
        value = {"a": {"b": "$.profile.plan", "c": "$.nope"}, "d": [1]}

        assert {"a.b": "free", "d.0": 1} == resolved({"@flatten": {"value": value}})
        assert {"a_b": "free", "d": [1]} == resolved(
            {"@flatten": {"value": value, "separator": "_", "omitArrays": True}}
        )

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"separator": "."}, 'expected `@flatten` to have "value", got none'),
            ({"value": 1, "separator": ""}, "`@flatten.separator` to be text of at least one"),
            ({"value": 1, "separator": 5}, "`@flatten.separator` to be text of at least one"),
            ({"value": 1, "omitArrays": "yes"}, "`@flatten.omitArrays` to be true or false"),
        ],
    )
    def test_wrong_slots_are_named(self, options, message):
        """
        The slots are checked at load.
        """
        refuses({"@flatten": options}, message)


class TestJson:
    @pytest.mark.parametrize(
        ("mode", "value", "given"),
        [
            ("decode", "$.properties.json", {"a": [1, 2.0]}),
            ("decode", "$.properties.broken", "{nope"),
            ("decode", "$.properties.total", 55.34),
            ("decode", "$.properties.coupon", ""),
            ("decode", "$.nope", ABSENT),
            ("encode", "$.profile", '{"first_name":"Ann","plan":"free"}'),
            ("encode", {"b": 5.0, "1": "$.nope", "a": ["$.nope"]}, '{"b":5,"a":[null]}'),
            ("encode", "$.properties.code", '"MiXed 9"'),
            ("encode", "$.properties.note", "null"),
            ("encode", "$.nope", ABSENT),
        ],
    )
    def test_both_ways(self, mode, value, given):
        """
        Text that is no JSON is given back; what is missing has no JSON.
        """
        assert given == resolved({"@json": {"mode": mode, "value": value}})

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"mode": "encode"}, 'expected `@json` to have "value", got none'),
            (
                {"mode": "encode", "value": ""},
                "`@json.value` to be a directive or a value that is not",
            ),
            ({"mode": "Encode", "value": "x"}, 'got "Encode" (did you mean "encode"?)'),
            ({"value": "x"}, 'expected `@json` to have "mode", got none'),
        ],
    )
    def test_wrong_slots_are_named(self, options, message):
        """
        The mode is one of two words, and the value is not an empty constant.
        """
        refuses({"@json": options}, message)


class TestTransform:
    @pytest.mark.parametrize(
        ("options", "value"),
        [
            (
                {
                    "apply": {"t": "$.properties.total"},
                    "mapping": {"x": "$.t", "y": "$.properties"},
                },
                {"x": 55.34},
            ),
            ({"apply": {"@path": "$.profile"}, "mapping": {"@path": "$.plan"}}, "free"),
            ({"apply": {"@path": "$.properties.code"}, "mapping": {"n": "$.length"}}, {"n": 7}),
            ({"apply": {"@path": "$.nope"}, "mapping": {"n": "$.a"}}, {}),
            (
                {"apply": {"l": ["$.nope", None]}, "mapping": {"a": "$.l[0]", "b": "$.l[1]"}},
                {"b": None},
            ),
        ],
    )
    def test_the_result_is_mapped_again(self, options, value):
        """
        The second mapping sees only what the first gave.
        """
        assert value == resolved({"@transform": options})

    def test_an_item_that_is_no_object_cannot_be_transformed(self):
        """
        In a list of plain values there is nothing to apply a mapping to.
        """
        shape = {"@transform": {"apply": {"a": "$."}, "mapping": {"b": "$.a"}}}

        with pytest.raises(MappingFailure, match=r"`@arrayPath\[1\].@transform` failed"):
            resolved({"@arrayPath": ["$.l", shape]}, {"l": [1]})

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"apply": {}}, 'expected `@transform` to have "mapping", got none'),
            (
                {"apply": "x", "mapping": {}},
                "expected `@transform.apply` to be an object or a directive",
            ),
            ({"apply": {}, "mapping": 1}, "expected `@transform.mapping` to be an object or a"),
        ],
    )
    def test_wrong_slots_are_named(self, options, message):
        """
        Both slots are mappings.
        """
        refuses({"@transform": options}, message)

    def test_doubling_without_end_is_refused(self):
        """
        Each step gives ten of what it got: the seventh is not reached.
        """
        mapping = {"@path": "$."}
        for _ in range(7):
            many = {str(i): {"@path": "$."} for i in range(10)}
            mapping = {"@transform": {"apply": many, "mapping": mapping}}

        with pytest.raises(MappingFailure, match="more than 250,000 values"):
            resolved(mapping)


class TestExcludeWhenNull:
    @pytest.mark.parametrize(
        ("mapping", "value"),
        [
            ("$.properties.note", ABSENT),
            ("$.properties.nope", ABSENT),
            ("$.properties.count", 0),
            ({"a": "$.properties.note", "b": {"c": None, "d": 1}}, {"b": {"d": 1}}),
            ([None, {"a": None}], [None, {"a": None}]),
        ],
    )
    def test_nulls_leave_objects(self, mapping, value):
        """
        Null itself is absent, and so are null members; lists keep theirs.
        """
        assert value == resolved({"@excludeWhenNull": mapping})


class TestLiquid:
    def test_a_template_prints_text(self):
        """
        The result of Liquid is always text.
        """
        assert "Hi ANN" == resolved({"@liquid": "Hi {{ profile.first_name | upcase }}"})
        assert "55.34" == resolved({"@liquid": "{{ properties.total }}"})

    @pytest.mark.parametrize("wrong", [123, {}, [], True, {"@path": "$.a"}])
    def test_a_template_is_text(self, wrong):
        """
        Liquid is the one directive whose text cannot come from another.
        """
        refuses({"a": {"@liquid": wrong}}, "expected `a.@liquid` to be text, got ")

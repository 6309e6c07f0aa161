"""Explanations: the tree, and the lines a person reads."""

from __future__ import annotations

import pytest

from homing.core.fql import parse

EVENT = {
    "type": "track",
    "event": "Order Completed",
    "properties": {
        "total": "12",
        "flag": 1,
        "tags": ["a", ["b"], {"c": 1}],
        "big": list(range(50)),
    },
}


def rendered(text: str, event: dict[str, object] | None = None) -> list[str]:
    """Explain a condition in lines."""
    return parse(text).explain(EVENT if event is None else event).render().split("\n")


class TestExplanation:
    def test_the_tree_holds_texts_values_and_what_was_compared(self):
        """
        Each piece has its text, its value and, for a comparison, both sides' values.
        """
        explanation = parse("type = 'track' and (properties.total > 5)").explain(EVENT)
        first, second = explanation.parts

        assert ("and", False) == (explanation.form, explanation.holds)
        assert ("type = 'track'", True, "=") == (first.text, first.value, first.form)
        assert ("track", "track") == (first.left, first.right)
        assert ("properties.total > 5", ">", "12", 5) == (
            second.text,
            second.form,
            second.left,
            second.right,
        )

    def test_every_piece_is_evaluated(self):
        """
        What a short cut would skip is explained too.
        """
        explanation = parse("false and event = 'Order Completed'").explain(EVENT)

        assert [False, True] == [part.value for part in explanation.parts]


class TestRender:
    @pytest.mark.parametrize(
        ("text", "lines"),
        [
            (
                "event = 'Order Completed' and properties.total > 0",
                [
                    "false: event = 'Order Completed' and properties.total > 0",
                    "  true: event = 'Order Completed' (event is \"Order Completed\")",
                    '  false: properties.total > 0 (properties.total is "12", not a number)',
                ],
            ),
            (
                "!(properties.gone = null)",
                [
                    "false: !(properties.gone = null)",
                    "  true: properties.gone = null (properties.gone is null)",
                ],
            ),
            ("properties.flag", ["false: properties.flag (properties.flag is 1, not true)"]),
            (
                "length(properties.tags) > 5",
                [
                    "false: length(properties.tags) > 5 (length(properties.tags) is 3; "
                    'properties.tags is ["a", a list of 1, an object of 1])',
                ],
            ),
            (
                "properties.big = 1",
                ["false: properties.big = 1 (properties.big is [0, 1, 2, 3, 4, 5, 44 more])"],
            ),
            (
                "typeof(properties) = 'list'",
                [
                    "false: typeof(properties) = 'list' (typeof(properties) is \"object\"; "
                    'properties is an object with "total", "flag", "tags", "big")'
                ],
            ),
            (
                "contains(event, 'Cart')",
                ["false: contains(event, 'Cart') (event is \"Order Completed\")"],
            ),
            ("did('X', 3)", ["false: did('X', 3) (counted 0)"]),
            ("in_audience('vip')", ["false: in_audience('vip')"]),
            ("all", ["true: all"]),
            (
                "type = 'a'\n  and\ttype = 'b'",
                [
                    "false: type = 'a' and type = 'b'",
                    "  false: type = 'a' (type is \"track\")",
                    "  false: type = 'b' (type is \"track\")",
                ],
            ),
        ],
    )
    def test_the_lines_say_which_clause_and_with_what_values(self, text, lines):
        """
        One line a clause: true or false, its text, and the values it looked at.
        """
        assert lines == rendered(text)

    def test_a_long_condition_is_cut(self):
        """
        An explanation of hundreds of clauses stays readable.
        """
        lines = rendered(" or ".join(f"event = 'E{n}'" for n in range(200)))

        assert 61 == len(lines)
        assert "…" == lines[-1]
        assert max(map(len, lines)) < 200

    @pytest.mark.parametrize(
        "value",
        [
            "\ud800",
            "\x1b[2J\r\n\u202e",
            pytest.param("x" * 1_000_000, id="long"),
            pytest.param(10**5000, id="huge"),
            pytest.param(-(10**5000), id="-huge"),
            float("nan"),
            float("inf"),
            [[[]]] * 1_000,
            {"\ud800" * 500: object()},
            {n: n for n in range(1_000)},
            object(),
            b"bytes",
            {1, 2},
        ],
    )
    def test_hostile_values_are_shown_on_a_short_printable_line(self, value):
        """
        Whatever stands in the event, the line can be printed, in UTF-8, on a terminal.
        """
        text = "properties.x > 1 or properties.x.y = properties.x or string(properties.x) in ['a']"
        lines = rendered(text, {"properties": {"x": value}})

        assert all(line.isprintable() and line.encode() and len(line) < 1_000 for line in lines)

    def test_values_nested_deeper_than_python_recurses_are_shown(self):
        """
        Depth does not break an explanation.
        """
        deep: list[object] = []
        for _ in range(50_000):
            deep = [deep]

        explanation = parse("properties.x = [1]").explain({"properties": {"x": deep}})

        assert "false: properties.x = [1] (properties.x is [a list of 1])" == str(explanation)
        assert "properties.x = [1]" in repr(explanation)

"""The functions: every one against every kind of value."""

from __future__ import annotations

import pytest

from homing.core.fql import functions, parse
from homing.core.fql.functions import FUNCTIONS


class TestContains:
    @pytest.mark.parametrize(
        ("text", "part", "result"),
        [
            ("analytics.js", "js", True),
            ("analytics.js", "JS", False),
            ("", "", True),
            ("a", "", True),
            ("", "a", False),
            (None, "a", False),
            ("a", None, False),
            (["a"], "a", False),
            (5, "5", False),
        ],
    )
    def test_only_text_contains_text(self, text, part, result):
        """
        Text is found in text, case-sensitively; everything else contains nothing.
        """
        assert result is functions.contains(text, part)


class TestMatch:
    @pytest.mark.parametrize(
        ("text", "pattern", "result"),
        [(None, "*", False), ("a", None, False), (5, "*", False), (["a"], "a", False)],
    )
    def test_only_text_matches(self, text, pattern, result):
        """
        What is not text matches nothing, not even a star.
        """
        assert result is functions.match(text, pattern)

    def test_a_pattern_may_come_from_the_event_within_a_limit(self):
        """
        A path can be the pattern; a sender's pattern of unreasonable length matches nothing.
        """
        condition = parse("match(event, properties.p)")

        assert condition.holds({"event": "abc", "properties": {"p": "a*"}})
        assert not condition.holds({"event": "abc", "properties": {"p": "a" + "*" * 256}})


class TestLength:
    @pytest.mark.parametrize(
        ("value", "result"),
        [
            ("a", 1),
            ("ア", 3),
            ("é", 2),
            ("😀", 4),
            ("\ud800", 3),
            ("", 0),
            ([], 0),
            ([1, [2, 3]], 2),
            (None, 0),
            (5, None),
            (True, None),
            ({"a": 1}, None),
        ],
    )
    def test_bytes_of_text_and_elements_of_lists(self, value, result):
        """
        Text has bytes, a list elements, null 0, and nothing else a length.
        """
        assert result == functions.length(value)


class TestCase:
    @pytest.mark.parametrize(
        ("name", "text", "result"),
        [
            ("lowercase", "ÀB c-1", "àb c-1"),
            ("uppercase", "àb c-1", "ÀB C-1"),
            ("snakecase", "Test  string-X", "Test__string-X"),
            ("kebabcase", "Test string_X", "Test-string_X"),
            ("titlecase", "test string", "Test String"),
            ("titlecase", "iPhone's case  é", "IPhone's Case  É"),
            ("titlecase", "", ""),
        ],
    )
    def test_text_changes_as_documented(self, name, text, result):
        """
        snakecase and kebabcase change spaces only, titlecase first letters only.
        """
        assert result == FUNCTIONS[name].compute(text)

    @pytest.mark.parametrize(
        "name", ["lowercase", "uppercase", "snakecase", "kebabcase", "titlecase"]
    )
    @pytest.mark.parametrize("value", [None, 5, True, ["A"], {"A": 1}])
    def test_everything_else_is_null(self, name, value):
        """
        A function of text is null for what is no text.
        """
        assert FUNCTIONS[name].compute(value) is None


class TestTypeof:
    @pytest.mark.parametrize(
        ("value", "result"),
        [
            ("", "string"),
            (0, "number"),
            (0.5, "number"),
            ([], "list"),
            (False, "bool"),
            (None, "null"),
            ({}, "object"),
        ],
    )
    def test_kinds_have_the_documented_names(self, value, result):
        """
        The five documented words, and one for objects.
        """
        assert parse(f"typeof(properties.x) = '{result}'").holds({"properties": {"x": value}})


class TestBool:
    @pytest.mark.parametrize(
        ("value", "result"),
        [
            ("false", True),
            ("0", True),
            ("", False),
            (0, False),
            (0.0, False),
            (-1, True),
            ([], False),
            ([False], True),
            ({}, False),
            (True, True),
            (False, False),
            (None, None),
        ],
    )
    def test_the_empty_is_false(self, value, result):
        """
        Any text is true but the empty one; zero and empty are false; null stays null.
        """
        assert result is FUNCTIONS["bool"].compute(value)


class TestNesting:
    @pytest.mark.parametrize(
        "text",
        [
            "lowercase(uppercase(event)) = 'abc'",
            "length(lowercase(event)) = 3",
            "contains(lowercase(event), 'b')",
            "match(uppercase(event), 'A*')",
            "number(string(5)) = 5",
            "typeof((event = 'abc')) = 'bool'",
            "lowercase((event)) in ['abc']",
        ],
    )
    def test_functions_take_functions(self, text):
        """
        A function's value can be another's argument and either side of a comparison.
        """
        assert parse(text).holds(
            {"event": "aBc"} if "abc'" in text and "typeof" not in text else {"event": "abc"}
        )

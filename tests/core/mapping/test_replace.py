"""`@replace`: text in text, against a JavaScript engine."""

from __future__ import annotations

import json
import re

import pytest
import quickjs
from hypothesis import given
from hypothesis import strategies as st

from homing.core.mapping import MappingError, MappingFailure, compile_mapping

JAVASCRIPT = quickjs.Context()
REPLACE = JAVASCRIPT.eval(
    r"""(text, pattern, replacement, flags) =>
        text.replace(new RegExp(pattern.replace(/[-[\]{}()*+?.,\\^$|#\s]/g, '\\$&'), flags),
                     replacement)"""
)
SHORT = st.text(st.sampled_from("ab$&`'1<>.(*"), max_size=6)


def replaced(value, **slots):
    mapping = {"@replace": {"value": {"@path": "v"}, **slots}}
    return compile_mapping(mapping).resolve({"v": value})


class TestReplacer:
    @pytest.mark.parametrize(
        ("value", "slots", "text"),
        [
            (
                "many+different+things",
                {"pattern": "+", "replacement": "_"},
                "many_different_things",
            ),
            ("a+b+c", {"pattern": "+", "replacement": "_", "global": False}, "a_b+c"),
            ("a_b", {"pattern": "_"}, "ab"),
            ("a_b", {"pattern": "_", "replacement": None}, "ab"),
            ("WW ww", {"pattern": "WW", "replacement": "oo"}, "oo ww"),
            ("WW ww", {"pattern": "WW", "replacement": "oo", "ignorecase": True}, "oo oo"),
            ("a.b", {"pattern": ".", "replacement": "-"}, "a-b"),
            ("abc", {"pattern": "b", "replacement": "[$&]"}, "a[b]c"),
            ("abc", {"pattern": "b", "replacement": "$$"}, "a$c"),
            ("abc", {"pattern": "b", "replacement": "$$&"}, "a$&c"),
            ("abc", {"pattern": "b", "replacement": "$`$'"}, "aacc"),
            ("abc", {"pattern": "b", "replacement": "$1"}, "a$1c"),
            ("a-b_c", {"pattern": "-", "pattern2": "_", "replacement2": "+"}, "ab+c"),
            ("a-b", {"pattern": "-", "replacement": "_", "pattern2": "_"}, "ab"),
            ("a-b", {"pattern": "-", "pattern2": ""}, "ab"),
            (12.0, {"pattern": "1", "replacement": "x"}, "x2"),
            (True, {"pattern": "t", "replacement": "T"}, "True"),
            ("", {"pattern": "a", "replacement": "b"}, ""),
            (None, {"pattern": "a"}, ""),
            ([1], {"pattern": "1"}, ""),
            ({"a": 1}, {"pattern": "a"}, ""),
        ],
    )
    def test_the_documented_slots(self, value, slots, text):
        """
        Patterns are plain text; numbers and booleans are written first, all else is empty.
        """
        assert text == replaced(value, **slots)

    @given(
        st.text(st.sampled_from("abAB$.(*é 1"), max_size=30),
        st.fixed_dictionaries({"pattern": SHORT.filter(bool), "replacement": SHORT}),
        st.fixed_dictionaries({"global": st.booleans(), "ignorecase": st.booleans()}),
    )
    def test_javascript_replaces_the_same(self, text, texts, flags):
        """
        Every `$` in a replacement means what it means to a JavaScript engine.
        """
        letters = "g" * flags["global"] + "i" * flags["ignorecase"]

        ours = replaced(text, **texts, **flags)

        assert REPLACE(text, texts["pattern"], texts["replacement"], letters) == ours

    def test_without_a_value_there_is_no_result(self):
        """
        An empty constant value is as none at all.
        """
        mapping = {"a": {"@replace": {"pattern": "a", "value": ""}}}

        assert {} == compile_mapping(mapping).resolve({})

    @pytest.mark.parametrize(
        ("slots", "message"),
        [
            ({}, 'expected `@replace` to have "pattern", got none'),
            ({"pattern": ""}, "expected `@replace.pattern` to be text of 1 to 10 characters"),
            (
                {"pattern": 5},
                "expected `@replace.pattern` to be text of at most 10 characters, got ",
            ),
            (
                {"pattern": "a" * 11},
                '`@replace.pattern` to be text of at most 10 characters, got "a',
            ),
            ({"pattern": "a", "replacement": "b" * 11}, "`@replace.replacement`"),
            ({"pattern": "a", "pattern2": "b" * 11}, "`@replace.pattern2`"),
            ({"pattern": "a", "pattern2": "b", "replacement2": 1}, "`@replace.replacement2`"),
            ({"pattern": "a", "global": "yes"}, '`@replace.global` to be true or false, got "yes"'),
            ({"pattern": "a", "ignorecase": 0}, "`@replace.ignorecase` to be true or false"),
            ({"pattern": "a", "patern2": "b"}, 'got "patern2" (did you mean "pattern2"?)'),
            ({"pattern": "a", "value": 5}, "`@replace.value` to be text or a directive"),
        ],
    )
    def test_wrong_slots_are_named(self, slots, message):
        """
        The message names the slot, what it should be and what it is.
        """
        with pytest.raises(MappingError, match=re.escape(message)):
            compile_mapping({"@replace": {"value": "x", **slots}})

    @pytest.mark.parametrize(
        "slots",
        [
            {"pattern": "a", "replacement": "$'"},
            {"pattern": "a", "replacement": "bbbbbbbbbb"},
            {"pattern": "A", "replacement": "b", "ignorecase": True},
        ],
    )
    def test_growth_without_end_is_refused(self, slots):
        """
        Megabytes of matches cost a moment and end in a failure that names the directive.
        """
        with pytest.raises(MappingFailure, match="`@replace` failed: "):
            replaced("a" * 4_000_000, **slots)

    def test_the_mapping_is_not_changed(self):
        """
        Slots that are filled in by default are not written into the mapping.
        """
        mapping = {"@replace": {"pattern": "a", "value": {"@path": "v"}}}
        before = json.dumps(mapping)
        compile_mapping(mapping).resolve({"v": "a"})

        assert before == json.dumps(mapping)

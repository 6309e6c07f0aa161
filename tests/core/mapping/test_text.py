"""Text: `String(value)` and `JSON.stringify`, against a JavaScript engine."""

from __future__ import annotations

import orjson
import pytest
import quickjs
from hypothesis import given
from hypothesis import strategies as st

from homing.core.mapping.errors import Refused
from homing.core.mapping.limits import MAX_DEPTH, MAX_TEXT
from homing.core.mapping.text import is_blank, js_text, json_text
from homing.core.mapping.values import ABSENT

JAVASCRIPT = quickjs.Context()
STRING_OF = JAVASCRIPT.eval("(json) => JSON.stringify(String(JSON.parse(json)))")
STRINGIFY = JAVASCRIPT.eval("(json) => JSON.stringify(JSON.parse(json))")
IS_BLANK = JAVASCRIPT.eval("(json) => { const v = JSON.parse(json); return v === null || v == '' }")

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    # of few digits: of very many the engine here gives one more than the standard allows
    | st.tuples(st.integers(-999, 999), st.integers(-9, 25)).map(lambda n: n[0] * 10.0 ** n[1])
    | st.text()
)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)


def nested(depth):
    value = []
    for _ in range(depth - 1):
        value = [value]
    return value


class TestJsText:
    @given(JSON)
    def test_javascript_writes_the_same(self, value):
        """
        Objects are `[object Object]`, lists join by commas with nothing for null.
        """
        assert orjson.loads(STRING_OF(orjson.dumps(value).decode())) == js_text(value)

    def test_absent_is_undefined_but_nothing_inside_a_list(self):
        """
        `ABSENT` is JavaScript's `undefined`.
        """
        assert ("undefined", "1,,2") == (js_text(ABSENT), js_text([1, ABSENT, 2]))

    def test_endless_nesting_is_refused(self):
        """
        Lists may nest as deep as a result may, and no deeper.
        """
        assert "" == js_text(nested(MAX_DEPTH))
        with pytest.raises(Refused, match="deeper than 128"):
            js_text(nested(100_000))


class TestJsonText:
    @given(JSON)
    def test_javascript_writes_the_same(self, value):
        """
        Numbers, escapes, spacing and the order of members are those of `JSON.stringify`.
        """
        assert STRINGIFY(orjson.dumps(value).decode()) == json_text(value)

    def test_what_is_absent_is_left_out_of_objects_and_null_in_lists(self):
        """
        `undefined` has no JSON: alone it stays `ABSENT`.
        """
        assert '{"b":[null]}' == json_text({"a": ABSENT, "b": [ABSENT]})
        assert ABSENT is json_text(ABSENT)

    def test_what_json_cannot_say_is_null(self):
        """
        NaN and infinities are null; a lone surrogate becomes U+FFFD.
        """
        assert '[null,null,"\ufffd"]' == json_text([float("nan"), float("inf"), "\ud800"])

    @pytest.mark.parametrize("value", [nested(100_000), ["x" * 1000] * (MAX_TEXT // 1000)])
    def test_too_deep_and_too_long_are_refused(self, value):
        """
        The walk stops at the limits of a result.
        """
        with pytest.raises(Refused, match=r"deeper than|longer than"):
            json_text(value)


class TestIsBlank:
    @pytest.mark.parametrize(
        "value",
        [
            *(None, "", 0, -0.0, False, [], [[]], [None], [""], [[[]]], True, 1, "0", " ", "false"),
            *({}, {"a": 1}, [0], [None, None], [[], []], ["a"], 0.1),
        ],
    )
    def test_blank_is_what_loosely_equals_empty_text(self, value):
        """
        mapping-kit compares with `!= ''`: 0, false and empty lists are blank, a space is not.
        """
        assert IS_BLANK(orjson.dumps(value).decode()) == is_blank(value)

    def test_absent_is_blank(self):
        """
        What is missing is blank.
        """
        assert is_blank(ABSENT)

"""Readings between kinds: string(), and what is the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.core.fql.values import same, text_of

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


class TestTextOf:
    @pytest.mark.parametrize(
        ("value", "result"),
        [
            (None, None),
            ("x", "x"),
            (5.0, "5"),
            (5, "5"),
            (-0.5, "-0.5"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (True, "true"),
            (False, "false"),
            ([1.0, "é", None, True], '[1,"é",null,true]'),
            ({"a": {"b": []}}, '{"a":{"b":[]}}'),
        ],
    )
    def test_values_as_text(self, value, result):
        """
        Whole numbers have no fraction; lists and objects are their JSON; null stays null.
        """
        assert result == text_of(value)

    def test_what_cannot_be_written_is_null(self):
        """
        Depth beyond any event's, and integers beyond printing, give null, not an error.
        """
        deep: list[object] = []
        for _ in range(10_000):
            deep = [deep]

        assert text_of(deep) is None
        assert text_of(10**5000) is None
        assert text_of([10**5000]) is None
        assert text_of(object()) is None


class TestSame:
    @given(JSON)
    def test_a_value_is_the_same_as_itself(self, value):
        """
        Every JSON value equals itself.
        """
        assert same(value, value)

    @given(JSON, JSON)
    def test_it_is_symmetric_and_implies_equal_json(self, left, right):
        """
        Order does not matter, and what is the same prints the same.
        """
        assert same(left, right) is same(right, left)
        if same(left, right) and not isinstance(left, dict | list | float):
            assert text_of(left) == text_of(right)

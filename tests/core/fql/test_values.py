"""Readings between kinds: number(), string(), and the exact reading of money."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.core.fql import decimal_of, number_of
from homing.core.fql.values import same, text_of

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


class TestNumberOf:
    @pytest.mark.parametrize(
        ("value", "result"),
        [
            ("5", 5),
            (" 5 ", 5),
            ("+5", 5),
            ("-5", -5),
            ("0.5", 0.5),
            (".5", 0.5),
            ("$55.34", 55.34),
            ("55.34€", 55.34),
            ("€ 55.34", 55.34),
            ("¥1000", 1000),
            ("₹1,000", 1000),
            ("-$5", -5),
            ("$-5", -5),
            ("1,234", 1234),
            ("$1,234,567.89", 1234567.89),
            ("1e+21", 1e21),
            ("1e-7", 1e-7),
            (5, 5),
            (5.5, 5.5),
        ],
    )
    def test_prices_are_numbers(self, value, result):
        """
        Text is read without one currency sign and without thousands commas.
        """
        assert result == number_of(value)

    @pytest.mark.parametrize(
        "value",
        [
            *("", " ", "$", "abc", "5 apples", "5%", "$$5", "$5$", "€$5", "USD 5", "--5", "-$-5"),
            *("1,23", "1,2345", "12,34,567", "1,234,", ",123", "55,34", "1.234,56", "1,234.5.6"),
            *("5.", "0x10", "1_000", "inf", "nan", "Infinity", "٣", "1e999", "9" * 301, "1e5000"),
            *(None, True, False, [], [5], {}, {"a": 5}),
        ],
    )
    def test_everything_else_is_null(self, value):
        """
        What is not certainly a number is none: a decimal comma is not a thousands comma.
        """
        assert number_of(value) is None

    def test_whole_numbers_stay_exact(self):
        """
        An integer in text keeps all its digits.
        """
        assert 12345678901234567890123 == number_of("12345678901234567890123")


class TestDecimalOf:
    @pytest.mark.parametrize(
        ("value", "result"),
        [
            ("$0.10", "0.10"),
            ("1,234.50", "1234.50"),
            (0.1, "0.1"),
            (5, "5"),
        ],
    )
    def test_money_is_exact(self, value, result):
        """
        What is written is what is read: sums of it have no rounding.
        """
        assert result == format(decimal_of(value), "f")

    def test_an_integer_of_any_size_is_exact(self):
        """
        More digits than Python prints are no obstacle.
        """
        assert Decimal(10) ** 5_000 == decimal_of(10**5_000)

    @pytest.mark.parametrize("value", [None, True, "x", [], float("nan"), float("inf")])
    def test_what_is_no_number_is_none(self, value):
        """
        The same values as of `number_of` are refused, and those that are not finite.
        """
        assert decimal_of(value) is None

    @given(st.text(alphabet="0123456789.,$€+-eE ", max_size=12) | st.text(max_size=5))
    def test_it_reads_the_same_texts_as_number(self, text):
        """
        Both readings agree on what is a number, and on its value.
        """
        number, exact = number_of(text), decimal_of(text)

        assert (number is None) == (exact is None)
        assert number is None or float(number) == float(exact or Decimal(0))


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

"""Numbers: prices as people write them, and numbers as JavaScript prints them."""

from __future__ import annotations

import math
from decimal import Decimal

import orjson
import pytest
import quickjs
from hypothesis import given
from hypothesis import strategies as st

from homing.core.numbers import MAX_NUMBER_TEXT, number_text, read_decimal, read_number

JAVASCRIPT = quickjs.Context()
STRING_OF = JAVASCRIPT.eval("(text) => String(Number(text))")


class TestReadNumber:
    @pytest.mark.parametrize(
        ("text", "number"),
        [
            ("$55.34", 55.34),
            ("1,234.50", 1234.5),
            ("1,234", 1234),
            ("12,345,678", 12_345_678),
            ("-$5", -5),
            ("$-5", -5),
            ("- $ 5", -5),
            ("€ 5", 5),
            ("5 €", 5),
            ("¥1,000", 1000),
            (" 7 ", 7),
            ("+7", 7),
            ("0.1", 0.1),
            (".5", 0.5),
            ("1e3", 1000.0),
            ("1e+21", 1e21),
            ("1e-7", 1e-7),
            ("$1,234,567.89", 1234567.89),
            ("55.34€", 55.34),
            ("₹1,000", 1000),
            ("007", 7),
            ("9" * 30, 1e30),
        ],
    )
    def test_prices_and_plain_numbers_are_read(self, text, number):
        """
        One currency sign, one sign, thousands commas and a decimal point are understood.
        """
        assert number == read_number(text)

    @pytest.mark.parametrize(
        "text",
        [
            *("", " ", "$", "-", ".", "-.", "e5", "$e5", "five", "5 apples", "USD 5", "$5$", "--5"),
            *("-$-5", "1,5", "1,23", "1.234,50", "1234,567", ",123", "1,,234", "1_000", "0x10"),
            *(
                "5.",
                "$5.",
                "5.e3",
                "5%",
                "$$5",
                "€$5",
                "12,34,567",
                "1,234,",
                "1,234.5.6",
                "1e5000",
            ),
            *("Infinity", "-Infinity", "nan", "NaN", "1e400", "٣", "½", "1 234"),
            "1" * (MAX_NUMBER_TEXT + 1),
        ],
    )
    def test_other_text_is_no_number(self, text):
        """
        What could be misread, above all a comma as decimal point, is not read at all.
        """
        assert read_number(text) is None

    @pytest.mark.parametrize("value", [None, True, False, [], ["5"], {}, b"5", math.nan, math.inf])
    def test_what_is_neither_number_nor_text_is_no_number(self, value):
        """
        Booleans, containers and numbers that are not finite are refused.
        """
        assert read_number(value) is None

    def test_text_without_point_or_exponent_is_an_int(self):
        """
        Order numbers keep their last digit; with a point the nearest float is given.
        """
        assert [int, float, float] == [type(read_number(t)) for t in ("5", "5.0", "5e0")]
        assert read_number("9007199254740993") == 9007199254740993

    @given(st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False))
    def test_numbers_are_themselves(self, number):
        """
        A number, or its text as Python or JavaScript writes it, is read as that number.
        """
        assert number == read_number(number) == read_number(repr(number))
        assert float(number) == float(read_number(number_text(number)))

    @given(st.integers(-(10**12), 10**12), st.integers(0, 99))
    def test_prices_in_the_form_of_a_shop_are_read(self, whole, cents):
        """
        What a shop prints with sign, currency and grouping is the price.
        """
        sign = "-" if whole < 0 else ""
        text = f"{sign}${abs(whole):,}.{cents:02}"

        assert float(f"{sign}{abs(whole)}.{cents:02}") == read_number(text)

    @given(st.text())
    def test_any_text_gives_a_finite_number_or_none(self, text):
        """
        Nothing raises, and every number can be written as JSON.
        """
        number = read_number(text)

        assert number is None or number == orjson.loads(orjson.dumps(number))


class TestReadDecimal:
    @pytest.mark.parametrize(
        ("value", "result"),
        [("$0.10", "0.10"), ("1,234.50", "1234.50"), (0.1, "0.1"), (5, "5"), ("-$5", "-5")],
    )
    def test_money_is_exact(self, value, result):
        """
        What is written is what is read: sums of it have no rounding.
        """
        assert result == format(read_decimal(value), "f")

    @pytest.mark.parametrize(
        "text",
        [
            "1e-999999999",
            "-2.5e-999999999",
            "0e-999999999",
            "0E-401",
            f"1e-{10**19}",
            f"0e{10**19}",
        ],
    )
    def test_what_is_smaller_than_any_float_is_zero(self, text):
        """
        As a float it is 0 too; written out it would have a thousand million digits.
        """
        assert (0, "0") == (read_number(text), format(read_decimal(text), "f"))

    def test_an_integer_of_any_size_is_exact(self):
        """
        More digits than Python prints are no obstacle.
        """
        assert Decimal(10) ** 5_000 == read_decimal(10**5_000)

    @pytest.mark.parametrize("value", [None, True, "x", "1e400", [], math.nan, math.inf])
    def test_what_is_no_number_is_none(self, value):
        """
        The same values as of `read_number` are refused.
        """
        assert read_decimal(value) is None

    @given(st.text(alphabet="0123456789.,$€+-eE ", max_size=12) | st.text(max_size=5))
    def test_it_reads_the_same_texts_as_read_number(self, text):
        """
        Both readings agree on what is a number, and on its value.
        """
        number, exact = read_number(text), read_decimal(text)

        assert (number is None) == (exact is None)
        assert number is None or float(number) == float(exact)


class TestNumberText:
    @pytest.mark.parametrize(
        ("number", "text"),
        [
            *((5.0, "5"), (0.0, "0"), (-0.0, "0"), (0.1, "0.1"), (-2.5, "-2.5"), (1e21, "1e+21")),
            *((123456789012345680000.0, "123456789012345680000"), (1e-6, "0.000001")),
            *((1e-7, "1e-7"), (1.5e-7, "1.5e-7"), (5e-324, "5e-324"), (1.5e300, "1.5e+300")),
            *((math.nan, "NaN"), (math.inf, "Infinity"), (-math.inf, "-Infinity"), (7, "7")),
            *((10**21, "1e+21"), (10**400, "Infinity"), (-(10**400), "-Infinity")),
        ],
    )
    def test_the_corners_of_the_standard(self, number, text):
        """
        Whole floats lose their point; the exponent starts at 1e21 and below 1e-6.
        """
        assert text == number_text(number)

    def test_a_long_int_keeps_its_last_digit(self):
        """
        JavaScript would have rounded this order number when it read it; we did not.
        """
        assert "9007199254740993" == number_text(9007199254740993)

    @given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53))
    def test_javascript_prints_the_same(self, number):
        """
        The text is that of a JavaScript engine; where the engine gives a digit more than the
        standard's "as few as possible", the text is still the same number.
        """
        theirs, ours = STRING_OF(repr(number)), number_text(number)

        assert theirs == ours or (float(theirs) == float(ours) and len(theirs) > len(ours))

"""Values: reading along a path, numbers and characters, as JavaScript sees them."""

from __future__ import annotations

import copy
import math
import pickle

import orjson
import pytest
import quickjs
from hypothesis import given
from hypothesis import strategies as st

from homing.core.mapping.values import (
    ABSENT,
    key_of,
    member,
    number_of,
    utf16_length,
    utf16_units,
    well_formed,
)

JAVASCRIPT = quickjs.Context()
NUMBER_OF = JAVASCRIPT.eval("(json) => Number(JSON.parse(json))")
LENGTH_OF = JAVASCRIPT.eval("(text) => text.length")


class TestAbsent:
    def test_it_is_falsy_and_says_its_name(self):
        """
        `ABSENT` reads well in an assertion and in a condition.
        """
        assert not ABSENT
        assert "ABSENT" == repr(ABSENT)

    def test_it_is_one(self):
        """
        Copies and pickles are the sentinel itself, so that `is` always works.
        """
        assert ABSENT is copy.deepcopy(ABSENT)
        assert ABSENT is pickle.loads(pickle.dumps(ABSENT))  # noqa: S301  # our own bytes


class TestMember:
    @pytest.mark.parametrize(
        ("value", "name", "found"),
        [
            ({"a": 1}, "a", 1),
            ({"a": None}, "a", None),
            ({}, "a", ABSENT),
            ([5, 6], "1", 6),
            ([5, 6], "2", ABSENT),
            ([5, 6], "-1", ABSENT),
            ([5, 6], "01", ABSENT),
            ([5, 6], "1.0", ABSENT),
            ([5, 6], "٣", ABSENT),
            ([5, 6], "9" * 5000, ABSENT),
            ([5, 6], "length", 2),
            ([], "length", 0),
            ((5, 6), "0", 5),
            ("abc", "1", "b"),
            ("abc", "9", ABSENT),
            ("abc", "length", 3),
            ("a😀", "length", 3),
            ("a😀", "1", "\ufffd"),
            ("é", "0", "é"),
            ("abc", "constructor", ABSENT),
            (True, "a", ABSENT),
            (5, "a", ABSENT),
            (2.5, "length", ABSENT),
            (object(), "a", ABSENT),
        ],
    )
    def test_objects_lists_and_text_have_members(self, value, name, found):
        """
        Names, list indexes and `length` are read; nothing inherited is.
        """
        assert found == member(value, key_of(name))

    @pytest.mark.parametrize("falsy", [None, False, 0, 0.0, "", ABSENT])
    def test_what_is_falsy_is_returned_itself(self, falsy):
        """
        mapping-kit stops at a falsy value and gives that: `z = 0` makes `z.y` 0.
        """
        assert falsy is member(falsy, key_of("y"))

    def test_nan_is_falsy_too(self):
        """
        JavaScript holds NaN for false.
        """
        assert math.isnan(member(math.nan, key_of("y")))


class TestNumberOf:
    @pytest.mark.parametrize(
        "value",
        [
            *(
                None,
                True,
                False,
                0,
                5,
                -2.5,
                1e21,
                "",
                " ",
                "5",
                " 5\n",
                "\u00a05\ufeff",
                "5.",
                ".5",
            ),
            *("+5", "-5e3", "0x1F", "0b11", "0o17", "-0x1F", "Infinity", "-Infinity", "infinity"),
            *("5a", "1_000", "1,5", "nan", ".", "e5", "0x", "٣", {}, {"a": 1}),
        ],
    )
    def test_javascript_converts_the_same(self, value):
        """
        Numbers in text are read as a JavaScript engine does.
        """
        theirs, ours = NUMBER_OF(orjson.dumps(value).decode()), number_of(value)

        assert (math.isnan(theirs) and math.isnan(ours)) or theirs == ours

    def test_endless_digits_are_not_read(self):
        """
        A megabyte of digits costs nothing.
        """
        assert math.isnan(number_of("9" * 1_000_000))
        assert math.inf == number_of(10**400)


class TestUtf16:
    @given(st.text(st.characters(exclude_categories=["Cs"])))
    def test_length_is_that_of_javascript(self, text):
        """
        A character beyond U+FFFF counts twice, and there are as many units as the length says.
        """
        assert LENGTH_OF(text) == utf16_length(text) == len(utf16_units(text))


class TestWellFormed:
    @pytest.mark.parametrize(
        ("text", "fit"),
        [("abc", "abc"), ("é😀", "é😀"), ("\ud800x", "\ufffdx"), ("x\udc00", "x\ufffd")],
    )
    def test_lone_surrogates_are_replaced(self, text, fit):
        """
        Text that UTF-8 cannot carry is repaired; all other text stays.
        """
        assert fit == well_formed(text)

    @given(st.text(st.characters()))
    def test_what_is_given_can_be_written(self, text):
        """
        Any text can be encoded afterwards.
        """
        assert isinstance(well_formed(text).encode(), bytes)

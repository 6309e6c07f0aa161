"""`@merge`, `@flatten` and `@excludeWhenNull`: objects made of objects."""

from __future__ import annotations

import pytest

from homing.core.mapping.combine import flattened, merged, without_nulls
from homing.core.mapping.errors import Refused
from homing.core.mapping.limits import MAX_VALUES
from homing.core.mapping.values import ABSENT


class TestMerged:
    @pytest.mark.parametrize(
        ("values", "whole"),
        [
            ([], {}),
            ([{"a": 1, "b": 1}, {"b": 2}], {"a": 1, "b": 2}),
            ([{"a": {"x": 1}}, {"a": {"y": 2}}], {"a": {"y": 2}}),
            (["ab", {"0": "X"}], {"0": "X", "1": "b"}),
            (["😀"], {"0": "\ufffd", "1": "\ufffd"}),
            ([[5, 6]], {"0": 5, "1": 6}),
            ([None, ABSENT, 5, True, 2.5], {}),
            ([{"a": 1}, {"a": ABSENT}], {"a": ABSENT}),
        ],
    )
    def test_later_members_win_one_level_deep(self, values, whole):
        """
        Text is spread by character, and what is absent still hides what was there.
        """
        assert whole == merged(values)

    @pytest.mark.parametrize("value", ["x" * (MAX_VALUES + 1), [0] * (MAX_VALUES + 1)])
    def test_megabytes_are_not_spread(self, value):
        """
        A long text is refused before it becomes a million members.
        """
        with pytest.raises(Refused, match="more than"):
            merged([value])


class TestFlattened:
    @pytest.mark.parametrize(
        ("value", "flat"),
        [
            ({"a": {"b": {"c": 1}}, "d": 2}, {"a.b.c": 1, "d": 2}),
            ({"a": [1, {"b": 2}]}, {"a.0": 1, "a.1.b": 2}),
            ({"a": {}, "b": [], "c": None}, {"c": None}),
            ({"": {"a": 1}}, {"a": 1}),
            ([1, [2]], {"0": 1, "1.0": 2}),
            (5, {"": 5}),
            (None, {"": None}),
            (ABSENT, {"": ABSENT}),
        ],
    )
    def test_nested_values_come_to_one_level(self, value, flat):
        """
        Empty containers vanish, and a plain value has no name.
        """
        assert flat == flattened(value, ".", omit_arrays=False)

    def test_lists_can_be_left_whole(self):
        """
        With `omitArrays` a list is a value; so is one at the top.
        """
        assert {"a_b": [1]} == flattened({"a": {"b": [1]}}, "_", omit_arrays=True)
        assert {"": [1]} == flattened([1], "_", omit_arrays=True)

    @pytest.mark.parametrize(
        "value",
        [
            {"k" * 4_000_000: [[]] * 100_000},
            [0] * (MAX_VALUES + 1),
            {"a": {"k" * 1000: dict.fromkeys(map(str, range(10_000)))}},
        ],
    )
    def test_long_names_times_many_values_are_refused(self, value):
        """
        Names grow with depth: their sum is bounded while they grow.
        """
        with pytest.raises(Refused, match=r"longer than|more than"):
            flattened(value, ".", omit_arrays=False)

    def test_endless_nesting_is_refused(self):
        """
        A hundred thousand levels end at the limit.
        """
        value: object = 1
        for _ in range(100_000):
            value = [value]

        with pytest.raises(Refused, match="deeper than"):
            flattened(value, ".", omit_arrays=False)


class TestWithoutNulls:
    @pytest.mark.parametrize(
        ("value", "left"),
        [
            (None, ABSENT),
            ({"a": None, "b": 0}, {"a": ABSENT, "b": 0}),
            ({"a": {"b": None}}, {"a": {"b": ABSENT}}),
            ({"a": [None, {"b": None}]}, {"a": [None, {"b": None}]}),
            ([None], [None]),
            ("", ""),
        ],
    )
    def test_nulls_of_objects_are_absent(self, value, left):
        """
        Lists keep their nulls, and so do objects inside lists.
        """
        assert left == without_nulls(value)

"""Results: what leaves a mapping is JSON, within limits, and nobody else's."""

from __future__ import annotations

import types
from datetime import UTC, datetime
from enum import IntEnum, StrEnum

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.core.mapping.errors import Refused
from homing.core.mapping.limits import MAX_DEPTH, MAX_TEXT, MAX_VALUES
from homing.core.mapping.results import count_values, finished
from homing.core.mapping.values import ABSENT

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


class Colour(StrEnum):
    RED = "red"


class Size(IntEnum):
    BIG = 3


class TestFinished:
    @given(JSON)
    def test_json_comes_through_equal_and_copied(self, value):
        """
        The copy writes the same JSON, and shares no list or object with the event.
        """
        copy = finished(value)

        assert orjson.dumps(value) == orjson.dumps(copy)
        assert copy is not value or not isinstance(value, dict | list)

    def test_what_is_absent_goes(self):
        """
        Members leave, list items become null, and what is left alone is `ABSENT`.
        """
        value = {"a": ABSENT, "b": [ABSENT, {"c": ABSENT}], "d": None}

        assert {"b": [None, {}], "d": None} == finished(value)
        assert {"b": [ABSENT, {}], "d": None} == finished(value, hole=ABSENT)
        assert ABSENT is finished(ABSENT)

    @pytest.mark.parametrize(
        ("value", "fit"),
        [
            (float("nan"), None),
            (float("-inf"), None),
            (2**64, float(2**64)),
            (10**400, None),
            ("\ud800", "\ufffd"),
            ({"\ud800": 1}, {"\ufffd": 1}),
            ((1, 2), [1, 2]),
            (types.MappingProxyType({"a": 1}), {"a": 1}),
            (Colour.RED, "red"),
            (Size.BIG, 3),
        ],
    )
    def test_what_is_nearly_json_is_made_fit(self, value, fit):
        """
        Numbers, text and containers that JSON has not become what it has.
        """
        assert fit == finished(value)
        assert type(fit) is type(finished(value))

    @pytest.mark.parametrize(
        "value", [datetime(2024, 1, 5, tzinfo=UTC), b"x", {1}, object(), {1: 2}, [{None: 1}]]
    )
    def test_what_is_not_json_is_refused(self, value):
        """
        Dates, bytes, sets and names that are no text cannot leave.
        """
        with pytest.raises(Refused, match="is not a"):
            finished(value)

    @pytest.mark.parametrize(
        "value",
        [
            [0] * (MAX_VALUES + 1),
            [[0] * 1000] * 251,
            "x" * (MAX_TEXT + 1),
            ["x" * (MAX_TEXT // 2)] * 3,
            {"k" * (MAX_TEXT + 1): 1},
            {"a": "é" * (MAX_TEXT + 1)},
        ],
    )
    def test_too_much_is_refused(self, value):
        """
        Values, and characters of text and names, are counted over the whole result.
        """
        with pytest.raises(Refused, match=r"more than|longer than"):
            finished(value)

    def test_too_deep_is_refused(self):
        """
        The deepest result that is allowed can still be written; cycles end too.
        """
        value: list[object] = []
        for _ in range(MAX_DEPTH - 1):
            value = [value]
        cycle: dict[str, object] = {}
        cycle["a"] = cycle

        assert orjson.dumps(finished(value))
        for deep in ([value], cycle):
            with pytest.raises(Refused, match="deeper than"):
                finished(deep)


class TestCountValues:
    @pytest.mark.parametrize(
        ("value", "count"), [(1, 1), ("abc", 1), ([], 1), ([1, [2, 3]], 5), ({"a": {"b": 1}}, 3)]
    )
    def test_every_value_counts(self, value, count):
        """
        A value counts one, whatever holds it.
        """
        assert count == count_values(value)

    def test_it_gives_up_past_the_limit(self):
        """
        Ten thousand million values behind shared lists are not walked.
        """
        value: object = 0
        for _ in range(10):
            value = [value] * 10

        assert MAX_VALUES < count_values(value)

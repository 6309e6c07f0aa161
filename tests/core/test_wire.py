"""JSON for the wire."""

from __future__ import annotations

import json
from decimal import Decimal
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.core.wire import NotJson, json_bytes

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(), max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(), max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


class TestJsonBytes:
    @given(VALUES)
    def test_whatever_json_can_say_is_written(self, value: object) -> None:
        """Any text, also half a surrogate pair, and any integer, gives UTF-8 JSON."""
        assert json.loads(json_bytes(value).decode("utf-8")) is not Ellipsis

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            ({"a": "x\ud800y"}, b'{"a":"x\xef\xbf\xbdy"}'),
            ({"a": "\ud83d\ude00"}, '{"a":"\U0001f600"}'.encode()),
            ([10**30], b'["1000000000000000000000000000000"]'),
            ([2**64 - 1, -(2**63)], b"[18446744073709551615,-9223372036854775808]"),
            (
                {"p": Decimal("9.50"), "n": Decimal("7"), "x": Decimal("NaN")},
                b'{"p":9.5,"n":7,"x":null}',
            ),
            ({1: "a"}, b'{"1":"a"}'),
            ({"\ud800": Decimal("1.5")}, b'{"\xef\xbf\xbd":1.5}'),
            (MappingProxyType({"a": 1}), b'{"a":1}'),
            ([float("nan"), float("inf")], b"[null,null]"),
            ([("a", 1)], b'[["a",1]]'),
        ],
    )
    def test_odd_values_are_mended(self, value: object, expected: bytes) -> None:
        """One odd character or number does not cost a customer the email."""
        assert expected == json_bytes(value)

    def test_what_has_no_json_form_is_refused(self) -> None:
        """An object of a class is the programmer's fault, and named."""
        with pytest.raises(NotJson, match="object"):
            json_bytes({"a": object()})

    def test_a_loop_is_refused(self) -> None:
        """Nesting without end stops at a depth."""
        loop: list[object] = []
        loop.append(loop)

        with pytest.raises(NotJson, match="deeper"):
            json_bytes(loop)

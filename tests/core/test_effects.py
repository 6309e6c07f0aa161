"""The text ids of sends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.core.effects import send_key, send_number


class TestSendKey:
    @given(st.integers(1, 10**18 - 1), st.integers(0, 2**40 - 1))
    def test_it_is_read_back(self, number, tag):
        """
        Number and tag.
        """
        assert (number, tag) == send_number(send_key(number, tag))


class TestSendNumber:
    @pytest.mark.parametrize(
        "key",
        [
            *("", "-", "7", "7-", "-0000000001", "7-000000001", "7-00000000001", "x-0000000001"),
            *("7-zzzzzzzzzz", "7-+000000001", "7- 00000001", "7-0_00000001", "7-000000000A"),
            *("07-0000000001", "²-0000000001", "1-2-0000000001", "9" * 19 + "-0000000001"),
        ],
    )
    def test_what_send_key_never_writes_is_no_id(self, key):
        """
        Close is not enough: an id is found by its bytes.
        """
        assert send_number(key) is None

    @given(st.text(max_size=40))
    def test_no_text_raises(self, key):
        """
        It is an id, and then the only text of it, or None.
        """
        named = send_number(key)

        assert named is None or key == send_key(*named)

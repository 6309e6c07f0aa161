"""What the file of an import job says."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.core.marketing.refusals import refusals_in

OURS = {"a@x.io", "b@x.io"}


class TestRefusalsIn:
    @pytest.mark.parametrize(
        "raw",
        [
            b"email,error_message\nA@x.io,too odd\n,other\nstranger@x.io,what\n",
            b'\xef\xbb\xbfrow;x\r\n,too odd," a@x.io "\r\n',
            json.dumps({"email": "a@x.io", "error": "too odd"}).encode() + b"\n{bad\n",
            json.dumps([{"email": "a@x.io", "error": "too odd"}, 5]).encode(),
        ],
    )
    def test_whatever_its_form_each_of_ours_has_its_reason(self, raw: bytes) -> None:
        """CSV with any columns, JSON as a list or a line."""
        assert {"a@x.io": "import job: too odd"} == refusals_in(raw, OURS)

    def test_a_page_of_a_proxy_refuses_nobody(self) -> None:
        """HTML names no address of ours alone in a cell."""
        assert {} == refusals_in(b"<html><p>a@x.io was here</p></html>", OURS)

    def test_a_row_that_cannot_be_read_hides_no_other(self) -> None:
        """A cell longer than the reader takes."""
        raw = b'"' + b"x" * 200_000 + b'",y\na@x.io,bad\n'
        assert {"a@x.io": "import job: bad"} == refusals_in(raw, OURS)

    @given(raw=st.binary(max_size=300))
    def test_whatever_comes_is_read(self, raw: bytes) -> None:
        """Nothing raises, and a reason is short."""
        for reason in refusals_in(raw + b"\na@x.io," + raw, OURS).values():
            assert len(reason) <= 500

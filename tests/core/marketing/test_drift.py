"""Who should be on a list, and who is."""

from __future__ import annotations

import gzip
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.core.marketing.drift import LAG_MS, UnreadableExport, Verdict, members_in, verdict_of
from homing.core.marketing.members import ListMember

BEGAN = 10_000_000


def verdict(
    *, wanted: bool, told: bool | None, on: bool, changed_at: int = 0, busy: bool = False
) -> Verdict:
    """Of one address."""
    row = ListMember("vip", "a@x.io", 1, wanted, 1, told=told, changed_at=changed_at)
    return verdict_of(row, is_on=on, began_at=BEGAN, busy={"a@x.io"} if busy else set())


class TestVerdictOf:
    @pytest.mark.parametrize(
        ("wanted", "told", "on", "expected"),
        [
            (True, True, True, Verdict.AGREED),
            (True, None, True, Verdict.UNTOLD),
            (True, False, True, Verdict.UNTOLD),
            (True, True, False, Verdict.MISSING),
            (True, None, False, Verdict.MISSING),
            (True, False, False, Verdict.REFUSED),
            (False, True, True, Verdict.EXTRA),
            (False, None, True, Verdict.EXTRA),
            (False, False, True, Verdict.EXTRA),
            (False, True, False, Verdict.UNTOLD),
            (False, False, False, Verdict.AGREED),
        ],
    )
    def test_every_pair_has_one(
        self,
        wanted: bool,
        told: bool | None,
        on: bool,
        expected: Verdict,
    ) -> None:
        """What should be, what was told, what is."""
        assert expected is verdict(wanted=wanted, told=told, on=on)

    def test_what_changed_lately_or_is_under_way_is_not_judged(self) -> None:
        """An export shows what was some time before it."""
        assert Verdict.YOUNG is verdict(
            wanted=True, told=None, on=False, changed_at=BEGAN - LAG_MS + 1
        )
        assert Verdict.YOUNG is verdict(wanted=True, told=None, on=False, busy=True)
        assert Verdict.MISSING is verdict(
            wanted=True, told=None, on=False, changed_at=BEGAN - LAG_MS
        )


class TestMembersIn:
    @pytest.mark.parametrize("pack", [lambda raw: raw, gzip.compress])
    def test_columns_are_found_by_heading(self, pack: object) -> None:
        """In any order, plain or packed; rows without an address or id are passed over."""
        raw = '\ufeffcontact_id,x,Email\r\nc1,"a\n,b",A@x.io\r\nc2,,\r\n,,b@x.io\r\nc3\r\n'.encode()
        assert [("a@x.io", "c1")] == list(members_in(io.BytesIO(pack(raw))))  # type: ignore[operator]

    def test_nothing_is_nobody(self) -> None:
        """An empty list may have an empty file."""
        assert [] == list(members_in(io.BytesIO(b"")))

    @pytest.mark.parametrize(
        "raw",
        [
            b"<html>\n",
            b"EMAIL,NAME\n",
            gzip.compress(b"EMAIL,CONTACT_ID\n" * 9, mtime=0)[:-9],
            gzip.compress(b"EMAIL,CONTACT_ID\n", mtime=0)[:10] + b"\xff" * 30,
        ],
        ids=["a page", "no such column", "cut off", "no gzip within"],
    )
    def test_what_is_no_export_is_refused(self, raw: bytes) -> None:
        """So that nobody is taken off or added by it."""
        with pytest.raises(UnreadableExport):
            list(members_in(io.BytesIO(raw)))

    @given(raw=st.binary(max_size=200))
    def test_whatever_comes_is_read_or_refused(self, raw: bytes) -> None:
        """Nothing else is raised."""
        for start in (b"", b"\x1f\x8b", b"EMAIL,CONTACT_ID\n"):
            try:
                list(members_in(io.BytesIO(start + raw)))
            except UnreadableExport:
                continue

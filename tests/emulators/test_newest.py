"""Lists that keep the newest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.emulators.newest import Newest


class TestNewest:
    @given(st.lists(st.integers()), st.integers(1, 10))
    def test_it_is_the_end_of_all_that_was_appended(self, rows, keep):
        """Only the newest are kept, in order, and all are counted."""
        newest = Newest[int](keep)
        for row in rows:
            newest.append(row)

        assert rows[-keep:] == list(newest)
        assert rows[-keep:][::-1] == list(newest.newest())
        assert len(rows) == newest.total

    def test_bytes_make_room_too(self):
        """Large rows push old ones out before the number does."""
        newest = Newest[str](100, keep_bytes=10)

        for row in ("a", "b", "c"):
            newest.append(row, 4)

        assert ["b", "c"] == list(newest)

    def test_the_newest_row_stays_whatever_its_size(self):
        """What was just appended can be looked at."""
        newest = Newest[str](100, keep_bytes=10)

        newest.append("huge", 1000)

        assert ["huge"] == list(newest)

    def test_it_reads_like_a_list(self):
        """Indexes, negative ones and slices work."""
        newest = Newest[int](3)
        for row in range(5):
            newest.append(row)

        assert (2, 4, [3, 4]) == (newest[0], newest[-1], newest[1:])
        with pytest.raises(IndexError):
            newest[3]


class TestSince:
    def test_rows_are_told_once(self):
        """From a total on, oldest first; what was forgotten meanwhile is left out."""
        rows = Newest(3)
        for row in "abcde":
            rows.append(row)

        assert ["d", "e"] == rows.since(3)
        assert ["c", "d", "e"] == rows.since(0)
        assert [] == rows.since(5)


class TestClear:
    def test_the_total_goes_on(self):
        """Rows go, and are known to have been."""
        rows = Newest(3)
        rows.append("a")
        rows.clear()
        rows.append("b")

        assert (["b"], 2) == (list(rows), rows.total)
        assert ["b"] == rows.since(1)

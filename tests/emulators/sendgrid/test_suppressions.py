"""A list of suppressed addresses, against the simplest thing that could be one."""

from hypothesis import given
from hypothesis import strategies as st

from homing.emulators.sendgrid.suppressions import Listed, SuppressionList

NAMES = st.sampled_from("abcdefgh")
TIMES = st.integers(0, 9)
CHANGES = st.lists(st.tuples(st.booleans(), NAMES, TIMES), max_size=30)


class TestSuppressionList:
    @given(CHANGES, TIMES, st.none() | TIMES, st.integers(0, 5), st.integers(1, 5))
    def test_pages_are_slices_of_the_newest(self, changes, start, end, offset, limit):
        """Rows of a time, newest first; of one second, the last added first."""
        rows, model = SuppressionList(), {}
        for is_added, name, created in changes:
            if is_added:
                rows.add(Listed(name, created))
                model.setdefault(name, Listed(name, created))
            else:
                assert rows.remove(name) == (model.pop(name, None) is not None)

        page = rows.page(start, end, offset=offset, limit=limit)

        found = sorted(model.values(), key=lambda row: row.created)[::-1]
        meant = [row for row in found if start <= row.created <= (99 if end is None else end)]
        assert meant == rows.newest(start, end)
        assert meant[offset : offset + limit] == page
        assert all(rows.find(name) == model.get(name) for name in "abcdefgh")

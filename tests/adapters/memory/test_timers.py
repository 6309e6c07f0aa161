"""Timers in memory: the first in order of time, whatever was changed or undone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from homing.adapters.memory.table import Journal
from homing.adapters.memory.timers import Timers

times = st.one_of(st.none(), st.integers(0, 9))
changes = st.tuples(st.integers(1, 5), times)
# a part of a transaction: what is changed, and whether that part is undone
parts = st.tuples(st.lists(changes, max_size=4), st.booleans())
# transactions, each of parts, and whether all of it is undone
histories = st.lists(st.tuples(st.lists(parts, max_size=4), st.booleans()), max_size=8)


def assert_tells(timers: Timers, known: dict[int, int]) -> None:
    """The timers tell what a plain dictionary does."""
    for now in (3, 9):
        expected = sorted((at, number) for number, at in known.items() if at <= now)
        for limit in (2, 9):
            assert [number for _, number in expected[:limit]] == timers.until(now, limit=limit)
    assert min(known.values(), default=None) == timers.first()
    assert sorted(known) == sorted(timers.numbers())


def put(known: dict[int, int], number: int, at: int | None) -> None:
    """Change a plain dictionary as timers are."""
    known.pop(number, None)
    if at is not None:
        known[number] = at


class TestTimers:
    @given(histories)
    def test_they_are_as_a_sorted_dictionary_would_be(
        self, history: list[tuple[list[tuple[list[tuple[int, int | None]], bool]], bool]]
    ) -> None:
        """
        Asked at any moment, also in the midst of what is undone afterwards.
        """
        journal, known = Journal(), dict[int, int]()
        timers = Timers(journal)
        for transaction, all_undone in history:
            before = dict(known)
            for part, undone in transaction:
                mark, at_mark = journal.mark(), dict(known)
                for number, at in part:
                    timers.set(number, at)
                    put(known, number, at)
                    assert_tells(timers, known)
                if undone:
                    journal.undo(mark)
                    known = at_mark
                assert_tells(timers, known)
            if all_undone:
                journal.undo(0)
                known = before
            journal.keep()
            assert_tells(timers, known)

    def test_times_that_are_untrue_are_not_kept_for_ever(self) -> None:
        """
        A row that moves on for years leaves nothing behind.
        """
        journal = Journal()
        timers = Timers(journal)
        for at in range(1_000):
            timers.set(1, at)
            journal.keep()
            assert at == timers.first()

        assert [1] == timers.until(9_999, limit=9)
        assert len(timers._heap) == 1

"""Per list and address the newest word wins."""

from __future__ import annotations

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from homing.core.marketing.members import ListMember, settled, together


def said(at: int, *, wanted: bool, told: bool | None = None) -> ListMember:
    """A word."""
    return ListMember("vip", "a@x.io", 1, wanted, at, told=told)


class TestSettled:
    @given(
        words=st.lists(
            st.tuples(st.integers(1, 20), st.booleans()),
            min_size=1, max_size=4, unique_by=lambda word: word[0],
        )
    )  # fmt: skip
    def test_the_newest_word_stays_in_whatever_order(self, words: list[tuple[int, bool]]) -> None:
        """Doubled, too."""
        for order in permutations(words):
            known: ListMember | None = None
            for at, wanted in (*order, *order):
                known = settled(known, said(at, wanted=wanted)) or known
            assert known is not None
            assert max(words) == (known.at, known.wanted)

    def test_of_two_of_one_moment_the_later_to_come_stays(self) -> None:
        """There is nothing else to tell them apart by."""
        kept = settled(said(5, wanted=True, told=True), said(5, wanted=False))
        assert said(5, wanted=False, told=True) == kept

    def test_what_sendgrid_was_told_is_kept(self) -> None:
        """So it is open whether it is to be told again."""
        kept = settled(said(1, wanted=True, told=True), said(2, wanted=True))
        assert kept is not None
        assert not kept.is_open
        kept = settled(kept, said(3, wanted=False))
        assert kept is not None
        assert kept.is_open


class TestTogether:
    @given(
        rows=st.lists(
            st.builds(
                ListMember, st.just("vip"), st.just("a@x.io"), st.integers(1, 9), st.booleans(),
                st.integers(1, 20), changed_at=st.integers(0, 20),
            ),
            min_size=1, max_size=5,
        )
    )  # fmt: skip
    def test_one_who_should_be_on_it_is_enough(self, rows: list[ListMember]) -> None:
        """The newest of those who say so decides; in whatever order they are read."""
        for order in permutations(rows):
            shared = together(order)
            assert shared is not None
            assert any(row.wanted for row in rows) is shared.wanted
            same = [row for row in rows if row.wanted is shared.wanted]
            assert max(row.at for row in same) == shared.at
            assert max(row.changed_at for row in rows) == shared.changed_at

    def test_of_nobody_nothing_is_known(self) -> None:
        """None."""
        assert together([]) is None

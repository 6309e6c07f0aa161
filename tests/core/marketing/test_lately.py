"""What was written lately is remembered, for a while and not without end."""

from __future__ import annotations

from homing.core.marketing.lately import LATELY_MS, MOST, Lately


class TestLately:
    def test_for_a_while(self) -> None:
        """From when it was last written; not what was seen to be gone."""
        lately = Lately()
        lately.note(["a", "b"], now_ms=0)
        lately.note(["a"], now_ms=10)
        lately.note(["c"], now_ms=10)
        lately.forget(["c", "stranger"])

        assert [True, True, False] == [lately.holds(one, now_ms=LATELY_MS - 1) for one in "abc"]
        assert [True, False] == [lately.holds(one, now_ms=LATELY_MS) for one in "ab"]
        assert not lately.holds("a", now_ms=LATELY_MS + 10)

    def test_only_what_was_written_here_is_renewed(self) -> None:
        """What a process before has written may be gone since."""
        lately = Lately()
        lately.note(["a"], now_ms=0)
        lately.renew(["a", "b"], now_ms=LATELY_MS)

        assert [True, False] == [lately.holds(one, now_ms=LATELY_MS + 1) for one in "ab"]

    def test_no_more_than_so_many(self) -> None:
        """The oldest go first; those whose time is over go anyway."""
        lately = Lately()
        lately.note(map(str, range(MOST + 5)), now_ms=0)
        assert [False, True] == [lately.holds(one, now_ms=1) for one in ("4", "5")]

        lately.note(["new"], now_ms=LATELY_MS)
        assert ["new"] == list(lately._at)

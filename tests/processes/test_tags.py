"""Tests of homing.processes.tags."""

from __future__ import annotations

from homing.processes.tags import AT_ONCE, Tags


class TestTags:
    def test_each_is_another_number_of_40_bits(self) -> None:
        """Also beyond what is drawn at once."""
        tags = Tags()
        drawn = [tags() for _ in range(3 * AT_ONCE)]

        assert len(drawn) == len(set(drawn))
        assert all(0 <= tag < 2**40 for tag in drawn)
        assert max(drawn) > 2**39  # one of 3,072 is, but for chance of 2 to the power of -3,072

    def test_two_draw_apart(self) -> None:
        """Each process has its own."""
        assert [Tags()() for _ in range(9)] != [Tags()() for _ in range(9)]

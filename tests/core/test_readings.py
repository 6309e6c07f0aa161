"""What reconciliations of suppressions keep."""

from __future__ import annotations

from homing.core.readings import (
    DAY_MS,
    READ,
    REFUSED,
    WHOLE_ROWS,
    Kept,
    Reconciliation,
    kept_from,
    kept_text,
    rows_of,
)
from homing.core.reconcile_suppressions import LAG_S, OVERLAP_S, ListName, Repair, Side

NOON = 1_767_614_400_000
HOUR = 3_600_000
LISTS = [*ListName]


def begun(
    kept: Kept, now_ms: int = NOON, *, full: bool = False, dry: bool = False
) -> Reconciliation:
    """Start one."""
    return kept.begin(full=full, dry=dry, now_ms=now_ms)


def ended(kept: Kept, now_ms: int = NOON, *, pulled: int = 0, dry: bool = False) -> None:
    """One that read every list."""
    one = begun(kept, now_ms, dry=dry)
    one.readings["unsubscribes"].tally.pulled = pulled
    for name in LISTS:
        kept.close_list(name)
    kept.end(now_ms=now_ms)


class TestBegin:
    def test_the_first_reads_everything(self) -> None:
        """No list has a start, and each is read for the first time."""
        one = begun(Kept())

        assert {None} == {reading.start_s for reading in one.readings.values()}
        assert all(reading.first for reading in one.readings.values())
        assert NOON // 1000 - LAG_S == one.end_s

    def test_the_next_goes_on_where_each_list_ended(self) -> None:
        """With an overlap; few unsubscribes are read as a whole each time."""
        kept = Kept()
        ended(kept, pulled=WHOLE_ROWS)

        one = begun(kept, NOON + HOUR)

        start = NOON // 1000 - LAG_S - OVERLAP_S
        assert {start} == {
            reading.start_s for name, reading in one.readings.items() if name != "unsubscribes"
        }
        assert one.readings["unsubscribes"].start_s is None
        assert not any(reading.first for reading in one.readings.values())

    def test_many_unsubscribes_are_read_as_a_whole_once_a_day(self) -> None:
        """Or when all is asked for."""
        kept = Kept()
        ended(kept, pulled=WHOLE_ROWS + 1)

        for now_ms, full, whole in (
            (NOON + HOUR, False, False),
            (NOON + HOUR, True, True),
            (NOON + DAY_MS, False, True),
        ):
            one = begun(kept, now_ms, full=full)
            assert whole is (one.readings["unsubscribes"].start_s is None)
            assert whole is one.marks(ListName.UNSUBSCRIBES)

    def test_a_list_that_was_refused_is_read_from_where_it_was(self) -> None:
        """What came meanwhile is not lost."""
        kept = Kept()
        ended(kept)
        one = begun(kept, NOON + HOUR)
        one.readings["bounces"].state = REFUSED
        for name in LISTS:
            if name is not ListName.BOUNCES:
                kept.close_list(name)
        kept.end(now_ms=NOON + HOUR)

        again = begun(kept, NOON + 2 * HOUR)

        start = again.readings["bounces"].start_s
        assert start == one.readings["bounces"].start_s
        assert start != again.readings["blocks"].start_s

    def test_a_dry_run_moves_no_window(self) -> None:
        """And is not the last one."""
        kept = Kept()
        ended(kept, dry=True)

        assert {} == kept.ends
        assert kept.last is None
        assert kept.of(1) is kept.tried is not None


class TestReconciliation:
    def test_lists_are_read_in_order_and_none_twice(self) -> None:
        """Refused ones count as over."""
        kept = Kept()
        one = begun(kept)
        order = []
        while (name := one.next_list()) is not None:
            order.append(name)
            one.readings[name].state = READ if len(order) % 2 else REFUSED

        assert LISTS == order

    def test_only_a_list_read_whole_is_held_against_ours(self) -> None:
        """Not one that was refused, nor one that was read in part."""
        kept = Kept()
        one = begun(kept)
        assert not one.is_compared(ListName.GROUPS)
        for name in LISTS:
            kept.close_list(name)

        assert [ListName.UNSUBSCRIBES, ListName.GROUPS] == [n for n in LISTS if one.is_compared(n)]

    def test_one_goes_on_if_it_is_what_is_asked_for(self) -> None:
        """A full one is as good as an ordinary one, a dry run is not."""
        one = begun(Kept(), full=True)

        assert one.may_go_on(full=False, dry=False, since_ms=NOON)
        assert one.may_go_on(full=True, dry=False, since_ms=NOON)
        assert not one.may_go_on(full=False, dry=True, since_ms=NOON)
        assert not one.may_go_on(full=False, dry=False, since_ms=NOON + 1)
        part = begun(Kept())
        assert not part.may_go_on(full=True, dry=False, since_ms=NOON)


class TestKeptText:
    def test_what_is_kept_comes_back(self) -> None:
        """And nothing is kept of nothing."""
        kept = Kept()
        ended(kept, pulled=7)
        begun(kept).readings["groups"].tally.unknown_groups["9"] = 3

        assert kept == kept_from(kept_text(kept))
        assert Kept() == kept_from(None)


class TestRowsOf:
    def test_a_row_a_list_names_what_it_lacked(self) -> None:
        """In the order of the lists, with times people read."""
        kept = Kept()
        one = begun(kept)
        one.readings["bounces"].tally.missing_here = 1
        repair = Repair(ListName.BOUNCES, "a@x.io", Side.HERE, True, NOON)

        rows = rows_of(one, [repair])

        assert LISTS == [row["list"] for row in rows]
        (row,) = (row for row in rows if row["list"] == "bounces")
        assert [
            {"address": "a@x.io", "missing": "here", "change": "opt_out",
             "at": "2026-01-05T12:00:00.000Z"}
        ] == row["named"]  # fmt: skip
        assert (1, None, "2026-01-05T11:59:00.000Z") == (
            row["missing_here"], row["from"], row["to"],
        )  # fmt: skip

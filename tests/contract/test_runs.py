"""What every store promises of runs: timers in order, no number twice, nothing kept too long."""

from __future__ import annotations

from contextlib import suppress

import pytest
from msgspec.structs import replace
from tests.contract.run_rows import (
    ENDED,
    OVER,
    change,
    define,
    defined,
    due,
    enter,
    ids,
    passage,
    run,
)
from tests.support.rows import DAY, HOUR, NOON, Refused, refuse, user

from homing.core import people
from homing.core.journeys.run import FOREVER, Passage, Run, RunState
from homing.ports import Definition, Store, Tx

FULL = Run(
    1, 2, "cart", "v1", "k\x00\u2028é", NOON, RunState.EXITED, "wait", NOON + 1, NOON + 2, 3, 4,
    "plain", "bought", NOON + 5, NOON + 6, NOON + 7,
    NOON + 8, "12.50", 9, 10,
)  # fmt: skip


class TestNextId:
    async def test_a_number_is_never_given_twice(self, store: Store) -> None:
        """
        Also when the newest run was erased, or retention took all there were.
        """

        def job(tx: Tx) -> list[int]:
            numbers = [enter(tx, person=1).id, enter(tx, person=2).id]
            tx.runs.erase([2])
            numbers.append(enter(tx, person=3, **OVER).id)
            tx.runs.prune(NOON + 1, limit=9)
            tx.runs.erase([1])
            return [*numbers, tx.runs.next_id()]

        assert [1, 2, 3, 4] == await store.write(job)

    async def test_what_is_undone_gave_no_number(self, store: Store) -> None:
        """
        A number is given by adding a run, not by asking for it.
        """

        def job(tx: Tx) -> int:
            with suppress(Refused), tx.savepoint():
                enter(tx)
                refuse(True)
            return tx.runs.next_id()

        assert 1 == await store.write(job)


class TestAdd:
    async def test_every_column_and_the_context_come_back(self, store: Store) -> None:
        """
        A run is read as it was added, its state as a state, its context byte for byte.
        """
        context = b"\x00\xff{}"
        await store.write(lambda tx: tx.runs.add(FULL, context))

        found = await store.write(lambda tx: tx.runs.get(1))
        assert FULL == found
        assert isinstance(found.state, RunState)
        assert context == await store.write(lambda tx: tx.runs.context(1))

    async def test_a_run_that_is_not_there_is_none_and_knows_nothing(self, store: Store) -> None:
        """
        Asking for what never was is no error.
        """
        assert await store.write(lambda tx: tx.runs.get(9)) is None
        assert b"" == await store.write(lambda tx: tx.runs.context(9))

    async def test_a_run_that_nothing_concerns_any_more_knows_nothing(self, store: Store) -> None:
        """
        One that ended as it was entered keeps no context.
        """

        def job(tx: Tx) -> bytes:
            tx.runs.add(run(1, **OVER), b"{}")
            return tx.runs.context(1)

        assert b"" == await store.write(job)


class TestSave:
    async def test_all_that_may_change_changes(self, store: Store) -> None:
        """
        Whose the run is and how it was entered stays, whatever an older reader of it says.
        """

        def job(tx: Tx) -> Run | None:
            tx.runs.add(run(1), b"{}")
            tx.runs.save(replace(FULL, journey="other", entered_at=0))
            return tx.runs.get(1)

        expected = replace(FULL, person=1, key="")
        assert expected == await store.write(job)

    async def test_a_context_stays_until_another_comes_or_nobody_asks(self, store: Store) -> None:
        """
        Without a context what is known stays; with one it is that; it goes with the watch.
        """

        def job(tx: Tx) -> list[bytes]:
            known = []
            tx.runs.add(run(1), b"a")
            for change_to, context in (
                (run(1, step="b"), None), (run(1), b"b"), (run(1), b""), (run(1), b"c"),
                (run(1, **ENDED), None), (run(1, **OVER), b"d"), (run(1, **OVER), None),
            ):  # fmt: skip
                tx.runs.save(change_to, context)
                known.append(tx.runs.context(1))
            return known

        assert [b"a", b"b", b"", b"c", b"c", b"", b""] == await store.write(job)

    async def test_a_run_that_is_gone_is_no_error(self, store: Store) -> None:
        """
        Erasure may be faster than a decision.
        """

        def job(tx: Tx) -> tuple[object, ...]:
            tx.runs.save(run(7), b"{}")
            return tx.runs.get(7), tx.runs.context(7), tx.runs.next_id()

        assert (None, b"", 1) == await store.write(job)

    async def test_a_row_taken_out_stays_as_it_was(self, store: Store) -> None:
        """
        Saving another does not change what somebody holds.
        """

        def job(tx: Tx) -> tuple[str, str]:
            enter(tx)
            held = tx.runs.get(1)
            change(tx, 1, step="later")
            now = tx.runs.get(1)
            assert held is not None
            assert now is not None
            return held.step, now.step

        assert ("wait", "later") == await store.write(job)


class TestWatchedOf:
    async def test_what_waits_and_what_is_watched_past_now(self, store: Store) -> None:
        """
        Events concern runs that wait, with a timer or without, and ended ones for a while.
        """

        def job(tx: Tx) -> list[list[int]]:
            enter(tx)
            enter(tx, due_at=None)
            enter(tx, **ENDED, watch_until=NOON + 1)
            enter(tx, **ENDED, watch_until=NOON)
            enter(tx, **OVER)
            enter(tx, person=2)
            enter(tx, journey="other")
            return [
                ids(tx.runs.watched_of(1, now=NOON)),
                ids(tx.runs.watched_of(1, now=FOREVER - 1)),
                ids(tx.runs.watched_of(3, now=NOON)),
            ]

        assert [[1, 2, 3, 7], [1, 2, 7], []] == await store.write(job)

    async def test_an_end_is_seen_at_once(self, store: Store) -> None:
        """
        A run saved as watched no longer does not meet the next event.
        """

        def job(tx: Tx) -> list[int]:
            enter(tx)
            enter(tx)
            change(tx, 1, **OVER)
            return ids(tx.runs.watched_of(1, now=NOON))

        assert [2] == await store.write(job)


class TestNewest:
    async def test_a_person_s_and_a_journey_s_runs_newest_first(self, store: Store) -> None:
        """
        Whether they wait, are watched or are over; up to a limit; from before a number.
        """

        def job(tx: Tx) -> list[list[int]]:
            for number in range(1, 13):
                ended: dict[str, object] = [{}, ENDED, OVER][number % 3]
                journey, person = ["cart", "trial"][number % 2], 1 + number // 7
                enter(tx, journey=journey, person=person, **ended)
            return [
                ids(tx.runs.newest_of(1, limit=99)),
                ids(tx.runs.newest_of(2, limit=2)),
                ids(tx.runs.newest_of(3, limit=2)),
                ids(tx.runs.newest("cart", before=None, limit=99)),
                ids(tx.runs.newest("trial", before=9, limit=3)),
                ids(tx.runs.newest(None, before=None, limit=3)),
                ids(tx.runs.newest(None, before=3, limit=9)),
                ids(tx.runs.newest("none", before=None, limit=9)),
            ]

        assert [
            [6, 5, 4, 3, 2, 1], [12, 11], [],
            [12, 10, 8, 6, 4, 2], [7, 5, 3], [12, 11, 10], [2, 1], [],
        ] == await store.write(job)  # fmt: skip


class TestDue:
    async def test_timers_that_are_over_in_order(self, store: Store) -> None:
        """
        By due time, then by number; not what waits without a timer, nor what has ended.
        """

        def job(tx: Tx) -> tuple[object, ...]:
            for due_at in (30, 10, 10, 20, 99, None):
                enter(tx, due_at=due_at)
            enter(tx, **{**ENDED, "due_at": 5})
            return (
                due(tx, now=30), due(tx, now=30, limit=2), due(tx, now=9), tx.runs.next_due(),
            )  # fmt: skip

        assert ([2, 3, 4, 1], [2, 3], [], 10) == await store.write(job)

    async def test_a_timer_moves_with_its_run(self, store: Store) -> None:
        """
        The next step's time is the run's only one; its end takes it away.
        """

        def job(tx: Tx) -> list[object]:
            seen: list[object] = [tx.runs.next_due()]
            enter(tx, due_at=10)
            change(tx, 1, due_at=40)
            seen += [tx.runs.next_due(), due(tx, now=39)]
            change(tx, 1, due_at=None)
            seen.append(tx.runs.next_due())
            change(tx, 1, due_at=50)
            change(tx, 1, **OVER)
            return [*seen, tx.runs.next_due()]

        assert [None, 40, [], None, None] == await store.write(job)

    async def test_what_a_run_knows_comes_with_it(self, store: Store) -> None:
        """
        Of a run that knows nothing, nothing.
        """

        def job(tx: Tx) -> list[bytes]:
            for context in (b"one", b"", b"three"):
                tx.runs.add(run(tx.runs.next_id(), due_at=10), context)
            tx.runs.save(run(3, due_at=9), b"four")
            return [context for _, context in tx.runs.due(now=10, limit=9)]

        assert [b"four", b"one", b""] == await store.write(job)


class TestIsDue:
    async def test_only_a_timer_of_the_person_that_is_over(self, store: Store) -> None:
        """
        An event asks it, so that a timer that is over goes before it.
        """

        def job(tx: Tx) -> list[bool]:
            enter(tx, person=1, due_at=10)
            enter(tx, person=2, due_at=None)
            enter(tx, person=3, **{**ENDED, "due_at": 5})
            asked = ((1, 9), (1, 10), (2, 99), (3, 99), (4, 99))
            return [tx.runs.is_due(person, now=now) for person, now in asked]

        assert [False, True, False, False, False] == await store.write(job)


class TestEntries:
    async def test_the_last_entry_under_a_key(self, store: Store) -> None:
        """
        Each person, journey and key has its own; the newer is kept, of two at once the later told.
        """

        def job(tx: Tx) -> list[object]:
            for number, (key, at) in enumerate(
                (("a", 5), ("a", 9), ("a", 7), ("b", 1), ("", 2), ("", 2)), 1
            ):
                tx.runs.remember_entry(run(number, key=key, entered_at=at))
            asked = ((1, "cart", "a"), (1, "cart", "b"), (1, "cart", ""), (2, "cart", "a"),
                     (1, "trial", "a"))  # fmt: skip
            return [tx.runs.last_entry(*one) for one in asked]

        assert [(9, 2), (1, 4), (2, 6), None, None] == await store.write(job)

    async def test_it_outlives_the_run(self, store: Store) -> None:
        """
        Who may enter once may not enter again when retention took the run.
        """

        def job(tx: Tx) -> tuple[object, ...]:
            tx.runs.remember_entry(enter(tx, **OVER))
            tx.runs.prune(NOON + 1, limit=9)
            return tx.runs.get(1), tx.runs.last_entry(1, "cart", "")

        assert (None, (NOON, 1)) == await store.write(job)


class TestPassages:
    async def test_histories_come_back_in_order(self, store: Store) -> None:
        """
        Each run has its own, with every column, in the order in which it was noted.
        """
        full = Passage(1, NOON, "send", "remind", "plain", "cap", 5, 6, 7, "9.99")

        def job(tx: Tx) -> list[list[Passage]]:
            tx.runs.note([passage(1, at=9), passage(2), full])
            tx.runs.note([])
            tx.runs.note([passage(1, at=1)])
            return [tx.runs.passages(number) for number in (1, 2, 3)]

        expected = [[passage(1, at=9), full, passage(1, at=1)], [passage(2)], []]
        assert expected == await store.write(job)

    async def test_what_an_event_did_to_the_runs_of_some(self, store: Store) -> None:
        """
        Over their runs in the order in which it happened; of nobody else's.
        """

        def job(tx: Tx) -> list[list[Passage]]:
            for person in (1, 2, 3):
                enter(tx, person=person)
            tx.runs.note([passage(2, event=7), passage(1, event=7), passage(1, event=8)])
            tx.runs.note([passage(3, event=7), passage(1, event=7, what="exited"), passage(2)])
            return [
                tx.runs.passages_of_event(7, people=[1, 2]),
                tx.runs.passages_of_event(8, people=[2, 3]),
                tx.runs.passages_of_event(7, people=[]),
            ]

        found = [passage(2, event=7), passage(1, event=7), passage(1, event=7, what="exited")]
        assert [found, [], []] == await store.write(job)

    async def test_what_is_new_is_read_on_in_pages(self, store: Store) -> None:
        """
        Of all runs, in order, from beyond the last number that was read.
        """

        def job(tx: Tx) -> list[list[Passage]]:
            tx.runs.note([passage(2), passage(1), passage(3)])
            first = tx.runs.passages_after(0, limit=2)
            rest = tx.runs.passages_after(first[-1][0], limit=2)
            tx.runs.note([passage(1, at=NOON + 1)])
            new = tx.runs.passages_after(rest[-1][0], limit=2)
            none = tx.runs.passages_after(new[-1][0], limit=2)
            return [[one for _, one in page] for page in (first, rest, new, none)]

        assert [
            [passage(2), passage(1)], [passage(3)], [passage(1, at=NOON + 1)], []
        ] == await store.write(job)  # fmt: skip

    async def test_what_was_deleted_is_not_new(self, store: Store) -> None:
        """
        What happened to runs that are erased is not read any more; what follows is.
        """

        def job(tx: Tx) -> list[Passage]:
            for person in (1, 2, 3):
                enter(tx, person=person)
            tx.runs.note([passage(1), passage(2), passage(3)])
            tx.runs.erase([2])
            return [one for _, one in tx.runs.passages_after(0, limit=9)]

        assert [passage(1), passage(3)] == await store.write(job)

    @pytest.mark.parametrize("reads", [True, False])
    async def test_what_is_undone_did_not_happen(self, store: Store, *, reads: bool) -> None:
        """
        Whether or not anybody read it meanwhile; what was noted before, and after, stays.
        """

        def job(tx: Tx) -> list[int]:
            tx.runs.note([passage(1, at=1)])
            with suppress(Refused), tx.savepoint():
                tx.runs.note([passage(1, at=2)])
                with suppress(Refused), tx.savepoint():
                    tx.runs.note([passage(1, at=3)])
                    assert not reads or [1, 2, 3] == [one.at for one in tx.runs.passages(1)]
                    refuse(True)
                assert not reads or [1, 2] == [one.at for one in tx.runs.passages(1)]
                refuse(True)
            with tx.savepoint():
                tx.runs.note([passage(1, at=4)])
            tx.runs.note([passage(1, at=5)])
            return [one.at for one in tx.runs.passages(1)]

        assert [1, 4, 5] == await store.write(job)
        with suppress(Refused):
            await store.write(lambda tx: (tx.runs.note([passage(1, at=6)]), refuse(True)))
        await store.write(lambda tx: tx.runs.note([passage(1, at=7)]))

        kept = await store.write(lambda tx: tx.runs.passages(1))
        assert [1, 4, 5, 7] == [one.at for one in kept]


class TestMerge:
    async def test_runs_and_entries_become_the_other_s(self, store: Store) -> None:
        """
        Whether they wait or have ended; of two entries the newer stays, of equal ones the winner's.
        """

        def job(tx: Tx) -> tuple[object, ...]:
            for person, ended in ((1, {}), (2, {}), (2, ENDED), (2, OVER), (3, {})):
                enter(tx, person=person, **ended)
            for number, (person, key, at) in enumerate(
                ((1, "a", 5), (2, "a", 6), (1, "b", 8), (2, "b", 7), (1, "c", 1), (2, "c", 1),
                 (2, "d", 2)), 1,
            ):  # fmt: skip
                tx.runs.remember_entry(run(number, person=person, key=key, entered_at=at))
            for _ in range(2):
                tx.runs.merge(2, 1)
                tx.runs.merge(1, 1)
            return (
                ids(tx.runs.newest_of(1, limit=9)), ids(tx.runs.newest_of(2, limit=9)),
                ids(tx.runs.watched_of(1, now=NOON)),
                [tx.runs.last_entry(1, "cart", key) for key in "abcd"],
                tx.runs.last_entry(2, "cart", "d"),
            )  # fmt: skip

        expected = [4, 3, 2, 1], [], [1, 2, 3], [(6, 2), (8, 3), (1, 5), (2, 7)], None
        assert expected == await store.write(job)

    async def test_it_goes_with_the_merge_of_the_persons(self, store: Store) -> None:
        """
        One call makes two persons one, their runs with them; a stale row does not give one back.
        """

        def job(tx: Tx) -> tuple[object, ...]:
            winner, loser = (tx.people.add((user(name),)) for name in ("u1", "u2"))
            made = enter(tx, person=loser.id)
            tx.runs.remember_entry(made)
            tx.people.merge(loser.id, people.merge(winner, loser))
            tx.runs.save(replace(made, step="next"))
            return (
                [(one.id, one.step) for one in tx.runs.watched_of(winner.id, now=NOON)],
                tx.runs.last_entry(winner.id, "cart", ""),
            )  # fmt: skip

        assert ([(1, "next")], (NOON, 1)) == await store.write(job)


class TestErase:
    async def test_nothing_of_the_person_stays(self, store: Store) -> None:
        """
        Runs, contexts, histories and entries go; told are those that waited; others keep theirs.
        """

        def job(tx: Tx) -> tuple[object, ...]:
            define(tx, ("cart", "v1"), ("cart", "v2"))
            for person, ended in ((1, {}), (2, {}), (3, {}), (1, ENDED), (1, OVER), (3, {})):
                made = enter(tx, person=person, **ended)
                tx.runs.remember_entry(made)
                tx.runs.note([passage(made.id, event=5)])
            waited = ids(tx.runs.erase([3, 1, 3, 9]))
            return (
                waited,
                ids(tx.runs.newest(None, before=None, limit=9)),
                [tx.runs.context(number) for number in range(1, 7)],
                [len(tx.runs.passages(number)) for number in range(1, 7)],
                tx.runs.passages_of_event(5, people=[1, 2, 3]),
                [tx.runs.last_entry(person, "cart", "") for person in (1, 2, 3)],
                tx.runs.stands("cart"),
            )  # fmt: skip

        assert (
            [1, 3, 6], [2], [b"", b"{}", b"", b"", b"", b""], [0, 1, 0, 0, 0, 0],
            [passage(2, event=5)], [None, (NOON, 2), None], {("v1", "wait"): 1},
        ) == await store.write(job)  # fmt: skip

    async def test_twice_is_once(self, store: Store) -> None:
        """
        A second erasure finds nothing, and versions are counted right afterwards.
        """

        def job(tx: Tx) -> tuple[object, ...]:
            define(tx, ("cart", "v1"), ("cart", "v2"))
            enter(tx, person=1)
            enter(tx, person=2)
            tx.runs.erase([1, 1])
            again = tx.runs.erase([1])
            before = defined(tx)
            tx.runs.erase([2])
            return again, before, defined(tx)

        expected = [], [("cart", "v1"), ("cart", "v2")], [("cart", "v2")]
        assert expected == await store.write(job)


class TestWatchedUntil:
    async def test_ended_runs_whose_watch_is_over(self, store: Store) -> None:
        """
        In order of time, up to a limit; never one that waits.
        """

        def job(tx: Tx) -> list[list[int]]:
            for until in (30, 10, 20, None, 10):
                enter(tx, **ENDED, watch_until=until)
            enter(tx)
            enter(tx, watch_until=5)
            return [
                ids(tx.runs.watched_until(30, limit=9)),
                ids(tx.runs.watched_until(31, limit=3)),
                ids(tx.runs.watched_until(10, limit=9)),
            ]

        assert [[2, 5, 3], [2, 5, 3], []] == await store.write(job)


class TestPrune:
    async def test_what_waits_or_is_watched_stays_however_old(self, store: Store) -> None:
        """
        Retention takes ended runs that nothing concerns, with their histories.
        """

        def job(tx: Tx) -> tuple[object, ...]:
            ends: tuple[dict[str, object], ...] = ({}, ENDED, OVER, {**OVER, "ended_at": NOON + 9})
            for ended in (*ends, *ends):
                made = enter(tx, **ended)
                tx.runs.note([passage(made.id, event=3)])
            gone = [tx.runs.prune(NOON + 9, limit=99) for _ in range(2)]
            left = ids(tx.runs.newest(None, before=None, limit=99))
            noted = [number for number in range(1, 9) if tx.runs.passages(number)]
            told = [one.run for one in tx.runs.passages_of_event(3, people=[1])]
            return gone, left, noted, told

        kept = [1, 2, 4, 5, 6, 8]
        assert ([4, 0], kept[::-1], kept, kept) == await store.write(job)

    async def test_some_at_a_time_the_first_that_ended_first(self, store: Store) -> None:
        """
        A turn takes no more rows than it was told, unless one run alone has more.
        """

        def job(tx: Tx) -> list[tuple[int, list[int]]]:
            for ended_at, lines in ((5, 1), (4, 2), (3, 9), (2, 0), (1, 0)):
                made = enter(tx, **{**OVER, "ended_at": ended_at})
                tx.runs.note([passage(made.id)] * lines)
            turns = []
            for _ in range(5):
                rows = tx.runs.prune(NOON, limit=4)
                turns.append((rows, ids(tx.runs.newest(None, before=None, limit=9))))
            return turns

        expected = [(2, [3, 2, 1]), (10, [2, 1]), (3, [1]), (2, []), (0, [])]
        assert expected == await store.write(job)

    async def test_versions_that_nobody_is_on_go(self, store: Store) -> None:
        """
        The newest of a journey stays, and each that a watched run is on.
        """

        def job(tx: Tx) -> list[object]:
            define(tx, ("cart", "v1"), ("cart", "v2"), ("cart", "v3"), ("trial", "t1"))
            enter(tx, version="v2")
            turns: list[object] = [tx.runs.prune(0, limit=9), defined(tx)]
            change(tx, 1, **OVER)
            turns += [tx.runs.prune(0, limit=9), defined(tx)]
            define(tx, ("cart", "v2"))
            enter(tx, version="v2")
            return [*turns, defined(tx)]

        both = [("cart", "v3"), ("trial", "t1")]
        assert [
            1, [("cart", "v2"), *both], 1, both, [("cart", "v2"), ("trial", "t1")],
        ] == await store.write(job)  # fmt: skip


class TestDefinitions:
    async def test_what_was_configured_comes_back_as_it_was(self, store: Store) -> None:
        """
        The first text of a version is the one it keeps: its name is the hash of what it does.
        """
        first, second = Definition("cart", "v1", b"{}\xff"), Definition("cart", "v1", b"other")

        def job(tx: Tx) -> list[Definition]:
            tx.runs.define(first)
            tx.runs.define(second)
            return tx.runs.definitions()

        assert [first] == await store.write(job)

    async def test_the_newest_of_each_and_those_with_a_watched_run(self, store: Store) -> None:
        """
        By journey, the newest last; a version that comes back is the newest again.
        """

        def job(tx: Tx) -> list[object]:
            seen: list[object] = [defined(tx)]
            define(tx, ("trial", "t1"), ("cart", "v1"), ("cart", "v2"), ("cart", "v3"))
            seen.append(defined(tx))
            enter(tx, version="v1")
            enter(tx, version="v2", **ENDED)
            enter(tx, version="v2", **OVER)
            enter(tx, journey="trial", version="t0")
            seen.append(defined(tx))
            define(tx, ("cart", "v1"), ("cart", "v1"))
            seen.append(defined(tx))
            change(tx, 1, **OVER)
            change(tx, 2, **OVER)
            return [*seen, defined(tx)]

        trial = ("trial", "t1")
        assert [
            [], [("cart", "v3"), trial],
            [("cart", "v1"), ("cart", "v2"), ("cart", "v3"), trial],
            [("cart", "v2"), ("cart", "v1"), trial],
            [("cart", "v1"), trial],
        ] == await store.write(job)  # fmt: skip

    async def test_a_run_may_go_over_to_another_version(self, store: Store) -> None:
        """
        It then is counted with that one, whatever else changes with it.
        """

        def job(tx: Tx) -> list[object]:
            define(tx, ("cart", "v1"), ("cart", "v2"), ("cart", "v3"))
            enter(tx, version="v1")
            change(tx, 1, version="v2")
            seen: list[object] = [defined(tx)]
            change(tx, 1, version="v1", **OVER)
            seen.append(defined(tx))
            change(tx, 1, **ENDED, watch_until=NOON)
            return [*seen, defined(tx)]

        newest = ("cart", "v3")
        assert [[("cart", "v2"), newest], [newest], [("cart", "v1"), newest]] == await store.write(
            job
        )

    async def test_what_is_undone_is_not_counted(self, store: Store) -> None:
        """
        A run that an undone event brought holds no version.
        """

        def job(tx: Tx) -> list[tuple[str, str]]:
            define(tx, ("cart", "v1"), ("cart", "v2"))
            with suppress(Refused), tx.savepoint():
                enter(tx)
                refuse(True)
            return defined(tx)

        assert [("cart", "v2")] == await store.write(job)


class TestWaitingOf:
    async def test_the_runs_of_a_version_that_wait_in_pages(self, store: Store) -> None:
        """
        In order of number, whenever they are due.
        """

        def job(tx: Tx) -> list[list[int]]:
            for number in range(1, 9):
                enter(tx, version=f"v{number % 2}", due_at=None if number % 3 else 9 - number)
            enter(tx, version="v1", **ENDED)
            enter(tx, version="v1", journey="trial")
            return [
                ids(tx.runs.waiting_of("cart", "v1", after=after, limit=limit))
                for after, limit in ((0, 9), (0, 2), (3, 2), (7, 9))
            ]

        assert [[1, 3, 5, 7], [1, 3], [5, 7], []] == await store.write(job)


class TestStands:
    async def test_how_many_wait_where(self, store: Store) -> None:
        """
        By version and step; ended ones and other journeys do not count.
        """

        def job(tx: Tx) -> list[object]:
            for version, step in (("v1", "a"), ("v1", "a"), ("v1", "b"), ("v2", "a")):
                enter(tx, version=version, step=step)
            enter(tx, **ENDED)
            enter(tx, journey="trial", due_at=NOON + HOUR + DAY)
            return [tx.runs.stands("cart"), tx.runs.stands("none")]

        assert [{("v1", "a"): 2, ("v1", "b"): 1, ("v2", "a"): 1}, {}] == await store.write(job)

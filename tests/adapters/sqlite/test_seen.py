"""The ids taken in: exact whatever was undone, quick whatever is new."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from random import Random  # noqa: TID251  seeded

import apsw
import pytest
from tests.support.rows import NOON, Refused, event

from homing.adapters.sqlite.engine import Transaction, connect
from homing.adapters.sqlite.events import SqliteEvents
from homing.adapters.sqlite.generations import DEFAULT, Generations
from homing.adapters.sqlite.migrate import migrate
from homing.adapters.sqlite.seen import SeenIds
from homing.ports import Seen

# four events a generation, two generations a window
SMALL = Generations(event=2, trace=2, window=1, words=3)
WINDOW = 8


@pytest.fixture
def db(tmp_path: Path) -> Iterator[apsw.Connection]:
    """An empty state file."""
    migrate(tmp_path / "homing.db")
    made = connect(tmp_path / "homing.db", synchronous="OFF")
    yield made
    made.close()


def known(ids: SeenIds, numbers: range) -> list[int]:
    """Which of the ids of these events are known."""
    return [number for number in numbers if ids.find(-number) is not None]


def take_in(ids: SeenIds, numbers: range) -> None:
    """Take the ids of some events in, each at a time of its own."""
    for number in numbers:
        ids.add(-number, body=number, event=number, at=NOON + number)


class TestRestart:
    @pytest.mark.parametrize("count", [1, 3, 4, 7, 8, 9, 31, 32, 33, 100])
    def test_all_ids_are_known_after_a_restart_at_any_boundary(
        self, db: apsw.Connection, count: int
    ) -> None:
        """
        What was kept of filters and what was not makes no difference.
        """
        take_in(SeenIds(db, SMALL), range(1, count + 1))

        again = SeenIds(db, SMALL)

        assert list(range(1, count + 1)) == known(again, range(1, count + 20))
        assert Seen(count, count) == again.find(-count)

    def test_a_filter_whose_keeping_was_undone_is_built_anew(self, db: apsw.Connection) -> None:
        """
        The first id of a new window keeps the filter of the last: a crash there loses none.
        """
        transaction, ids = Transaction(db), SeenIds(db, SMALL)
        take_in(ids, range(1, WINDOW))
        transaction.mark()
        ids.add(-WINDOW, body=0, event=WINDOW, at=NOON)
        transaction.undo(Refused())
        take_in(ids, range(WINDOW + 1, 3 * WINDOW))

        # what is in memory, and what a restart makes of the file
        expected = [n for n in range(1, 3 * WINDOW) if n != WINDOW]
        assert expected == known(ids, range(1, 4 * WINDOW))
        assert expected == known(SeenIds(db, SMALL), range(1, 4 * WINDOW))

    def test_a_whole_commit_undone_leaves_the_next_start_exact(self, db: apsw.Connection) -> None:
        """
        A transaction that crossed several boundaries and found no room is as if it never was.
        """
        ids = SeenIds(db, SMALL)
        take_in(ids, range(1, 5))
        db.execute("BEGIN")
        take_in(ids, range(5, 60))
        db.execute("ROLLBACK")
        assert [1, 2, 3, 4] == known(ids, range(1, 80))

        take_in(ids, range(5, 60))

        assert list(range(1, 60)) == known(ids, range(1, 80))
        assert list(range(1, 60)) == known(SeenIds(db, SMALL), range(1, 80))

    def test_retention_of_events_does_not_shorten_that_of_ids(self, db: apsw.Connection) -> None:
        """
        When the rows are gone that say when a window was filled, its ids stay rather than go.
        """
        ids, events = SeenIds(db, SMALL), SqliteEvents(db, SMALL)
        for number in range(1, 30):
            events.add(event(number))
            ids.add(-number, body=0, event=number, at=NOON + number)
        db.execute("DELETE FROM event WHERE id < 29")
        db.execute("DELETE FROM seen_filter")

        again = SeenIds(db, SMALL)
        again.drop_before(NOON + 20, limit=100)

        assert list(range(1, 30)) == known(again, range(1, 30))

    def test_a_deletion_that_was_cut_short_is_finished(self, db: apsw.Connection) -> None:
        """
        A window dropped in part, then a restart: nothing wrong is known, and the rest goes later.
        """
        ids = SeenIds(db, SMALL)
        take_in(ids, range(1, 60))
        ids.drop_before(NOON + 30, limit=3)

        again = SeenIds(db, SMALL)
        while again.drop_before(NOON + 59, limit=3):
            pass

        left = known(again, range(1, 80))
        assert list(range(56, 60)) == left[-4:]
        assert db.execute("SELECT count(*) FROM seen").get == len(left)


class TestFind:
    def test_a_new_id_asks_the_file_next_to_never(self, db: apsw.Connection) -> None:
        """
        Among many thousands the filter says "surely not" to all but a few in a thousand.
        """
        chance = Random(5)  # noqa: S311  the same each time
        ids = SeenIds(db, DEFAULT)
        keys = [chance.getrandbits(64) - (1 << 63) for _ in range(60_000)]
        with db:
            for number, key in enumerate(keys, 1):
                ids.add(key, body=0, event=number, at=NOON)
        asked: list[str] = []

        def trace(_cursor: object, sql: str, _values: object) -> bool:
            asked.append(sql)
            return True

        new = [chance.getrandbits(64) - (1 << 63) for _ in range(5_000)]
        db.set_exec_trace(trace)
        assert {None} == {ids.find(key) for key in new}
        probes = len(asked)
        assert all(ids.find(key) is not None for key in keys[::100])

        # each wrong "perhaps" asks the eight generations there are
        assert probes < 8 * 5
        assert len(asked) > probes

    def test_any_64_bits_may_be_an_id(self, db: apsw.Connection) -> None:
        """
        The ends of the range are ids like others.
        """
        ids = SeenIds(db, SMALL)
        odd = [0, 1, -1, (1 << 63) - 1, -(1 << 63), 1 << 62, 4_095, 1 << 36]
        for number, key in enumerate(odd, 1):
            assert ids.find(key) is None
            ids.add(key, body=-1, event=number, at=NOON)

        assert [Seen(n, -1) for n in range(1, len(odd) + 1)] == [ids.find(key) for key in odd]
        assert [Seen(n, -1) for n in range(1, len(odd) + 1)] == [
            SeenIds(db, SMALL).find(key) for key in odd
        ]


class TestSavepoints:
    def test_random_histories_with_undone_parts_are_exact(self, db: apsw.Connection) -> None:
        """
        Whatever is undone, wherever, memory and file agree on what was taken in.
        """
        chance = Random(9)  # noqa: S311  the same each time
        transaction, ids = Transaction(db), SeenIds(db, SMALL)
        expected: dict[int, int] = {}
        for number in range(1, 600):
            key = chance.getrandbits(64) - (1 << 63)
            undone = chance.random() < 0.3
            with suppress(Refused):
                transaction.mark()
                ids.add(key, body=0, event=number, at=NOON)
                if undone:
                    transaction.undo(Refused())
                    expected[key] = 0
                    continue
                transaction.keep()
            expected[key] = number
            if chance.random() < 0.02:
                ids = SeenIds(db, SMALL)

        for check in (ids, SeenIds(db, SMALL)):
            found = {key: check.find(key) for key in expected}
            assert {k: n or None for k, n in expected.items()} == {
                key: None if seen is None else seen.event for key, seen in found.items()
            }

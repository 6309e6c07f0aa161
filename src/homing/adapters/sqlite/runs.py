"""The runs of journeys: answers ``ports.Runs``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import accumulate, takewhile
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import astuple

from homing.adapters.sqlite.behind import Behind
from homing.adapters.sqlite.sql import executing, load
from homing.core.journeys.run import Passage, Run, RunState
from homing.core.journeys.statistics import ARRIVED, Member, Stand
from homing.core.wire import json_bytes
from homing.ports import Definition

if TYPE_CHECKING:
    import apsw

SQL = load("runs")
NEWEST = 1 << 62
# of a million rows: a generator would take as long as the statement
_TALLIED: Final = itemgetter(0, 1, 2, 3, 4)
_STATE: Final = Run.__struct_fields__.index("state")
# what lets runs and entries of one person be another's: (winner, loser)
MERGE: Final = (SQL.move, SQL.move_entries, SQL.drop_entries)


class SqliteRuns:
    """
    See `homing.ports.Runs`.

    Args:
        on_delete: See `SqlitePeople`.
    """

    def __init__(
        self, db: apsw.Connection, *, on_delete: Callable[[], None] = lambda: None
    ) -> None:
        self._db = db
        self._execute = executing(db)
        self._on_delete = on_delete
        self._next: int | None = None
        # by version, how many watched runs more it has than the table says
        self._watched: Counter[tuple[str, str]] = Counter()
        self._noted = Behind(db, SQL.note)

    def mark(self) -> Counter[tuple[str, str]]:
        """What is counted and not yet written, to return to by `reset`; what is noted is."""
        self._noted.write()
        return self._watched.copy()

    def reset(self, mark: Counter[tuple[str, str]]) -> None:
        """Forget what was counted and noted since the mark."""
        self._watched = mark
        self._noted.forget()
        self._next = None

    def flush(self) -> None:
        """Write the counts of watched runs, and what is noted."""
        self._noted.write()
        changes, self._watched = self._watched, Counter()
        rows = [(*version, n) for version, n in changes.items() if n]
        if rows:
            self._db.executemany(SQL.count_watched, rows)

    def next_id(self) -> int:
        """The id the next run gets."""
        if self._next is None:
            self._next = int(self._execute(SQL.last).get) + 1
        return self._next

    def add(self, run: Run, context: bytes) -> None:
        """Add a run under the id that `next_id` gave."""
        self._execute(SQL.add, astuple(run))  # its fields are the columns, in order
        self._next = run.id + 1
        if run.watch_until is not None:
            self._watched[run.journey, run.version] += 1
            if context:
                self._execute(SQL.save_context, (run.id, context))

    def save(self, run: Run, context: bytes | None = None, *, before: Run | None = None) -> None:
        """Write a changed run, but for whose it is and how it was entered."""
        before = before or self.get(run.id)
        if before is None:
            return
        values = (
            run.version, run.step, run.step_at, run.due_at, run.passages, run.restarts,
            run.variant, run.reason, run.sends_until, run.converted_at, run.value,
            run.first_touch, run.last_touch,
        )  # fmt: skip
        # apart: most of the indexes turn on these columns, which a mere step does not change
        ends = (run.state, run.watch_until, run.ended_at)
        if ends == (before.state, before.watch_until, before.ended_at):
            self._execute(SQL.save, (*values, run.id))
        else:
            self._execute(SQL.save_settled, (*values, *ends, run.id))
        self._recount(
            None if before.watch_until is None else (before.journey, before.version),
            None if run.watch_until is None else (before.journey, run.version),
        )
        self._keep(run, context)

    def get(self, number: int) -> Run | None:
        """One run."""
        row = self._execute(SQL.get, (number,)).get
        return None if row is None else _run(row)

    def context(self, number: int) -> bytes:
        """What a run knows; empty of one that is watched no longer."""
        data: bytes | None = self._execute(SQL.context, (number,)).get
        return b"" if data is None else data

    def watched_of(self, person: int, *, now: int) -> list[Run]:
        """A person's runs that wait, or have ended and are watched past *now*; oldest first."""
        return self._runs(SQL.watched_of, (person, now))

    def newest_of(self, person: int, *, limit: int) -> list[Run]:
        """A person's runs, newest first."""
        return self._runs(SQL.newest_of, (person, limit))

    def newest(self, journey: str | None, *, before: int | None, limit: int) -> list[Run]:
        """Runs of a journey, or of all, newest first."""
        start = NEWEST if before is None else before
        if journey is None:
            return self._runs(SQL.newest, (start, limit))
        return self._runs(SQL.newest_of_journey, (journey, start, limit))

    def due(self, *, now: int, limit: int) -> list[tuple[Run, bytes]]:
        """Runs that wait and are due at *now*, each with what it knows; by due time, number."""
        rows = self._execute(SQL.due, (now, limit)).fetchall()
        return [(_run(row), context) for *row, context in rows]

    def next_due(self) -> int | None:
        """When the next run falls due."""
        due: int | None = self._execute(SQL.next_due).get
        return due

    def is_due(self, person: int, *, now: int) -> bool:
        """Whether a run of a person is due at *now*."""
        return bool(self._execute(SQL.is_due, (person, now)).get)

    def last_entry(self, person: int, journey: str, key: str) -> tuple[int, int] | None:
        """When somebody last entered under a key, and the number of that run; None: never."""
        found: tuple[int, int] | None = self._execute(SQL.last_entry, (person, journey, key)).get
        return found

    def remember_entry(self, run: Run) -> None:
        """Keep that and when its person entered, longer than the run."""
        self._execute(
            SQL.remember_entry, (run.person, run.journey, run.key, run.entered_at, run.id)
        )

    def note(self, passages: Sequence[Passage]) -> None:
        """Keep what happened to runs, in this order."""
        self._noted.extend(map(astuple, passages))

    def passages(self, number: int) -> list[Passage]:
        """What happened to a run, oldest first."""
        self._noted.write()
        return [Passage(*row) for row in self._execute(SQL.passages, (number,)).fetchall()]

    def passages_of_event(self, event: int, *, people: Sequence[int]) -> list[Passage]:
        """What an event did to the runs of these people, oldest first."""
        self._noted.write()
        values = (event, json_bytes([*people]).decode())
        return [Passage(*row) for row in self._execute(SQL.passages_of_event, values).fetchall()]

    def passages_after(self, number: int, *, limit: int) -> list[tuple[int, Passage]]:
        """What happened to runs, in order and with its number, from beyond *number* on."""
        self._noted.write()
        rows = self._execute(SQL.passages_after, (number, limit)).fetchall()
        return [(found, Passage(*row)) for found, *row in rows]

    def merge(self, loser: int, winner: int) -> None:
        """Let runs and entries of one person be another's; of two entries the newer stays."""
        for sql in MERGE:
            self._execute(sql, (winner, loser))

    def erase(self, people: Sequence[int]) -> list[Run]:
        """Delete the runs of persons, soon without a trace; the runs that waited."""
        self._noted.write()
        whose = list(dict.fromkeys(people))
        gone = [run for person in whose for run in self._runs(SQL.of_person, (person,))]
        for run in gone:
            if run.watch_until is not None:
                self._watched[run.journey, run.version] -= 1
        numbers = [(run.id,) for run in gone]
        for sql in (SQL.drop_context, SQL.drop_passages, SQL.drop):
            self._db.executemany(sql, numbers)
        self._db.executemany(SQL.forget_entries, [(person,) for person in whose])
        self._on_delete()
        return sorted((run for run in gone if run.state is RunState.WAITING), key=_number)

    def watched_until(self, before_ms: int, *, limit: int) -> list[Run]:
        """Ended runs that are watched until a moment before *before_ms*, some at a time."""
        return self._runs(SQL.watched_until, (before_ms, limit))

    def prune(self, before_ms: int, *, limit: int) -> int:
        """
        Delete some of the oldest runs that ended before and are not watched; how many rows.

        Their histories count: of runs that went round and round, one may be all of *limit*.
        """
        self._noted.write()
        old = self._execute(SQL.oldest_ended, (before_ms, limit)).fetchall()
        totals = list(takewhile(limit.__ge__, accumulate(rows for _, rows in old)))
        gone = [(number,) for number, _ in old[: max(1, len(totals))]]
        for sql in (SQL.drop_passages, SQL.drop):
            self._db.executemany(sql, gone)
        rows: int = sum(rows for _, rows in old[: len(gone)])
        self.flush()
        self._execute(SQL.prune_counts)
        self._execute(SQL.prune_versions)
        return rows + int(self._db.changes())

    def define(self, definition: Definition) -> None:
        """Keep a version of a journey, if it is not kept yet; it is the newest now."""
        self._execute(SQL.define, (definition.journey, definition.version, definition.text))

    def definitions(self) -> list[Definition]:
        """The versions that a watched run is on, and of each journey, as its last, the newest."""
        self.flush()
        return [Definition(*row) for row in self._execute(SQL.definitions).fetchall()]

    def waiting_of(self, journey: str, version: str, *, after: int, limit: int) -> list[Run]:
        """Runs of a version that wait, in order of number, from beyond number *after*."""
        return self._runs(SQL.waiting_of, (journey, version, after, limit))

    def stands(self, journey: str) -> dict[tuple[str, str], int]:
        """How many runs of a journey wait, by (version, step)."""
        rows = self._execute(SQL.stands, (journey,)).fetchall()
        return {(version, step): n for version, step, n in rows}

    def tally(self, journey: str) -> list[Stand]:
        """How many runs of a journey are in which state, where; reads all of them."""
        return [Stand(*row) for row in self._execute(SQL.tally, (journey,)).fetchall()]

    def converted(self, journey: str, *, after: int, limit: int) -> list[Run]:
        """Runs of a journey that converted, in order of number, from beyond number *after*."""
        return self._runs(SQL.converted, (journey, after, limit))

    def members(self, journey: str, splits: Sequence[str]) -> list[Member]:
        """How many runs of a journey passed its random splits, and what came of them."""
        self._noted.write()
        known = (json_bytes(list(splits)).decode(), json_bytes(sorted(ARRIVED)).decode())
        rows = self._execute(SQL.members, (journey, *known))
        tallied: Counter[tuple[Any, ...]] = Counter(map(_TALLIED, rows))
        return [
            Member(split, name, bool(c), value, bool(mail & 1), bool(mail & 2), bool(mail & 4), n)
            for (split, name, c, value, mail), n in tallied.items()
        ]

    def _recount(self, before: tuple[str, str] | None, after: tuple[str, str] | None) -> None:
        """Count a watched run with another version than before, or no longer."""
        if before == after:
            return
        if before is not None:
            self._watched[before] -= 1
        if after is not None:
            self._watched[after] += 1

    def _keep(self, run: Run, context: bytes | None) -> None:
        if run.watch_until is None or context == b"":
            self._execute(SQL.drop_context, (run.id,))
        elif context is not None:
            self._execute(SQL.save_context, (run.id, context))

    def _runs(self, sql: str, values: tuple[int | str, ...]) -> list[Run]:
        return [_run(row) for row in self._execute(sql, values).fetchall()]


def _run(row: Sequence[Any]) -> Run:
    values = [*row]
    values[_STATE] = RunState(values[_STATE])
    return Run(*values)


def _number(run: Run) -> int:
    return run.id

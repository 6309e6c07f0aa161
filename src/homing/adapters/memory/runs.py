"""The runs of journeys: answers ``ports.Runs``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, takewhile

from msgspec.structs import replace

from homing.adapters.memory.sends import MemorySends
from homing.adapters.memory.table import Journal, Table
from homing.adapters.memory.timers import Timers
from homing.core.effects import SendFlag
from homing.core.journeys.run import Passage, Run, RunState
from homing.core.journeys.statistics import ARRIVED, Member, Stand
from homing.ports import Definition

NEWEST = 1 << 62
Entries = Mapping[tuple[str, str], tuple[int, int]]


class MemoryRuns:
    """See `homing.ports.Runs`."""

    def __init__(self, journal: Journal, sends: MemorySends) -> None:
        self._sends = sends
        self._last: Table[None, int] = Table(journal)
        self._rows: Table[int, Run] = Table(journal)
        self._contexts: Table[int, bytes] = Table(journal)
        self._waiting: Table[int, Run] = Table(journal)
        self._timers = Timers(journal)
        self._of_person: Table[int, tuple[int, ...]] = Table(journal)
        self._entries: Table[int, Entries] = Table(journal)  # of a person, by journey and key
        self._noted: Table[None, int] = Table(journal)
        self._passages: Table[int, Passage] = Table(journal)
        self._of_run: Table[int, tuple[int, ...]] = Table(journal)
        self._of_event: Table[int, tuple[int, ...]] = Table(journal)
        self._defined: Table[None, int] = Table(journal)
        self._versions: Table[tuple[str, str], tuple[int, Definition]] = Table(journal)

    def next_id(self) -> int:
        """The id the next run gets."""
        return (self._last.get(None) or 0) + 1

    def add(self, run: Run, context: bytes) -> None:
        """Add a run under the id that `next_id` gave."""
        self._last[None] = max(run.id, self.next_id() - 1)
        self._of_person[run.person] = (*(self._of_person.get(run.person) or ()), run.id)
        self._put(run)
        self._keep(run, context)

    def save(
        self,
        run: Run,
        context: bytes | None = None,
        *,
        before: Run | None = None,
    ) -> None:
        """Write a changed run, but for whose it is and how it was entered."""
        kept = self._rows.get(run.id)
        if kept is None:
            return
        self._put(
            replace(
                run, person=kept.person, journey=kept.journey, key=kept.key,
                entered_at=kept.entered_at,
            )
        )  # fmt: skip
        self._keep(run, context)

    def get(self, number: int) -> Run | None:
        """One run."""
        return self._rows.get(number)

    def context(self, number: int) -> bytes:
        """What a run knows; empty of one that is watched no longer."""
        return self._contexts.get(number) or b""

    def watched_of(self, person: int, *, now: int) -> list[Run]:
        """A person's runs that wait, or have ended and are watched past *now*; oldest first."""
        return [
            run
            for run in self._runs_of(person)
            if run.watch_until is not None and run.watch_until > now
        ]

    def newest_of(self, person: int, *, limit: int) -> list[Run]:
        """A person's runs, newest first."""
        return self._runs_of(person)[::-1][:limit]

    def newest(self, journey: str | None, *, before: int | None, limit: int) -> list[Run]:
        """Runs of a journey, or of all, newest first."""
        start = NEWEST if before is None else before
        runs = (run for run in self._rows.values() if journey in (None, run.journey))
        return sorted((run for run in runs if run.id < start), key=_number, reverse=True)[:limit]

    def due(self, *, now: int, limit: int) -> list[tuple[Run, bytes]]:
        """Runs that wait and are due at *now*, each with what it knows; by due time, number."""
        numbers = self._timers.until(now, limit=limit)
        return [(self._rows[number], self.context(number)) for number in numbers]

    def next_due(self) -> int | None:
        """When the next run falls due."""
        return self._timers.first()

    def is_due(self, person: int, *, now: int) -> bool:
        """Whether a run of a person is due at *now*."""
        return any(
            run.id in self._waiting and run.due_at is not None and run.due_at <= now
            for run in self._runs_of(person)
        )

    def last_entry(self, person: int, journey: str, key: str) -> tuple[int, int] | None:
        """When somebody last entered under a key, and the number of that run; None: never."""
        return (self._entries.get(person) or {}).get((journey, key))

    def remember_entry(self, run: Run) -> None:
        """Keep that and when its person entered, longer than the run."""
        kept = self._entries.get(run.person) or {}
        at, _ = kept.get((run.journey, run.key), (run.entered_at, 0))
        if run.entered_at >= at:
            self._entries[run.person] = {**kept, (run.journey, run.key): (run.entered_at, run.id)}

    def note(self, passages: Sequence[Passage]) -> None:
        """Keep what happened to runs, in this order."""
        first = (self._noted.get(None) or 0) + 1
        self._noted[None] = first + len(passages) - 1
        for number, one in enumerate(passages, first):
            self._passages[number] = one
            self._of_run[one.run] = (*(self._of_run.get(one.run) or ()), number)
            if one.event is not None:
                self._of_event[one.event] = (*(self._of_event.get(one.event) or ()), number)

    def passages(self, number: int) -> list[Passage]:
        """What happened to a run, oldest first."""
        return [self._passages[one] for one in self._of_run.get(number) or ()]

    def passages_of_event(self, event: int, *, people: Sequence[int]) -> list[Passage]:
        """What an event did to the runs of these people, oldest first."""
        passages = (self._passages[number] for number in self._of_event.get(event) or ())
        noted = ((one, self._rows.get(one.run)) for one in passages)
        return [one for one, run in noted if run is not None and run.person in people]

    def passages_after(self, number: int, *, limit: int) -> list[tuple[int, Passage]]:
        """What happened to runs, in order and with its number, from beyond *number* on."""
        after = (noted for noted in self._passages.items() if noted[0] > number)
        return sorted(after, key=lambda noted: noted[0])[:limit]

    def merge(self, loser: int, winner: int) -> None:
        """Let runs and entries of one person be another's; of two entries the newer stays."""
        if loser == winner:
            return
        moved = self._runs_of(loser)
        for run in moved:
            self._put(replace(run, person=winner))
        both = [*self._runs_of(winner), *moved]
        self._of_person[winner] = tuple(sorted(run.id for run in both))
        self._of_person.drop(loser)
        kept = dict(self._entries.get(winner) or {})
        for name, entry in (self._entries.get(loser) or {}).items():
            kept[name] = max(kept.get(name, entry), entry, key=lambda one: one[0])
        self._entries[winner] = kept
        self._entries.drop(loser)

    def erase(self, people: Sequence[int]) -> list[Run]:
        """Delete the runs of persons; the runs that waited."""
        gone = [run for person in dict.fromkeys(people) for run in self._runs_of(person)]
        self._drop(gone)
        for person in people:
            self._entries.drop(person)
            self._of_person.drop(person)
        return sorted((run for run in gone if run.state is RunState.WAITING), key=_number)

    def watched_until(self, before_ms: int, *, limit: int) -> list[Run]:
        """Ended runs that are watched until a moment before *before_ms*, some at a time."""
        over = (run for run in self._rows.values() if run.id not in self._waiting)
        timed = [(run.watch_until, run.id) for run in over if run.watch_until is not None]
        past = sorted(one for one in timed if one[0] < before_ms)
        return [self._rows[number] for _, number in past[:limit]]

    def prune(self, before_ms: int, *, limit: int) -> int:
        """Delete some of the oldest runs that ended before and are not watched; how many rows."""
        unwatched = (run for run in self._rows.values() if run.watch_until is None)
        ended = [(run.ended_at, run.id) for run in unwatched if run.ended_at is not None]
        old = sorted(one for one in ended if one[0] < before_ms)[:limit]
        totals = list(accumulate(1 + len(self.passages(number)) for _, number in old))
        gone = old[: max(1, len(list(takewhile(limit.__ge__, totals))))]
        self._drop([self._rows[number] for _, number in gone])
        rows = totals[len(gone) - 1] if gone else 0
        return rows + self._prune_versions()

    def define(self, definition: Definition) -> None:
        """Keep a version of a journey, if it is not kept yet; it is the newest now."""
        name = (definition.journey, definition.version)
        _, kept = self._versions.get(name) or (0, definition)
        if name not in self._newest().values():
            self._defined[None] = (self._defined.get(None) or 0) + 1
            self._versions[name] = self._defined[None], kept

    def definitions(self) -> list[Definition]:
        """The versions that a watched run is on, and of each journey, as its last, the newest."""
        wanted = {*self._newest().values(), *self._watched()}
        kept = [(name[0], *self._versions[name]) for name in wanted if name in self._versions]
        return [found for _, _, found in sorted(kept, key=lambda one: one[:2])]

    def waiting_of(self, journey: str, version: str, *, after: int, limit: int) -> list[Run]:
        """Runs of a version that wait, in order of number, from beyond number *after*."""
        of_version = (
            run
            for run in self._waiting.values()
            if (run.journey, run.version) == (journey, version)
        )
        return sorted((run for run in of_version if run.id > after), key=_number)[:limit]

    def stands(self, journey: str) -> dict[tuple[str, str], int]:
        """How many runs of a journey wait, by (version, step)."""
        waiting = self._waiting.values()
        return dict(Counter((run.version, run.step) for run in waiting if run.journey == journey))

    def tally(self, journey: str) -> list[Stand]:
        """How many runs of a journey are in which state, where."""
        runs = (run for run in self._rows.values() if run.journey == journey)
        return [Stand(run.state.value, run.step, run.variant or "") for run in runs]

    def converted(self, journey: str, *, after: int, limit: int) -> list[Run]:
        """Runs of a journey that converted, in order of number, from beyond number *after*."""
        runs = (run for run in self._rows.values() if run.journey == journey)
        found = (run for run in runs if run.id > after and run.converted_at is not None)
        return sorted(found, key=_number)[:limit]

    def members(self, journey: str, splits: Sequence[str]) -> list[Member]:
        """How many runs of a journey passed its random splits, and what came of them."""
        found = []
        for run in (run for run in self._rows.values() if run.journey == journey):
            lines = (one for one in self.passages(run.id) if one.what == "branch")
            passed = {line.step: line.name for line in lines if line.step in splits}
            marks = self._marks_of(run.id) if passed else (False, False, False)
            is_converted = run.converted_at is not None
            found += [
                Member(split, name, is_converted, run.value, *marks)
                for split, name in passed.items()
            ]
        return found

    def _marks_of(self, number: int) -> tuple[bool, bool, bool]:
        """Whether any mail of a run reached its person, was opened by them, was clicked."""
        sends = self._sends.of_run(number)
        opened = any(row.flags & SendFlag.OPENED for row in sends)
        clicked = any(row.flags & SendFlag.CLICKED for row in sends)
        arrived = (row.delivered_at is not None or row.mail in ARRIVED for row in sends)
        return opened or any(arrived), opened, clicked

    def _runs_of(self, person: int) -> list[Run]:
        numbers = self._of_person.get(person) or ()
        return [self._rows[number] for number in numbers if number in self._rows]

    def _newest(self) -> dict[str, tuple[str, str]]:
        """The newest version of each journey."""
        in_order = sorted(self._versions.items(), key=lambda one: one[1][0])
        return {name[0]: name for name, _ in in_order}

    def _watched(self) -> set[tuple[str, str]]:
        watched = (run for run in self._rows.values() if run.watch_until is not None)
        return {(run.journey, run.version) for run in watched}

    def _prune_versions(self) -> int:
        kept = {*self._newest().values(), *self._watched()}
        gone = [name for name in self._versions if name not in kept]
        for name in gone:
            self._versions.drop(name)
        return len(gone)

    def _put(self, run: Run) -> None:
        self._rows[run.id] = run
        if run.state is RunState.WAITING:
            self._waiting[run.id] = run
            self._timers.set(run.id, run.due_at)
        else:
            self._waiting.drop(run.id)
            self._timers.set(run.id, None)

    def _keep(self, run: Run, context: bytes | None) -> None:
        if run.watch_until is None:
            self._contexts.drop(run.id)
        elif context is not None:
            self._contexts[run.id] = context

    def _drop(self, runs: Iterable[Run]) -> None:
        for run in runs:
            for number in self._of_run.get(run.id) or ():
                event = self._passages[number].event
                if event is not None:
                    noted = self._of_event.get(event) or ()
                    self._of_event[event] = tuple(one for one in noted if one != number)
                self._passages.drop(number)
            for table in (self._rows, self._contexts, self._waiting, self._of_run):
                table.drop(run.id)
            self._timers.set(run.id, None)


def _number(run: Run) -> int:
    return run.id

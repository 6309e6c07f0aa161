"""What is to be done outside and may safely be done twice: answers ``ports.Effects``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from homing.adapters.memory.table import Journal, Table
from homing.core.effects import Dest, Effect, EffectState, NewEffect

NEWEST = 1 << 62


@dataclass(frozen=True, slots=True)
class _Row:
    """All columns of an effect."""

    id: int
    dest: Dest
    lane: int
    due_at: int
    kind: str
    state: EffectState
    attempt: int
    event: int | None
    rule: str | None
    person: int | None
    made_at: int
    reason: str | None
    payload: bytes | None


class MemoryEffects:
    """See `homing.ports.Effects`."""

    def __init__(self, journal: Journal) -> None:
        self._last: Table[None, int] = Table(journal)
        self._rows: Table[int, _Row] = Table(journal)
        self._ready: Table[int, None] = Table(journal)
        self._of_event: Table[int, tuple[int, ...]] = Table(journal)
        self._of_lane: Table[int, tuple[int, ...]] = Table(journal)

    def add(self, effect: NewEffect) -> int:
        """Ask for an effect; its number."""
        number = (self._last.get(None) or 0) + 1
        self._last[None] = number
        self._of_lane[effect.lane] = (*(self._of_lane.get(effect.lane) or ()), number)
        if effect.event is not None:
            self._of_event[effect.event] = (*(self._of_event.get(effect.event) or ()), number)
        self._put(
            _Row(
                number, effect.dest, effect.lane, effect.due_at, effect.kind, EffectState.READY, 0,
                effect.event, effect.rule, effect.person, effect.made_at, None, effect.payload,
            )
        )  # fmt: skip
        return number

    def open_of(self, people: Sequence[int], *, dest: Dest | None = None) -> list[Effect]:
        """What is ready or sent of persons, for one destination or all; in order."""
        numbers = sorted({n for one in people for n in self._of_lane.get(one) or ()})
        rows = (row for row in map(self._rows.get, numbers) if row is not None)
        return [
            _claimed(row) for row in rows if row.state in OPEN and dest in (None, row.dest)
        ]  # fmt: skip

    def dead_of(self, people: Sequence[int]) -> list[Mapping[str, object]]:
        """All columns, and the payloads, of persons' effects that are dead or were dropped."""
        rows = sorted((row for row in self._rows.values() if row.state in OVER), key=_number)
        return [asdict(row) for one in people for row in rows if row.person == one]

    def ready(self, dest: Dest, *, after: int, limit: int) -> list[Effect]:
        """Effects not yet done, in order, from beyond number *after*; also those not yet due."""
        numbers = sorted(number for number in self._ready if number > after)
        rows = (self._rows[number] for number in numbers)
        return [_claimed(row) for row in rows if row.dest == dest][:limit]

    def done(self, numbers: Iterable[int]) -> int:
        """They are done: their payload goes; how many of them were still ready or sent."""
        were_open = 0
        for number in numbers:
            row = self._rows.get(number)
            if row is not None and row.state in OPEN:
                attempt = row.attempt + 1
                done = replace(row, state=EffectState.DONE, attempt=attempt, payload=None)
                self._put(replace(done, reason=None))
                were_open += 1
        return were_open

    def sent(self, numbers: Iterable[int]) -> int:
        """An API works on them: they are not `ready` meanwhile; how many were so."""
        return self._moved(numbers, EffectState.READY, EffectState.SENT)

    def unsent(self, numbers: Iterable[int]) -> int:
        """Try sent ones again, at their places; how many there were."""
        return self._moved(numbers, EffectState.SENT, EffectState.READY)

    def many(self, numbers: Sequence[int]) -> list[Effect]:
        """Those of these effects that are ready or sent."""
        rows = (self._rows.get(number) for number in numbers)
        return [_claimed(row) for row in rows if row is not None and row.state in OPEN]

    def retry(self, number: int, *, due_at: int, counts: bool, reason: str) -> None:
        """Try a ready one again at *due_at*."""
        row = self._rows.get(number)
        if row is not None and row.state is EffectState.READY:
            self._put(replace(row, due_at=due_at, attempt=row.attempt + counts, reason=reason))

    def dead(self, number: int, reason: str) -> bool:
        """It will not be tried again unless a person says so; False if it was not ready."""
        row = self._rows.get(number)
        if row is None or row.state not in OPEN:
            return False
        dead, attempt = EffectState.DEAD, row.attempt + 1
        self._put(replace(row, state=dead, reason=reason, attempt=attempt))
        return True

    def rewrite(self, number: int, payload: bytes) -> None:
        """Give one that is not over, or is dead, another payload."""
        row = self._rows.get(number)
        if row is not None and row.payload is not None:
            self._put(replace(row, payload=payload))

    def revive(self, number: int, *, now: int) -> bool:
        """Try a dead one again; False if it is not dead."""
        row = self._rows.get(number)
        if row is None or row.state is not EffectState.DEAD:
            return False
        self._put(replace(row, state=EffectState.READY, reason=None, due_at=now))
        return True

    def drop(self, number: int, reason: str) -> bool:
        """A person gave a dead one up; False if it is not dead."""
        row = self._rows.get(number)
        if row is None or row.state is not EffectState.DEAD:
            return False
        self._put(replace(row, state=EffectState.DROPPED, reason=reason))
        return True

    def get(self, number: int) -> dict[str, object] | None:
        """All columns of one effect."""
        row = self._rows.get(number)
        return None if row is None else asdict(row)

    def of_event(self, number: int) -> list[dict[str, object]]:
        """What an event asked for, oldest first."""
        found = (self._rows.get(one) for one in self._of_event.get(number) or ())
        return [asdict(row) for row in found if row is not None]

    def dead_newest(self, *, before: int | None, limit: int) -> list[dict[str, object]]:
        """Dead effects, newest first."""
        start = NEWEST if before is None else before
        dead = (row for row in self._rows.values() if row.state is EffectState.DEAD)
        found = sorted((row for row in dead if row.id < start), key=_number, reverse=True)
        return [asdict(row) for row in found[:limit]]

    def erase(self, people: Sequence[int]) -> dict[tuple[Dest, EffectState], int]:
        """Drop what was still to be done for persons; how many were in which state before."""
        were: Counter[tuple[Dest, EffectState]] = Counter()
        for row in self._rows.values():
            whose = row.lane if row.state in OPEN else row.person
            if whose not in people or row.state is EffectState.DONE or _tells_of_an_opt_out(row):
                continue
            were[row.dest, row.state] += 1
            dropped = EffectState.DROPPED
            self._put(replace(row, state=dropped, reason="erased", person=None, payload=None))
        return dict(were)

    def prune(self, before_ms: int, *, dead_before_ms: int, limit: int) -> int:
        """Delete some of the oldest effects; how many went."""
        until = {
            EffectState.DONE: before_ms,
            EffectState.DEAD: dead_before_ms,
            EffectState.DROPPED: dead_before_ms,
        }
        old = [
            row.id
            for row in self._rows.values()
            if row.made_at < until.get(row.state, 0) and row.id != self._last.get(None)
        ]
        gone = sorted(old)[:limit]
        for number in gone:
            self._rows.drop(number)
        return len(gone)

    def merge(self, loser: int, winner: int) -> None:
        """Let what is still to be done for one person be done for another."""
        of_loser = self._of_lane.get(loser) or ()
        for number in of_loser:
            row = self._rows.get(number)
            if row is not None and row.state is not EffectState.DONE:
                self._put(replace(row, lane=winner, person=winner))
        self._of_lane[winner] = tuple(sorted((*(self._of_lane.get(winner) or ()), *of_loser)))
        self._of_lane.drop(loser)

    def _moved(self, numbers: Iterable[int], before: EffectState, after: EffectState) -> int:
        rows = [self._rows.get(number) for number in numbers]
        moved = [row for row in rows if row is not None and row.state is before]
        for row in moved:
            self._put(replace(row, state=after))
        return len(moved)

    def _put(self, row: _Row) -> None:
        self._rows[row.id] = row
        if row.state is EffectState.READY:
            self._ready[row.id] = None
        else:
            self._ready.drop(row.id)


def _number(row: _Row) -> int:
    return row.id


OPEN = frozenset({EffectState.READY, EffectState.SENT})
OVER = frozenset({EffectState.DEAD, EffectState.DROPPED})


def _tells_of_an_opt_out(row: _Row) -> bool:
    return row.dest is Dest.SUPPRESSIONS and row.state is EffectState.READY


def _claimed(row: _Row) -> Effect:
    return Effect(
        row.id, row.kind, row.lane, row.due_at, row.attempt, row.event, row.person, row.made_at,
        row.payload or b"",
    )  # fmt: skip

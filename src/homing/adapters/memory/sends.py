"""The ledger: answers ``ports.Sends``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from homing.adapters.memory.table import Journal, Table
from homing.adapters.memory.timers import Timers
from homing.core.digests import address_trace, message_trace
from homing.core.effects import NewSend, SendRow
from homing.core.journeys.run import run_of
from homing.core.journeys.statistics import Mailed
from homing.core.ledger import CLAIMABLE, SendState
from homing.core.plans import EmailClass
from homing.ports import Attempt

NEWEST = 1 << 62
OUT = frozenset({SendState.IN_FLIGHT, SendState.UNKNOWN})
APART = CLAIMABLE | {SendState.PARKED}
# what left, as far as anybody knows
REACHED = OUT | {SendState.PARKED, SendState.ACCEPTED, SendState.DROPPED}
OPEN = CLAIMABLE | OUT | {SendState.PARKED}


class MemorySends:
    """
    See `homing.ports.Sends`.

    Rows are copied on their way in and out: a `SendRow` may be changed by whoever has it.
    """

    def __init__(self, journal: Journal) -> None:
        self._last: Table[None, int] = Table(journal)
        self._rows: Table[int, SendRow] = Table(journal)
        self._data: Table[int, bytes] = Table(journal)
        self._lookups: Table[int, bytes] = Table(journal)
        self._once: Table[tuple[int, str, str], int] = Table(journal)
        self._of_origin: Table[int, tuple[int, ...]] = Table(journal)
        self._of_run: Table[int, tuple[int, ...]] = Table(journal)
        self._of_person: Table[int, tuple[int, ...]] = Table(journal)
        self._deferred = Timers(journal)
        self._marked: Table[int, tuple[int, int]] = Table(journal)  # whose, and when
        self._marked_of: Table[int, tuple[int, ...]] = Table(journal)
        self._lanes: Table[int, tuple[int, ...]] = Table(journal)
        self._heads: Table[int, None] = Table(journal)
        self._traces: Table[int, tuple[int, ...]] = Table(journal)
        self._attempts: Table[int, tuple[Attempt, ...]] = Table(journal)

    def next_id(self) -> int:
        """The id the next send gets."""
        return (self._last.get(None) or 0) + 1

    def reserve(self, send: NewSend, *, lane: int | None) -> bool:
        """Add a send; False when this (origin, rule, step) was reserved before."""
        name = (send.origin, send.rule, send.step)
        if name in self._once:
            return False
        self._once[name] = send.id
        self._last[None] = max(send.id, self.next_id() - 1)
        self._data[send.id] = send.data
        if send.lookup is not None:
            self._lookups[send.id] = send.lookup
        _append(self._of_origin, send.origin, send.id)
        run = run_of(send.origin)
        if run is not None:
            _append(self._of_run, run, send.id)
        _append(self._of_person, send.person, send.id)
        self._put(_row(send, lane))
        self._enter(send.id, lane)
        return True

    def deferred_due(self, *, now: int, limit: int) -> list[SendRow]:
        """Sends out of their lanes that are to be asked of again by now, in order of due time."""
        due = self._deferred.until(now, limit=limit)
        return self._copies(self._rows[number] for number in due)

    def next_deferred(self) -> int | None:
        """When the next of these falls due."""
        return self._deferred.first()

    def deferred_of(self, rule: str, *, limit: int) -> list[SendRow]:
        """The deferred sends of a rule, oldest first."""
        rows = (self._rows[number] for number in self._deferred.numbers())
        return self._in_order(row for row in rows if row.rule == rule)[:limit]

    def lookup(self, number: int) -> bytes | None:
        """With what a send is resolved again once it is looked up; None if it is not to be."""
        return self._lookups.get(number)

    def fill_in(self, row: SendRow, data: bytes) -> None:
        """Save a send that was looked up: with its address, traced, and its template data."""
        kept = self._rows.get(row.id)
        if kept is None:
            return
        self._lookups.drop(row.id)
        self._data[row.id] = data
        if row.address != kept.address:
            if kept.address is not None:
                _remove(self._traces, address_trace(kept.address), row.id)
            self._put(replace(kept, address=row.address))
            if row.address is not None:
                self.add_trace(address_trace(row.address), row.id)
        self.save(row)

    def mark_marketing(self, person: int, *, at: int, send: int) -> None:
        """Keep that a send of marketing left for a person at *at*; of a second time, the later."""
        marked = self._marked.get(send)
        if marked is None:
            _append(self._marked_of, person, send)
            self._marked[send] = person, at
        else:
            self._marked[send] = marked[0], max(marked[1], at)

    def marketing_since(self, person: int, *, since: int) -> list[tuple[int, SendRow]]:
        """What was marked from *since* on and may have reached the person: when, and the send."""
        marked = self._copies(self._known(self._marked_of.get(person)))
        found = [(self._marked[row.id][1], row) for row in marked if row.state in REACHED]
        return sorted(
            (one for one in found if one[0] >= since), key=lambda one: (one[0], one[1].id)
        )

    def claimable(self, *, now: int, limit: int, marketing: bool = True) -> list[SendRow]:
        """Heads of lanes that are due: transactional ones first, each oldest first."""
        heads = (self._rows[number] for number in self._heads)
        due = [
            row
            for row in heads
            if row.state in CLAIMABLE
            and row.due_at <= now
            and (marketing or row.kind != EmailClass.MARKETING)
        ]
        return self._copies(sorted(due, key=_turn)[:limit])

    def next_due(self) -> int | None:
        """When the next head of a lane falls due."""
        heads = (self._rows[number] for number in self._heads)
        return min((row.due_at for row in heads if row.state in CLAIMABLE), default=None)

    def data(self, number: int) -> bytes:
        """The template data of a send, JSON; empty once retention took it."""
        data = self._data.get(number)
        return b"{}" if data is None else data

    def intend(self, *numbers: int, now: int) -> None:
        """Mark as in flight, one more attempt."""
        for row in self._known(numbers):
            attempt = row.attempt + 1
            state = SendState.IN_FLIGHT.value
            self._put(replace(row, state=state, attempt=attempt, in_flight_at=now))

    def accept(
        self, message_ids: Mapping[int, str | None], *, now: int, silent_due: int | None
    ) -> set[int]:
        """SendGrid took sends in flight: their lanes go on. Which of them were in flight."""
        known = self._known(tuple(message_ids))
        in_flight = [row for row in known if row.state == SendState.IN_FLIGHT]
        for row in in_flight:
            self._accept(row, message_ids[row.id], now=now, silent_due=silent_due)
        return {row.id for row in in_flight}

    def _accept(
        self, kept: SendRow, message_id: str | None, *, now: int, silent_due: int | None
    ) -> None:
        if message_id:
            self.add_trace(message_trace(message_id), kept.id)
        self._put(
            replace(
                kept,
                state=SendState.ACCEPTED.value,
                reason=None,
                accepted_at=now,
                message_id=message_id,
                lane=None,
                unknown_due=None,
                silent_due=silent_due,
            )
        )
        self._leave(kept)

    def save(self, row: SendRow) -> None:
        """Write the columns of a row that may change; a lane left is handed on."""
        kept = self._rows.get(row.id)
        if kept is None:
            return
        lane = None if row.lane is None else kept.lane
        self._put(_changed(kept, row, lane))
        if kept.lane is None:
            return
        if lane is None:
            self._leave(kept)
        elif row.state in CLAIMABLE and row.id in self._heads:
            # two people's lanes may have become one while both had something out: whose turn is it?
            self._heads.drop(row.id)
            self._promote(kept.lane)

    def rejoin(self, row: SendRow, *, lane: int) -> None:
        """Save a send that left its lane, and put it back: in order of number, behind the head."""
        kept = self._rows.get(row.id)
        if kept is None:
            return
        if kept.lane != lane:
            if kept.lane is not None:
                self._leave(kept)
            self._put(_changed(kept, row, lane))
            self._enter(row.id, lane)
        else:
            self.save(row)
        row.lane, row.head = lane, int(row.id in self._heads)
        row.deferred = None

    def get(self, number: int) -> SendRow | None:
        """One send."""
        row = self._rows.get(number)
        return None if row is None else self._as_it_is(row)

    def by_trace(self, key: int, *, limit: int) -> list[SendRow]:
        """Sends a traced key leads to, newest first."""
        return self._in_order(self._known(self._traces.get(key)))[::-1][:limit]

    def add_trace(self, key: int, number: int) -> None:
        """Let a key lead to a send."""
        if number not in (self._traces.get(key) or ()):
            _append(self._traces, key, number)

    def in_flight(self) -> list[SendRow]:
        """Sends with an open intent."""
        return self._in_order(row for row in self._all() if row.state == SendState.IN_FLIGHT)

    def unknown_due(self, *, now: int, limit: int) -> list[SendRow]:
        """Unknown sends whose wait for evidence is over, by the clock of the receiver's health."""
        due = [row for row in self._all() if row.unknown_due is not None and row.unknown_due <= now]
        return self._copies(sorted(due, key=lambda row: (row.unknown_due, row.id)))[:limit]

    def silent_due(self, *, now: int, limit: int) -> list[SendRow]:
        """Accepted sends of which nothing was heard in time."""
        due = [row for row in self._all() if row.silent_due is not None and row.silent_due <= now]
        return self._copies(sorted(due, key=lambda row: (row.silent_due, row.id)))[:limit]

    def newest(self, *, state: str | None, before: int | None, limit: int) -> list[SendRow]:
        """Sends, newest first."""
        start = NEWEST if before is None else before
        rows = (row for row in self._all() if row.id < start and state in (None, row.state))
        return self._in_order(rows)[::-1][:limit]

    def aside(self, email: str, *, limit: int) -> list[SendRow]:
        """Sends of an email that stepped out of their lanes and may still leave, oldest first."""
        return self._in_order(
            row
            for row in self._all()
            if row.email == email
            and row.lane is None
            and row.deferred is None
            and row.state in CLAIMABLE
        )[:limit]

    def open_of_person(self, person: int) -> list[SendRow]:
        """A person's sends that have not left yet or may leave again, oldest first."""
        rows = self._known(self._of_person.get(person))
        return self._in_order(row for row in rows if row.lane is not None or row.state in APART)

    def of_event(self, number: int) -> list[SendRow]:
        """The sends that a route reserved for an event, also those that were refused."""
        return self._in_order(self._known(self._of_origin.get(number)))

    def of_run(self, number: int) -> list[SendRow]:
        """The sends of a run, also those that were refused, oldest first."""
        return self._in_order(self._known(self._of_run.get(number)))

    def mailed(self, journey: str) -> list[Mailed]:
        """How many sends of a journey are alike in what became of them."""
        return [
            Mailed(
                row.step, row.variant or "", row.state, row.reason, row.mail, row.flags,
                row.delivered_at is not None,
            )
            for row in self._rows.values()
            if row.origin < 0 and row.rule == journey
        ]  # fmt: skip

    def add_attempt(self, number: int, attempt: Attempt) -> None:
        """Keep what an attempt came to."""
        self._attempts[number] = (*(self._attempts.get(number) or ()), attempt)

    def attempts(self, number: int) -> list[Attempt]:
        """What attempts of a send came to, but for a plain acceptance; oldest first."""
        return list(self._attempts.get(number) or ())

    def erase(self, number: int) -> None:
        """Strike out who a send went to, and its trace; that it was sent stays in the books."""
        row = self._rows.get(number)
        if row is None:
            return
        reason = None if row.reason is None else "erased"
        self._put(replace(row, address=None, user="", reason=reason))
        self._attempts[number] = tuple(replace(a, detail="") for a in self.attempts(number))
        self._data.drop(number)
        self._lookups.drop(number)
        self._unmark(number)
        if row.address is not None:
            _remove(self._traces, address_trace(row.address), number)
        if row.message_id is not None:
            _remove(self._traces, message_trace(row.message_id), number)

    def prune(self, before_ms: int, *, limit: int) -> int:
        """Delete some of the oldest sends reserved before, none still open; how many went."""
        last = self.next_id() - 1
        old = [
            row
            for row in self._all()
            if row.reserved_at < before_ms and row.state not in OPEN and row.id != last
        ]
        gone = self._in_order(old)[:limit]
        for row in gone:
            self._rows.drop(row.id)
            self._once.drop((row.origin, row.rule, row.step))
            self._data.drop(row.id)
            self._lookups.drop(row.id)
            self._attempts.drop(row.id)
            self._unmark(row.id)
            self._deferred.set(row.id, None)
        return len(gone)

    def merge(self, loser: int, winner: int) -> None:
        """Let what is open of one person be another's, behind what is in flight."""
        for row in self.open_of_person(loser):
            lane = row.lane
            if lane is not None:
                _remove(self._lanes, lane, row.id)
                lane += (winner - loser) * 2
                _append(self._lanes, lane, row.id)
            self._put(replace(row, lane=lane, person=winner))
            _remove(self._of_person, loser, row.id)
            _append(self._of_person, winner, row.id)
        for number in self._marked_of.get(loser) or ():
            self._marked[number] = winner, self._marked[number][1]
            _append(self._marked_of, winner, number)
        self._marked_of.drop(loser)
        for lane in (winner * 2, winner * 2 + 1):
            for number in self._lanes.get(lane) or ():
                self._heads.drop(number)
            self._promote(lane)

    def _unmark(self, number: int) -> None:
        marked = self._marked.get(number)
        if marked is not None:
            _remove(self._marked_of, marked[0], number)
            self._marked.drop(number)

    def _all(self) -> list[SendRow]:
        return self._rows.values()

    def _put(self, row: SendRow) -> None:
        self._rows[row.id] = row
        self._deferred.set(row.id, row.deferred)

    def _as_it_is(self, row: SendRow) -> SendRow:
        return replace(row, head=int(row.id in self._heads))

    def _copies(self, rows: Iterable[SendRow]) -> list[SendRow]:
        return [self._as_it_is(row) for row in rows]

    def _in_order(self, rows: Iterable[SendRow]) -> list[SendRow]:
        return self._copies(sorted(rows, key=lambda row: row.id))

    def _enter(self, number: int, lane: int | None) -> None:
        if lane is None:
            return
        if not self._lanes.get(lane):
            self._heads[number] = None
        _append(self._lanes, lane, number)

    def _leave(self, row: SendRow) -> None:
        if row.lane is None:
            return
        _remove(self._lanes, row.lane, row.id)
        if row.id in self._heads:
            self._heads.drop(row.id)
            self._promote(row.lane)

    def _promote(self, lane: int) -> None:
        """Make a head: what is out, else the lowest number."""
        members = self._lanes.get(lane) or ()
        out = [number for number in members if self._rows[number].state in OUT]
        best = min(out or members, default=None)
        if best is not None:
            self._heads[best] = None

    def _known(self, numbers: tuple[int, ...] | None) -> list[SendRow]:
        return [self._rows[number] for number in numbers or () if number in self._rows]


def _turn(row: SendRow) -> tuple[bool, int, int]:
    return row.kind == EmailClass.MARKETING, row.due_at, row.id


def _append(table: Table[int, tuple[int, ...]], key: int, number: int) -> None:
    table[key] = (*(table.get(key) or ()), number)


def _remove(table: Table[int, tuple[int, ...]], key: int, number: int) -> None:
    table[key] = tuple(one for one in table.get(key) or () if one != number)


def _row(send: NewSend, lane: int | None) -> SendRow:
    return SendRow(
        id=send.id, tag=send.tag, origin=send.origin, rule=send.rule, step=send.step,
        variant=send.variant, version=send.version, event=send.event, person=send.person,
        user=send.user, email=send.email, kind=send.kind, template=send.template,
        address=send.address, group_id=send.group_id, state=send.state, reason=send.reason,
        mail=None, attempt=0, reserved_at=send.reserved_at, due_at=send.due_at,
        expires_at=send.expires_at, in_flight_at=None, accepted_at=None, delivered_at=None,
        last_event_at=None, message_id=None, lane=lane, head=0, unknown_due=None, silent_due=None,
        flags=send.flags,
    )  # fmt: skip


def _changed(kept: SendRow, row: SendRow, lane: int | None) -> SendRow:
    deferred = row.deferred if lane is None and row.state in CLAIMABLE else None
    return replace(
        kept, state=str(row.state), reason=row.reason, due_at=row.due_at,
        expires_at=row.expires_at, attempt=row.attempt, lane=lane, unknown_due=row.unknown_due,
        silent_due=row.silent_due, mail=row.mail, accepted_at=row.accepted_at,
        delivered_at=row.delivered_at, last_event_at=row.last_event_at,
        message_id=row.message_id, flags=row.flags, deferred=deferred,
    )  # fmt: skip

"""The ledger: answers ``ports.Sends``."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from homing.adapters.sqlite.behind import Behind
from homing.adapters.sqlite.generations import DEFAULT, Generations
from homing.adapters.sqlite.oldest import Oldest
from homing.adapters.sqlite.sql import executing, load
from homing.core.digests import address_trace, message_trace
from homing.core.effects import NewSend, SendRow
from homing.core.journeys.run import origins_of
from homing.core.journeys.statistics import Mailed
from homing.core.ledger import CLAIMABLE, SendState
from homing.core.plans import EmailClass
from homing.core.wire import json_bytes
from homing.ports import Attempt

if TYPE_CHECKING:
    from collections.abc import Mapping

    import apsw

SQL = load("sends")
NEWEST = 1 << 62
OUT = frozenset({SendState.IN_FLIGHT, SendState.UNKNOWN})
# what retention takes: our side of them is over
ENDED = frozenset(
    {
        SendState.ACCEPTED,
        SendState.REJECTED,
        SendState.SKIPPED,
        SendState.EXPIRED,
        SendState.DROPPED,
    }
)


class SqliteSends:
    """See `homing.ports.Sends`."""

    def __init__(self, db: apsw.Connection, generations: Generations = DEFAULT) -> None:
        self._db = db
        self._execute = executing(db)
        self._changes = db.changes
        self._bits = generations.trace
        self._oldest = Oldest()
        self._next: int | None = None
        self._new_data = Behind(db, SQL.save_data)
        self._new_traces = Behind(db, SQL.add_trace, in_order=True)

    def write(self) -> None:
        """Write the rows that wait for others."""
        self._new_data.write()
        self._new_traces.write()

    def forget(self) -> None:
        """Something was undone: these rows too, and the last id is read again."""
        self._new_data.forget()
        self._new_traces.forget()
        self._next = None

    def next_id(self) -> int:
        """The id the next send gets."""
        if self._next is None:
            self._next = int(self._execute(SQL.last).get) + 1
        return self._next

    def reserve(self, send: NewSend, *, lane: int | None) -> bool:
        """Add a send; False when this (origin, rule, step) was reserved before."""
        self._execute(
            SQL.reserve,
            (send.id, send.tag, send.origin, send.rule, send.step, send.variant, send.version,
             send.event, send.person, send.user, send.email, send.kind, send.template,
             send.address, send.group_id, send.state, send.reason, send.reserved_at, send.due_at,
             send.expires_at, lane, send.flags),
        )  # fmt: skip
        if not self._changes():
            return False
        self._next = send.id + 1
        self._new_data.add((send.id, send.data))
        if send.lookup is not None:
            self._execute(SQL.save_lookup, (send.id, send.lookup))
        return True

    def deferred_due(self, *, now: int, limit: int) -> list[SendRow]:
        """Sends out of their lanes that are to be asked of again by now, in order of due time."""
        return self._rows(SQL.deferred_due, (now, limit))

    def next_deferred(self) -> int | None:
        """When the next of these falls due."""
        due: int | None = self._execute(SQL.next_deferred).get
        return due

    def deferred_of(self, rule: str, *, limit: int) -> list[SendRow]:
        """The deferred sends of a rule, oldest first."""
        return self._rows(SQL.deferred_of, (rule, limit))

    def lookup(self, number: int) -> bytes | None:
        """With what a send is resolved again once it is looked up; None if it is not to be."""
        data: bytes | None = self._execute(SQL.lookup, (number,)).get
        return data

    def fill_in(self, row: SendRow, data: bytes) -> None:
        """Save a send that was looked up: with its address, traced, and its template data."""
        place = self._execute(SQL.traced, (row.id,)).get
        if place is None:
            return
        self._new_data.write()
        self._execute(SQL.prune_lookup, (row.id,))
        self._execute(SQL.replace_data, (row.id, data))
        if row.address != place[0]:
            self._drop_traces(row.id)
            self._execute(SQL.save_address, (row.address, row.id))
            if row.address is not None:
                self.add_trace(address_trace(row.address), row.id)
        self.save(row)

    def mark_marketing(self, person: int, *, at: int, send: int) -> None:
        """Keep that a send of marketing left for a person at *at*; of a second time, the later."""
        self._execute(SQL.mark_marketing, (send, person, at))

    def marketing_since(self, person: int, *, since: int) -> list[tuple[int, SendRow]]:
        """What was marked from *since* on and may have reached the person: when, and the send."""
        rows = self._execute(SQL.marketing_since, (person, since)).fetchall()
        return [(at, SendRow(*row)) for at, *row in rows]

    def claimable(self, *, now: int, limit: int, marketing: bool = True) -> list[SendRow]:
        """Heads of lanes that are due: transactional ones first, each oldest first."""
        rows = self._rows(SQL.claimable, (EmailClass.TRANSACTIONAL, now, limit))
        if marketing and len(rows) < limit:
            rows += self._rows(SQL.claimable, (EmailClass.MARKETING, now, limit - len(rows)))
        return rows

    def next_due(self) -> int | None:
        """When the next head of a lane falls due."""
        due: int | None = self._execute(SQL.next_due).get
        return due

    def data(self, number: int) -> bytes:
        """The template data of a send, JSON; empty once retention took it."""
        self._new_data.write()
        data: bytes | None = self._execute(SQL.data, (number,)).get
        return b"{}" if data is None else data

    def intend(self, *numbers: int, now: int) -> None:
        """Mark as in flight, one more attempt."""
        self._db.executemany(SQL.intend, [(now, number) for number in numbers])

    def accept(
        self, message_ids: Mapping[int, str | None], *, now: int, silent_due: int | None
    ) -> set[int]:
        """SendGrid took sends in flight: their lanes go on. Which of them were in flight."""
        # the lane is asked, not taken from a row: a merge may have moved it in flight
        numbers = json_bytes([*message_ids]).decode()
        places = self._execute(SQL.places_in_flight, (numbers,)).fetchall()
        self._db.executemany(
            SQL.accept, [(now, message_ids[row[0]], silent_due, row[0]) for row in places]
        )
        self._new_traces.extend(
            (number >> self._bits, message_trace(message_id), number)
            for number, *_ in places
            if (message_id := message_ids[number])
        )
        self._db.executemany(SQL.promote, [(lane,) for _, lane, head, others in places
                                           if head and others])  # fmt: skip
        return {number for number, *_ in places}

    def save(self, row: SendRow) -> None:
        """Write the columns of a row that may change; a lane left is handed on."""
        place = self._execute(SQL.place, (row.id,)).get
        if place is None:
            return
        lane, head, others = place
        if row.lane is None:
            self._write(row, None, 0)
        else:
            self._write(row, lane, head)
        if not (head and others):
            return
        if row.lane is None:
            self._execute(SQL.promote, (lane,))
        elif row.state in CLAIMABLE:
            # two people's lanes may have become one while both had something out: whose turn is it?
            self._execute(SQL.step_back, (row.id,))
            self._execute(SQL.promote, (lane,))

    def rejoin(self, row: SendRow, *, lane: int) -> None:
        """Put a send that left its lane back: in order of number, behind the head."""
        place = self._execute(SQL.place, (row.id,)).get
        if place is None:
            return
        before, head, others = place
        if before == lane:
            self.save(row)
            return
        row.lane, row.head = lane, 1 - int(self._execute(SQL.lane_busy, (lane,)).get)
        row.deferred = None
        self._write(row, row.lane, row.head)
        if head and others:
            self._execute(SQL.promote, (before,))

    def get(self, number: int) -> SendRow | None:
        """One send."""
        row = self._execute(SQL.get, (number,)).get
        return None if row is None else SendRow(*row)

    def by_trace(self, key: int, *, limit: int) -> list[SendRow]:
        """Sends a traced key leads to, newest first."""
        self._new_traces.write()
        first: int | None = self._execute(SQL.first_trace).get
        found: list[SendRow] = []
        if first is None:
            return found
        for gen in range((self.next_id() - 1) >> self._bits, first - 1, -1):
            rows = self._execute(SQL.by_trace, (gen, key, limit - len(found))).fetchall()
            traced = (self.get(number) for (number,) in rows)
            found += [row for row in traced if row is not None]
            if len(found) >= limit:
                break
        return found

    def add_trace(self, key: int, number: int) -> None:
        """Let a key lead to a send."""
        self._new_traces.add((number >> self._bits, key, number))

    def in_flight(self) -> list[SendRow]:
        """Sends with an open intent."""
        return self._rows(SQL.in_flight, ())

    def unknown_due(self, *, now: int, limit: int) -> list[SendRow]:
        """Unknown sends whose wait for evidence is over, by the clock of the receiver's health."""
        return self._rows(SQL.unknown_due, (now, limit))

    def silent_due(self, *, now: int, limit: int) -> list[SendRow]:
        """Accepted sends of which nothing was heard in time."""
        return self._rows(SQL.silent_due, (now, limit))

    def newest(self, *, state: str | None, before: int | None, limit: int) -> list[SendRow]:
        """Sends, newest first."""
        start = NEWEST if before is None else before
        if state is None:
            return self._rows(SQL.newest, (start, limit))
        if state == SendState.ACCEPTED:
            return self._rows(SQL.newest_accepted, (start, limit))
        if state in OUT:
            return self._rows(SQL.newest_out, (state, start, limit))
        if state in CLAIMABLE:
            return self._rows(SQL.newest_waiting, (state, start, limit))
        return self._rows(SQL.newest_ended, (state, start, limit))

    def aside(self, email: str, *, limit: int) -> list[SendRow]:
        """Sends of an email that stepped out of their lanes and may still leave, oldest first."""
        return self._rows(SQL.aside, (email, limit))

    def open_of_person(self, person: int) -> list[SendRow]:
        """A person's sends that have not left yet or may leave again, oldest first."""
        return self._rows(SQL.open_of_person, (person,))

    def of_event(self, number: int) -> list[SendRow]:
        """The sends that a route reserved for an event, also those that were refused."""
        return self._rows(SQL.of_event, (number,))

    def of_run(self, number: int) -> list[SendRow]:
        """The sends of a run, also those that were refused, oldest first."""
        return self._rows(SQL.of_run, origins_of(number))

    def mailed(self, journey: str) -> list[Mailed]:
        """How many sends of a journey are alike in what became of them; reads all of them."""
        tallied: Counter[tuple[Any, ...]] = Counter(self._execute(SQL.mailed, (journey,)))
        return [
            Mailed(step, variant, state, reason, mail, flags, bool(delivered), count)
            for (step, variant, state, reason, mail, flags, delivered), count in tallied.items()
        ]

    def add_attempt(self, number: int, attempt: Attempt) -> None:
        """Keep what an attempt came to."""
        self._execute(
            SQL.add_attempt, (number, attempt.number, attempt.at, attempt.outcome, attempt.detail)
        )

    def attempts(self, number: int) -> list[Attempt]:
        """What attempts of a send came to, but for a plain acceptance; oldest first."""
        return [Attempt(*row) for row in self._execute(SQL.attempts, (number,)).fetchall()]

    def erase(self, number: int) -> None:
        """Strike out who a send went to; that it was sent stays in the books."""
        self._new_data.write()
        self._drop_traces(number)
        self._execute(SQL.erase, (number,))
        self._execute(SQL.erase_attempts, (number,))
        self._execute(SQL.prune_data, (number,))
        self._execute(SQL.prune_lookup, (number,))
        self._execute(SQL.drop_marketing, (number,))

    def prune(self, before_ms: int, *, limit: int) -> int:
        """Delete the oldest sends reserved before, but for those still open; how many rows went."""
        self.write()
        last = int(self._execute(SQL.last).get)  # what `next_id` remembers may not be there
        ended = self._oldest.ended(
            lambda number: self._execute(SQL.oldest, (number, limit)).fetchall(),
            before_ms=before_ms, states=ENDED, limit=limit,
        )  # fmt: skip
        # the newest stays, so that no number is given twice
        gone = [row for row in ended if row != (last,)]
        for (number,) in gone:
            self._drop_traces(number)
        for sql in (SQL.prune, SQL.prune_data, SQL.prune_lookup, SQL.prune_attempts,
                    SQL.drop_marketing):  # fmt: skip
            self._db.executemany(sql, gone)
        return len(gone) + self._prune_traces(limit)

    def _drop_traces(self, number: int) -> None:
        """Drop the traces that a send's own columns tell of."""
        self._new_traces.write()
        address, message_id = self._execute(SQL.traced, (number,)).get or (None, None)
        keys = [] if address is None else [address_trace(address)]
        keys += [] if message_id is None else [message_trace(message_id)]
        gen = number >> self._bits
        self._db.executemany(SQL.drop_trace, [(gen, key, number) for key in keys])

    def _prune_traces(self, limit: int) -> int:
        """Drop the others with their whole generation."""
        first: int | None = self._execute(SQL.first).get
        self._execute(SQL.prune_trace, ((first or 0) >> self._bits, limit))
        return int(self._changes())

    def _write(self, row: SendRow, lane: int | None, head: int) -> None:
        deferred = row.deferred if lane is None and row.state in CLAIMABLE else None
        self._execute(
            SQL.save,
            (row.state, row.reason, row.due_at, row.expires_at, row.attempt, lane, head,
             row.unknown_due, row.silent_due, row.mail, row.accepted_at, row.delivered_at,
             row.last_event_at, row.message_id, row.flags, deferred, row.id),
        )  # fmt: skip

    def _rows(self, sql: str, values: tuple[int | str, ...]) -> list[SendRow]:
        return [SendRow(*row) for row in self._execute(sql, values).fetchall()]

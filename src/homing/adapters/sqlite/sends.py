"""The ledger: answers ``ports.Sends``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from homing.adapters.sqlite.seen import GENERATION_BITS
from homing.adapters.sqlite.sql import load
from homing.core.effects import NewSend, SendRow
from homing.ports import Attempt

if TYPE_CHECKING:
    import apsw

SQL = load("sends")
NEWEST = 1 << 62


class SqliteSends:
    """See `homing.ports.Sends`."""

    def __init__(self, db: apsw.Connection) -> None:
        self._db = db

    def next_id(self) -> int:
        """The id the next send gets."""
        return int(self._db.execute(SQL.last).get) + 1

    def reserve(self, send: NewSend, *, lane: int | None) -> bool:
        """Add a send; False when this (origin, rule, step) was reserved before."""
        head = lane is not None and self._db.execute(SQL.lane_busy, (lane,)).fetchone() is None
        self._db.execute(
            SQL.reserve,
            (send.id, send.tag, send.origin, send.rule, send.step, send.variant, send.version,
             send.event, send.person, send.user, send.email, send.kind, send.template,
             send.address, send.group_id, send.state, send.reason, send.reserved_at, send.due_at,
             send.expires_at, lane, head, send.flags),
        )  # fmt: skip
        if not self._db.changes():
            return False
        self._db.execute(SQL.save_data, (send.id, send.data))
        return True

    def claimable(self, *, now: int, limit: int) -> list[SendRow]:
        """Heads of lanes that are due, oldest first."""
        return [SendRow(*row) for row in self._db.execute(SQL.claimable, (now, limit))]

    def next_due(self) -> int | None:
        """When the next head of a lane falls due."""
        due: int | None = self._db.execute(SQL.next_due).get
        return due

    def data(self, number: int) -> bytes:
        """The template data of a send, JSON; empty once retention took it."""
        row = self._db.execute(SQL.data, (number,)).fetchone()
        return b"{}" if row is None else row[0]

    def intend(self, number: int, *, now: int) -> None:
        """Mark as in flight, one more attempt."""
        self._db.execute(SQL.intend, (now, number))

    def accept(
        self, row: SendRow, *, now: int, message_id: str | None, silent_due: int | None
    ) -> bool:
        """SendGrid took a send in flight: the lane goes on. False if it is not in flight."""
        self._db.execute(SQL.accept, (now, message_id, silent_due, row.id))
        if not self._db.changes():
            return False
        self._promote(row.lane)
        return True

    def save(self, row: SendRow) -> None:
        """Write the columns of a row that may change; a lane left is handed on."""
        before = self._db.execute(SQL.lane_of, (row.id,)).get
        self._db.execute(
            SQL.save,
            (row.state, row.reason, row.due_at, row.expires_at, row.attempt, row.lane, row.head, row.unknown_due,
             row.silent_due, row.mail, row.accepted_at, row.delivered_at, row.last_event_at,
             row.message_id, row.flags, row.id),
        )  # fmt: skip
        if before is not None and before != row.lane:
            self._promote(before)

    def rejoin(self, row: SendRow, *, lane: int) -> None:
        """Put a send that left its lane at the lane's end of what is open."""
        row.lane = lane
        row.head = int(self._db.execute(SQL.lane_busy, (lane,)).fetchone() is None)
        self.save(row)

    def get(self, number: int) -> SendRow | None:
        """One send."""
        row = self._db.execute(SQL.get, (number,)).fetchone()
        return None if row is None else SendRow(*row)

    def by_trace(self, key: int, *, limit: int) -> list[SendRow]:
        """Sends a traced key leads to, newest first."""
        found: list[SendRow] = []
        for number in self._traced(key):
            row = self.get(number)
            if row is not None:
                found.append(row)
            if len(found) >= limit:
                break
        return found

    def add_trace(self, key: int, number: int) -> None:
        """Let a key lead to a send."""
        self._db.execute(SQL.add_trace, (number >> GENERATION_BITS, key, number))

    def in_flight(self) -> list[SendRow]:
        """Sends with an open intent."""
        return [SendRow(*row) for row in self._db.execute(SQL.in_flight)]

    def unknown_due(self, *, now: int, limit: int) -> list[SendRow]:
        """Unknown sends whose wait for evidence is over, by the clock of the receiver's health."""
        return [SendRow(*row) for row in self._db.execute(SQL.unknown_due, (now, limit))]

    def silent_due(self, *, now: int, limit: int) -> list[SendRow]:
        """Accepted sends of which nothing was heard in time."""
        return [SendRow(*row) for row in self._db.execute(SQL.silent_due, (now, limit))]

    def newest(self, *, state: str | None, before: int | None, limit: int) -> list[SendRow]:
        """Sends, newest first."""
        start = before or NEWEST
        if state is None:
            rows = self._db.execute(SQL.newest, (start, limit))
        else:
            rows = self._db.execute(SQL.newest_in_state, (state, start, limit))
        return [SendRow(*row) for row in rows]

    def aside(self, email: str, *, limit: int) -> list[SendRow]:
        """Sends of an email that stepped out of their lanes and may still leave, oldest first."""
        return [SendRow(*row) for row in self._db.execute(SQL.aside, (email, limit))]

    def open_of_person(self, person: int) -> list[SendRow]:
        """A person's sends that have not left yet, oldest first."""
        rows = self._db.execute(SQL.open_of_person, (person * 2, person * 2 + 1))
        return [SendRow(*row) for row in rows]

    def of_event(self, number: int) -> list[SendRow]:
        """The sends that an event caused, also those that were refused."""
        return [SendRow(*row) for row in self._db.execute(SQL.of_event, (number,))]

    def add_attempt(self, number: int, attempt: Attempt) -> None:
        """Keep what an attempt came to."""
        self._db.execute(
            SQL.add_attempt, (number, attempt.number, attempt.at, attempt.outcome, attempt.detail)
        )

    def attempts(self, number: int) -> list[Attempt]:
        """What attempts of a send came to, but for a plain acceptance; oldest first."""
        return [Attempt(*row) for row in self._db.execute(SQL.attempts, (number,))]

    def erase(self, number: int) -> None:
        """Strike out who a send went to; that it was sent stays in the books."""
        self._db.execute(SQL.erase, (number,))
        self._db.execute(SQL.prune_data, (number,))

    def prune(self, before_ms: int, *, limit: int) -> int:
        """Delete the oldest sends reserved before; returns how many went."""
        gone: Sequence[int] = [r[0] for r in self._db.execute(SQL.prune, (before_ms, limit))]
        for number in gone:
            self._db.execute(SQL.prune_data, (number,))
            self._db.execute(SQL.prune_attempts, (number,))
        if gone:
            oldest = self._db.execute(SQL.oldest).get
            self._db.execute(SQL.prune_trace, (oldest >> GENERATION_BITS,))
        return len(gone)

    def _traced(self, key: int) -> Iterator[Any]:
        last = self._db.execute(SQL.last).get
        for gen in range(last >> GENERATION_BITS, -1, -1):
            for (number,) in self._db.execute(SQL.by_trace, (gen, key)).fetchall():
                yield number

    def _promote(self, lane: int | None) -> None:
        if lane is not None:
            self._db.execute(SQL.promote, (lane,))

"""
Fill: the times that a new ``did()`` needs, read from the log as far as retention goes.

A ``did()`` that the configuration has for the first time knows nothing of the past; until its
fill is done it counts what happened since.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from homing.core import people
from homing.core.decide import PersonFacts
from homing.core.effects import EventState
from homing.core.splitting import split_events

if TYPE_CHECKING:
    from homing.core.decide import Rules
    from homing.core.fql import Did
    from homing.ports import EventRow, LogReader, Store, Tx
    from homing.stages.take import Taker

KNOWN = "dids_filled"
ROWS = 200


@dataclass(slots=True)
class Filler:
    """The stage: nothing to do but after a change of the configuration."""

    store: Store
    reader: LogReader
    taker: Taker
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    _rules: Rules | None = None
    _wanted: dict[str, Did] = field(default_factory=dict)
    _next: int = 0
    _end: int = 0

    async def fill(self) -> int:
        """
        Read some more of the past.

        Returns:
            How many events were looked at; 0 when there is nothing left to fill.
        """
        if self._rules is not self.taker.rules:
            self._rules = self.taker.rules
            await self.store.write(self._begin)
        if not self._wanted:
            return 0
        looked = await self.store.write(self._some)
        if not looked:
            await self.store.write(self._finish)
        return looked

    def _begin(self, tx: Tx) -> None:
        known = str(tx.books.get(KNOWN) or "").split("\x1e")
        wanted = {} if self._rules is None else {key: did for did, key in self._rules.dids}
        self._wanted = {key: did for key, did in wanted.items() if key not in known}
        self._next, self._end = 0, tx.events.cursor().next_event

    def _some(self, tx: Tx) -> int:
        # in the transaction: an event evaluated before it is durable must not see old persons
        self.taker.forget_people()
        rows = tx.events.after(self._next, limit=ROWS)
        for row in rows:
            self._next = row.id
            if row.id >= self._end:
                return 0
            if row.state is EventState.DONE and row.person is not None:
                self._count(tx, row)
        return len(rows)

    def _count(self, tx: Tx, row: EventRow) -> None:
        matching = {key: did for key, did in self._wanted.items() if did.event == row.name}
        person = tx.people.get(row.person) if matching and row.person is not None else None
        if person is None:
            return
        before = person
        for key, did in matching.items():
            facts = PersonFacts(person, row.at)
            holds = did.condition is None or did.condition.holds(self._data(row), facts)
            if holds:
                person = people.with_did(person, did, key, at_ms=row.at, event=row.id)
        if person is not before:
            tx.people.save(person)

    def _data(self, row: EventRow) -> dict[str, object]:
        """The event as Segment sent it; of SendGrid's only what they post themselves."""
        request = self.reader.request(row.request)
        elements = () if request is None else split_events(request.body).elements
        data = elements[row.item].data if row.item < len(elements) else {}
        if row.source.startswith("sendgrid/"):
            return {"type": "track", "event": row.name, "properties": data}
        return dict(data)

    def _finish(self, tx: Tx) -> None:
        rules = self._rules
        keys = sorted(key for _, key in rules.dids) if rules is not None else []
        tx.books.set(KNOWN, "\x1e".join(keys))
        self._wanted = {}

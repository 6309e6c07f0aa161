"""
Fill: the times that a new ``did()`` needs, read from the log as far as retention goes.

A ``did()`` that the configuration has for the first time knows nothing of the past; until its
fill is done it counts what happened since.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from homing.core import people
from homing.core.decide import PersonFacts
from homing.core.effects import EventState
from homing.core.splitting import split_events
from homing.stages import home

if TYPE_CHECKING:
    from collections.abc import Mapping

    from homing.core.decide import Rules
    from homing.core.fql import Condition, Did
    from homing.core.people import Person
    from homing.core.splitting import Element
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
    _split: tuple[int, tuple[Element, ...]] = (0, ())  # the last request cut into its events

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
        known = str(tx.books.get(KNOWN) or "").split()
        wanted = {} if self._rules is None else {key: did for did, key in self._rules.dids}
        self._wanted = {key: did for key, did in wanted.items() if key not in known}
        self._next, self._end = 0, tx.events.cursor().next_event
        # one that is gone, and comes back some day, has missed what happened in between
        tx.books.set(KNOWN, " ".join(sorted(wanted.keys() & set(known))))

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
        if not matching or not (row.type == "track" or row.source.startswith("sendgrid/")):
            return
        person = None if row.person is None else tx.people.get(row.person)
        if person is None:
            return
        before = person
        for key, did in matching.items():
            if did.condition is None or self._holds(tx, did.condition, row, person=person):
                person = people.with_did(person, did, key, at_ms=row.at, event=row.id)
        if person is not before:
            tx.people.save(person)

    def _holds(self, tx: Tx, condition: Condition, row: EventRow, *, person: Person) -> bool:
        """Whether an event counts; not if its bytes are gone."""
        data = self._element(row)
        if data and row.source.startswith("sendgrid/"):
            data = home.as_rules_see(tx, data, row, person=person, plans=self.taker.rules.plans)
        return bool(data) and condition.holds(data, PersonFacts(person, row.at))

    def _element(self, row: EventRow) -> Mapping[str, Any]:
        if self._split[0] != row.request:
            request = self.reader.request(row.request)
            elements = () if request is None else split_events(request.body).elements
            self._split = (row.request, elements)
        elements = self._split[1]
        return elements[row.item].data if row.item < len(elements) else {}

    def _finish(self, tx: Tx) -> None:
        keys = [key for _, key in self._rules.dids] if self._rules is not None else []
        tx.books.set(KNOWN, " ".join(sorted(keys)))
        self._wanted = {}

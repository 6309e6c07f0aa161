"""
Evaluate: split -> dedupe -> decide -> save, one transaction for many events.

Each event has a savepoint, so that one that cannot be decided undoes nothing but itself. The
cursor moves in the same transaction: every accepted event is evaluated exactly once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from homing.core import events
from homing.core.decide import Rules, decide
from homing.core.digests import digest8
from homing.core.effects import EventState
from homing.core.events import Happened
from homing.core.people import Identity, IdKind
from homing.core.segment_calls import is_echo
from homing.core.sendgrid import UnusableEvent, fingerprint, identity_key, parse_event
from homing.core.splitting import Element, split_events
from homing.log import EVENT_QUARANTINED, log
from homing.ports import Cursor, EventRow, Request
from homing.stages import erase, home, identity, reserve

if TYPE_CHECKING:
    from homing.core.people import Person
    from homing.core.sendgrid import EmailEvent
    from homing.ports import Clock, LogReader, Store, Tx

READ_REQUESTS = 256
READ_BYTES = 1 << 20
# a transaction runs in the event loop: it must leave the sockets their turn
SLICE_S = 0.010

Minted = Callable[[], int]


@dataclass(frozen=True, slots=True)
class Taken:
    """One element of one request on its way through."""

    request: Request
    item: int
    element: Element


@dataclass(slots=True)
class Position:
    """How far evaluation is durable, for those who must wait until it has come so far."""

    request: int = 0
    moved: asyncio.Event = field(default_factory=asyncio.Event)

    def reach(self, request: int) -> None:
        """Everything up to *request* is evaluated, durably."""
        self.request = request
        self.moved.set()
        self.moved = asyncio.Event()

    async def reached(self, request: int) -> None:
        """Wait until evaluation has come as far as *request*."""
        while self.request < request:
            await self.moved.wait()


class Evaluator:
    """
    The stage.

    Args:
        mint: Gives a random 40-bit tag per send.

        on_wishes: Told after a commit that there may be something to deliver.
    """

    def __init__(
        self, store: Store, reader: LogReader, clock: Clock, *, rules: Rules, mint: Minted
    ) -> None:
        self._store = store
        self._reader = reader
        self._clock = clock
        self._mint = mint
        self._known = identity.Known()
        self._surroundings = home.Surroundings()
        self._cursor: Cursor | None = None
        self._split: tuple[int, tuple[Element, ...]] = (0, ())
        self.rules = rules
        self.position = Position()
        self.wake = asyncio.Event()

    async def evaluate_batch(self) -> int:
        """
        Evaluate the next requests, for as long as a slice lasts.

        Returns:
            How many elements were taken; 0 lets the caller sleep until woken.
        """
        if self._cursor is None:
            self._cursor = await self._store.write(lambda tx: tx.events.cursor())
            self.position.reach(self._cursor.request)
        requests = self._reader.after(
            self._cursor.request, limit=READ_REQUESTS, max_bytes=READ_BYTES
        )
        if not requests:
            return 0
        try:
            cursor, taken = await self._store.write(lambda tx: self._take(tx, requests))
        except BaseException:
            self._known.forget()
            raise
        self._cursor = cursor
        self.position.reach(cursor.request)
        return taken

    async def caught_up(self) -> None:
        """Wait until every event that is in the log now has been evaluated (promise P3)."""
        head = self._reader.head()
        if self.position.request < head:
            self.wake.set()
            await self.position.reached(head)

    def forget_people(self) -> None:
        """Somebody else wrote persons: read them again."""
        self._known.forget()

    async def replay(self, numbers: list[int]) -> dict[str, str]:
        """
        Evaluate kept events again, under their own ids: what was reserved for them stays reserved.

        Returns:
            The state of each by its number; "gone" where row or bytes are no more.
        """
        states: dict[str, str] = {}
        for number in numbers:
            states[str(number)] = await self._store.write(lambda tx, n=number: self._again(tx, n))  # type: ignore[misc]
        self._known.forget()
        return states

    def _again(self, tx: Tx, number: int) -> str:
        row = tx.events.get(number)
        request = None if row is None else self._reader.request(row.request)
        elements = () if request is None else split_events(request.body).elements
        if row is None or request is None or row.item >= len(elements):
            return "gone"
        taken = Taken(request, row.item, elements[row.item])
        with tx.savepoint():
            after = self._evaluate(tx, taken, number, again=True)
        if after is None:
            return row.state.value
        tx.books.count(f"events:{row.state}", -1)
        tx.books.count(f"events:{after.state}")
        tx.events.replace(after)
        return after.state.value

    def _take(self, tx: Tx, requests: list[Request]) -> tuple[Cursor, int]:
        cursor = self._cursor
        assert cursor is not None  # noqa: S101  set by the only caller
        until = self._clock.monotonic_s() + SLICE_S
        taken = 0
        for request in requests:
            elements = self._elements(request)
            while cursor.item < len(elements):
                self._take_one(tx, Taken(request, cursor.item, elements[cursor.item]), cursor)
                cursor = Cursor(cursor.request, cursor.item + 1, cursor.next_event + 1)
                taken += 1
                if self._clock.monotonic_s() > until:
                    break
            if cursor.item < len(elements):
                break
            cursor = Cursor(request.seq, 0, cursor.next_event)
            if self._clock.monotonic_s() > until:
                break
        tx.events.move_cursor(cursor)
        return cursor, taken

    def _elements(self, request: Request) -> tuple[Element, ...]:
        if self._split[0] != request.seq:
            self._split = (request.seq, split_events(request.body).elements)
        return self._split[1]

    def _take_one(self, tx: Tx, taken: Taken, cursor: Cursor) -> None:
        """Take in one element; whatever it is, a row or a count says what became of it."""
        try:
            with tx.savepoint():
                row = self._evaluate(tx, taken, cursor.next_event)
        except Exception as error:  # noqa: BLE001  a poison event must not stop its neighbours
            self._known.forget()
            row = self._row(
                taken, cursor.next_event, EventState.QUARANTINED,
                f"could not be evaluated: {type(error).__name__}: {error}",
            )  # fmt: skip
        if row is None:
            tx.books.count("events:duplicates")
            return
        if row.state is EventState.QUARANTINED:
            log.warning(EVENT_QUARANTINED, number=row.id, source=row.source, reason=row.reason)
        tx.events.add(row)
        tx.books.count("events:received")
        tx.books.count(f"events:{row.state}")

    def _evaluate(
        self, tx: Tx, taken: Taken, number: int, *, again: bool = False
    ) -> EventRow | None:
        """Dedupe (unless it is taken *again* on purpose) and decide; None for a duplicate."""
        if taken.element.reason is not None:
            return self._row(taken, number, EventState.QUARANTINED, taken.element.reason)
        if taken.request.source.startswith("sendgrid/"):
            return self._evaluate_engagement(tx, taken, number, again=again)
        return self._evaluate_segment(tx, taken, number, again=again)

    def _evaluate_segment(
        self, tx: Tx, taken: Taken, number: int, *, again: bool
    ) -> EventRow | None:
        data: dict[str, Any] = taken.element.data
        reason = events.unusable_reason(data)
        if reason is not None:
            return self._row(taken, number, EventState.QUARANTINED, reason)
        message_id = data.get("messageId")
        key = message_id if isinstance(message_id, str) and message_id else None
        row = self._row(taken, number, EventState.DONE, None)
        row = replace(row, type=data["type"], name=_name(data), message_id=key)
        name = b"s:" + (taken.element.raw if key is None else key.encode("utf-8", "replace"))
        seen = self._seen(tx, (digest8(name),), row, taken)
        if not again and seen is not EventState.DONE:
            return None if seen is None else replace(row, state=seen, reason=CONFLICT)
        if is_echo(data):
            return replace(row, state=EventState.FILTERED, reason="echo: our own call came back")
        at_ms = events.event_time_ms(data, row.received_at)
        row = replace(row, at=at_ms)
        if data["type"] == "delete":
            erase.erase_named(tx, self._known, data, self._clock.now_ms())
            tx.events.ask_erasure([(row.request, row.item)])
            return replace(row, message_id=None)
        person = identity.person_of(tx, self._known, data)
        if person is None:
            return replace(
                row, state=EventState.QUARANTINED, reason="no userId, anonymousId or address"
            )
        happened = Happened(number, data, at_ms, row.received_at)
        self._decide(tx, happened, person)
        return replace(row, person=person.id)

    def _evaluate_engagement(
        self, tx: Tx, taken: Taken, number: int, *, again: bool
    ) -> EventRow | None:
        row = self._row(taken, number, EventState.DONE, None)
        try:
            event = parse_event(taken.element.data, row.received_at)
        except UnusableEvent as error:
            return replace(row, state=EventState.QUARANTINED, reason=str(error))
        row = replace(row, type=event.type, message_id=event.sg_event_id or None, at=event.at_ms)
        print_ = fingerprint(event)
        keys = [int.from_bytes(print_[:8], signed=True)]
        own = identity_key(event)
        if own is not None:
            keys.append(int.from_bytes(own[:8], signed=True))
        seen = self._seen(tx, tuple(keys), row, taken)
        if not again and seen is not EventState.DONE:
            return None if seen is None else replace(row, state=seen, reason=CONFLICT)
        if not event.known:
            reason = f"unknown SendGrid event {event.type[:40]!r}"
            return replace(row, state=EventState.QUARANTINED, reason=reason)
        if not event.email:
            tx.books.count("engagement:unaddressed")
        return self._take_home(tx, event, row)

    def _take_home(self, tx: Tx, event: EmailEvent, row: EventRow) -> EventRow:
        correlated = home.correlate(tx, event)
        person = self._whose(tx, event, correlated)
        known = home.Heard(
            event, correlated, person, row.id, self.rules.plans, self._clock.now_ms()
        )
        heard = home.hear(tx, known, self._surroundings)
        if person is not None and heard is not None:
            happened = Happened(row.id, heard, event.at_ms, row.received_at, engagement=True)
            self._decide(tx, happened, person)
        return replace(
            row,
            person=None if person is None else person.id,
            send=None if correlated.send is None else correlated.send.id,
            name=None if heard is None else _name(heard),
        )

    def _whose(self, tx: Tx, event: EmailEvent, correlated: home.Correlated) -> Person | None:
        if correlated.send is not None:
            person = tx.people.get(correlated.send.person)
            if person is not None:
                return person
        if not event.email:
            return None
        return identity.person_by(tx, self._known, Identity(IdKind.EMAIL, event.email))

    def _decide(self, tx: Tx, event: Happened, person: Person) -> None:
        decision = decide(event, person, self.rules)
        if decision.person is not person:
            tx.people.save(decision.person)
            self._known.keep(decision.person)
        if not decision.wishes:
            return
        cause = reserve.Cause(event, decision.person, self.rules.plans, self._clock.now_ms())
        for number, wish in enumerate(decision.wishes):
            reserve.carry_out(tx, wish, cause, number=number, mint=self._mint)

    def _seen(
        self, tx: Tx, keys: tuple[int, ...], row: EventRow, taken: Taken
    ) -> EventState | None:
        """DONE: new, and now taken in; None: a duplicate; QUARANTINED: another body by that id."""
        body = digest8(taken.element.raw)
        for place, key in enumerate(keys):
            seen = tx.events.seen(key)
            if seen is None:
                continue
            # SendGrid's first key is the print of the event itself: whatever else differs, it is
            # the same event again
            same = seen.body == body or (len(keys) > 1 and place == 0)
            return None if same else EventState.QUARANTINED
        for key in keys:
            tx.events.remember(key, body=body, event=row.id, at=row.received_at)
        return EventState.DONE

    def _row(self, taken: Taken, number: int, state: EventState, reason: str | None) -> EventRow:
        received = taken.request.received_ms
        return EventRow(
            number, taken.request.seq, taken.item, taken.request.source, None, None, None, None,
            None, received, received, state, None if reason is None else reason[:500],
        )  # fmt: skip


CONFLICT = "conflict: this id was taken in before with another body; the first stays"


def _name(data: Mapping[str, Any]) -> str | None:
    name = data.get("event") if data.get("type") == "track" else data.get("name")
    return name[:500] if isinstance(name, str) else None

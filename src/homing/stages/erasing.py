"""
Sees erasures through: the log is searched, its bytes go, SendGrid is told, no file keeps a trace.

What a row leads to was asked for when the rows went (stages/erase.py). What no row leads to
(events that could not be used, deliveries that came twice) is looked for here by name. Every step
may be done again after a crash.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from homing.core.effects import EffectState
from homing.core.erasure import Done, Erasure, Progress, Step, Wanted, wanted
from homing.core.people import Identity
from homing.core.splitting import split_events
from homing.log import ERASURE_FINISHED, log
from homing.stages import crash
from homing.stages.erase import drop_effects, strike_events

if TYPE_CHECKING:
    from homing.ports import Clock, LogReader, Request, Store, Tx

# so many are looked for in one passage through the log
TOGETHER = 20
READ_REQUESTS = 256
READ_BYTES = 1 << 20
OPEN = 500
ALERT = "erasure_failed"
FAILED_TEXT = "SendGrid did not take all of it: `homing dead list`, then `homing dead retry ID`"


@dataclass(frozen=True, slots=True)
class _Sought:
    """One erasure that the log is searched for."""

    erasure: Erasure
    names: tuple[Identity, ...]
    wanted: Wanted


@dataclass(slots=True)
class _Search:
    """One passage through the log, and how far it came."""

    sought: tuple[_Sought, ...]
    request: int = 0
    found: dict[int, int] = field(default_factory=dict)  # elements by erasure

    @property
    def end(self) -> int:
        """Up to which request."""
        return max(one.erasure.request for one in self.sought)


@dataclass(slots=True)
class Eraser:
    """The stage: turned about once a second, and at once while there is something to read."""

    store: Store
    reader: LogReader
    clock: Clock
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    _search: _Search | None = None
    _after: int = 0

    async def turn(self) -> int:
        """
        Do the next part.

        Returns:
            How many erasures or requests were dealt with; 0 lets the caller sleep.
        """
        read = await self._search_on()
        ready = await self.store.write(self._look)
        # the last: what was deleted a moment ago may still be in a file
        if not ready or not await self.store.scrub():
            return read
        await self.store.write(lambda tx: self._end(tx, ready))
        return read + len(ready)

    # -- the log

    async def _search_on(self) -> int:
        if self._search is None:
            found = await self.store.write(lambda tx: tx.erasures.unsearched(limit=TOGETHER))
            if not found:
                return 0
            self._search = _Search(tuple(_Sought(*one, wanted(one[1])) for one in found))
        search = self._search
        requests = self.reader.after(search.request, limit=READ_REQUESTS, max_bytes=READ_BYTES)
        requests = [request for request in requests if request.seq <= search.end]
        if not requests:
            crash.reached(crash.SEARCHED)
            await self.store.write(lambda tx: self._searched(tx, search))
            self._search = None
            return 1
        places = [place for request in requests for place in _places(search, request)]
        if places:
            await self.store.write(lambda tx: _strike(tx, search, places))
        search.request = requests[-1].seq
        return len(requests)

    def _searched(self, tx: Tx, search: _Search) -> None:
        now = self.clock.now_ms()
        tx.erasures.searched([one.erasure.number for one in search.sought])
        for one in search.sought:
            number = one.erasure.number
            done = Done(Step.SEARCHED, now, {"elements": search.found.get(number, 0)})
            tx.erasures.note(number, done)

    # -- how far each came

    def _look(self, tx: Tx) -> list[Erasure]:
        """Note what is done by now; those of which only the files are left."""
        left = tx.erasures.open(after=self._after, limit=OPEN)
        # those that wait for a person are not to keep the others waiting
        self._after = left[-1].number if len(left) == OPEN else 0
        if not left:
            return []
        first = tx.events.first_erasure()
        now = self.clock.now_ms()
        return [one for one in left if self._is_ready(tx, one, first_left=first, now=now)]

    def _is_ready(self, tx: Tx, erasure: Erasure, *, first_left: int | None, now: int) -> bool:
        steps = {done.step for done in tx.erasures.steps(erasure.number)}
        is_gone = first_left is None or first_left > erasure.request
        if Step.LOG not in steps and Step.SEARCHED in steps and is_gone:
            tx.erasures.note(erasure.number, Done(Step.LOG, now, {}))
            steps.add(Step.LOG)
        if Step.SENDGRID not in steps and self._is_told(tx, erasure, steps, now=now):
            steps.add(Step.SENDGRID)
        return {Step.LOG, Step.SENDGRID} <= steps

    def _is_told(self, tx: Tx, erasure: Erasure, steps: set[Step], *, now: int) -> bool:
        """Whether nothing is left to be told to SendGrid; what failed waits for a person."""
        ended = tx.effects.dead_of(erasure.lanes)
        dead = sum(row["state"] == EffectState.DEAD for row in ended)
        subject = f"erasure {erasure.number}"
        if dead and Step.FAILED not in steps:
            tx.erasures.note(erasure.number, Done(Step.FAILED, now, {"addresses": dead}))
            tx.books.alert(ALERT, subject, FAILED_TEXT, at=now)
        if dead or tx.effects.open_of(erasure.lanes):
            return False
        detail: dict[str, int | str] = {}
        if ended:
            # a person gave them up: what they were about goes all the same
            detail["given_up"] = len(ended)
            drop_effects(tx, erasure.lanes)
        tx.erasures.note(erasure.number, Done(Step.SENDGRID, now, detail))
        tx.books.clear_alert(ALERT, subject)
        return True

    def _end(self, tx: Tx, ready: Sequence[Erasure]) -> None:
        now = self.clock.now_ms()
        for one in ready:
            steps = tx.erasures.steps(one.number)
            gave_up = any("given_up" in done.detail for done in steps)
            progress = Progress.FAILED if gave_up else Progress.DONE
            tx.erasures.note(one.number, Done(Step.DONE, now, {}))
            tx.erasures.end(one.number, progress)
            log.info(ERASURE_FINISHED, erasure=one.number, progress=progress.value)


def _places(search: _Search, request: Request) -> list[tuple[int, int, _Sought]]:
    """Elements of a request that are theirs: (request, element), and whose."""
    lowered = request.body.lower()
    maybe = [one for one in search.sought if one.wanted.may_be_in(lowered)]
    if not maybe:
        return []
    return [
        (request.seq, item, one)
        for item, element in enumerate(split_events(request.body).elements)
        for one in maybe
        if one.erasure.is_before(request.seq, item, request.received_ms)
        and one.wanted.are_named_in(element)
    ]


def _strike(tx: Tx, search: _Search, places: Sequence[tuple[int, int, _Sought]]) -> None:
    for request, item, sought in places:
        row = tx.events.at_place(request, item)
        if row is not None and row.person is not None and tx.people.get(row.person) is not None:
            continue  # somebody else's, who stays
        number = sought.erasure.number
        search.found[number] = search.found.get(number, 0) + 1
        if row is None:
            tx.events.ask_erasure([(request, item)])
        else:
            strike_events(tx, [row], [name.value for name in sought.names])

"""
A simulation: events and timers in the order of a virtual clock, through the service's own stages.

At one instant events come first, then ticks, then what may leave leaves. Nothing is sent; every
email counts as delivered at once. The same input gives the same lines, to the byte.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from homing.adapters.memory.state import MemoryState
from homing.core.decide import Rules
from homing.core.effects import NewSend, WantAudience, WantSend, name_of_wish
from homing.core.events import iso_time
from homing.core.journeys.run import FOREVER, run_of
from homing.core.ledger import CLAIMABLE, SendState
from homing.ports import Request
from homing.simulation.lines import SimLine, of_passage, of_send
from homing.stages import admit, journey, moves
from homing.stages.draft import Taken
from homing.stages.run_counts import counted
from homing.stages.take import Taker
from homing.stages.unmade import Buried

if TYPE_CHECKING:
    from homing.adapters.memory.state import MemoryTx
    from homing.core.effects import SendRow, Wish
    from homing.core.journeys.programs import Programs
    from homing.core.journeys.run import Passage, Run
    from homing.core.plans import Plans
    from homing.simulation.source import Happening
    from homing.stages.cause import Cause

BATCH = 200


@dataclass(slots=True)
class VirtualClock:
    """Time stands at the instant that is played."""

    at_ms: int = 0

    def now_ms(self) -> int:
        """That instant."""
        return self.at_ms

    def monotonic_s(self) -> float:
        """No slice of work is ever over."""
        return 0.0

    def chance(self) -> float:
        """No jitter."""
        return 0.5


@dataclass(slots=True)
class _Seen:
    """What was decided at this instant: lines, passages of runs, numbers of sends."""

    found: list[SimLine | tuple[Run, Passage] | int] = field(default_factory=list)

    def wished(self, wish: Wish, made: NewSend | Buried | None, cause: Cause) -> None:
        """A route asked for something."""
        if isinstance(wish, WantSend):
            if isinstance(made, NewSend):
                self.found.append(made.id)
            return
        if isinstance(wish, WantAudience) and wish.stated and not wish.changed:
            return  # said of another address, or again
        name = name_of_wish(wish)
        reason = made.reason if isinstance(made, Buried) else None
        self.found.append(
            SimLine(
                iso_time(cause.now_ms), cause.person.label, "skipped" if reason else "effect",
                rule=wish.rule, effect=name, reason=reason,
            )
        )  # fmt: skip

    def passed(self, run: Run, passage: Passage) -> None:
        """Something happened to a run."""
        self.found.append((run, passage) if passage.send is None else passage.send)


class Simulation:
    """
    One run of the stages.

    ``unused`` are the events that could not be used, as in the service's quarantine, and why.

    Args:
        seed: Moves all chance; "" gives what the service does.
    """

    def __init__(self, plans: Plans, programs: Programs, *, seed: str = "") -> None:
        self.clock = VirtualClock()
        self.state = MemoryState()
        self._plans = plans
        self._seen = _Seen()
        self._taker = Taker(
            self.clock, Rules(plans, programs), lambda: 0, seed, observer=self._seen
        )
        self._taken = 0
        self._labels: dict[int, str] = {}
        self.unused: list[tuple[Happening, str]] = []
        # of which sends it was told that they wait, by whose they were then
        self._waiting: dict[int, dict[int, None]] = {}
        self._whose: dict[int, int] = {}  # the same, by send
        self._met: dict[int, None] = {}  # whose events came at this instant

    def play(
        self, happenings: Iterable[Happening], *, until_ms: int | None = None
    ) -> Iterator[SimLine]:
        """
        Play events in order, and the timers between and after them.

        Args:
            until_ms: Where to stop; None: when no timer is left.
        """
        waiting = iter(happenings)
        following = next(waiting, None)
        while True:
            at_ms = self._next_instant(following)
            if at_ms is None or (until_ms is not None and at_ms > until_ms):
                return
            self.clock.at_ms = at_ms
            while following is not None and following.at_ms <= at_ms:
                self._take(following)
                following = next(waiting, None)
            self.state.write_now(self._tick)
            yield from self.state.write_now(self._leave)

    def not_entered(self) -> list[tuple[str, str, int]]:
        """Events that an entry asked for and that started nothing: journey, why, how many."""
        counts = self.state.now.books.counts()
        return [
            (name, reason, n)
            for (name, what, _, reason, _), n in counted(counts)
            if what == "not_entered"
        ]

    def _next_instant(self, following: Happening | None) -> int | None:
        tx = self.state.now
        times = [tx.runs.next_due(), tx.sends.next_deferred()]
        if following is not None:
            times.append(following.at_ms)
        known = [at for at in times if at is not None and at < FOREVER]
        return max(min(known), self.clock.at_ms) if known else None

    def _take(self, happening: Happening) -> None:
        self._taken += 1
        number, seen = self._taken, len(self._seen.found)
        element = happening.element
        request = Request(number, happening.at_ms, happening.source, element.raw)
        taken = Taken(request, 0, element)

        def taking(tx: MemoryTx) -> None:
            self._taker.take(tx, taken, number, apart=True)
            self._taker.finish(tx)
            row = tx.events.get(number)
            if row is not None and row.state.value == "quarantined":
                del self._seen.found[seen:]  # undone
                self.unused.append((happening, row.reason or ""))
            if row is not None and row.person is not None:
                self._met[row.person] = None

        self.state.write_now(taking)

    def _tick(self, tx: MemoryTx) -> None:
        now = self.clock.at_ms
        while due := tx.runs.due(now=now, limit=BATCH):
            moved: set[int] = set()
            for one in due:
                found: journey.Due | None = one
                person = one[0].person
                if person in moved:
                    found = journey.still_due(tx, one[0], now_ms=now)
                if found is not None and self._tick_one(tx, found):
                    moved.add(person)

    def _tick_one(self, tx: MemoryTx, due: journey.Due) -> bool:
        """Tick a run; whether others of its person may have moved with it."""
        seen = len(self._seen.found)
        try:
            with tx.savepoint():
                journey.tick(tx, due, self._taker.desk())
                return self._taker.follow_up(tx) > 0
        except Exception as error:  # noqa: BLE001  as in the service, a poison run fails alone
            self._taker.forget()
            del self._seen.found[seen:]  # undone
            reason = f"{type(error).__name__}: {error}"
            run, _ = due
            journey.fail(tx, run, reason, now_ms=self.clock.at_ms)
            self._seen.passed(tx.runs.get(run.id) or run, tx.runs.passages(run.id)[-1])
            return False

    def _leave(self, tx: MemoryTx) -> list[SimLine]:
        """Let leave what may; the lines of this instant, those of earlier sends last."""
        now = self.clock.at_ms
        admit.return_deferred(tx, now=now)
        settled: dict[int, None] = {}
        while heads := tx.sends.claimable(now=now, limit=BATCH):
            for row in heads:
                self._settle(tx, row)
                settled[row.id] = None
        found, self._seen.found = self._seen.found, []
        told = {one for one in found if isinstance(one, int)}
        late = [number for number in settled if number not in told]
        met, self._met = self._met, {}
        met.update((one[0].person, None) for one in found if isinstance(one, tuple))
        cancelled = [number for number in self._cancelled(tx, met) if number not in settled]
        return [self._line(tx, one) for one in (*found, *late, *cancelled)]

    def _cancelled(self, tx: MemoryTx, met: Iterable[int]) -> list[int]:
        """Sends of these people that waited and will not leave: an exit, say, came before."""
        if not self._whose:
            return []
        known = ((number, tx.people.get(number)) for number in met)
        people = dict.fromkeys(
            one
            for number, person in known
            for one in (number, *(() if person is None else person.merged))
        )
        numbers = (number for one in people for number in self._waiting.get(one, ()))
        rows = (tx.sends.get(number) for number in numbers)
        return [row.id for row in rows if row is not None and row.state not in CLAIMABLE]

    def _line(self, tx: MemoryTx, one: SimLine | tuple[Run, Passage] | int) -> SimLine:
        if isinstance(one, int):
            return self._send_line(tx, one)
        if isinstance(one, SimLine):
            return one
        run, passage = one
        return of_passage(passage, run, self._label(tx, run.person))

    def _settle(self, tx: MemoryTx, row: SendRow) -> None:
        now = self.clock.at_ms
        if admit.Gatekeeper(tx, self._plans, now, {}).admitted(row) is None:
            return
        moves.move(tx, row, SendState.IN_FLIGHT)
        tx.sends.intend(row.id, now=now)
        tx.sends.accept({row.id: None}, now=now, silent_due=None)

    def _send_line(self, tx: MemoryTx, number: int) -> SimLine:
        row = tx.sends.get(number)
        assert row is not None  # noqa: S101  nothing is deleted in a simulation
        run = run_of(row.origin)
        self._note_wait(row)
        return of_send(
            row, self._plans, at_ms=self.clock.at_ms, person=self._label(tx, row.person),
            run=None if run is None else tx.runs.get(run), data=tx.sends.data(number),
        )  # fmt: skip

    def _note_wait(self, row: SendRow) -> None:
        for number in dict.fromkeys((row.person, self._whose.pop(row.id, row.person))):
            self._waiting.get(number, {}).pop(row.id, None)
        if row.state in CLAIMABLE:
            self._waiting.setdefault(row.person, {})[row.id] = None
            self._whose[row.id] = row.person

    def _label(self, tx: MemoryTx, number: int) -> str:
        """What a person is called; of one who was deleted, what they were called."""
        person = tx.people.get(number)
        if person is not None:
            self._labels[number] = person.label
        return self._labels.get(number, "")

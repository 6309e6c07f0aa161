"""Journeys in hand: one run without a store, and a service over one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support.process import Outside, Process, programs_of
from tests.support.stages import NOON, OK, FakeApi, FakeLog, FixedClock, plans_of

from homing.core.decide import Rules, learn
from homing.core.effects import SendRow
from homing.core.events import Happened
from homing.core.journeys import engine
from homing.core.journeys.contexts import pack, unpack
from homing.core.journeys.program import Journey
from homing.core.journeys.programs import Programs
from homing.core.journeys.run import FOREVER, Context, Run
from homing.core.journeys.walk import Line, Moment, Outcome
from homing.core.people import Person
from homing.core.plans import Plans
from homing.ports import Store, Tx
from homing.stages.deliver import Post
from homing.stages.run_counts import COUNTED


def happened(
    name: str, number: int = 1, at_ms: int = NOON, *, type_: str = "track", **properties: object
) -> Happened:
    """An event; *at_ms* is when it happened and when it came."""
    data = {"type": type_, "event": name, "userId": "u1", "messageId": f"m{number}"}
    return Happened(number, data | {"properties": properties}, at_ms, at_ms)


def told(line: Line) -> str:
    """A line in short: what, step, name."""
    return " ".join(filter(None, (line.what, line.step, line.name)))


@dataclass(slots=True)
class Play:
    """
    One run of the only journey of *text*.

    What it knows is packed and unpacked between two moments, as in a store.
    """

    text: str
    person: Person = field(default_factory=lambda: Person(1, user_id="u1"))
    salt: str = ""
    now: int = NOON
    number: int = 0
    lines: list[Line] = field(default_factory=list)
    cancels: list[str] = field(default_factory=list)
    run: Run = field(init=False)
    context: Context = field(init=False)
    rules: Rules = field(init=False)

    def __post_init__(self) -> None:
        plans = plans_of(self.text)
        self.rules = Rules(plans, Programs(plans.journeys))

    @property
    def journey(self) -> Journey:
        """The program."""
        (found,) = self.rules.programs.current.values()
        return found

    def enter(self, name: str = "Start", key: str = "", **properties: object) -> Play:
        """Enter by an event of that name, whatever the entry's rules."""
        moment = self._moment(name, properties)
        self._kept(engine.entered(self.journey, 1, key, person=self.person, moment=moment))
        return self

    def enter_again(self, name: str = "Start", **properties: object) -> Play:
        """Start over."""
        moment = self._moment(name, properties)
        self._kept(engine.reentered(self.journey, self.run, person=self.person, moment=moment))
        return self

    def hear(self, name: str, *, after: int = 0, **properties: object) -> Play:
        """Let an event come *after* so many ms."""
        self.now += after
        moment = self._moment(name, properties)
        concerns = self.rules.programs.concerns(self.journey, "track", name)
        outcome = engine.heard(
            self.journey, self.run, concerns,
            context=lambda: unpack(pack(self.context)), person=self.person, moment=moment,
        )  # fmt: skip
        if outcome is not None:
            self._kept(outcome)
        return self

    def tick(self) -> Play:
        """Let its time come."""
        assert self.run.due_at is not None
        self.now = self.run.due_at
        moment = Moment(self.now, None, self.salt)
        context = unpack(pack(self.context))
        self._kept(
            engine.ticked(self.journey, self.run, context, person=self.person, moment=moment)
        )
        return self

    def story(self) -> list[str]:
        """What happened, in short."""
        return [told(line) for line in self.lines]

    def last(self) -> list[str]:
        """What came of the last moment."""
        story, self.lines = self.story(), []
        return story

    def wishes(self) -> list[Any]:
        """What was asked for."""
        return [line.wish for line in self.lines if line.wish is not None]

    def _moment(self, name: str, properties: dict[str, object]) -> Moment:
        self.number += 1
        event = happened(name, self.number, self.now, **properties)
        self.person = learn(self.person, event, self.rules.candidates("track", name))
        return Moment(self.now, event, self.salt)

    def _kept(self, outcome: Outcome) -> None:
        self.run, self.person = outcome.run, outcome.person
        if outcome.context is not None:
            self.context = outcome.context
        self.lines += outcome.lines
        if outcome.cancels is not None:
            self.cancels.append(outcome.cancels)


@dataclass(slots=True)
class Life:
    """A service over a store, its clock and its events in hand; SendGrid takes all it is sent."""

    process: Process
    clock: FixedClock
    log: FakeLog
    sendgrid: FakeApi
    number: int = 0

    @classmethod
    def over(cls, store: Store, text: str, clock: FixedClock | None = None) -> Life:
        """A life of a configuration, *text* below a small shop's."""
        return cls.of(store, plans_of(text), clock or FixedClock())

    @classmethod
    def of(cls, store: Store, plans: Plans, clock: FixedClock) -> Life:
        """A life by plans."""
        log, sendgrid = FakeLog(), FakeApi()
        outside = Outside(store, log, sendgrid, FakeApi(OK), clock, plans)
        return cls(Process(outside), clock, log, sendgrid)

    def configure(self, text: str) -> None:
        """Go on with another configuration; runs stay on their versions."""
        process, plans = self.process, plans_of(text)
        before = process.taker.rules.programs.all
        process.taker.rules = Rules(plans, programs_of(plans, *before))
        process.deliver.post = Post.of(plans)
        process.wake.look_again()

    def restart(self) -> None:
        """Let another process take over, on the same configuration."""
        self.process = Process(self.process.outside)

    async def come(self, *events: Mapping[str, Any]) -> None:
        """Let events come now, and all be done that can be."""
        for event in events:
            self.number += 1
            made = {"messageId": f"m{self.number}", **event}
            self.log.append("segment/default", made, self.clock.now_ms())
        await self.process.live()

    async def hear(self, *events: Mapping[str, Any]) -> None:
        """The same with events of SendGrid's."""
        self.log.append("sendgrid/default", list(events), self.clock.now_ms())
        await self.process.live()

    async def go_on(self, ms: int) -> None:
        """Let time pass: everything falls due when it is due."""
        until = self.clock.now_ms() + ms
        await self._fall_due(until)
        self.clock.forward(until - self.clock.now_ms())
        await self.process.live()

    async def go_on_before(self, at_ms: int) -> None:
        """Let time pass until *at_ms*, and what falls due then still be so."""
        await self._fall_due(at_ms - 1)
        self.clock.forward(max(0, at_ms - self.clock.now_ms()))

    async def _fall_due(self, last_ms: int) -> None:
        while (due := await self._next()) is not None and due <= last_ms:
            self.clock.forward(max(0, due - self.clock.now_ms()))
            await self.process.live()

    async def sleep(self, ms: int) -> None:
        """Let time pass while nobody works; then all is late."""
        self.clock.forward(ms)
        await self.process.live()

    async def runs(self) -> list[Run]:
        """All runs, oldest first."""
        runs = await self.process.tx(lambda tx: tx.runs.newest(None, before=None, limit=1_000))
        return runs[::-1]

    async def run(self) -> Run:
        """The only run."""
        (found,) = await self.runs()
        return found

    async def story(self, run: Run) -> list[str]:
        """What happened to a run, in short."""
        lines = await self.process.tx(lambda tx: tx.runs.passages(run.id))
        return [" ".join(filter(None, (one.what, one.step, one.name))) for one in lines]

    async def sends(self) -> list[SendRow]:
        """All sends, oldest first."""
        rows = await self.process.tx(
            lambda tx: tx.sends.newest(state=None, before=None, limit=1_000)
        )
        return rows[::-1]

    async def states(self) -> list[tuple[str, str | None]]:
        """What became of each send, and why."""
        return [(row.state, row.reason) for row in await self.sends()]

    async def alerts(self) -> set[tuple[str, str]]:
        """What stands."""
        standing = await self.process.tx(lambda tx: tx.books.alerts())
        return {(alert.kind, alert.subject) for alert in standing}

    async def counted(self) -> dict[tuple[str, ...], int]:
        """The counts of journeys."""
        counts = await self.process.tx(lambda tx: dict(tx.books.counts()))
        return {
            tuple(json.loads(name.removeprefix(COUNTED))): n
            for name, n in counts.items()
            if name.startswith(COUNTED)
        }

    async def _next(self) -> int | None:
        def times(tx: Tx) -> list[int | None]:
            return [tx.runs.next_due(), tx.sends.next_deferred(), tx.sends.next_due()]

        found = await self.process.tx(times)
        known = [at for at in found if at is not None and at < FOREVER]
        return min(known, default=None)

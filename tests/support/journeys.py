"""One run of a journey, played by hand: no store, no clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.support.stages import NOON, plans_of

from homing.core.decide import Rules, learn
from homing.core.events import Happened
from homing.core.journeys import engine
from homing.core.journeys.contexts import pack, unpack
from homing.core.journeys.engine import Line, Moment, Outcome
from homing.core.journeys.program import Journey
from homing.core.journeys.programs import Programs
from homing.core.journeys.run import Context, Run
from homing.core.people import Person

KEYED = """key = "$.properties.cart" """


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

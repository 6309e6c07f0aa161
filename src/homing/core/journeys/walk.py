"""
One decision about one run, under way: it passes steps until one waits or the run ends.

What happened is told in lines, in order: those with a wish ask for something outside.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from homing.core.decide import PersonFacts, has_moved, moved, root_of, wish_or_reason
from homing.core.effects import WantSend
from homing.core.errors import HomingError
from homing.core.events import FIRST_MS, LAST_MS
from homing.core.journeys import chance, moments
from homing.core.journeys.contexts import journey_root, with_event
from homing.core.journeys.program import (
    END,
    Act,
    Awaited,
    Delay,
    Exit,
    Hold,
    Journey,
    Random,
    Split,
    Step,
    Until,
    key_in,
)
from homing.core.journeys.run import MAX_PASSAGES, Context, Run, RunSignal, after, origin_of
from homing.core.mapping import ABSENT, MappingFailure
from homing.core.plans import Send
from homing.core.wire import json_bytes

if TYPE_CHECKING:
    from homing.core.effects import Wish
    from homing.core.events import Happened
    from homing.core.people import Person
    from homing.core.plans import Action

SHOWN_CHARS = 80


class NoMoment(HomingError):
    """What an `until` was given is no time."""


class Line(msgspec.Struct, frozen=True, gc=False):
    """
    One thing that happened to a run; see `run.Passage` for the words.

    One with a *wish* asks for something: ``latest``, ``journey`` and ``person`` are what its
    mappings see, ``origin`` tells it from all others, ``what`` is then decided by what comes of
    it.
    """

    what: str
    step: str = ""
    name: str = ""
    reason: str | None = None
    due_at: int | None = None
    value: str | None = None
    variant: str | None = None  # the run's, then
    wish: Wish | None = None
    origin: int = 0
    latest: Happened | None = None
    journey: Mapping[str, object] = {}
    person: Person | None = None


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """
    What came of an event or a tick.

    ``context`` is None where it did not change. ``cancels`` says why what the run reserved and
    what has not left yet must not leave.
    """

    run: Run
    person: Person
    context: Context | None = None
    lines: tuple[Line, ...] = ()
    cancels: str | None = None


class Moment(msgspec.Struct, frozen=True, gc=False):
    """
    When something is decided: ``at_ms`` is the run's clock, unix ms.

    That is when the event was received, or when the tick was due. ``salt`` moves all chance.
    """

    at_ms: int
    event: Happened | None = None
    salt: str = ""

    @property
    def facts_ms(self) -> int:
        """Windows of ``did()`` end here: by event time."""
        return self.at_ms if self.event is None else self.event.at_ms


class Walk(msgspec.Struct, gc=False):
    """One decision about one run, under way; what is in it never leaves but as an `Outcome`."""

    journey: Journey
    run: Run
    context: Context
    person: Person
    moment: Moment
    lines: list[Line] = []
    is_changed: bool = False
    knows_more: bool = False
    cancels: str | None = None
    waited_out: set[str] = set()

    def outcome(self) -> Outcome:
        """What came of it."""
        context = self.context if self.knows_more else None
        return Outcome(self.run, self.person, context, tuple(self.lines), self.cancels)

    def tell(self, what: str, name: str = "", **more: Any) -> None:  # noqa: ANN401  a line's fields
        """Add a line of the step where the run is."""
        variant = self.run.variant
        self.lines.append(Line(what, self.run.step, name, variant=variant, **more))
        self.is_changed = True

    def change(self, **changes: Any) -> None:  # noqa: ANN401  the run's columns
        """Change the run."""
        self.run = replace(self.run, **changes)
        self.is_changed = True

    def move(self, signal: RunSignal, **changes: Any) -> None:  # noqa: ANN401  the run's columns
        """Move the run along its table."""
        self.change(state=after(self.run.state, signal), **changes)

    def know(self, context: Context) -> None:
        """Let the run know more, or less."""
        self.context = context
        self.knows_more = self.is_changed = True

    def root(self) -> dict[str, object]:
        """What conditions and mappings see as ``journey``."""
        return journey_root(self.run, self.context)

    def facts(self) -> PersonFacts:
        """What conditions may ask besides the event."""
        moment = self.moment
        return PersonFacts(self.person, moment.facts_ms, self.root(), moment.event)

    def holds(self, rule: Exit | Awaited, event: Happened) -> bool:
        """Whether an event is one that a rule waits for, and of this run's key."""
        if rule.key is not None and key_in(rule.key, event.data) != self.run.key:
            return False
        return rule.when.holds(event.data, self.facts())

    # -- from step to step

    def go(self, target: int) -> None:
        """Pass steps from *target* on until one waits or the run ends."""
        at = self.moment.at_ms
        while target != END:
            if self.run.passages >= MAX_PASSAGES:
                reason = f"looped: passed {MAX_PASSAGES:,} steps"
                self.move(RunSignal.LOOP, due_at=None, ended_at=at, reason=reason)
                self.tell("exited", reason=reason)
                return
            step = self.journey.steps[target]
            passed = self.run.passages + 1
            self.change(step=step.id, step_at=at, passages=passed, restarts=0, due_at=None)
            following = self._enter(step)
            if following is None:
                return
            target = following
        self.move(RunSignal.END, due_at=None, ended_at=at)
        self.tell("completed")

    def _enter(self, step: Step) -> int | None:  # noqa: PLR0911  one a kind of step
        """Do what a step says; where to go on, None if the run waits or has ended."""
        match step:
            case Hold():
                return self._hold(step)
            case Delay():
                self._wait(self.moment.at_ms + step.for_ms)
                return None
            case Until():
                return self._until(step)
            case Split():
                return self._split(step)
            case Random():
                return self._random(step)
            case Act():
                origin = origin_of(self.run.id, self.run.passages)
                self.ask(step.action, step=step.id, origin=origin)
                return step.next

    def _hold(self, hold: Hold) -> int | None:
        found = next((one for one in self.context.seen if one.step == hold.id), None)
        names = {one.name: one for one in hold.on}
        if found is None or found.branch not in names:
            self._wait(self.moment.at_ms + hold.for_ms)
            return None
        seen = tuple(one for one in self.context.seen if one.event.key != found.event.key)
        known = replace(self.context, seen=seen)
        self.know(with_event(known, found.event, f"{hold.id}.{found.branch}"))
        self.tell("branch", found.branch, reason="looked back")
        return names[found.branch].then

    def _wait(self, due_at: int) -> None:
        due_at = within_calendar(due_at)
        self.move(RunSignal.PARK, due_at=due_at)
        self.tell("waiting", due_at=due_at)

    def _until(self, step: Until) -> int | None:
        try:
            due_at = self._moment_of(step)
        except (MappingFailure, NoMoment) as error:
            self.fail(f"until: {error}"[:500])
            return None
        if due_at <= self.moment.at_ms:
            self.waited_out.add(step.id)
            return step.next
        self._wait(due_at)
        return None

    def _moment_of(self, step: Until) -> int:
        seen = self.seen_as(self.context.latest)
        if step.time is not None:
            # come back to at the very instant for which it waited, it waits for the next
            after_ms = self.moment.at_ms + (step.id in self.waited_out)
            return moments.moment_of_day(after_ms, step.time, step.days, self._zone(step, seen))
        value = None if step.at is None else step.at.resolve(seen)
        at_ms = moments.instant_of(value)
        if at_ms is None:
            got = "none" if value is None or value is ABSENT else repr(value)
            msg = f"expected a time, got {got[:SHOWN_CHARS]}"
            raise NoMoment(msg)
        return at_ms + step.offset_ms

    def _zone(self, step: Until, seen: Mapping[str, object]) -> str:
        """The zone a step names; of one that it looks up, else the person's."""
        if step.zone_path is None:
            return step.zone
        named = step.zone_path.read(seen)
        names = [named if isinstance(named, str) else None, self.person.zone]
        return moments.zone_or(names, step.zone)

    def _split(self, step: Split) -> int:
        latest, facts = self.context.latest, self.facts()
        for branch in step.branches:
            if branch.when.holds(latest.data, facts):
                self.tell("branch", branch.name)
                return branch.then
        self.tell("branch", "else")
        return step.otherwise

    def _random(self, step: Random) -> int:
        parts = [self.moment.salt, self.journey.name, step.id, self.person.label]
        if not step.sticky:
            parts += [self.run.key, _event_name(self.context.entry)]
        variant = chance.variant_of(step.variants, chance.share_of(*parts))
        self.change(variant=variant.name)
        self.tell("branch", variant.name)
        return variant.then

    def ask(self, action: Action, *, step: str, origin: int) -> None:
        """Ask for an action with what the run knows now."""
        before, self.person = self.person, moved(action, self.person, self.moment.at_ms)
        latest, root = self.context.latest, self.root()
        see = partial(root_of, latest, self.person, journey=root)
        wish = wish_or_reason(
            action, self.journey.name, see, has_moved=has_moved(before, self.person, action)
        )
        if isinstance(wish, WantSend):
            wish = WantSend(
                wish.rule, wish.email, wish.to, wish.data, wish.template, step, self.run.variant
            )
        line = Line(
            "send" if isinstance(action, Send) else "effect", step, wish=wish, origin=origin,
            latest=latest, journey=root, person=self.person, variant=self.run.variant,
        )  # fmt: skip
        self.lines.append(line)
        self.is_changed = True

    def fail(self, reason: str) -> None:
        """End a run that cannot go on, and say why."""
        self.move(RunSignal.FAIL, reason=reason, due_at=None, ended_at=self.moment.at_ms)
        self.tell("exited", reason=f"failed: {reason}")

    def seen_as(self, event: Happened) -> dict[str, object]:
        """What mappings see of an event."""
        return root_of(event, self.person, journey=self.root())


def within_calendar(at_ms: int) -> int:
    """A moment that can be written: an event may ask for one after the year 9999."""
    return max(FIRST_MS, min(at_ms, LAST_MS))


def _event_name(event: Happened) -> str:
    """What an event is called wherever it is played: by its sender's id, else by its bytes."""
    message_id = event.data.get("messageId")
    if isinstance(message_id, str) and message_id:
        return message_id
    return json_bytes(event.data).decode()

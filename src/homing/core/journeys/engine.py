"""
The engine: ``(run, event or tick, program, now) -> (run, effects)``.

    entered   an event starts a run: it passes steps until one waits, or it ends
    heard     an event of its person: an exit before all else; the goal; the branch of the hold
              it waits in; else it is remembered for holds that look back
    ticked    its time has come

Nothing here reads a clock or a store. What happened is told in lines, in order: those with a wish
ask for something outside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from homing.core.decide import PersonFacts, moved, root_of, wish_or_reason
from homing.core.effects import WantSend
from homing.core.errors import HomingError
from homing.core.events import FIRST_MS, LAST_MS, iso_time
from homing.core.fql.values import text_of
from homing.core.journeys import chance, moments
from homing.core.journeys.program import (
    END,
    RESTART,
    Act,
    Awaited,
    Delay,
    Exit,
    Hold,
    Journey,
    KeyPath,
    Random,
    Split,
    Step,
    Until,
)
from homing.core.journeys.run import (
    FOREVER,
    MAX_PASSAGES,
    OF_ITSELF,
    Context,
    Run,
    RunSignal,
    RunState,
    Seen,
    after,
    exit_origin,
    origin_of,
)
from homing.core.mapping import ABSENT, MappingFailure
from homing.core.numbers import read_decimal
from homing.core.plans import Send
from homing.core.wire import json_bytes

if TYPE_CHECKING:
    from homing.core.effects import Wish
    from homing.core.events import Happened
    from homing.core.journeys.programs import Concerns
    from homing.core.mapping import Compiled
    from homing.core.people import Person
    from homing.core.plans import Action

# events remembered for one hold, the oldest first: it takes one at each visit
MAX_SEEN = 8
SHOWN_CHARS = 80


class NoMoment(HomingError):
    """What an `until` was given is no time."""


class Line(msgspec.Struct, frozen=True):
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


class Outcome(msgspec.Struct, frozen=True):
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


@dataclass(frozen=True, slots=True)
class Moment:
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


def key_in(path: KeyPath | None, event: Mapping[str, Any]) -> str | None:
    """The key an event holds, as text; "" without a path, None where there is no value."""
    if path is None:
        return ""
    value = path.read(event)
    text = None if value is ABSENT or isinstance(value, dict | list) else text_of(value)
    return text or None


def entered(journey: Journey, number: int, key: str, *, person: Person, moment: Moment) -> Outcome:
    """Start a run by the event of the moment; *number* is the id it gets."""
    event = moment.event
    if event is None:
        msg = "a run is entered by an event"
        raise ValueError(msg)
    run = Run(number, person.id, journey.name, journey.version, key, moment.at_ms)
    context = _with_event(Context(event, event), event, None)
    walk = _Walk(journey, run, context, person, moment)
    walk.know(context)
    walk.tell("entered")
    walk.go(0 if journey.steps else END)
    return walk.outcome()


def reentered(journey: Journey, run: Run, *, person: Person, moment: Moment) -> Outcome:
    """Start a run that waits over again by the event of the moment (``repeat = "restart"``)."""
    event = moment.event
    if event is None:
        msg = "a run is entered by an event"
        raise ValueError(msg)
    run = replace(run, state=after(run.state, RunSignal.EVENT))
    context = _with_event(Context(event, event), event, None)
    walk = _Walk(journey, run, context, person, moment)
    walk.know(context)
    walk.tell("restarted")
    walk.go(0)
    return walk.outcome()


def heard(
    journey: Journey,
    run: Run,
    concerns: Concerns,
    *,
    context: Callable[[], Context | None],
    person: Person,
    moment: Moment,
) -> Outcome | None:
    """
    Take an event of its person to a run; None if it does not concern it.

    Args:
        concerns: What of the program may hold for such an event.

        context: Gives what the run knows; asked only if something may hold. None: nothing.
    """
    event = moment.event
    if event is None or not _may_matter(run, concerns):
        return None
    known = context()
    if known is None:
        return None
    walk = _Walk(journey, run, known, person, moment)
    _hear(walk, event, concerns)
    return walk.outcome() if walk.is_changed else None


def ticked(
    journey: Journey, run: Run, context: Context, *, person: Person, moment: Moment
) -> Outcome:
    """Let the time of a run that waits be over."""
    walk = _Walk(journey, run, context, person, moment)
    number = journey.places.get(run.step)
    if number is None:
        walk.fail(f"its version has no step {run.step!r}")
        return walk.outcome()
    step = journey.steps[number]
    walk.move(RunSignal.TICK)
    if isinstance(step, Hold):
        walk.tell("timeout")
        walk.go(step.timeout)
    elif isinstance(step, Delay | Until):
        walk.waited_out.add(step.id)
        walk.go(step.next)
    return walk.outcome()


def ended(run: Run, signal: RunSignal, reason: str, *, at_ms: int) -> Run:
    """A run that waits, ended from outside: merged, archived, failed."""
    return replace(
        run, state=after(run.state, signal), reason=reason, due_at=None, ended_at=at_ms,
        watch_until=None,
    )  # fmt: skip


def _may_matter(run: Run, concerns: Concerns) -> bool:
    if run.is_alive:
        return concerns.any
    return bool(concerns.exits) or (concerns.goal and run.converted_at is None)


def _hear(walk: _Walk, event: Happened, concerns: Concerns) -> None:
    way_out = next((one for one in concerns.exits if walk.holds(one, event)), None)
    if way_out is not None:
        walk.leave(way_out, event)
    if concerns.goal:
        walk.count_goal(event)
    if way_out is not None or not walk.run.is_alive:
        return
    if not _take_here(walk, event, concerns):
        for hold, awaited in concerns.awaited:
            if hold.id != walk.run.step and hold.look_back and awaited.then != RESTART:
                walk.remember(hold, awaited, event)


def _take_here(walk: _Walk, event: Happened, concerns: Concerns) -> bool:
    """Take the event by the first branch of the hold the run waits in; False if none does."""
    for hold, awaited in concerns.awaited:
        spent = awaited.then == RESTART and walk.run.restarts >= hold.max_restarts
        if hold.id == walk.run.step and not spent and walk.holds(awaited, event):
            walk.take(hold, awaited, event)
            return True
    return False


@dataclass(slots=True)
class _Walk:
    """One decision about one run, under way; what is in it never leaves but as an `Outcome`."""

    journey: Journey
    run: Run
    context: Context
    person: Person
    moment: Moment
    lines: list[Line] = field(default_factory=list)
    is_changed: bool = False
    knows_more: bool = False
    cancels: str | None = None
    waited_out: set[str] = field(default_factory=set)

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

    # -- what an event does

    def leave(self, way_out: Exit, event: Happened) -> None:
        """End at once; what has not left yet does not leave."""
        exited = f"exited: {way_out.name}"
        if not self.run.is_alive:
            if has_sends_out(self.run, self.moment.at_ms):
                self.cancels = exited
                self.change(sends_until=0, reason=self.run.reason or exited)
            return
        self.cancels = exited
        self.know(_with_event(self.context, event, None))
        at = self.moment.at_ms
        self.move(RunSignal.EXIT, reason=way_out.name, due_at=None, ended_at=at)
        self.tell("exited", way_out.name)
        for action in (way_out.send, way_out.track):
            if action is not None:
                self._ask(action, step="", origin=exit_origin(self.run.id))

    def count_goal(self, event: Happened) -> None:
        """Count a conversion: one a run, within so long after its entry."""
        goal, run = self.journey.goal, self.run
        if goal is None or run.converted_at is not None:
            return
        if self.moment.at_ms > run.entered_at + goal.within_ms:
            return
        if goal.key is not None and key_in(goal.key, event.data) != run.key:
            return
        if not goal.when.holds(event.data, self.facts()):
            return
        value = None if goal.value is None else _number_in(goal.value, self._seen_as(event))
        self.change(converted_at=event.at_ms, value=value)
        self.tell("goal", run.variant or "", value=value)

    def take(self, hold: Hold, awaited: Awaited, event: Happened) -> None:
        """Take an event that the run waits for: start the timer again, or go on."""
        self.know(_with_event(self.context, event, f"{hold.id}.{awaited.name}"))
        if awaited.then == RESTART:
            at = self.moment.at_ms
            due = _within_calendar(at + hold.for_ms)
            self.move(RunSignal.RESTART, restarts=self.run.restarts + 1, step_at=at, due_at=due)
            self.tell("restarted", awaited.name, due_at=due)
            return
        self.move(RunSignal.EVENT)
        self.tell("branch", awaited.name)
        self.go(awaited.then)

    def remember(self, hold: Hold, awaited: Awaited, event: Happened) -> None:
        """Keep an event for a hold that the run may come to."""
        seen = self.context.seen
        if sum(one.step == hold.id for one in seen) >= MAX_SEEN:
            return
        if any(one.step == hold.id and one.event.id == event.id for one in seen):
            return  # an earlier branch of that hold has it
        if self.holds(awaited, event):
            self.know(replace(self.context, seen=(*seen, Seen(hold.id, awaited.name, event))))

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
                self._ask(step.action, step=step.id, origin=origin)
                return step.next

    def _hold(self, hold: Hold) -> int | None:
        found = next((one for one in self.context.seen if one.step == hold.id), None)
        names = {one.name: one for one in hold.on}
        if found is None or found.branch not in names:
            self._wait(self.moment.at_ms + hold.for_ms)
            return None
        seen = tuple(one for one in self.context.seen if one.event.id != found.event.id)
        known = replace(self.context, seen=seen)
        self.know(_with_event(known, found.event, f"{hold.id}.{found.branch}"))
        self.tell("branch", found.branch, reason="looked back")
        return names[found.branch].then

    def _wait(self, due_at: int) -> None:
        due_at = _within_calendar(due_at)
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
        seen = self._seen_as(self.context.latest)
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

    def _ask(self, action: Action, *, step: str, origin: int) -> None:
        """Ask for an action with what the run knows now."""
        self.person = moved(action, self.person, self.moment.at_ms)
        latest, root = self.context.latest, self.root()
        see = partial(root_of, latest, self.person, journey=root)
        wish = wish_or_reason(action, self.journey.name, see)
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

    def _seen_as(self, event: Happened) -> dict[str, object]:
        return root_of(event, self.person, journey=self.root())


def watch_until(journey: Journey, run: Run, at_ms: int) -> int | None:
    """Until when its person's events concern a run: its goal, and what could still be cancelled."""
    if run.is_alive:
        return FOREVER
    if run.state not in (RunState.EXITED, *OF_ITSELF):
        return None
    goal = journey.goal
    until = 0
    if goal is not None and run.converted_at is None:
        # its last instant counts, and what is watched until then is not watched then
        until = min(run.entered_at + goal.within_ms + 1, FOREVER - 1)
    # an exit may cancel it, and of a keyed journey the next run
    may_be_cancelled = journey.exits or journey.entry.key is not None
    if may_be_cancelled and has_sends_out(run, at_ms):
        until = max(until, min(run.sends_until, FOREVER - 1))
    return until if until > at_ms else None


def has_sends_out(run: Run, at_ms: int) -> bool:
    """Whether a run has ended of itself, and what it reserved may not have left yet."""
    return run.state in OF_ITSELF and run.sends_until > at_ms


def journey_root(run: Run, context: Context) -> dict[str, object]:
    """What conditions and mappings see as ``journey``."""
    branches: dict[str, dict[str, object]] = {}
    for place, event in context.branches.items():
        step, _, name = place.partition(".")
        branches.setdefault(step, {})[name] = event.data
    return {
        "id": run.journey,
        "key": run.key,
        "step": run.step,
        "variant": run.variant,
        "entered_at": iso_time(run.entered_at),
        "entry": context.entry.data,
        "latest": context.latest.data,
        "events": {name: event.data for name, event in context.events.items()},
        "branch": branches,
    }


def _within_calendar(at_ms: int) -> int:
    """A moment that can be written: an event may ask for one after the year 9999."""
    return max(FIRST_MS, min(at_ms, LAST_MS))


def _with_event(context: Context, event: Happened, branch: str | None) -> Context:
    """What a run knows once it has taken an event."""
    name = event.name or event.type
    branches = context.branches if branch is None else {**context.branches, branch: event}
    return replace(context, latest=event, events={**context.events, name: event}, branches=branches)


def _event_name(event: Happened) -> str:
    """What an event is called wherever it is played: by its sender's id, else by its bytes."""
    message_id = event.data.get("messageId")
    if isinstance(message_id, str) and message_id:
        return message_id
    return json_bytes(event.data).decode()


def _number_in(value: Compiled, root: Mapping[str, object]) -> str | None:
    """The value of a conversion as a decimal number; None if it has none."""
    try:
        number = read_decimal(value.resolve(root))
    except MappingFailure:
        return None
    return None if number is None else format(number, "f")

"""
The engine: ``(run, event or tick, program, now) -> (run, effects)``.

    entered   an event starts a run: it passes steps until one waits, or it ends
    heard     an event of its person: an exit before all else; the goal; the branch of the hold
              it waits in; else it is remembered for holds that look back
    ticked    its time has come

Nothing here reads a clock or a store. How steps are passed: `walk.Walk`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from homing.core.journeys.contexts import with_event
from homing.core.journeys.program import (
    END,
    RESTART,
    Awaited,
    Delay,
    Exit,
    Hold,
    Journey,
    Until,
    key_in,
)
from homing.core.journeys.run import Context, Run, RunSignal, Seen, after, exit_origin
from homing.core.journeys.walk import Moment, Outcome, Walk, within_calendar
from homing.core.journeys.watching import has_sends_out
from homing.core.mapping import MappingFailure
from homing.core.numbers import read_decimal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from homing.core.events import Happened
    from homing.core.journeys.programs import Concerns
    from homing.core.mapping import Compiled
    from homing.core.people import Person

# events remembered for one hold, the oldest first: it takes one at each visit
MAX_SEEN = 8


def entered(journey: Journey, number: int, key: str, *, person: Person, moment: Moment) -> Outcome:
    """Start a run by the event of the moment; *number* is the id it gets."""
    event = moment.event
    if event is None:
        msg = "a run is entered by an event"
        raise ValueError(msg)
    run = Run(number, person.id, journey.name, journey.version, key, moment.at_ms)
    context = with_event(Context(event, event), event, None)
    walk = Walk(journey, run, context, person, moment)
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
    context = with_event(Context(event, event), event, None)
    walk = Walk(journey, run, context, person, moment)
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
    walk = Walk(journey, run, known, person, moment)
    _hear(walk, event, concerns)
    return walk.outcome() if walk.is_changed else None


def ticked(
    journey: Journey, run: Run, context: Context, *, person: Person, moment: Moment
) -> Outcome:
    """Let the time of a run that waits be over."""
    walk = Walk(journey, run, context, person, moment)
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


def _hear(walk: Walk, event: Happened, concerns: Concerns) -> None:
    way_out = next((one for one in concerns.exits if walk.holds(one, event)), None)
    if way_out is not None:
        _leave(walk, way_out, event)
    if concerns.goal:
        _count_goal(walk, event)
    if way_out is not None or not walk.run.is_alive:
        return
    if not _take_here(walk, event, concerns):
        for hold, awaited in concerns.awaited:
            if hold.id != walk.run.step and hold.look_back and awaited.then != RESTART:
                _remember(walk, hold, awaited, event=event)


def _take_here(walk: Walk, event: Happened, concerns: Concerns) -> bool:
    """Take the event by the first branch of the hold the run waits in; False if none does."""
    for hold, awaited in concerns.awaited:
        spent = awaited.then == RESTART and walk.run.restarts >= hold.max_restarts
        if hold.id == walk.run.step and not spent and walk.holds(awaited, event):
            _take(walk, hold, awaited, event=event)
            return True
    return False


def _leave(walk: Walk, way_out: Exit, event: Happened) -> None:
    """End at once; what has not left yet does not leave."""
    exited = f"exited: {way_out.name}"
    if not walk.run.is_alive:
        if has_sends_out(walk.run, walk.moment.at_ms):
            walk.cancels = exited
            walk.change(sends_until=0, reason=walk.run.reason or exited)
        return
    walk.cancels = exited
    walk.know(with_event(walk.context, event, None))
    at = walk.moment.at_ms
    walk.move(RunSignal.EXIT, reason=way_out.name, due_at=None, ended_at=at)
    walk.tell("exited", way_out.name)
    for action in (way_out.send, way_out.track):
        if action is not None:
            walk.ask(action, step="", origin=exit_origin(walk.run.id))


def _count_goal(walk: Walk, event: Happened) -> None:
    """Count a conversion: one a run, within so long after its entry."""
    goal, run = walk.journey.goal, walk.run
    if goal is None or run.converted_at is not None:
        return
    if walk.moment.at_ms > run.entered_at + goal.within_ms:
        return
    if goal.key is not None and key_in(goal.key, event.data) != run.key:
        return
    if not goal.when.holds(event.data, walk.facts()):
        return
    value = None if goal.value is None else _number_in(goal.value, walk.seen_as(event))
    walk.change(converted_at=event.at_ms, value=value)
    walk.tell("goal", run.variant or "", value=value)


def _take(walk: Walk, hold: Hold, awaited: Awaited, *, event: Happened) -> None:
    """Take an event that the run waits for: start the timer again, or go on."""
    walk.know(with_event(walk.context, event, f"{hold.id}.{awaited.name}"))
    if awaited.then == RESTART:
        at = walk.moment.at_ms
        due = within_calendar(at + hold.for_ms)
        walk.move(RunSignal.RESTART, restarts=walk.run.restarts + 1, step_at=at, due_at=due)
        walk.tell("restarted", awaited.name, due_at=due)
        return
    walk.move(RunSignal.EVENT)
    walk.tell("branch", awaited.name)
    walk.go(awaited.then)


def _remember(walk: Walk, hold: Hold, awaited: Awaited, *, event: Happened) -> None:
    """Keep an event for a hold that the run may come to."""
    seen = walk.context.seen
    if sum(one.step == hold.id for one in seen) >= MAX_SEEN:
        return
    if any(one.step == hold.id and one.event.key == event.key for one in seen):
        return  # an earlier branch of that hold has it
    if walk.holds(awaited, event):
        walk.know(replace(walk.context, seen=(*seen, Seen(hold.id, awaited.name, event))))


def _number_in(value: Compiled, root: Mapping[str, object]) -> str | None:
    """The value of a conversion as a decimal number; None if it has none."""
    try:
        number = read_decimal(value.resolve(root))
    except MappingFailure:
        return None
    return None if number is None else format(number, "f")

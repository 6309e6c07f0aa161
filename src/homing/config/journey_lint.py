"""What is legal inside a journey and probably not meant."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import TypeAlias

from homing.config import journeys as written
from homing.config.leaves import all_of
from homing.config.problems import KEY, Finding, Loc, guess, shown
from homing.config.settings import Settings
from homing.core.fql import Condition
from homing.core.journeys.program import (
    RESTART,
    Act,
    Awaited,
    Branch,
    Delay,
    Exit,
    Hold,
    Journey,
    Random,
    Split,
    Step,
    Until,
)
from homing.core.mapping import Compiled

_ALL = "all"
_BRANCHES = ("journey", "branch")

_Edges: TypeAlias = dict[int, Collection[int]]


def warnings_of(
    settings: Settings, programs: Mapping[str, Journey], mappings: Mapping[Loc, Compiled]
) -> Iterator[Finding]:
    """
    Look for what a person would want to know of their journeys before they run.

    Args:
        settings: The configuration, without errors.

        programs: Its journeys, compiled.

        mappings: Its mappings by their places.
    """
    engagement = frozenset(settings.writeback.names.values())
    by_owner: dict[Loc, dict[Loc, Compiled]] = defaultdict(dict)
    for at, compiled in mappings.items():
        by_owner[at[:2]][at] = compiled
    for name, journey in settings.journey.items():
        loc, program = ("journey", name), programs[name]
        yield from _of_passage(loc, program)
        yield from _of_conditions(loc, journey)
        yield from _hidden(loc, program)
        yield from _needless(loc, journey)
        yield from _unkeyed(loc, journey, engagement)
        yield from _unknown_branches(loc, program, _paths_read(loc, journey, by_owner[loc]))


def _of_passage(loc: Loc, journey: Journey) -> Iterator[Finding]:
    """Steps that no run comes to, and rounds that no run comes out of."""
    reached = _reached(journey.steps)
    for number in range(len(journey.steps)):
        if number not in reached:
            yield Finding((*loc, "step", number), f"`{KEY}` is never reached: nothing leads to it")
    edges: _Edges = {
        number: [target for target in _targets(step) if target >= 0]
        for number, step in enumerate(journey.steps)
        if number in reached and _may_be_instant(step)
    }
    while cycle := _cycle_in(edges):
        yield _loop(loc, cycle, journey)
        for number in cycle:
            edges.pop(number, None)


def _reached(steps: Sequence[Step]) -> set[int]:
    reached: set[int] = set()
    waiting = [0]
    while waiting:
        number = waiting.pop()
        if number >= 0 and number not in reached:
            reached.add(number)
            waiting += _targets(steps[number])
    return reached


def _targets(step: Step) -> list[int]:
    match step:
        case Hold():
            return [*(one.then for one in step.on), step.timeout]
        case Split():
            return [*(one.then for one in step.branches), step.otherwise]
        case Random():
            return [one.then for one in step.variants]
        case Delay() | Until() | Act():
            return [step.next]


def _may_be_instant(step: Step) -> bool:
    """Whether a run may pass in no time. What a hold looks back to is used up, so it may not."""
    return isinstance(step, Act | Split | Random) or (
        isinstance(step, Until) and step.at is not None
    )


def _cycle_in(edges: _Edges) -> list[int]:
    """Find steps that lead from one to the next and back, from the first in the file on."""
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        # the sorter reads edges backwards; its cycle names the first step twice
        cycle: list[int] = error.args[1][:0:-1]
        start = cycle.index(min(cycle))
        return cycle[start:] + cycle[:start]
    return []


def _loop(loc: Loc, cycle: Sequence[int], journey: Journey) -> Finding:
    steps = [journey.steps[number] for number in cycle]
    when = " once its `until` is past" if any(isinstance(one, Until) for one in steps) else ""
    way = " -> ".join(shown(step.id) for step in steps[:5]) + (" -> …" if len(steps) > 5 else "")
    message = (
        f"`{KEY}` is in a loop that waits for nothing{when} ({way}): a run in it ends as looped"
    )
    return Finding((*loc, "step", cycle[0]), message)


def _of_conditions(loc: Loc, journey: written.Journey) -> Iterator[Finding]:
    for at, condition in all_of(Condition, journey):
        if condition.events == frozenset() or condition.types == frozenset():
            yield Finding((*loc, *at), f"`{KEY}` never holds, whatever the event")
        elif condition.events and condition.types and "track" not in condition.types:
            what = "asks for the name of a track event and for another type: it never holds"
            yield Finding((*loc, *at), f"`{KEY}` {what}")


def _hidden(loc: Loc, journey: Journey) -> Iterator[Finding]:
    """Branches and exits that are never taken, as an earlier one always is."""
    yield from _behind((*loc, "exit"), journey.exits)
    for number, step in enumerate(journey.steps):
        if isinstance(step, Hold):
            yield from _behind((*loc, "step", number, "on"), step.on)
        elif isinstance(step, Split):
            yield from _behind((*loc, "step", number, "split"), step.branches)


def _behind(loc: Loc, branches: Sequence[Exit | Awaited | Branch]) -> Iterator[Finding]:
    # A restart stands before nothing but restarts: it is not looked back to, and has an end.
    first: dict[tuple[str, str | None, bool], str] = {}
    for number, one in enumerate(branches):
        text = _plain(one.when)
        key = None if isinstance(one, Branch) or one.key is None else one.key.text
        restarts = isinstance(one, Awaited) and one.then == RESTART
        asked = ((t, k, r) for t in (_ALL, text) for k in (None, key) for r in {False, restarts})
        earlier = next((first[form] for form in asked if form in first), None)
        if earlier is not None:
            why = f"{shown(earlier)} before it holds whenever it does"
            yield Finding((*loc, number), f"`{KEY}` is never taken: {why}")
        first.setdefault((text, key, restarts), one.name)


def _plain(condition: Condition) -> str:
    text = condition.text.strip()
    return _ALL if text == "true" else text


def _needless(loc: Loc, journey: written.Journey) -> Iterator[Finding]:
    for number, step in enumerate(journey.step):
        at = (*loc, "step", number)
        if step.hold is not None and not step.on:
            yield Finding((*at, "hold"), f"`{KEY}` waits for no event: without `on` it is a delay")
        if step.random is not None and len(step.random) == 1:
            yield Finding((*at, "random"), f"`{KEY}` has one variant: every run takes it")
        if step.next is not None and not _uses_next(step):
            yield Finding((*at, "next"), f"`{KEY}` is not used: every branch says where it leads")
        if step.until is not None:
            yield from _of_until((*at, "until"), step.until)


def _uses_next(step: written.Step) -> bool:
    targets: list[str | None] = [one.then for one in step.on]
    targets += [one.then for one in step.split or ()]
    targets += [one.then for one in step.random or ()]
    if step.random is None:  # all else goes on somewhere when no branch is taken
        targets.append(step.timeout or step.else_)
    return None in targets or "next" in targets


def _of_until(loc: Loc, until: written.Until) -> Iterator[Finding]:
    if until.time is not None and until.offset:
        yield Finding((*loc, "offset"), f"`{KEY}` is not used: it moves `at`, not `time`")
    if until.at is not None and until.days:
        yield Finding((*loc, "days"), f"`{KEY}` is not used: it goes with `time`, not with `at`")


def _unkeyed(loc: Loc, journey: written.Journey, engagement: Collection[str]) -> Iterator[Finding]:
    """Keys that no run has, and events of SendGrid's that are asked for a key of Segment's."""
    keyed = journey.entry.key is not None and not _is_of(engagement, journey.entry.when)
    for at, one in _matched(journey):
        if isinstance(one.key, str) and journey.entry.key is None:
            message = f"`{KEY}` is not looked at, as `entry` has no key"
            yield Finding((*loc, *at, "key"), message)
        elif one.key is None and keyed and _is_of(engagement, one.when):
            what = f"SendGrid's event is asked for {shown(journey.entry.key)}, which it lacks"
            message = f"`{KEY}` is not set: {what}; `key = false` lets it concern every run"
            yield Finding((*loc, *at, "key"), message)


def _matched(
    journey: written.Journey,
) -> Iterator[tuple[Loc, written.Exit | written.Goal | written.Awaited]]:
    for number, one in enumerate(journey.exit):
        yield ("exit", number), one
    if journey.goal is not None:
        yield ("goal",), journey.goal
    for number, step in enumerate(journey.step):
        for place, awaited in enumerate(step.on):
            yield ("step", number, "on", place), awaited


def _is_of(names: Collection[str], condition: Condition) -> bool:
    return bool(condition.events) and all(name in names for name in condition.events or ())


def _paths_read(
    loc: Loc, journey: written.Journey, mappings: Mapping[Loc, Compiled]
) -> Iterator[tuple[Loc, Sequence[str]]]:
    """List what conditions and mappings of a journey read, each with the place that does."""
    for at, condition in all_of(Condition, journey):
        for path in sorted(condition.paths):
            yield (*loc, *at), path
    for at, compiled in mappings.items():
        for text in sorted(compiled.paths):
            yield at, text.split(".")


def _unknown_branches(
    loc: Loc, journey: Journey, read: Iterable[tuple[Loc, Sequence[str]]]
) -> Iterator[Finding]:
    holds = [step for step in journey.steps if isinstance(step, Hold)]
    names = {f"{step.id}.{one.name}" for step in holds for one in step.on}
    steps = {step.id for step in holds}
    for at, path in read:
        asked = path[2:4]
        known = names if len(asked) > 1 else steps
        name = ".".join(asked)
        if tuple(path[:2]) == _BRANCHES and name and name not in known:
            message = (
                f"`{KEY}` reads {shown(f'journey.branch.{name}')}, and no hold has that branch"
            )
            yield Finding(at, message + guess(name, known))

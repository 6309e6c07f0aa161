"""Journeys, from how they are written to how they are run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from homing.config import journeys as written
from homing.config.action_plans import actions_of, send_of, track_of
from homing.config.parts import Parts
from homing.config.problems import Loc
from homing.config.versions import version_of
from homing.core.journeys import program as run
from homing.core.mapping import Compiled
from homing.core.mapping.paths import compile_path

_WEEKDAYS: Mapping[str, int] = {
    day: number for number, day in enumerate(("mon", "tue", "wed", "thu", "fri", "sat", "sun"))
}


def program(name: str, journey: written.Journey, parts: Parts) -> run.Journey:
    """
    Compile ``[journey.NAME]``.

    Args:
        journey: Without errors: every target in it is known.

        parts: What goes with it, without findings.

    Returns:
        The program under the version that its meaning has.
    """
    places = {step.id: number for number, step in enumerate(journey.step)}
    compiled = _Journey(("journey", name), journey, parts, places).compiled(name)
    doing = (compiled.entry, compiled.exits, compiled.goal, compiled.steps)
    version = version_of(doing, parts.mappings.sources)
    return dataclasses.replace(compiled, version=version)


def ms_of(seconds: float) -> int:
    """A duration as the settings have it in whole milliseconds."""
    return round(seconds * 1_000)


def quiet_hours(hours: written.QuietHours | None) -> run.QuietHours | None:
    """Compile quiet hours; those that end as they begin are none."""
    return None if hours is None else run.QuietHours(hours.from_, hours.to, hours.zone)


@dataclass(frozen=True, slots=True)
class _Journey:
    """One journey at *loc*, and how each piece of it is compiled."""

    loc: Loc
    journey: written.Journey
    parts: Parts
    places: Mapping[str, int]

    def compiled(self, name: str) -> run.Journey:
        journey = self.journey
        return run.Journey(
            name=name,
            version="",
            entry=self._entry(),
            steps=tuple(self._step(number, step) for number, step in enumerate(journey.step)),
            exits=tuple(self._exit(number, one) for number, one in enumerate(journey.exit)),
            goal=self._goal(journey.goal),
            status=run.Status(journey.status),
            priority=journey.priority,
            quiet=quiet_hours(journey.quiet_hours),
            max_lateness_ms=ms_of(journey.max_lateness),
            consent=journey.consent,
            description=journey.description,
        )

    def _entry(self) -> run.Entry:
        entry = self.journey.entry
        return run.Entry(
            when=entry.when,
            key=_path(entry.key),
            reentry=_reentry(entry),
            repeat=run.Repeat(entry.repeat),
            max_age_ms=ms_of(entry.max_age),
            backfill=entry.backfill,
        )

    def _exit(self, number: int, one: written.Exit) -> run.Exit:
        at = partial(self.parts.mapping, *self.loc, "exit", number)
        return run.Exit(
            name=one.name,
            when=one.when,
            key=self._key(one.key),
            send=send_of(one.send, partial(at, "send")) if one.send else None,
            track=track_of(one.track, partial(at, "track")) if one.track else None,
        )

    def _goal(self, goal: written.Goal | None) -> run.Goal | None:
        if goal is None:
            return None
        return run.Goal(
            when=goal.when,
            key=self._key(goal.key),
            within_ms=run.DEFAULT_WITHIN_MS if goal.within is None else ms_of(goal.within),
            value=self.parts.mapping(*self.loc, "goal", "value"),
        )

    def _key(self, key: str | Literal[False] | None) -> run.KeyPath | None:
        """Choose where an event holds the run's key: None concerns every run of the person."""
        if self.journey.entry.key is None or key is False:
            return None
        return _path(key or self.journey.entry.key)

    def _step(self, number: int, step: written.Step) -> run.Step:
        if step.hold is not None:
            return self._hold(number, step, for_ms=ms_of(step.hold))
        if step.split is not None:
            return self._split(number, step, step.split)
        if step.random is not None:
            return self._random(number, step, step.random)
        return self._going_on(number, step)

    def _hold(self, number: int, step: written.Step, *, for_ms: int) -> run.Hold:
        target = partial(self._target, step, number)
        awaited = (
            run.Awaited(one.name, one.when, target(one.then), self._key(one.key)) for one in step.on
        )
        return run.Hold(
            id=step.id,
            for_ms=for_ms,
            on=tuple(awaited),
            timeout=target(step.timeout),
            max_restarts=step.max_restarts,
            look_back=step.look_back,
        )

    def _split(
        self, number: int, step: written.Step, branches: Sequence[written.Branch]
    ) -> run.Split:
        target = partial(self._target, step, number)
        compiled = (run.Branch(one.name, one.when, target(one.then)) for one in branches)
        return run.Split(step.id, tuple(compiled), target(step.else_))

    def _random(
        self, number: int, step: written.Step, variants: Sequence[written.Variant]
    ) -> run.Random:
        target = partial(self._target, step, number)
        compiled = (run.Variant(one.name, one.weight, target(one.then)) for one in variants)
        return run.Random(step.id, tuple(compiled), step.sticky)

    def _going_on(self, number: int, step: written.Step) -> run.Step:
        """Compile a step that leads to one other only."""
        loc, following = (*self.loc, "step", number), self._target(step, number, None)
        if step.delay is not None:
            return run.Delay(step.id, ms_of(step.delay), following)
        if step.until is not None:
            at = self.parts.mapping(*loc, "until", "at")
            return _until(step.id, step.until, at, next_=following)
        (action,) = actions_of(step, loc, self.parts)
        return run.Act(step.id, action, following)

    def _target(self, step: written.Step, number: int, target: str | None) -> int:
        """Resolve a target; none, and "next", is the step's own ``next``, else the one below."""
        if target in {None, "next"}:
            target = step.next
        if target == "end":
            return run.END
        if target == "restart":
            return run.RESTART
        following = number + 1 if number + 1 < len(self.places) else run.END
        return following if target in {None, "next"} else self.places[str(target)]


def _reentry(entry: written.Entry) -> run.Reentry | int:
    if entry.reentry is None:
        return run.Reentry.ALWAYS if entry.key else run.Reentry.ONCE
    given = entry.reentry
    return run.Reentry(given) if isinstance(given, str) else ms_of(given)


def _until(step: str, until: written.Until, at: Compiled | None, *, next_: int) -> run.Until:
    by_path = until.zone.startswith("$.")
    return run.Until(
        id=step,
        next=next_,
        at=at,
        offset_ms=ms_of(until.offset),
        time=until.time,
        days=frozenset(_WEEKDAYS[day] for day in until.days),
        zone="UTC" if by_path else until.zone,
        zone_path=_path(until.zone) if by_path else None,
    )


def _path(text: str | None) -> run.KeyPath | None:
    return None if text is None else run.KeyPath(text, compile_path(text).read)

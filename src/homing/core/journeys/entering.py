"""May this event start a run? The rules of ``entry``, asked in order; the first refusal counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from homing.core.consent import lacking_of_either
from homing.core.decide import PersonFacts
from homing.core.journeys.program import Reentry, Repeat, key_in
from homing.core.journeys.run import RunState

if TYPE_CHECKING:
    from homing.core.events import Happened
    from homing.core.journeys.program import Journey
    from homing.core.journeys.run import Run
    from homing.core.people import Person


class Refused(StrEnum):
    """Why an event that matches starts nothing."""

    MISSING_KEY = "missing_key"
    TOO_OLD = "too_old"
    CONSENT = "consent"  # to a category that the journey requires is not given
    ALIVE = "alive"  # a run of that key is under way
    ONCE = "once"  # was in it before, and nobody enters twice
    NOT_EXITED = "not_exited"  # the last run ended otherwise than by an exit
    TOO_SOON = "too_soon"  # after the last entry


@dataclass(frozen=True, slots=True)
class Last:
    """The last time somebody entered under a key; *state* None: that run is forgotten."""

    at_ms: int
    state: RunState | None


@dataclass(frozen=True, slots=True)
class Entering:
    """
    What an event that matches comes to.

    A new run unless it is *refused*, or *restarts* one that is alive.
    """

    key: str
    refused: Refused | None = None
    restarts: Run | None = None


def entering(
    journey: Journey,
    event: Happened,
    person: Person,
    *,
    runs: Sequence[Run],
    last: Callable[[str], Last | None],
) -> Entering | None:
    """
    Ask whether an event starts a run; None if it is not one that could.

    Args:
        runs: The person's runs that are alive, also of other journeys.

        last: The person's last entry under a key, asked only if it matters.
    """
    entry = journey.entry
    facts = PersonFacts(person, event.at_ms, event=event)
    if not entry.when.holds(event.data, facts):
        return None
    key = key_in(entry.key, event.data)
    if key is None:
        return Entering("", Refused.MISSING_KEY)
    refused = _forbidden(journey, event, person)
    if refused is not None:
        return Entering(key, refused)
    same = (run for run in runs if run.journey == journey.name and run.key == key)
    alive = next((run for run in same if run.is_alive), None)
    if alive is None:
        return Entering(key, _refusal(entry.reentry, event, key, last=last))
    restarted = entry.repeat is Repeat.RESTART
    return Entering(key, restarts=alive) if restarted else Entering(key, Refused.ALIVE)


def _forbidden(journey: Journey, event: Happened, person: Person) -> Refused | None:
    """Why an event starts nothing, whatever happened before."""
    entry = journey.entry
    if not entry.backfill and event.received_ms - event.at_ms > entry.max_age_ms:
        return Refused.TOO_OLD
    if lacking_of_either(journey.consent, person.consent, event.data):
        return Refused.CONSENT
    return None


def _refusal(
    reentry: Reentry | int, event: Happened, key: str, *, last: Callable[[str], Last | None]
) -> Refused | None:
    if reentry is Reentry.ALWAYS:
        return None
    before = last(key)
    if before is None:
        return None
    if reentry is Reentry.ONCE:
        return Refused.ONCE
    if reentry is Reentry.AFTER_EXIT:
        exited = before.state in (None, RunState.EXITED)
        return None if exited else Refused.NOT_EXITED
    return Refused.TOO_SOON if event.received_ms - before.at_ms < reentry else None

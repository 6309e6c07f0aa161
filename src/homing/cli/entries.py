"""
What an event meant to journeys, asked again: who entered or did not, and what was asked of runs.

Runs are taken as their histories say they were when the event came.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from homing.cli.show import time_text
from homing.core.consent import lacking_of_either, reason_of
from homing.core.decide import PersonFacts
from homing.core.durations import duration_text
from homing.core.journeys.contexts import journey_root, unpack
from homing.core.journeys.entering import Entering, Last, Refused, entering
from homing.core.journeys.program import RESTART, Awaited, Exit, Goal, key_in
from homing.core.journeys.run import Passage, Run, RunState

if TYPE_CHECKING:
    from homing.cli.deciding import Asker
    from homing.core.events import Happened
    from homing.core.journeys.program import Journey
    from homing.core.people import Person
    from homing.ports import EventRow, Tx

RUNS = 1_000
ENDS = ("completed", "exited")


@dataclass(frozen=True, slots=True)
class Then:
    """A run as it was when an event came; *step* is where it waited, *reached* its goal."""

    run: Run
    is_alive: bool
    step: str
    reached: bool

    @classmethod
    def of(cls, run: Run, lines: Sequence[Passage], event: Happened) -> Then | None:
        """By what happened to it before the event; None if it had not begun."""
        before = [line for line in lines if _is_before(line, event)]
        if not before:
            return None
        is_alive = not any(line.what in ENDS for line in before)
        steps = [line.step for line in before if line.step]
        reached = any(line.what == "goal" for line in before)
        return cls(run, is_alive, steps[-1] if steps else "", reached)


def _is_before(line: Passage, event: Happened) -> bool:
    # of one instant events come first, in the order of their numbers, and then what was due
    same = line.at == event.received_ms and line.event is not None and line.event < event.id
    return line.at < event.received_ms or same


def runs_then(tx: Tx, person: Person, event: Happened) -> list[Then]:
    """A person's runs that had begun when an event came, oldest first."""
    runs = reversed(tx.runs.newest_of(person.id, limit=RUNS))
    found = (Then.of(run, tx.runs.passages(run.id), event) for run in runs)
    return [then for then in found if then is not None]


def done_to_runs(tx: Tx, row: EventRow, person: Person) -> list[dict[str, Any]]:
    """What an event did to its person's runs."""
    from homing.cli.run_stories import passage_view

    runs: dict[int, Run | None] = {}
    found = []
    for line in tx.runs.passages_of_event(row.id, people=(person.id, *person.merged)):
        run = runs.setdefault(line.run, tx.runs.get(line.run))
        named = {"run": f"r{line.run}", "journey": run and run.journey, "key": run and run.key}
        view = passage_view(tx, line)
        found.append({**named, **{name: view[name] for name in view if name != "event"}})
    return found


def entries_of(
    asker: Asker, event: Happened, person: Person, *, of: Sequence[Journey] | None = None
) -> list[dict[str, Any]]:
    """
    Whether an event started a run of each journey whose entry could concern it, and why (not).

    Args:
        of: Only of these journeys.
    """
    journeys = asker.rules.candidates(event.type, event.name).journeys.entries
    asked = [journey for journey in journeys if of is None or journey in of]
    if not asked:
        return []
    learned = asker.learned(event, person)
    thens = runs_then(asker.tx, person, event)
    lines = asker.tx.runs.passages_of_event(event.id, people=(person.id, *person.merged))
    return [
        _Entry(asker.tx, journey, event, learned, thens).view(_started(asker.tx, journey, lines))
        for journey in asked
    ]


def _started(tx: Tx, journey: Journey, lines: Sequence[Passage]) -> tuple[str, Run] | None:
    """Whether an event's lines say that it entered a run of a journey, or started one again."""
    for line in lines:
        is_entry = line.what == "entered" or (line.what == "restarted" and not line.name)
        run = tx.runs.get(line.run) if is_entry else None
        if run is not None and run.journey == journey.name:
            return line.what, run
    return None


@dataclass(frozen=True, slots=True)
class _Entry:
    """An event before the entry of a journey, with its person's runs as they were."""

    tx: Tx
    journey: Journey
    event: Happened
    person: Person
    thens: Sequence[Then]

    def view(self, started: tuple[str, Run] | None) -> dict[str, Any]:
        """What came of it; *started* is what it did."""
        facts = PersonFacts(self.person, self.event.at_ms, event=self.event)
        why = self.journey.entry.when.explain(self.event.data, facts)
        if started is None:
            outcome, words = self._outcome()
        else:
            outcome, words = started[0], f"{started[0]}: r{started[1].id}"
        return {
            "journey": self.journey.name,
            "held": why.holds,
            "outcome": outcome,
            "words": words,
            "run": None if started is None else f"r{started[1].id}",
            "explanation": why.render(),
        }

    def _outcome(self) -> tuple[str, str]:
        """What an entry comes to, in a word and in words with the values."""
        waiting = [
            replace(then.run, state=RunState.WAITING, step=then.step)
            for then in self.thens
            if then.is_alive
        ]
        found = entering(self.journey, self.event, self.person, runs=waiting, last=self._last)
        if found is None:
            return "not_held", "its condition does not hold"
        if found.refused is None:
            words = "holds now, and started nothing then: configuration or person have changed"
            return "none", words
        return found.refused.value, self._refused_words(found)

    def _last(self, key: str) -> Last | None:
        before = self._run_before(key)
        if before is not None:
            state = RunState.WAITING if before.is_alive else before.run.state
            return Last(before.run.entered_at, state)
        kept = self.tx.runs.last_entry(self.person.id, self.journey.name, key)
        return Last(kept[0], None) if kept and kept[0] < self.event.received_ms else None

    def _run_before(self, key: str) -> Then | None:
        name = self.journey.name
        of_key = [then for then in self.thens if (then.run.journey, then.run.key) == (name, key)]
        kept = [then for then in of_key if then.run.state is not RunState.MERGED]
        return max(kept, key=lambda then: (then.run.entered_at, then.run.id), default=None)

    def _refused_words(self, found: Entering) -> str:
        entry, event = self.journey.entry, self.event
        of_key = f" of key {found.key}" if found.key else ""
        if found.refused is Refused.MISSING_KEY:
            return f"the event has no value at {entry.key.text if entry.key else ''}"
        if found.refused is Refused.TOO_OLD:
            age = duration_text((event.received_ms - event.at_ms) // 1000)
            return f"it was {age} old when it came: max_age is {_duration(entry.max_age_ms)}"
        if found.refused is Refused.CONSENT:
            lacking = lacking_of_either(self.journey.consent, self.person.consent, event.data)
            return f"{reason_of(lacking)}: required, and not given"
        before = self._run_before(found.key)
        if found.refused is Refused.ALIVE and before is not None:
            since = time_text(before.run.entered_at)
            return f"a run{of_key} was under way since {since}: r{before.run.id} at {before.step}"
        return f"entered before{of_key}{self._before_words(found, before)}"

    def _before_words(self, found: Entering, before: Then | None) -> str:
        """When and as which run somebody entered before, and why that is too soon."""
        last, reentry = self._last(found.key), self.journey.entry.reentry
        at_ms = 0 if last is None else last.at_ms
        run = "" if before is None else f" (r{before.run.id})"
        if isinstance(reentry, int):
            again = f"again after {_duration(reentry)}, from {time_text(at_ms + reentry)} on"
        elif found.refused is Refused.NOT_EXITED and before is not None:
            again = f"that run is {before.run.state}, and no exit ended it"
        else:
            again = "nobody enters twice"
        return f", at {time_text(at_ms)}{run}: {again}"


def _duration(ms: int) -> str:
    return duration_text(ms / 1000)


def asked_of_runs(asker: Asker, event: Happened, person: Person) -> list[dict[str, Any]]:
    """What exits, goals and holds of a person's runs made of an event."""
    learned = asker.learned(event, person)
    found: list[dict[str, Any]] = []
    for then in runs_then(asker.tx, person, event):
        journey = asker.rules.programs.of(then.run)
        if journey is None:
            continue
        facts = PersonFacts(learned, event.at_ms, _root(asker.tx, then.run), event)
        found += [
            _asked_view(then.run, name, rule, event=event, facts=facts)
            for name, rule in _rules_of(asker, journey, then, event=event)
        ]
    return found


def _root(tx: Tx, run: Run) -> Mapping[str, object]:
    """What conditions see of a run, as it is now; of one that is watched no longer, its name."""
    raw = tx.runs.context(run.id)
    if raw:
        return journey_root(run, unpack(raw))
    return {"id": run.journey, "key": run.key, "variant": run.variant}


def _rules_of(
    asker: Asker, journey: Journey, then: Then, *, event: Happened
) -> Iterator[tuple[str, Exit | Goal | Awaited]]:
    """The rules that an event could meet: those of a run that has ended, its goal alone."""
    concerns = asker.rules.programs.concerns(journey, event.type, event.name)
    goal = journey.goal if concerns.goal and not then.reached else None
    if then.is_alive:
        yield from ((f"exit {one.name}", one) for one in concerns.exits)
    if goal is not None and event.received_ms <= then.run.entered_at + goal.within_ms:
        yield "goal", goal
    for hold, one in concerns.awaited if then.is_alive else ():
        if hold.id == then.step:
            yield f"{hold.id}: {one.name}", one
        elif hold.look_back and one.then != RESTART:
            yield f"{hold.id}: {one.name} (for when it comes there)", one


def _asked_view(
    run: Run, name: str, rule: Exit | Goal | Awaited, *, event: Happened, facts: PersonFacts
) -> dict[str, Any]:
    why = rule.when.explain(event.data, facts)
    key = None if rule.key is None else key_in(rule.key, event.data)
    other = rule.key is not None and key != run.key
    note = f"of key {key or 'none'}, the run's is {run.key}" if other else None
    return {
        "run": f"r{run.id}",
        "journey": run.journey,
        "key": run.key or None,
        "rule": name,
        "held": why.holds and not other,
        "note": note,
        "explanation": why.render(),
    }

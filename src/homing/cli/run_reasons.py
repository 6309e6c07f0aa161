"""Why journeys did not send somebody an email: run by run, and of who never entered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from homing.cli.entries import RUNS, entries_of
from homing.cli.programs import newest_program
from homing.cli.run_stories import waits_for
from homing.cli.show import time_text
from homing.core.decide import PersonFacts
from homing.core.journeys.program import END, RESTART, Act, Hold, Random, Split, Status
from homing.core.journeys.run import RunState
from homing.core.plans import Send

if TYPE_CHECKING:
    from homing.cli.deciding import Asker
    from homing.core.effects import SendRow
    from homing.core.events import Happened
    from homing.core.journeys.program import Journey, Step
    from homing.core.journeys.run import Passage, Run
    from homing.core.people import Person

LOOKED_AT: Final = 500
SHOWN: Final = 5
GONE: Final = "gone from the configuration: nobody enters it"
_POLICY: Final = {
    Status.DRAFT: "draft: it sends nothing",
    Status.PAUSED: "paused: its sends wait",
    Status.LIVE: None,
}


def journeys_that_send(asker: Asker, email: str) -> list[Journey]:
    """The journeys that send an email: in force, or as some are still in them."""
    programs = asker.rules.programs
    names = dict.fromkeys(one.name for one in programs.all if places_of(one, email))
    newest = (newest_program(programs, name) for name in names)
    return [one for one in newest if one is not None]


def places_of(journey: Journey, email: str) -> list[str]:
    """Where a journey sends an email: ids of steps, and exits."""
    steps = [step.id for step in journey.steps if isinstance(step, Act) and _is_of(step, email)]
    exits = [f"exit {one.name}" for one in journey.exits if one.send and one.send.email == email]
    return steps + exits


def _is_of(step: Step, email: str) -> bool:
    action = step.action if isinstance(step, Act) else None
    return isinstance(action, Send) and action.email == email


def journey_reasons(
    asker: Asker, journey: Journey, email: str, *, person: Person
) -> dict[str, Any]:
    """Why a journey did not send an email to somebody: their newest runs and entries."""
    runs = asker.tx.runs.newest_of(person.id, limit=RUNS)
    own = [run for run in runs if run.journey == journey.name][:SHOWN]
    versions = (one for one in asker.rules.programs.all if one.name == journey.name)
    places = dict.fromkeys(place for one in versions for place in places_of(one, email))
    is_gone = journey.name not in asker.rules.programs.current
    return {
        "journey": journey.name,
        "enters_when": journey.entry.when.text,
        "sends_at": list(places),
        "status": "gone" if is_gone else journey.status.value,
        "note": GONE if is_gone else _POLICY[journey.status],
        "runs": [_run_reasons(asker, run, email) for run in own],
        "entries": list(islice(_entries(asker, journey, person), SHOWN)),
    }


def _entries(asker: Asker, journey: Journey, person: Person) -> Iterator[dict[str, Any]]:
    """What a person's newest events that could concern its entry came to."""
    from homing.cli.finding import numbers_of

    if journey.name not in asker.rules.programs.current:
        return
    for row in asker.tx.events.of_person(numbers_of(person), limit=LOOKED_AT):
        kind = "track" if row.source.startswith("sendgrid/") else row.type or ""
        if not journey.entry.when.may_hold(kind, row.name if kind == "track" else None):
            continue
        happened = asker.happened(row, person)
        for view in [] if happened is None else entries_of(asker, happened, person, of=[journey]):
            yield {"event": f"e{row.id}", "at": time_text(row.at), **view}


def _run_reasons(asker: Asker, run: Run, email: str) -> dict[str, Any]:
    told = _Told(asker, run, email, tuple(asker.tx.runs.passages(run.id)))
    return {
        "run": f"r{run.id}",
        "key": run.key or None,
        "state": run.state.value,
        "entered_at": time_text(run.entered_at),
        "reasons": [
            {"reason": reason, "explanation": explanation} for reason, explanation in told.reasons()
        ],
    }


@dataclass(frozen=True, slots=True)
class _Told:
    """One run, and what it has to do with an email."""

    asker: Asker
    run: Run
    email: str
    lines: Sequence[Passage]

    def reasons(self) -> Iterator[tuple[str, str | None]]:
        """Why it did not send the email, or when it will; some with an explanation."""
        sends = [row for row in self.asker.tx.sends.of_run(self.run.id) if row.email == self.email]
        yield from ((_send_words(row), None) for row in sends)
        yield from ((words, None) for words in self._skipped())
        yield from self._other_ways()
        if self.run.is_alive:
            yield self._waiting(), None
        elif not sends:
            yield self._ended(), None

    def _skipped(self) -> Iterator[str]:
        journey = self.asker.rules.programs.of(self.run)
        places = [] if journey is None else places_of(journey, self.email)
        for line in self.lines:
            if line.what == "skipped" and line.send is None and line.step in places:
                yield f"skipped at {line.step}, {time_text(line.at)}: {line.reason}"

    def _waiting(self) -> str:
        run = self.run
        others = waits_for(run, self.asker.rules.programs)
        names = ", ".join(one["name"] for one in others if one["when"] is not None)
        until = f" until {time_text(run.due_at)}" if run.due_at is not None else ""
        return f"waits at {run.step}{until}{f', or for: {names}' if names else ''}"

    def _ended(self) -> str:
        run = self.run
        event = next((f" (e{o.event})" for o in reversed(self.lines) if o.event is not None), "")
        at = f"at {run.step or 'its start'}, {time_text(run.ended_at)}"
        if run.state is RunState.EXITED and not (run.reason or "").startswith("consent: "):
            return f"ended before it by exit {run.reason} {at}{event}"
        if run.state is RunState.COMPLETED:
            return f"completed without it {at}"
        return f"ended before it {at}: {run.reason or run.state}"

    def _other_ways(self) -> Iterator[tuple[str, str | None]]:
        """Where it went a way that leads to no such send, and another would have."""
        journey = self.asker.rules.programs.of(self.run)
        if journey is None:
            return
        for number, line in enumerate(self.lines):
            if line.what not in {"branch", "timeout"} or line.step not in journey.places:
                continue
            step = journey.steps[journey.places[line.step]]
            ways = dict(targets_of(step))
            name = "timeout" if line.what == "timeout" else line.name
            missed = [way for way, to in ways.items() if leads(journey, to, self.email)]
            if name in ways and missed and name not in missed:
                yield self._way_words(step, name, missed, event=self._latest(number))

    def _way_words(
        self, step: Step, name: str, missed: Sequence[str], *, event: Happened | None
    ) -> tuple[str, str | None]:
        others = ", ".join(missed)
        if isinstance(step, Random):
            return f"by chance went {name} at {step.id}, not {others}", None
        words = f"went {name} at {step.id}, and not {others}"
        if not isinstance(step, Split) or event is None:
            return words, None
        person = self.asker.tx.people.get(self.run.person)
        if person is None:
            return words, None
        facts = PersonFacts(person, event.at_ms, _root_of(self.run), event)
        branch = next((one for one in step.branches if one.name in missed), None)
        return words, None if branch is None else branch.when.explain(event.data, facts).render()

    def _latest(self, number: int) -> Happened | None:
        """The newest event that the run had taken when a line was written."""
        taken = {"entered", "branch", "restarted"}
        lines = self.lines[: number + 1]
        found = [one.event for one in lines if one.event is not None and one.what in taken]
        row = self.asker.tx.events.get(found[-1]) if found else None
        person = self.asker.tx.people.get(self.run.person)
        return None if row is None else self.asker.happened(row, person)


def _root_of(run: Run) -> Mapping[str, object]:
    return {"id": run.journey, "key": run.key, "variant": run.variant}


def _send_words(row: SendRow) -> str:
    reason = f": {row.reason}" if row.reason else ""
    until = f", asked again at {time_text(row.deferred)}" if time_text(row.deferred) else ""
    at = f" at {row.step}" if row.step else ""
    return f"send {row.key}{at} is {row.state}{reason}{until}"


def targets_of(step: Step) -> Iterator[tuple[str, int]]:
    """Where a step can lead, by branch."""
    match step:
        case Hold():
            yield from ((one.name, one.then) for one in step.on)
            yield "timeout", step.timeout
        case Split():
            yield from ((one.name, one.then) for one in step.branches)
            yield "else", step.otherwise
        case Random():
            yield from ((one.name, one.then) for one in step.variants)
        case _:
            yield "next", step.next


def leads(journey: Journey, target: int, email: str) -> bool:
    """Whether a way comes to a step that sends an email."""
    seen: set[int] = set()
    ahead = [target]
    while ahead:
        number = ahead.pop()
        if number in (END, RESTART) or number in seen:
            continue
        seen.add(number)
        if _is_of(journey.steps[number], email):
            return True
        ahead += [to for _, to in targets_of(journey.steps[number])]
    return False

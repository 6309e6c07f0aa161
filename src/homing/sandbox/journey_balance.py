"""Do the books of journeys balance? Runs, their sends, and the emails that SendGrid took."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from homing.core.journeys.run import RunState
from homing.core.ledger import CLAIMABLE
from homing.sandbox.evidence import GRACE_MS

if TYPE_CHECKING:
    from homing.sandbox.evidence import Evidence, Sent
    from homing.sandbox.journeys import Ran

_ENDS: Final = {"completed", "exited"}
_EXPECTED: Final = {RunState.WAITING, RunState.COMPLETED, RunState.EXITED}


def of_runs(evidence: Evidence) -> Iterator[str]:
    """Every run that entered waits, for a moment to come, or has ended once; nothing follows."""
    for run in evidence.runs:
        whats = [passage.what for passage in run.passages]
        ends = [place for place, what in enumerate(whats) if what in _ENDS]
        is_over = run.state is not RunState.WAITING
        if run.state not in _EXPECTED:
            yield f"{run} is {run.state}: {run.reason or 'no reason'}"
        if whats[:1] != ["entered"] or whats.count("entered") > 1:
            yield f"{run} was entered {whats.count('entered')} times"
        if len(ends) != is_over:
            yield f"{run} is {run.state}, and ended {len(ends)} times"
        elif is_over and set(whats[ends[0] + 1 :]) - {"goal"}:
            yield f"{run} went on after its end: {', '.join(whats[ends[0] + 1 :])}"
        if evidence.is_settled and not is_over and _is_late(run, evidence.at_ms):
            yield f"{run} waits, and its time is over"


def of_entries(evidence: Evidence) -> Iterator[str]:
    """Promise P2: one run for each key that an event brings, whatever was posted twice."""
    made = Counter((run.user, run.journey, run.key) for run in evidence.runs)
    for (user, journey, key), n in made.items():
        if n > 1 or (user, journey, key) not in evidence.asked_runs:
            yield (
                f"{journey} of {user} {key}".rstrip() + f": {n} runs, and no event asks for so many"
            )
    if evidence.all_arrived and not evidence.books.requests["pending"]:
        for user, journey, key in sorted(evidence.asked_runs - made.keys()):
            yield f"{journey} of {user} {key}".rstrip() + ": an event asks for a run, there is none"


def of_the_sends_of_runs(evidence: Evidence) -> Iterator[str]:
    """Every send that a run tells of is in the ledger once, as that run's; and no other is."""
    told = Counter(
        (passage.send, run.number)
        for run in evidence.runs
        for passage in run.passages
        if passage.send is not None
    )
    ledger = Counter((sent.number, sent.run) for sent in evidence.sends if sent.run is not None)
    for number, run in sorted((told - ledger).keys()):
        yield f"run {run} tells of send {number} more often than the ledger has it"
    for number, run in sorted((ledger - told).keys()):
        yield f"the ledger has send {number} of run {run}, which tells nothing of it"


def of_exits(evidence: Evidence) -> Iterator[str]:
    """No mail of a run leaves after its exit."""
    exited = {run.number: run for run in evidence.runs if run.state is RunState.EXITED}
    for sent in evidence.sends:
        run = None if sent.run is None else exited.get(sent.run)
        if run is None:
            continue
        if sent.state in CLAIMABLE:
            yield f"{run} has exited, its send {sent.key} is still {sent.state}"
        elif _left_after(sent, run):
            yield f"send {sent.key} left after the exit of {run}"


def of_the_mails_of_runs(evidence: Evidence) -> Iterator[str]:
    """SendGrid's copies of a run's send say the journey and the step that the ledger says."""
    places = {
        (sent.key, sent.rule, sent.step): evidence.copies.get(sent.key, 0)
        for sent in evidence.sends
        if sent.run is not None and evidence.copies.get(sent.key)
    }
    for place, n in (Counter(evidence.steps) - Counter(places)).items():
        yield f"SendGrid took {n} emails of {_place(place)} more than the ledger says"
    for place, n in (Counter(places) - Counter(evidence.steps)).items():
        yield f"SendGrid took {n} emails of {_place(place)} fewer than the ledger says"


JOURNEY_RULES: Final = (of_runs, of_entries, of_the_sends_of_runs, of_exits, of_the_mails_of_runs)


def _is_late(run: Ran, at_ms: int) -> bool:
    return run.due_at is None or run.due_at <= at_ms - GRACE_MS


def _left_after(sent: Sent, run: Ran) -> bool:
    # the event that ended the run was on its way into the log when the intent was written
    ended_at = run.ended_at or 0
    return sent.left_at is not None and sent.left_at > ended_at + GRACE_MS


def _place(place: tuple[str, str, str]) -> str:
    send, journey, step = place
    return f"send {send} ({journey}, {step})"

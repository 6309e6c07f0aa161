"""What a run came to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from itertools import groupby
from typing import TYPE_CHECKING

from homing.core.journeys.run import RunState
from homing.core.ledger import SendState
from homing.sandbox.balance import imbalances

if TYPE_CHECKING:
    from homing.ports import Pause
    from homing.sandbox.evidence import Evidence, Sent
    from homing.sandbox.journeys import Ran
    from homing.sandbox.town import Town


@dataclass(frozen=True, slots=True)
class Waits:
    """Sends that have not left: how many, in which state, and why."""

    n: int
    state: str
    reason: str


@dataclass(frozen=True, slots=True)
class Summary:
    """
    The end of a run.

    Args:
        lasted_s: From the first event to the summary.

        made: Events of the shop's; *lost* of them, and of SendGrid's, never came through.

        events, sends, unknown: The service's books.

        journeys: Of each, how many runs ``entered``, how many are in each state, how many
            ``converted``, and their ``value`` if they have one, a decimal number as text.

        skipped: How many sends, by reason.

        waiting: Sends that had not left.

        taken: Emails that SendGrid took.

        home: Calls that came home to Segment; *calls_waiting* to it or to SendGrid had not left.

        faults: How often each fault was played, by target.

        paused: What was paused when the shop closed, with the reason.

        problems: What does not balance.
    """

    lasted_s: float
    made: int
    lost: int
    events: Mapping[str, int]
    sends: Mapping[str, int]
    journeys: Mapping[str, Mapping[str, int | str]]
    skipped: Mapping[str, int]
    unknown: Mapping[str, int]
    waiting: tuple[Waits, ...]
    taken: int
    home: int
    calls_waiting: int
    faults: Mapping[str, Mapping[str, int]]
    paused: Mapping[str, str]
    problems: tuple[str, ...]

    @property
    def balances(self) -> bool:
        """Whether nothing is amiss."""
        return not self.problems

    def as_object(self) -> dict[str, object]:
        """As one object of the feed's JSON."""
        return {"what": "summary", **asdict(self), "balances": self.balances}


def summed_up(
    town: Town, evidence: Evidence, *, lasted_s: float, paused: Mapping[str, Pause]
) -> Summary:
    """Put the summary together, and hold the books against what the vendors saw."""
    books, faults = evidence.books, town.faults
    return Summary(
        lasted_s=round(lasted_s, 1),
        made=town.asked.events,
        lost=town.sender.lost + town.sendgrid.events_lost,
        events=dict(books.events),
        sends=dict(books.sends),
        journeys={
            name: _of_runs([*runs]) for name, runs in groupby(_by_journey(evidence), _journey)
        },
        skipped=_reasons(evidence),
        unknown=dict(books.unknown),
        waiting=_waiting(evidence),
        taken=town.sendgrid.accepted.total,
        home=evidence.home,
        calls_waiting=sum(states["ready"] for states in books.effects.values()),
        faults={
            plan.target: dict(sorted(plan.played.items()))
            for plan in (faults.sendgrid, faults.segment, faults.webhook)
            if plan.played
        },
        paused={name: pause.reason for name, pause in sorted(paused.items())},
        problems=tuple(imbalances(evidence)),
    )


def _by_journey(evidence: Evidence) -> list[Ran]:
    return sorted(evidence.runs, key=_journey)


def _journey(run: Ran) -> str:
    return run.journey


def _of_runs(runs: Sequence[Ran]) -> dict[str, int | str]:
    counts = Counter(run.state for run in runs)
    states = {state.value: counts[state] for state in RunState if counts[state]}
    values = [Decimal(run.value) for run in runs if run.value is not None]
    converted = sum(run.converted_at is not None for run in runs)
    told: dict[str, int | str] = {"entered": len(runs), **states, "converted": converted}
    return told | ({"value": f"{sum(values):.2f}"} if values else {})


def _reasons(evidence: Evidence) -> dict[str, int]:
    skipped = (sent.reason for sent in evidence.sends if sent.state is SendState.SKIPPED)
    return dict(Counter(skipped).most_common())


def _waiting(evidence: Evidence) -> tuple[Waits, ...]:
    pauses = evidence.books.pauses
    found = Counter(
        (sent.state.value, _why(sent, pauses)) for sent in evidence.sends if _waits(sent)
    )
    return tuple(Waits(n, state, reason) for (state, reason), n in found.most_common())


def _waits(sent: Sent) -> bool:
    return sent.is_open or sent.state is SendState.PARKED


def _why(sent: Sent, pauses: Collection[str]) -> str:
    if "mail" in pauses and sent.state is not SendState.PARKED:
        return "mail is paused"
    return sent.reason or "behind another of the same person"

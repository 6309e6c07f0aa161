"""What journeys came to, read from the store: for `homing stats` and for pages."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import orjson

from homing.core.journeys import experiments, statistics
from homing.core.journeys.experiments import Interval
from homing.core.journeys.run import RunState
from homing.core.journeys.statistics import Flow, Rows, Split, Step, Touch
from homing.stages.run_counts import COUNTED

if TYPE_CHECKING:
    from homing.core.journeys.run import Run
    from homing.ports import Definition, Tx

AT_ONCE: Final = 1_000
NOT_ENTERED: Final = "not_entered"


@dataclass(frozen=True, slots=True)
class Totals:
    """
    One journey in a line.

    ``entered``, ``completed``, ``exited`` (by an exit, or otherwise than as the journey has it) and
    ``converted`` count since the store was made; ``waiting`` is now; ``not_entered`` is by reason.
    """

    entered: int
    waiting: int
    completed: int
    exited: int
    converted: int
    not_entered: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class JourneyStats:
    """
    All that a journey came to.

    ``steps`` count every line of histories since the store was made; what became of mails, runs
    (by state) and conversions is of those that are kept. ``touches`` and ``value`` are of all
    conversions; regret is the touches "late" and "just_before".
    """

    journey: str
    totals: Totals
    runs: Mapping[str, int]
    steps: tuple[Step, ...]
    splits: tuple[Split, ...]
    converted: int
    rate: Interval
    value: Decimal
    touches: Mapping[str, int]


def totals_of(tx: Tx, counts: Mapping[str, int]) -> dict[str, Totals]:
    """
    Every journey that anything ever happened in, by name.

    Args:
        counts: Those of the books.
    """
    flows = flows_in(counts)
    names = sorted({*flows, *(kept.journey for kept in tx.runs.definitions())})
    return {name: _totals(flows.get(name, ()), waiting_in(tx, name)) for name in names}


def waiting_in(tx: Tx, journey: str) -> int:
    """How many runs of a journey wait now."""
    return sum(tx.runs.stands(journey).values())


def flows_in(counts: Mapping[str, int]) -> dict[str, list[Flow]]:
    """The counts that are of journeys, by journey."""
    found: dict[str, list[Flow]] = defaultdict(list)
    for name, count in counts.items():
        if name.startswith(COUNTED):
            journey, what, step, kind, variant = json.loads(name.removeprefix(COUNTED))
            found[journey].append(Flow(what, step, kind, variant, count))
    return found


def _totals(flows: Sequence[Flow], waiting: int) -> Totals:
    lines: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    for flow in flows:
        lines[flow.what] += flow.count
        if flow.what == NOT_ENTERED:
            refused[flow.name] += flow.count
    return Totals(
        entered=lines["entered"], waiting=waiting, completed=lines["completed"],
        exited=lines["exited"], converted=lines["goal"], not_entered=dict(refused),
    )  # fmt: skip


def stats_of(tx: Tx, journey: str) -> JourneyStats:
    """Read all of one journey; takes seconds for a million runs."""
    flows = flows_in(tx.books.counts()).get(journey, [])
    stands = tx.runs.tally(journey)
    plot = plot_of(tx.runs.definitions(), journey)
    touches, values, converted = _conversions(tx, journey)
    runs: Counter[str] = Counter()
    for stand in stands:
        runs[stand.state] += stand.count
    members = tx.runs.members(journey, _splits(plot, flows))
    waiting = runs[RunState.WAITING.value]
    return JourneyStats(
        journey=journey,
        totals=_totals(flows, waiting),
        runs=dict(runs),
        steps=tuple(
            statistics.step_tables(
                Rows(flows, stands, tx.sends.mailed(journey), touches), plot.steps, plot.varied
            )
        ),
        splits=tuple(statistics.split_tables(members, plot.splits)),
        converted=converted,
        rate=experiments.proportion(converted, sum(runs.values())),
        value=statistics.total_of(values),
        touches=dict(Counter(touch.what for touch in touches)),
    )


def _conversions(tx: Tx, journey: str) -> tuple[list[Touch], list[str | None], int]:
    touches: list[Touch] = []
    values: list[str | None] = []
    for run in converted_runs(tx, journey):
        values.append(run.value)
        touches += statistics.touches_of(run, tx.sends.of_run(run.id))
    return touches, values, len(values)


def converted_runs(tx: Tx, journey: str) -> Iterator[Run]:
    """The runs of a journey that converted, oldest first, some at a time."""
    after = 0
    while rows := tx.runs.converted(journey, after=after, limit=AT_ONCE):
        yield from rows
        after = rows[-1].id


@dataclass(frozen=True, slots=True)
class Plot:
    """
    The steps of a journey's kept versions, newest version first; variants by random split.

    ``varied`` are the steps from the first random split on.
    """

    steps: tuple[str, ...]
    splits: Mapping[str, tuple[str, ...]]
    varied: frozenset[str]


def plot_of(definitions: Sequence[Definition], journey: str) -> Plot:
    """Read what steps and variants a journey has and had, as far as that is kept."""
    steps: dict[str, None] = {}
    splits: dict[str, tuple[str, ...]] = {}
    varied: set[str] = set()
    for kept in reversed([one for one in definitions if one.journey == journey]):
        is_varied = False
        for step in _steps_in(kept.text):
            name = str(step.get("id"))
            steps.setdefault(name)
            if isinstance(step.get("random"), list):
                variants = [str(one["name"]) for one in step["random"] if "name" in one]
                splits[name] = tuple(dict.fromkeys([*splits.get(name, ()), *variants]))
                is_varied = True
            if is_varied:
                varied.add(name)
    return Plot(tuple(steps), splits, frozenset(varied))


def _steps_in(text: bytes) -> list[dict[str, Any]]:
    table = orjson.loads(text)
    steps = table.get("step", []) if isinstance(table, dict) else []
    return [step for step in steps if isinstance(step, dict)]


def _splits(plot: Plot, flows: Sequence[Flow]) -> list[str]:
    """The random splits of kept versions, and those whose branch was taken by chance before."""
    taken = (
        flow.step for flow in flows
        if flow.what == "branch" and flow.variant and flow.name == flow.variant
    )  # fmt: skip
    known = set(plot.steps)
    return list(dict.fromkeys([*plot.splits, *(step for step in taken if step not in known)]))

"""Runs for tests of the store: what a test does not name is plausible and never matters."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace
from tests.support.rows import HOUR, NOON

from homing.core.journeys.run import Passage, Run, RunState
from homing.ports import Definition, Tx

_RUN = Run(
    id=1,
    person=1,
    journey="cart",
    version="v1",
    key="",
    entered_at=NOON,
    state=RunState.WAITING,
    step="wait",
    step_at=NOON,
    due_at=NOON + HOUR,
    passages=1,
)
ENDED: dict[str, Any] = {"state": RunState.COMPLETED, "due_at": None, "ended_at": NOON}
OVER: dict[str, Any] = {**ENDED, "watch_until": None}


def run(number: int, **columns: Any) -> Run:  # noqa: ANN401  a column's own type
    """A run of person 1 that waits an hour."""
    return replace(_RUN, **{"id": number, **columns})


def enter(tx: Tx, **columns: Any) -> Run:  # noqa: ANN401  a column's own type
    """Add a run under the next number; the run."""
    made = run(tx.runs.next_id(), **columns)
    tx.runs.add(made, b"{}")
    return made


def change(tx: Tx, number: int, **columns: Any) -> None:  # noqa: ANN401  a column's own type
    """Save a run that is there with other columns."""
    kept = tx.runs.get(number)
    assert kept is not None
    tx.runs.save(replace(kept, **columns))


def define(tx: Tx, *names: tuple[str, str]) -> None:
    """Define versions of journeys, whose text is their name."""
    for journey, version in names:
        tx.runs.define(Definition(journey, version, f"{journey} {version}".encode()))


def defined(tx: Tx) -> list[tuple[str, str]]:
    """The versions that are kept."""
    return [(one.journey, one.version) for one in tx.runs.definitions()]


def passage(number: int, **columns: Any) -> Passage:  # noqa: ANN401  a column's own type
    """A line of a run's history."""
    return replace(Passage(number, NOON, "entered"), **columns)


def due(tx: Tx, *, now: int, limit: int = 99) -> list[int]:
    """The numbers of runs that are due."""
    return [one.id for one, _ in tx.runs.due(now=now, limit=limit)]


def ids(runs: list[Run]) -> list[int]:
    """Their numbers."""
    return [one.id for one in runs]

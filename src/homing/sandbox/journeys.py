"""The runs of journeys as the service's store has them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from homing.core.journeys.run import Passage, Run, RunState
    from homing.ports import Tx

PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class Ran:
    """
    One run, and what happened to it, oldest first.

    *value* is of its conversion, a decimal number as text. Times are unix ms.
    """

    number: int
    user: str
    journey: str
    key: str
    state: RunState
    passages: tuple[Passage, ...]
    due_at: int | None = None
    ended_at: int | None = None
    converted_at: int | None = None
    value: str | None = None
    reason: str | None = None

    def __str__(self) -> str:
        of = f"{self.user}, {self.key}" if self.key else self.user
        return f"run {self.number} ({self.journey} of {of})"


def all_runs(tx: Tx) -> tuple[Ran, ...]:
    """Every run there is, oldest first."""
    passages: dict[int, list[Passage]] = defaultdict(list)
    for _, passage in passages_since(tx, 0):
        passages[passage.run].append(passage)
    runs: list[Run] = []
    before: int | None = None
    while page := tx.runs.newest(None, before=before, limit=PAGE):
        runs += page
        before = page[-1].id
    return tuple(_ran(tx, run, tuple(passages[run.id])) for run in reversed(runs))


def _ran(tx: Tx, run: Run, passages: tuple[Passage, ...]) -> Ran:
    return Ran(
        run.id,
        user_of(tx, run),
        run.journey,
        run.key,
        run.state,
        passages=passages,
        due_at=run.due_at,
        ended_at=run.ended_at,
        converted_at=run.converted_at,
        value=run.value,
        reason=run.reason,
    )


def user_of(tx: Tx, run: Run) -> str:
    """Whose run it is: the userId, else what else the person goes by."""
    person = tx.people.get(run.person)
    return "?" if person is None else person.label


def passages_since(tx: Tx, number: int) -> Iterator[tuple[int, Passage]]:
    """What happened to runs from beyond a passage's number on, each with its own."""
    while page := tx.runs.passages_after(number, limit=PAGE):
        yield from page
        number = page[-1][0]

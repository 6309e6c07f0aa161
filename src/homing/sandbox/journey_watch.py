"""Watch the runs of journeys: what one decision did to one run is one line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from typing import TYPE_CHECKING, Final

from homing.core.durations import duration_text
from homing.core.ledger import SendState
from homing.sandbox.happenings import Happening, What
from homing.sandbox.journeys import passages_since, user_of

if TYPE_CHECKING:
    from homing.core.journeys.run import Passage, Run
    from homing.ports import Tx

#: What is said of these words without more ado.
_PLAIN: Final = {"entered": "entered", "timeout": "time is up", "completed": "completed"}


@dataclass(slots=True)
class JourneyWatch:
    """What was told of runs so far: up to a passage's number."""

    _last: int = 0

    def news(self, tx: Tx) -> list[Happening]:
        """What is new since the last look."""
        told: list[Happening] = []
        fresh = []
        for self._last, passage in passages_since(tx, self._last):
            fresh.append(passage)
        for (number, _, _), together in groupby(fresh, key=_decision_of):
            run = tx.runs.get(number)
            if run is not None:
                told.append(_told(tx, run, [*together]))
        return told


def _decision_of(passage: Passage) -> tuple[int, int, int | None]:
    return passage.run, passage.at, passage.event


def _told(tx: Tx, run: Run, passages: Sequence[Passage]) -> Happening:
    words = ", ".join(word for passage in passages for word in _words_of(tx, run, passage))
    who = user_of(tx, run)
    ids = {"run": str(run.id), "key": run.key}
    return Happening(passages[-1].at / 1000, What.JOURNEY, who, run.journey, words, ids)


def _words_of(tx: Tx, run: Run, passage: Passage) -> Iterator[str]:
    """What a person calls it; a word of the engine's that is not known here as it is."""
    name, reason = passage.name, passage.reason
    match passage.what:
        case "branch":
            yield f"{passage.step}: {name}" + (f" ({reason})" if reason else "")
        case "restarted":
            yield f"restarted: {name}" if name else "restarted"
        case "send":
            yield f"sends {name}"
        case "skipped":
            # of one that is in the ledger, its own line says why
            yield f"skips {name}" + (f": {reason}" if passage.send is None else "")
        case "exited":
            yield f"exited: {name or reason}"
            yield _mail_of(tx, run)
        case "goal":
            yield "goal" if passage.value is None else f"goal {Decimal(passage.value):.2f}"
        case what if what != "waiting":
            yield _PLAIN.get(what, f"{what} {name}".rstrip())
    if passage.due_at is not None:
        yield f"waits {_span(passage.due_at - passage.at)}"


def _mail_of(tx: Tx, run: Run) -> str:
    """What an exit means for the mail of a run."""
    sends = tx.sends.of_run(run.id)
    if any(
        row.state == SendState.SKIPPED and row.reason == f"exited: {run.reason}" for row in sends
    ):
        return "the mail is cancelled"
    return "no further mail goes out" if sends else "no mail goes out"


def _span(ms: int) -> str:
    return f"{ms / 1000:g} s" if ms < 60_000 else duration_text(ms / 1000)

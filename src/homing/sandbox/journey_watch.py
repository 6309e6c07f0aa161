"""Watch the runs of journeys: what one decision did to one run is one line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
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


@dataclass(slots=True)
class JourneyWatch:
    """What was told of runs so far: up to a passage's number."""

    _last: int = 0

    def news(self, tx: Tx) -> list[Happening]:
        """What is new since the last look."""
        fresh = [*passages_since(tx, self._last)]
        self._last = fresh[-1][0] if fresh else self._last
        together = groupby((passage for _, passage in fresh), key=_decision_of)
        decisions = ((tx.runs.get(run), [*passages]) for (run, _, _), passages in together)
        return [_told(tx, run, passages) for run, passages in decisions if run is not None]


def _decision_of(passage: Passage) -> tuple[int, int, int | None]:
    return passage.run, passage.at, passage.event


def _told(tx: Tx, run: Run, passages: Sequence[Passage]) -> Happening:
    words = (word for passage in passages for word in _words_of(tx, run, passage))
    told = ", ".join(word for word in words if word)
    who = user_of(tx, run)
    ids = {"run": str(run.id), "key": run.key}
    return Happening(passages[-1].at / 1000, What.JOURNEY, who, run.journey, told, ids)


def _words_of(tx: Tx, run: Run, passage: Passage) -> Iterator[str]:
    """What a person calls it; a word of the engine's that is not known here as it is."""
    words = _WORDS.get(passage.what)
    yield f"{passage.what} {passage.name}".rstrip() if words is None else words(passage)
    if passage.what == "exited":
        yield _mail_of(tx, run)
    if passage.due_at is not None:
        yield f"waits {_span(passage.due_at - passage.at)}"


def _branch(passage: Passage) -> str:
    how = f" ({passage.reason})" if passage.reason else ""
    return f"{passage.step}: {passage.name}{how}"


def _skips(passage: Passage) -> str:
    # of one that is in the ledger, its own line says why
    why = f": {passage.reason}" if passage.send is None else ""
    return f"skips {passage.name}{why}"


def _goal(passage: Passage) -> str:
    return "goal" if passage.value is None else f"goal {Decimal(passage.value):.2f}"


#: Nothing of what only says that a run waits: until when is said of all.
_WORDS: Final[Mapping[str, Callable[[Passage], str]]] = {
    "waiting": lambda _: "",
    "timeout": lambda _: "time is up",
    "branch": _branch,
    "restarted": lambda passage: f"restarted: {passage.name}" if passage.name else "restarted",
    "send": lambda passage: f"sends {passage.name}",
    "skipped": _skips,
    "exited": lambda passage: f"exited: {passage.name or passage.reason}",
    "goal": _goal,
}


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

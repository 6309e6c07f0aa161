"""The books: what came in, what became of it; the same for `stats`, `/metrics` and the page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from homing.core.effects import Dest, EffectState, EventState
from homing.core.ledger import SendState

if TYPE_CHECKING:
    from homing.ports import Alert, Pause, Tx

RESOLUTIONS = ("proved", "resent", "parked", "dropped", "by_hand")


@dataclass(frozen=True, slots=True)
class Books:
    """One reading of the counts, taken at one moment."""

    requests: Mapping[str, int]
    events: Mapping[str, int]
    effects: Mapping[str, Mapping[str, int]]
    sends: Mapping[str, int]
    unknown: Mapping[str, int]
    counts: Mapping[str, int]
    alerts: tuple[Alert, ...]
    pauses: Mapping[str, Pause]

    def tables(self) -> dict[str, dict[str, object]]:
        """As nested plain tables: the ``--json`` of `stats`."""
        return {
            "requests": dict(self.requests),
            "events": dict(self.events),
            "effects": {dest: dict(states) for dest, states in self.effects.items()},
            "sends": dict(self.sends),
            "unknown": dict(self.unknown),
        }


def books_of(tx: Tx, *, head: int) -> Books:
    """
    Read the books.

    Args:
        head: Number of the log's newest request.
    """
    counts = tx.books.counts()
    evaluated = tx.events.cursor().request
    received = max(head, evaluated)
    return Books(
        requests={"received": received, "pending": received - evaluated},
        events=_events(counts),
        effects={
            dest.value: {s.value: counts.get(f"effects:{dest}:{s}", 0) for s in EffectState}
            for dest in Dest
            if dest is not Dest.MAIL
        },
        sends={state.value: counts.get(f"sends:{state}", 0) for state in SendState},
        unknown={word: counts.get(f"unknown:{word}", 0) for word in ("total", *RESOLUTIONS)},
        counts=counts,
        alerts=tuple(tx.books.alerts()),
        pauses=tx.books.pauses(),
    )


def _events(counts: Mapping[str, int]) -> dict[str, int]:
    states = {state.value: counts.get(f"events:{state}", 0) for state in EventState}
    duplicates = counts.get("events:duplicates", 0)
    return {"received": counts.get("events:received", 0), "duplicates": duplicates, **states}

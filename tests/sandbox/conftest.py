"""What the tests of the sandbox share."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from homing.core.journeys.run import Passage, RunState
from homing.core.ledger import SendState
from homing.ports import Pause
from homing.processes.books import Books
from homing.sandbox.evidence import Evidence, Sent
from homing.sandbox.journeys import Ran

NOW = 1_700_000_000_000


def sent(number: int = 1, state: SendState = SendState.ACCEPTED, **columns: object) -> Sent:
    """One send of the ledger: a welcome to u1, unless *columns* say otherwise."""
    whole = {
        "number": number, "key": f"{number}-0000000000", "user": "u1", "rule": "welcome",
        "email": "welcome", "state": state, "reason": "", "lane": number, "due_at": NOW - 60_000,
    }  # fmt: skip
    return Sent(**(whole | columns))


def ran(*whats: str, number: int = 1, **columns: object) -> Ran:
    """A run of u1's cart k1 to which this happened; a word may name a send: "send 7"."""
    passages = tuple(
        Passage(number, NOW, what, send=int(send) if send else None)
        for what, _, send in (one.partition(" ") for one in whats)
    )
    whole = {
        "number": number, "user": "u1", "journey": "cart", "key": "k1",
        "state": RunState.WAITING, "passages": passages, "due_at": NOW + 4_000,
    }  # fmt: skip
    return Ran(**(whole | columns))


def books(**counts: object) -> Books:
    """Books of one event that was done, with what *counts* change of them."""
    zero = {"ready": 0, "done": 0, "dead": 0, "dropped": 0}
    events = {"received": 1, "duplicates": 0, "pending": 0, "done": 1, "filtered": 0}
    whole = {
        "requests": {"received": 1, "pending": 0},
        "events": events | {"quarantined": 0, "dead": 0},
        "effects": {"segment": zero, "suppressions": zero, "contacts": zero},
        "sends": {},
        "unknown": {},
        "counts": {},
        "alerts": (),
        "pauses": {},
    }
    return Books(**(whole | counts))


@pytest.fixture
def evidence() -> Callable[..., Evidence]:
    """Make evidence that balances, one welcome asked for, sent and taken, but for the changes."""

    def evidence(**changes: object) -> Evidence:
        one = sent()
        whole = {
            "at_ms": NOW, "books": books(), "sends": (one,), "copies": {one.key: 1},
            "mails": {("u1", "welcome"): 1}, "asked": {("u1", "welcome"): 1},
            "runs": (), "asked_runs": frozenset(), "steps": {}, "all_arrived": True,
            "taken": 1, "late_calls": {}, "home": 0, "discarded": 0, "is_settled": True,
        }  # fmt: skip
        return Evidence(**(whole | changes))

    return evidence


PAUSED = Pause(NOW, "HTTP 401", "operator")

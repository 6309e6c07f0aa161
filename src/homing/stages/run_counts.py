"""What happened to runs, counted: by journey, step, name or reason, and variant."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from homing.core.journeys.run import Passage
    from homing.ports import Tx

COUNTED = "journey:"
RESERVED_BEFORE = "reserved before"
DRAFT = "draft: the journey sends nothing"


def count(tx: Tx, journey: str, passage: Passage, *, variant: str | None) -> None:
    """Count a line of a run's history."""
    name = _reason_kind(passage) if passage.what == "skipped" else passage.name
    tx.books.count(counter((journey, passage.what, passage.step, name, variant or "")))


def _reason_kind(passage: Passage) -> str:
    """Why something was skipped, without what is said of the event: no end of counts."""
    reason = passage.reason or ""
    if reason.startswith("suppressed: "):
        return reason
    if passage.send is None and reason not in {DRAFT, RESERVED_BEFORE}:
        return "bad_values"
    return reason.partition(":")[0]


@lru_cache(maxsize=4_096)
def counter(key: tuple[str, str, str, str, str]) -> str:
    """The name of a count: of (journey, what happened, step, name or reason, variant)."""
    return COUNTED + json.dumps(key)


def counted(counts: Mapping[str, int]) -> Iterator[tuple[tuple[str, str, str, str, str], int]]:
    """The counts that `counter` named, among all of a store's."""
    for name, n in counts.items():
        if name.startswith(COUNTED):
            yield tuple(json.loads(name.removeprefix(COUNTED))), n

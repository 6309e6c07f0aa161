"""What SendGrid's Marketing API does by and by, and when to look at it again."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

FIRST_LOOK_MS: Final = 1_000
LAST_LOOK_MS: Final = 60_000


class JobKind(StrEnum):
    """What a job is to come to."""

    UPSERT = "upsert"  # contacts written, and on lists
    UNLIST = "unlist"  # contacts off one list
    ERASE = "erase"  # contacts gone, and what was kept of their mail


class Job(msgspec.Struct, frozen=True):
    """
    One call and what it is for. Times are unix ms.

    ``remote`` is SendGrid's own id, None while nobody knows whether the call was made: it may be
    made again. ``lists`` are ``[list.NAME]``s; ``effects`` and ``addresses`` what is settled with
    it; ``looks`` counts how often it was looked at, ``calls`` how often it was called.
    ``strikes`` counts how often SendGrid said that it came to nothing; ``failures`` how often the
    API did not cope with it, since ``failed_at``. ``removed`` are addresses whose removal it took.
    """

    number: int
    kind: JobKind
    made_at: int
    due_at: int
    effects: tuple[int, ...]
    addresses: tuple[str, ...]
    lanes: tuple[int, ...] = ()
    lists: tuple[str, ...] = ()
    remote: str | None = None
    looks: int = 0
    calls: int = 0
    strikes: int = 0
    failures: int = 0
    failed_at: int | None = None
    removed: tuple[str, ...] = ()


def next_look_ms(looks: int) -> int:
    """
    How long to wait before a job is looked at, having been so *looks* times.

    The first time soon, then ever later up to a minute (design 17, "Deliveries").
    """
    return min(LAST_LOOK_MS, FIRST_LOOK_MS << min(looks, 6))

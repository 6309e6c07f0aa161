"""Whether the running service took what SendGrid posted: seen in its log, or in its alerts."""

from __future__ import annotations

import asyncio
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from homing.adapters.sqlite.log import SqliteLogReader, log_path
from homing.adapters.sqlite.state import reading
from homing.doctor.standing import REFUSED

if TYPE_CHECKING:
    from homing.ports import Clock

WITHIN_S: Final = 20.0
EVERY_S: Final = 0.1
PAGE: Final = 200

SAMPLE: Final = b"example@test.com"
"""Whom SendGrid's sample of events speaks of. Source: OpenAPI, ``tsg_webhooks_v3.json``, test."""


class Came(Enum):
    """What became of a post."""

    TAKEN = "taken"
    REFUSED = "refused"
    UNSEEN = "unseen"


class Watch:
    """
    Watches one door from the moment it is made.

    Args:
        source: As the log has it, "sendgrid/default".
    """

    def __init__(self, state: Path, clock: Clock, *, source: str) -> None:
        self._state = state
        self._clock = clock
        self._source = source
        self._head = self._newest()
        self._refusals = self._refused()

    async def came(self, within_s: float = WITHIN_S) -> Came:
        """Wait until the sample has come, or was refused."""
        until = self._clock.monotonic_s() + within_s
        while self._clock.monotonic_s() < until:
            if self._has_sample():
                return Came.TAKEN
            if self._refused() > self._refusals:
                return Came.REFUSED
            await asyncio.sleep(EVERY_S)
        return Came.UNSEEN

    def _newest(self) -> int:
        reader = SqliteLogReader.if_made(log_path(self._state))
        if reader is None:
            return 0
        try:
            return reader.head()
        finally:
            reader.close()

    def _has_sample(self) -> bool:
        reader = SqliteLogReader.if_made(log_path(self._state))
        if reader is None:
            return False
        try:
            while requests := reader.after(self._head, limit=PAGE, max_bytes=1 << 24):
                if any(r.source == self._source and SAMPLE in r.body for r in requests):
                    return True
                self._head = requests[-1].seq
        finally:
            reader.close()
        return False

    def _refused(self) -> int:
        with reading(self._state) as tx:
            alerts = tx.books.alerts()
        return sum(
            one.count
            for one in alerts
            if one.kind == REFUSED and one.subject.startswith("sendgrid")
        )

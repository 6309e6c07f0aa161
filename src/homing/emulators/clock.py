"""
The emulators' own clock.

They stand for other companies' machines, so they neither share nor import
Homing's; every emulator takes a function of this shape as ``clock``.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias

#: Unix time in seconds, with a fraction.
Clock: TypeAlias = Callable[[], float]

wall_clock: Clock = time.time  # noqa: TID251 - another company's machine reads its own clock


def utc_text(unix_s: float) -> str:
    """Write a moment as Segment does: ISO 8601 in UTC, milliseconds, ``Z``."""
    moment = datetime.fromtimestamp(unix_s, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def utc_seconds_text(unix_s: float) -> str:
    """Write a moment as SendGrid's marketing side does: ISO 8601 in UTC, whole seconds, ``Z``."""
    return datetime.fromtimestamp(int(unix_s), UTC).isoformat()[:19] + "Z"


def unix_s_of(text: str) -> float | None:
    """Read an ISO 8601 moment; None when it is no such text. Without a zone it is UTC."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None

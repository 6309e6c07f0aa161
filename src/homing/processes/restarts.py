"""
What a child's death means: another start, and when, or the end of the service.

Pure: time comes in as an argument.
"""

import os
import signal
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

HOPELESS: Final = frozenset({os.EX_CONFIG, os.EX_TEMPFAIL, os.EX_IOERR, os.EX_DATAERR})
"""Exit codes of a child's first start that another start would only repeat."""

TROUBLE_DEATHS: Final = 3
"""So many deaths within the window are worth a word in the status."""

_FIRST_DELAY_S: Final = 0.1
_LONGEST_DELAY_S: Final = 5.0
_KEPT: Final = 64


@dataclass(frozen=True, slots=True)
class Patience:
    """
    How many deaths of a child that was never ready are too many.

    Args:
        deaths: More than this many, within

        window_s: so many seconds, end the service.
    """

    deaths: int = 5
    window_s: float = 60.0


@dataclass(frozen=True, slots=True)
class RestartIn:
    """Start the child again, *delay_s* seconds from now."""

    delay_s: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """End the service with this exit code."""

    exit_code: int


Verdict: TypeAlias = RestartIn | GiveUp


@dataclass(frozen=True, slots=True)
class Deaths:
    """
    The deaths of one child: when (monotonic seconds, oldest first), and how last.

    A record, not a policy: `after_death` reads it.
    """

    times: tuple[float, ...] = ()
    last: str = ""

    def recorded(self, now: float, reason: str, window_s: float) -> "Deaths":
        """Add a death; forget those older than the window."""
        recent = tuple(at for at in self.times if now - at < window_s)
        return replace(self, times=(*recent[1 - _KEPT :], now), last=reason)

    def within(self, now: float, window_s: float) -> int:
        """Count the deaths of the last *window_s* seconds."""
        return sum(now - at < window_s for at in self.times)


def after_death(
    deaths: Deaths, *, now: float, exit_code: int, was_ready: bool, patience: Patience
) -> Verdict:
    """
    Decide what follows the newest of *deaths*.

    A child that was ready once is restarted for ever, whatever it exits with: the
    other one still does its half of the work, and a half is better than nothing.

    Args:
        deaths: With this death recorded.

        now: Monotonic seconds.

        exit_code: As `subprocess.Popen.returncode`: negative is a signal.

        was_ready: Whether it was READY since the service started, in any life.

        patience: The limits for a child that never was.
    """
    count = deaths.within(now, patience.window_s)
    if not was_ready and exit_code in HOPELESS:
        return GiveUp(exit_code)
    if not was_ready and count > patience.deaths:
        return GiveUp(os.EX_SOFTWARE)
    return RestartIn(_delay_s(count))


def cause(exit_code: int) -> str:
    """Name how a process ended: ``exit 78`` or ``SIGKILL``."""
    if exit_code >= 0:
        return f"exit {exit_code}"
    try:
        return signal.Signals(-exit_code).name
    except ValueError:
        return f"signal {-exit_code}"


def _delay_s(count: int) -> float:
    # the first restart is at once: one crash is bad luck, several are a state
    doublings = min(count - 2, 16)
    return 0.0 if count < 2 else min(_FIRST_DELAY_S * 2.0**doublings, _LONGEST_DELAY_S)

"""How many requests a minute the API takes, as it tells in headers."""

from collections.abc import Mapping
from typing import Final

from homing.emulators.clock import Clock

WINDOW_S: Final = 60

#: mail/send has no limit, and its answers no headers about one.
UNLIMITED: Final = "/v3/mail/send"


class RateLimits:
    """
    One window a limit.

    Args:
        limits: How a path begins to the requests a minute it takes; the longest
            beginning counts.
    """

    def __init__(self, limits: Mapping[str, int], clock: Clock) -> None:
        self._limits = sorted(limits.items(), key=lambda entry: -len(entry[0]))
        self._clock = clock
        self._spent: dict[str, tuple[int, int]] = {}

    def spend(self, path: str) -> tuple[bool, dict[str, str]]:
        """
        Count one request.

        Returns:
            Whether it is within its limit, and the headers of its answer.
        """
        found = next((entry for entry in self._limits if path.startswith(entry[0])), None)
        if found is None or path == UNLIMITED:
            return True, {}
        prefix, limit = found
        now = int(self._clock())
        ends, spent = self._spent.get(prefix, (0, 0))
        if now >= ends:
            ends, spent = now + WINDOW_S, 0
        self._spent[prefix] = (ends, spent + 1)
        return spent < limit, {
            "X-RateLimit-Limit": str(limit),
            "X-RateLimit-Remaining": str(max(0, limit - spent - 1)),
            "X-RateLimit-Reset": str(ends),
        }

"""Random tags of sends: asked of the system for many at once, as each asking costs a call."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

TAG_BYTES = 5
AT_ONCE = 1_024


@dataclass(slots=True)
class Tags:
    """Gives a random 40-bit number at each call; none of them is known to anybody before."""

    _left: bytes = b""
    _at: int = 0

    def __call__(self) -> int:
        """The next one."""
        if self._at >= len(self._left):
            self._left, self._at = secrets.token_bytes(TAG_BYTES * AT_ONCE), 0
        self._at += TAG_BYTES
        return int.from_bytes(self._left[self._at - TAG_BYTES : self._at])

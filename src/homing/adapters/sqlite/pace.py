"""
Where to wait for the disk: a fast one in the event loop, a slow one in a thread.

To hand a commit to a thread and back takes two turns at the interpreter's lock, which a busy event
loop is slow to give: more than a fast disk takes. A slow disk is waited for in the thread, where it
holds up nobody.
"""

from __future__ import annotations

from math import inf
from typing import Final

FAST_S: Final = 0.001
BEARABLE_S: Final = 0.01
SMOOTHING: Final = 8
SHORTEST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 64.0


class Pace:
    """
    Learns from the commits so far where the next one should be.

    One that takes long is waited for in the loop once; then the thread has them for a second, or
    for twice as long as the last time if that was a short while ago.

    Args:
        fast_s: The mean of the latest commits that the event loop may bear; 0 keeps them all in
            the thread.
    """

    def __init__(self, fast_s: float = FAST_S) -> None:
        self._fast_s = fast_s
        self._mean_s = 0.0
        self._thread_until = -inf if fast_s else inf
        self._pause_s = SHORTEST_PAUSE_S
        self._bearable = True

    def is_fast(self, now: float) -> bool:
        """Whether to wait for the next commit in the event loop; *now* is its clock."""
        return now >= self._thread_until and self._bearable

    def took(self, elapsed_s: float, *, now: float) -> None:
        """A commit in the event loop took so long."""
        self._mean_s += (elapsed_s - self._mean_s) / SMOOTHING
        if self._mean_s <= self._fast_s:
            return
        is_again = now - self._thread_until < 2 * self._pause_s
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S) if is_again else SHORTEST_PAUSE_S
        self._thread_until = now + self._pause_s
        self._mean_s = 0.0

    def took_in_thread(self, elapsed_s: float) -> None:
        """
        A commit in the thread took so long, the way there and back included.

        That way is no measure of the disk, but one who takes this long has no place in the loop.
        """
        self._bearable = elapsed_s < BEARABLE_S

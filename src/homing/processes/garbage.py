"""How often Python looks for garbage in cycles."""

from __future__ import annotations

import gc


def settle() -> None:
    """
    Let a process that is assembled be searched seldom, and what it is made of not again.

    Events make next to no cycles; searching for them at Python's own pace takes 5 to 10 % of the
    worker's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)

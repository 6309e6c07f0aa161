"""Recover: what a crash left in flight is unknown, never "not sent"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from homing.log import STORE_RECOVERED, log
from homing.stages import moves

if TYPE_CHECKING:
    from homing.ports import Tx
    from homing.stages.health import Health


def recover(tx: Tx, health: Health, *, now_ms: int, wait_ms: int, captured: bool) -> int:
    """
    Turn every open intent into an unknown outcome, at start, before anything is claimed.

    Args:
        captured: Nothing leaves in capture mode, so an open intent is simply due again.

    Returns:
        How many there were.
    """
    health.load(tx)
    open_intents = tx.sends.in_flight()
    for row in open_intents:
        if captured:
            moves.move(tx, row, "retry")
            tx.sends.save(row)
        else:
            moves.lose(
                tx, row, "the daemon stopped while it was under way",
                now=now_ms, healthy_ms=health.healthy_ms(), wait_ms=wait_ms,
            )  # fmt: skip
    if open_intents:
        log.warning(STORE_RECOVERED, unknown=len(open_intents))
    return len(open_intents)

"""How a send moves along its table (``core/ledger.py``), counted, its lane handed on."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from homing.core import gate, ledger
from homing.core.digests import message_trace
from homing.core.effects import SendFlag, SendRow
from homing.core.ledger import SendSignal, SendState
from homing.core.plans import OnUnknown
from homing.log import SEND_EXPIRED, SEND_LOST, SEND_SKIPPED, log
from homing.ports import Attempt

if TYPE_CHECKING:
    from homing.ports import Tx


# a plain number: each operation on a flag's own type costs a look-up
_LOOKUP = int(SendFlag.LOOKUP)


def move(tx: Tx, row: SendRow, state: str, *, was: str | None = None) -> None:
    """Count a send from one state into another, and set it on the row."""
    tx.books.count(f"sends:{was or row.state}", -1)
    tx.books.count(f"sends:{state}")
    row.state = state


def refuse(tx: Tx, row: SendRow, refusal: gate.Refusal) -> None:
    """End a send that the gate does not let leave; its lane goes on."""
    move(tx, row, refusal.state)
    row.reason, row.lane, row.head = refusal.reason, None, 0
    if row.flags & _LOOKUP:
        row.flags &= ~_LOOKUP
        tx.sends.fill_in(row, tx.sends.data(row.id))  # it is looked up no more
    else:
        tx.sends.save(row)
    expired = refusal.state == SendState.EXPIRED
    log.info(SEND_EXPIRED if expired else SEND_SKIPPED, send=row.key, reason=refusal.reason)


def end(tx: Tx, row: SendRow, signal: SendSignal, *, reason: str, now: int) -> None:
    """End a send by a signal of its table; its lane goes on."""
    state = ledger.after(SendState(row.state), signal)
    tx.sends.add_attempt(row.id, Attempt(row.attempt, now, signal.value, reason))
    if state == row.state:
        return
    move(tx, row, state)
    row.reason, row.lane, row.head, row.unknown_due = reason, None, 0, None
    tx.sends.save(row)


def accepted(tx: Tx, row: SendRow, message_id: str, *, now: int, silent_ms: int) -> None:
    """It was taken, whatever we thought meanwhile."""
    state = ledger.after(SendState(row.state), SendSignal.ACCEPT)
    move(tx, row, state)
    row.reason, row.lane, row.head, row.unknown_due = None, None, 0, None
    row.accepted_at = row.accepted_at or now
    row.message_id = row.message_id or message_id or None
    row.silent_due = None if row.last_event_at else now + silent_ms
    tx.sends.save(row)
    if message_id:
        tx.sends.add_trace(message_trace(message_id), row.id)


def lose(tx: Tx, row: SendRow, reason: str, *, now: int, healthy_ms: int, wait_ms: int) -> None:
    """Nobody knows: wait for evidence, on the clock that runs while evidence can arrive."""
    tx.sends.add_attempt(row.id, Attempt(row.attempt, now, "unknown", reason))
    move(tx, row, SendState.UNKNOWN)
    row.reason, row.unknown_due = reason, healthy_ms + wait_ms
    tx.sends.save(row)
    tx.books.count("unknown:total")
    log.warning(SEND_LOST, send=row.key, rule=row.rule, reason=reason)


def resolve(tx: Tx, row: SendRow, policy: OnUnknown, *, now: int, lane: int) -> None:
    """End the wait for evidence of an unknown send by policy, or by a person's word."""
    match policy:
        case OnUnknown.RESEND:
            move(tx, row, ledger.after(SendState(row.state), SendSignal.RESEND))
            row.due_at, row.unknown_due = now, None
            row.flags |= SendFlag.RESENT
            tx.books.count("unknown:resent")
            if row.lane is None:
                tx.sends.rejoin(row, lane=lane)
            else:
                tx.sends.save(row)
        case OnUnknown.PARK:
            move(tx, row, ledger.after(SendState(row.state), SendSignal.PARK))
            row.lane, row.head, row.unknown_due = None, 0, None
            tx.books.count("unknown:parked")
            tx.sends.save(row)
        case OnUnknown.DROP:
            move(tx, row, ledger.after(SendState(row.state), SendSignal.DROP))
            row.lane, row.head, row.unknown_due = None, 0, None
            tx.books.count("unknown:dropped")
            tx.sends.save(row)
        case _:
            assert_never(policy)

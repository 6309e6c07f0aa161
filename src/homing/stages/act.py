"""What a person may do to rows: resolve, retry, drop, replay, pause. Each is one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from homing.core import ledger
from homing.core.effects import Dest, EventState, send_number
from homing.core.errors import HomingError
from homing.core.ledger import SendSignal, SendState
from homing.core.plans import EmailClass, OnUnknown
from homing.log import DESTINATION_PAUSED, DESTINATION_RESUMED, log
from homing.ports import Pause
from homing.stages import moves
from homing.stages.admit import watch
from homing.stages.renew import renew
from homing.stages.reserve import lane_of
from homing.stages.unmade import UNMADE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from homing.core.effects import SendRow
    from homing.core.plans import Plans
    from homing.ports import Tx

PAUSABLE = tuple(dest.value for dest in Dest)


class NotThere(HomingError):
    """What was named is not in the store."""


class NotPossible(HomingError):
    """It is there, but in a state that does not allow it."""


def find_send(tx: Tx, key: str) -> SendRow:
    """
    A send by the id that is shown of it, or by its bare number.

    Raises:
        NotThere: There is none.
    """
    named = send_number(key)
    number = named[0] if named is not None else _number(key)
    row = None if number is None else tx.sends.get(number)
    if row is None or (named is not None and row.tag != named[1]):
        msg = f"no send {key}"
        raise NotThere(msg)
    return row


def event_number(key: str) -> int | None:
    """The number of an event as it is shown, "e12"; None of any other text."""
    return _number(key[1:]) if key[:1] == "e" else None


def _number(text: str) -> int | None:
    """A number that a row can have; None of any other text."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def resolve(tx: Tx, key: str, word: str, *, plans: Plans, now_ms: int) -> str:
    """
    Decide of an unknown or parked send: "sent", "resend" or "drop".

    Returns:
        The state it has now.

    Raises:
        NotThere, NotPossible: See there.
    """
    row = find_send(tx, key)
    state = SendState(row.state)
    if state not in (SendState.UNKNOWN, SendState.PARKED):
        msg = f"send {row.key} is {state}: only unknown and parked sends can be resolved"
        raise NotPossible(msg)
    if word == "sent":
        moves.move(tx, row, ledger.after(state, SendSignal.PROVE))
        row.reason, row.lane, row.head, row.unknown_due = None, None, 0, None
        row.accepted_at = row.accepted_at or now_ms
        tx.sends.save(row)
        tx.books.count("unknown:by_hand")
        return row.state
    lane = lane_of(row.person, EmailClass(row.kind))
    if word == "resend":
        _prolong(tx, row, plans, now_ms=now_ms)
    moves.resolve(tx, row, OnUnknown(word), now=now_ms, lane=lane)
    return row.state


def retry_send(tx: Tx, key: str, *, plans: Plans, now_ms: int) -> str:
    """
    Send again what was rejected, expired or given up; of an unknown one, see `resolve`.

    Raises:
        NotThere, NotPossible: See there.
    """
    row = find_send(tx, key)
    if row.state in (SendState.UNKNOWN, SendState.PARKED):
        return resolve(tx, key, "resend", plans=plans, now_ms=now_ms)
    if SendSignal.RESEND not in ledger.TRANSITIONS[SendState(row.state)]:
        msg = f"send {row.key} is {row.state}: it cannot be sent again"
        raise NotPossible(msg)
    moves.move(tx, row, SendState.RETRY)
    row.due_at, row.reason, row.unknown_due = now_ms, None, None
    _prolong(tx, row, plans, now_ms=now_ms)
    tx.sends.rejoin(row, lane=lane_of(row.person, EmailClass(row.kind)))
    return row.state


def _prolong(tx: Tx, row: SendRow, plans: Plans, *, now_ms: int) -> None:
    """Somebody asks for it now: its time starts again, and so long may its run's exits stop it."""
    email = plans.emails.get(row.email)
    if email is not None:
        row.expires_at = max(row.expires_at, now_ms + int(email.deliver_within_s * 1000))
        journey = plans.journeys.get(row.rule) if row.origin < 0 else None
        watch(tx, row, journey, until_ms=row.expires_at, now=now_ms)


def retry_effect(tx: Tx, number: int, *, plans: Plans, now_ms: int) -> str:
    """
    Try a dead effect again.

    Raises:
        NotThere, NotPossible: See there.
    """
    row = _dead_effect(tx, number)
    if row["payload"] == UNMADE:
        then = "" if row["event"] is None else f", then `homing replay e{row['event']}`"
        msg = f"effect {number} was never made, so it cannot be retried: mend its rule{then}"
        raise NotPossible(msg)
    refusal = renew(tx, row, plans)
    if refusal is not None:
        msg = f"effect {number}: {refusal}"
        raise NotPossible(msg)
    tx.effects.revive(number, now=now_ms)
    tx.books.count(f"effects:{row['dest']}:dead", -1)
    tx.books.count(f"effects:{row['dest']}:ready")
    return "ready"


def drop_effect(tx: Tx, number: int) -> str:
    """
    Give a dead effect up.

    Raises:
        NotThere, NotPossible: See there.
    """
    row = _dead_effect(tx, number)
    tx.effects.drop(number, "given up by hand")
    tx.books.count(f"effects:{row['dest']}:dead", -1)
    tx.books.count(f"effects:{row['dest']}:dropped")
    return "dropped"


def drop_event(tx: Tx, number: int) -> str:
    """
    Give a quarantined event up.

    Raises:
        NotThere, NotPossible: See there.
    """
    row = tx.events.get(number)
    if row is None:
        msg = f"no event {number}"
        raise NotThere(msg)
    if row.state is not EventState.QUARANTINED:
        msg = f"event {number} is {row.state}: only quarantined events can be dropped"
        raise NotPossible(msg)
    tx.events.set_state(number, EventState.DEAD, f"given up by hand; was: {row.reason}"[:500])
    tx.books.count("events:quarantined", -1)
    tx.books.count("events:dead")
    return "dead"


def of_dead(tx: Tx, key: str, word: str, *, plans: Plans, now_ms: int) -> str:
    """
    Retry or drop what is dead: "x12" an effect, "e12" an event, else a send.

    Returns:
        The state it has now.

    Raises:
        NotThere, NotPossible: See there.
    """
    number = _number(key[1:])
    if key[:1] == "e" and number is not None:
        return drop_event(tx, number)
    if key[:1] == "x" and number is not None:
        if word == "retry":
            return retry_effect(tx, number, plans=plans, now_ms=now_ms)
        return drop_effect(tx, number)
    if word == "retry":
        return retry_send(tx, key, plans=plans, now_ms=now_ms)
    msg = f"send {key}: unknown and parked sends are given up by `homing resolve --as drop`"
    raise NotPossible(msg)


def pause(tx: Tx, name: str, *, reason: str, now_ms: int) -> None:
    """
    Stop what leaves for a destination, or the sends of one email ("email/NAME").

    Raises:
        NotThere: No such destination.
    """
    _check_pausable(name)
    tx.books.pause(name, Pause(now_ms, reason, "operator"))
    log.warning(DESTINATION_PAUSED, destination=name, reason=reason)


def resume(tx: Tx, name: str, *, now_ms: int) -> int:
    """
    Let it leave again.

    Returns:
        How many sends that had stepped aside are back in their lanes.

    Raises:
        NotThere: No such destination.
    """
    _check_pausable(name)
    tx.books.resume(name)
    tx.books.clear_alert("paused", name)
    log.info(DESTINATION_RESUMED, destination=name)
    if not name.startswith("email/"):
        return 0
    return put_back(tx, name.removeprefix("email/"), now_ms=now_ms)


def put_back(tx: Tx, email: str, *, now_ms: int) -> int:
    """Let sends of an email that had stepped aside be due in their lanes; how many there were."""
    rows = tx.sends.aside(email, limit=100_000)
    for row in rows:
        row.due_at = now_ms
        tx.sends.rejoin(row, lane=lane_of(row.person, EmailClass(row.kind)))
    return len(rows)


def clear_alerts(tx: Tx, wanted: Mapping[str, str]) -> list[dict[str, str]]:
    """
    Clear alerts.

    Args:
        wanted: ``kind`` and ``subject`` of those; one that is not there is any.

    Returns:
        Kind and subject of each.
    """
    cleared = [
        one
        for one in tx.books.alerts()
        if all(getattr(one, key) == value for key, value in wanted.items())
    ]
    for one in cleared:
        tx.books.clear_alert(one.kind, one.subject)
    return [{"kind": one.kind, "subject": one.subject, "status": "cleared"} for one in cleared]


def _check_pausable(name: str) -> None:
    if name not in PAUSABLE and not name.startswith("email/"):
        msg = f"expected one of {', '.join(PAUSABLE)} or email/NAME, got {name!r}"
        raise NotThere(msg)


def _dead_effect(tx: Tx, number: int) -> dict[str, object]:
    row = tx.effects.get(number)
    if row is None:
        msg = f"no effect {number}"
        raise NotThere(msg)
    if row["state"] != "dead":
        msg = f"effect {number} is {row['state']}: only dead effects can be retried or dropped"
        raise NotPossible(msg)
    return dict(row)

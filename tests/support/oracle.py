"""
What must hold of an installation's files at any moment: read from the store, beside the service.

The other half of every judgement is the emulators' own ledgers.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import apsw

if TYPE_CHECKING:
    from homing.core.effects import SendRow

from homing.adapters.sqlite.log import log_path
from homing.adapters.sqlite.state import SqliteTx, reading
from homing.processes.books import Books, books_of

OPEN = ("reserved", "retry", "in_flight", "unknown")
_FULL_ADDRESS = re.compile(r"[\w.+%'-]{2,}@[\w-]+\.\w")


@contextmanager
def looking(state: Path) -> Iterator[SqliteTx]:
    """A snapshot of the state file."""
    with reading(state) as tx:
        yield tx


def log_head(state: Path) -> int:
    """The number of the newest durable request."""
    db = apsw.Connection(str(log_path(state)), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        head: int = db.execute("SELECT coalesce(max(seq), 0) FROM request").get
    finally:
        db.close()
    return head


def books(state: Path) -> Books:
    """The books of an installation, as `homing stats` reads them."""
    head = log_head(state)
    with looking(state) as tx:
        return books_of(tx, head=head)


def sends(state: Path) -> list[SendRow]:
    """The whole ledger, oldest first."""
    with looking(state) as tx:
        return tx.sends.newest(state=None, before=None, limit=1_000_000)[::-1]


def rows(state: Path, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """Whatever else a test wants to know of the state file."""
    db = apsw.Connection(str(state), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return _all(db, sql, values)
    finally:
        db.close()


def _all(db: apsw.Connection, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    return list(db.execute(sql, values))


def assert_books_balance(state: Path) -> None:
    """
    P5, on a store of which retention took nothing: every count is the count of its rows.

    Raises:
        AssertionError: One is not; says which.
    """
    head = log_head(state)
    with looking(state) as tx:
        _assert_balance(books_of(tx, head=head), tx.books._db)


def _assert_balance(kept: Books, db: apsw.Connection) -> None:
    """The same of one snapshot: the service may be at work meanwhile."""
    events = kept.events
    states = ("pending", "done", "filtered", "quarantined", "dead")
    assert events["received"] == sum(events[state] for state in states), events
    counted = {state: n for state, n in events.items() if state in states and n}
    assert dict(_all(db, "SELECT state, count(*) FROM event GROUP BY 1")) == counted
    in_ledger = dict(_all(db, "SELECT state, count(*) FROM send GROUP BY 1"))
    assert in_ledger == {state: n for state, n in kept.sends.items() if n}
    effects = {
        (dest, state): n for dest, by_state in kept.effects.items()
        for state, n in by_state.items() if n
    }  # fmt: skip
    found = _all(db, "SELECT dest, state, count(*) FROM effect GROUP BY 1, 2")
    assert {(dest, word): n for dest, word, n in found} == effects
    without = "SELECT id FROM event WHERE state IN ('filtered', 'quarantined', 'dead')"
    assert [] == _all(db, f"{without} AND coalesce(reason, '') = ''"), "undone without a reason"
    ended = "SELECT id FROM send WHERE state IN ('skipped', 'rejected', 'expired', 'unknown')"
    assert [] == _all(db, f"{ended} AND coalesce(reason, '') = ''"), "not sent without a reason"


def assert_lanes_sound(state: Path) -> None:
    """
    P4's bookkeeping: one head a lane, nothing ended in a lane, nothing open outside but by name.

    Raises:
        AssertionError: A lane is stuck or has two heads.
    """
    lanes: dict[int, list[SendRow]] = {}
    for row in sends(state):
        if row.lane is None:
            assert not row.head, row
            aside = row.state in ("reserved", "retry") and (row.reason or "")
            assert row.state not in OPEN or aside, f"open, and in no lane: {row}"
        else:
            assert row.state in OPEN, f"ended, and still in its lane: {row}"
            lanes.setdefault(row.lane, []).append(row)
    for lane, members in lanes.items():
        heads = [row for row in members if row.head]
        assert 1 == len(heads), f"lane {lane} has {len(heads)} heads: {members}"


def assert_log_clean(log: Path, secrets: Collection[str]) -> None:
    """
    No secret, no full address and no traceback of a stranger's bytes in what was logged.

    Raises:
        AssertionError: With the line.
    """
    for line in log.read_text("utf-8", "replace").splitlines():
        for secret in secrets:
            assert secret not in line, f"a secret is in the log: {line[:500]}"
        # a shortened name ends in an ellipsis, which JSON escapes
        found = _FULL_ADDRESS.search(line.replace(r"\u2026", "…"))
        assert found is None, f"an address is in the log: {line[:500]}"


def log_lines(log: Path, event: str | None = None) -> list[dict[str, Any]]:
    """The structured lines of a log, of one event's name or all."""
    lines = []
    for text in log.read_text("utf-8", "replace").splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict) and event in (None, line.get("event")):
            lines.append(line)
    return lines


def duplicates_are_accounted_for(accepted: Mapping[str, int], state: Path) -> list[str]:
    """
    Sends that reached SendGrid more often than the ledger can explain (P6).

    Args:
        accepted: How many mails SendGrid took, by ``homing_send``.

    Returns:
        What is wrong, a line each: more acceptances than one and each recorded unknown allow.
    """
    unknown = Counter(
        dict(rows(state, "SELECT send, count(*) FROM attempt WHERE outcome = 'unknown' GROUP BY 1"))
    )
    by_key = {row.key: row for row in sends(state)}
    wrong = []
    for key, n in accepted.items():
        row = by_key.get(key)
        if row is None:
            wrong.append(f"{key}: {n} mails of a send that is not in the ledger")
        elif n - 1 > unknown[row.id]:
            wrong.append(f"{key}: {n} mails, {unknown[row.id]} unknown outcomes; {row}")
    return wrong

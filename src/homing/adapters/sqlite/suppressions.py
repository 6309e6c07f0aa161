"""Who may not be mailed: answers ``ports.Suppressions``."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import TYPE_CHECKING

from homing.adapters.sqlite.sql import executing, load
from homing.core.reconcile_suppressions import ListName, Repair, Side
from homing.core.suppression import Records, Source, Suppression

if TYPE_CHECKING:
    import apsw

SQL = load("suppressions")


class SqliteSuppressions:
    """
    See `homing.ports.Suppressions`.

    Args:
        key: Gives the store's own secret, so that a kept hash does not tell whose address it is.
    """

    def __init__(self, db: apsw.Connection, *, key: Callable[[], bytes]) -> None:
        self._execute = executing(db)
        self._secret = key
        self._key: bytes | None = None

    def of(self, address: str) -> Records:
        """All records of an address, by scope."""
        rows = self._execute(SQL.of, (self._hash(address),)).fetchall()
        return {
            scope: Suppression(scope, bool(active), at, Source(source), reason)
            for scope, active, source, reason, at in rows
        }

    def save(self, address: str, record: Suppression) -> None:
        """Write one."""
        self._execute(
            SQL.save,
            (self._hash(address), record.scope, address.strip().lower(), record.suppressed,
             record.source, record.reason, record.at_ms),
        )  # fmt: skip

    def hide(self, address: str) -> None:
        """Keep the records of an erased person under the keyed hash alone."""
        self._execute(SQL.hide, (self._hash(address),))
        self._execute(SQL.forget_address, (address.strip().lower(),))

    def is_hidden(self, address: str) -> bool:
        """Whether records of the address are kept under the keyed hash alone."""
        return bool(self._execute(SQL.is_hidden, (self._hash(address),)).get)

    def mark(self, address: str, scope: str, *, reading: int) -> None:
        """A reading met it in SendGrid's list."""
        self._execute(SQL.mark, (reading, self._hash(address), scope))

    def unmarked(self, scope: str, *, reading: int, limit: int) -> list[tuple[str, Suppression]]:
        """Opt-outs within a scope that no reading since has met, with their addresses."""
        rows = self._execute(SQL.unmarked, (scope, reading, limit)).fetchall()
        return [
            (address, Suppression(scope, bool(active), at, Source(source), reason))
            for address, active, source, reason, at in rows
        ]

    def note(self, repair: Repair, *, reading: int) -> None:
        """Keep what a reading found missing."""
        self._execute(
            SQL.note,
            (reading, repair.list, repair.address.strip().lower(), repair.side, repair.suppressed,
             repair.at_ms),
        )  # fmt: skip

    def noted(self, reading: int, *, limit: int) -> list[Repair]:
        """What a reading found missing, in order."""
        rows = self._execute(SQL.noted, (reading, limit)).fetchall()
        return [
            Repair(ListName(name), address, Side(side), bool(active), at)
            for name, address, side, active, at in rows
        ]

    def forget_noted(self, *, keep: int) -> None:
        """Drop what other readings found missing."""
        self._execute(SQL.forget_noted, (keep,))

    def _hash(self, address: str) -> bytes:
        if self._key is None:
            self._key = self._secret()
        named = address.strip().lower().encode("utf-8", "surrogatepass")
        return blake2b(named, key=self._key, digest_size=16).digest()

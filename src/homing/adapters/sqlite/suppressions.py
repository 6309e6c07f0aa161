"""Who may not be mailed: answers ``ports.Suppressions``."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import TYPE_CHECKING

from homing.adapters.sqlite.sql import executing, load
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

    def _hash(self, address: str) -> bytes:
        if self._key is None:
            self._key = self._secret()
        named = address.strip().lower().encode("utf-8", "surrogatepass")
        return blake2b(named, key=self._key, digest_size=16).digest()

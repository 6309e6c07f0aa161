"""Who may not be mailed: answers ``ports.Suppressions``."""

from __future__ import annotations

from dataclasses import replace

from homing.adapters.memory.table import Journal, Table
from homing.core.suppression import Records, Suppression


class MemorySuppressions:
    """See `homing.ports.Suppressions`."""

    def __init__(self, journal: Journal) -> None:
        self._records: Table[str, Records] = Table(journal)

    def of(self, address: str) -> Records:
        """All records of an address, by scope."""
        return dict(self._records.get(_key(address)) or {})

    def save(self, address: str, record: Suppression) -> None:
        """Write one."""
        self._records[_key(address)] = {**self.of(address), record.scope: record}

    def hide(self, address: str) -> None:
        """Keep the records of an erased person without what they say of it."""
        kept = {scope: replace(record, reason="") for scope, record in self.of(address).items()}
        if kept:
            self._records[_key(address)] = kept


def _key(address: str) -> str:
    return address.strip().lower()

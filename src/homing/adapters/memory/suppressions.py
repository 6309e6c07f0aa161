"""Who may not be mailed: answers ``ports.Suppressions``."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

from homing.adapters.memory.table import Journal, Table
from homing.core.reconcile_suppressions import Repair
from homing.core.suppression import Records, Suppression


class MemorySuppressions:
    """See `homing.ports.Suppressions`."""

    def __init__(self, journal: Journal) -> None:
        self._records: Table[str, Records] = Table(journal)
        self._hidden: Table[tuple[str, str], None] = Table(journal)
        self._marks: Table[tuple[str, str], int] = Table(journal)
        self._noted: Table[int, tuple[int, Repair]] = Table(journal)

    def of(self, address: str) -> Records:
        """All records of an address, by scope."""
        return dict(self._records.get(_key(address)) or {})

    def save(self, address: str, record: Suppression) -> None:
        """Write one."""
        self._hidden.drop((_key(address), record.scope))
        self._records[_key(address)] = {**self.of(address), record.scope: record}

    def hide(self, address: str) -> None:
        """Keep the records of an erased person without what they say of it."""
        kept = {scope: replace(record, reason="") for scope, record in self.of(address).items()}
        if kept:
            self._records[_key(address)] = kept
        for scope in kept:
            self._hidden[_key(address), scope] = None
        for number, (_, repair) in self._noted.items():
            if repair.address == _key(address):
                self._noted.drop(number)

    def is_hidden(self, address: str) -> bool:
        """Whether records of the address are kept without what they say of it."""
        return any((_key(address), scope) in self._hidden for scope in self.of(address))

    def mark(self, address: str, scope: str, *, reading: int) -> None:
        """A reading met it in SendGrid's list."""
        if scope in self.of(address):
            self._marks[_key(address), scope] = reading

    def unmarked(self, scope: str, *, reading: int, limit: int) -> list[tuple[str, Suppression]]:
        """Opt-outs within a scope that no reading since has met, with their addresses."""
        found = (
            (address, records[scope])
            for address, records in self._records.items()
            if scope in records
            and records[scope].suppressed
            and (address, scope) not in self._hidden
            and (self._marks.get((address, scope)) or 0) < reading
        )
        return list(islice(found, limit))

    def note(self, repair: Repair, *, reading: int) -> None:
        """Keep what a reading found missing."""
        number = max(self._noted, default=0) + 1
        self._noted[number] = (reading, replace(repair, address=_key(repair.address)))

    def noted(self, reading: int, *, limit: int) -> list[Repair]:
        """What a reading found missing, in order."""
        found = (repair for of, repair in self._noted.values() if of == reading)
        return list(islice(found, limit))

    def forget_noted(self, *, keep: int) -> None:
        """Drop what other readings found missing."""
        for number, (reading, _) in self._noted.items():
            if reading != keep:
                self._noted.drop(number)


def _key(address: str) -> str:
    return address.strip().lower()

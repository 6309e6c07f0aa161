"""
Ids already taken in, in memory that does not grow with each of them.

The ids lie in the file in generations (see the schema). Before a generation is asked, a Bloom
filter over four of them says that it cannot hold the id, as it does for all but a few new ids.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from homing.adapters.sqlite.sql import load
from homing.ports import Seen

if TYPE_CHECKING:
    import apsw

GENERATION_BITS = 16
FILTER_GENERATIONS = 4
FILTER_BYTES = 1 << 19
_MASK = FILTER_BYTES * 8 - 1

SQL = load("events")


@dataclass(slots=True)
class Filter:
    """Four generations' worth of ids: says "surely not" or "perhaps"."""

    first_gen: int
    newest_at: int = 0
    bits: bytearray = field(default_factory=lambda: bytearray(FILTER_BYTES))

    def add(self, key: int) -> None:
        """Take a signed 8-byte hash in."""
        bits = self.bits
        for probe in (key & _MASK, (key >> 21) & _MASK, (key >> 42) & _MASK):
            bits[probe >> 3] |= 1 << (probe & 7)

    def may_hold(self, key: int) -> bool:
        """False: it was never added."""
        bits = self.bits
        probe = key & _MASK
        if not bits[probe >> 3] >> (probe & 7) & 1:
            return False
        probe = (key >> 21) & _MASK
        if not bits[probe >> 3] >> (probe & 7) & 1:
            return False
        probe = (key >> 42) & _MASK
        return bool(bits[probe >> 3] >> (probe & 7) & 1)


class SeenIds:
    """The ids of one state file."""

    def __init__(self, db: apsw.Connection) -> None:
        self._db = db
        self._filters: list[Filter] = []
        for first_gen, newest_at, bits in db.execute(SQL.filters):
            self._filters.append(Filter(first_gen, newest_at, bytearray(bits)))
        self._rebuild_open()

    def find(self, key: int) -> Seen | None:
        """The event that took an id in, newest generation first."""
        for held in reversed(self._filters):
            if not held.may_hold(key):
                continue
            for gen in range(held.first_gen + FILTER_GENERATIONS - 1, held.first_gen - 1, -1):
                row = self._db.execute(SQL.seen_in, (gen, key)).fetchone()
                if row is not None:
                    return Seen(*row)
        return None

    def add(self, key: int, *, body: int, event: int, at: int) -> None:
        """Take an id in."""
        gen = event >> GENERATION_BITS
        held = self._open_filter(gen)
        held.add(key)
        held.newest_at = max(held.newest_at, at)
        self._db.execute(SQL.remember, (gen, key, body, event))

    def drop_before(self, before_ms: int) -> int:
        """Drop the oldest filters, with their generations, whose newest id is older."""
        gone = 0
        while len(self._filters) > 1 and self._filters[0].newest_at < before_ms:
            oldest = self._filters.pop(0)
            until = oldest.first_gen + FILTER_GENERATIONS
            self._db.execute(SQL.drop_seen, (oldest.first_gen, until))
            self._db.execute(SQL.drop_filter, (oldest.first_gen,))
            gone += 1
        return gone

    def _open_filter(self, gen: int) -> Filter:
        newest = self._filters[-1] if self._filters else None
        if newest is not None and gen < newest.first_gen + FILTER_GENERATIONS:
            return newest
        if newest is not None:  # it is complete: keep it, so that a start need not rebuild it
            self._db.execute(
                SQL.save_filter, (newest.first_gen, newest.newest_at, bytes(newest.bits))
            )
        opened = Filter(gen - gen % FILTER_GENERATIONS)
        self._filters.append(opened)
        return opened

    def _rebuild_open(self) -> None:
        """Fill the filter of the generations that no saved filter covers."""
        last = self._db.execute(SQL.seen_last).fetchone()
        if last is None:
            return
        first = last[0] - last[0] % FILTER_GENERATIONS
        if any(held.first_gen == first for held in self._filters):
            return
        opened = Filter(first)
        for (key,) in self._db.execute(SQL.seen_keys, (first, first + FILTER_GENERATIONS)):
            opened.add(key)
        newest = self._db.execute(SQL.newest, (1 << 62, 1)).fetchone()
        opened.newest_at = newest[10] if newest else 0
        self._filters.append(opened)

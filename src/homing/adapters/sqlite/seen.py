"""
Ids already taken in, in memory that does not grow with each of them.

The ids lie in the file in generations (see the schema). Before the generations of a window are
asked, a Bloom filter over them says that they cannot hold the id, as it does for all but a few
new ids.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING

from homing.adapters.sqlite.generations import DEFAULT, Generations
from homing.adapters.sqlite.sql import executing, load
from homing.ports import Seen

if TYPE_CHECKING:
    import apsw

# two bits for each value of twelve: three look-ups make the six bits that a key has in its word
_PAIRS = tuple(1 << (n & 63) | 1 << (n >> 6) for n in range(4096))

SQL = load("events")


@dataclass(slots=True)
class Filter:
    """A window's worth of ids: says "surely not" or "perhaps"."""

    first_gen: int
    newest_at: int
    words: array[int]

    @classmethod
    def empty(cls, first_gen: int, bits: int) -> Filter:
        """A filter of no ids."""
        return cls(first_gen, 0, array("Q", bytes(8 << bits)))


class SeenIds:
    """The ids of one state file."""

    def __init__(self, db: apsw.Connection, generations: Generations = DEFAULT) -> None:
        self._execute = executing(db)
        self._changes = db.changes
        self._bits = generations.event
        self._words = generations.words
        self._places = (1 << generations.words) - 1
        self._window = 1 << generations.window
        self._filters: dict[int, Filter] = {}
        self._newest_first: list[Filter] = []
        self._last_gen = -1
        for first_gen, newest_at, words in self._execute(SQL.filters).fetchall():
            self._filters[first_gen] = Filter(first_gen, newest_at, array("Q", words))
        self._rebuild()
        self._sort()

    def find(self, key: int) -> Seen | None:
        """The event that took an id in."""
        mask = _PAIRS[key & 4095] | _PAIRS[key >> 12 & 4095] | _PAIRS[key >> 24 & 4095]
        place = key >> 36 & self._places
        for held in self._newest_first:
            if held.words[place] & mask == mask:
                found = self._in_window(held, key)
                if found is not None:
                    return found
        return None

    def add(self, key: int, *, body: int, event: int, at: int) -> None:
        """Take an id in."""
        gen = event >> self._bits
        held = self._filters.get(gen - gen % self._window)
        if held is None:
            held = self._open(gen - gen % self._window)
        self._take_in(held, key)
        held.newest_at = max(held.newest_at, at)
        self._last_gen = max(self._last_gen, gen)
        self._execute(SQL.remember, (gen, key, body, event))

    def drop_before(self, before_ms: int, *, limit: int) -> int:
        """Drop ids of windows whose newest one is older, *limit* at a time; how many went."""
        while len(self._newest_first) > 1 and self._newest_first[-1].newest_at < before_ms:
            oldest = self._newest_first.pop()
            del self._filters[oldest.first_gen]
            self._execute(SQL.drop_filter, (oldest.first_gen,))
        if not self._newest_first:
            return 0
        self._execute(SQL.prune_seen, (self._newest_first[-1].first_gen, limit))
        return int(self._changes())

    def _in_window(self, held: Filter, key: int) -> Seen | None:
        last = min(held.first_gen + self._window - 1, self._last_gen)
        for gen in range(last, held.first_gen - 1, -1):
            row = self._execute(SQL.seen_in, (gen, key)).get
            if row is not None:
                return Seen(*row)
        return None

    def _take_in(self, held: Filter, key: int) -> None:
        held.words[key >> 36 & self._places] |= (
            _PAIRS[key & 4095] | _PAIRS[key >> 12 & 4095] | _PAIRS[key >> 24 & 4095]
        )

    def _open(self, first_gen: int) -> Filter:
        self._save_complete(first_gen)
        opened = self._filters[first_gen] = Filter.empty(first_gen, self._words)
        self._sort()
        return opened

    def _save_complete(self, before_gen: int) -> None:
        """Keep what is complete, so that a start need not rebuild it."""
        # all that are not there: the last time may have been undone
        kept = {row[0] for row in self._execute(SQL.filtered).fetchall()}
        for held in self._newest_first:
            if held.first_gen < before_gen and held.first_gen not in kept:
                self._execute(
                    SQL.save_filter, (held.first_gen, held.newest_at, held.words.tobytes())
                )

    def _rebuild(self) -> None:
        """Fill the filters that were not kept: of the open window, and of what a crash undid."""
        first, self._last_gen = self._execute(SQL.seen_ends).get
        if first is None:
            self._last_gen = -1
            return
        for first_gen in range(first - first % self._window, self._last_gen + 1, self._window):
            if first_gen in self._filters:
                continue
            filled = self._filters[first_gen] = Filter.empty(first_gen, self._words)
            until = first_gen + self._window
            for (key,) in self._execute(SQL.seen_keys, (first_gen, until)).fetchall():
                self._take_in(filled, key)
            filled.newest_at = self._time_before(until << self._bits)

    def _time_before(self, event: int) -> int:
        """When the newest event before that number came; later rather than too early."""
        at: int | None = self._execute(SQL.newest_before, (event,)).get
        if at is None:  # retention took them all: they are older than anything still there
            at = self._execute(SQL.newest_before, (1 << 62,)).get
        return 1 << 62 if at is None else at

    def _sort(self) -> None:
        self._newest_first = [self._filters[gen] for gen in sorted(self._filters, reverse=True)]

"""Who was erased, by keyed hash, and how far each erasure came: answers ``ports.Erasures``."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

import msgspec

from homing.adapters.sqlite.books import SQL as BOOKS
from homing.adapters.sqlite.sql import executing, load
from homing.core.erasure import Asked, Done, Entry, Erasure, Progress, Step
from homing.core.people import Identity, IdKind

if TYPE_CHECKING:
    import apsw

    from homing.adapters.sqlite.erased import ErasedJournal
    from homing.core.erasure import NewErasure

SQL = load("erasures")
NEWEST = 1 << 62
# how much of the journal is known: what is cheap to look at when a service starts
KNOWN: Final = "erased_bytes"


class SqliteErasures:
    """
    See `homing.ports.Erasures`.

    Args:
        key: Gives the store's own secret.

        journal: The file beside the state; None of a store that is only read, or in memory.
    """

    def __init__(
        self, db: apsw.Connection, *, key: Callable[[], bytes], journal: ErasedJournal | None = None
    ) -> None:
        self._db = db
        self._execute = executing(db)
        self._secret = key
        self._key: bytes | None = None
        self._journal = journal
        self._lines: list[Entry] = []
        self._until: int | None = None

    # -- what waits for the end of the transaction's function

    def mark(self) -> list[Entry]:
        """The lines not yet written, to return to by `reset`."""
        return self._lines.copy()

    def reset(self, mark: list[Entry]) -> None:
        """Forget the lines since the mark."""
        self._lines = mark

    def flush(self) -> None:
        """
        Have the journal on disk before the transaction is.

        Raises:
            StoreFull, StoreFailed: It cannot be written.
        """
        lines, self._lines = self._lines, []
        if not lines or self._journal is None:
            return
        known = self._execute(BOOKS.get_meta, (KNOWN,)).get or 0
        before, after = self._journal.append(lines)
        if known == before:  # else there is more in it that has to be looked at
            self._execute(BOOKS.set_meta, (KNOWN, after))

    # -- one erasure

    @property
    def until(self) -> int:
        """No erasure concerns requests of the log from this number on."""
        if self._until is None:
            self._until = int(self._execute(SQL.until).get)
        return self._until

    def add(self, erasure: NewErasure) -> int:
        """Keep an erasure, and a line of the journal: its number."""
        entry = erasure.entry or self._entry_of(erasure)
        if erasure.entry is None and entry.keys:
            self._lines.append(entry)
        people = msgspec.json.encode(erasure.people).decode()
        values = (entry.id, erasure.at, erasure.by, people, erasure.request, erasure.item)
        number = int(self._execute(SQL.add, values).get)
        self._db.executemany(SQL.add_person, [(one, number) for one in erasure.people])
        self._db.executemany(SQL.add_name, [(number, *_row(name)) for name in erasure.names])
        hashes = [bytes.fromhex(key.partition(":")[2]) for key in entry.keys]
        rows = [(key, number, entry.at, entry.request) for key in hashes]
        self._db.executemany(SQL.add_key, rows)
        self._until = max(self.until, entry.request)
        return number

    def get(self, number: int) -> Erasure | None:
        """One erasure."""
        return next(self._erasures(SQL.get, (number,)), None)

    def newest(self, *, before: int | None, limit: int) -> list[Erasure]:
        """Erasures, newest first."""
        return list(self._erasures(SQL.newest, (NEWEST if before is None else before, limit)))

    def open(self, *, after: int, limit: int) -> list[Erasure]:
        """Those that are not over, oldest first, from beyond number *after*."""
        return list(self._erasures(SQL.open, (after, limit)))

    def earlier(self, name: Identity) -> int | None:
        """The newest erasure of a name."""
        number: int | None = self._execute(SQL.earlier, (self._hash(name),)).get
        return number

    def is_erased(self, name: Identity, *, request: int, received_ms: int) -> bool:
        """Whether somebody was erased after this request of the log was received."""
        return bool(self._execute(SQL.is_erased, (self._hash(name), request, received_ms)).get)

    def note(self, number: int, done: Done) -> None:
        """Keep a step of an erasure."""
        detail = msgspec.json.encode(done.detail).decode()
        self._execute(SQL.note, (number, done.step, done.at, detail))

    def note_of(self, people: Sequence[int], done: Done) -> None:
        """The same for the erasures of these people."""
        found = (self._execute(SQL.of_person, (one,)).fetchall() for one in people)
        numbers = {row[0] for rows in found for row in rows} | {-one for one in people if one < 0}
        for number in sorted(numbers):
            self.note(number, done)

    def steps(self, number: int) -> list[Done]:
        """The steps of an erasure, in order."""
        rows = self._execute(SQL.steps, (number,)).fetchall()
        return [Done(Step(step), at, msgspec.json.decode(detail)) for step, at, detail in rows]

    def end(self, number: int, progress: Progress) -> None:
        """Whether it is over."""
        self._execute(SQL.end, (progress, number))

    def unsearched(self, *, limit: int) -> list[tuple[Erasure, tuple[Identity, ...]]]:
        """Erasures for which the log is still to be searched, with the names; oldest first."""
        numbers = [row[0] for row in self._execute(SQL.unsearched, (limit,)).fetchall()]
        found = [(self.get(number), self._names(number)) for number in numbers]
        return [(erasure, names) for erasure, names in found if erasure is not None]

    def searched(self, numbers: Sequence[int]) -> None:
        """It was: the names go."""
        self._db.executemany(SQL.searched, [(number,) for number in numbers])

    # -- the journal

    def to_repeat(self) -> list[Entry]:
        """What the journal has and this store does not know: it is older."""
        if self._journal is None:
            return []
        if self._journal.size() == (self._execute(BOOKS.get_meta, (KNOWN,)).get or 0):
            return []
        known = {row[0] for row in self._execute(SQL.entries).fetchall()}
        return [entry for entry in self._journal.entries() if entry.id not in known]

    def named_by(self, entries: Sequence[Entry]) -> Mapping[str, Sequence[Identity]]:
        """The names in the store that are hashed in these lines of the journal, by their ids."""
        of_key: dict[str, list[str]] = {}
        for entry in entries:
            for key in entry.keys:
                of_key.setdefault(key, []).append(entry.id)
        found: dict[str, list[Identity]] = {}
        for name in self._all_names():
            for entry_id in of_key.get(f"{int(name.kind)}:{self._hash(name).hex()}", ()):
                found.setdefault(entry_id, []).append(name)
        return found

    def repeated(self) -> None:
        """All that the journal has is known."""
        if self._journal is not None:
            self._execute(BOOKS.set_meta, (KNOWN, self._journal.size()))

    def _entry_of(self, erasure: NewErasure) -> Entry:
        keys = tuple(f"{int(name.kind)}:{self._hash(name).hex()}" for name in erasure.names)
        return Entry(secrets.token_hex(8), erasure.at, erasure.request, keys, erasure.whole)

    def _all_names(self) -> Iterator[Identity]:
        for kind, value in self._db.execute(SQL.all_names):
            yield Identity(IdKind(kind), value)
        for (address,) in self._db.execute(SQL.all_addresses):
            yield Identity(IdKind.EMAIL, address)

    def _names(self, number: int) -> tuple[Identity, ...]:
        rows = self._execute(SQL.names, (number,)).fetchall()
        return tuple(Identity(IdKind(kind), value) for kind, value in rows)

    def _erasures(self, sql: str, values: tuple[int, ...]) -> Iterator[Erasure]:
        for row in self._execute(sql, values).fetchall():
            yield _erasure(row)

    def _hash(self, name: Identity) -> bytes:
        if self._key is None:
            self._key = self._secret()
        text = f"{int(name.kind)}:{name.value}".encode("utf-8", "surrogatepass")
        return blake2b(text, key=self._key, digest_size=16, person=b"erased").digest()


def _row(name: Identity) -> tuple[int, str]:
    return int(name.kind), name.value


def _erasure(row: tuple[Any, ...]) -> Erasure:
    number, at, by, progress, people, request, item = row
    numbers = tuple(msgspec.json.decode(people))
    return Erasure(number, at, Asked(by), Progress(progress), numbers, request, item)

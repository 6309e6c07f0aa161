"""The state in memory: answers ``ports.Store``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from homing.adapters.memory.books import MemoryBooks
from homing.adapters.memory.effects import MemoryEffects
from homing.adapters.memory.erasures import MemoryErasures
from homing.adapters.memory.events import MemoryEvents
from homing.adapters.memory.members import MemoryJobs, MemoryMembers
from homing.adapters.memory.people import MemoryPeople
from homing.adapters.memory.runs import MemoryRuns
from homing.adapters.memory.sends import MemorySends
from homing.adapters.memory.suppressions import MemorySuppressions
from homing.adapters.memory.table import Journal

T = TypeVar("T")


class MemoryTx:
    """What a transaction's function may use: answers ``ports.Tx``."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.events = MemoryEvents(journal)
        self.sends = MemorySends(journal)
        self.effects = MemoryEffects(journal)
        self.runs = MemoryRuns(journal, self.sends)
        self.members = MemoryMembers(journal)
        self.jobs = MemoryJobs(journal)
        self.people = MemoryPeople(
            journal, events=self.events, sends=self.sends, effects=self.effects, runs=self.runs,
            members=self.members,
        )  # fmt: skip
        self.erasures = MemoryErasures(journal)
        self.suppressions = MemorySuppressions(journal)
        self.books = MemoryBooks(journal)

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undo what the block did, its counts too, if it raises."""
        mark = self._journal.mark()
        try:
            yield
        except BaseException:
            self._journal.undo(mark)
            raise


class MemoryState:
    """A store that is gone with the process."""

    def __init__(self) -> None:
        self._journal = Journal()
        self._tx = MemoryTx(self._journal)
        self._journal.keep()

    @property
    def now(self) -> MemoryTx:
        """What is in it, to be read."""
        return self._tx

    async def write(self, job: Callable[[MemoryTx], T]) -> T:
        """Run *job* in a transaction; its result, or what it raised, undone."""
        await asyncio.sleep(0)  # as in a store with a disk, others have their turn first
        return self.write_now(job)

    async def scrub(self) -> bool:
        """There is no file."""
        return True

    def write_now(self, job: Callable[[MemoryTx], T]) -> T:
        """The same where nobody else is: in a simulation."""
        try:
            result = job(self._tx)
        except BaseException:
            self._journal.undo(0)
            raise
        self._journal.keep()
        return result

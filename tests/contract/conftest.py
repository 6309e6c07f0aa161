"""Every store there is, cut so small that a few rows cross all its boundaries."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from homing.adapters.memory import MemoryLog, MemoryLogReader, MemoryState
from homing.adapters.sqlite.ballast import Ballast
from homing.adapters.sqlite.faults import StoreFailed
from homing.adapters.sqlite.generations import Generations
from homing.adapters.sqlite.log import SqliteLog, SqliteLogReader
from homing.adapters.sqlite.state import SqliteState
from homing.ports import LogReader, LogWriter, Store

# four events a generation of ids, two generations a filter, four sends a generation of traces
SMALL = Generations(event=2, trace=2, window=1, words=3)


def no_fault(error: StoreFailed) -> None:
    """No disk fails here."""
    raise error


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """An empty store."""
    if request.param == "memory":
        yield MemoryState()
        return
    state = SqliteState(
        tmp_path / "homing.db",
        on_fatal=no_fault,
        synchronous="OFF",
        ballast=Ballast(tmp_path, size=0),
        generations=SMALL,
    )
    yield state
    await state.close()


@pytest.fixture(params=["memory", "sqlite"])
async def log(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[tuple[LogWriter, LogReader]]:
    """An empty log, from both sides."""
    if request.param == "memory":
        memory = MemoryLog()
        yield memory, MemoryLogReader(memory)
        return
    path = tmp_path / "homing.log.db"
    writer = SqliteLog(
        path, on_fatal=no_fault, synchronous="OFF", ballast=Ballast(tmp_path, size=0)
    )
    reader = SqliteLogReader(path)
    yield writer, reader
    reader.close()
    await writer.close()

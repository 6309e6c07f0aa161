"""One real stage alone: the worker's own assembly, and no other stage turning beside it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import uvloop

from homing import log as logs
from homing.bench.piped import attend, task_of
from homing.config import load
from homing.processes import garbage
from homing.processes.assembly import Assembly, assemble
from homing.processes.list_reconciling import reports_of
from homing.stages.reconciliation import kept_of

if TYPE_CHECKING:
    from homing.adapters.sqlite.engine import StoreFailed
    from homing.stages.deliver import Deliverer
    from homing.stages.write_back import WriteBack

WAIT_S = 0.05
CONFIRMED = "effects:contacts:done"


class StageTask(msgspec.Struct):
    """``config``: of whose files; ``connections``: how many sends may fly at once."""

    config: str
    connections: int = 64


class Done(msgspec.Struct):
    """How much the stage did, in how long."""

    done: int
    elapsed_s: float

    @property
    def per_second(self) -> float:
        """How much a second."""
        return self.done / self.elapsed_s


async def evaluate(assembly: Assembly) -> int:
    """Evaluate all that is in the log; how many events there were."""
    before = await assembly.store.write(lambda tx: tx.events.cursor())
    while await assembly.stages.evaluate.evaluate_batch():  # noqa: ASYNC110  the loop's own way
        await asyncio.sleep(0)
    after = await assembly.store.write(lambda tx: tx.events.cursor())
    return after.next_event - before.next_event


async def tick(assembly: Assembly) -> int:
    """Let the time of all runs that are due be over; how many there were."""
    total = 0
    while done := await assembly.stages.wake.wake_batch():
        total += done
        await asyncio.sleep(0)
    return total


async def deliver(assembly: Assembly) -> int:
    """Send all that is due, until every outcome is recorded; how many sends there were."""
    return await _drained(assembly.stages.deliver)


async def write_back(assembly: Assembly) -> int:
    """Write all calls that are ready to Segment; how many there were."""
    return await _drained(assembly.stages.write_back)


async def reconcile(assembly: Assembly) -> int:
    """Read SendGrid's lists from their beginning, as fast as it goes; how many rows there were."""
    stage = assembly.stages.reconcile
    stage.asker.rate.per_second, stage.asker.rate.share = 1e9, 1.0
    number = await stage.start(full=True, dry=False)
    await stage.done()
    done = (await assembly.store.write(kept_of)).of(number)
    return 0 if done is None else done.pulled


async def contacts(assembly: Assembly) -> int:
    """Write all contacts that are ready, until each is confirmed; how many there were."""
    stage = assembly.stages.contacts
    stage.asker.rate.per_second = 1e9
    before = (await assembly.store.write(lambda tx: tx.books.counts())).get(CONFIRMED, 0)
    while True:
        stage.wake.clear()
        await stage.deliver_batch()
        counts = await assembly.store.write(lambda tx: tx.books.counts())
        if not any(counts.get(f"effects:contacts:{state}", 0) for state in ("ready", "sent")):
            return counts.get(CONFIRMED, 0) - before
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WAIT_S):
                await stage.wake.wait()


async def lists(assembly: Assembly) -> int:
    """Hold every list against SendGrid's; how many members there are."""
    stage = assembly.stages.reconcile_lists
    stage.asker.rate.per_second, stage.asker.rate.share = 1e9, 1.0
    names = await stage.start([], dry=False)
    await stage.done()
    return await assembly.store.write(
        lambda tx: sum(row["members"] for row in reports_of(tx, names))
    )


async def peak_mib(_assembly: Assembly) -> int:
    """The most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


async def _drained(stage: Deliverer | WriteBack) -> int:
    total = 0
    while True:
        stage.wake.clear()
        done = await stage.deliver_batch()
        total += done
        if done:
            continue
        if not stage.flying:
            await stage.land()
            # what landed last may have freed a lane
            done = await stage.deliver_batch()
            total += done
            if not done:
                return total
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WAIT_S):
                await stage.wake.wait()


_STAGES = {
    "evaluate": evaluate,
    "tick": tick,
    "deliver": deliver,
    "write_back": write_back,
    "reconcile": reconcile,
    "contacts": contacts,
    "lists": lists,
    "peak_mib": peak_mib,
}


async def main(task: StageTask) -> None:
    """Assemble, then do each stage that is named until there is nothing left for it."""

    def on_fatal(error: StoreFailed) -> None:
        raise error

    loaded = load(Path(task.config), environ=os.environ)
    assembly = await assemble(loaded, os.environ, on_fatal=on_fatal)
    assembly.stages.deliver.connections = task.connections
    garbage.settle()

    async def obey(word: str) -> Done:
        started = time.monotonic()
        done = await _STAGES[word](assembly)
        return Done(done, time.monotonic() - started)

    await attend({}, obey)
    await assembly.close()


if __name__ == "__main__":
    logs.set_up(level="error")
    uvloop.run(main(task_of(StageTask)))

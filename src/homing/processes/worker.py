"""The worker: evaluates, delivers, writes home, and serves admin and commands."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    # structlog loads it if it can, for tracebacks that we do not print: 3 MiB in each process
    sys.modules["rich"] = None  # type: ignore[assignment]  # the import system's way to say no

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from homing import __version__
from homing import log as logs
from homing.adapters.sqlite.engine import StoreCorrupt, StoreFailed
from homing.adapters.sqlite.migrate import NewerSchema
from homing.adapters.sqlite.state import StoreBusy
from homing.adapters.systemd import is_journal
from homing.config import ConfigError, MissingSecret, load
from homing.core.errors import HomingError
from homing.log import log
from homing.pipeline import loops
from homing.processes import garbage
from homing.processes.acts import Acts
from homing.processes.admin import Admin, admin_runner
from homing.processes.assembly import Assembly, assemble
from homing.processes.channel import Channel
from homing.processes.children import Parent
from homing.processes.control import control_path, listen
from homing.processes.exits import EX_CONFIG, EX_DATAERR, EX_IOERR, EX_TEMPFAIL
from homing.processes.listeners import BadListener
from homing.processes.receiver import Ask, News, run_loop
from homing.processes.waiting import first_of

if TYPE_CHECKING:
    import socket

    from homing.ports import Tx

# shorter than what the supervisor leaves us after the receiver's end
LAND_S = 12.0
# a loop silent for longer does not turn
STUCK_S = 15.0
HOUSEKEEPING_S = 1.0
ERASE_AT_ONCE = 200


class Worker:
    """The process's parts, also used inside a single process."""

    def __init__(self, assembly: Assembly, *, channel: Channel, parent: Parent) -> None:
        self.assembly = assembly
        self.stopping = asyncio.Event()
        self.requests: Counter[tuple[str, int, str]] = Counter()
        self.head = 0
        self._channel = channel
        self._parent = parent
        self._ticked: dict[str, float] = {}
        self._erased: list[int] = []
        self._loops = loops(assembly.stages, stopping=self.stopping, ticked=self._tick)
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start every loop."""
        self._channel.listen(asyncio.get_running_loop(), self._hear)
        for loop in self._loops:
            self._tasks.append(asyncio.create_task(loop.run(), name=loop.name))
        self._tasks.append(asyncio.create_task(self._housekeep(), name="housekeeping"))

    async def broken(self) -> BaseException:
        """Wait until a loop gives up; what it raised."""
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        error = next(iter(done)).exception()
        return error if error is not None else HomingError("a loop ended by itself")

    async def stop(self) -> None:
        """Claim nothing more, let land what flies, close."""
        self.stopping.set()
        stages = self.assembly.stages
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await stages.reconcile.stop()
        await stages.reconcile_lists.stop()
        try:
            async with asyncio.timeout(LAND_S):
                for stage in stages.delivering:
                    await stage.land()
        except TimeoutError:
            # what still flies is an open intent: the next start makes it unknown
            log.warning(logs.DAEMON_STOPPED, in_flight=len(stages.deliver.flying))
        await self.assembly.close()

    def turns(self) -> bool:
        """Whether every loop has turned lately."""
        now = asyncio.get_running_loop().time()
        return all(
            now - self._ticked.get(loop.name, now) < STUCK_S for loop in self._loops
        ) and all(not task.done() for task in self._tasks)

    def _tick(self, name: str) -> None:
        self._ticked[name] = asyncio.get_running_loop().time()

    def _hear(self, message: bytes) -> None:
        try:
            news = msgspec.json.decode(message, type=News)
        except msgspec.DecodeError:
            return
        self.assembly.health.heard()
        for kind, status, reason, n in news.counts:
            self.requests[kind, status, reason] += n
        self._erased += news.erased
        if news.head > self.assembly.stages.evaluate.position.request:
            self.assembly.stages.evaluate.wake.set()
        self.head = max(self.head, news.head)

    async def _housekeep(self) -> None:
        told: Counter[tuple[str, int, str]] = Counter()
        while True:
            if self.turns():
                self._parent.tick()
            refused = {
                key: n - told[key] for key, n in self.requests.items()
                if key[1] == 401 and n != told[key]
            }  # fmt: skip
            told = self.requests.copy()
            erased, self._erased = self._erased, []
            asked = await self.assembly.store.write(
                lambda tx, erased=erased, refused=refused: self._keep(tx, erased, refused)  # type: ignore[misc]
            )
            evaluated = self.assembly.stages.evaluate.position.request
            horizon = self.assembly.stages.sweep.log_horizon_ms()
            self._channel.send(msgspec.json.encode(Ask(horizon, evaluated, asked)))
            await asyncio.sleep(HOUSEKEEPING_S)

    def _keep(
        self, tx: Tx, erased: list[int], refused: Mapping[tuple[str, int, str], int]
    ) -> dict[str, list[int]]:
        now = self.assembly.stages.sweep.clock.now_ms()
        for (kind, _, reason), n in refused.items():
            tx.books.alert("refused", kind, f"401: {reason}", at=now, n=n)
            log.error(logs.WEBHOOK_REFUSED, source=kind, reason=reason, requests=n)
        tx.events.erasure_done(erased)
        asked: dict[str, list[int]] = {}
        for request, item in tx.events.erasures(limit=ERASE_AT_ONCE):
            asked.setdefault(str(request), []).append(item)
        return asked


async def run(config: Path, environ: Mapping[str, str], parent: Parent) -> int:
    """The process from start to exit; returns its exit code."""
    loaded = load(config, environ=environ)
    logs.redact.use(loaded.secret_values(environ))
    loop = asyncio.get_running_loop()
    failed: asyncio.Future[StoreFailed] = loop.create_future()

    def on_fatal(error: StoreFailed) -> None:
        log.critical(logs.STORE_FAILED, process="worker", error=str(error))
        if not failed.done():
            failed.set_result(error)

    end = parent.take("channel")
    if end is None:
        raise HomingError("started without a channel: run `homing serve`")
    channel = Channel(end)
    channel.drain()
    starting = asyncio.create_task(_tick_while_starting(parent))
    assembly = await assemble(loaded, environ, on_fatal=on_fatal)
    starting.cancel()
    worker = Worker(assembly, channel=channel, parent=parent)
    return await _serve(worker, config, environ, parent=parent, failed=failed)


async def _serve(
    worker: Worker,
    config: Path,
    environ: Mapping[str, str],
    *,
    parent: Parent,
    failed: asyncio.Future[StoreFailed],
) -> int:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    acts = Acts(worker, config, environ, parent=parent)
    control = await listen(control_path(worker.assembly.loaded.store_path), acts.table())
    admin = await admin_runner(
        Admin(worker, environ), worker.assembly.loaded.settings, _socket(parent)
    )
    worker.start()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, lambda: _reload(acts, parent))
    parent.watch(loop)
    garbage.settle()
    parent.ready()
    log.info(logs.DAEMON_STARTED, version=__version__)
    stopped = asyncio.create_task(stop.wait())
    broken = asyncio.create_task(worker.broken())
    await first_of(stopped, broken, failed)
    parent.stopping()
    control.close()
    await admin.cleanup()
    if failed.done() or broken.done():
        return EX_IOERR
    broken.cancel()
    await worker.stop()
    log.info(logs.DAEMON_STOPPED)
    return 0


def _socket(parent: Parent) -> socket.socket | None:
    return parent.take("admin")


def _reload(acts: Acts, parent: Parent) -> None:
    try:
        acts.reload()
    except (ConfigError, HomingError) as error:
        parent.reload_failed(str(error))
        return
    parent.reloaded()


async def _tick_while_starting(parent: Parent) -> None:
    while True:
        parent.tick()
        await asyncio.sleep(0.5)


def main() -> int:
    """Run the worker that the supervisor starts: ``--config FILE``."""
    parent = Parent.from_environment()
    logs.set_up(journal=is_journal(os.environ))
    config = Path(sys.argv[sys.argv.index("--config") + 1])
    try:
        return run_loop(run(config, os.environ, parent))
    except (ConfigError, MissingSecret, NewerSchema, BadListener) as error:
        log.critical(logs.CONFIG_REFUSED, process="worker", error=str(error))
        return EX_CONFIG
    except StoreBusy as error:
        log.critical(logs.STORE_FAILED, process="worker", error=str(error))
        return EX_TEMPFAIL
    except StoreCorrupt as error:
        log.critical(logs.STORE_FAILED, process="worker", error=str(error))
        return EX_DATAERR
    except StoreFailed as error:
        log.critical(logs.STORE_FAILED, process="worker", error=str(error))
        return EX_IOERR


if __name__ == "__main__":
    sys.exit(main())

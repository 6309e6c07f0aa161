"""All of the service in one process: ``[server] processes = 1``, the sandbox, tests."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from homing import log as logs
from homing.adapters.sqlite.engine import StoreFailed
from homing.adapters.systemd import Systemd, is_journal, read_systemd, status_line
from homing.config import Loaded, load
from homing.core.errors import HomingError
from homing.core.verify import UnusableKey
from homing.log import log
from homing.processes.acts import Acts
from homing.processes.admin import Admin, admin_runner
from homing.processes.assembly import assemble
from homing.processes.books import Books, books_of
from homing.processes.channel import Channel
from homing.processes.children import Parent
from homing.processes.control import control_path, listen
from homing.processes.exits import EX_CONFIG, EX_IOERR
from homing.processes.herald import Herald
from homing.processes.listeners import AddressUnavailable, BadListener, Listeners
from homing.processes.receiver import Receiver, run_loop
from homing.processes.waiting import first_of
from homing.processes.worker import Worker

if TYPE_CHECKING:
    import socket

    from aiohttp import web


class Single:
    """Receiver and worker side by side, wired by the same channel as two processes are."""

    def __init__(self, loaded: Loaded, environ: Mapping[str, str], config: Path) -> None:
        self._loaded = loaded
        self._environ = environ
        self._config = config
        self._parent = Parent()
        self.failed: asyncio.Future[StoreFailed] = asyncio.get_running_loop().create_future()
        self._ends = Channel.pair()
        self.receiver = Receiver(loaded, environ, channel=self._ends[0], parent=self._parent)
        self.worker: Worker
        self._tasks: list[asyncio.Task[None]] = []
        self._admin: web.AppRunner
        self._control: asyncio.Server
        self.acts: Acts

    async def start(self, public: socket.socket, admin: socket.socket) -> None:
        """Start everything on these sockets."""
        await self.receiver.serve(public)
        assembly = await assemble(self._loaded, self._environ, on_fatal=self._on_fatal)
        self.worker = Worker(assembly, channel=self._ends[1], parent=self._parent)
        self.acts = Acts(self.worker, self._config, self._environ, parent=self._parent)
        self.acts.reload_here = self.reload
        store = self._loaded.store_path
        self._control = await listen(control_path(store), self.acts.table())
        self._admin = await admin_runner(
            Admin(self.worker, self._environ), self._loaded.settings, admin
        )
        self.worker.start()
        self._tasks = [
            asyncio.create_task(self.receiver.tell()),
            asyncio.create_task(self.receiver.forget()),
        ]

    def reload(self) -> None:
        """
        Swap in the configuration as the file is now.

        Raises:
            HomingError: What is wrong with it; the old one stays.
        """
        # first, since it may refuse what the worker would take
        self.receiver.use(self.acts.servable())
        self.acts.reload()

    def turns(self) -> bool:
        """Whether everything that runs has turned lately."""
        return self.worker.turns() and not any(task.done() for task in self._tasks)

    async def books(self) -> Books:
        """What came in, and what became of it."""
        head = self.receiver.head
        return await self.worker.assembly.store.write(lambda tx: books_of(tx, head=head))

    async def stop(self) -> None:
        """Stop in the order of the path."""
        self._control.close()
        await self._admin.cleanup()
        for task in self._tasks:
            task.cancel()
        await self.receiver.stop()
        await self.worker.stop()
        for end in self._ends:
            end.close()

    def _on_fatal(self, error: StoreFailed) -> None:
        if not self.failed.done():
            self.failed.set_result(error)


def run_single(config: Path, environ: Mapping[str, str]) -> int:
    """Serve until told to stop; returns the exit code."""
    logs.set_up(journal=is_journal(environ))
    systemd = read_systemd(environ, pid=os.getpid())
    try:
        return run_loop(_run(config, environ, systemd))
    except (BadListener, AddressUnavailable) as error:
        systemd.notify(status_line(str(error)))
        log.critical(logs.CONFIG_REFUSED, error=str(error))
        return error.exit_code
    except UnusableKey as error:
        log.critical(logs.CONFIG_REFUSED, error=str(error))
        return EX_CONFIG


async def _run(config: Path, environ: Mapping[str, str], systemd: Systemd) -> int:
    loaded = load(config, environ=environ)
    logs.redact.use(loaded.secret_values(environ))
    server = loaded.settings.server
    wanted = {"public": str(server.listen), "admin": str(server.admin)}
    listeners = Listeners.open(wanted, systemd.listeners)
    single = Single(loaded, environ, config)
    told = Told(single, Herald(systemd))
    telling = asyncio.create_task(told.tell(), name="systemd")
    await single.start(listeners.sockets["public"], listeners.sockets["admin"])
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, told.reload)
    told.ready()
    log.info(logs.DAEMON_STARTED, processes=1)
    stopped = asyncio.create_task(stop.wait())
    broken = asyncio.create_task(single.worker.broken())
    await first_of(stopped, broken, single.failed, single.receiver.failed)
    told.stopping()
    if not stop.is_set():
        return EX_IOERR
    broken.cancel()
    await single.stop()
    telling.cancel()
    return 0


class Told:
    """
    What systemd is told of a single process.

    Args:
        herald: Speaks to systemd; silent without one.
    """

    def __init__(self, single: Single, herald: Herald) -> None:
        self._single = single
        self._herald = herald
        self._is_up = False
        self._complaint = ""

    def ready(self) -> None:
        """Everything works."""
        self._is_up = True
        self._herald.ready(self._complaint or "ready", time.monotonic())

    def reload(self) -> None:
        """Swap in the configuration as the file is now, or say why the old one stays."""
        self._herald.reloading(time.monotonic())
        self._complaint = ""
        try:
            self._single.reload()
        except HomingError as error:
            log.error(logs.CONFIG_REFUSED, error=str(error))
            self._complaint = f"reload failed: {error}"
        self.ready()

    def stopping(self) -> None:
        """The end comes, after what is under way."""
        self._is_up = False
        self._herald.stopping("stopping", time.monotonic())

    async def tell(self) -> None:
        """Feed the watchdog while every loop turns; while starting or stopping, ask for time."""
        every_s = min(1.0, self._herald.beat_s / 2)
        while True:
            now = time.monotonic()
            if not self._is_up:
                self._herald.progress(now)
            elif self._single.turns():
                self._herald.beat(now)
            await asyncio.sleep(every_s)

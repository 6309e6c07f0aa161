"""The receiver: verifies posts, appends them to the log, answers. Nothing else runs here."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    # structlog loads it if it can, for tracebacks that we do not print: 3 MiB in each process
    sys.modules["rich"] = None  # type: ignore[assignment]  # the import system's way to say no

import asyncio
import os
import signal
import socket
from collections import Counter
from collections.abc import Coroutine, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from homing import log as logs
from homing.adapters.clock import SystemClock
from homing.adapters.http_in import Public, PublicServer
from homing.adapters.sqlite.engine import StoreCorrupt, StoreFailed
from homing.adapters.sqlite.faults import StoreBusy
from homing.adapters.sqlite.log import SqliteLog, log_path
from homing.adapters.systemd import is_journal
from homing.config import ConfigError, Loaded, MissingSecret, load
from homing.core.errors import HomingError
from homing.core.splitting import blanked
from homing.core.verify import UnusableKey
from homing.log import log
from homing.processes import garbage
from homing.processes.channel import Channel
from homing.processes.children import Parent
from homing.processes.doors import reception_of
from homing.processes.exits import EX_CONFIG, EX_DATAERR, EX_IOERR, EX_TEMPFAIL
from homing.processes.waiting import first_of

TICK_S = 0.5
FORGET_EVERY_S = 0.05
NEWS_COUNTS = 200  # at once; a message on the channel has a limit


class Ask(msgspec.Struct, omit_defaults=True):
    """What the worker asks of the log's one writer."""

    forget_before_ms: int = 0
    evaluated: int = 0  # what is not evaluated yet is not forgotten
    erase: dict[str, list[int]] = {}  # request -> elements


class News(msgspec.Struct, omit_defaults=True):
    """What the receiver tells: how far the log goes, what was answered, what was erased."""

    head: int = 0
    counts: list[tuple[str, int, str, int]] = []
    erased: list[int] = []


class Receiver:
    """The process's parts, also used inside a single process."""

    def __init__(
        self,
        loaded: Loaded,
        environ: Mapping[str, str],
        *,
        channel: Channel,
        parent: Parent,
    ) -> None:
        self._environ = environ
        self._channel = channel
        self._parent = parent
        self._clock = SystemClock()
        self._told: Counter[tuple[str, int, str]] = Counter()
        self._asked = asyncio.Queue[Ask]()
        self.failed: asyncio.Future[StoreFailed] = asyncio.get_running_loop().create_future()
        self._log = SqliteLog(
            log_path(loaded.store_path), on_fatal=self._on_fatal, on_commit=self._on_commit
        )
        self._doors = reception_of(loaded.settings, environ, log=self._log, clock=self._clock)
        self._public = Public(self._doors, max_body=loaded.settings.server.max_body)
        self._server = PublicServer(self._public)
        self._sites: list[asyncio.Server] = []

    @property
    def head(self) -> int:
        """The number of the newest request."""
        return self._log.head

    async def serve(self, listening: socket.socket) -> None:
        """Take connections."""
        loop = asyncio.get_running_loop()
        self._sites.append(await loop.create_server(self._server, sock=listening, backlog=1024))
        self._channel.listen(loop, self._hear)

    def use(self, loaded: Loaded) -> None:
        """
        Serve by a new configuration.

        Raises:
            HomingError: It cannot be served; the old one stays.
        """
        doors = reception_of(loaded.settings, self._environ, log=self._log, clock=self._clock)
        doors.counts = self._doors.counts
        self._doors = doors
        self._public.use(doors, max_body=loaded.settings.server.max_body)

    async def tell(self) -> None:
        """Every half second: that we are up, and what was answered since."""
        while True:
            self._tell_counts()
            self._parent.tick()
            await asyncio.sleep(TICK_S)

    def _tell_counts(self) -> None:
        now = self._doors.counts
        changed = [key for key, n in now.items() if n != self._told[key]][:NEWS_COUNTS]
        news = News(self._log.head, [(*key, now[key] - self._told[key]) for key in changed])
        # what does not get through, or does not fit, is told the next time
        if self._channel.send(msgspec.json.encode(news)):
            self._told.update({key: now[key] - self._told[key] for key in changed})

    async def forget(self) -> None:
        """Carry out, in small batches between commits, what retention and erasure ask."""
        while True:
            ask = await self._asked.get()
            while ask.forget_before_ms and await self._log.forget(  # noqa: ASYNC110  leaves room
                ask.forget_before_ms, evaluated=ask.evaluated
            ):
                await asyncio.sleep(FORGET_EVERY_S)
            if ask.erase:
                await self._erase({int(text): items for text, items in ask.erase.items()})

    async def stop(self) -> None:
        """Take no more, finish what is under way, close the log."""
        for site in self._sites:
            site.close()
        self._server.pre_shutdown()
        await self._server.shutdown(5.0)
        await self._log.close()

    async def _erase(self, asked: Mapping[int, list[int]]) -> None:
        for seq, items in asked.items():
            body = await self._log.body(seq)
            if body is not None:
                await self._log.rewrite({seq: blanked(body, items)})
        # told once no trace is left in the file: else it is asked for again
        if await self._log.scrub():
            self._channel.send(msgspec.json.encode(News(erased=[*asked])))

    def _hear(self, message: bytes) -> None:
        try:
            self._asked.put_nowait(msgspec.json.decode(message, type=Ask))
        except msgspec.DecodeError:
            return

    def _on_commit(self, head: int) -> None:
        self._channel.send(b'{"head":%d}' % head)

    def _on_fatal(self, error: StoreFailed) -> None:
        log.critical(logs.STORE_FAILED, process="receiver", error=str(error))
        if not self.failed.done():
            self.failed.set_result(error)


async def run(config: Path, environ: Mapping[str, str], parent: Parent) -> int:
    """The process from start to exit; returns its exit code."""
    parent.tick()
    loaded = load(config, environ=environ)
    logs.redact.use(loaded.secret_values(environ))
    channel = Channel(_required(parent, "channel"))
    channel.drain()
    receiver = Receiver(loaded, environ, channel=channel, parent=parent)
    await receiver.serve(_required(parent, "public"))
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    loop.add_signal_handler(signal.SIGINT, stopping.set)
    again = partial(reload, receiver, config, environ, parent=parent)
    loop.add_signal_handler(signal.SIGHUP, again)
    parent.watch(loop)
    garbage.settle()
    parent.ready()
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(receiver.tell()), tasks.create_task(receiver.forget())]
        stop = tasks.create_task(stopping.wait())
        await first_of(stop, receiver.failed)
        parent.stopping()
        for task in [*running, stop]:
            task.cancel()
    if receiver.failed.done():
        return EX_IOERR
    await receiver.stop()
    return 0


def reload(receiver: Receiver, config: Path, environ: Mapping[str, str], *, parent: Parent) -> None:
    """Swap in a new configuration, or keep the old one and say why."""
    try:
        loaded = load(config, environ=environ)
        logs.redact.use(loaded.secret_values(environ))
        receiver.use(loaded)
    except (ConfigError, HomingError) as error:
        log.error(logs.CONFIG_REFUSED, process="receiver", error=str(error))
        parent.reload_failed(str(error))
        return
    parent.reloaded()


def _required(parent: Parent, name: str) -> socket.socket:
    found = parent.take(name)
    if found is None:
        msg = f"started without the socket {name}: run `homing serve`"
        raise HomingError(msg)
    return found


def main() -> int:
    """Run the receiver that the supervisor starts: ``--config FILE``."""
    parent = Parent.from_environment()
    logs.set_up(journal=is_journal(os.environ))
    config = Path(sys.argv[sys.argv.index("--config") + 1])
    try:
        return run_loop(run(config, os.environ, parent))
    except (ConfigError, MissingSecret, UnusableKey) as error:
        log.critical(logs.CONFIG_REFUSED, process="receiver", error=str(error))
        return EX_CONFIG
    except StoreBusy as error:
        log.critical(logs.STORE_FAILED, process="receiver", error=str(error))
        return EX_TEMPFAIL
    except StoreCorrupt as error:
        log.critical(logs.STORE_FAILED, process="receiver", error=str(error))
        return EX_DATAERR
    except StoreFailed as error:
        log.critical(logs.STORE_FAILED, process="receiver", error=str(error))
        return EX_IOERR


def run_loop(main_task: Coroutine[Any, Any, int]) -> int:
    """Run a process's main coroutine on the fastest loop there is."""
    import uvloop  # noqa: PLC0415  not on every platform

    return uvloop.run(main_task)


__all__ = ["Ask", "News", "Receiver", "main", "run", "run_loop", "web"]

if __name__ == "__main__":
    sys.exit(main())

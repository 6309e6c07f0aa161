"""The service's life: reload, stop, restarts under load, systemd's sockets and its watchdog."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from tests.support import oracle
from tests.support.service import Service, World, eventually, track, world
from tests.support.wire import signature

from homing.adapters.systemd import Systemd
from homing.emulators.segment.json_text import stringify
from homing.processes.herald import Herald
from homing.processes.single import Told

PROCESSES = pytest.mark.parametrize("processes", [1, 2])


def order(number: int) -> dict[str, object]:
    return track(number, "Order Completed", {"total": 1}, user=f"u{number}")


def birthday(number: int) -> dict[str, object]:
    return track(number, "Birthday", {}, user=f"u{number}")


ROUTE = '[route.birthday]\nwhen = \'event = "Birthday"\'\nsend = "order-confirmation"\n'


class TestReload:
    """SIGHUP."""

    @PROCESSES
    async def test_a_new_route_works_and_a_bad_file_changes_nothing(
        self, tmp_path: Path, processes: int
    ) -> None:
        """A valid configuration is swapped in; an invalid one is named, and the old one stays."""
        async with world(tmp_path, processes=processes) as w:
            w.service.edit("[route.digest]", f"{ROUTE}\n[route.digest]")
            w.service.edit("[sendgrid]", "[segment.source.shop]\nsecrets = []\n[sendgrid]")
            w.service.reload()
            await eventually(lambda: oracle.log_lines(w.service.log, "config.reloaded"))
            assert 503 == await until_other_than(w, "/segment/shop", 404)
            assert 200 == (await w.sender.deliver(birthday(1))).status
            await w.sendgrid.until(lambda: len(w.sendgrid.accepted) == 1)

            w.service.edit(ROUTE, "")
            w.service.edit('"order-confirmation"\n', '"order-confirmatoin"\n')
            w.service.reload()
            await eventually(lambda: oracle.log_lines(w.service.log, "config.refused"))
            assert "order-confirmatoin" in w.service.log.read_text()
            assert 200 == (await w.sender.deliver(birthday(2))).status
            await w.sendgrid.until(lambda: len(w.sendgrid.accepted) == 2)
            assert 503 == await until_other_than(w, "/segment/shop", 404)

    @PROCESSES
    async def test_a_key_that_is_none_changes_nothing(self, tmp_path: Path, processes: int) -> None:
        """What only the receiver can judge is refused as well, by name."""
        async with world(tmp_path, processes=processes, start=False) as w:
            await w.service.start(BAD_KEY="MFkwEwYHKoZI")
            w.service.edit("${SENDGRID_WEBHOOK_KEY}", "${BAD_KEY}")
            w.service.reload()
            await eventually(lambda: "verification key" in w.service.log.read_text())
            assert 200 == (await w.sender.deliver(order(1))).status
            await w.sendgrid.until(lambda: len(w.sendgrid.accepted) == 1)
            await w.sendgrid.settle()
            await w.settled(lambda s: s["events"]["done"] >= 2)


async def until_other_than(w: World, path: str, status: int) -> int:
    """The first status of a path that is not *status*."""
    async with asyncio.timeout(10), aiohttp.ClientSession() as session:
        while True:
            async with session.post(f"{w.service.url}{path}") as answer:
                if answer.status != status:
                    return answer.status
            await asyncio.sleep(0.02)


@dataclass(slots=True)
class Clients:
    """Customers who post orders over kept-alive connections until told to end."""

    world: World
    statuses: list[int] = field(default_factory=list)
    resets: int = 0
    refused: int = 0
    _over: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def start(self, count: int) -> None:
        """Begin."""
        self._tasks = [asyncio.create_task(self._post(n)) for n in range(count)]

    async def end(self) -> None:
        """End with what is under way."""
        self._over.set()
        await asyncio.gather(*self._tasks)

    async def until(self, answers: int) -> None:
        """Wait for so many more answers."""
        wanted = len(self.statuses) + answers
        await eventually(lambda: len(self.statuses) >= wanted, 20)

    async def _post(self, client: int) -> None:
        url = f"{self.world.service.url}/segment"
        timeout = aiohttp.ClientTimeout(total=10)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            number = 0
            while not self._over.is_set():
                body = stringify(order(client * 100_000 + number)).encode()
                headers = {"X-Signature": signature(body)}
                try:
                    async with session.post(url, data=body, headers=headers) as answer:
                        self.statuses.append(answer.status)
                        number += 1
                except aiohttp.ClientConnectorError:
                    self.refused += 1
                    await asyncio.sleep(0.01)
                except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                    self.resets += 1  # never answered: posted again, as Segment does


class TestStop:
    """SIGTERM."""

    @PROCESSES
    async def test_under_load_all_that_was_answered_is_kept(
        self, tmp_path: Path, processes: int
    ) -> None:
        """P1: exit 0; each 200 is in the log; what was cut off is no attempt, and goes on later."""
        async with world(tmp_path, processes=processes) as w:
            clients = Clients(w)
            clients.start(16)
            await clients.until(200)
            code = await w.service.stop()
            await clients.end()
            assert 0 == code
            assert {200} == set(clients.statuses)
            assert oracle.log_head(w.service.state) >= len(clients.statuses)
            assert 0 == w.states()["in_flight"]
            # an attempt row is what went wrong: to be cut off is not
            assert [] == oracle.rows(w.service.state, "SELECT * FROM attempt")
            assert w.states()["accepted"] == sum(w.posts().values())

            await w.service.start()
            taken = oracle.log_head(w.service.state)
            await w.evaluated(taken)
            await w.at_rest(60)
            assert set(w.accepted().values()) == {1}
            assert len(w.sendgrid.accepted) >= len(clients.statuses)


class TestRestarts:
    """The supervisor holds the sockets."""

    async def test_no_request_fails_while_the_receiver_restarts(self, tmp_path: Path) -> None:
        """Five restarts, killed and asked to end in turn: connections wait, no answer is a no."""
        async with world(tmp_path) as w:
            clients = Clients(w)
            clients.start(8)
            for turn in range(5):
                await clients.until(50)
                pid = w.service.children()["receiver"]
                os.kill(pid, signal.SIGKILL if turn % 2 == 0 else signal.SIGTERM)
                await eventually(lambda pid=pid: w.service.children().get("receiver", pid) != pid)
            await clients.until(50)
            await clients.end()
            assert {200} == set(clients.statuses)
            assert 0 == clients.refused
            # one at most for each connection that was open when a receiver died
            assert clients.resets <= 5 * 8
            await w.evaluated()
            await w.at_rest(60)
            assert set(w.accepted().values()) == {1}
            assert len(w.sendgrid.accepted) == len(clients.statuses)


class Notified:
    """A socket as systemd's, and what was said to it, an assignment a line."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.said: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)

    def close(self) -> None:
        """Hear nothing more."""
        self._socket.close()

    def heard(self, start: str) -> list[str]:
        """What was said so far that starts so."""
        while True:
            try:
                self.said += self._socket.recv(4096).decode().splitlines()
            except BlockingIOError:
                return [line for line in self.said if line.startswith(start)]

    async def until(self, start: str, count: int = 1) -> None:
        """Wait until something that starts so was said, so many times."""
        await eventually(lambda: len(self.heard(start)) >= count, 20)


@pytest.fixture
def notified(tmp_path: Path) -> Iterator[Notified]:
    """A fake systemd."""
    mailbox = Notified(tmp_path / "notify")
    yield mailbox
    mailbox.close()


class TestSystemd:
    """What systemd hears, and the sockets it hands over."""

    @PROCESSES
    async def test_ready_watchdog_reload_and_stop_are_told(
        self, tmp_path: Path, notified: Notified, processes: int
    ) -> None:
        """The words of `Type=notify-reload` in their order, and a pulse while all is well."""
        async with world(tmp_path, processes=processes, start=False) as w:
            await w.service.launch(NOTIFY_SOCKET=str(notified.path), WATCHDOG_USEC="1000000")
            await notified.until("READY=1")
            assert 200 == (await w.sender.deliver(order(1))).status
            await notified.until("WATCHDOG=1", 3)
            w.service.reload()
            await notified.until("RELOADING=1")
            await notified.until("READY=1", 2)
            (began,) = notified.heard("MONOTONIC_USEC=")
            assert 0 <= time.monotonic() - int(began.partition("=")[2]) / 1e6 < 30
            w.service.edit("[store]", "[stor]")
            w.service.reload()
            await notified.until("READY=1", 3)
            await eventually(lambda: any("reload failed" in s for s in notified.heard("STATUS=")))
            assert 0 == await w.service.stop()
            assert notified.heard("STOPPING=1")
            words = [
                one for one in notified.said if one in ("READY=1", "RELOADING=1", "STOPPING=1")
            ]
            assert ["READY=1", *["RELOADING=1", "READY=1"] * 2, "STOPPING=1"] == words

    @PROCESSES
    async def test_sockets_of_systemd_are_served(self, tmp_path: Path, processes: int) -> None:
        """Under `systemd-socket-activate` the first connection starts it, and is answered."""
        async with world(tmp_path, processes=processes, start=False) as w:
            activated(w, "127.0.0.1")
            await w.service.launch()
            await eventually(lambda: "Listening on" in w.service.log.read_text())
            assert 200 == (await w.sender.deliver(order(1))).status
            await w.sendgrid.until(lambda: len(w.sendgrid.accepted) == 1)
            await w.service.ready()
            assert 0 == await w.service.stop()

    @PROCESSES
    async def test_an_admin_socket_open_to_all_is_refused(
        self, tmp_path: Path, processes: int
    ) -> None:
        """systemd's socket may be wider than the file's address: 78 unless a password guards it."""
        async with world(tmp_path, processes=processes, start=False) as w:
            activated(w, "0.0.0.0")  # noqa: S104  it is what is refused
            await w.service.launch()
            await eventually(lambda: "Listening on" in w.service.log.read_text())
            _, writer = await asyncio.open_connection("127.0.0.1", w.service.admin)
            assert 78 == await w.service.exited()
            writer.close()
            assert "no `admin.password`" in w.service.log.read_text()


def activated(w: World, admin_host: str) -> None:
    """Have the service started by systemd's sockets; the addresses of the file are not used."""
    program = shutil.which("systemd-socket-activate")
    if program is None:
        pytest.skip("needs systemd-socket-activate")
    real = w.service
    names = [f"--setenv={name}={value}" for name, value in real.environ.items()]
    w.service = _Activated(real.folder, real.public, real.admin, real.environ)
    w.service.prefix = (
        program, f"--listen=127.0.0.1:{real.public}", f"--listen={admin_host}:{real.admin}",
        "--fdname=public:admin", *names,
    )  # fmt: skip
    w.service.edit(f":{real.public}", ":1")
    w.service.edit(f":{real.admin}", ":2")


class _Activated(Service):
    """A service that another program starts."""

    prefix: tuple[str, ...] = ()

    async def launch(self, **environ: str) -> None:
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self.prefix, sys.executable, "-m", "homing", "serve", "--config",
                str(self.config), env={**os.environ, **environ}, stderr=log, stdout=log,
            )  # fmt: skip


@dataclass(slots=True)
class _Turning:
    """Stands for a single process's loops."""

    alive: bool = True

    def turns(self) -> bool:
        return self.alive

    def reload(self) -> None:
        return


class TestTold:
    """The pulse of a single process."""

    async def test_no_pulse_while_a_loop_is_stuck(self, notified: Notified) -> None:
        """The watchdog is fed only while everything turns, and again once it does."""
        loops = _Turning()
        told = Told(loops, Herald(Systemd(str(notified.path), watchdog_s=0.05)))
        telling = asyncio.create_task(told.tell())
        told.ready()
        await notified.until("WATCHDOG=1", 2)
        loops.alive = False
        before = len(notified.heard("WATCHDOG=1"))
        told.reload()
        told.ready()
        assert before >= len(notified.heard("WATCHDOG=1"))
        loops.alive = True
        await notified.until("WATCHDOG=1", before + 1)
        telling.cancel()

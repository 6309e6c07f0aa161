"""The real service in processes of its own, between emulated vendors on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
from cryptography.hazmat.primitives.asymmetric import ec
from tests.support import openapi, oracle

from homing.emulators import (
    Destination,
    Faults,
    SegmentEmulator,
    SegmentSettings,
    SegmentWebhookSender,
    SenderPace,
    SendGridEmulator,
    SendGridSettings,
)
from homing.emulators.clock import wall_clock
from homing.emulators.sendgrid.signing import Signer
from homing.processes import control

if TYPE_CHECKING:
    from homing.core.effects import SendRow
    from homing.processes.books import Books

SECRET = "a-shared-secret"
TOKEN = "a-webhook-token"
SOAK = "HOMING_SOAK" in os.environ

CONFIG = """
[server]
listen = "127.0.0.1:{public}"
admin = "127.0.0.1:{admin}"
processes = {processes}

[store]
url = "sqlite:homing.db"

[segment]
write_key = "${{SEGMENT_WRITE_KEY}}"
endpoint = "{segment}"

[segment.source.default]
secrets = ["${{SEGMENT_SHARED_SECRET}}"]
token = "${{SEGMENT_WEBHOOK_TOKEN}}"

[sendgrid]
api_key = "${{SENDGRID_API_KEY}}"
endpoint = "{sendgrid}"
from = "Acme <hello@acme.example>"
groups = {{ newsletter = 12345 }}
rate = {{ mail = 5000, contacts = 1000 }}
{sendgrid_extra}

[sendgrid.webhook.default]
public_keys = ["${{SENDGRID_WEBHOOK_KEY}}"]

[suppression]
opt_out = [{{ when = 'type = "identify" and traits.email_opt_out = true' }},
           {{ when = 'event = "Newsletter Left"', group = "newsletter" }}]
opt_in = [{{ when = 'type = "identify" and traits.email_opt_out = false' }}]

[email.order-confirmation]
template = "d-00000000000000000000000000000001"
class = "transactional"

[email.digest]
template = "d-00000000000000000000000000000002"
group = "newsletter"
categories = ["digest"]

[email.notice]
template = "d-00000000000000000000000000000003"
on_unknown = "drop"

[route.order-confirmation]
when = 'event = "Order Completed" and properties.total > 0'
send = "order-confirmation"

[route.digest]
when = 'event = "Digest Due"'
send = "digest"

[route.notice]
when = 'event = "Notice Due"'
send = "notice"
{extra}
"""


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def eventually(predicate: Callable[[], object], timeout_s: float = 30.0) -> None:
    """
    Wait until something outside this process holds, asked often.

    Raises:
        TimeoutError: It did not.
    """
    async with asyncio.timeout(timeout_s):
        while not predicate():
            await asyncio.sleep(0.01)


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@dataclass(slots=True)
class Service:
    """One installation: folder, configuration, environment; started and killed at will."""

    folder: Path
    public: int
    admin: int
    environ: dict[str, str]
    process: asyncio.subprocess.Process | None = None
    log: Path = field(init=False)

    def __post_init__(self) -> None:
        self.log = self.folder / "homing.log"

    @property
    def state(self) -> Path:
        """The state file."""
        return self.folder / "homing.db"

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.folder / "homing.toml"

    @property
    def url(self) -> str:
        """Where Segment and SendGrid post to."""
        return f"http://127.0.0.1:{self.public}"

    @property
    def admin_url(self) -> str:
        """Where health and metrics are."""
        return f"http://127.0.0.1:{self.admin}"

    async def start(self, **environ: str) -> None:
        """Start `homing serve` and wait until it is ready."""
        await self.launch(**environ)
        await self.ready()

    async def launch(self, **environ: str) -> None:
        """Start `homing serve`."""
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "homing", "serve", "--config", str(self.config),
                env={**os.environ, **self.environ, **environ}, stderr=log, stdout=log,
                start_new_session=True,
            )  # fmt: skip

    async def ready(self, timeout_s: float = 20.0) -> None:
        """Wait until the service says that it is ready."""
        async with asyncio.timeout(timeout_s), aiohttp.ClientSession() as session:
            while True:
                assert self.process is not None
                if self.process.returncode is not None:
                    msg = f"exit {self.process.returncode}: {self.log.read_text()[-4000:]}"
                    raise AssertionError(msg)
                with contextlib.suppress(aiohttp.ClientError):
                    async with session.get(f"{self.admin_url}/readyz") as answer:
                        if answer.status == 200:
                            return
                await asyncio.sleep(0.02)

    async def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        return await self.process.wait()

    async def kill(self) -> None:
        """SIGKILL to every process of the service, if it still runs."""
        assert self.process is not None
        if self.process.returncode is not None:
            return  # its number may be somebody else's by now
        pids = (self.process.pid, *self.children().values())
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await self.process.wait()
        # they hold the store's lock until they are gone
        await eventually(lambda: not any(map(_is_alive, pids)), 10.0)

    def children(self) -> dict[str, int]:
        """Process ids by name: "receiver", "worker"; empty when all is one process."""
        assert self.process is not None
        found: dict[str, int] = {}
        with contextlib.suppress(OSError):
            pids = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
            for pid in pids.split():
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                name = next((w for w in words if w.startswith(b"homing.processes.")), b"")
                found[name.decode().rpartition(".")[2]] = int(pid)
        return found

    async def kill_child(self, name: str) -> None:
        """SIGKILL to "receiver" or "worker" alone; the supervisor starts it anew."""
        pid = self.children()[name]
        os.kill(pid, signal.SIGKILL)
        await eventually(lambda: not _is_alive(pid), 10.0)

    def edit(self, old: str, new: str) -> None:
        """Change a part of the configuration file; it must be there."""
        text = self.config.read_text()
        assert old in text, old
        self.config.write_text(text.replace(old, new))

    def reload(self) -> None:
        """SIGHUP."""
        assert self.process is not None
        self.process.send_signal(signal.SIGHUP)

    async def exited(self, timeout_s: float = 30.0) -> int:
        """Wait until the process is gone by itself; its exit code."""
        assert self.process is not None
        async with asyncio.timeout(timeout_s):
            return await self.process.wait()

    async def command(self, *args: str, code: int = 0) -> str:
        """Run `homing ARGS`; its standard output."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "homing", *args,
            env={**os.environ, **self.environ, "HOMING_CONFIG": str(self.config)},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate()
        assert code == process.returncode, (args, process.returncode, out[-2000:], err[-2000:])
        return out.decode()

    async def ask(self, do: str, **asked: object) -> Any:  # noqa: ANN401  JSON
        """Have the running worker act, as a command would; raises what it refuses."""
        question = {"do": do, **asked}
        return await asyncio.to_thread(control.ask, control.control_path(self.state), question)

    async def stats(self) -> dict[str, Any]:
        """`homing stats --json`."""
        answer: dict[str, Any] = json.loads(await self.command("stats", "--json"))
        return answer


@dataclass(slots=True)
class World:
    """The service between its two vendors."""

    service: Service
    sendgrid: SendGridEmulator
    segment: SegmentEmulator
    sender: SegmentWebhookSender
    signer: Signer

    async def engage(self, body: bytes, *, path: str = "/sendgrid") -> int:
        """Post a body as SendGrid's Event Webhook does, signed with its key; the status."""
        headers = self.signer.headers(body, timestamp=int(wall_clock()))
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.service.url}{path}", data=body, headers=headers) as answer,
        ):
            return answer.status

    async def until(
        self, predicate: Callable[[], object], timeout_s: float = 30.0, *, what: str = ""
    ) -> None:
        """Wait until something of the service's files or log holds, asked every 20 ms."""
        try:
            await eventually(predicate, timeout_s)
        except TimeoutError:
            tables = json.dumps(self.books().tables())
            tail = self.service.log.read_text("utf-8", "replace")[-3000:]
            msg = f"not in {timeout_s} s{what and ': '}{what}\n{tables}\n{tail}"
            raise AssertionError(msg) from None

    async def settled(
        self, predicate: Callable[[dict[str, Any]], object], timeout_s: float = 30.0
    ) -> None:
        """Wait until *predicate* holds of what `homing stats` shows."""
        await self.until(lambda: predicate(self.tables()), timeout_s)

    async def evaluated(self, requests: int | None = None, timeout_s: float = 30.0) -> None:
        """Wait until every accepted request (at least so many) has become events."""

        def reached() -> bool:
            counted = self.books().requests
            return counted["pending"] == 0 and counted["received"] >= (requests or 0)

        await self.until(reached, timeout_s, what="evaluated")

    async def at_rest(self, timeout_s: float = 30.0) -> None:
        """Wait until nothing is to be done on either side."""

        def quiet() -> bool:
            books = self.books()
            moving = sum(books.sends[state] for state in ("reserved", "retry", "in_flight"))
            ready = sum(states["ready"] for states in books.effects.values())
            return not (books.requests["pending"] or moving or ready)

        async with asyncio.timeout(timeout_s):
            while True:
                await self.sendgrid.settle(timeout_s)
                await self.until(quiet, timeout_s, what="at rest")
                if self.sendgrid.idle:
                    return

    def books(self) -> Books:
        """The books now, read from the files."""
        return oracle.books(self.service.state)

    def tables(self) -> dict[str, Any]:
        """The books as `homing stats --json` has them."""
        return self.books().tables()

    def sends(self) -> list[SendRow]:
        """The ledger, oldest first."""
        return oracle.sends(self.service.state)

    def states(self) -> Counter[str]:
        """How many sends are in which state."""
        return Counter(row.state for row in self.sends())

    def accepted(self) -> Counter[str]:
        """How many mails SendGrid took, by ``homing_send``; without copies and `send-test`."""
        sent = (mail.custom_args for mail in self.sendgrid.accepted if mail.index == 0)
        return Counter(args.get("homing_send", "?") for args in sent if "homing_test" not in args)

    def posts(self) -> Counter[str]:
        """How many posts of mail reached SendGrid, taken or not, by ``homing_send``."""
        found: Counter[str] = Counter()
        for request in self.sendgrid.requests.to("/v3/mail/send"):
            block = json.loads(request.body)["personalizations"][0]
            found[block["custom_args"]["homing_send"]] += 1
        return found

    def assert_sound(self) -> None:
        """
        Assert what holds after every story: balanced books, sound lanes, a clean log.

        Raises:
            AssertionError: Something does not; says what.
        """
        if self.service.state.exists():
            oracle.assert_books_balance(self.service.state)
            oracle.assert_lanes_sound(self.service.state)
            unexplained = oracle.duplicates_are_accounted_for(self.accepted(), self.service.state)
            assert not unexplained, unexplained
        secrets = [value for value in self.service.environ.values() if len(value) >= 6]
        oracle.assert_log_clean(self.service.log, secrets)
        if openapi.available():
            openapi.assert_exchanges_valid(
                request for request in self.sendgrid.requests if request.status != 401
            )


def write_config(
    folder: Path, sendgrid: SendGridEmulator, segment: SegmentEmulator, **changes: object
) -> Service:
    """Write `homing.toml` for the emulators."""
    fields: dict[str, object] = {
        "public": free_port(), "admin": free_port(), "processes": 2, "extra": "",
        "sendgrid_extra": "", "segment": segment.url, "sendgrid": sendgrid.url, **changes,
    }  # fmt: skip
    (folder / "homing.toml").write_text(CONFIG.format_map(fields))
    environ = {
        "SEGMENT_WRITE_KEY": segment.write_key,
        "SEGMENT_SHARED_SECRET": SECRET,
        "SEGMENT_WEBHOOK_TOKEN": TOKEN,
        "SENDGRID_API_KEY": sendgrid.api_key,
        "SENDGRID_WEBHOOK_KEY": sendgrid.public_key,
    }
    public, admin = int(str(fields["public"])), int(str(fields["admin"]))
    return Service(folder, public, admin, environ)


@asynccontextmanager
async def world(
    folder: Path,
    *,
    faults: Faults | None = None,
    settings: SendGridSettings | None = None,
    segment_settings: SegmentSettings | None = None,
    pace: SenderPace | None = None,
    destination: Destination | None = None,
    start: bool = True,
    **changes: object,
) -> AsyncIterator[World]:
    """
    A running service, an emulated SendGrid that posts to it, an emulated Segment.

    After a story that went well, the files and the log are judged: see `World.assert_sound`.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    async with (
        SendGridEmulator(private_key=key, faults=faults, settings=settings) as sendgrid,
        SegmentEmulator(faults=faults, settings=segment_settings) as segment,
    ):
        service = write_config(folder, sendgrid, segment, **changes)
        sendgrid.webhook_url = f"{service.url}/sendgrid"
        destination = destination or Destination(secret=SECRET, token=TOKEN)
        async with SegmentWebhookSender(
            f"{service.url}/segment", destination, faults=faults, pace=pace
        ) as sender:
            place = World(service, sendgrid, segment, sender, Signer(key))
            try:
                if start:
                    await service.start()
                yield place
            finally:
                if service.process is not None:
                    await service.kill()
            place.assert_sound()


def track(
    number: int, name: str, properties: Mapping[str, object], *, user: str
) -> dict[str, object]:
    """A track event as Segment sends it."""
    return {
        "type": "track",
        "messageId": f"m-{number}",
        "userId": user,
        "event": name,
        "properties": dict(properties),
        "context": {"traits": {"email": f"{user}@example.com"}},
        "timestamp": f"2026-11-22T10:00:{number % 60:02d}.{number % 1000:03d}Z",
    }

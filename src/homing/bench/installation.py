"""A Homing to be measured: its configuration and files, the real receiver, the real service."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from homing.adapters.sqlite.log import SqliteLogReader, log_path
from homing.adapters.sqlite.state import reading
from homing.bench.bodies import SECRET
from homing.bench.piped import BenchFailed
from homing.emulators.sendgrid.signing import Signer
from homing.processes.channel import channel_ends
from homing.processes.children import Word
from homing.processes.listeners import listen
from homing.processes.spawn import Child, ChildSpec

if TYPE_CHECKING:
    from homing.adapters.sqlite.state import SqliteTx

ROUTES = 50
READY_S = 60.0
POLL_S = 0.01
# a look at the counts costs the machine a millisecond that the service could use
LOOK_S = 0.025

_CONFIG = """
[server]
listen = "127.0.0.1:{public}"
admin = "127.0.0.1:{admin}"

[store]
url = "sqlite:homing.db"

[segment]
write_key = "${{BENCH_KEY}}"
endpoint = "http://127.0.0.1:{sink}"

[segment.source.default]
secrets = ["${{BENCH_SECRET}}"]

[sendgrid]
api_key = "${{BENCH_KEY}}"
endpoint = "http://127.0.0.1:{sink}"
from = "Acme <hello@acme.example>"
rate = {{ mail = 10000 }}
mode = "{mode}"

[sendgrid.webhook.default]
public_keys = ["${{BENCH_PUBLIC_KEY}}"]

[suppression]
opt_out = [{{ when = 'type = "identify" and traits.email_opt_out = true' }}]

[email.order]
template = "d-00000000000000000000000000000001"
class = "transactional"
data = {{ order_id = "$.properties.order_id", total = "$.properties.total", products = "$.properties.products", first_name = "$.profile.first_name" }}

[route.r00]
when = 'event = "Order Completed" and properties.total > 0'
send = "order"
"""  # noqa: E501  TOML's inline tables are one line

JOURNEY = """
[email.reminder]
template = "d-00000000000000000000000000000002"

[journey.cart]
entry = { when = 'event = "Product Added"', key = "$.properties.order_id" }
exit = [{ name = "bought", when = 'event = "Order Completed"' }]
goal = { when = 'event = "Order Completed"', within = "7d", value = "$.properties.total" }

[[journey.cart.step]]
id = "wait"
hold = "2h"
on = [{ name = "changed", when = 'event = "Cart Modified"', then = "restart" }]

[[journey.cart.step]]
id = "remind"
send = "reminder"

[journey.idle]
entry = { when = 'event = "Feature 99 Used"' }

[[journey.idle.step]]
id = "wait"
hold = "2h"
on = [{ name = "again", when = 'event = "Feature 99 Used"', then = "restart" }]

[[journey.idle.step]]
id = "later"
delay = "7d"
"""

MARKETING = """
[contacts]

[list.bench]
name = "bench"
"""

# conditions that the mix asks of the routes and does not fulfil, then names that it does not have
_CONDITIONS = (
    'event = "Product Viewed" and properties.total > 100000',
    'event = "Product Viewed" and properties.products.0.brand = "Apex"',
    'event = "Product Added" and properties.currency = "USD" and properties.total >= 50',
    'event = "Product Added" and contains(properties.order_id, "vip")',
    'event = "Cart Viewed" and profile.plan = "enterprise"',
    'event = "Checkout Started" and properties.total > 100000',
    'event = "Order Completed" and properties.currency = "JPY"',
    'type = "page" and context.page.path = "/pricing"',
    'type = "identify" and traits.plan = "enterprise"',
    "context.app.name != null",
)


@dataclass(slots=True)
class Installation:
    """
    One folder with a configuration of 50 routes, and the environment it needs.

    Args:
        sink: The port that calls to SendGrid and Segment go to.

        capture: Nothing leaves.

        journeys: Whether there is the journey of `JOURNEY`.

        marketing: Whether there are the contacts and the list of `MARKETING`.
    """

    folder: Path
    key: ec.EllipticCurvePrivateKey
    sink: int = 9
    capture: bool = False
    journeys: bool = False
    marketing: bool = False
    public: int = field(init=False)
    admin: int = field(init=False)
    environ: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.public, self.admin = free_port(), free_port()
        self.environ = {
            "BENCH_KEY": "SG.bench", "BENCH_SECRET": SECRET,
            "BENCH_PUBLIC_KEY": Signer(self.key).public_key,
        }  # fmt: skip
        mode = "capture" if self.capture else "live"
        head = _CONFIG.format(public=self.public, admin=self.admin, sink=self.sink, mode=mode)
        journey = JOURNEY if self.journeys else ""
        marketing = MARKETING if self.marketing else ""
        self.config.write_text(head + "".join(_routes()) + journey + marketing)

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.folder / "homing.toml"

    @property
    def state(self) -> Path:
        """The state file."""
        return self.folder / "homing.db"

    @property
    def key_pem(self) -> str:
        """SendGrid's private key."""
        return pem_of(self.key)

    def head(self) -> int:
        """How many requests the log holds durably; 0 while there is none."""
        reader = SqliteLogReader.if_made(log_path(self.state))
        if reader is None:
            return 0
        try:
            return reader.head()
        finally:
            reader.close()

    def evaluated(self) -> int:
        """How many requests are evaluated."""
        with self.looking() as tx:
            return tx.events.cursor().request

    def count(self, name: str) -> int:
        """One of the store's counts."""
        with self.looking() as tx:
            return tx.books.counts().get(name, 0)

    async def until(self, name: str, count: int, *, timeout_s: float = 300.0) -> float:
        """
        Wait until a count is reached; the monotonic time at which it was seen.

        Raises:
            BenchFailed: It was not in time.
        """
        try:
            return await _until(
                lambda: self.count(name) >= count, every_s=LOOK_S, timeout_s=timeout_s
            )
        except TimeoutError as error:
            msg = f"{name} came to {self.count(name)} of {count} in {timeout_s:g} s"
            raise BenchFailed(msg) from error

    @contextmanager
    def looking(self) -> Iterator[SqliteTx]:
        """The state beside whoever writes it."""
        with reading(self.state) as tx:
            yield tx

    @asynccontextmanager
    async def receiver(self) -> AsyncIterator[int]:
        """The real receiver process, alone; its process id."""
        ours, theirs = channel_ends()
        child = Child(ChildSpec("receiver", self._argv("homing.processes.receiver"), "public"))
        with ours, theirs, listen(f"127.0.0.1:{self.public}") as listening:
            child.start({"public": listening, "channel": theirs}, os.environ | self.environ)
            try:
                await _ready(child)
                yield child.pid or 0
            finally:
                child.signal(signal.SIGTERM)
                await _until(lambda: child.exit_code() is not None)
                child.bury()

    @asynccontextmanager
    async def service(self) -> AsyncIterator[Service]:
        """The real service: supervisor, receiver, worker."""
        log = (self.folder / "homing.log").open("ab")
        started = time.monotonic()
        with log:
            process = await asyncio.create_subprocess_exec(
                *self._argv("homing", "serve"), env=os.environ | self.environ,
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, process_group=0,
            )  # fmt: skip
        service = Service(process.pid)
        try:
            await self._until_ready(process)
            service.started_in_s = time.monotonic() - started
            yield service
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            await process.wait()

    def _argv(self, *module: str) -> tuple[str, ...]:
        return (sys.executable, "-P", "-m", *module, "--config", str(self.config))

    async def _until_ready(self, process: asyncio.subprocess.Process) -> None:
        deadline = time.monotonic() + READY_S
        while not await is_answered(self.admin, b"/readyz"):
            if process.returncode is not None or time.monotonic() > deadline:
                said = (self.folder / "homing.log").read_text()[-2000:]
                msg = f"the service did not start: {said}"
                raise BenchFailed(msg)
            await asyncio.sleep(POLL_S)


@dataclass(slots=True)
class Service:
    """A running service."""

    pid: int
    started_in_s: float = 0.0

    def memory_mib(self) -> dict[str, float]:
        """Resident memory of each of its processes, MiB, by process id."""
        return {str(pid): resident_mib(pid) for pid in (self.pid, *_children_of(self.pid))}


def resident_mib(pid: int) -> float:
    """A process's resident memory, MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


async def is_answered(port: int, path: bytes) -> bool:
    """Whether a GET is answered 200 now."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    try:
        writer.write(b"GET %b HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n" % path)
        return (await reader.read(12)).endswith(b" 200")
    except OSError:
        return False
    finally:
        writer.close()


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def pem_of(key: ec.EllipticCurvePrivateKey) -> str:
    """A private key as text."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def _children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def _ready(child: Child) -> None:
    def is_ready() -> bool:
        if child.exit_code() is not None:
            msg = f"the receiver did not start: exit code {child.exit_code()}"
            raise BenchFailed(msg)
        return Word.READY in (word for word, _ in child.words())

    await _until(is_ready)


async def _until(
    holds: Callable[[], bool], *, every_s: float = POLL_S, timeout_s: float = READY_S
) -> float:
    """
    Look again and again until something holds; the monotonic time at which it did.

    Raises:
        TimeoutError: It did not.
    """
    async with asyncio.timeout(timeout_s):
        while not holds():  # noqa: ASYNC110  it is seen from outside, so nobody can tell us
            await asyncio.sleep(every_s)
    return time.monotonic()


def _routes() -> Iterator[str]:
    for number in range(1, ROUTES):
        if number <= len(_CONDITIONS):
            when = _CONDITIONS[number - 1]
        else:
            when = f'event = "Feature {number} Used" and properties.total > {number}'
        yield f"\n[route.r{number:02d}]\nwhen = '{when}'\nsend = \"order\"\n"

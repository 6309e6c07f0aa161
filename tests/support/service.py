"""The real service in processes of its own, between emulated vendors on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from homing.emulators import (
    Destination,
    Faults,
    SegmentEmulator,
    SegmentWebhookSender,
    SendGridEmulator,
    SendGridSettings,
    SenderPace,
)

SECRET = "a-shared-secret"
TOKEN = "a-webhook-token"

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
rate = {{ mail = 5000 }}
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

[route.order-confirmation]
when = 'event = "Order Completed" and properties.total > 0'
send = "order-confirmation"

[route.digest]
when = 'event = "Digest Due"'
send = "digest"
{extra}
"""


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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
    def url(self) -> str:
        """Where Segment and SendGrid post to."""
        return f"http://127.0.0.1:{self.public}"

    @property
    def admin_url(self) -> str:
        """Where health and metrics are."""
        return f"http://127.0.0.1:{self.admin}"

    async def start(self, **environ: str) -> None:
        """Start `homing serve` and wait until it is ready."""
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "homing", "serve", "--config", str(self.folder / "homing.toml"),
                env={**os.environ, **self.environ, **environ}, stderr=log, stdout=log,
                start_new_session=True,
            )  # fmt: skip
        await self.ready()

    async def ready(self, timeout_s: float = 20.0) -> None:
        """Wait until the service says that it is ready."""
        async with asyncio.timeout(timeout_s), aiohttp.ClientSession() as session:
            while True:
                assert self.process is not None
                if self.process.returncode is not None:
                    text = self.log.read_text()[-4000:]
                    raise AssertionError(f"exit {self.process.returncode}: {text}")
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
        """SIGKILL to every process of the service."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        await self.process.wait()

    async def command(self, *args: str, code: int = 0) -> str:
        """Run `homing ARGS`; its standard output."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "homing", *args,
            env={**os.environ, **self.environ, "HOMING_CONFIG": str(self.folder / "homing.toml")},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate()
        assert code == process.returncode, (args, process.returncode, out[-2000:], err[-2000:])
        return out.decode()

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

    async def settled(self, predicate: Any, timeout_s: float = 30.0) -> None:  # noqa: ANN401
        """Wait until *predicate* holds of `homing stats`."""
        async with asyncio.timeout(timeout_s):
            while not predicate(await self.service.stats()):
                await asyncio.sleep(0.05)


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
    pace: SenderPace | None = None,
    start: bool = True,
    **changes: object,
) -> AsyncIterator[World]:
    """A running service, an emulated SendGrid that posts to it, an emulated Segment."""
    async with (
        SendGridEmulator(faults=faults, settings=settings) as sendgrid,
        SegmentEmulator(faults=faults) as segment,
    ):
        service = write_config(folder, sendgrid, segment, **changes)
        sendgrid.webhook_url = f"{service.url}/sendgrid"
        destination = Destination(secret=SECRET, token=TOKEN)
        async with SegmentWebhookSender(
            f"{service.url}/segment", destination, faults=faults, pace=pace
        ) as sender:
            if start:
                await service.start()
            try:
                yield World(service, sendgrid, segment, sender)
            finally:
                if service.process is not None:
                    await service.kill()


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

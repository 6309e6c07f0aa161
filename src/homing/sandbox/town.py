"""Everything the sandbox runs, wired together on loopback."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from homing.config import load
from homing.emulators import (
    Destination,
    Engagement,
    Pace,
    SegmentEmulator,
    SegmentWebhookSender,
    SenderPace,
    SendGridEmulator,
    SendGridSettings,
)
from homing.emulators.clock import Clock, wall_clock
from homing.processes.listeners import listen, written
from homing.processes.single import Single
from homing.sandbox.asking import Asked
from homing.sandbox.templates import templates

if TYPE_CHECKING:
    from homing.emulators import Faults
    from homing.ports import Tx

T = TypeVar("T")

PEOPLE: Final = Engagement(
    opens=0.6, machine_opens=0.1, clicks=0.3, unsubscribes=0.03, spam_reports=0.01
)
#: Slow enough that a reader can follow, and that two opens are not the same second's.
PACE: Final = Pace(delivered_after_s=0.2, engaged_after_s=0.6)
SENDER_PACE: Final = SenderPace(batch_size=10)
GROUPS: Final = {12345: "newsletter", 12346: "offers"}


@dataclass(frozen=True, slots=True)
class Ports:
    """Where things listen on 127.0.0.1; 0 takes any free port."""

    mailbox: int = 0
    debugger: int = 0
    status: int = 0
    webhooks: int = 0


ANY_PORTS: Final = Ports()


@dataclass(slots=True)
class Town:
    """A service, its vendors, and a shop's line to it."""

    service: Single
    sendgrid: SendGridEmulator
    segment: SegmentEmulator
    sender: SegmentWebhookSender
    faults: Faults
    public_url: str
    admin_url: str
    config: Path
    asked: Asked = field(default_factory=Asked)

    def send(self, event: Mapping[str, Any]) -> frozenset[str]:
        """
        Let an event of the shop's happen: Segment knows of it, and posts it.

        Returns:
            The faults that befall it on its way.
        """
        self.segment.record(event)
        befell = self.sender.send(event)
        self.asked.take(event, befell)
        return befell

    async def look(self, fn: Callable[[Tx], T]) -> T:
        """Ask the service's store."""
        return await self.service.worker.assembly.store.write(fn)

    def now_ms(self) -> int:
        """The service's clock."""
        return self.service.worker.assembly.stages.sweep.clock.now_ms()

    def end_faults(self) -> None:
        """Let all go well from now on, and cut the connections that hang."""
        self.sendgrid.end_faults()
        self.segment.end_faults()
        self.sender.webhook_faults.enabled = False


@asynccontextmanager
async def town(
    folder: Path,
    *,
    faults: Faults,
    people: Engagement = PEOPLE,
    pace: Pace = PACE,
    ports: Ports = ANY_PORTS,
    clock: Clock = wall_clock,
) -> AsyncIterator[Town]:
    """
    Start everything; stop it in the order of the path.

    Args:
        folder: Where the store and the configuration are put.

        faults: What befalls the vendors and the webhooks.

        people: What recipients do of themselves.

        pace: How fast mail is delivered, and recipients act.

        clock: Of the emulated SendGrid.

    Raises:
        OSError, HomingError: A port cannot be had, or the store.
    """
    destination = Destination(secret=secrets.token_hex(16), token=secrets.token_hex(16))
    settings = SendGridSettings(
        groups=GROUPS, engagement=people, pace=pace, any_template=False, clock=clock
    )
    async with (
        SendGridEmulator(ports.mailbox, faults=faults, settings=settings) as sendgrid,
        SegmentEmulator(ports.debugger, faults=faults) as segment,
    ):
        _add_templates(sendgrid)
        public, admin = (listen(f"127.0.0.1:{port}") for port in (ports.webhooks, ports.status))
        url, admin_url = f"http://{written(public)}", f"http://{written(admin)}"
        places = _Places(written(public), written(admin), segment.url, sendgrid.url)
        config = _configured(folder, places)
        environ = _secrets_of(sendgrid, segment, destination)
        service = Single(load(config, environ=environ), environ, config)
        await service.start(public, admin)
        sendgrid.webhook_url = f"{url}/sendgrid"
        _introduce(sendgrid, segment, admin_url)
        async with SegmentWebhookSender(
            f"{url}/segment", destination, faults=faults, pace=SENDER_PACE
        ) as sender:
            here = Town(service, sendgrid, segment, sender, faults, url, admin_url, config)
            try:
                yield here
            finally:
                here.end_faults()
                await service.stop()


def _add_templates(sendgrid: SendGridEmulator) -> None:
    for template in templates():
        sendgrid.add_template(
            template.id, subject=template.subject, html=template.html, name=template.name
        )


class _Places(NamedTuple):
    """What `shop.toml` leaves open."""

    public: str
    admin: str
    segment: str
    sendgrid: str


def _secrets_of(
    sendgrid: SendGridEmulator, segment: SegmentEmulator, destination: Destination
) -> dict[str, str]:
    return {
        "SEGMENT_WRITE_KEY": segment.write_key,
        "SEGMENT_SHARED_SECRET": destination.secret or "",
        "SEGMENT_WEBHOOK_TOKEN": destination.token or "",
        "SENDGRID_API_KEY": sendgrid.api_key,
        "SENDGRID_WEBHOOK_KEY": sendgrid.public_key,
    }


def _introduce(sendgrid: SendGridEmulator, segment: SegmentEmulator, admin_url: str) -> None:
    status = ("Homing status", f"{admin_url}/")
    sendgrid.neighbours[:] = [("Segment debugger", f"{segment.url}/debugger"), status]
    segment.neighbours[:] = [("SendGrid mailbox", f"{sendgrid.url}/mailbox"), status]


def _configured(folder: Path, places: _Places) -> Path:
    text = files(__package__).joinpath("shop.toml").read_text("utf-8")
    path = folder / "homing.toml"
    path.write_text(text.format_map(places._asdict()), "utf-8")
    return path

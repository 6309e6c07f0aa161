"""Everything the sandbox runs, wired together on loopback."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from homing.config import load
from homing.emulators import (
    Destination,
    Engagement,
    SegmentEmulator,
    SegmentWebhookSender,
    SenderPace,
    SendGridEmulator,
    SendGridSettings,
)
from homing.processes.listeners import listen, written
from homing.processes.single import Single
from homing.sandbox.templates import TEMPLATES

if TYPE_CHECKING:
    from homing.emulators import Faults

PEOPLE = Engagement(opens=0.6, machine_opens=0.1, clicks=0.3, unsubscribes=0.03, spam_reports=0.01)


@dataclass(slots=True)
class Town:
    """A service, its vendors, and a shop's line to it."""

    service: Single
    sendgrid: SendGridEmulator
    segment: SegmentEmulator
    sender: SegmentWebhookSender
    public_url: str
    admin_url: str


@asynccontextmanager
async def town(folder: Path, *, faults: Faults, seed: int) -> AsyncIterator[Town]:
    """
    Start everything; stop it in the order of the path.

    Args:
        folder: Where the store and the configuration are put.

        faults: What befalls the vendors and the webhooks.

        seed: Of what recipients do.
    """
    settings = SendGridSettings(
        groups={12345: "newsletter"},
        engagement=replace(PEOPLE, seed=seed),
        any_template=False,
    )
    async with (
        SendGridEmulator(faults=faults, settings=settings) as sendgrid,
        SegmentEmulator(faults=faults) as segment,
    ):
        for template in TEMPLATES:
            sendgrid.add_template(
                template.id, subject=template.subject, html=template.html, name=template.name
            )
        public, admin = listen("127.0.0.1:0"), listen("127.0.0.1:0")
        public_url, admin_url = f"http://{written(public)}", f"http://{written(admin)}"
        secret, token = secrets.token_hex(16), secrets.token_hex(16)
        environ = {
            "SEGMENT_WRITE_KEY": segment.write_key,
            "SEGMENT_SHARED_SECRET": secret,
            "SEGMENT_WEBHOOK_TOKEN": token,
            "SENDGRID_API_KEY": sendgrid.api_key,
            "SENDGRID_WEBHOOK_KEY": sendgrid.public_key,
        }
        config = _configured(
            folder,
            public=str(public.getsockname()[1]),
            admin=str(admin.getsockname()[1]),
            segment=segment.url,
            sendgrid=sendgrid.url,
        )
        service = Single(load(config, environ=environ), environ, config)
        await service.start(public, admin)
        sendgrid.webhook_url = f"{public_url}/sendgrid"
        destination = Destination(secret=secret, token=token)
        pace = SenderPace(batch_size=10)
        async with SegmentWebhookSender(
            f"{public_url}/segment", destination, faults=faults, pace=pace
        ) as sender:
            try:
                yield Town(service, sendgrid, segment, sender, public_url, admin_url)
            finally:
                await service.stop()


def _configured(folder: Path, **fields: str) -> Path:
    text = files(__package__).joinpath("shop.toml").read_text()
    path = folder / "homing.toml"
    path.write_text(text.format_map(fields))
    return path

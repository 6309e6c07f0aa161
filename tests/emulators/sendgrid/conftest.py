"""A running SendGrid emulator, and a client with its key."""

from collections.abc import AsyncIterator, Awaitable, Callable
from io import BytesIO
from typing import Protocol, TypeAlias

import pytest
from aiohttp import ClientResponse, ClientSession, ClientTimeout
from yarl import URL

from homing.emulators import SendGridEmulator

Call: TypeAlias = Callable[..., Awaitable[ClientResponse]]


class Hook(Protocol):
    """A webhook that can be posted to."""

    url: str


@pytest.fixture
async def sendgrid() -> AsyncIterator[SendGridEmulator]:
    """Run an emulator that posts no events."""
    async with SendGridEmulator() as emulator:
        yield emulator


@pytest.fixture
async def hooked(receiver: Hook) -> AsyncIterator[SendGridEmulator]:
    """Run an emulator that posts its events to the receiver."""
    async with SendGridEmulator(webhook_url=receiver.url) as emulator:
        yield emulator


@pytest.fixture
async def call(http: ClientSession) -> Call:
    """Call an emulator's API with its key; the path is sent as it is written."""

    async def call(
        emulator: SendGridEmulator,
        method: str,
        path: str,
        *json: object,
        headers: dict[str, str] | None = None,
        data: bytes | BytesIO | None = None,
        timeout_s: float = 10.0,
    ) -> ClientResponse:
        headers = {"Authorization": f"Bearer {emulator.api_key}"} | (headers or {})
        url = URL(emulator.url + path, encoded=True)
        response = await http.request(
            method,
            url,
            json=json[0] if json else None,
            data=data,
            headers=headers,
            timeout=ClientTimeout(timeout_s),
        )
        await response.read()
        return response

    return call

"""A running SendGrid emulator, and a client with its key."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

import pytest
from aiohttp import ClientResponse, ClientSession
from yarl import URL

from homing.emulators import SendGridEmulator

Call: TypeAlias = Callable[..., Awaitable[ClientResponse]]


@pytest.fixture
async def sendgrid() -> AsyncIterator[SendGridEmulator]:
    """Run an emulator that posts no events."""
    async with SendGridEmulator() as emulator:
        yield emulator


@pytest.fixture
async def hooked(receiver: Any) -> AsyncIterator[SendGridEmulator]:
    """Run an emulator that posts its events to the receiver."""
    async with SendGridEmulator(webhook_url=receiver.url) as emulator:
        yield emulator


@pytest.fixture
async def call(http: ClientSession) -> Call:
    """Call an emulator's API with its key; the path is sent as it is written."""

    async def call(
        emulator: SendGridEmulator, method: str, path: str, json: Any = None, **options: Any
    ) -> ClientResponse:
        headers = {"Authorization": f"Bearer {emulator.api_key}"} | options.pop("headers", {})
        url = URL(emulator.url + path, encoded=True)
        response = await http.request(method, url, json=json, headers=headers, **options)
        await response.read()
        return response

    return call

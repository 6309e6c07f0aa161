"""A running Segment emulator, and a client with its write key."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeAlias

import pytest
from aiohttp import ClientResponse, ClientSession, encode_basic_auth
from yarl import URL

from homing.emulators import SegmentEmulator

Post: TypeAlias = Callable[..., Awaitable[ClientResponse]]


@pytest.fixture
async def segment() -> AsyncIterator[SegmentEmulator]:
    """Run an emulator."""
    async with SegmentEmulator() as emulator:
        yield emulator


@pytest.fixture
async def post(http: ClientSession) -> Post:
    """Post JSON to a path of the tracking API with the write key."""

    async def post(
        emulator: SegmentEmulator, path: str, json: object, **headers: str
    ) -> ClientResponse:
        headers["Authorization"] = encode_basic_auth(emulator.write_key, "")
        response = await http.post(emulator.url + path, json=json, headers=headers)
        await response.read()
        return response

    return post


@pytest.fixture
async def look(http: ClientSession) -> Post:
    """Look a profile up; the path is sent as it is written."""

    async def look(emulator: SegmentEmulator, who: str, rest: str = "traits") -> ClientResponse:
        path = f"/v1/spaces/{emulator.space}/collections/users/profiles/{who}/{rest}"
        url = URL(emulator.url + path, encoded=True)
        headers = {"Authorization": encode_basic_auth(emulator.token, "")}
        response = await http.get(url, headers=headers)
        await response.read()
        return response

    return look

"""A client and a webhook receiver, as far from the emulators' own code as can be."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer


@dataclass
class Receiver:
    """A webhook that answers what it is told, then 200."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    requests: list[web.Request] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def receive(self, request: web.Request) -> web.Response:
        """Take one post."""
        self.bodies.append(await request.read())
        self.requests.append(request)
        self.arrived.set()
        status = self.answers.pop(0) if self.answers else 200
        return web.json_response({"externalId": "list-1"}, status=status)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """Serve a receiver on every path and method."""
    receiver = Receiver()
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_route("*", "/{path:.*}", receiver.receive)
    async with TestServer(app) as server:
        receiver.url = str(server.make_url("/hook"))
        yield receiver


@pytest.fixture
async def http() -> AsyncIterator[ClientSession]:
    """Be a client without cookies or retries."""
    async with ClientSession() as session:
        yield session


@pytest.fixture
def ticking() -> Callable[[], float]:
    """Tell a time that goes on by a second whenever it is asked."""
    seconds = iter(range(1_700_000_000, 1_800_000_000))
    return lambda: float(next(seconds))

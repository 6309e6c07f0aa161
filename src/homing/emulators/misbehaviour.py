"""Play a fault on one HTTP request, down to the socket."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from aiohttp import web

from homing.emulators.faults import Answer, Fault

#: Do what was asked and say what the emulator would answer.
Work: TypeAlias = Callable[[], Awaitable[web.StreamResponse]]


class NoAnswer(web.Response):
    """Stand for the answer of a request whose connection was cut: aiohttp cannot send it."""


@dataclass(frozen=True, slots=True)
class Misbehaviour:
    """
    How one API misbehaves.

    Args:
        answers: Fault name to the answer sent without doing the work.

        only_on: Fault name to the one path it makes sense on.

        slow_s: How late a ``slow`` answer is.
    """

    answers: Mapping[str, Answer] = field(default_factory=dict)
    only_on: Mapping[str, str] = field(default_factory=dict)
    slow_s: float = 2.0
    _hanging: set[asyncio.Future[None]] = field(default_factory=set)

    def may_play(self, fault: Fault, path: str) -> bool:
        """Tell whether a fault makes sense on a path."""
        return isinstance(fault, Answer) or self.only_on.get(fault, path) == path

    async def play(self, fault: Fault, request: web.Request, work: Work) -> web.StreamResponse:
        """Answer a request as a fault has it; whether the work is done is the fault's point."""
        if isinstance(fault, Answer):
            return response_of(fault)
        if fault in self.answers:
            return response_of(self.answers[fault])
        if fault == "slow":
            response = await work()
            await asyncio.sleep(self.slow_s)
            return response
        if fault.endswith("-after-accept"):
            await work()
        if fault in {"timeout-after-accept", "hang"}:
            await self._hang()
        return _garbled(request) if fault == "garbage" else _cut(request)

    def let_go(self) -> None:
        """Cut every connection that hangs."""
        for hanging in self._hanging:
            if not hanging.done():
                hanging.set_result(None)

    async def _hang(self) -> None:
        # For ever: cancelled when the client gives up, or the emulator ends.
        hanging: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._hanging.add(hanging)
        try:
            await hanging
        finally:
            self._hanging.discard(hanging)


def response_of(answer: Answer) -> web.Response:
    """Make an aiohttp response of a scripted answer."""
    return web.Response(status=answer.status, body=answer.body, headers=dict(answer.headers))


def _garbled(request: web.Request) -> NoAnswer:
    if request.transport is not None:
        # No status line a client could read: after this it knows nothing.
        request.transport.write(b"\x16\x03\x01 garbage \xff\r\n\r\n")
        request.transport.close()
    return NoAnswer()


def _cut(request: web.Request) -> NoAnswer:
    if request.transport is not None:
        # Lingering for no time makes the close a reset, not an end of file.
        connection = request.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.abort()
    return NoAnswer()

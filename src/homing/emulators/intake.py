"""What both APIs do with a request before their own rules: record it, play its fault."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from aiohttp import web
from multidict import CIMultiDictProxy

from homing.emulators.clock import Clock
from homing.emulators.faults import Answer, FaultPlan
from homing.emulators.ledger import Ledger, RecordedRequest
from homing.emulators.misbehaviour import Misbehaviour, NoAnswer, response_of
from homing.emulators.waiting import Changes

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

#: The recorded request of the aiohttp request at hand.
RECORDED: Final = web.RequestKey("recorded", RecordedRequest)


@dataclass(slots=True)
class Intake:
    """
    The way in of one API.

    Args:
        down: The answer to everything while the API is down; None is up.

        too_large: Answers a body over the server's limit.

        unreadable: Answers a body whose encoding is broken.
    """

    ledger: Ledger
    faults: FaultPlan
    misbehaviour: Misbehaviour
    changes: Changes
    clock: Clock
    too_large: Answer
    unreadable: Answer
    down: Answer | None = None

    async def serve(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Record one request, play what befalls it, and record the answer."""
        body, refusal = await self._read(request)
        recorded = self._record(request, body)
        response: web.StreamResponse
        if refusal is None:
            response = await self._answer(recorded, request, handler)
        else:
            response = response_of(refusal)
        if not isinstance(response, NoAnswer):
            _record_answer(recorded, response)
        self.changes.notify()
        return response

    def end_faults(self) -> None:
        """Let all go well from now on, and cut what hangs."""
        self.faults.enabled = False
        self.misbehaviour.let_go()

    async def _read(self, request: web.Request) -> tuple[bytes, Answer | None]:
        try:
            return await request.read(), None
        except web.HTTPRequestEntityTooLarge:
            return b"", self.too_large
        except web.RequestPayloadError:
            return b"", self.unreadable

    def _record(self, request: web.Request, body: bytes) -> RecordedRequest:
        recorded = RecordedRequest(
            self.ledger.total + 1,
            self.clock(),
            request.method,
            request.raw_path,
            request.headers,
            body,
        )
        self.ledger.append(recorded, len(body))
        request[RECORDED] = recorded
        self.changes.notify()
        return recorded

    async def _answer(
        self, recorded: RecordedRequest, request: web.Request, handler: Handler
    ) -> web.StreamResponse:
        if self.down is not None:
            recorded.fault = "down"
            return response_of(self.down)
        fault = self.faults.next_fault(recorded)
        if fault is None or not self.misbehaviour.may_play(fault, request.path):
            return await handler(request)
        recorded.fault = fault if isinstance(fault, str) else str(fault.status)
        self.faults.played[recorded.fault] += 1

        async def work() -> web.StreamResponse:
            return await handler(request)

        return await self.misbehaviour.play(fault, request, work)


def _record_answer(recorded: RecordedRequest, response: web.StreamResponse) -> None:
    recorded.status = response.status
    recorded.answer_headers = CIMultiDictProxy(response.headers)
    if isinstance(response, web.Response) and isinstance(response.body, bytes):
        recorded.answer_body = response.body

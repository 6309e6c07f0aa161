"""The HTTP Tracking API: ``/v1/batch`` and one path a type."""

import base64
import binascii
from typing import Any, Final

import msgspec
import orjson
from aiohttp import web

from homing.emulators.intake import RECORDED
from homing.emulators.ledger import RecordedRequest
from homing.emulators.segment.inbox import Inbox
from homing.emulators.segment.tracking_rules import (
    MOST_BATCH_BYTES,
    MOST_BATCH_EVENTS,
    MOST_MESSAGE_BYTES,
    TOO_LARGE,
    TOO_MANY_EVENTS,
    TYPES,
)

_OK: Final = b'{"success":true}'


class TrackingApi:
    """
    The endpoints that take messages.

    A missing or wrong write key answers 401; all else that is wrong with a
    message answers 200 and discards it.
    """

    def __init__(self, inbox: Inbox, write_key: str) -> None:
        self._inbox = inbox
        self._write_key = write_key

    def routes(self) -> list[web.RouteDef]:
        """List the endpoints."""
        return [
            web.post("/v1/batch", self._batch),
            *(web.post(f"/v1/{kind}", self._single) for kind in (*TYPES, "import")),
        ]

    async def _batch(self, request: web.Request) -> web.Response:
        body = _body(request, request[RECORDED], MOST_BATCH_BYTES)
        if isinstance(body, web.Response):
            return body
        if not self._may_write(request, body):
            return _answer(401, "invalid write key")
        messages = body.get("batch")
        if not isinstance(messages, list) or not messages:
            self._inbox.discard("empty_batch", None, 0)
        elif len(messages) > MOST_BATCH_EVENTS:
            for message in messages:
                self._inbox.discard(TOO_MANY_EVENTS, message, 0)
        else:
            for message in messages:
                self._take(message, body)
        return _answer(200)

    async def _single(self, request: web.Request) -> web.Response:
        body = _body(request, request[RECORDED], MOST_MESSAGE_BYTES)
        if isinstance(body, web.Response):
            return body
        if not self._may_write(request, body):
            return _answer(401, "invalid write key")
        kind = request.path.rpartition("/")[2]
        self._take(body if kind == "import" else {**body, "type": kind}, {})
        return _answer(200)

    def _take(self, message: object, envelope: dict[str, Any]) -> None:
        size = _bytes_of(message)
        if size > MOST_MESSAGE_BYTES:
            self._inbox.discard(TOO_LARGE, message, size)
        else:
            self._inbox.take(message, envelope, size)

    def _may_write(self, request: web.Request, body: dict[str, Any]) -> bool:
        return self._write_key in {body.get("writeKey"), basic_username(request)}


def basic_username(request: web.Request) -> str | None:
    """Return the user name of HTTP Basic; None without one."""
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(text, validate=True).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return None


def _body(
    request: web.Request, recorded: RecordedRequest, most_bytes: int
) -> dict[str, Any] | web.Response:
    if len(recorded.body) > most_bytes:
        return _answer(400, "message is too large")
    if request.content_type != "application/json":
        return _answer(400, "Content-Type must be application/json")
    try:
        body = orjson.loads(recorded.body)
    except orjson.JSONDecodeError:
        return _answer(400, "malformed JSON")
    return body if isinstance(body, dict) else _answer(400, "malformed JSON")


def _bytes_of(message: object) -> int:
    try:
        return len(msgspec.json.encode(message))
    except RecursionError:
        # Nested a thousand deep: no library makes such a message.
        return MOST_MESSAGE_BYTES + 1


def _answer(status: int, message: str = "") -> web.Response:
    body = orjson.dumps({"success": False, "message": message}) if message else _OK
    return web.Response(status=status, body=body, content_type="application/json")

"""The admin listener: health, readiness, metrics, a status page."""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
import socket
from collections.abc import Awaitable, Callable, Mapping
from hmac import compare_digest
from typing import TYPE_CHECKING

import orjson
from aiohttp import web

from homing.config.values import is_loopback
from homing.processes.books import Books, books_of
from homing.processes.listeners import BadListener
from homing.processes.metrics import exposition
from homing.processes.status_page import status_page

if TYPE_CHECKING:
    from homing.config import Settings
    from homing.processes.worker import Worker

READY_WITHIN_S = 4.0
_HOST = re.compile(r"(?:\[(?P<v6>[0-9a-fA-F:.]+)\]|(?P<name>[^:\[\]]+))(?::[0-9]*)?")
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class Admin:
    """What the pages say."""

    def __init__(self, worker: Worker, environ: Mapping[str, str]) -> None:
        self._worker = worker
        self._environ = environ

    @property
    def settings(self) -> Settings:
        """The configuration in force."""
        return self._worker.assembly.loaded.settings

    async def healthz(self, _: web.Request) -> web.Response:
        """Alive: this loop answers."""
        return web.Response(text="ok\n")

    async def readyz(self, _: web.Request) -> web.Response:
        """Ready: the receiver is up, the store commits, the loops turn; providers do not count."""
        checks = {
            "receiver": self._worker.assembly.health.is_up(),
            "loops": self._worker.turns(),
            "store": await self._commits(),
        }
        ready = all(checks.values())
        return web.Response(
            status=200 if ready else 503,
            body=orjson.dumps({"ready": ready, "checks": checks}),
            content_type="application/json",
        )

    async def metrics(self, _: web.Request) -> web.Response:
        """Prometheus text."""
        text = exposition(await self._books(), self._worker)
        return web.Response(body=text, headers={"Content-Type": "text/plain; version=0.0.4"})

    async def status(self, _: web.Request) -> web.Response:
        """A page of the books."""
        now_ms = self._worker.assembly.stages.sweep.clock.now_ms()
        page = status_page(await self._books(), now_ms=now_ms)
        return web.Response(text=page, content_type="text/html", headers=_HEADERS)

    def allows(self, request: web.Request) -> bool:
        """Whether a request carries the password or token, if one is configured."""
        admin = self.settings.admin
        secrets = [ref.resolve(self._environ) for ref in (admin.password, admin.token) if ref]
        if not secrets:
            return True
        given = _given(request.headers.get("Authorization", ""))
        # header bytes that are no UTF-8 arrive as half surrogates
        told = given.encode("utf-8", "surrogateescape")
        return any(compare_digest(told, secret.encode()) for secret in secrets if secret)

    async def _commits(self) -> bool:
        try:
            async with asyncio.timeout(READY_WITHIN_S):
                await self._worker.assembly.store.write(lambda _: None)
        except (TimeoutError, Exception):  # noqa: BLE001  whatever it is, the answer is no
            return False
        return True

    async def _books(self) -> Books:
        return await self._worker.assembly.store.write(
            lambda tx: books_of(tx, head=self._worker.head)
        )


def _given(header: str) -> str:
    kind, _, value = header.partition(" ")
    if kind.lower() != "basic":
        return value if kind.lower() == "bearer" else ""
    try:
        return base64.b64decode(value, validate=True).decode("utf-8", "replace").partition(":")[2]
    except binascii.Error:
        return ""


async def admin_runner(
    admin: Admin, settings: Settings, listening: socket.socket | None
) -> web.AppRunner:
    """
    Serve the admin pages.

    Raises:
        BadListener: They would be open to the network.
    """
    host = settings.server.admin.host if listening is None else _host_of(listening)
    guarded = settings.admin.password or settings.admin.token
    if host is not None and not is_loopback(host) and not guarded:
        msg = (
            f"expected the socket admin, now on {host}, to be on a loopback address,"
            " as there is no `admin.password` and no `admin.token`"
        )
        raise BadListener(msg)
    app = web.Application(middlewares=[_guard(admin, host)])
    app.router.add_get("/healthz", admin.healthz)
    app.router.add_get("/readyz", admin.readyz)
    app.router.add_get("/metrics", admin.metrics)
    app.router.add_get("/", admin.status)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    if listening is not None:
        await web.SockSite(runner, listening).start()
    else:
        where = settings.server.admin
        await web.TCPSite(runner, where.host, where.port).start()
    return runner


def _host_of(listening: socket.socket) -> str | None:
    """The address of a socket; None for one of the file system."""
    name = listening.getsockname()
    return str(name[0]) if isinstance(name, tuple) else None


def _guard(admin: Admin, bound: str | None) -> Callable[..., Awaitable[web.StreamResponse]]:
    @web.middleware
    async def guard(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if request.path not in ("/healthz",) and not admin.allows(request):
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="Homing"'})
        # a page of the wider web, made to resolve to loopback, must not read this one
        rebound = not _is_local(request.headers.get("Host"))
        if rebound and bound is not None and is_loopback(bound):
            return web.Response(status=403)
        return await handler(request)

    return guard


def _is_local(host: str | None) -> bool:
    """Whether a ``Host`` header, with or without a port, names this machine."""
    found = _HOST.fullmatch(host or "")
    return found is not None and is_loopback(found["v6"] or found["name"])

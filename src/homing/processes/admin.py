"""The admin listener: health, readiness, metrics, a plain status page."""

from __future__ import annotations

import asyncio
import base64
import binascii
import html
import socket
from collections.abc import Awaitable, Callable, Mapping
from hmac import compare_digest
from typing import TYPE_CHECKING

import orjson
from aiohttp import web

from homing import __version__
from homing.processes.books import Books, books_of
from homing.processes.metrics import exposition

if TYPE_CHECKING:
    from homing.config import Settings
    from homing.processes.worker import Worker

READY_WITHIN_S = 4.0
LOOPBACK = ("127.0.0.1", "::1", "localhost")
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
        """A plain page of the books."""
        return web.Response(
            text=status_page(await self._books()), content_type="text/html", headers=_HEADERS
        )

    def allows(self, request: web.Request) -> bool:
        """Whether a request carries the password or token, if one is configured."""
        admin = self.settings.admin
        secrets = [ref.resolve(self._environ) for ref in (admin.password, admin.token) if ref]
        if not secrets:
            return True
        given = _given(request.headers.get("Authorization", ""))
        return any(compare_digest(given.encode(), secret.encode()) for secret in secrets)

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
    """Serve the admin pages."""
    app = web.Application(middlewares=[_guard(admin)])
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


def _guard(admin: Admin) -> Callable[..., Awaitable[web.StreamResponse]]:
    @web.middleware
    async def guard(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if request.path not in ("/healthz",) and not admin.allows(request):
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="Homing"'})
        # a page of the wider web, made to resolve to loopback, must not read this one
        host = (request.host or "").rpartition(":")[0] or request.host
        bound = admin.settings.server.admin.host
        if bound in LOOPBACK and host.strip("[]") not in LOOPBACK:
            return web.Response(status=403)
        return await handler(request)

    return guard


def status_page(books: Books) -> str:
    """The status page: tables of the books, alerts and pauses first."""
    rows: list[tuple[str, dict[str, object]]] = [
        ("alerts", {f"{a.kind}: {a.subject}": f"{a.text} ({a.count})" for a in books.alerts})
    ]
    rows.append(("paused", {name: pause.reason for name, pause in books.pauses.items()}))
    rows += list(books.tables().items())
    parts = [_table(title, table) for title, table in rows if table]
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>Homing</title>"
        "<meta http-equiv=refresh content=5><style>body{font:16px/1.5 system-ui;margin:2rem;"
        "max-width:50rem;color-scheme:light dark}table{border-collapse:collapse;margin:0 0 1.5rem}"
        "td{padding:.15rem 1.5rem .15rem 0}h2{font-size:1rem;margin:0}</style>"
        f"<h1>Homing {html.escape(__version__)}</h1>{''.join(parts)}</html>"
    )


def _table(title: str, table: Mapping[str, object]) -> str:
    cells = "".join(
        f"<tr><td>{html.escape(str(key))}<td>{html.escape(str(value))}"
        for key, value in table.items()
    )
    return f"<h2>{html.escape(title)}</h2><table>{cells}</table>"

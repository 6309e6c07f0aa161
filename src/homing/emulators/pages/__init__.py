"""The emulators' pages: plain HTML without a script, one stylesheet, nothing external."""

import json
from datetime import UTC, datetime
from importlib import resources
from typing import Final

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined

#: No script at all, nothing from elsewhere.
POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; frame-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

_HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

STYLESHEET: Final = "/static/emulators.css"


def _time_text(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).strftime("%H:%M:%S")


_ENVIRONMENT: Final = Environment(
    loader=PackageLoader("homing.emulators.pages"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.filters["time"] = _time_text
_ENVIRONMENT.globals["stylesheet"] = STYLESHEET


def page(template: str, status: int = 200, **context: object) -> web.Response:
    """Show a page; every value in it is escaped."""
    return web.Response(
        status=status,
        text=_ENVIRONMENT.get_template(template).render(context),
        content_type="text/html",
        headers=_HEADERS,
    )


def missing(what: str) -> web.Response:
    """Say that something is not, or no longer, there."""
    return page("missing.html", 404, what=what)


def pretty(value: object) -> str:
    """Write a JSON value for reading; numbers of any size, and any depth that has room."""
    try:
        return json.dumps(value, indent=2, ensure_ascii=False, default=str)
    except RecursionError:
        return "(nested too deeply to be shown)"


def stylesheet_route() -> web.RouteDef:
    """Serve the stylesheet."""
    text = resources.files(__name__).joinpath("static/emulators.css").read_text("utf-8")

    async def serve(_: web.Request) -> web.Response:
        return web.Response(text=text, content_type="text/css")

    return web.get(STYLESHEET, serve)

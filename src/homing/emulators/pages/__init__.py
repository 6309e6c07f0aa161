"""The emulators' pages: plain HTML without a script, one stylesheet, nothing external."""

import json
from datetime import UTC, datetime
from importlib import resources
from typing import Final

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from homing.emulators.clock import Clock

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

_ENVIRONMENT: Final = Environment(
    loader=PackageLoader("homing.emulators.pages"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.filters["words"] = lambda name: str(name).replace("_", " ")


class Pages:
    """
    The pages of one emulator.

    Args:
        brand: What is emulated.

        home: Path of its first page.

        clock: What "ago" is reckoned from.
    """

    def __init__(self, brand: str, home: str, clock: Clock) -> None:
        #: Name and address of pages elsewhere that belong with these; may be changed at any time.
        self.neighbours: list[tuple[str, str]] = []
        self._frame = {"brand": brand, "home": home, "stylesheet": STYLESHEET}
        self._clock = clock

    def show(self, template: str, status: int = 200, **context: object) -> web.Response:
        """Show a page; every value in it is escaped."""
        now = self._clock()
        text = _ENVIRONMENT.get_template(template).render(
            self._frame,
            neighbours=self.neighbours,
            moment=lambda at: moment(at, now=now),
            **context,
        )
        return web.Response(status=status, text=text, content_type="text/html", headers=_HEADERS)

    def missing(self, what: str) -> web.Response:
        """Say that something is not, or no longer, there."""
        return self.show("missing.html", 404, what=what)


def moment(at: float, *, now: float) -> Markup:
    """Show a Unix time as a clock does, with how long ago that is; the day if it is not today."""
    when = datetime.fromtimestamp(at, UTC)
    is_today = when.date() == datetime.fromtimestamp(now, UTC).date()
    shown = when.strftime("%H:%M:%S" if is_today else "%Y-%m-%d %H:%M")
    return Markup(
        '<time datetime="{}" title="{}">{} <small>{}</small></time>'
    ).format(
        when.isoformat(), when.strftime("%Y-%m-%d %H:%M:%S UTC"), shown, ago_text(now - at)
    )  # fmt: skip


def ago_text(seconds: float) -> str:
    """Say how long ago something was, in its largest whole unit."""
    if seconds < 1:
        return "just now"
    for unit, in_s in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= in_s:
            return f"{seconds // in_s:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


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

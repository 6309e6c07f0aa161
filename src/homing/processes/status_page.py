"""The status page: what needs a person first, then the books."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

from jinja2 import Environment, PackageLoader, StrictUndefined

from homing import __version__
from homing.core.effects import EffectState

if TYPE_CHECKING:
    from homing.processes.books import Books

Rows: TypeAlias = list[tuple[str, int]]

_TEMPLATE: Final = Environment(
    loader=PackageLoader("homing.processes", "pages"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
).get_template("status.html")
_UNITS: Final = (("d", 86_400_000), ("h", 3_600_000), ("min", 60_000))


def status_page(books: Books, *, now_ms: int) -> str:
    """
    The page as HTML; every value in it is escaped.

    Args:
        now_ms: What "ago" is reckoned from.
    """
    pauses = sorted(books.pauses.items())
    # a pause of ours raises an alert that says the same
    alerts = [a for a in books.alerts if not (a.kind == "paused" and a.subject in books.pauses)]
    return _TEMPLATE.render(
        version=__version__,
        now=datetime.fromtimestamp(now_ms / 1000, UTC).isoformat(timespec="seconds"),
        ago=partial(ago_text, now_ms=now_ms),
        pauses=pauses,
        alerts=alerts,
        attention=len(pauses) + len(alerts),
        requests=books.requests,
        cards=_cards(books),
        effects=sorted(books.effects.items()),
        states=[state.value for state in EffectState],
    )


def ago_text(at_ms: int, *, now_ms: int) -> str:
    """How long ago something was, in its largest whole unit."""
    for unit, in_ms in _UNITS:
        if now_ms - at_ms >= in_ms:
            return f"{(now_ms - at_ms) // in_ms} {unit} ago"
    seconds = (now_ms - at_ms) // 1000
    return f"{seconds} s ago" if seconds > 0 else "just now"


def _cards(books: Books) -> list[tuple[str, Rows]]:
    events = [(name, n) for name, n in books.events.items() if name != "received"]
    sends = [(state.replace("_", " "), n) for state, n in books.sends.items()]
    unknown = [(word.replace("_", " "), n) for word, n in books.unknown.items() if word != "total"]
    return [
        ("Requests", list(books.requests.items())),
        ("Events", [("received", books.events["received"]), *events]),
        ("Emails", [("decided", sum(books.sends.values())), *sends]),
        ("Outcomes once unknown", [("in all", books.unknown["total"]), *unknown]),
    ]

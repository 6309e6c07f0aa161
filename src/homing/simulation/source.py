"""The events of a simulation, put in the order of their clocks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from operator import attrgetter
from typing import TYPE_CHECKING

import msgspec
import orjson

from homing.core.errors import HomingError
from homing.core.events import SEGMENT_TYPES, time_ms
from homing.core.sendgrid import KNOWN_TYPES
from homing.core.splitting import split_events

if TYPE_CHECKING:
    from homing.core.splitting import Element
    from homing.ports import LogReader

SHOWN_CHARS = 80
BOM = b"\xef\xbb\xbf"  # some editors begin a file with it
READ_REQUESTS = 1_000
READ_BYTES = 8 << 20


class BadLine(HomingError):
    """A line that is no event; says which, what was expected and what was found."""


class Happening(msgspec.Struct, frozen=True, gc=False):
    """One event and when it comes in, unix ms; *source* as in the log."""

    at_ms: int
    source: str
    element: Element


def read_happenings(lines: Iterable[bytes], *, name: str) -> list[Happening]:
    """
    Read one event a line, in the order of their clocks; ties stay in the order of the lines.

    The clock of an event is its ``receivedAt``, else its ``timestamp``. A line may hold a list, as
    a webhook may. SendGrid's events, whose ``timestamp`` is in unix seconds, are told by that.

    Args:
        name: The file's, for messages.

    Raises:
        BadLine: A line is no JSON object, or has no clock.
    """
    found: list[Happening] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        for element in split_events(line).elements:
            try:
                found.append(_happening(element))
            except ValueError as error:
                msg = f"{name}, line {number}: {error}"
                raise BadLine(msg) from None
    return sorted(found, key=attrgetter("at_ms"))


def _happening(element: Element) -> Happening:
    if element.reason is not None:
        raise ValueError(element.reason)
    data = element.data
    stamp = data.get("timestamp")
    if data.get("type") not in SEGMENT_TYPES and data.get("event") in KNOWN_TYPES:
        if isinstance(stamp, int) and not isinstance(stamp, bool):
            return Happening(stamp * 1_000, "sendgrid/default", element)
        msg = f"expected the `timestamp` of a SendGrid event in unix seconds, got {_shown(stamp)}"
        raise ValueError(msg)
    for key in ("receivedAt", "timestamp"):
        at_ms = time_ms(data.get(key))
        if at_ms is not None:
            return Happening(at_ms, "segment/default", element)
    got = " and ".join(_shown(data.get(key)) for key in ("receivedAt", "timestamp"))
    msg = f"expected a time in `receivedAt` or `timestamp`, got {got}"
    raise ValueError(msg)


def _shown(value: object) -> str:
    text = "none" if value is None else repr(value)
    return text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}…"


def from_log(reader: LogReader, *, since_ms: int = 0) -> Iterator[Happening]:
    """
    What a service recorded, in the order in which it was received.

    Args:
        since_ms: From when on.
    """
    seq = 0
    while requests := reader.after(seq, limit=READ_REQUESTS, max_bytes=READ_BYTES):
        for request in requests:
            if request.received_ms >= since_ms:
                for element in split_events(request.body).elements:
                    yield Happening(request.received_ms, request.source, element)
        seq = requests[-1].seq


def lines_of(raw: bytes) -> Iterator[bytes]:
    """The lines of a file; of one that is a JSON array as a whole, its elements."""
    raw = raw.removeprefix(BOM)
    if raw.lstrip()[:1] == b"[" and _is_json(raw):
        yield from (element.raw for element in split_events(raw).elements)
    else:
        yield from raw.splitlines()


def _is_json(raw: bytes) -> bool:
    try:
        orjson.loads(raw)
    except orjson.JSONDecodeError:
        return False
    return True

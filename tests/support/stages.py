"""What stages need of the world: a clock moved by hand, a log in memory, APIs that answer."""

from __future__ import annotations

import asyncio
import hashlib
import json
import tempfile
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from homing.config import load
from homing.core.outcomes import Answer
from homing.core.plans import Plans
from homing.ports import Request

NOON = 1_767_614_400_000  # 2026-01-05T12:00:00Z
SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000


@dataclass(slots=True)
class FixedClock:
    """Time stands still unless it is moved; chance is always the middle."""

    at_ms: int = NOON
    up_s: float = 1_000.0

    def now_ms(self) -> int:
        """The wall clock."""
        return self.at_ms

    def monotonic_s(self) -> float:
        """The clock that never jumps."""
        return self.up_s

    def chance(self) -> float:
        """No jitter."""
        return 0.5

    def forward(self, ms: int) -> None:
        """Let time pass."""
        self.at_ms += ms
        self.up_s += ms / 1000


ACCEPTED = Answer(headers_sent=True, status=202, headers={"X-Message-Id": "mid"})
OK = Answer(headers_sent=True, status=200)
NO_CONNECTION = Answer(headers_sent=False, error="refused")
NO_ANSWER = Answer(headers_sent=True, error="timed out")


def answer(status: int, body: object = None, **headers: str) -> Answer:
    """An answer of that status."""
    names = {name.replace("_", "-"): text for name, text in headers.items()}
    raw = b"" if body is None else json.dumps(body).encode()
    return Answer(headers_sent=True, status=status, headers=names, body=raw)


@dataclass(slots=True)
class Call:
    """One call that was made."""

    method: str
    path: str
    body: Any


@dataclass(slots=True)
class FakeApi:
    """
    Answers what comes next in the list, else *usual*; a function is asked with the call.

    No answer comes before *gate* is open.
    """

    usual: Answer | Callable[[Call], Answer] = ACCEPTED
    answers: deque[Answer] = field(default_factory=deque)
    calls: list[Call] = field(default_factory=list)
    gate: asyncio.Event | None = None

    async def call(self, method: str, path: str, body: bytes | None) -> Answer:
        """Make a call."""
        call = Call(method, path, None if body is None else json.loads(body))
        self.calls.append(call)
        if self.gate is not None:
            await self.gate.wait()
        if self.answers:
            return self.answers.popleft()
        return self.usual(call) if callable(self.usual) else self.usual


@dataclass(slots=True)
class FakeLog:
    """The log, in memory; a request is gone once its place is None."""

    requests: list[Request | None] = field(default_factory=list)

    def append(self, source: str, body: object, received_ms: int) -> int:
        """Take a request in."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.requests.append(Request(len(self.requests) + 1, received_ms, source, raw))
        return len(self.requests)

    def head(self) -> int:
        """The newest."""
        return len(self.requests)

    def after(self, seq: int, *, limit: int, max_bytes: int) -> list[Request]:
        """The next, whatever their size."""
        assert max_bytes > 0
        return [request for request in self.requests[seq:] if request is not None][:limit]

    def request(self, seq: int) -> Request | None:
        """One."""
        return self.requests[seq - 1] if 0 < seq <= len(self.requests) else None


async def at_once(_: float) -> None:
    """Sleep no time at all."""


HEAD = """
[segment]
write_key = "${WRITE_KEY}"
[sendgrid]
api_key = "${API_KEY}"
from = "Acme <hello@acme.example>"
groups = { newsletter = 12345 }
[email.receipt]
template = "d-00000000000000000000000000000001"
class = "transactional"
[email.digest]
template = "d-00000000000000000000000000000002"
group = "newsletter"
[route.receipt]
when = 'event = "Ordered"'
send = "receipt"
[route.digest]
when = 'event = "Digest Due"'
send = "digest"
"""


@cache
def plans_of(extra: str = "", head: str = HEAD) -> Plans:
    """The plans of a configuration: *extra* below a small shop's."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "homing.toml"
        path.write_text(head + extra)
        return load(path, environ={"WRITE_KEY": "wk", "API_KEY": "SG.key"}).plans


def track(name: str, user: str | None = "u1", **changes: object) -> dict[str, Any]:
    """A track event; its id is made of what it says, unless one is given."""
    event: dict[str, Any] = {"type": "track", "event": name, "userId": user, **changes}
    if user is not None and "context" not in changes:
        event["context"] = {"traits": {"email": f"{user}@x.io"}}
    return _with_id(event)


def identify(user: str | None = "u1", **changes: object) -> dict[str, Any]:
    """An identify event."""
    return _with_id({"type": "identify", "userId": user, **changes})


def _with_id(event: dict[str, Any]) -> dict[str, Any]:
    event.setdefault("messageId", json.dumps(event, sort_keys=True))
    return event


def engagement(kind: str, email: str = "u1@x.io", **changes: object) -> Mapping[str, Any]:
    """One of SendGrid's events, by default of this moment."""
    event = {"event": kind, "email": email, "timestamp": NOON // 1000, **changes}
    event.setdefault("sg_event_id", hashlib.sha256(json.dumps(event).encode()).hexdigest())
    return event

"""Words in which the stories of tests/end_to_end are told: events, and what the vendors got."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support import oracle
from tests.support.service import World

from homing.core.suppression import Records
from homing.emulators.clock import utc_text, wall_clock
from homing.emulators.sendgrid.mail import AcceptedMail
from homing.ports import Alert

Event = dict[str, Any]

_numbers = itertools.count(1)


@dataclass(slots=True)
class Ahead:
    """A vendor's clock that a test can put forward: ``clock=Ahead()``, then ``ahead.by_s += 2``."""

    by_s: float = field(default=0.0)

    def __call__(self) -> float:
        """Unix time."""
        return wall_clock() + self.by_s


def event(kind: str, user: str, *, at_s: float = 0.0, **fields: object) -> Event:
    """An event of Segment's that happens now, or *at_s* seconds from now."""
    number = next(_numbers)
    return {
        "type": kind,
        "messageId": f"story-{number}",
        "userId": user,
        "context": {},
        "timestamp": utc_text(wall_clock() + at_s),
        **fields,
    }


def happened(name: str, user: str, *, at_s: float = 0.0, **properties: object) -> Event:
    """A track event; it says that the user's address is ``USER@example.com``."""
    context = {"traits": {"email": f"{user}@example.com"}}
    return event("track", user, at_s=at_s, event=name, properties=properties, context=context)


def identified(user: str, *, at_s: float = 0.0, **traits: object) -> Event:
    """An identify event; its traits are all it says."""
    return event("identify", user, at_s=at_s, traits=traits)


async def take(w: World, *events: Mapping[str, object]) -> None:
    """Deliver events one by one, in order; each is durable then."""
    for one in events:
        post = await w.sender.deliver(one)
        assert 200 == post.status, post


def mails_to(w: World, user: str) -> list[AcceptedMail]:
    """What SendGrid took for a user."""
    return w.sendgrid.accepted.to(f"{user}@example.com")


def last_mail(w: World, user: str) -> AcceptedMail:
    """The newest mail that SendGrid took for a user."""
    return mails_to(w, user)[-1]


def home_of(w: World, user: str, kind: str) -> list[Event]:
    """The calls of one type ("track", "identify") that came home for a user, in order."""
    calls = map(dict, w.segment.received)
    return [call for call in calls if call["type"] == kind and call.get("userId") == user]


def names_home(w: World, user: str) -> list[str]:
    """The names of the tracks that came home for a user, in order."""
    return [call["event"] for call in home_of(w, user, "track")]


def verdicts(w: World, user: str) -> list[tuple[str, str, str | None]]:
    """Email, state and reason of a user's sends, oldest first."""
    return [(row.email, row.state, row.reason) for row in w.sends() if row.user == user]


def records(w: World, address: str) -> Records:
    """What the service knows of who may not be mailed."""
    with oracle.looking(w.service.state) as tx:
        return tx.suppressions.of(address)


def alerts(w: World) -> list[Alert]:
    """What a person should look at."""
    with oracle.looking(w.service.state) as tx:
        return tx.books.alerts()


def pauses(w: World) -> set[str]:
    """What is paused."""
    with oracle.looking(w.service.state) as tx:
        return set(tx.books.pauses())


def calls_about_suppression(w: World) -> list[tuple[str, str, object]]:
    """Method, path and body of what was asked of SendGrid's suppression APIs."""
    return list(_about(w, ("/v3/asm/", "/v3/suppression/")))


def _about(w: World, prefixes: tuple[str, ...]) -> Iterator[tuple[str, str, object]]:
    for request in w.sendgrid.requests:
        if request.path.startswith(prefixes):
            body = json.loads(request.body) if request.body else None
            yield request.method, request.path, body

"""The debugger: what came home, newest first, and who it is about."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final
from urllib.parse import quote

from aiohttp import web

from homing.emulators.clock import unix_s_of
from homing.emulators.pages import Pages, pretty, stylesheet_route
from homing.emulators.segment.inbox import Inbox, Message
from homing.emulators.segment.profiles import Profile, Profiles, identifiers

#: How many messages a list shows.
SHOWN: Final = 100
#: How many characters of a value a table shows; the whole message has it all.
MOST_CHARS: Final = 500


class DebuggerPages:
    """Pages over the received messages and the profiles."""

    def __init__(self, inbox: Inbox, profiles: Profiles, pages: Pages) -> None:
        self._inbox = inbox
        self._profiles = profiles
        self._pages = pages

    def routes(self) -> list[web.RouteDef]:
        """List the pages."""
        return [
            stylesheet_route(),
            web.get("/", self._home),
            web.get("/debugger", self._list),
            web.get("/debugger/{message_id}", self._message),
            web.get("/profiles", self._people),
            web.get("/profiles/{id_type}/{value}", self._profile),
        ]

    async def _home(self, _: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "/debugger"})

    async def _list(self, _: web.Request) -> web.Response:
        discards = [
            {"code": discard.code, "text": pretty(discard.message)[:2000]}
            for discard in islice(self._inbox.discarded.newest(), 20)
        ]
        return self._pages.show(
            "debugger.html",
            rows=[self._row(message) for message in islice(self._inbox.received.newest(), SHOWN)],
            discards=discards,
            total=self._inbox.received.total,
            duplicates=self._inbox.duplicates.total,
            discarded=self._inbox.discarded.total,
        )

    async def _message(self, request: web.Request) -> web.Response:
        wanted = request.match_info["message_id"]
        message = next((m for m in self._known() if m.get("messageId") == wanted), None)
        if message is None:
            return self._pages.missing("message")
        return self._pages.show(
            "message.html", row=self._row(message), facts=[*_facts(message)], text=pretty(message)
        )

    def _known(self) -> Iterator[Message]:
        """Walk over what came home, then over what the workspace's own sources told."""
        yield from self._inbox.received.newest()
        for profile in self._profiles.newest():
            yield from profile.events

    async def _people(self, _: web.Request) -> web.Response:
        people = [_listed(profile) for profile in islice(self._profiles.newest(), SHOWN)]
        return self._pages.show("profiles.html", people=people, total=len(self._profiles))

    async def _profile(self, request: web.Request) -> web.Response:
        profile = self._profiles.find(request.match_info["id_type"], request.match_info["value"])
        if profile is None:
            return self._pages.missing("profile")
        return self._pages.show(
            "profile.html",
            name=_name(profile),
            ids=profile.ids,
            traits=[(name, _text(value)) for name, value in sorted(profile.traits.items())],
            rows=[self._row(message) for message in reversed(profile.events)],
        )

    def _row(self, message: Message) -> "_Row":
        ids = identifiers(message)
        kind, value = ids[0] if ids else ("", "")
        profile = self._profiles.find(kind, value)
        return _Row(
            type=message["type"],
            name=str(message.get("event") or message.get("name") or ""),
            who=value,
            about=value if profile is None else _name(profile),
            detail=_detail(message),
            profile=_profile_url(kind, value),
            url=f"/debugger/{quote(str(message.get('messageId')), safe='')}",
            at=unix_s_of(message["receivedAt"]) or 0.0,
        )


@dataclass(frozen=True, slots=True)
class _Row:
    """A message in a list; `who` is its strongest identifier, `about` how people call them."""

    type: str
    name: str
    who: str
    about: str
    detail: str
    profile: str
    url: str
    at: float


def _detail(message: Message) -> str:
    """Say what a message is about in a few words."""
    if message["type"] == "identify":
        traits = message.get("traits")
        return ", ".join(sorted(traits)) if isinstance(traits, dict) else ""
    properties = message.get("properties")
    if not isinstance(properties, dict):
        return ""
    told = (properties.get(name) for name in ("campaign_name", "link_url", "name", "order_id"))
    return " · ".join(_text(value) for value in told if value)


def _facts(message: Message) -> Iterator[tuple[str, str]]:
    """List what a message says of its own: a track's properties, an identify's traits."""
    for holder in ("properties", "traits"):
        values = message.get(holder)
        if isinstance(values, dict):
            for name, value in values.items():
                yield str(name), _text(value)


def _listed(profile: Profile) -> dict[str, object]:
    kind, value = profile.ids[0] if profile.ids else ("", "")
    return {
        "url": _profile_url(kind, value),
        "name": _name(profile),
        "email": next((value for kind, value in profile.ids if kind == "email"), ""),
        "told": f"{len(profile.traits)} traits",
        "at": unix_s_of(profile.updated_at) or 0.0,
    }


def _name(profile: Profile) -> str:
    """How people call somebody: by name if it is known, else by the strongest identifier."""
    known = (profile.traits.get(key) for key in ("first_name", "last_name"))
    name = " ".join(part for part in known if isinstance(part, str))
    return name or (profile.ids[0][1] if profile.ids else "somebody")


def _profile_url(kind: str, value: str) -> str:
    return f"/profiles/{quote(kind, safe='')}/{quote(value, safe='')}"


def _text(value: Any) -> str:  # noqa: ANN401 - any JSON
    text = value if isinstance(value, str) else pretty(value)
    return text if len(text) <= MOST_CHARS else text[: MOST_CHARS - 1] + "…"

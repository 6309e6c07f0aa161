"""The debugger: what came home, newest first, and who it is about."""

from itertools import islice
from typing import Final
from urllib.parse import quote

from aiohttp import web

from homing.emulators.pages import missing, page, pretty, stylesheet_route
from homing.emulators.segment.inbox import Inbox, Message
from homing.emulators.segment.profiles import Profiles, identifiers

#: How many messages a list shows.
SHOWN: Final = 100


class DebuggerPages:
    """Pages over the received messages and the profiles."""

    def __init__(self, inbox: Inbox, profiles: Profiles) -> None:
        self._inbox = inbox
        self._profiles = profiles

    def routes(self) -> list[web.RouteDef]:
        """List the pages."""
        return [
            stylesheet_route(),
            web.get("/", self._home),
            web.get("/debugger", self._list),
            web.get("/debugger/{message_id}", self._message),
            web.get("/profiles/{id_type}/{value}", self._profile),
        ]

    async def _home(self, _: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "/debugger"})

    async def _list(self, _: web.Request) -> web.Response:
        rows = [_row(message) for message in islice(self._inbox.received.newest(), SHOWN)]
        discards = [
            {"code": discard.code, "text": pretty(discard.message)[:2000]}
            for discard in islice(self._inbox.discarded.newest(), 20)
        ]
        return page(
            "debugger.html",
            rows=rows,
            discards=discards,
            total=self._inbox.received.total,
            duplicates=self._inbox.duplicates.total,
            discarded=self._inbox.discarded.total,
        )

    async def _message(self, request: web.Request) -> web.Response:
        wanted = request.match_info["message_id"]
        message = next((m for m in self._inbox.received.newest() if m["messageId"] == wanted), None)
        if message is None:
            return missing("message")
        return page("message.html", row=_row(message), text=pretty(message))

    async def _profile(self, request: web.Request) -> web.Response:
        profile = self._profiles.find(request.match_info["id_type"], request.match_info["value"])
        if profile is None:
            return missing("profile")
        return page(
            "profile.html",
            ids=profile.ids,
            traits=[(name, pretty(value)) for name, value in sorted(profile.traits.items())],
            rows=[_row(message) for message in reversed(profile.events)],
        )


def _row(message: Message) -> dict[str, str]:
    (kind, value), *_ = [*identifiers(message), ("", "")]
    return {
        "type": message["type"],
        "name": str(message.get("event") or message.get("name") or ""),
        "who": value,
        "profile": f"/profiles/{quote(kind, safe='')}/{quote(value, safe='')}",
        "url": f"/debugger/{quote(message['messageId'], safe='')}",
        "at": message["receivedAt"][11:19],
    }

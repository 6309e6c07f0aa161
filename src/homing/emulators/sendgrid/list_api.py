"""``/v3/suppression``: bounces, blocks, invalid addresses, spam reports, unsubscribes."""

import re
from collections.abc import Mapping
from dataclasses import asdict
from types import MappingProxyType
from typing import Final

from aiohttp import web

from homing.emulators.sendgrid.account import Account, Handler
from homing.emulators.sendgrid.errors import ApiError, Refused
from homing.emulators.sendgrid.reading import (
    answered,
    json_object,
    last_segment,
    whole_number,
)
from homing.emulators.sendgrid.suppressions import Listed, ListName

MOST_ROWS: Final = 500
MOST_WILDCARDS: Final = 5

#: List to the fields of its rows.
_FIELDS: Final[Mapping[ListName, tuple[str, ...]]] = MappingProxyType(
    {
        "unsubscribes": ("created", "email"),
        "bounces": ("created", "email", "reason", "status"),
        "blocks": ("created", "email", "reason", "status"),
        "invalid_emails": ("created", "email", "reason"),
        "spam_reports": ("created", "email", "ip"),
    }
)


class ListApi:
    """The paged lists. Nothing can be added to them but by what happens to mail."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._suppressions = account.suppressions

    def routes(self) -> list[web.RouteDef]:
        """List the endpoints."""
        guarded, read, delete = self._account.guarded, "suppression.read", "suppression.delete"
        routes: list[web.RouteDef] = []
        for name in _FIELDS:
            path = f"/v3/suppression/{name}"
            routes.append(web.get(path, guarded(read, self._page_of(name))))
            if name != "unsubscribes":
                one = path + "/{email}"
                routes += [
                    web.delete(path, guarded(delete, self._removal_from(name))),
                    web.get(one, guarded(read, self._row_of(name))),
                    web.delete(one, guarded(delete, self._removal_of_one(name))),
                ]
        return routes

    def _page_of(self, name: ListName) -> Handler:
        async def page(request: web.Request) -> web.Response:
            limit = whole_number(request, "limit", default=MOST_ROWS) or 0
            if not 1 <= limit <= MOST_ROWS:
                raise Refused(400, ApiError("limit must be between 1 and 500", "limit"))
            offset = whole_number(request, "offset", default=0) or 0
            # Newest first, so that paging by offset drifts while rows are added.
            rows = self._selected(name, request, offset=offset, limit=limit)
            return answered([_as_json(name, row) for row in rows])

        return page

    def _selected(
        self, name: ListName, request: web.Request, *, offset: int, limit: int
    ) -> list[Listed]:
        start = whole_number(request, "start_time", default=0) or 0
        end = whole_number(request, "end_time", default=None)
        rows = self._suppressions.on(name)
        beginning = request.query.get("email", "")
        if not beginning:
            return rows.page(start, end, offset=offset, limit=limit)
        pattern = _pattern(beginning)
        found = [row for row in rows.newest(start, end) if pattern.match(row.email)]
        return found[offset : offset + limit]

    def _row_of(self, name: ListName) -> Handler:
        async def row(request: web.Request) -> web.Response:
            found = self._suppressions.find(name, last_segment(request))
            return answered([] if found is None else [_as_json(name, found)])

        return row

    def _removal_of_one(self, name: ListName) -> Handler:
        async def remove(request: web.Request) -> web.Response:
            self._suppressions.remove(name, last_segment(request))
            return web.Response(status=204)

        return remove

    def _removal_from(self, name: ListName) -> Handler:
        async def remove(request: web.Request) -> web.Response:
            body = json_object(request)
            emails, everything = body.get("emails"), body.get("delete_all") is True
            if everything == bool(emails):
                raise Refused(400, ApiError("exactly one of emails and delete_all must be set"))
            if everything:
                self._suppressions.clear(name)
            elif isinstance(emails, list):
                for email in emails:
                    self._suppressions.remove(name, str(email))
            return web.Response(status=204)

        return remove


def _pattern(beginning: str) -> re.Pattern[str]:
    # The start of the address, with "%" for anything. Not many of them: each
    # may make the match slower by the address's length.
    parts = beginning.lower().split("%")[:MOST_WILDCARDS]
    return re.compile(".*".join(re.escape(part) for part in parts))


def _as_json(name: ListName, row: Listed) -> dict[str, object]:
    fields = asdict(row)
    return {key: fields[key] for key in _FIELDS[name]}

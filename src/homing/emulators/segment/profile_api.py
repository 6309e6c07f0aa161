"""The Profile API: read-only, by identifier."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

import orjson
from aiohttp import web

from homing.emulators.segment.inbox import Message
from homing.emulators.segment.profiles import Profile, Profiles
from homing.emulators.segment.settings import SegmentSettings
from homing.emulators.segment.tracking_api import basic_username


class ProfileApi:
    """The endpoints of one space."""

    def __init__(
        self, profiles: Profiles, settings: SegmentSettings, *, space: str, token: str
    ) -> None:
        self._profiles = profiles
        self._settings = settings
        self._second = self._in_second = 0
        self._space = space
        self._token = token

    def routes(self) -> list[web.RouteDef]:
        """List the endpoints."""
        path = "/v1/spaces/{space}/collections/users/profiles/{who}/{what}"
        return [web.get(path, self._look_up)]

    async def _look_up(self, request: web.Request) -> web.Response:
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        raw = request.rel_url.raw_path.split("/")[-2]
        if "+" in raw:
            # An identifier has to be percent-encoded; this is what a "+" meets.
            return _error(500, "internal_error", "The identifier could not be read.")
        id_type, _, value = unquote(raw).partition(":")
        profile = self._profiles.find(id_type, value)
        if profile is None:
            return _error(404, "not_found", "The resource was not found.")
        return _shown(request, profile, request.match_info["what"])

    def _refusal(self, request: web.Request) -> web.Response | None:
        if basic_username(request) != self._token:
            return _error(401, "authentication_error", "The token is not valid.")
        if request.match_info["space"] != self._space:
            return _error(404, "not_found", "There is no such space.")
        if not self._has_room():
            return _error(429, "rate_limit_error", "Too many requests were made.")
        return None

    def _has_room(self) -> bool:
        second = int(self._settings.clock())
        if second != self._second:
            self._second, self._in_second = second, 0
        self._in_second += 1
        return self._in_second <= self._settings.profile_requests_per_s


@dataclass(frozen=True, slots=True)
class _Sheet:
    """How one part of a profile is paged: under which name, and how many rows at most."""

    name: str
    default: int
    most: int
    rows: Callable[[Profile, web.Request], Sequence[Any]]


def _traits(profile: Profile, request: web.Request) -> list[tuple[str, Any]]:
    include = request.query.get("include")
    wanted = None if include is None else {name.strip() for name in include.split(",")}
    return sorted(item for item in profile.traits.items() if wanted is None or item[0] in wanted)


def _external_ids(profile: Profile, _: web.Request) -> list[dict[str, str]]:
    return [
        {
            "id": value,
            "type": kind,
            "source_id": "emulator",
            "collection": "users",
            "created_at": profile.created_at,
            "encoding": "none",
        }
        for kind, value in profile.ids
    ]


def _events(profile: Profile, _: web.Request) -> list[Message]:
    return list(reversed(profile.events))


_SHEETS: Final = {
    "traits": _Sheet("traits", 10, 200, _traits),
    "external_ids": _Sheet("data", 25, 100, _external_ids),
    "events": _Sheet("data", 25, 100, _events),
}


def _shown(request: web.Request, profile: Profile, what: str) -> web.Response:
    if what == "metadata":
        metadata = {"created_at": profile.created_at, "updated_at": profile.updated_at}
        return _answer(200, {"metadata": metadata})
    sheet = _SHEETS.get(what)
    if sheet is None:
        return _error(404, "not_found", "The resource was not found.")
    limit, start = _number(request, "limit", sheet.default), _number(request, "next", 0)
    if limit is None or start is None or not 1 <= limit <= sheet.most:
        return _error(400, "validation_error", f"limit must be between 1 and {sheet.most}.")
    rows = sheet.rows(profile, request)
    page = rows[start : start + limit]
    more = start + limit < len(rows)
    cursor = {
        "url": request.path,
        "has_more": more,
        "next": str(start + limit) if more else "",
        "limit": limit,
    }
    shown = dict(page) if sheet.name == "traits" else page
    return _answer(200, {sheet.name: shown, "cursor": cursor})


def _number(request: web.Request, name: str, default: int) -> int | None:
    text = request.query.get(name, str(default))
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else None


def _error(status: int, code: str, message: str) -> web.Response:
    return _answer(status, {"error": {"code": code, "message": message}})


def _answer(status: int, value: object) -> web.Response:
    return web.Response(
        status=status,
        body=orjson.dumps(value),
        content_type="application/json",
        headers={"Request-Id": secrets.token_hex(12)},
    )

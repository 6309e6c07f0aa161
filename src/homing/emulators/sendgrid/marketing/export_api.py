"""``/v3/marketing/contacts/exports``."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from homing.emulators.sendgrid.account import Account
from homing.emulators.sendgrid.errors import NOT_FOUND, ApiError, MarketingRefused, refused
from homing.emulators.sendgrid.marketing.exports import FILE_TYPES, MEGABYTE, Wanted
from homing.emulators.sendgrid.marketing.upsert_rules import (
    check_lists,
    decoded_object,
    list_id_errors,
)
from homing.emulators.sendgrid.reading import answered, recorded


class ExportApi:
    """The endpoints of exports."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._exports = account.exports

    def routes(self) -> list[web.RouteDef]:
        """List the endpoints."""
        guarded, path = self._account.guarded, "/v3/marketing/contacts/exports"
        read = "marketing.read"
        return [
            web.post(path, guarded(read, self._start)),
            web.get(path, guarded(read, self._list)),
            web.get(path + "/{export_id}", guarded(read, self._show)),
        ]

    async def _start(self, request: web.Request) -> web.Response:
        raw = recorded(request).body
        body = decoded_object(raw) if raw else {}
        errors = list(list_id_errors(body.get("list_ids")))
        if body.get("segment_ids"):
            errors.append(ApiError("the account has no segments", "segment_ids"))
        if errors:
            raise MarketingRefused(400, *errors)
        wanted = _wanted(body)
        check_lists(list(wanted.list_ids), self._account.marketing.lists)
        export = self._exports.start(wanted)
        self_url = export.as_json(_origin(request))["_metadata"]
        return answered({"id": export.id, "_metadata": self_url}, 202)

    async def _show(self, request: web.Request) -> web.Response:
        export = self._exports.find(request.match_info["export_id"])
        if export is None:
            return refused(404, NOT_FOUND)
        return answered(export.as_json(_origin(request)))

    async def _list(self, request: web.Request) -> web.Response:
        origin = _origin(request)
        rows = [
            export.as_json(origin)
            | {"export_type": "list_export" if export.wanted.list_ids else "contacts_export"}
            for export in self._exports
        ]
        return answered({"result": rows, "_metadata": {"self": str(request.url)}})


def _origin(request: web.Request) -> str:
    return str(request.url.origin())


def _wanted(body: Mapping[str, Any]) -> Wanted:
    asked = body.get("file_type", "csv")
    file_type = next((one for one in FILE_TYPES if one == asked), None)
    if file_type is None:
        raise MarketingRefused(400, ApiError("file_type must be csv or json", "file_type"))
    megabytes = body.get("max_file_size", 5_000)
    if not isinstance(megabytes, int) or isinstance(megabytes, bool) or megabytes < 1:
        message = "max_file_size must be a number of megabytes"
        raise MarketingRefused(400, ApiError(message, "max_file_size"))
    list_ids = tuple(dict.fromkeys(body.get("list_ids") or ()))
    return Wanted(list_ids, file_type, megabytes * MEGABYTE)

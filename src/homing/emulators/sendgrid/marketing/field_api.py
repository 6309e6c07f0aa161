"""``/v3/marketing/field_definitions``: the custom fields."""

from aiohttp import web

from homing.emulators.sendgrid.account import Account
from homing.emulators.sendgrid.errors import ApiError, MarketingRefused
from homing.emulators.sendgrid.marketing.fields import BadField, FieldDefinition, reserved_as_json
from homing.emulators.sendgrid.marketing.upsert_rules import decoded_object
from homing.emulators.sendgrid.reading import answered, recorded


class FieldApi:
    """The endpoints of custom fields."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._fields = account.marketing.fields

    def routes(self) -> list[web.RouteDef]:
        """List the endpoints."""
        guarded, path = self._account.guarded, "/v3/marketing/field_definitions"
        return [
            web.get(path, guarded("marketing.read", self._list)),
            web.post(path, guarded("marketing.create", self._add)),
            web.patch(path + "/{field_id}", guarded("marketing.update", self._rename)),
            web.delete(path + "/{field_id}", guarded("marketing.delete", self._remove)),
        ]

    async def _list(self, request: web.Request) -> web.Response:
        return answered(
            {
                "custom_fields": [field.as_json() for field in self._fields],
                "reserved_fields": reserved_as_json(),
                "_metadata": {"self": _url(request, "")},
            }
        )

    async def _add(self, request: web.Request) -> web.Response:
        body = decoded_object(recorded(request).body)
        name, field_type = body.get("name"), body.get("field_type")
        if not isinstance(name, str) or not isinstance(field_type, str):
            raise MarketingRefused(400, ApiError("name and field_type are required"))
        try:
            field = self._fields.add(name, field_type)
        except BadField as bad:
            raise MarketingRefused(400, ApiError(str(bad))) from bad
        return answered(_shown(request, field))

    async def _rename(self, request: web.Request) -> web.Response:
        field = self._fields.find(request.match_info["field_id"])
        if field is None:
            raise MarketingRefused(404, ApiError("custom field not found"))
        name = decoded_object(recorded(request).body).get("name")
        if not isinstance(name, str):
            raise MarketingRefused(400, ApiError("name is required", "name"))
        try:
            self._fields.rename(field, name)
        except BadField as bad:
            raise MarketingRefused(400, ApiError(str(bad), "name")) from bad
        return answered(_shown(request, field))

    async def _remove(self, request: web.Request) -> web.Response:
        if not self._fields.remove(request.match_info["field_id"]):
            raise MarketingRefused(404, ApiError("custom field not found"))
        return web.Response(status=204)


def _shown(request: web.Request, field: FieldDefinition) -> dict[str, object]:
    return {**field.as_json(), "_metadata": {"self": _url(request, f"/{field.id}")}}


def _url(request: web.Request, rest: str) -> str:
    return f"{request.url.origin()}/v3/marketing/field_definitions{rest}"

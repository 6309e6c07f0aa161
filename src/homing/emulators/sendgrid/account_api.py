"""``/v3/scopes`` and ``/v3/templates``."""

from aiohttp import web

from homing.emulators.sendgrid.account import Account
from homing.emulators.sendgrid.errors import NOT_FOUND, ApiError, Refused, refused
from homing.emulators.sendgrid.reading import answered, whole_number


class AccountApi:
    """What the key may do, and the account's templates."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def routes(self) -> list[web.RouteDef]:
        """List the endpoints."""
        guarded = self._account.guarded
        return [
            web.get("/v3/scopes", self._scopes),
            web.get("/v3/templates", guarded("templates.read", self._templates)),
            web.get("/v3/templates/{template_id}", guarded("templates.read", self._template)),
        ]

    async def _scopes(self, _: web.Request) -> web.Response:
        return answered({"scopes": sorted(self._account.scopes)})

    async def _template(self, request: web.Request) -> web.Response:
        template = self._account.templates.find(request.match_info["template_id"])
        return refused(404, NOT_FOUND) if template is None else answered(template.as_json())

    async def _templates(self, request: web.Request) -> web.Response:
        page_size = whole_number(request, "page_size", default=None)
        if page_size is None or not 1 <= page_size <= 200:
            raise Refused(400, ApiError("page_size must be between 1 and 200", "page_size"))
        start = whole_number(request, "page_token", default=0) or 0
        # Without `generations` only legacy templates are listed.
        wanted = request.query.get("generations", "legacy").split(",")
        templates = [one for one in self._account.templates if one.generation in wanted]
        page = templates[start : start + page_size]
        here = f"{request.url.origin()}/v3/templates?generations=dynamic&page_size={page_size}"
        metadata: dict[str, object] = {"self": here, "count": len(templates)}
        if start + page_size < len(templates):
            metadata["next"] = f"{here}&page_token={start + page_size}"
        return answered({"result": [t.as_row() for t in page], "_metadata": metadata})

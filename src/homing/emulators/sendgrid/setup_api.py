"""Verified senders, authenticated domains, tracking settings, forwarding: read mostly."""

from typing import Any, Final

from aiohttp import web

from homing.emulators.sendgrid.account import Account
from homing.emulators.sendgrid.errors import ApiError, Refused
from homing.emulators.sendgrid.reading import answered, json_object, whole_number
from homing.emulators.sendgrid.setup import Domain, Sender

_REGIONS: Final = {"US", "EU"}
_EVENTS: Final = frozenset(
    [
        "processed",
        "drop",
        "deferred",
        "delivered",
        "bounce",
        "open",
        "machine_opened",
        "click",
        "unsubscribe",
        "group_unsubscribe",
        "group_resubscribe",
        "spamreport",
    ]
)
MOST_INTEGRATIONS: Final = 10


class SetupApi:
    """The endpoints."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._setup = account.setup

    def routes(self) -> list[web.RouteDef]:
        """List the endpoints."""
        guarded = self._account.guarded
        integrations = "/v3/marketing/integrations"
        return [
            web.get("/v3/verified_senders", self._senders),
            web.get("/v3/whitelabel/domains", guarded("whitelabel.read", self._domains)),
            web.get(
                "/v3/tracking_settings/{name}", guarded("tracking_settings.read", self._tracking)
            ),
            web.get(integrations, self._integrations),
            web.post(integrations, self._integrate),
            web.delete(integrations, self._disintegrate),
        ]

    async def _senders(self, request: web.Request) -> web.Response:
        limit = whole_number(request, "limit", default=None)
        after = whole_number(request, "lastSeenID", default=0) or 0
        rows = [sender for sender in self._setup.senders if sender.id > after]
        return answered({"results": [_sender(sender) for sender in rows[:limit]]})

    async def _domains(self, request: web.Request) -> web.Response:
        limit = whole_number(request, "limit", default=50)
        start = whole_number(request, "offset", default=0) or 0
        rows = self._setup.domains[start:]
        return answered([_domain(domain) for domain in rows[:limit]])

    async def _tracking(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in self._setup.tracking:
            raise Refused(404, ApiError("not found"))
        return answered({"enabled": self._setup.tracking[name]})

    async def _integrations(self, _: web.Request) -> web.Response:
        return answered({"result": self._setup.integrations})

    async def _integrate(self, request: web.Request) -> web.Response:
        body = json_object(request)
        properties, filters = body.get("properties"), body.get("filters")
        if not _is_whole(body, properties, filters):
            raise Refused(400, ApiError("invalid request"))
        if len(self._setup.integrations) >= MOST_INTEGRATIONS:
            raise Refused(403, ApiError("maximum number of integrations reached"))
        self._setup.forward_to_segment(
            body["properties"]["write_key"],
            *body["filters"]["email_events"],
            region=body["properties"]["destination_region"],
        )
        return answered(self._setup.integrations[-1], 201)

    async def _disintegrate(self, request: web.Request) -> web.Response:
        ids = set(filter(None, request.query.get("ids", "").split(",")))
        kept = [one for one in self._setup.integrations if one["integration_id"] not in ids]
        if not ids or len(kept) + len(ids) != len(self._setup.integrations):
            raise Refused(404 if ids else 400, ApiError("integration does not exist"))
        self._setup.integrations[:] = kept
        return web.Response(status=204)


def _is_whole(body: dict[str, Any], properties: object, filters: object) -> bool:
    if body.get("destination") != "Segment" or not isinstance(properties, dict):
        return False
    key = properties.get("write_key")
    events = filters.get("email_events") if isinstance(filters, dict) else None
    return (
        isinstance(key, str)
        and 6 <= len(key) <= 51
        and properties.get("destination_region") in _REGIONS
        and isinstance(events, list)
        and _EVENTS.issuperset(map(str, events))
    )


def _sender(sender: Sender) -> dict[str, object]:
    return {
        "id": sender.id,
        "nickname": sender.from_email,
        "from_email": sender.from_email,
        "from_name": "",
        "reply_to": sender.from_email,
        "verified": sender.verified,
        "locked": False,
    }


def _domain(domain: Domain) -> dict[str, object]:
    return {
        "id": domain.id,
        "user_id": 12345,
        "subdomain": domain.subdomain,
        "domain": domain.domain,
        "username": "emulator",
        "ips": [],
        "custom_spf": False,
        "default": domain.id == 1,
        "legacy": False,
        "automatic_security": True,
        "valid": domain.valid,
        "dns": {},
    }

"""``/v3/marketing/lists``: the lists, and taking contacts off them."""

import base64
import binascii

from aiohttp import web

from homing.emulators.sendgrid.account import Account
from homing.emulators.sendgrid.errors import ApiError, MarketingRefused
from homing.emulators.sendgrid.marketing.lists import BadList, ContactList
from homing.emulators.sendgrid.marketing.upsert_rules import decoded_object
from homing.emulators.sendgrid.reading import answered, listed_ids, recorded, whole_number


class ListsApi:
    """The endpoints of lists. Nothing puts contacts on one but their upsert."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._marketing = account.marketing
        self._lists = account.marketing.lists

    def routes(self) -> list[web.RouteDef]:
        """List the endpoints."""
        guarded, lists = self._account.guarded, "/v3/marketing/lists"
        one, read, update = lists + "/{list_id}", "marketing.read", "marketing.update"
        return [
            web.get(lists, guarded(read, self._page)),
            web.post(lists, guarded("marketing.create", self._add)),
            web.get(one, guarded(read, self._show)),
            web.patch(one, guarded(update, self._rename)),
            web.delete(one, guarded("marketing.delete", self._remove)),
            web.delete(one + "/contacts", guarded(update, self._take_off)),
            web.get(one + "/contacts/count", guarded(read, self._count)),
        ]

    async def _page(self, request: web.Request) -> web.Response:
        page_size = whole_number(request, "page_size", default=100) or 0
        if not 1 <= page_size <= 1_000:
            raise MarketingRefused(
                400, ApiError("page_size must be between 1 and 1000", "page_size")
            )
        start = _sequence_of(request.query.get("page_token", ""))
        rows = self._lists.after(start)
        page = rows[: min(page_size, self._marketing.settings.most_lists_a_page)]
        origin = str(request.url.origin())
        here = f"{origin}/v3/marketing/lists?page_size={page_size}&page_token="
        metadata: dict[str, object] = {"self": here + _token_of(start), "count": len(self._lists)}
        if len(page) < len(rows):
            metadata["next"] = here + _token_of(page[-1].sequence)
        return answered({"result": [row.as_json(origin) for row in page], "_metadata": metadata})

    async def _add(self, request: web.Request) -> web.Response:
        try:
            made = self._lists.add(_name(request))
        except BadList as bad:
            raise MarketingRefused(400, ApiError(str(bad), "name")) from bad
        return answered(made.as_json(str(request.url.origin())), 201)

    async def _show(self, request: web.Request) -> web.Response:
        return answered(self._found(request).as_json(str(request.url.origin())))

    async def _rename(self, request: web.Request) -> web.Response:
        which = self._found(request)
        try:
            self._lists.rename(which, _name(request))
        except BadList as bad:
            raise MarketingRefused(400, ApiError(str(bad), "name")) from bad
        return answered(which.as_json(str(request.url.origin())))

    async def _remove(self, request: web.Request) -> web.Response:
        which = self._found(request)
        self._lists.remove(which.id)
        if request.query.get("delete_contacts") != "true":
            return web.Response(status=204)
        return answered({"job_id": self._marketing.delete_contacts(list(which.members)).id})

    async def _take_off(self, request: web.Request) -> web.Response:
        which = self._found(request)
        contact_ids = listed_ids(request, "contact_ids")
        for contact_id in contact_ids:
            if self._marketing.contacts.by_id(contact_id) is None:
                raise MarketingRefused(404, ApiError(f"contact '{contact_id}' not found"))
        return answered({"job_id": self._marketing.take_off(which, contact_ids).id}, 202)

    async def _count(self, request: web.Request) -> web.Response:
        count = len(self._found(request).members)
        return answered({"contact_count": count, "billable_count": count})

    def _found(self, request: web.Request) -> ContactList:
        which = self._lists.find(request.match_info["list_id"])
        if which is None:
            raise MarketingRefused(404, ApiError("list not found"))
        return which


def _name(request: web.Request) -> str:
    name = decoded_object(recorded(request).body).get("name")
    if not isinstance(name, str):
        raise MarketingRefused(400, ApiError("name is required", "name"))
    return name


def _token_of(sequence: int) -> str:
    # Opaque, so that nobody reckons with it.
    return base64.urlsafe_b64encode(f"after:{sequence}".encode()).decode().rstrip("=")


def _sequence_of(token: str) -> int:
    if not token:
        return 0
    try:
        text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        text = ""
    number = text.removeprefix("after:")
    if not text.startswith("after:") or not number.isdigit() or len(number) > 18:
        raise MarketingRefused(400, ApiError("invalid page_token", "page_token"))
    return int(number)

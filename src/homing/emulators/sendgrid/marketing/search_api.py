"""``POST /v3/marketing/contacts/search``: contacts by a query."""

from collections.abc import Iterable
from typing import Final

from aiohttp import web

from homing.emulators.sendgrid.account import Account
from homing.emulators.sendgrid.errors import ApiError, MarketingRefused
from homing.emulators.sendgrid.marketing.contacts import Contact
from homing.emulators.sendgrid.marketing.sgql import BadQuery, Query, read_query
from homing.emulators.sendgrid.marketing.upsert_rules import decoded_object
from homing.emulators.sendgrid.reading import answered, recorded

#: Only so many are shown, however many there are.
MOST_SHOWN: Final = 50


class SearchApi:
    """The endpoint that takes queries."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._marketing = account.marketing

    def routes(self) -> list[web.RouteDef]:
        """List the endpoints."""
        guarded = self._account.guarded
        path = "/v3/marketing/contacts/search"
        return [web.post(path, guarded("marketing.read", self._search))]

    async def _search(self, request: web.Request) -> web.Response:
        text = decoded_object(recorded(request).body).get("query")
        if not isinstance(text, str):
            raise MarketingRefused(400, ApiError("query is required", "query"))
        try:
            query = read_query(text)
        except BadQuery as bad:
            raise MarketingRefused(400, ApiError(str(bad), "query")) from bad
        origin = str(request.url.origin())
        found = [contact for contact in self._possible(query) if self._is_meant(contact, query)]
        return answered(
            {
                "result": [self._marketing.shown(c, origin) for c in found[:MOST_SHOWN]],
                "contact_count": len(found),
                "_metadata": {"self": str(request.url)},
            }
        )

    def _possible(self, query: Query) -> Iterable[Contact]:
        """Take the index that leaves the fewest contacts to ask about."""
        contacts, lists = self._marketing.contacts, self._marketing.lists
        if query.emails is not None:
            known = (contacts.find(email) for email in query.emails)
            return sorted((c for c in known if c is not None), key=lambda c: c.sequence)
        if query.list_id is not None:
            which = lists.find(query.list_id)
            return () if which is None else which.members.values()
        return contacts

    def _is_meant(self, contact: Contact, query: Query) -> bool:
        return query.matches(contact) and self._marketing.is_seen(contact)

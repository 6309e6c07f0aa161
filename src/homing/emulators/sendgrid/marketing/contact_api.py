"""``/v3/marketing/contacts``: upsert, look-up by identifier and id, deletion, and their jobs."""

from collections.abc import Callable, Mapping
from itertools import islice
from typing import Final

from aiohttp import web

from homing.emulators.sendgrid.account import Account
from homing.emulators.sendgrid.errors import NOT_FOUND, ApiError, MarketingRefused, refused
from homing.emulators.sendgrid.marketing.contacts import IDENTIFIERS, Contact
from homing.emulators.sendgrid.marketing.upsert_rules import decoded_object, read_upsert
from homing.emulators.sendgrid.reading import answered, listed_ids, recorded
from homing.emulators.sendgrid.recipient_rules import is_address

MOST_LOOKED_UP: Final = 100
SAMPLE: Final = 50


class ContactApi:
    """The endpoints of contacts."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._marketing = account.marketing

    def routes(self) -> list[web.RouteDef]:
        """List the endpoints."""
        guarded, contacts = self._account.guarded, "/v3/marketing/contacts"
        read = "marketing.read"
        return [
            web.put(contacts, guarded("marketing.update", self._upsert)),
            web.get(contacts, guarded(read, self._sample)),
            web.delete(contacts, guarded("marketing.delete", self._delete)),
            web.get(contacts + "/count", guarded(read, self._count)),
            web.get(contacts + "/imports/{job_id}", guarded(read, self._job)),
            web.post(contacts + "/batch", guarded(read, self._batch)),
            web.post(contacts + "/search/emails", guarded(read, self._by_emails)),
            web.post(contacts + "/search/identifiers/{kind}", guarded(read, self._by_identifiers)),
            web.get(contacts + "/{contact_id}", guarded(read, self._contact)),
        ]

    async def _upsert(self, request: web.Request) -> web.Response:
        marketing = self._marketing
        upsert = read_upsert(recorded(request).body, marketing.lists, marketing.fields)
        return answered({"job_id": marketing.upsert(upsert).id}, 202)

    async def _job(self, request: web.Request) -> web.Response:
        job = self._marketing.jobs.find(request.match_info["job_id"])
        if job is None:
            return refused(404, NOT_FOUND)
        return answered(job.as_json(str(request.url.origin())))

    async def _delete(self, request: web.Request) -> web.Response:
        if "delete_all_contacts" in request.query:
            # Whoever sends this loses an account: nothing that is tested here should.
            message = "the emulator never deletes all contacts: delete_all_contacts was sent"
            raise MarketingRefused(400, ApiError(message, "delete_all_contacts"))
        contact_ids = listed_ids(request, "ids")
        return answered({"job_id": self._marketing.delete_contacts(contact_ids).id}, 202)

    async def _count(self, _: web.Request) -> web.Response:
        count = len(self._marketing.contacts)
        return answered({"contact_count": count, "billable_count": count})

    async def _sample(self, request: web.Request) -> web.Response:
        newest = islice(filter(self._marketing.is_seen, self._marketing.contacts.newest()), SAMPLE)
        sample = sorted(newest, key=lambda contact: contact.email)
        return answered(
            {
                "result": [self._shown(request, contact) for contact in sample],
                "contact_count": len(self._marketing.contacts),
                "_metadata": {"self": str(request.url)},
            }
        )

    async def _contact(self, request: web.Request) -> web.Response:
        contact = self._marketing.contacts.by_id(request.match_info["contact_id"])
        if contact is None or not self._marketing.is_seen(contact):
            return refused(404, NOT_FOUND)
        return answered(self._shown(request, contact))

    async def _batch(self, request: web.Request) -> web.Response:
        contact_ids = _texts(request, "ids")
        found = self._marketing.contacts.known(dict.fromkeys(contact_ids))
        seen = [self._shown(request, c) for c in found if self._marketing.is_seen(c)]
        return answered({"result": seen})

    async def _by_emails(self, request: web.Request) -> web.Response:
        emails = [email.lower() for email in _texts(request, "emails") if email]
        _check_addresses(emails, "emails")
        return self._looked_up(request, emails, self._marketing.contacts.find_alternate)

    async def _by_identifiers(self, request: web.Request) -> web.Response:
        wanted = request.match_info["kind"]
        kind = next((one for one in IDENTIFIERS if one == wanted), None)
        if kind is None:
            raise MarketingRefused(400, ApiError(f"unknown identifier type '{wanted}'"))
        values = [value for value in _texts(request, "identifiers") if value]
        if kind == "email":
            values = [value.lower() for value in values]
            _check_addresses(values, "identifiers")
            return self._looked_up(request, values, self._marketing.contacts.find_alternate)
        contacts = self._marketing.contacts
        return self._looked_up(request, values, lambda value: contacts.identified_by(kind, value))

    def _looked_up(
        self, request: web.Request, values: list[str], find: Callable[[str], Contact | None]
    ) -> web.Response:
        result: dict[str, Mapping[str, object]] = {}
        found = False
        for value in values:
            contact = find(value)
            if contact is not None and self._marketing.is_seen(contact):
                result[value] = {"contact": self._shown(request, contact)}
                found = True
            else:
                result[value] = {"error": "contact not found"}
        if not found:
            raise MarketingRefused(404, ApiError("no contacts found"))
        return answered({"result": result})

    def _shown(self, request: web.Request, contact: Contact) -> dict[str, object]:
        return self._marketing.shown(contact, str(request.url.origin()))


def _texts(request: web.Request, name: str) -> list[str]:
    values = decoded_object(recorded(request).body).get(name)
    if not isinstance(values, list) or not 1 <= len(values) <= MOST_LOOKED_UP:
        message = f"{name} must hold between 1 and {MOST_LOOKED_UP} values"
        raise MarketingRefused(400, ApiError(message, name))
    if not all(isinstance(value, str) for value in values):
        raise MarketingRefused(400, ApiError(f"{name} must hold strings", name))
    return values


def _check_addresses(emails: list[str], name: str) -> None:
    bad = [ApiError(f"email '{e}' is not valid", name) for e in emails if not is_address(e)]
    if bad:
        raise MarketingRefused(400, *bad)

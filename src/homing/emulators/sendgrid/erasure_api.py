"""``POST /v3/recipients/erasejob``: forget what mail told of some people."""

import uuid
from typing import Final

from aiohttp import web

from homing.emulators.sendgrid.account import Account
from homing.emulators.sendgrid.errors import ApiError, Refused
from homing.emulators.sendgrid.reading import answered, json_object, recorded
from homing.emulators.sendgrid.recipient_rules import is_address

MOST_ADDRESSES: Final = 5_000
MOST_BYTES: Final = 256_000

_FIELD: Final = "email_addresses"


class ErasureApi:
    """
    The endpoint that takes erasures.

    They are noted, not done: what the emulator keeps is the test's own view.
    Contacts and suppressions are no part of it at SendGrid either.
    """

    def __init__(self, account: Account) -> None:
        self._account = account

    def routes(self) -> list[web.RouteDef]:
        """List the endpoints."""
        guarded = self._account.guarded
        scope = "recipients.erasejob.create"
        return [web.post("/v3/recipients/erasejob", guarded(scope, self._erase))]

    async def _erase(self, request: web.Request) -> web.Response:
        if len(recorded(request).body) > MOST_BYTES:
            raise Refused(400, ApiError("Request body is larger than 256Kb", _FIELD))
        addresses = json_object(request).get(_FIELD)
        if not isinstance(addresses, list) or not 1 <= len(addresses) <= MOST_ADDRESSES:
            message = f"{_FIELD} must hold between 1 and {MOST_ADDRESSES} addresses"
            raise Refused(400, ApiError(message, _FIELD))
        bad = [
            ApiError(f"Email_address {address} is not valid", _FIELD)
            for address in addresses
            if not isinstance(address, str) or not is_address(address)
        ]
        if bad:
            raise Refused(400, *bad)
        self._account.erased |= dict.fromkeys(address.lower() for address in addresses)
        return answered({"job_id": str(uuid.uuid4())}, 202)

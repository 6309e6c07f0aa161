"""Put endpoints and pages together, behind recording, faults and authentication."""

import hmac

from aiohttp import web

from homing.emulators.faults import FaultPlan
from homing.emulators.intake import Handler, Intake
from homing.emulators.ledger import Ledger
from homing.emulators.misbehaviour import Misbehaviour
from homing.emulators.pages import Pages
from homing.emulators.sendgrid import errors
from homing.emulators.sendgrid.account import Account
from homing.emulators.sendgrid.account_api import AccountApi
from homing.emulators.sendgrid.delivery import Delivery
from homing.emulators.sendgrid.group_api import GroupApi
from homing.emulators.sendgrid.list_api import ListApi
from homing.emulators.sendgrid.mail_api import MailApi
from homing.emulators.sendgrid.mail_rules import MOST_BYTES
from homing.emulators.sendgrid.mailbox_pages import MailboxPages
from homing.emulators.sendgrid.recipient import Recipients
from homing.emulators.sendgrid.rendering import Rendering
from homing.emulators.waiting import Changes


class ApiSide:
    """What stands before the API's endpoints: the ledger, the faults, the key."""

    def __init__(
        self, account: Account, api_key: str, *, faults: FaultPlan, changes: Changes
    ) -> None:
        settings = account.settings
        self.account = account
        self.ledger = Ledger(settings.keep)
        self.faults = faults
        self.intake = Intake(
            ledger=self.ledger,
            faults=faults,
            misbehaviour=Misbehaviour(
                answers=errors.FAULT_ANSWERS,
                only_on={"403-from": "/v3/mail/send"},
                slow_s=settings.pace.slow_s,
            ),
            changes=changes,
            clock=settings.clock,
            too_large=errors.answer(413, errors.TOO_LARGE),
            unreadable=errors.answer(400, errors.ApiError("Bad Request")),
        )
        self._authorization = f"Bearer {api_key}".encode()

    async def serve(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer one request to the API, errors in the API's own words."""
        given = request.headers.get("Authorization", "").encode(errors="surrogateescape")
        if not hmac.compare_digest(given, self._authorization):
            return errors.refused(401, errors.UNAUTHORIZED)
        try:
            return await handler(request)
        except errors.Refused as refusal:
            return refusal.response()
        except web.HTTPNotFound:
            return errors.refused(404, errors.NOT_FOUND)
        except web.HTTPMethodNotAllowed:
            return errors.refused(405, errors.METHOD_NOT_ALLOWED)


def application(
    api: ApiSide, pages: Pages, *, delivery: Delivery, rendering: Rendering, recipients: Recipients
) -> web.Application:
    """Make the whole web application: ``/v3/…`` is the API, the rest pages."""

    @web.middleware
    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not request.path.startswith("/v3/"):
            return await handler(request)
        return await api.intake.serve(request, lambda r: api.serve(r, handler))

    app = web.Application(client_max_size=MOST_BYTES, middlewares=[answer])
    app.add_routes(MailApi(api.account, delivery, rendering).routes())
    app.add_routes(AccountApi(api.account).routes())
    app.add_routes(GroupApi(api.account).routes())
    app.add_routes(ListApi(api.account).routes())
    app.add_routes(MailboxPages(api.account, rendering, recipients, pages=pages).routes())
    return app

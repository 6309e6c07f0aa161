"""Put endpoints and pages together, behind recording, faults and authentication."""

import hmac
from dataclasses import replace

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
from homing.emulators.sendgrid.erasure_api import ErasureApi
from homing.emulators.sendgrid.group_api import GroupApi
from homing.emulators.sendgrid.list_api import ListApi
from homing.emulators.sendgrid.mail_api import MailApi
from homing.emulators.sendgrid.mail_rules import MOST_BYTES
from homing.emulators.sendgrid.mailbox_pages import MailboxPages
from homing.emulators.sendgrid.marketing.contact_api import ContactApi
from homing.emulators.sendgrid.marketing.download_pages import DownloadPages
from homing.emulators.sendgrid.marketing.downloads import PREFIX
from homing.emulators.sendgrid.marketing.export_api import ExportApi
from homing.emulators.sendgrid.marketing.field_api import FieldApi
from homing.emulators.sendgrid.marketing.list_api import ListsApi
from homing.emulators.sendgrid.marketing.search_api import SearchApi
from homing.emulators.sendgrid.rate_limits import RateLimits
from homing.emulators.sendgrid.recipient import Recipients
from homing.emulators.sendgrid.rendering import Rendering
from homing.emulators.sendgrid.setup_api import SetupApi
from homing.emulators.sendgrid.webhook_settings_api import PostSample, WebhookSettingsApi
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
        #: Readings of files that the API pointed to; they need no key.
        self.downloads = Ledger(settings.keep)
        self.download_intake = replace(self.intake, ledger=self.downloads)
        self._limits = RateLimits(settings.rate_limits, settings.clock)
        self._authorization = f"Bearer {api_key}".encode()

    async def serve(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer one request to the API, errors in the API's own words."""
        given = request.headers.get("Authorization", "").encode(errors="surrogateescape")
        if not hmac.compare_digest(given, self._authorization):
            return errors.refused(401, errors.UNAUTHORIZED)
        within, headers = self._limits.spend(request.path)
        response = await self._answer(request, handler) if within else _too_many()
        response.headers.update(headers)
        return response

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not self.account.setup.serves(request.path):
            return errors.refused(404, errors.NOT_FOUND)
        try:
            return await handler(request)
        except errors.Refused as refusal:
            return refusal.response()
        except web.HTTPNotFound:
            return errors.refused(404, errors.NOT_FOUND)
        except web.HTTPMethodNotAllowed:
            return errors.refused(405, errors.METHOD_NOT_ALLOWED)


def application(
    api: ApiSide,
    pages: Pages,
    *,
    delivery: Delivery,
    rendering: Rendering,
    recipients: Recipients,
    post_sample: PostSample,
) -> web.Application:
    """Make the whole web application: ``/v3/…`` is the API, the rest pages."""

    @web.middleware
    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith("/v3/"):
            return await api.intake.serve(request, lambda r: api.serve(r, handler))
        if request.path.startswith(PREFIX):
            return await api.download_intake.serve(request, handler)
        return await handler(request)

    app = web.Application(client_max_size=MOST_BYTES, middlewares=[answer])
    app.add_routes(MailApi(api.account, delivery, rendering).routes())
    app.add_routes(AccountApi(api.account).routes())
    app.add_routes(GroupApi(api.account).routes())
    app.add_routes(ListApi(api.account).routes())
    app.add_routes(ContactApi(api.account).routes())
    app.add_routes(ListsApi(api.account).routes())
    app.add_routes(FieldApi(api.account).routes())
    app.add_routes(SearchApi(api.account).routes())
    app.add_routes(ExportApi(api.account).routes())
    app.add_routes(ErasureApi(api.account).routes())
    app.add_routes(DownloadPages(api.account.marketing.downloads).routes())
    app.add_routes(SetupApi(api.account).routes())
    app.add_routes(WebhookSettingsApi(api.account, post_sample).routes())
    app.add_routes(MailboxPages(api.account, rendering, recipients, pages=pages).routes())
    return app


def _too_many() -> web.Response:
    return errors.refused(429, errors.TOO_MANY)

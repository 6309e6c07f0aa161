"""``POST /v3/mail/send``."""

import secrets

from aiohttp import web

from homing.emulators.ledger import RecordedRequest
from homing.emulators.sendgrid.account import Account
from homing.emulators.sendgrid.delivery import Delivery
from homing.emulators.sendgrid.errors import UNVERIFIED_FROM, ApiError, Refused
from homing.emulators.sendgrid.mail import AcceptedMail, mails_of
from homing.emulators.sendgrid.mail_body import MailBody
from homing.emulators.sendgrid.mail_rules import Known, read_mail
from homing.emulators.sendgrid.reading import recorded
from homing.emulators.sendgrid.recipient_rules import domain_of
from homing.emulators.sendgrid.rendering import Rendering


class MailApi:
    """The endpoint that takes mail."""

    def __init__(self, account: Account, delivery: Delivery, rendering: Rendering) -> None:
        self._account = account
        self._delivery = delivery
        self._rendering = rendering

    def routes(self) -> list[web.RouteDef]:
        """List the endpoints."""
        return [web.post("/v3/mail/send", self._account.guarded("mail.send", self._send))]

    async def _send(self, request: web.Request) -> web.StreamResponse:
        body = self._checked(request)
        if body.mail_settings.is_on("sandbox_mode"):
            return web.Response(status=200)
        mails = self._accept(body, recorded(request))
        for mail in mails:
            await self._delivery.take(mail)
        return web.Response(status=202, headers={"X-Message-Id": mails[0].message_id})

    def _checked(self, request: web.Request) -> MailBody:
        if request.content_type != "application/json":
            raise Refused(415, ApiError("Content-Type should be application/json."))
        if "Content-Encoding" in request.headers and not self._account.settings.accepts_gzip:
            raise Refused(400, ApiError("Bad Request", None, "gzip is not enabled"))
        body = read_mail(recorded(request).body, self._known())
        if not self._may_send_from(body):
            raise Refused(403, UNVERIFIED_FROM)
        return body

    def _known(self) -> Known:
        account = self._account
        return Known(
            groups=account.suppressions.groups,
            templates=None if account.settings.any_template else account.templates,
            now=account.settings.clock(),
        )

    def _may_send_from(self, body: MailBody) -> bool:
        domains = self._account.settings.verified_domains
        sender = body.from_.email if body.from_ else None
        return domains is None or domain_of(sender or "") in domains

    def _accept(self, body: MailBody, request: RecordedRequest) -> list[AcceptedMail]:
        mailbox, size = self._account.mailbox, len(request.body)
        mails = list(
            mails_of(
                body,
                secrets.token_urlsafe(16),
                sequence=request.sequence,
                first_id=mailbox.total + 1,
                at=self._account.settings.clock(),
                read=self._rendering.render_now,
            )
        )
        for mail in mails:
            mailbox.append(mail, size // len(mails))
        return mails

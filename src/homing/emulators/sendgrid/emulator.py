"""A SendGrid on loopback: the API, the mailbox, the event webhook."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from cryptography.hazmat.primitives.asymmetric import ec

from homing.emulators.faults import FaultPlan, Faults
from homing.emulators.ledger import Ledger
from homing.emulators.newest import Newest
from homing.emulators.outbox import Event
from homing.emulators.pages import Pages
from homing.emulators.posting import Post
from homing.emulators.sendgrid.account import Account
from homing.emulators.sendgrid.application import ApiSide, application
from homing.emulators.sendgrid.courier import Courier
from homing.emulators.sendgrid.delivery import Delivery
from homing.emulators.sendgrid.errors import DOWN
from homing.emulators.sendgrid.mail import AcceptedMail
from homing.emulators.sendgrid.mailbox import Mailbox
from homing.emulators.sendgrid.marketing.contacts import Contacts
from homing.emulators.sendgrid.marketing.exports import Exports
from homing.emulators.sendgrid.marketing.fields import FieldDefinitions
from homing.emulators.sendgrid.marketing.jobs import Jobs
from homing.emulators.sendgrid.marketing.lists import Lists
from homing.emulators.sendgrid.outcomes import Outcome
from homing.emulators.sendgrid.recipient import Recipients
from homing.emulators.sendgrid.rendering import Rendering
from homing.emulators.sendgrid.settings import SendGridSettings
from homing.emulators.sendgrid.setup import Setup
from homing.emulators.sendgrid.signing import Signer
from homing.emulators.sendgrid.suppressions import Suppressions
from homing.emulators.sendgrid.templates import Template, Templates
from homing.emulators.site import LoopbackSite
from homing.emulators.waiting import Changes

#: A key of the right shape (69 characters) that opens nothing anywhere.
API_KEY: Final = "SG.emulator-key-0000000." + "0" * 45


class SendGridEmulator:
    """
    Emulate a SendGrid account.

    Use it as ``async with SendGridEmulator(webhook_url=…) as sendgrid:`` and
    point a client at `url`. Mail to addresses like ``bounce@example.com`` meets
    the fate their local part names (`Outcome`); `outcomes` sets others.

    Args:
        port: 0 takes a free one.

        webhook_url: Where signed events are posted; may be set later.

        private_key: On P-256; signs the events. None makes a fresh one.

        faults: `faults.sendgrid` befalls the API, `faults.webhook` the events.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        webhook_url: str | None = None,
        api_key: str = API_KEY,
        private_key: ec.EllipticCurvePrivateKey | None = None,
        faults: Faults | None = None,
        settings: SendGridSettings | None = None,
    ) -> None:
        faults = faults or Faults()
        self.api_key = api_key
        self.changes = Changes()
        self._account = Account.opened(settings or SendGridSettings(), self.changes)
        self._signer = Signer(private_key)
        self._courier = Courier(
            faults=faults.webhook.fork(1),
            changes=self.changes,
            settings=self._account.settings,
        )
        self._webhooks = self._account.setup.webhooks
        self._webhooks.on_change = lambda: self._courier.follow(self._webhooks.oldest)
        self.webhook_url = webhook_url
        self._rendering = Rendering(self._account.templates)
        self.recipients = Recipients(self._account, self._courier.add)
        self._delivery = Delivery(
            self._account, self._rendering, self.recipients, changes=self.changes
        )
        self._api = ApiSide(self._account, api_key, faults=faults.sendgrid, changes=self.changes)
        self._pages = Pages("SendGrid", "/mailbox", self._account.settings.clock)
        app = application(
            self._api,
            self._pages,
            delivery=self._delivery,
            rendering=self._rendering,
            recipients=self.recipients,
            post_sample=self._courier.post_sample,
        )
        self._site = LoopbackSite(app, port)
        self._delivering: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._site.start()
        self._delivering = asyncio.create_task(self._delivery.run(), name="sendgrid-delivery")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._delivering is not None:
            self._delivering.cancel()
            await asyncio.wait([self._delivering])
        self._delivery.close()
        self._account.marketing.close()
        self._account.exports.close()
        await self._courier.close()
        await self._site.close()
        self._rendering.close()

    @property
    def url(self) -> str:
        """Base URL of the API and of the pages, without a slash at the end."""
        return self._site.url

    @property
    def port(self) -> int:
        """The port; known once started."""
        return self._site.port

    @property
    def public_key(self) -> str:
        """Base64 of the DER SubjectPublicKeyInfo that verifies the webhook's signatures."""
        return self._signer.public_key

    @property
    def webhook_url(self) -> str | None:
        """Where events are posted; None keeps them in `events` only."""
        return self._courier.url

    @webhook_url.setter
    def webhook_url(self, url: str | None) -> None:
        webhook = self._webhooks.oldest
        if url is not None and webhook is None:
            self._webhooks.add(url, signer=self._signer)
        elif webhook is not None and url is None:
            self._webhooks.remove(webhook)
        elif webhook is not None and url is not None:
            webhook.url = url
            self._webhooks.changed(webhook)

    @property
    def templates(self) -> Templates:
        """The account's dynamic templates; may be changed at any time."""
        return self._account.templates

    @property
    def setup(self) -> Setup:
        """Webhooks, senders, domains, tracking, forwarding; may be changed at any time."""
        return self._account.setup

    @property
    def requests(self) -> Ledger:
        """Every request to the API, oldest first."""
        return self._api.ledger

    @property
    def accepted(self) -> Mailbox:
        """Every accepted mail, one a recipient, oldest first."""
        return self._account.mailbox

    @property
    def mailbox(self) -> Mailbox:
        """The same as `accepted`."""
        return self._account.mailbox

    @property
    def events(self) -> Newest[Event]:
        """Every event that happened, in that order, before any fault of the webhook."""
        return self._courier.events

    @property
    def posts(self) -> Newest[Post]:
        """Every attempt to post events, oldest first."""
        return self._courier.poster.posts

    @property
    def events_taken(self) -> int:
        """How many events were answered 2xx, copies counted."""
        return self._courier.taken

    @property
    def events_lost(self) -> int:
        """How many events never came through: by the fault ``drop``, or retried too long."""
        return self._courier.lost

    @property
    def idle(self) -> bool:
        """Whether every mail has met its fate, every event was taken or lost, every job is done."""
        account = self._account
        has_jobs = not (account.marketing.idle and account.exports.idle)
        return self._delivery.idle and self._courier.outbox.idle and not has_jobs

    @property
    def faults(self) -> FaultPlan:
        """What befalls requests to the API."""
        return self._api.faults

    @property
    def webhook_faults(self) -> FaultPlan:
        """What befalls events on their way."""
        return self._courier.outbox.faults

    @property
    def neighbours(self) -> list[tuple[str, str]]:
        """Name and address of pages elsewhere that the mailbox links to; may be changed."""
        return self._pages.neighbours

    @property
    def outcomes(self) -> dict[str, Outcome]:
        """Address in lower case to the fate of its mail; may be changed at any time."""
        return self._account.outcomes

    @property
    def scopes(self) -> set[str]:
        """What the API key may do; may be changed at any time."""
        return self._account.scopes

    @property
    def suppressions(self) -> Suppressions:
        """The account's lists and groups; may be changed at any time, without events."""
        return self._account.suppressions

    @property
    def contacts(self) -> Contacts:
        """The account's contacts; may be changed at any time, without a job."""
        return self._account.marketing.contacts

    @property
    def lists(self) -> Lists:
        """The account's contact lists; may be changed at any time."""
        return self._account.marketing.lists

    @property
    def field_definitions(self) -> FieldDefinitions:
        """The custom fields of contacts; may be changed at any time."""
        return self._account.marketing.fields

    @property
    def jobs(self) -> Jobs:
        """The jobs that requests about contacts started; can be held, finished and failed."""
        return self._account.marketing.jobs

    @property
    def exports(self) -> Exports:
        """The exports of contacts; can be held and failed."""
        return self._account.exports

    @property
    def downloads(self) -> Ledger:
        """Every reading of a file that the API pointed to, oldest first."""
        return self._api.downloads

    @property
    def erased(self) -> list[str]:
        """Addresses whose erasure was asked for; what is kept here for tests stays."""
        return list(self._account.erased)

    @property
    def no_marketing_plan(self) -> bool:
        """Whether all that begins with ``/v3/marketing`` answers 403; may be switched."""
        return self._account.no_marketing_plan

    @no_marketing_plan.setter
    def no_marketing_plan(self, is_absent: bool) -> None:
        self._account.no_marketing_plan = is_absent

    @property
    def down(self) -> bool:
        """Whether the API answers 503 to everything; may be switched at any time."""
        return self._api.intake.down is not None

    @down.setter
    def down(self, is_down: bool) -> None:
        self._api.intake.down = DOWN if is_down else None

    def end_faults(self) -> None:
        """Let all go well from now on, API and webhook, and cut the connections that hang."""
        self._api.intake.end_faults()
        self._courier.outbox.faults.enabled = False

    def add_template(
        self, template_id: str, *, subject: str, html: str, text: str = "", name: str = ""
    ) -> Template:
        """Add a dynamic template, or replace its active version. All parts are Handlebars."""
        return self._account.templates.add(
            template_id, subject=subject, html=html, text=text, name=name
        )

    def mail_url(self, mail: AcceptedMail) -> str:
        """Return the mailbox page of a mail."""
        return f"{self.url}/mailbox/{mail.id}"

    async def stop_listening(self) -> None:
        """Refuse connections and cut the open ones."""
        await self._site.stop_listening()

    async def listen_again(self) -> None:
        """Take connections again, on the same port."""
        await self._site.listen()

    async def until(self, predicate: Callable[[], bool], timeout_s: float = 10.0) -> None:
        """
        Wait until something holds, asked after every change of this emulator.

        Raises:
            TimeoutError: It did not hold within `timeout_s` seconds.
        """
        await self.changes.until(predicate, timeout_s)

    def post_now(self) -> None:
        """Post the events that are waiting, without waiting for more."""
        self._courier.outbox.post_now()

    async def settle(self, timeout_s: float = 10.0) -> None:
        """
        Wait until every mail has met its fate, every event was taken or lost, every job is done.

        Mail scheduled by ``send_at`` counts.

        Raises:
            TimeoutError: It took longer than `timeout_s` seconds.
        """
        await self.changes.until(lambda: self.idle, timeout_s)

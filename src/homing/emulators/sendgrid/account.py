"""The emulated account: what all of its API's endpoints share."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, Self, TypeAlias

from aiohttp import web

from homing.emulators.later import Later
from homing.emulators.sendgrid.errors import FORBIDDEN, refused
from homing.emulators.sendgrid.mailbox import Mailbox
from homing.emulators.sendgrid.marketing.exports import Exports
from homing.emulators.sendgrid.marketing.marketing import Marketing
from homing.emulators.sendgrid.outcomes import Outcome
from homing.emulators.sendgrid.settings import SendGridSettings
from homing.emulators.sendgrid.setup import Setup
from homing.emulators.sendgrid.suppressions import Group, Suppressions
from homing.emulators.sendgrid.templates import Templates
from homing.emulators.sendgrid.webhooks import Webhooks
from homing.emulators.waiting import Changes

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

#: What a key with full access may do, as far as the emulator asks.
ALL_SCOPES: Final = (
    "mail.send",
    "templates.read",
    "templates.versions.read",
    "asm.groups.create",
    "asm.groups.read",
    "asm.groups.update",
    "asm.groups.delete",
    "asm.groups.suppressions.create",
    "asm.groups.suppressions.read",
    "asm.groups.suppressions.delete",
    "asm.suppressions.global.create",
    "asm.suppressions.global.read",
    "asm.suppressions.global.delete",
    "suppression.read",
    "suppression.delete",
    "recipients.erasejob.create",
    "marketing.create",
    "marketing.read",
    "marketing.update",
    "marketing.delete",
    "tracking_settings.read",
    "user.webhooks.event.settings.create",
    "user.webhooks.event.settings.delete",
    "user.webhooks.event.settings.read",
    "user.webhooks.event.settings.update",
    "user.webhooks.event.test.create",
    "whitelabel.read",
)


@dataclass(slots=True)
class Account:
    """
    State of the account.

    Args:
        outcomes: Address in lower case to the fate of its mail.

        scopes: What the API key may do; may be changed at any time.

        no_marketing_plan: Whether the account has no marketing side at all.

        erased: Addresses whose erasure was asked for, in the order of the requests.
    """

    settings: SendGridSettings
    suppressions: Suppressions
    templates: Templates
    mailbox: Mailbox
    marketing: Marketing
    exports: Exports
    setup: Setup
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    scopes: set[str] = field(default_factory=lambda: set(ALL_SCOPES))
    no_marketing_plan: bool = False
    erased: dict[str, None] = field(default_factory=dict)

    @classmethod
    def opened(cls, settings: SendGridSettings, changes: Changes) -> Self:
        """Open a fresh account; `changes` is told when something happens of itself."""
        marketing = Marketing(
            settings.marketing, clock=settings.clock, keep=settings.keep, changes=changes
        )
        exporting = Later(settings.marketing.export_after_s, changes)
        groups = (Group(group_id, name) for group_id, name in settings.groups.items())
        return cls(
            settings,
            Suppressions(groups, settings.clock),
            Templates(settings.clock),
            Mailbox(settings.keep),
            marketing,
            Exports(marketing, exporting, settings.keep),
            _set_up(settings),
        )

    def guarded(self, scope: str, handler: Handler) -> Handler:
        """Answer 403 unless the key has a scope."""

        async def serve(request: web.Request) -> web.StreamResponse:
            has_plan = not (self.no_marketing_plan and scope.startswith("marketing."))
            if scope not in self.scopes or not has_plan:
                return refused(403, FORBIDDEN)
            return await handler(request)

        return serve


def _set_up(settings: SendGridSettings) -> Setup:
    setup = Setup(Webhooks(settings.clock))
    for domain in sorted(settings.verified_domains or ()):
        setup.verify_domain(domain)
    return setup

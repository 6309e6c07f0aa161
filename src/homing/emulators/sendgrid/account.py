"""The emulated account: what all of its API's endpoints share."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, Self, TypeAlias

from aiohttp import web

from homing.emulators.sendgrid.errors import FORBIDDEN, refused
from homing.emulators.sendgrid.mailbox import Mailbox
from homing.emulators.sendgrid.outcomes import Outcome
from homing.emulators.sendgrid.settings import SendGridSettings
from homing.emulators.sendgrid.suppressions import Group, Suppressions
from homing.emulators.sendgrid.templates import Templates

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
)


@dataclass(slots=True)
class Account:
    """
    State of the account.

    Args:
        outcomes: Address in lower case to the fate of its mail.

        scopes: What the API key may do; may be changed at any time.
    """

    settings: SendGridSettings
    suppressions: Suppressions
    templates: Templates
    mailbox: Mailbox
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    scopes: set[str] = field(default_factory=lambda: set(ALL_SCOPES))

    @classmethod
    def opened(cls, settings: SendGridSettings) -> Self:
        """Open a fresh account."""
        groups = (Group(group_id, name) for group_id, name in settings.groups.items())
        return cls(
            settings,
            Suppressions(groups, settings.clock),
            Templates(settings.clock),
            Mailbox(settings.keep),
        )

    def guarded(self, scope: str, handler: Handler) -> Handler:
        """Answer 403 unless the key has a scope."""

        async def serve(request: web.Request) -> web.StreamResponse:
            if scope not in self.scopes:
                return refused(403, FORBIDDEN)
            return await handler(request)

        return serve

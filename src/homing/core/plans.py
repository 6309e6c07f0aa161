"""
What the configuration means, frozen: conditions parsed, mappings compiled, names resolved.

``homing.config`` builds these once at load; everything that decides reads them and nothing else.
Durations are seconds; those of journeys and caps milliseconds, as their names say. A *scope* is
``"global"`` or the name of an unsubscribe group.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from homing.core.fql import Condition
    from homing.core.journeys.program import Journey, QuietHours
    from homing.core.mapping import Compiled


class EmailClass(StrEnum):
    """Why an email is sent: decides which suppressions stop it."""

    TRANSACTIONAL = "transactional"
    MARKETING = "marketing"


class OnUnknown(StrEnum):
    """What to do with a send whose outcome nobody knows when the wait is over."""

    RESEND = "resend"
    PARK = "park"
    DROP = "drop"


class MachineOpens(StrEnum):
    """How opens by a mail program, not a person, are written back."""

    SEPARATE = "separate"
    FOLD = "fold"
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class Address:
    """An email address, and the name shown before it."""

    email: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Email:
    """One ``[email.NAME]``: how a send of it looks."""

    name: str
    sender: Address
    template: str | None = None
    subject: str | None = None  # with html and text: rendered by Homing (Handlebars)
    html: str | None = None
    text: str | None = None
    kind: EmailClass = EmailClass.MARKETING
    group: str | None = None  # name of the unsubscribe group
    group_id: int | None = None
    to: Compiled | None = None
    data: Compiled | None = None  # None: event properties over traits
    reply_to: Address | None = None
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    categories: tuple[str, ...] = ()
    custom_args: Mapping[str, str] = field(default_factory=dict)
    ip_pool: str | None = None
    tracking: Mapping[str, object] = field(default_factory=dict)  # {"opens": bool, "clicks": bool}
    deliver_within_s: float = 86_400.0
    on_unknown: OnUnknown = OnUnknown.PARK
    consent: tuple[str, ...] = ()
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Send:
    """Reserve one email to the event's person."""

    email: str
    to: Compiled | None = None
    data: Compiled | None = None
    template: str | None = None


@dataclass(frozen=True, slots=True)
class Track:
    """Write a track call to the person's Segment profile."""

    event: str
    properties: Compiled | None = None


@dataclass(frozen=True, slots=True)
class Identify:
    """Write traits to the person's Segment profile."""

    traits: Compiled


@dataclass(frozen=True, slots=True)
class Suppress:
    """Stop email to the person's address within *scope*."""

    scope: str


@dataclass(frozen=True, slots=True)
class Unsuppress:
    """Lift an opt-out of the person's address within *scope*."""

    scope: str


@dataclass(frozen=True, slots=True)
class ContactFields:
    """How a contact's fields are got from an event: SendGrid's own, and custom ones by name."""

    fields: Mapping[str, Compiled]
    custom: Mapping[str, Compiled]


@dataclass(frozen=True, slots=True)
class UpsertContact:
    """Write the person to SendGrid's Marketing contacts; None: as ``[contacts]`` has it."""

    fields: Mapping[str, Compiled] | None = None
    custom: Mapping[str, Compiled] | None = None


@dataclass(frozen=True, slots=True)
class ChangeList:
    """Add the person to a ``[list.NAME]``, or remove them."""

    list_name: str
    member: bool


@dataclass(frozen=True, slots=True)
class ChangeAudience:
    """Add the person to a local audience, or remove them."""

    audience: str
    member: bool


Action: TypeAlias = (
    Send | Track | Identify | Suppress | Unsuppress | UpsertContact | ChangeList | ChangeAudience
)


@dataclass(frozen=True, slots=True)
class Route:
    """When this event, do that."""

    name: str
    when: Condition
    actions: tuple[Action, ...]
    stop: bool = False


@dataclass(frozen=True, slots=True)
class Contacts:
    """``[contacts]``: *when* None, nobody becomes a contact of itself."""

    when: Condition | None
    contact: ContactFields
    create_fields: bool = False


@dataclass(frozen=True, slots=True)
class ContactList:
    """``[list.NAME]``: a Marketing list, *title* in SendGrid."""

    name: str
    title: str
    audience: str | None = None
    reconcile_s: float = 86_400.0
    exclusive: bool = False


@dataclass(frozen=True, slots=True)
class OptRule:
    """A condition under which a person opts out of, or into, *scope*."""

    when: Condition
    scope: str = "global"


@dataclass(frozen=True, slots=True)
class Writeback:
    """Which of SendGrid's events become Segment calls, and under which names."""

    events: frozenset[str]
    names: Mapping[str, str]  # SendGrid's event type, or "machine_open" -> track event name
    machine_opens: MachineOpens = MachineOpens.SEPARATE
    suppression_to_segment: bool = True
    # our trait -> the name it is written under (design 9: "names configurable")
    trait_names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cap:
    """At most *max* emails of marketing to a person in any *per_ms* milliseconds."""

    max: int
    per_ms: int


@dataclass(frozen=True, slots=True)
class Plans:
    """
    Everything the core decides by.

    ``version`` is a hash of the configuration that decisions depend on: the ``homing_version``
    of each send.
    """

    version: str
    emails: Mapping[str, Email]
    routes: tuple[Route, ...]
    opt_out: tuple[OptRule, ...]
    opt_in: tuple[OptRule, ...]
    writeback: Writeback
    groups: Mapping[str, int]  # unsubscribe groups by name
    unknown_after_s: float = 300.0
    silent_after_s: float = 1_800.0
    writes_to_segment: bool = True  # False: no call is asked for that nobody would make
    journeys: Mapping[str, Journey] = field(default_factory=dict)  # in file order
    caps: tuple[Cap, ...] = ()  # over all journeys and routes; each holds
    quiet: QuietHours | None = None  # None: no hours are quiet but a journey's own
    contacts: Contacts = field(default_factory=lambda: Contacts(None, ContactFields({}, {})))
    lists: Mapping[str, ContactList] = field(default_factory=dict)
    audiences_to_segment: frozenset[str] = frozenset()  # local ones that Segment hears of
    # by email, the variables of templates of ours; None: traits that lack are not looked up
    look_ups: Mapping[str, tuple[str, ...]] | None = field(default=None, compare=False)
    # why SendGrid cannot be asked to erase anybody; empty: it can
    sendgrid_lacks: str = field(default="", compare=False)

    def without_segment(self) -> Plans:
        """The same where Segment has given no write key: nothing may wait for one."""
        writeback = replace(self.writeback, events=frozenset(), suppression_to_segment=False)
        return replace(
            self, writeback=writeback, writes_to_segment=False, audiences_to_segment=frozenset()
        )

    def without_sendgrid(self, why: str) -> Plans:
        """The same where nothing can leave for SendGrid: nobody is to wait for an erasure there."""
        return replace(self, sendgrid_lacks=why)

    def with_look_ups(self, variables: Mapping[str, tuple[str, ...]]) -> Plans:
        """The same where traits that an email lacks are looked up: see `homing.core.look_ups`."""
        return replace(self, look_ups=variables)

    def lists_of(self, audience: str) -> tuple[ContactList, ...]:
        """The lists that follow an audience."""
        return tuple(one for one in self.lists.values() if one.audience == audience)

"""Every section of the configuration file, as it stands there and with its defaults."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from homing.config.actions import Actions
from homing.config.contact_fields import ContactField, CustomField
from homing.config.emails import Email
from homing.config.expressions import Mapped, When
from homing.config.journeys import Journey, QuietHours
from homing.config.presets import EVENT_TYPES, NAMES_EXPECTED, TRAITS, names_of
from homing.config.sections import Section, optional_section
from homing.config.values import (
    AlertUrl,
    AudienceKey,
    Duration,
    EmailAddress,
    EventName,
    Expect,
    Listen,
    ListenAddress,
    Name,
    PublicKey,
    Rate,
    Rows,
    Secret,
    Share,
    Size,
    Store,
    StoreUrl,
    Unfit,
    Url,
    Words,
    choice,
    text,
    whole,
)

HOUR_S = 3_600.0
DAY_S = 86_400.0


class Server(Section):
    """``[server]``: the listeners and the processes."""

    listen: ListenAddress = Listen("127.0.0.1", 8400)
    admin: ListenAddress = Listen("127.0.0.1", 8401)
    max_body: Size = 8 * 2**20
    processes: Annotated[int, whole(1, 2)] = 2


class Retention(Section):
    """How long rows are kept."""

    expected: ClassVar[str] = 'a table like { events = "90d" }'

    events: Duration = 90 * DAY_S
    sends: Duration = 400 * DAY_S
    dead: Duration = 90 * DAY_S


class StoreSection(Section):
    """``[store]``: where everything is kept, and for how long."""

    url: Store = StoreUrl("sqlite", "homing.db")
    retention: Retention = optional_section()
    dedupe: Duration = 30 * DAY_S


class Profiles(Section):
    """Look-ups in Segment's Profile API."""

    expected: ClassVar[str] = 'a table like { space = "spa_…", token = "${NAME}" }'

    space: Annotated[str, text('a space id like "spa_…"', longest=255)]
    token: Secret
    use: Annotated[Literal["missing-traits"], choice("missing-traits")] = "missing-traits"
    endpoint: Url = "https://profiles.segment.com"


class Source(Section):
    """``[segment.source.NAME]``: one of Segment's webhook destinations that posts to us."""

    secrets: Rows[Secret] = ()
    token: Secret | None = None
    batch: Annotated[
        Literal["require-token", "first-element", "reject"],
        choice("require-token", "first-element", "reject"),
    ] = "require-token"


class Segment(Section):
    """``[segment]``: where engagement is written, and who may post events."""

    write_key: Secret | None = None
    endpoint: Url = "https://api.segment.io"
    profiles: Profiles | None = None
    source: dict[Name, Source] = Field(default={})


class Rates(Section):
    """Calls per second at most."""

    expected: ClassVar[str] = "a table like { mail = 500, contacts = 3 }"

    mail: Rate = 500.0
    contacts: Rate = 3.0


class Webhook(Section):
    """``[sendgrid.webhook.NAME]``: one of SendGrid's event webhooks that posts to us."""

    public_keys: Rows[PublicKey] = ()
    max_age: Duration = 26 * HOUR_S
    max_ahead: Duration = 300.0


def _group_name(value: str) -> str:
    if value in SCOPES:
        msg = "the word means a list of SendGrid's own"
        raise Unfit(msg)
    if not value or not value.isprintable():
        raise Unfit
    return value


GroupName = Annotated[str, Expect("the name of a group", _group_name)]
GroupId = Annotated[int, whole(1, 2**53, what="the id of a group, a whole number")]

SCOPES = frozenset({"global", "bounce", "spam", "invalid"})
"""Scopes of a suppression that are no group."""


class SendGrid(Section):
    """``[sendgrid]``: the account that sends."""

    api_key: Secret | None = None
    endpoint: Url = "https://api.sendgrid.com"
    mode: Annotated[Literal["live", "capture"], choice("live", "capture")] = "live"
    from_: EmailAddress | None = Field(default=None, alias="from")
    groups: dict[GroupName, GroupId] = Field(default={})
    rate: Rates = optional_section()
    webhook: dict[Name, Webhook] = Field(default={})
    unknown_after: Duration = 300.0
    silent_after: Duration = 1_800.0
    reconcile_share: Share = 0.5


class Writeback(Section):
    """``[writeback]``: which of SendGrid's events become Segment calls, under which names."""

    events: Rows[Annotated[str, choice(*EVENT_TYPES)]] = (
        "delivered",
        "open",
        "click",
        "bounce",
        "dropped",
        "spamreport",
        "unsubscribe",
        "group_unsubscribe",
        "group_resubscribe",
    )
    names: Annotated[dict[str, str], Expect(NAMES_EXPECTED, names_of)] = Field(
        default="email-spec", validate_default=True
    )
    machine_opens: Annotated[
        Literal["separate", "fold", "drop"], choice("separate", "fold", "drop")
    ] = "separate"


class OptRule(Section):
    """One condition under which a person opts out, or in."""

    expected: ClassVar[str] = "a table like { when = 'type = \"identify\"' }"

    when: When
    group: Words | None = None


class Suppression(Section):
    """``[suppression]``: who may not be emailed, kept the same on both sides."""

    to_segment: bool = True
    opt_out: Rows[OptRule] = ()
    opt_in: Rows[OptRule] = ()
    reconcile: Duration = HOUR_S
    traits: dict[Annotated[str, choice(*TRAITS)], EventName] = Field(default={})


class Contacts(Section):
    """``[contacts]``: who becomes a Marketing contact, with which fields."""

    when: When | None = None
    fields: dict[ContactField, Mapped] | None = None
    custom: dict[CustomField, Mapped] = Field(default={})
    create_fields: bool = False


class ContactList(Section):
    """``[list.NAME]``: a Marketing list that follows an audience."""

    audience: AudienceKey | None = None
    name: Annotated[str, text("a list's name of 1 to 100 characters", longest=100)] | None = None
    reconcile: Duration = DAY_S
    exclusive: bool = False


class Audience(Section):
    """``[audience.NAME]``: a local audience."""

    to_segment: bool = False


class Route(Actions):
    """``[route.NAME]``: when this event, do that."""

    when: When
    stop: bool = False


class Cap(Section):
    """At most *max* emails *per* window."""

    expected: ClassVar[str] = 'a table like { max = 3, per = "7d" }'

    max: Annotated[int, whole(1, 1_000_000)]
    per: Duration


class Caps(Section):
    """``[caps]``: how much marketing a person gets from everything together."""

    marketing: Rows[Cap] = ()


class Admin(Section):
    """``[admin]``: who may see the pages."""

    password: Secret | None = None
    token: Secret | None = None


class Alerts(Section):
    """``[alerts]``: who is told when something needs a person."""

    webhook: AlertUrl | None = None


class Settings(Section):
    """The whole configuration; every section may be left out."""

    include: Rows[Words] = ()
    server: Server = optional_section()
    store: StoreSection = optional_section()
    segment: Segment = optional_section()
    sendgrid: SendGrid = optional_section()
    writeback: Writeback = optional_section()
    suppression: Suppression = optional_section()
    admin: Admin = optional_section()
    alerts: Alerts = optional_section()
    email: dict[Name, Email] = Field(default={})
    route: dict[Name, Route] = Field(default={})
    contacts: Contacts | None = None
    list: dict[Name, ContactList] = Field(default={})
    audience: dict[AudienceKey, Audience] = Field(default={})
    journey: dict[Name, Journey] = Field(default={})
    caps: Caps | None = None
    quiet_hours: QuietHours | None = None

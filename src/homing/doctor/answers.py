"""What the accounts answered, read as far as the checks need it; hostile until it is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeAlias, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Got(Generic[T]):
    """It was answered."""

    value: T


@dataclass(frozen=True, slots=True)
class Failed:
    """
    It was not.

    ``status`` is HTTP's; None: there was no answer, or none that can be read. ``said`` is for
    people.
    """

    status: int | None
    said: str


Look: TypeAlias = Got[T] | Failed

NOT_ASKED = Failed(None, "it was not asked")


def _text(value: object) -> object:
    return "" if value is None else value


def _list(value: object) -> object:
    return [] if value is None else value


def _bool(value: object) -> object:
    return False if value is None else value


Flag: TypeAlias = Annotated[bool, BeforeValidator(_bool)]
Text: TypeAlias = Annotated[str, BeforeValidator(_text)]


class Shape(BaseModel):
    """An object of an API: what it has beyond these fields is left out."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Scopes(Shape):
    """``GET /v3/scopes``."""

    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Key:
    """The key works: what it may do, and how far our clock is ahead of SendGrid's, if known."""

    scopes: frozenset[str]
    ahead_s: float | None = None

    def may(self, scope: str) -> bool:
        """Tell whether it has a scope."""
        return scope in self.scopes

    def may_any(self, family: str) -> bool:
        """Tell whether it has any scope of a family, such as ``marketing``."""
        return any(scope == family or scope.startswith(f"{family}.") for scope in self.scopes)

    def only_reads(self, family: str) -> bool:
        """Tell whether all its scopes of a family, at least one, are for reading."""
        of = [scope for scope in self.scopes if scope == family or scope.startswith(f"{family}.")]
        return bool(of) and all(scope.endswith(".read") for scope in of)


class Sender(Shape):
    """One of ``GET /v3/verified_senders``."""

    id: int = 0
    from_email: Text = ""
    verified: Flag = False


class Senders(Shape):
    """``GET /v3/verified_senders``."""

    results: Annotated[tuple[Sender, ...], BeforeValidator(_list)] = ()


class Domain(Shape):
    """One of ``GET /v3/whitelabel/domains``."""

    domain: Text = ""
    subdomain: Text = ""
    valid: Flag = False


class Version(Shape):
    """One version of a template."""

    id: Text = ""
    active: Flag = False
    name: Text = ""
    subject: Text = ""
    html_content: Text = ""
    plain_content: Text = ""
    generate_plain_content: Flag = True
    updated_at: Text = ""

    @property
    def parts(self) -> tuple[tuple[str, str], ...]:
        """What SendGrid renders of it: name and template."""
        plain = "" if self.generate_plain_content else self.plain_content
        parts = (("subject", self.subject), ("html", self.html_content), ("text", plain))
        return tuple((name, part) for name, part in parts if part)


class Template(Shape):
    """``GET /v3/templates/{id}``."""

    id: Text = ""
    name: Text = ""
    generation: Text = ""
    versions: Annotated[tuple[Version, ...], BeforeValidator(_list)] = ()

    @property
    def active(self) -> Version | None:
        """The version that is sent."""
        return next((version for version in self.versions if version.active), None)


class Group(Shape):
    """One of ``GET /v3/asm/groups``."""

    id: int
    name: Text = ""


class Webhook(Shape):
    """One of ``GET /v3/user/webhooks/event/settings/all``; an account without has one empty one."""

    id: Text = ""
    url: Text = ""
    enabled: Flag = False
    friendly_name: str | None = None
    public_key: Text = ""
    delivered: Flag = False
    processed: Flag = False
    dropped: Flag = False
    deferred: Flag = False
    bounce: Flag = False
    open: Flag = False
    click: Flag = False
    spam_report: Flag = False
    unsubscribe: Flag = False
    group_unsubscribe: Flag = False
    group_resubscribe: Flag = False

    def posts(self, flag: str) -> bool:
        """Tell whether events of a flag are posted."""
        return bool(getattr(self, flag))


class Webhooks(Shape):
    """``GET /v3/user/webhooks/event/settings/all``."""

    max_allowed: int = 0
    webhooks: Annotated[tuple[Webhook, ...], BeforeValidator(_list)] = ()

    @property
    def real(self) -> tuple[Webhook, ...]:
        """Without the empty object that stands for none."""
        return tuple(webhook for webhook in self.webhooks if webhook.url)


class SignedWebhook(Shape):
    """``GET`` and ``PATCH …/settings/signed/{id}``."""

    public_key: Text = ""


class Switch(Shape):
    """``GET /v3/tracking_settings/{name}``."""

    enabled: bool


class Filters(Shape):
    """What an integration forwards."""

    email_events: Annotated[tuple[str, ...], BeforeValidator(_list)] = ()


class Properties(Shape):
    """Where an integration forwards to."""

    write_key: Text = ""
    destination_region: Text = ""


class Integration(Shape):
    """One of ``GET /v3/marketing/integrations``."""

    destination: Text = ""
    label: Text = ""
    filters: Filters = Filters()
    properties: Properties = Properties()


class Integrations(Shape):
    """``GET /v3/marketing/integrations``."""

    result: Annotated[tuple[Integration, ...], BeforeValidator(_list)] = ()


class CustomField(Shape):
    """One custom field; ``field_type`` is Text, Number or Date."""

    name: Text = ""
    field_type: Text = ""


class FieldDefinitions(Shape):
    """``GET /v3/marketing/field_definitions``."""

    custom_fields: Annotated[tuple[CustomField, ...], BeforeValidator(_list)] = ()


class MarketingList(Shape):
    """One of ``GET /v3/marketing/lists``."""

    id: Text = ""
    name: Text = ""


class Metadata(Shape):
    """How a page goes on."""

    next: Text = ""


class ListPage(Shape):
    """``GET /v3/marketing/lists``."""

    result: Annotated[tuple[MarketingList, ...], BeforeValidator(_list)] = ()
    metadata: Metadata = Field(default=Metadata(), alias="_metadata")


class SourceSettings(Shape):
    """``GET cdn.segment.com/v1/projects/{write key}/settings``."""

    integrations: dict[str, Any] = Field(default={})

    @property
    def api_host(self) -> str:
        """Where the source takes messages, as "host/v1"; empty when it does not say."""
        segment = self.integrations.get("Segment.io")
        host = segment.get("apiHost") if isinstance(segment, dict) else None
        return host if isinstance(host, str) else ""

"""What a check is asked about: the configuration, and what the accounts and the store said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from homing.doctor.answers import (
    NOT_ASKED,
    CustomField,
    Domain,
    Group,
    Integrations,
    Key,
    Look,
    MarketingList,
    Sender,
    SourceSettings,
    Switch,
    Template,
    Webhooks,
)
from homing.doctor.ways import Way

if TYPE_CHECKING:
    from homing.config import Loaded, Problem
    from homing.ports import Alert, Pause


@dataclass(frozen=True, slots=True)
class Seen:
    """A template's version as it was when it was last looked at; ``at_ms`` says when."""

    version: str
    at_ms: int
    digest: str
    parts: Mapping[str, str] | None  # None: too large to be kept


@dataclass(frozen=True, slots=True)
class Samples:
    """
    What recorded events would become.

    ``data``: by the name of a way, the template data of the newest events that lead there.
    ``custom``: by the name of a custom field, values that contacts would get. ``failed``: by the
    name of a way, why data could not be made of an event.
    """

    data: Mapping[str, tuple[Mapping[str, Any], ...]] = field(default_factory=dict)
    custom: Mapping[str, tuple[object, ...]] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Standing:
    """
    What the store says; ``alerts`` and ``pauses`` are empty without one.

    ``why_not`` says why it was not looked at. ``runs``: a service listens at its control socket.
    """

    why_not: str | None = None
    runs: bool = False
    alerts: tuple[Alert, ...] = ()
    pauses: Mapping[str, Pause] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Facts:
    """What was asked of the accounts, by question; what was not asked says so."""

    key: Look[Key] = NOT_ASKED
    senders: Look[tuple[Sender, ...]] = NOT_ASKED
    domains: Look[tuple[Domain, ...]] = NOT_ASKED
    templates: Mapping[str, Look[Template]] = field(default_factory=dict)
    groups: Look[tuple[Group, ...]] = NOT_ASKED
    webhooks: Look[Webhooks] = NOT_ASKED
    opens: Look[Switch] = NOT_ASKED
    clicks: Look[Switch] = NOT_ASKED
    integrations: Look[Integrations] = NOT_ASKED
    fields: Look[tuple[CustomField, ...]] = NOT_ASKED
    lists: Look[tuple[MarketingList, ...]] = NOT_ASKED
    source: Look[SourceSettings] = NOT_ASKED
    profile: Look[None] = NOT_ASKED


@dataclass(frozen=True, slots=True)
class Secrets:
    """
    What references of the configuration lead to, where they lead anywhere.

    ``public_keys`` are those of each ``[sendgrid.webhook.NAME]``, as base64 text.
    """

    api_key: str | None = field(default=None, repr=False)
    write_key: str | None = field(default=None, repr=False)
    profile_token: str | None = field(default=None, repr=False)
    public_keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Case:
    """
    All that checks look at; they look at nothing else.

    Args:
        url: Where the public listener is reached from outside, if somebody said so.

        ways: How emails come to be sent, see `homing.doctor.ways`.

        refusals: Why `homing serve` would not start.

        seen: Templates by id as they were looked at last.

        now_ms: When this is asked.
    """

    loaded: Loaded
    secrets: Secrets = Secrets()
    url: str | None = None
    ways: tuple[Way, ...] = ()
    facts: Facts = Facts()
    samples: Samples = Samples()
    standing: Standing = Standing()
    refusals: tuple[Problem, ...] = ()
    seen: Mapping[str, Seen] = field(default_factory=dict)
    now_ms: int = 0

    @property
    def captures(self) -> bool:
        """Whether nothing leaves, so that SendGrid may not even know of us yet."""
        return self.loaded.settings.sendgrid.mode == "capture"

"""``[email.NAME]``: how an email looks and how it may be sent."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from homing.config.expressions import Mapped, MappedTable
from homing.config.sections import Section
from homing.config.values import (
    Duration,
    EmailAddress,
    Expect,
    Priority,
    Rows,
    Template,
    Unfit,
    Words,
    choice,
    text,
)

# What SendGrid sets by itself and refuses from us (Mail Send v3, `headers`).
_TAKEN_HEADERS = frozenset(
    [
        "x-sg-id",
        "x-sg-eid",
        "received",
        "dkim-signature",
        "content-type",
        "content-transfer-encoding",
        "to",
        "from",
        "subject",
        "reply-to",
        "cc",
        "bcc",
    ]
)
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,76}", re.ASCII)

# Custom args come back at the top level of an event, where SendGrid's own fields win silently.
TAKEN_ARGS = frozenset(
    [
        "email",
        "event",
        "timestamp",
        "sg_event_id",
        "sg_message_id",
        "smtp-id",
        "category",
        "asm_group_id",
        "reason",
        "response",
        "status",
        "type",
        "bounce_classification",
        "attempt",
        "ip",
        "tls",
        "cert_err",
        "useragent",
        "url",
        "url_offset",
        "sg_machine_open",
        "sg_content_type",
        "pool",
        "send_at",
        "domain",
        "from",
        "date",
        "reseller_id",
        "singlesend_id",
        "singlesend_name",
        "mc_stats",
        "phase_id",
        "template_id",
        "template_version_id",
        "template_hash",
        "sg_template_id",
        "sg_template_name",
        "marketing_campaign_id",
        "marketing_campaign_name",
        "marketing_campaign_version",
        "marketing_campaign_split_id",
        "newsletter",
        "post_type",
        "sg_user_id",
    ]
)
MAX_ARGS_BYTES = 9_000
"""SendGrid allows 10,000; the rest is for ``homing_send`` and its kind."""


def _header_name(value: str) -> str:
    if value.lower() in _TAKEN_HEADERS:
        msg = "SendGrid sets it itself and refuses it from others"
        raise Unfit(msg)
    if not _HEADER_NAME.fullmatch(value):
        raise Unfit
    return value


def _arg_name(value: str) -> str:
    if value.startswith("homing_"):
        msg = "names with homing_ are Homing's own"
        raise Unfit(msg)
    if value in TAKEN_ARGS:
        msg = "SendGrid's events have a field of this name, which would hide it"
        raise Unfit(msg)
    if not value or not value.isprintable():
        raise Unfit
    return value


def _arg_value(value: object) -> str:
    if not isinstance(value, str):
        msg = "SendGrid refuses custom args that are no text"
        raise Unfit(msg)
    return value


HeaderName = Annotated[str, Expect("the name of a header that may be set", _header_name)]
HeaderValue = Annotated[str, text("ASCII text", longest=998, pattern=re.compile(r"[ -~]+"))]
ArgName = Annotated[str, Expect("the name of a custom arg", _arg_name)]
ArgValue = Annotated[str, Expect("text", _arg_value)]
Category = Annotated[
    str, text("ASCII text of at most 255 characters", longest=255, pattern=re.compile(r"[ -~]+"))
]
Pool = Annotated[
    str, text("the name of an IP pool, 2 to 64 characters", longest=64, pattern=re.compile("..+"))
]
HtmlFile = Annotated[str, text('a file like "welcome.html"', longest=1_000)]
ConsentCategory = Annotated[str, text("a consent category of Segment", longest=255)]


class Tracking(Section):
    """Whether SendGrid tracks opens and clicks of this email; left out, the account's setting."""

    expected: ClassVar[str] = "a table like { opens = true, clicks = false }"

    opens: bool | None = None
    clicks: bool | None = None


class Email(Section):
    """One email: a dynamic template of SendGrid, or a subject and bodies that Homing renders."""

    template: Template | None = None
    subject: Words | None = None
    html_file: HtmlFile | None = None
    text_file: HtmlFile | None = None
    class_: Annotated[
        Literal["transactional", "marketing"], choice("transactional", "marketing")
    ] = Field(default="marketing", alias="class")
    group: Words | None = None
    to: Mapped | None = None
    data: MappedTable | None = None
    from_: EmailAddress | None = Field(default=None, alias="from")
    reply_to: EmailAddress | None = None
    cc: Rows[EmailAddress] = ()
    bcc: Rows[EmailAddress] = ()
    headers: dict[HeaderName, HeaderValue] = Field(default={})
    categories: Rows[Category] = ()
    custom_args: dict[ArgName, ArgValue] = Field(default={})
    ip_pool: Pool | None = None
    tracking: Tracking = Field(default={}, validate_default=True)
    deliver_within: Duration | None = None
    on_unknown: (
        Annotated[Literal["resend", "park", "drop"], choice("resend", "park", "drop")] | None
    ) = None
    consent: Rows[ConsentCategory] = ()
    priority: Priority = 0

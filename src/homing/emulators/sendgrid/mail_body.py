"""
The shape of a mail/send body.

Every field is optional here and null counts as absent: what must be there is a
rule with a message of its own (`mail_rules`), a wrong type is not.
"""

from typing import Any, TypeAlias

import msgspec

_Text: TypeAlias = str | None


class Address(msgspec.Struct):
    """Somebody to write to, or from."""

    email: _Text = None
    name: _Text = None


class Personalization(msgspec.Struct):
    """One message of the request, with its own recipients."""

    to: list[Address] | None = None
    cc: list[Address] | None = None
    bcc: list[Address] | None = None
    from_: Address | None = msgspec.field(default=None, name="from")
    subject: _Text = None
    headers: dict[str, Any] | None = None
    substitutions: dict[str, Any] | None = None
    dynamic_template_data: dict[str, Any] | None = None
    custom_args: dict[str, Any] | None = None
    send_at: int | None = None

    def recipients(self) -> list[tuple[str, int, Address]]:
        """List all as (field, index in it, address), in the order to, cc, bcc."""
        return [
            (name, index, address)
            for name, addresses in (("to", self.to), ("cc", self.cc), ("bcc", self.bcc))
            for index, address in enumerate(addresses or ())
        ]


class Content(msgspec.Struct):
    """One MIME part."""

    type: _Text = None
    value: _Text = None


class Attachment(msgspec.Struct):
    """One file."""

    content: _Text = None
    filename: _Text = None
    type: _Text = None
    disposition: _Text = None
    content_id: _Text = None


class Asm(msgspec.Struct):
    """The unsubscribe group of the mail."""

    group_id: int | None = None
    groups_to_display: list[int] | None = None


class Switch(msgspec.Struct):
    """A setting that is on or off."""

    enable: bool = False


class MailSettings(msgspec.Struct):
    """How the mail is handled."""

    bypass_list_management: Switch | None = None
    bypass_spam_management: Switch | None = None
    bypass_bounce_management: Switch | None = None
    bypass_unsubscribe_management: Switch | None = None
    sandbox_mode: Switch | None = None

    def is_on(self, name: str) -> bool:
        """Tell whether a setting is there and enabled."""
        switch: Switch | None = getattr(self, name)
        return switch is not None and switch.enable


class TrackingSettings(msgspec.Struct):
    """What is tracked; absent means the account's default, which is on."""

    click_tracking: Switch | None = None
    open_tracking: Switch | None = None
    subscription_tracking: Switch | None = None

    def is_on(self, name: str) -> bool:
        """Tell whether something is tracked."""
        switch: Switch | None = getattr(self, name)
        return switch is None or switch.enable


class MailBody(msgspec.Struct):
    """A whole request. Source: OpenAPI ``tsg_mail_v3``, ``PostMailSend``."""

    personalizations: list[Personalization] | None = None
    from_: Address | None = msgspec.field(default=None, name="from")
    reply_to: Address | None = None
    reply_to_list: list[Address] | None = None
    subject: _Text = None
    content: list[Content] | None = None
    attachments: list[Attachment] | None = None
    template_id: _Text = None
    headers: dict[str, Any] | None = None
    categories: list[str] | None = None
    custom_args: dict[str, Any] | None = None
    send_at: int | None = None
    batch_id: _Text = None
    asm: Asm | None = None
    ip_pool_name: _Text = None
    mail_settings: MailSettings = msgspec.field(default_factory=MailSettings)
    tracking_settings: TrackingSettings = msgspec.field(default_factory=TrackingSettings)


decode_mail_body = msgspec.json.Decoder(MailBody).decode

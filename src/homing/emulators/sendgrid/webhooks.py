"""The account's event webhooks: where events are posted, which of them, and signed with what."""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from homing.emulators.clock import Clock, utc_seconds_text
from homing.emulators.sendgrid.signing import Signer

#: Flags of the settings, each an event type but for spam_report.
FLAGS: Final = (
    "group_resubscribe",
    "delivered",
    "group_unsubscribe",
    "spam_report",
    "bounce",
    "deferred",
    "unsubscribe",
    "processed",
    "open",
    "click",
    "dropped",
)
_FLAG_OF: Final = {"spamreport": "spam_report"}


@dataclass(slots=True)
class Webhook:
    """
    One event webhook.

    Args:
        flags: Those of `FLAGS` that are on.

        signer: None: posts are not signed.

        oauth: ``oauth_client_id`` and ``oauth_token_url``, as they were set.
    """

    url: str
    created_at: float
    flags: set[str] = field(default_factory=lambda: set(FLAGS))
    enabled: bool = True
    friendly_name: str | None = None
    signer: Signer | None = None
    oauth: dict[str, str] = field(default_factory=dict)
    updated_at: float = 0.0
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def wants(self, event_type: object) -> bool:
        """Tell whether events of a type are posted there."""
        name = str(event_type)
        return self.enabled and _FLAG_OF.get(name, name) in self.flags

    def as_json(self) -> dict[str, object]:
        """Show it as ``GET …/settings/{id}`` does."""
        shown: dict[str, object] = {
            "id": self.id,
            "enabled": self.enabled,
            "url": self.url,
            "friendly_name": self.friendly_name,
            **{flag: flag in self.flags for flag in FLAGS},
            **self.oauth,
            "created_date": utc_seconds_text(self.created_at),
            "updated_date": utc_seconds_text(self.updated_at or self.created_at),
        }
        if self.signer is not None:
            shown["public_key"] = self.signer.public_key
        return shown


class Webhooks:
    """
    All of them, oldest first. The emulator posts to the oldest alone.

    Args:
        max_allowed: As the plan has it; may be changed at any time.
    """

    def __init__(self, clock: Clock, *, max_allowed: int = 5) -> None:
        self.max_allowed = max_allowed
        self.on_change: Callable[[], None] = lambda: None
        self._clock = clock
        self._by_id: dict[str, Webhook] = {}

    def add(self, url: str, *, signer: Signer | None = None) -> Webhook:
        """Add one that wants every event."""
        webhook = Webhook(url, self._clock(), signer=signer)
        self._by_id[webhook.id] = webhook
        self.on_change()
        return webhook

    def changed(self, webhook: Webhook) -> None:
        """Settle what was changed of one."""
        webhook.updated_at = self._clock()
        self.on_change()

    def remove(self, webhook: Webhook) -> None:
        """Delete one."""
        del self._by_id[webhook.id]
        self.on_change()

    def find(self, webhook_id: str) -> Webhook | None:
        """Find one."""
        return self._by_id.get(webhook_id)

    def at(self, url: str) -> Webhook | None:
        """Find the one that posts to a URL."""
        return next((webhook for webhook in self if webhook.url == url), None)

    @property
    def oldest(self) -> Webhook | None:
        """The one that is posted to."""
        return next(iter(self), None)

    def __iter__(self) -> Iterator[Webhook]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)

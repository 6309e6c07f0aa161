"""How the account is set up: webhooks, senders, domains, tracking, forwarding to Segment."""

from dataclasses import dataclass, field
from typing import Any, Final

from homing.emulators.sendgrid.webhooks import Webhooks

_IN_EVERY_REGION: Final = ("/v3/marketing/integrations", "/v3/marketing/designs")


@dataclass(frozen=True, slots=True)
class Sender:
    """One address that was, or is to be, verified by a mail to it."""

    id: int
    from_email: str
    verified: bool = True


@dataclass(frozen=True, slots=True)
class Domain:
    """
    One authenticated domain.

    Args:
        valid: Its DNS records were found.
    """

    id: int
    domain: str
    subdomain: str = "em1234"
    valid: bool = True


@dataclass(slots=True)
class Setup:
    """
    All of it; may be changed at any time.

    Args:
        tracking: Names of tracking settings to whether they are on.

        integrations: As ``/v3/marketing/integrations`` shows them.

        is_eu: The host is that of the EU region: it has no Marketing but forwarding and designs.
    """

    webhooks: Webhooks
    senders: list[Sender] = field(default_factory=list)
    domains: list[Domain] = field(default_factory=list)
    tracking: dict[str, bool] = field(
        default_factory=lambda: {"open": True, "click": True, "subscription": True}
    )
    integrations: list[dict[str, Any]] = field(default_factory=list)
    is_eu: bool = False

    def serves(self, path: str) -> bool:
        """Tell whether the region has an endpoint."""
        is_marketing = path.startswith("/v3/marketing/") and not path.startswith(_IN_EVERY_REGION)
        return not (self.is_eu and is_marketing)

    def verify_domain(self, domain: str, *, valid: bool = True) -> Domain:
        """Add an authenticated domain."""
        added = Domain(len(self.domains) + 1, domain, valid=valid)
        self.domains.append(added)
        return added

    def verify_sender(self, from_email: str, *, verified: bool = True) -> Sender:
        """Add a single sender."""
        added = Sender(len(self.senders) + 1, from_email, verified)
        self.senders.append(added)
        return added

    def forward_to_segment(self, write_key: str, *events: str, region: str = "US") -> None:
        """Add a forwarding of events to a Segment source."""
        self.integrations.append(
            {
                "integration_id": f"{len(self.integrations) + 1:024x}",
                "user_id": "12345",
                "filters": {"email_events": list(events)},
                "properties": {"write_key": write_key, "destination_region": region},
                "label": "Untitled Integration",
                "destination": "Segment",
            }
        )

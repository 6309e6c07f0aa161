"""
How many emails the shop's events ask for: reckoned from the events alone.

A second opinion on `shop.toml`'s routes, so that an event that got lost on the way, or caused
two emails, shows although the service's own books agree with themselves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from homing.sandbox.happenings import who_of

_BY_NAME: Final = {
    "Order Completed": ("order-confirmation", "recommendation"),
    "Newsletter Joined": ("newsletter",),
}


@dataclass(slots=True)
class Asked:
    """
    What was asked for so far.

    Args:
        emails: How many, by (userId, route).

        events: How many events the shop made.
    """

    emails: Counter[tuple[str, str]] = field(default_factory=Counter)
    events: int = 0

    def take(self, event: Mapping[str, Any], befell: frozenset[str]) -> None:
        """Count one event of the shop's with the faults that befell it on its way."""
        self.events += 1
        if "drop" in befell:
            return
        for route in routes_of(event):
            # A copy under another messageId is, by Segment's own contract, another event.
            self.emails[who_of(event), route] += 1 + ("new-id" in befell)


def routes_of(event: Mapping[str, Any]) -> tuple[str, ...]:
    """The routes of `shop.toml` that an event takes, as far as they send an email."""
    if event["type"] == "identify":
        return ("welcome",)
    return _BY_NAME.get(str(event.get("event")), ())

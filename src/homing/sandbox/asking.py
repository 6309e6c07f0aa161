"""
What the shop's events ask for, emails and runs: reckoned from the events alone.

A second opinion on `shop.toml`'s routes and entries, so that an event that got lost on the way, or
caused two emails, shows although the service's own books agree with themselves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from homing.sandbox.happenings import who_of

_BY_NAME: Final = {
    "Order Completed": ("order-confirmation", "recommendation"),
    "Newsletter Joined": ("newsletter",),
}

AskedRun: TypeAlias = tuple[str, str, str]
"""A run of a journey by (userId, journey, key)."""


@dataclass(slots=True)
class Asked:
    """
    What was asked for so far.

    Args:
        emails: How many, by (userId, route).

        runs: Which; nobody enters twice under one key.

        events: How many events the shop made.
    """

    emails: Counter[tuple[str, str]] = field(default_factory=Counter)
    runs: set[AskedRun] = field(default_factory=set)
    events: int = 0

    def take(self, event: Mapping[str, Any], befell: frozenset[str]) -> None:
        """Count one event of the shop's with the faults that befell it on its way."""
        self.events += 1
        if "drop" in befell:
            return
        self.runs.update((who_of(event), *entry) for entry in entries_of(event))
        for route in routes_of(event):
            # A copy under another messageId is, by Segment's own contract, another event.
            self.emails[who_of(event), route] += 1 + ("new-id" in befell)


def routes_of(event: Mapping[str, Any]) -> tuple[str, ...]:
    """The routes of `shop.toml` that an event takes, as far as they send an email."""
    if event["type"] == "identify":
        return ("welcome",)
    return _BY_NAME.get(str(event.get("event")), ())


def entries_of(event: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """The journeys of `shop.toml` that an event enters, each with the key of the run."""
    if event.get("event") == "Product Added":
        return (("cart", str(event["properties"]["cart_id"])),)
    return (("onboarding", ""),) if event.get("event") == "Signed Up" else ()

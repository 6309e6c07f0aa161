"""
May this send leave? Asked when it is reserved, and again when its intent is written.

The rules are asked in order; the first that refuses gives the reason.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import msgspec

from homing.core import addresses, consent, suppression
from homing.core.plans import Email
from homing.core.suppression import Records

NO_EMAIL = "no_email"


class Asked(msgspec.Struct, frozen=True, gc=False):
    """
    What the rules may look at; times are unix ms.

    ``lacking``: the consent categories that are required and not given.
    """

    email: Email
    address: str | None
    records: Records
    now_ms: int
    expires_at: int
    lacking: tuple[str, ...] = ()


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """Why a send does not leave: the state it gets, and the reason a person reads."""

    state: str
    reason: str


Rule: TypeAlias = Callable[[Asked], Refusal | None]


def refusal_of(asked: Asked) -> Refusal | None:
    """The first rule's refusal; None lets the send leave."""
    for rule in RULES:
        refusal = rule(asked)
        if refusal is not None:
            return refusal
    return None


def has_address(asked: Asked) -> Refusal | None:
    """A send needs somewhere to go that SendGrid would take."""
    if asked.address is None:
        return Refusal("skipped", NO_EMAIL)
    reason = addresses.refusal_of(asked.address)
    return None if reason is None else Refusal("skipped", f"bad_address: {reason}")


def is_not_suppressed(asked: Asked) -> Refusal | None:
    """Never to the suppressed (promise P3)."""
    reason = suppression.refusal_of(asked.email.kind, asked.email.group, asked.records)
    return None if reason is None else Refusal("skipped", reason)


def has_consent(asked: Asked) -> Refusal | None:
    """What somebody did not agree to is not sent."""
    return Refusal("skipped", consent.reason_of(asked.lacking)) if asked.lacking else None


def is_in_time(asked: Asked) -> Refusal | None:
    """A password reset of yesterday is a defect, not a service."""
    if asked.now_ms >= asked.expires_at:
        return Refusal("expired", "deliver_within is over")
    return None


RULES: tuple[Rule, ...] = (has_address, is_not_suppressed, has_consent, is_in_time)

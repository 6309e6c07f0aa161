"""
Who it happened to: identities, traits, the small indexes of ``did()`` and audiences.

A person is found by ``userId``, else ``anonymousId``, else email (lower-cased). Traits come from
``identify`` and ``context.traits``; per key the last event time wins and ``null`` clears.
Source: Segment docs, "Spec: Common", "Spec: Identify"; audiences: "Using Engage data".
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from enum import IntEnum
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

if TYPE_CHECKING:
    from collections.abc import Iterable

    from homing.core.consent import Preferences
    from homing.core.fql import Did

PARTITIONS = 256

# so much later than a newer one an event of a window still finds all that was before it
LATE_MS = 86_400_000
# unless so many came in between
MAX_LATE = 16
_MARK_BITS = 15


class IdKind(IntEnum):
    """How a person can be known, strongest first."""

    USER = 1
    ANONYMOUS = 2
    EMAIL = 3


class Identity(msgspec.Struct, frozen=True, gc=False):
    """One name of a person."""

    kind: IdKind
    value: str


class Person(msgspec.Struct, frozen=True, gc=False):
    """
    What is known of one person. Never mutated: changes make a new one.

    ``trait_at`` holds, per trait key, the event time (ms) that last wrote it, also of cleared
    keys. ``did`` holds the marks (see `did_mark`), ascending, of matching events per ``did()`` key.
    ``audiences`` maps a key to (member, event time). ``consent`` is what they agreed to, of event
    time ``consent_at``; None: nothing is known. ``merged`` are ids this person absorbed.
    """

    id: int
    user_id: str | None = None
    anonymous_id: str | None = None
    email: str | None = None
    traits: Mapping[str, object] = {}
    trait_at: Mapping[str, int] = {}
    did: Mapping[str, tuple[int, ...]] = {}
    audiences: Mapping[str, tuple[bool, int]] = {}
    zone: str | None = None
    consent: Preferences | None = None
    consent_at: int = 0
    merged: tuple[int, ...] = ()

    @property
    def address(self) -> str | None:
        """Where the person is mailed: the trait as events last wrote it, else by name."""
        if "email" in self.trait_at and "email" not in self.traits:
            return None  # cleared
        return email_in(self.traits) or self.email

    @property
    def label(self) -> str:
        """The name we show for the person: userId, else anonymousId, else address."""
        return self.user_id or self.anonymous_id or self.email or f"person {self.id}"


def partition_of(identity: Identity) -> int:
    """Which of `PARTITIONS` a person belongs to, from the first identity they were known by."""
    digest = blake2b(f"{identity.kind}:{identity.value}".encode(), digest_size=2).digest()
    return int.from_bytes(digest) % PARTITIONS


def identities_of(event: Mapping[str, Any]) -> tuple[Identity, ...]:
    """
    The names under which an event's person is known, strongest first.

    Only non-empty strings count, as Segment requires of ids. An address is read from
    ``traits.email``, then ``context.traits.email``, then, of an event without any id,
    ``properties.email`` (an address among the properties of somebody known may be another's).
    """
    found: list[Identity] = []
    user, anonymous = event.get("userId"), event.get("anonymousId")
    if isinstance(user, str) and user:
        found.append(Identity(IdKind.USER, user))
    if isinstance(anonymous, str) and anonymous:
        found.append(Identity(IdKind.ANONYMOUS, anonymous))
    email = traits_email(event)
    if email is None and not found:
        email = email_in(event.get("properties"))
    if email is not None:
        found.append(Identity(IdKind.EMAIL, email))
    return tuple(found)


def traits_email(event: Mapping[str, Any]) -> str | None:
    """The lower-cased address in an event's traits, else in its ``context.traits``."""
    context = event.get("context")
    inner = context.get("traits") if isinstance(context, dict) else None
    return email_in(event.get("traits")) or email_in(inner)


def email_in(fields: object) -> str | None:
    """The lower-cased, stripped ``email`` of an object; None if it has none that is text."""
    email = fields.get("email") if isinstance(fields, dict) else None
    if isinstance(email, str) and "@" in email:
        return email.strip().lower()
    return None


def with_identities(person: Person, identities: Iterable[Identity]) -> Person:
    """The person with names filled in where they had none; an address moves with the newest."""
    changes: dict[str, Any] = {}
    for identity in identities:
        match identity.kind:
            case IdKind.USER if person.user_id is None:
                changes["user_id"] = identity.value
            case IdKind.ANONYMOUS if person.anonymous_id is None:
                changes["anonymous_id"] = identity.value
            case IdKind.EMAIL if person.email != identity.value:
                changes["email"] = identity.value
            case _:
                pass
    return replace(person, **changes) if changes else person


def traits_in(event: Mapping[str, Any]) -> Mapping[str, object]:
    """The traits an event carries: ``context.traits`` under the ``traits`` of an identify."""
    context = event.get("context")
    inner = context.get("traits") if isinstance(context, dict) else None
    own = event.get("traits") if event.get("type") == "identify" else None
    if not isinstance(own, dict):
        return inner if isinstance(inner, dict) else {}
    return {**inner, **own} if isinstance(inner, dict) else own


def with_traits(person: Person, traits: Mapping[str, object], at_ms: int) -> Person:
    """The person with *traits* written at *at_ms*: newest event time wins, null clears."""
    changed = {
        key: value for key, value in traits.items() if at_ms >= person.trait_at.get(key, at_ms)
    }
    if not changed:
        return person
    kept = {**person.traits, **changed}
    for key, value in changed.items():
        if value is None:
            del kept[key]
    # also of an unchanged value: an older event that comes later must not win
    times = {**person.trait_at, **dict.fromkeys(changed, at_ms)}
    return replace(person, traits=kept, trait_at=times)


def with_zone(person: Person, event: Mapping[str, Any]) -> Person:
    """The person with the last ``context.timezone`` seen."""
    context = event.get("context")
    zone = context.get("timezone") if isinstance(context, dict) else None
    if isinstance(zone, str) and zone and zone != person.zone:
        return replace(person, zone=zone)
    return person


def with_consent(person: Person, preferences: Preferences, at_ms: int) -> Person:
    """The person with the preferences an event of *at_ms* carries: the newest event time wins."""
    if person.consent is not None and person.consent_at > at_ms:
        return person
    return replace(person, consent=preferences, consent_at=at_ms)


@lru_cache(maxsize=1024)
def did_key(did: Did) -> str:
    """The short name under which the marks of one distinct ``did()`` are kept."""
    condition = None if did.condition is None else did.condition.text
    text = ascii((did.event, did.at_least, did.within_s, condition))
    return blake2b(text.encode("ascii"), digest_size=8, person=b"did").hexdigest()


def did_mark(at_ms: int, event: int) -> int:
    """
    What is kept of a counted event: sorts by time, and tells two events of one moment apart.

    The same for the same event, however often it is counted.
    """
    return at_ms << _MARK_BITS | event & (1 << _MARK_BITS) - 1


def with_did(person: Person, did: Did, key: str, *, at_ms: int, event: int) -> Person:
    """The person with one more matching event; only marks are kept that a window can need."""
    known = person.did.get(key, ())
    mark = did_mark(at_ms, event)
    if mark in known:
        return person
    kept = _needed(did, tuple(sorted((*known, mark))))
    return person if kept == known else replace(person, did={**person.did, key: kept})


def _needed(did: Did, marks: tuple[int, ...]) -> tuple[int, ...]:
    if did.within_s is None:
        return marks[: did.at_least]  # what ever happened so often did so from the last of these on
    newest_ms = marks[-1] >> _MARK_BITS
    late = len(marks) - bisect_left(marks, did_mark(newest_ms - LATE_MS, 0))
    oldest_ms = math.ceil(newest_ms - LATE_MS - did.within_s * 1000)
    newest = marks[-did.at_least - min(late, MAX_LATE) :]
    return newest[bisect_left(newest, did_mark(oldest_ms, 0)) :]


def did_count(person: Person, did: Did, *, at_ms: int, present: int | None = None) -> int:
    """
    How many events of *did* lie in the window that ends, inclusive, at *at_ms*; capped.

    Args:
        present: The mark of the event in whose midst this is asked, if it is one of them.
    """
    marks = person.did.get(did_key(did), ())
    start = 0
    if did.within_s is not None:
        start = bisect_left(marks, did_mark(math.ceil(at_ms - did.within_s * 1000), 0))
    count = max(0, bisect_right(marks, did_mark(at_ms, -1)) - start)
    return count + (present is not None and present not in marks)


def audience_change(event: Mapping[str, Any]) -> tuple[str, bool] | None:
    """
    The audience membership an Engage payload states: (key, member).

    The class must be ``audience`` or ``journey_step`` and the value under the computation key a
    strict boolean; for keys that start ``j_o_`` the texts "true" and "false" count too.

    Source: github segmentio/action-destinations, ``core/src/audience-membership.ts``.
    """
    context = event.get("context")
    personas = context.get("personas") if isinstance(context, dict) else None
    if not isinstance(personas, dict):
        return None
    key = personas.get("computation_key")
    if personas.get("computation_class") not in ("audience", "journey_step"):
        return None
    if not isinstance(key, str) or not key:
        return None
    member = _member(event, key)
    return None if member is None else (key, member)


def _member(event: Mapping[str, Any], key: str) -> bool | None:
    fields = event.get("traits" if event.get("type") == "identify" else "properties")
    if not isinstance(fields, dict):
        return None
    other = fields.get("audience_key")
    value = fields.get(other) if key not in fields and isinstance(other, str) else fields.get(key)
    if key.startswith("j_o_") and value in ("true", "false"):
        return bool(value == "true")
    return value if isinstance(value, bool) else None


def is_member(person: Person, audience: str) -> bool:
    """Whether a person is in an audience."""
    known = person.audiences.get(audience)
    return known is not None and known[0]


def with_audience(person: Person, key: str, at_ms: int, *, member: bool) -> Person:
    """The person in or out of an audience; the newest event time wins."""
    known = person.audiences.get(key)
    if known is not None and (known[1] > at_ms or known == (member, at_ms)):
        return person
    return replace(person, audiences={**person.audiences, key: (member, at_ms)})


def merge(winner: Person, loser: Person) -> Person:
    """
    One person out of two: the winner's names and traits stay, the loser fills the gaps.

    ``did()`` marks are united, audiences and consent by newest time.
    """
    did = {
        key: tuple(sorted({*winner.did.get(key, ()), *loser.did.get(key, ())}))
        for key in {**winner.did, **loser.did}
    }
    # a trait the winner cleared stays cleared
    traits = {k: v for k, v in loser.traits.items() if k not in winner.trait_at}
    audiences = dict(loser.audiences)
    for key, known in winner.audiences.items():
        if key not in audiences or audiences[key][1] <= known[1]:
            audiences[key] = known
    agreed = _last_to_consent(winner, loser)
    return replace(
        winner,
        user_id=winner.user_id or loser.user_id,
        anonymous_id=winner.anonymous_id or loser.anonymous_id,
        email=winner.email or loser.email,
        traits={**traits, **winner.traits},
        trait_at={**loser.trait_at, **winner.trait_at},
        did=did,
        audiences=audiences,
        zone=winner.zone or loser.zone,
        consent=agreed.consent,
        consent_at=agreed.consent_at,
        merged=(*winner.merged, loser.id, *loser.merged),
    )


def _last_to_consent(winner: Person, loser: Person) -> Person:
    """Whose preferences are the newer ones."""
    if loser.consent is None or winner.consent is None:
        return winner if loser.consent is None else loser
    return loser if loser.consent_at > winner.consent_at else winner

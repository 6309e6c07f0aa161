"""A small identity graph: who is who, and what is known of them."""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from homing.emulators.segment.inbox import Message

#: How many track events a profile keeps.
KEPT_EVENTS: Final = 25


@dataclass(slots=True, eq=False)
class Profile:
    """
    One person.

    Args:
        ids: (type, value) of every identifier, lower-cased, oldest first.

        events: The newest track events, newest last.
    """

    ids: list[tuple[str, str]] = field(default_factory=list)
    traits: dict[str, Any] = field(default_factory=dict)
    events: deque[Message] = field(default_factory=lambda: deque(maxlen=KEPT_EVENTS))
    created_at: str = ""
    updated_at: str = ""

    def user_id(self) -> str | None:
        """Return its user id, if it has one."""
        return next((value for kind, value in self.ids if kind == "user_id"), None)


class Profiles:
    """
    All profiles.

    Args:
        keep: How many; the least recently touched is forgotten first.
    """

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._by_id: dict[tuple[str, str], Profile] = {}
        self._touched: dict[int, Profile] = {}

    def find(self, id_type: str, value: str) -> Profile | None:
        """Find a profile by one of its identifiers; stored values are in lower case."""
        return self._by_id.get((id_type, value))

    def put(self, id_type: str, value: str, traits: Mapping[str, Any]) -> Profile:
        """Set traits of the profile with an identifier, making it if need be."""
        profile = self._profile_of([(id_type, value.lower())])
        profile.traits.update(traits)
        return profile

    def apply(self, message: Message) -> None:
        """Let a published message change the profiles."""
        profile = self._profile_of(identifiers(message))
        profile.created_at = profile.created_at or message["receivedAt"]
        profile.updated_at = message["receivedAt"]
        if message["type"] == "identify":
            _write(profile.traits, message.get("traits"))
        elif message["type"] == "track":
            _write(profile.traits, message["context"].get("traits"))
            profile.events.append(message)

    def newest(self) -> Iterator[Profile]:
        """Walk from the most recently touched."""
        return reversed(self._touched.values())

    def __len__(self) -> int:
        return len(self._touched)

    def _profile_of(self, ids: list[tuple[str, str]]) -> Profile:
        user_id = next((value for kind, value in ids if kind == "user_id"), None)
        # Two user ids that share an address stay two people.
        found = [
            self._by_id[id_]
            for id_ in ids
            if id_ in self._by_id
            and (user_id is None or self._by_id[id_].user_id() in {None, user_id})
        ]
        profile = found[0] if found else Profile()
        for other in found[1:]:
            if other is not profile and None in {other.user_id(), profile.user_id()}:
                self._merge(profile, other)
        for id_ in ids:
            self._by_id.setdefault(id_, profile)
            if self._by_id[id_] is profile and id_ not in profile.ids:
                profile.ids.append(id_)
        self._touch(profile)
        return profile

    def _merge(self, profile: Profile, other: Profile) -> None:
        profile.traits = other.traits | profile.traits
        merged = sorted([*other.events, *profile.events], key=lambda m: str(m["receivedAt"]))
        profile.events.extend(merged[-KEPT_EVENTS:])
        for id_ in other.ids:
            self._by_id[id_] = profile
            profile.ids.append(id_)
        self._touched.pop(id(other), None)

    def _touch(self, profile: Profile) -> None:
        self._touched.pop(id(profile), None)
        self._touched[id(profile)] = profile
        if len(self._touched) > self._keep:
            oldest = self._touched.pop(next(iter(self._touched)))
            for id_ in oldest.ids:
                self._by_id.pop(id_, None)


def identifiers(message: Message) -> list[tuple[str, str]]:
    """
    List the identifiers a message carries, the strongest first, in lower case.

    An address under ``traits.email``, ``context.traits.email`` or
    ``properties.email`` is one.
    """
    ids: list[tuple[str, str]] = []
    for kind, key in (
        ("user_id", "userId"),
        ("anonymous_id", "previousId"),
        ("anonymous_id", "anonymousId"),
    ):
        value = message.get(key)
        if isinstance(value, str) and value:
            ids.append((kind, value.lower()))
    for holder in (
        message.get("traits"),
        message["context"].get("traits"),
        message.get("properties"),
    ):
        email = holder.get("email") if isinstance(holder, dict) else None
        if isinstance(email, str) and email and ("email", email.lower()) not in ids:
            ids.append(("email", email.lower()))
    return ids + _external_ids(message["context"].get("externalIds"))


def _external_ids(given: object) -> list[tuple[str, str]]:
    if not isinstance(given, list):
        return []
    return [
        (str(entry["type"]), str(entry["id"]).lower())
        for entry in given
        if isinstance(entry, dict) and entry.get("type") and entry.get("id")
    ]


def _write(traits: dict[str, Any], fresh: object) -> None:
    if not isinstance(fresh, dict):
        return
    for name, value in fresh.items():
        if value is None:
            traits.pop(name, None)
        else:
            traits[name] = value

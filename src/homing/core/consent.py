"""
Consent: which of Segment's categories somebody agreed to, and what that forbids.

What an event says of itself counts for what it asks for; what it says of its person is kept, the
newest event time winning.

Source: Segment docs, "Consent in Segment Connections", enforcement of mapped destinations;
"Consent in Unify", the event "Segment Consent Preference Updated".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, Final, TypeAlias

Preferences: TypeAlias = Mapping[str, bool]
"""What somebody said to each category; one that is missing was not agreed to."""

# kept of one person, however many a stranger's event lists: what is left out counts as refused
MAX_CATEGORIES: Final = 200
MAX_CATEGORY_CHARS: Final = 255

_PREFERENCES: Final = "categoryPreferences"


def preferences_in(event: Mapping[str, Any]) -> Preferences | None:
    """
    The preferences an event carries; None if it carries none.

    Only ``true`` is an agreement: any other value than a boolean counts as ``false``.
    """
    stated = _stated(event)
    given = None if stated is None else stated.get(_PREFERENCES)
    if not isinstance(given, dict):
        return None
    short = (item for item in given.items() if len(item[0]) <= MAX_CATEGORY_CHARS)
    return {name: value is True for name, value in islice(short, MAX_CATEGORIES)}


def lacking(required: Sequence[str], preferences: Preferences | None) -> tuple[str, ...]:
    """The required categories that a person did not agree to; none where nothing is known."""
    if preferences is None or not required:
        return ()
    return tuple(name for name in dict.fromkeys(required) if not preferences.get(name, False))


def lacking_of_event(required: Sequence[str], event: Mapping[str, Any]) -> tuple[str, ...]:
    """
    The required categories that an event itself does not allow.

    An empty consent object beside an ``integrations`` object allows none, as at Segment; nor do
    preferences that cannot be read.
    """
    stated = _stated(event)
    if stated is None or not required:
        return ()
    if _PREFERENCES in stated:
        return lacking(required, preferences_in(event) or {})
    return lacking(required, {} if isinstance(event.get("integrations"), dict) else None)


def lacking_of_either(
    required: Sequence[str], preferences: Preferences | None, event: Mapping[str, Any]
) -> tuple[str, ...]:
    """The required categories that the person, or the event that asks, does not allow."""
    if not required:
        return ()
    missing = {*lacking(required, preferences), *lacking_of_event(required, event)}
    return tuple(name for name in dict.fromkeys(required) if name in missing)


def reason_of(categories: Sequence[str]) -> str:
    """Why something is not done, for people: ``consent: marketing, advertising``."""
    return f"consent: {', '.join(categories)}"


def _stated(event: Mapping[str, Any]) -> Mapping[str, Any] | None:
    context = event.get("context")
    stated = context.get("consent") if isinstance(context, dict) else None
    return stated if isinstance(stated, dict) else None

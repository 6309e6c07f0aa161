"""What a condition may ask beyond the event: the person, the run, their past."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from homing.core.fql.condition import Condition


@dataclass(frozen=True, slots=True)
class Did:
    """
    One ``did("Event", at_least, "7d", 'condition')``; equal ones can share an index.

    ``within_s`` is the window in seconds, None for ever. ``condition`` asks about the counted
    event alone: it holds no ``did()``, ``in_audience()``, ``profile.*`` or ``journey.*``.
    """

    event: str
    at_least: int
    within_s: float | None
    condition: Condition | None


class Facts(Protocol):
    """What is known when a condition is asked; implemented by whoever asks."""

    @property
    def profile(self) -> Mapping[str, object]:
        """The person's traits: the root ``profile``."""

    @property
    def journey(self) -> Mapping[str, object]:
        """The run's context: the root ``journey``; empty outside journeys."""

    def did(self, did: Did) -> int:
        """How many events of *did* lie in its window, the present one included; may be capped."""

    def in_audience(self, key: str) -> bool:
        """Whether the person is a member of the audience *key*."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """The facts about nobody: no traits, no run, no past, no audience."""

    profile: Mapping[str, object] = field(default_factory=dict)
    journey: Mapping[str, object] = field(default_factory=dict)

    def did(self, did: Did) -> int:
        """Nothing ever happened."""
        return 0

    def in_audience(self, key: str) -> bool:
        """In none."""
        return False

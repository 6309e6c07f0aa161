"""
What Engage makes of its audiences, computed traits and journeys, and the event of a deletion.

Source: Segment's documentation of Engage data and of webhooks.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from homing.emulators.clock import Clock, utc_text, wall_clock

SPACE: Final = "spa_emulator"

#: What the events say of where they may go.
_INTEGRATIONS: Final = {"All": False, "Webhooks (Actions)": True}


@dataclass(frozen=True, slots=True)
class Computation:
    """
    An audience, a computed trait or a step of a journey, as it tells of its people.

    Args:
        key: Under which a value is found, like ``big_spenders``.

        computation_class: What it is.

        external_audience_id: What the receiver answered when the audience was
            made there; None for what is no list.

        clock: Tells when an event happens, unless a call says so.
    """

    key: str
    computation_class: Literal["audience", "trait", "journey_step"] = "audience"
    space: str = SPACE
    external_audience_id: str | None = None
    clock: Clock = wall_clock

    def identify(
        self,
        user_id: str,
        value: Any,  # noqa: ANN401 - a boolean for an audience, any JSON for a trait
        *,
        email: str | None = None,
        at: float | None = None,
        **traits: Any,  # noqa: ANN401 - any JSON
    ) -> dict[str, Any]:
        """
        Tell of one person by an identify call.

        Args:
            value: Whether the person is in the audience, or the trait's value.

            at: Unix time of the change.

            traits: Of Trait Enrichment, beside the value.
        """
        known = {} if email is None else {"email": email}
        return self._event("identify", user_id, at) | {
            "traits": {self.key: value, **known, **traits}
        }

    def track(
        self,
        user_id: str,
        value: Any,  # noqa: ANN401 - a boolean for an audience, any JSON for a trait
        *,
        email: str | None = None,
        at: float | None = None,
        **properties: Any,  # noqa: ANN401 - any JSON
    ) -> dict[str, Any]:
        """Tell of one person by a track call, see `identify`; the address is in the context."""
        event = self._event("track", user_id, at)
        if email is not None:
            event["context"]["traits"] = {"email": email}
        is_trait = self.computation_class == "trait"
        named = "trait_key" if is_trait else "audience_key"
        name = "Audience Entered" if value else "Audience Exited"
        return event | {
            "event": "Trait Computed" if is_trait else name,
            "properties": {named: self.key, self.key: value, **properties},
        }

    def _event(self, kind: str, user_id: str, at: float | None) -> dict[str, Any]:
        moment = utc_text(self.clock() if at is None else at)
        prefix = "tra" if self.computation_class == "trait" else "aud"
        personas: dict[str, Any] = {
            "computation_class": self.computation_class,
            "computation_id": f"{prefix}_{self.key}",
            "computation_key": self.key,
            "namespace": self.space,
            "space_id": self.space,
        }
        if self.external_audience_id is not None:
            personas["external_audience_id"] = self.external_audience_id
        return {
            "type": kind,
            "userId": user_id,
            "messageId": f"personas_{uuid.uuid4().hex}",
            "timestamp": moment,
            "originalTimestamp": moment,
            "receivedAt": moment,
            "sentAt": moment,
            "context": {"personas": personas},
            "integrations": dict(_INTEGRATIONS),
            "version": 2,
        }


def deletion(
    user_id: str, *, at: float | None = None, clock: Clock = wall_clock, **also: object
) -> Mapping[str, Any]:
    """
    Make the event that asks to delete a person; only the classic webhook sends it.

    It names nobody but by the user id: no address, no traits. Segment sends it
    once for every source that has webhooks, so that repeats are normal.

    Args:
        also: Properties beside these, as a ``messageId``, which is not shown to be there.
    """
    moment = utc_text(clock() if at is None else at)
    return {"type": "delete", "userId": user_id, "timestamp": moment, **also}

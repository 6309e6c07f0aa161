"""An email as a step of a journey sends it: which step, and what the run would know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from homing.cli.main import BadInput
from homing.core.journeys.program import Act
from homing.core.plans import Send

if TYPE_CHECKING:
    from homing.core.journeys.program import Journey
    from homing.core.plans import Plans

KNOWN: Final = ("entry", "latest", "events", "branch", "variant", "key", "entered_at", "profile")
_OBJECTS: Final = ("entry", "latest", "events", "branch", "profile")


@dataclass(frozen=True, slots=True)
class InJourney:
    """
    Where a journey sends an email: at *step*, "" of an exit; *place* names it for people.

    ``context`` is what somebody wants the run to know; what is absent the event gives.
    """

    journey: Journey
    step: str
    place: str
    send: Send
    context: Mapping[str, Any] = field(default_factory=dict)

    def latest(self, event: Mapping[str, Any]) -> Mapping[str, Any]:
        """The event that ``$.`` sees."""
        found: Mapping[str, Any] = self.context.get("latest", event)
        return found

    def root(self, event: Mapping[str, Any], entered_at: str) -> dict[str, object]:
        """What mappings see as ``journey``, in the shape the engine gives it."""
        from homing.core.journeys.program import key_in

        entry = self.context.get("entry", event)
        latest = self.latest(event)
        named = {str(one.get("event") or one.get("type")): one for one in (entry, latest)}
        return {
            "id": self.journey.name,
            "key": self.context.get("key") or key_in(self.journey.entry.key, entry) or "",
            "step": self.step,
            "variant": self.context.get("variant"),
            "entered_at": self.context.get("entered_at") or entry.get("timestamp") or entered_at,
            "entry": entry,
            "latest": latest,
            "events": self.context.get("events", named),
            "branch": self.context.get("branch", {}),
        }


def places_in(journey: Journey, email: str) -> Iterator[InJourney]:
    """Each step and exit of a journey that sends an email, in order."""
    for step in journey.steps:
        action = step.action if isinstance(step, Act) else None
        if isinstance(action, Send) and action.email == email:
            yield InJourney(journey, step.id, f"step {step.id}", action)
    for one in journey.exits:
        if one.send is not None and one.send.email == email:
            yield InJourney(journey, "", f"exit {one.name}", one.send)


def place_named(
    plans: Plans, email: str, *, journey: str | None, step: str | None
) -> InJourney | None:
    """
    Where a journey sends an email: of several the first; None if none does.

    Raises:
        BadInput: The journey or the step that was named sends no such email.
    """
    from homing.config.problems import guess

    if journey is not None and journey not in plans.journeys:
        msg = f"no [journey.{journey}]{guess(journey, plans.journeys) or ' in the configuration'}"
        raise BadInput(msg)
    asked = [plans.journeys[journey]] if journey is not None else [*plans.journeys.values()]
    places = [place for one in asked for place in places_in(one, email)]
    found = [place for place in places if step in (None, place.step, place.place)]
    if found or (journey is None and step is None):
        return next(iter(found), None)
    where = f"[journey.{journey}]" if journey is not None else "any journey"
    msg = f"no step{f' {step!r}' if step else ''} of {where} sends {email!r}"
    raise BadInput(msg)


def context_in(found: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """
    What somebody wants a run to know; *name* is the file's.

    Raises:
        BadInput: It has something else in it.
    """
    from homing.config.problems import guess

    for key, value in found.items():
        if key not in KNOWN:
            msg = f"{name}: no {key!r} in a run's context{guess(key, KNOWN)}"
            raise BadInput(msg)
        if key in _OBJECTS and not isinstance(value, dict):
            msg = f"{name}: expected {key!r} to be an object"
            raise BadInput(msg)
    for key in ("events", "branch"):
        if not all(isinstance(one, dict) for one in found.get(key, {}).values()):
            msg = f"{name}: expected every value of {key!r} to be an object"
            raise BadInput(msg)
    return found

"""Every way in which an email comes to be sent, and what its template data can have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from homing.config.expressions import RawMapping
from homing.core.journeys.program import Act, Hold
from homing.core.plans import Send

if TYPE_CHECKING:
    from homing.config import Loaded
    from homing.config.actions import Actions
    from homing.config.actions import Send as WrittenSend
    from homing.config.journeys import Exit
    from homing.core.fql import Condition
    from homing.core.journeys.program import Journey
    from homing.core.plans import Email


@dataclass(frozen=True, slots=True)
class Way:
    """
    One action that sends an email, or None that sends it: then ``place`` is empty.

    ``template`` is the id at SendGrid; None: Homing renders it. ``whens`` are the conditions by
    which events come here. ``keys`` are the names at the top of its data; None: they come from the
    event and the traits.
    """

    place: str
    email: Email
    template: str | None
    keys: frozenset[str] | None
    send: Send
    whens: tuple[Condition, ...] = ()
    journey: Journey | None = None
    step: str = ""

    @property
    def name(self) -> str:
        """Tells it from all others."""
        return f"{self.email.name} by {self.place}"


def ways_of(loaded: Loaded) -> tuple[Way, ...]:
    """List all of them, in file order; an email that nothing sends has one of its own."""
    found = [*_of_routes(loaded), *_of_journeys(loaded)]
    sent = {way.email.name for way in found}
    for name, email in loaded.plans.emails.items():
        if name not in sent:
            found.append(Way("", email, email.template, _email_keys(loaded, name), Send(name)))
    return tuple(found)


def templates_of(ways: Sequence[Way]) -> tuple[str, ...]:
    """The ids of all templates at SendGrid, each once."""
    return tuple(dict.fromkeys(way.template for way in ways if way.template is not None))


def _of_routes(loaded: Loaded) -> Iterator[Way]:
    for route in loaded.plans.routes:
        written = loaded.settings.route[route.name]
        for action in route.actions:
            if isinstance(action, Send):
                place = f"route {route.name}"
                yield _way(loaded, action, written, place=place, whens=(route.when,))


def _of_journeys(loaded: Loaded) -> Iterator[Way]:
    for name, journey in loaded.plans.journeys.items():
        written = loaded.settings.journey[name]
        holds = (step for step in journey.steps if isinstance(step, Hold))
        taken = (journey.entry.when, *(one.when for hold in holds for one in hold.on))
        for step, as_written in zip(journey.steps, written.step, strict=True):
            if isinstance(step, Act) and isinstance(step.action, Send):
                place = f"journey {name}, step {step.id}"
                yield _way(
                    loaded, step.action, as_written,
                    place=place, whens=taken, journey=journey, step=step.id,
                )  # fmt: skip
        for one, exit_written in zip(journey.exits, written.exit, strict=True):
            if one.send is not None:
                place = f"journey {name}, exit {one.name}"
                yield _way(
                    loaded, one.send, exit_written, place=place, whens=(one.when,), journey=journey
                )


def _way(  # noqa: PLR0913  what a way is made of
    loaded: Loaded,
    send: Send,
    written: Actions | Exit,
    *,
    place: str,
    whens: tuple[Condition, ...],
    journey: Journey | None = None,
    step: str = "",
) -> Way:
    email = loaded.plans.emails[send.email]
    keys = _united(_email_keys(loaded, email.name), written.send)
    template = send.template or email.template
    return Way(place, email, template, keys, send, whens, journey, step)


def _email_keys(loaded: Loaded, name: str) -> frozenset[str] | None:
    written = loaded.settings.email[name].data
    return None if written is None else _keys_of(written)


def _united(keys: frozenset[str] | None, written: WrittenSend | None) -> frozenset[str] | None:
    """The action's data lies over the email's."""
    if keys is None or written is None or written.data is None:
        return keys
    over = _keys_of(written.data)
    return None if over is None else keys | over


def _keys_of(raw: RawMapping) -> frozenset[str] | None:
    """The names that a table gives; None of a directive, which gives whatever it finds."""
    value = raw.value
    if not isinstance(value, Mapping) or any(str(key).startswith("@") for key in value):
        return None
    return frozenset(map(str, value))

"""Why rows are made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import msgspec

from homing.core.effects import Dest, NewEffect

if TYPE_CHECKING:
    from homing.core.events import Happened
    from homing.core.gate import Refusal
    from homing.core.people import Person
    from homing.core.plans import Plans


class Cause(msgspec.Struct, frozen=True, gc=False):
    """
    The event, its person after it, the plans in force, the moment.

    Of a journey also what is seen of the run, the *origin* that tells its sends from all others,
    when its step was passed, why what it asks for must not leave, if so, the consent that it
    *requires*, and whether the event itself asks: after a wait it only was the last one.

    ``is_draft``: nothing may reach outside. ``derive`` takes an event that rules hear of because
    of this one.
    """

    event: Happened
    person: Person
    plans: Plans
    now_ms: int
    journey: Mapping[str, object] = {}
    origin: int | None = None
    passed_ms: int | None = None
    refusal: Refusal | None = None
    requires: tuple[str, ...] = ()
    by_event: bool = True
    is_draft: bool = False
    derive: Callable[[Mapping[str, object], Cause], None] | None = None

    @property
    def at_ms(self) -> int:
        """When it happened: the event, or the run's step."""
        return self.event.at_ms if self.passed_ms is None else self.passed_ms

    def effect(self, dest: Dest, kind: str, payload: bytes, *, rule: str | None) -> NewEffect:
        """What a rule asks for, to be done now, in the person's lane."""
        return NewEffect(
            dest=dest,
            kind=kind,
            lane=self.person.id,
            payload=payload,
            event=self.event.id,
            rule=rule,
            person=self.person.id,
            made_at=self.now_ms,
            due_at=self.now_ms,
        )

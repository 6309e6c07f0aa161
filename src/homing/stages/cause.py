"""Why rows are made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from homing.core.events import Happened
    from homing.core.people import Person
    from homing.core.plans import Plans


class Cause(msgspec.Struct, frozen=True, gc=False):
    """The event, its person after it, the plans in force, the moment."""

    event: Happened
    person: Person
    plans: Plans
    now_ms: int

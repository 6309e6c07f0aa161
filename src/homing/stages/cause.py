"""Why rows are made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from homing.core.events import Happened
    from homing.core.people import Person
    from homing.core.plans import Plans


@dataclass(frozen=True, slots=True)
class Cause:
    """The event, its person after it, the plans in force, the moment."""

    event: Happened
    person: Person
    plans: Plans
    now_ms: int

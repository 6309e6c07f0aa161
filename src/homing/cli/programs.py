"""The programs of journeys for commands that look: in force, and kept by the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from homing.cli.main import BadInput
from homing.core.journeys.programs import Programs

if TYPE_CHECKING:
    from homing.config import Loaded
    from homing.core.journeys.program import Journey
    from homing.ports import Tx


def programs_in(tx: Tx, loaded: Loaded) -> Programs:
    """Those of the configuration, and older ones that are kept and can still be compiled."""
    from homing.config import ConfigError
    from homing.config.pinned import program_of, with_policy

    current = loaded.plans.journeys
    pinned: dict[tuple[str, str], Journey] = {}
    for kept in tx.runs.definitions():
        in_force = current.get(kept.journey)
        if in_force is not None and in_force.version == kept.version:
            continue
        try:
            program = program_of(kept.journey, kept.text, kept.version)
        except ConfigError:
            continue
        pinned[kept.journey, kept.version] = with_policy(program, in_force)
    return Programs(current, pinned, loaded.definitions)


def newest_program(programs: Programs, name: str) -> Journey | None:
    """A journey as it is in force, else its newest kept version."""
    kept = [one for one in programs.pinned.values() if one.name == name]
    return programs.current.get(name) or (kept[-1] if kept else None)


def no_journey(name: str, known: list[str]) -> BadInput:
    """What to say of a name that no journey has."""
    from homing.config.problems import guess

    return BadInput(f"no [journey.{name}]{guess(name, known) or ', and no run of it'}")

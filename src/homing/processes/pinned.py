"""The programs that runs are on: those of the configuration, and older ones that are kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from homing.config import ConfigError
from homing.config.pinned import program_of, with_policy
from homing.core.journeys.programs import Programs

if TYPE_CHECKING:
    from homing.config import Loaded
    from homing.core.journeys.program import Journey
    from homing.ports import Tx


def programs_of(tx: Tx, loaded: Loaded, *, now_ms: int) -> Programs:
    """
    Programs at start; a version that cannot be compiled any more is an alert, and its runs fail.

    Args:
        loaded: The configuration in force.
    """
    current = loaded.plans.journeys
    pinned: dict[tuple[str, str], Journey] = {}
    for kept in tx.runs.definitions():
        if kept.journey in current and current[kept.journey].version == kept.version:
            continue
        try:
            program = program_of(kept.journey, kept.text, kept.version)
        except ConfigError as error:
            text = f"version {kept.version} of {kept.journey} cannot be run: {error}"
            tx.books.alert("version_lost", kept.journey, text[:500], at=now_ms)
            continue
        pinned[kept.journey, kept.version] = program
    return _under(current, pinned, loaded.definitions)


def renewed(before: Programs, loaded: Loaded) -> Programs:
    """Programs after a change of the configuration: whoever is in a run stays on its version."""
    current = loaded.plans.journeys
    known = {(one.name, one.version): one for one in before.all}
    pinned = {
        key: one for key, one in known.items()
        if key[0] not in current or current[key[0]].version != key[1]
    }  # fmt: skip
    return _under(current, pinned, loaded.definitions)


def _under(
    current: Mapping[str, Journey],
    pinned: Mapping[tuple[str, str], Journey],
    definitions: Mapping[str, bytes],
) -> Programs:
    """Programs, the older ones under what the configuration in force says of their journeys."""
    return Programs(
        current,
        {key: with_policy(one, current.get(key[0])) for key, one in pinned.items()},
        definitions,
    )

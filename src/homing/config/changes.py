"""What one configuration has that another has not, or has otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from homing.config.loading import Loaded
    from homing.core.journeys.program import Journey

# what is compared by name, as it is written
NAMED = ("email", "route", "list", "audience")
# what is compared as a whole
WHOLE = (
    "server", "store", "segment", "sendgrid", "writeback", "suppression", "contacts", "caps",
    "quiet_hours", "admin", "alerts",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Change:
    """
    One difference.

    ``section`` is "email", "route", "caps", …; ``name`` "" of a whole section; ``change`` is
    "added", "removed", "changed", or of a journey also "policy": what its runs do is the same, and
    its status, priority, hours or lateness are not.
    """

    section: str
    name: str
    change: str


def changes(old: Loaded, new: Loaded) -> Iterator[Change]:
    """Compare two configurations: journeys by what their runs do, all else as it is written."""
    for name in dict.fromkeys((*old.plans.journeys, *new.plans.journeys)):
        word = _of_journey(old, new, name)
        if word is not None:
            yield Change("journey", name, word)
    for section in NAMED:
        before, after = _table(old, section), _table(new, section)
        for name in dict.fromkeys((*before, *after)):
            word = _word(before.get(name), after.get(name))
            if word is not None:
                yield Change(section, name, word)
    for section in WHOLE:
        word = _word(old.written(section), new.written(section))
        if word is not None:
            yield Change(section, "", word)


def steps_changed(old: Journey, new: Journey) -> dict[str, list[str]]:
    """Ids of the steps that are added, removed, or that are of another kind now."""
    kinds = {step.id: type(step) for step in old.steps}
    others = {step.id: type(step) for step in new.steps}
    return {
        "added": [name for name in others if name not in kinds],
        "removed": [name for name in kinds if name not in others],
        "other_kind": [
            name for name, kind in others.items() if name in kinds and kinds[name] is not kind
        ],
    }


def _of_journey(old: Loaded, new: Loaded, name: str) -> str | None:
    before, after = old.plans.journeys.get(name), new.plans.journeys.get(name)
    if before is None or after is None:
        return "added" if before is None else "removed"
    if before.version != after.version:
        return "changed"
    return None if old.definitions[name] == new.definitions[name] else "policy"


def _table(loaded: Loaded, section: str) -> Mapping[str, object]:
    table = loaded.written(section)
    return table if isinstance(table, dict) else {}


def _word(before: object, after: object) -> str | None:
    if before == after:
        return None
    if before is None or after is None:
        return "added" if before is None else "removed"
    return "changed"

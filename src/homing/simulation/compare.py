"""What two configurations make of the same events: which emails there are more, fewer, or other."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from homing.simulation.lines import SimLine

EXAMPLES = 5

Who: TypeAlias = tuple[str, str]
"""A person, and the run's key."""


@dataclass(slots=True)
class Difference:
    """
    One email under the old and the new configuration.

    ``more`` are sent only by the new one, ``fewer`` only by the old; ``moved`` at another time,
    ``other`` at the same time to another address, by another template or with other data.
    """

    email: str
    old: int = 0
    new: int = 0
    more: int = 0
    fewer: int = 0
    moved: int = 0
    other: int = 0
    examples: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_any(self) -> bool:
        """Whether anything differs."""
        return bool(self.more or self.fewer or self.moved or self.other)


def differences(old: Iterable[SimLine], new: Iterable[SimLine]) -> list[Difference]:
    """
    Compare the sends of two simulations, email by email.

    Sends of an email are matched by person and key, the first with the first.
    """
    before, after = _sends(old), _sends(new)
    return [
        _difference(email, before.get(email, {}), after.get(email, {}))
        for email in sorted(before.keys() | after.keys())
    ]


def _sends(lines: Iterable[SimLine]) -> dict[str, dict[Who, list[SimLine]]]:
    found: dict[str, dict[Who, list[SimLine]]] = defaultdict(lambda: defaultdict(list))
    for line in lines:
        if line.what == "send" and line.email is not None:
            found[line.email][line.person, line.key or ""].append(line)
    return found


def _difference(
    email: str, old: Mapping[Who, list[SimLine]], new: Mapping[Who, list[SimLine]]
) -> Difference:
    found = Difference(email, sum(map(len, old.values())), sum(map(len, new.values())))
    counts: Counter[str] = Counter()
    for who in sorted(old.keys() | new.keys()):
        first, second = old.get(who, []), new.get(who, [])
        for place in range(max(len(first), len(second))):
            one = first[place] if place < len(first) else None
            two = second[place] if place < len(second) else None
            word = _word(one, two)
            if word is None:
                continue
            counts[word] += 1
            if counts[word] <= EXAMPLES:
                found.examples.append(_example(word, one, two))
    found.more, found.fewer = counts["more"], counts["fewer"]
    found.moved, found.other = counts["moved"], counts["other"]
    return found


def _word(old: SimLine | None, new: SimLine | None) -> str | None:
    if old is None or new is None:
        return "more" if old is None else "fewer"
    if old.at != new.at:
        return "moved"
    same = (old.to, old.template_id, old.data) == (new.to, new.template_id, new.data)
    return None if same else "other"


def _example(word: str, old: SimLine | None, new: SimLine | None) -> dict[str, Any]:
    line = old if new is None else new
    found: dict[str, Any] = {"what": word, "person": "" if line is None else line.person}
    if line is not None and line.key is not None:
        found["key"] = line.key
    for name, one in (("old", old), ("new", new)):
        if one is not None:
            shown = {"at": one.at, "rule": one.rule, "step": one.step, "variant": one.variant}
            found[name] = {key: value for key, value in shown.items() if value is not None}
    return found

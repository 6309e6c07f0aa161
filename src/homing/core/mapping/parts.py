"""The pieces a mapping is compiled to, and where in it the compiler stands."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from homing.core.mapping.errors import MappingError

Read: TypeAlias = Callable[[object], object]
"""From the root (an event, or an item of a list) to a value or `ABSENT`."""


@dataclass(frozen=True, slots=True)
class Part:
    """
    One value of a mapping, compiled.

    Attributes:
        read: Gives the value for one root.

        paths: The root paths it is known to read, ``""`` being the whole root.

        constant: It reads nothing of the root at all.
    """

    read: Read
    paths: frozenset[str] = frozenset()
    constant: bool = False


CompilePart: TypeAlias = "Callable[[object, Scope], Part]"


@dataclass(frozen=True, slots=True)
class Scope:
    """
    A place inside the mapping, and the rules that hold there.

    Attributes:
        compile: Turns the value of a slot into a part: the compiler, handed down so that a
            directive needs no knowledge of the others.

        place: ``data.items.@if``; empty for the whole mapping.

        shorthands: Whether ``"$.path"`` and ``"{{ liquid }}"`` are read as such.

        depth: Objects and lists around this place.
    """

    compile: CompilePart
    place: str = ""
    shorthands: bool = True
    depth: int = 0

    def at(self, key: str | int) -> Scope:
        """Go one step in."""
        step = f"[{key}]" if isinstance(key, int) else f".{key}" if self.place else key
        return replace(self, place=self.place + step, depth=self.depth + 1)

    def literal(self) -> Scope:
        """Stay here, with text meaning just itself."""
        return replace(self, shorthands=False)

    def part(self, options: Mapping[str, object], slot: str) -> Part:
        """Compile one slot of a directive."""
        inside = self.at(slot)
        return self.compile(options[slot], inside)

    def is_path(self, value: object) -> bool:
        """Tell whether *value* is text that means a path here."""
        return self.shorthands and isinstance(value, str) and value.startswith("$.")

    def error(self, expected: str, found: object) -> MappingError:
        """Say what should stand here; raise what is returned."""
        return MappingError(self.place, expected=expected, found=described(found))


def constant(value: object) -> Part:
    """Make a part that is always *value*."""
    return Part(read=lambda _root: value, constant=True)


def combined(read: Read, *parts: Part) -> Part:
    """Make the part that *read* is, which calls these *parts*."""
    return Part(
        read=read,
        paths=frozenset().union(*(part.paths for part in parts)),
        constant=all(part.constant for part in parts),
    )


def options_of(
    value: object, scope: Scope, *, needs: tuple[str, ...] = (), may: tuple[str, ...] = ()
) -> dict[str, object]:
    """
    Read the slots of a directive.

    Args:
        value: What stands behind the directive.

        scope: The directive's place.

        needs: Slots that must be there.

        may: Slots that may be there.

    Raises:
        MappingError: Not an object, a slot missing, or one that the directive does not have.
    """
    slots = needs + may
    if not isinstance(value, dict):
        expected = f"be an object with {listed(needs or may)}"
        raise scope.error(expected, value)
    for name in value:
        if name not in slots:
            expected = f"have only the slots {listed(slots)}"
            raise MappingError(scope.place, expected=expected, found=guessed(name, slots))
    for name in needs:
        if name not in value:
            raise MappingError(scope.place, expected=f'have "{name}"', found="none")
    return value


def listed(names: Iterable[str]) -> str:
    """Write names for a message: ``"a", "b"``."""
    return ", ".join(f'"{name}"' for name in names)


def guessed(name: object, known: Iterable[str]) -> str:
    """Write a name nobody knows, with the known one that was probably meant."""
    close = difflib.get_close_matches(str(name)[:40], list(known), n=1, cutoff=0.6)
    hint = f' (did you mean "{close[0]}"?)' if close else ""
    return f"{described(name)}{hint}"


def described(value: object) -> str:
    """Name a value for a message, short enough for a line."""
    if isinstance(value, str):
        return f'"{value}"' if len(value) <= 60 else f'"{value[:57]}…" ({len(value):,} characters)'
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int | float):
        return f"the number {value:g}" if abs(value) < 1e300 else "a number that JSON has not"
    if isinstance(value, Mapping):
        return f"an object with {listed(list(map(str, value))[:3])}" if value else "an empty object"
    return "a list" if isinstance(value, list | tuple) else f"a {type(value).__name__}"

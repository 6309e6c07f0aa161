"""What can go wrong with a mapping: at load (`MappingError`), at run time (`MappingFailure`)."""

from __future__ import annotations

from homing.core.errors import HomingError


class MappingError(HomingError, ValueError):
    """
    The mapping is written wrongly: whoever wrote the configuration can repair it.

    Attributes:
        place: Where inside the mapping, ``data.items.@if``; empty for the whole of it.

        expected: What should stand there.

        found: What stands there, and what may have been meant.
    """

    def __init__(self, place: str, *, expected: str, found: str) -> None:
        subject = f"`{place}`" if place else "the mapping"
        super().__init__(f"expected {subject} to {expected}, got {found}")
        self.place = place
        self.expected = expected
        self.found = found


class MappingFailure(HomingError):  # it is the event that failed, not the mapping
    """
    The mapping is fine but this event cannot be mapped: a limit, or a value nothing can be made of.

    Attributes:
        place: Where inside the mapping, ``data.items.@liquid``; empty for the whole of it.

        problem: What went wrong, in words for a person.
    """

    def __init__(self, place: str, *, problem: str) -> None:
        super().__init__(f"{f'`{place}`' if place else 'the mapping'} failed: {problem}")
        self.place = place
        self.problem = problem


class Refused(HomingError):  # a step of `MappingFailure`, which adds the place
    """A value cannot be worked on: the message says why, whoever catches it knows where."""

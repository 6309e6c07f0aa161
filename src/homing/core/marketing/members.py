"""
Who should be on which list: per list and address the newest word wins, whatever comes when.

Source: Segment docs, "Using Engage data": Entered and Exited may come in any order, repeated, and
once for each of a person's identifiers.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace


class ListMember(msgspec.Struct, frozen=True, gc=False):
    """
    One address and one ``[list.NAME]``.

    ``wanted`` since ``at`` (unix ms, event time) because of ``event``; ``told``: whether SendGrid
    may have it on the list, as far as our own calls go; None: we have not said anything yet.
    ``changed_at``: when, by our clock, either was last written.
    """

    list_name: str
    address: str
    person: int
    wanted: bool
    at: int
    event: int | None = None
    told: bool | None = None
    changed_at: int = 0

    @property
    def is_open(self) -> bool:
        """Whether SendGrid is still to be told."""
        return self.told is not self.wanted


def settled(known: ListMember | None, said: ListMember) -> ListMember | None:
    """
    What is kept once something more is said of a list and an address.

    Returns:
        None if nothing changes: something newer is known.
    """
    if known is None:
        return said
    if known.at > said.at:
        return None
    return replace(said, told=known.told)

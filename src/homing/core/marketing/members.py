"""
Who should be on which list: per list, address and person the newest word wins, whatever comes when.

Two people may share an address: it is on a list as long as one of them should be.

Source: Segment docs, "Using Engage data": Entered and Exited may come in any order, repeated, and
once for each of a person's identifiers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from msgspec.structs import replace


class ListMember(msgspec.Struct, frozen=True, gc=False):
    """
    One address of a person and one ``[list.NAME]``.

    ``wanted`` since ``at`` (unix ms, event time) because of ``event``; ``told``: whether SendGrid
    may have it on the list, as far as our own calls go; None: we have not said anything yet. It
    is the same of all who share the address. ``changed_at``: when, by our clock, either was last
    written.
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
    What is kept once something more is said of a list, an address and a person.

    Returns:
        None if nothing changes: something newer is known.
    """
    if known is None:
        return said
    if known.at > said.at:
        return None
    return replace(said, told=known.told)


def heard(rows: Sequence[ListMember], said: ListMember) -> ListMember | None:
    """
    What is kept of somebody once they say more of an address that others may share.

    Args:
        rows: What all who share it want of the list.

    Returns:
        None if nothing changes: something newer is known of them.
    """
    own = next((row for row in rows if row.person == said.person), None)
    return settled(own, replace(said, told=rows[0].told if rows else None))


def together(rows: Iterable[ListMember]) -> ListMember | None:
    """
    What all who share an address want of a list.

    Returns:
        The newest row of those that should be on it, else of those that should not; changed when
        any of them was. None of no rows.
    """
    decides: ListMember | None = None
    changed_at = 0
    for row in rows:
        changed_at = max(changed_at, row.changed_at)
        if decides is None or (row.wanted, row.at) > (decides.wanted, decides.at):
            decides = row
    return None if decides is None else replace(decides, changed_at=changed_at)

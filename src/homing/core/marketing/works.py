"""
What is ready for Marketing contacts, taken together: one piece of work an address.

Of a person, and of an address, things are done in order; what concerns the same address at the
same time becomes one call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from homing.core.effects import Effect
from homing.core.marketing.contacts import Contact
from homing.core.marketing.members import ListMember

UPSERT = "upsert"  # {"email", "fields", "custom"}
LIST = "list"  # {"list", "contact"}: what is wanted is in the row of list and address
ERASE = "erase"  # {"email"}


class ListChange(msgspec.Struct, frozen=True):
    """The payload of an effect on a list; ``id`` is the contact's where it is known."""

    list: str
    contact: Contact
    id: str | None = None


class Erasure(msgspec.Struct, frozen=True):
    """The payload of an effect that erases an address."""

    email: str


@dataclass(slots=True)
class Work:
    """
    What is to be done about one address now.

    ``effects`` by kind: those that write the contact or add it to a list (``upsert``), and per
    list those that take it off. ``stale`` ones ask for nothing any more. ``oldest_ms`` is when the
    first of them was asked for.
    """

    address: str
    oldest_ms: int
    lanes: set[int] = field(default_factory=set)
    upsert: list[int] = field(default_factory=list)
    lists: set[str] = field(default_factory=set)
    unlist: dict[str, list[int]] = field(default_factory=dict)
    erase: list[int] = field(default_factory=list)
    stale: list[int] = field(default_factory=list)


def works_of(
    effects: Iterable[Effect],
    wanted: Callable[[str, str], ListMember | None],
    *,
    busy: set[object],
    is_due: Callable[[Effect], bool],
) -> list[Work]:
    """
    Take effects together by address, in order.

    Args:
        wanted: Gives the row of a list and an address.

        busy: Lanes and addresses that are being worked on; what concerns them waits, and what
            comes after that of the same person or address waits behind it.

        is_due: Whether an effect may be tried now.
    """
    blocked = set(busy)
    works: dict[str, Work] = {}
    address_of: dict[int, str] = {}
    for effect in effects:
        address = address_in(effect)
        work = works.get(address)
        other = address_of.get(effect.lane, address)
        is_after = work is not None and (work.erase or effect.kind == ERASE)
        if (
            effect.lane in blocked or address in blocked or other != address or is_after
            or not is_due(effect)
        ):  # fmt: skip
            blocked |= {effect.lane, address}
            continue
        address_of[effect.lane] = address
        if work is None:
            work = works[address] = Work(address, effect.made_at)
        work.lanes.add(effect.lane)
        _take(work, effect, wanted)
    return list(works.values())


def address_in(effect: Effect) -> str:
    """The address that an effect is about."""
    match effect.kind:
        case "list":
            return _LIST.decode(effect.payload).contact.email
        case "erase":
            return _ERASURE.decode(effect.payload).email
        case _:
            return _CONTACT.decode(effect.payload).email


def contact_in(effect: Effect) -> Contact:
    """What an effect writes of its address."""
    if effect.kind == LIST:
        return _LIST.decode(effect.payload).contact
    return _CONTACT.decode(effect.payload)


def ids_in(effects: Sequence[Effect]) -> dict[str, str]:
    """The contacts' own ids that effects on lists know, by address."""
    changes = (_LIST.decode(effect.payload) for effect in effects)
    return {change.contact.email: change.id for change in changes if change.id is not None}


def contacts_in(effects: Sequence[Effect]) -> dict[str, Contact]:
    """What effects, in order, write of each address."""
    found: dict[str, Contact] = {}
    for effect in effects:
        contact = contact_in(effect)
        earlier = found.get(contact.email)
        found[contact.email] = contact if earlier is None else contact.over(earlier)
    return found


def by_lists(works: Iterable[Work]) -> dict[frozenset[str], list[Work]]:
    """Which addresses may be written in one call: all of a call get onto the same lists."""
    groups: dict[frozenset[str], list[Work]] = {}
    for work in works:
        groups.setdefault(frozenset(work.lists), []).append(work)
    return groups


def _take(work: Work, effect: Effect, wanted: Callable[[str, str], ListMember | None]) -> None:
    if effect.kind == ERASE:
        work.erase.append(effect.id)
        return
    if effect.kind == UPSERT:
        work.upsert.append(effect.id)
        return
    name = _LIST.decode(effect.payload).list
    row = wanted(name, work.address)
    if row is None:
        work.stale.append(effect.id)
    elif row.wanted:
        work.upsert.append(effect.id)
        work.lists.add(name)
    else:
        work.unlist.setdefault(name, []).append(effect.id)


_CONTACT = msgspec.json.Decoder(Contact)
_LIST = msgspec.json.Decoder(ListChange)
_ERASURE = msgspec.json.Decoder(Erasure)

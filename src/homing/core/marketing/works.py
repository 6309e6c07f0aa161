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
from homing.core.marketing.jobs import JobKind
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
    What is to be done about one address now, all of one kind.

    ``effects`` are those of an upsert or an erasure, ``unlist`` those that take it off, by list;
    ``stale`` ones ask for nothing any more. ``oldest_ms`` is when the first was asked for.
    """

    address: str
    kind: JobKind
    oldest_ms: int
    lanes: set[int] = field(default_factory=set)
    effects: list[int] = field(default_factory=list)
    lists: set[str] = field(default_factory=set)
    unlist: dict[str, list[int]] = field(default_factory=dict)


@dataclass(slots=True)
class Ready:
    """
    What may be done now, and effects that ask for nothing any more.

    ``blocked``: lanes and addresses of what waits; what comes after that must wait, too.
    """

    works: list[Work]
    stale: list[int]
    blocked: set[object]


def ready_of(
    effects: Iterable[Effect],
    wanted: Callable[[str, str], ListMember | None],
    *,
    busy: Iterable[object],
    is_due: Callable[[Effect], bool],
) -> Ready:
    """
    Take effects together by address, in order.

    Args:
        wanted: Gives the row of a list and an address.

        busy: Lanes and addresses that are being worked on; what concerns them waits, and what
            comes after that of the same person or address waits behind it.

        is_due: Whether an effect may be tried now.
    """
    blocked, works, stale = set(busy), dict[str, Work](), list[int]()
    address_of: dict[int, str] = {}
    for effect in effects:
        asked = _asked(effect, wanted)
        address, lane = asked.address, effect.lane
        if asked.kind is None:
            stale.append(effect.id)
            continue
        work = works.get(address)
        is_after = address_of.get(lane, address) != address or (
            work is not None and work.kind is not asked.kind
        )
        if lane in blocked or address in blocked or is_after or not is_due(effect):
            blocked |= {lane, address}
            continue
        address_of[lane] = address
        if work is None:
            work = works[address] = Work(address, asked.kind, effect.made_at)
        work.lanes.add(lane)
        _take(work, effect.id, asked)
    return Ready(list(works.values()), stale, blocked)


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


def list_in(effect: Effect) -> str | None:
    """The ``[list.NAME]`` that an effect is about; None of one about the contact itself."""
    return _LIST.decode(effect.payload).list if effect.kind == LIST else None


def ids_in(effects: Sequence[Effect]) -> dict[str, str]:
    """The contacts' own ids that comparisons of lists have seen, by address."""
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


class _Asked(msgspec.Struct, frozen=True, gc=False):
    """What an effect asks for, as things are; kind None: nothing."""

    address: str
    kind: JobKind | None
    list: str | None = None


def _asked(effect: Effect, wanted: Callable[[str, str], ListMember | None]) -> _Asked:
    if effect.kind == ERASE:
        return _Asked(address_in(effect), JobKind.ERASE)
    if effect.kind == UPSERT:
        return _Asked(address_in(effect), JobKind.UPSERT)
    change = _LIST.decode(effect.payload)
    address = change.contact.email
    row = wanted(change.list, address)
    if row is not None:
        return _Asked(address, JobKind.UPSERT if row.wanted else JobKind.UNLIST, change.list)
    # of somebody we know nothing of, only a comparison of the list knows the contact
    return _Asked(address, None if change.id is None else JobKind.UNLIST, change.list)


def _take(work: Work, number: int, asked: _Asked) -> None:
    if asked.kind is JobKind.UNLIST and asked.list is not None:
        work.unlist.setdefault(asked.list, []).append(number)
        return
    work.effects.append(number)
    if asked.list is not None:
        work.lists.add(asked.list)


_CONTACT = msgspec.json.Decoder(Contact)
_LIST = msgspec.json.Decoder(ListChange)
_ERASURE = msgspec.json.Decoder(Erasure)

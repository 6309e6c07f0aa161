"""A contact that failed for good is tried again as it is known by then."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import msgspec

from homing.core.decide import CONTACTS
from homing.core.effects import Dest
from homing.core.journeys.program import Act
from homing.core.marketing.contacts import Contact, address_of_contact
from homing.core.marketing.members import ListMember, heard
from homing.core.marketing.works import LIST, UPSERT, ListChange
from homing.core.plans import UpsertContact
from homing.core.wire import json_bytes
from homing.stages.enlist import contact_of

if TYPE_CHECKING:
    from homing.core.plans import Plans
    from homing.ports import Tx


STILL_NO_ADDRESS: Final = "its person still has no address"


def renew(tx: Tx, row: Mapping[str, object], plans: Plans) -> str | None:
    """
    Write a dead effect's payload anew, so that old values never go over newer ones.

    What ``[contacts]`` gets of the person has the value of now, and what it no longer names is
    left out; what an action with fields of its own writes stays as it was. Who had no address, and
    has one, is written by that, and on the list from now on.

    Args:
        row: All columns of the effect, and its payload.

    Returns:
        Why it cannot be tried again; else None.
    """
    payload, number = row["payload"], row["id"]
    if row["dest"] != Dest.CONTACTS or not isinstance(payload, bytes) or type(number) is not int:
        return None
    person = row["person"] if type(row["person"]) is int else 0
    if row["kind"] == LIST:
        change = _CHANGE.decode(payload)
        contact = _renewed(tx, change.contact, person, plans=plans, is_own=False)
        if contact.email and not change.contact.email:
            _want(tx, change.list, row, address=contact.email)
        new: object = ListChange(change.list, contact, change.id)
    elif row["kind"] == UPSERT:
        is_own = _has_own_fields(plans, row["rule"])
        new = contact = _renewed(tx, _CONTACT.decode(payload), person, plans=plans, is_own=is_own)
    else:
        return None
    if not contact.email:
        return STILL_NO_ADDRESS
    tx.effects.rewrite(number, json_bytes(msgspec.to_builtins(new)))
    return None


def _has_own_fields(plans: Plans, rule: object) -> bool:
    """Whether the action that asked for it has fields of its own, as far as is known."""
    if rule == CONTACTS:
        return False
    route = next((route for route in plans.routes if route.name == rule), None)
    journey = plans.journeys.get(str(rule))
    actions: list[object] = [] if route is None else [*route.actions]
    if journey is not None:
        actions += [step.action for step in journey.steps if isinstance(step, Act)]
    upserts = [action for action in actions if isinstance(action, UpsertContact)]
    return not upserts or any(one.fields is not None or one.custom is not None for one in upserts)


def _renewed(tx: Tx, old: Contact, person: int, *, plans: Plans, is_own: bool) -> Contact:
    """A contact with what is known of a person now; *is_own*: an action's, with its own fields."""
    known = tx.people.get(person)
    if known is None:
        return old
    address = old.email or address_of_contact({}, known) or ""
    if is_own:
        return Contact(address, old.fields, old.custom)
    now = contact_of(tx, ListMember("", address, person, wanted=True, at=0), plans)
    plan = plans.contacts.contact
    kept = Contact(
        address,
        {key: value for key, value in old.fields.items() if key in plan.fields},
        {key: value for key, value in old.custom.items() if key in plan.custom},
    )
    return now.over(kept)


def _want(tx: Tx, list_name: str, row: Mapping[str, object], *, address: str) -> None:
    """What could not be kept without an address is kept now, unless something newer is."""
    person, made_at, event = row["person"], row["made_at"], row["event"]
    if type(person) is not int or type(made_at) is not int:
        return
    cause = tx.events.get(event) if type(event) is int else None
    at = made_at if cause is None else cause.at
    said = ListMember(
        list_name, address, person, wanted=True, at=at, changed_at=made_at,
        event=event if type(event) is int else None,
    )  # fmt: skip
    kept = heard(tx.members.of_address(list_name, address), said)
    if kept is not None:
        tx.members.save(kept)


_CONTACT = msgspec.json.Decoder(Contact)
_CHANGE = msgspec.json.Decoder(ListChange)

"""What is written of contacts: rows as SendGrid takes them, and what cannot be written, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from homing.core.effects import Effect
from homing.core.marketing import contacts
from homing.core.marketing.contacts import Contact, Definition, field_key
from homing.core.marketing.works import UPSERT, address_in, contacts_in
from homing.core.wire import json_bytes

MAX_REASON_CHARS = 500


@dataclass(frozen=True, slots=True)
class Draft:
    """
    One address of a call.

    ``row`` is None if there is nothing left to write; ``dead`` says why of effects by number;
    ``size`` is that of the row in bytes.
    """

    address: str
    row: Mapping[str, object] | None
    dead: Mapping[int, str]
    size: int = 0


@dataclass(frozen=True, slots=True)
class Fields:
    """The account's custom fields by `field_key`, and why some could not be made."""

    defined: Mapping[str, Definition]
    refused: Mapping[str, str]


NO_FIELDS = Fields({}, {})


def customs_in(effects: Sequence[Effect]) -> dict[str, list[object]]:
    """The custom fields that effects write, by name, with all values of each."""
    found: dict[str, list[object]] = {}
    for contact in contacts_in(effects).values():
        for name, value in contact.custom.items():
            found.setdefault(name, []).append(value)
    return found


def drafts_of(effects: Sequence[Effect], fields: Fields) -> list[Draft]:
    """What effects, in order, write of each address."""
    by_address: dict[str, list[Effect]] = {}
    for effect in effects:
        by_address.setdefault(address_in(effect), []).append(effect)
    return [
        _drafted(contact, by_address[address], fields)
        for address, contact in contacts_in(effects).items()
    ]


def _drafted(contact: Contact, effects: Iterable[Effect], fields: Fields) -> Draft:
    """
    A contact as SendGrid takes it.

    A field that does not fit makes the writing of the contact dead; getting onto a list goes on
    without it, for that is what it is about.
    """
    reason = contacts.refusal_of_address(contact.email)
    if reason is not None:
        return Draft(contact.email, None, {effect.id: reason for effect in effects})
    own, wrong = contacts.problems_of_fields(contact.fields)
    custom, wrong_custom = contacts.problems_of_custom(contact.custom, fields.defined)
    wrong |= {
        name: f"{said}: {fields.refused[field_key(name)]}" if field_key(name) in fields.refused
        else said for name, said in wrong_custom.items()
    }  # fmt: skip
    said = "; ".join(wrong.values())[:MAX_REASON_CHARS]
    dead = {effect.id: said for effect in effects if wrong and effect.kind == UPSERT}
    if len(dead) == len(list(effects)):
        return Draft(contact.email, None, dead)
    row = {"email": contact.email, **own, **({"custom_fields": custom} if custom else {})}
    return Draft(contact.email, row, dead, len(json_bytes(row)) + 1)

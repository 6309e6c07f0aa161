"""
A person as a Marketing contact: fields by name, checked and typed as SendGrid wants them.

Source: SendGrid OpenAPI, ``tsg_mc_contacts_v3.json`` (PUT /v3/marketing/contacts) and
``tsg_mc_custom_fields_v3.json``.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any, Final

import msgspec

from homing.core import addresses, people
from homing.core.journeys.moments import instant_of
from homing.core.mapping import ABSENT, Compiled, compile_mapping
from homing.core.numbers import number_text, read_number
from homing.core.people import Person
from homing.core.plans import ContactFields
from homing.core.wire import json_bytes, read_object

MAX_CUSTOM_CHARS: Final = 1_000
MAX_ALTERNATE_EMAILS: Final = 5

MAX_CHARS: Final[Mapping[str, int]] = {
    "first_name": 50,
    "last_name": 50,
    "address_line_1": 100,
    "address_line_2": 100,
    "city": 60,
    "state_province_region": 50,
    "country": 50,
}
"""How long SendGrid's own fields may be; the others have no published limit."""

MAX_KEPT_CHARS: Final = 4_000
"""Longer than anything SendGrid takes: no more is kept of a value, so that it is refused."""

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def _either(*paths: str) -> object:
    """The first of several paths that holds anything."""
    first, *rest = paths
    if not rest:
        return first
    return {"@if": {"exists": first, "then": first, "else": _either(*rest)}}


_DEFAULTS: Final[Mapping[str, object]] = {
    name: _either(*paths)
    for name, paths in {
        "first_name": ("$.traits.first_name", "$.traits.firstName"),
        "last_name": ("$.traits.last_name", "$.traits.lastName"),
        "address_line_1": (
            "$.traits.address.line1", "$.traits.address.line_1", "$.traits.address.street",
        ),
        "address_line_2": ("$.traits.address.line2", "$.traits.address.line_2"),
        "city": ("$.traits.address.city", "$.traits.city"),
        "state_province_region": ("$.traits.address.state", "$.traits.state"),
        "country": ("$.traits.address.country", "$.traits.country"),
        "postal_code": (
            "$.traits.address.postal_code", "$.traits.address.postalCode",
            "$.traits.postal_code", "$.traits.postalCode",
        ),
        "phone_number": ("$.traits.phone",),
    }.items()
}  # fmt: skip

DEFAULT_FIELDS: Final[Mapping[str, Compiled]] = {
    name: compile_mapping(source, place=f"contacts.fields.{name}")
    for name, source in _DEFAULTS.items()
}
"""
Where ``[contacts]`` names no fields: Segment's reserved traits, in both of its spellings.

Source: Segment docs, "Spec: Identify", traits; "Spec V2", snake case.
"""

DEFAULT_SOURCES: Final[Mapping[Compiled, object]] = {
    DEFAULT_FIELDS[name]: source for name, source in _DEFAULTS.items()
}


class Contact(msgspec.Struct, frozen=True):
    """What is to be written of one address; custom fields by name, values as they came."""

    email: str
    fields: Mapping[str, object] = {}
    custom: Mapping[str, object] = {}

    def over(self, earlier: Contact) -> Contact:
        """This one written after *earlier*: the newer value of each field."""
        return Contact(
            self.email, {**earlier.fields, **self.fields}, {**earlier.custom, **self.custom}
        )


class FieldType(StrEnum):
    """SendGrid's types of custom fields; the case counts."""

    TEXT = "Text"
    NUMBER = "Number"
    DATE = "Date"


class Definition(msgspec.Struct, frozen=True):
    """One custom field as the account has it."""

    id: str
    name: str
    type: FieldType


def resolved(
    contact: ContactFields, root: Mapping[str, Any]
) -> tuple[dict[str, object], dict[str, object]]:
    """
    A contact's fields and custom fields, without those that are absent or null.

    Under ``traits`` the mappings see the person's newest traits: what a newer event wrote, or
    cleared, wins over an event that comes late, and what a track call does not carry is known from
    before.

    Args:
        root: See ``decide.root_of``.

    Raises:
        MappingFailure: A value cannot be had.
    """
    traits = root.get("traits")
    # those of an identify have become the person's; those of a group call are the group's
    is_person = root.get("type") == "identify" or not isinstance(traits, dict)
    seen = {**root, "traits": {**({} if is_person else dict(traits or {})), **root["profile"]}}
    return _resolved(contact.fields, seen), _resolved(contact.custom, seen)


def _resolved(mappings: Mapping[str, Compiled], seen: Mapping[str, Any]) -> dict[str, object]:
    values = ((name, mapping.resolve(seen)) for name, mapping in mappings.items())
    return {
        name: _kept(value) for name, value in values if value is not ABSENT and value is not None
    }


def _kept(value: object) -> object:
    if isinstance(value, bool | float):
        return value
    text = _text_of(value)
    return value if len(text) <= MAX_KEPT_CHARS else text[:MAX_KEPT_CHARS] + "…"


def address_of_contact(event: Mapping[str, Any], person: Person) -> str | None:
    """The lower-cased address of a contact: of the event's traits, else the person's."""
    found = people.traits_email(event) or person.address
    return None if found is None else addresses.ascii_form(found).lower()


def refusal_of_address(address: str) -> str | None:
    """Why SendGrid would refuse an address, and with it the whole batch; None: it would not."""
    reason = addresses.refusal_of(address)
    return None if reason is None else f"bad_address: {reason}"


def problems_of_fields(
    fields: Mapping[str, object],
) -> tuple[dict[str, object], dict[str, str]]:
    """
    Take SendGrid's own fields apart into what it takes and what is wrong with the others.

    What is null is in neither: a contact's field is not cleared by the lack of a trait.
    """
    fit: dict[str, object] = {}
    wrong: dict[str, str] = {}
    for name, value in fields.items():
        if value is None:
            continue
        if name == "alternate_emails":
            _take_alternates(value, fit, wrong)
            continue
        text = _text_of(value)
        most = MAX_CHARS.get(name, MAX_KEPT_CHARS)
        if len(text) > most:
            wrong[name] = f"{name} has {_length(text)} characters, SendGrid takes {most:,}"
        else:
            fit[name] = text
    return fit, wrong


def problems_of_custom(
    custom: Mapping[str, object], definitions: Mapping[str, Definition]
) -> tuple[dict[str, object], dict[str, str]]:
    """
    Type custom fields as they are defined: values by field id, and what is wrong by name.

    Args:
        definitions: By name, folded by `field_key`.
    """
    fit: dict[str, object] = {}
    wrong: dict[str, str] = {}
    for name, value in custom.items():
        if value is None:
            continue
        definition = definitions.get(field_key(name))
        if definition is None:
            wrong[name] = f"custom field {name!r} is not defined in SendGrid"
            continue
        typed = typed_value(value, definition.type)
        if typed is None:
            wrong[name] = _misfit(name, value, definition.type)
        else:
            fit[definition.id] = typed
    return fit, wrong


def field_key(name: str) -> str:
    """Names of custom fields are unique without regard to case."""
    return name.casefold()


def typed_value(value: object, kind: FieldType) -> str | int | float | None:
    """A value as a field of that type takes it; None if it cannot."""
    match kind:
        case FieldType.NUMBER:
            return read_number(value)
        case FieldType.DATE:
            return _date_of(value)
        case FieldType.TEXT:
            text = _text_of(value)
            return text if len(text) <= MAX_CUSTOM_CHARS else None


def type_of(values: Iterable[object]) -> FieldType:
    """The type a field gets that is made for values: a number only if each is one."""
    are_numbers = all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in values
    )
    return FieldType.NUMBER if are_numbers else FieldType.TEXT


def definitions_in(answer: object) -> dict[str, Definition]:
    """The custom fields of ``GET /v3/marketing/field_definitions``, by `field_key`."""
    found: dict[str, Definition] = {}
    rows = answer.get("custom_fields") if isinstance(answer, dict) else None
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, dict) and row.get("field_type") in list(FieldType):
            name = str(row.get("name"))
            found[field_key(name)] = Definition(
                str(row.get("id")), name, FieldType(row["field_type"])
            )
    return found


def addresses_refused(body: bytes) -> set[str]:
    """
    The addresses that a refusal of a whole batch names, lower-cased.

    Source: github segmentio/action-destinations, ``sendgrid-audiences``: SendGrid's messages are
    of the form ``email 'x' is not valid``.
    """
    errors = read_object(body).get("errors")
    rows = errors if isinstance(errors, list) else ()
    messages = [row.get("message") for row in rows if isinstance(row, dict)]
    if not messages:
        messages = [body.decode("utf-8", "replace")]
    return {name for said in messages if isinstance(said, str) for name in _not_valid(said)}


def _not_valid(said: str) -> Iterator[str]:
    # piece by piece, for an address may hold the quote that ends it
    *pieces, _ = said.split("' is not valid")
    for piece in pieces:
        _, found, address = piece.partition("email '")
        if found:
            yield address.lower()


def _take_alternates(value: object, fit: dict[str, object], wrong: dict[str, str]) -> None:
    rows = value if isinstance(value, list) else [value]
    texts = [row for row in rows if isinstance(row, str)]
    if len(texts) > MAX_ALTERNATE_EMAILS:
        wrong["alternate_emails"] = (
            f"alternate_emails has {len(texts)} addresses, SendGrid takes {MAX_ALTERNATE_EMAILS}"
        )
        return
    bad = next((text for text in texts if addresses.refusal_of(text) is not None), None)
    if bad is not None:
        wrong["alternate_emails"] = f"alternate_emails: {addresses.refusal_of(bad)}"
    else:
        fit["alternate_emails"] = texts


def _text_of(value: object) -> str:
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int() | float():
            return number_text(value)
        case _:
            return json_bytes(value).decode()


def _date_of(value: object) -> str | None:
    """SendGrid's form of a date; a moment's day is that of UTC."""
    if isinstance(value, str) and _AMERICAN.fullmatch(value):
        month, day, year = map(int, value.split("/"))
        value = f"{year:04}-{month:02}-{day:02}"
    at_ms = instant_of(value)
    if at_ms is None:
        return None
    day_of = _EPOCH + dt.timedelta(milliseconds=at_ms)
    return f"{day_of.month:02}/{day_of.day:02}/{day_of.year:04}"


_AMERICAN: Final = re.compile(r"[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}")


def _length(text: str) -> str:
    return f"over {MAX_KEPT_CHARS:,}" if len(text) > MAX_KEPT_CHARS else f"{len(text):,}"


def _misfit(name: str, value: object, kind: FieldType) -> str:
    shown = _text_of(value)
    if kind is FieldType.TEXT:
        return f"custom field {name!r} has {_length(shown)} characters, SendGrid takes 1,000"
    # not what it is: a reason is logged, and a trait may be anything
    return f"custom field {name!r} is a {kind} in SendGrid, got text that is none"

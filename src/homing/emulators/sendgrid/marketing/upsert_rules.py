"""What a request to upsert contacts must be: rows, or the errors SendGrid names."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import orjson

from homing.emulators.sendgrid.errors import ApiError, MarketingRefused
from homing.emulators.sendgrid.marketing.contacts import IDENTIFIERS, TEXTS
from homing.emulators.sendgrid.marketing.fields import FieldDefinitions
from homing.emulators.sendgrid.marketing.lists import Lists
from homing.emulators.sendgrid.recipient_rules import is_address

MOST_CONTACTS: Final = 30_000
MOST_BYTES: Final = 6_000_000
MOST_ALTERNATES: Final = 5
MOST_ADDRESS: Final = 254
#: An answer names no more errors than this.
MOST_ERRORS: Final = 100

#: Characters at most, where there is a limit.
_MOST: Final[Mapping[str, int | None]] = {
    **dict.fromkeys((*TEXTS, *IDENTIFIERS), None),
    "first_name": 50,
    "last_name": 50,
    "address_line_1": 100,
    "address_line_2": 100,
    "city": 60,
    "state_province_region": 50,
    "country": 50,
    "external_id": MOST_ADDRESS,
    "anonymous_id": MOST_ADDRESS,
}
_KNOWN: Final = _MOST.keys() | {"alternate_emails", "custom_fields"}
_CHECKED_APART: Final = frozenset({"custom_fields", "email", "phone_number_id"})
_NOTHING: Final = (None, "")
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_E164: Final = re.compile(r"\+[1-9][0-9]{1,14}")


@dataclass(frozen=True, slots=True)
class Row:
    """
    One contact to upsert.

    Args:
        fields: What is given of it, the address in lower case.

        custom: Custom field id to value, of whatever type the field is.
    """

    fields: dict[str, Any]
    custom: dict[str, str | float]


@dataclass(frozen=True, slots=True)
class Upsert:
    """The whole request."""

    rows: list[Row]
    list_ids: list[str]


def read_upsert(raw: bytes, lists: Lists, fields: FieldDefinitions) -> Upsert:
    """
    Decode and check the body of an upsert. One bad address refuses the whole.

    Properties that nobody described are refused, too: SendGrid may pass over
    them, and what was meant by them is then lost without a word.

    Raises:
        MarketingRefused: With what SendGrid would say: 400, or 404 for a list
            that is not there.
    """
    if len(raw) > MOST_BYTES:
        raise MarketingRefused(400, ApiError("request body is larger than 6MB"))
    body = decoded_object(raw)
    contacts = body.get("contacts")
    if not isinstance(contacts, list) or not 1 <= len(contacts) <= MOST_CONTACTS:
        message = f"contacts must hold between 1 and {MOST_CONTACTS} contacts"
        raise MarketingRefused(400, ApiError(message, "contacts"))
    errors = tuple(islice(_errors(body, contacts, fields), MOST_ERRORS))
    if errors:
        raise MarketingRefused(400, *errors)
    list_ids = list(dict.fromkeys(body.get("list_ids") or ()))
    check_lists(list_ids, lists)
    return Upsert([_row(contact) for contact in contacts], list_ids)


def decoded_object(raw: bytes) -> dict[str, Any]:
    """
    Decode a body.

    Raises:
        MarketingRefused: It is no JSON object.
    """
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise MarketingRefused(400, ApiError("invalid JSON")) from None
    if not isinstance(body, dict):
        raise MarketingRefused(400, ApiError("invalid JSON"))
    return body


def check_lists(list_ids: list[str], lists: Lists) -> None:
    """
    Look well-formed list ids up.

    Raises:
        MarketingRefused: 404 for the first that is not there.
    """
    for list_id in list_ids:
        if list_id not in lists:
            raise MarketingRefused(404, ApiError(f"list '{list_id}' not found", "list_ids"))


def list_id_errors(list_ids: object) -> Iterator[ApiError]:
    """Find list ids that are no UUIDs."""
    if list_ids is None:
        return
    if not isinstance(list_ids, list):
        yield ApiError("list_ids must be an array", "list_ids")
        return
    for index, list_id in enumerate(list_ids):
        if not isinstance(list_id, str) or _UUID.fullmatch(list_id) is None:
            yield ApiError("invalid list id", f"list_ids[{index}]")


def _errors(
    body: Mapping[str, Any], contacts: list[Any], fields: FieldDefinitions
) -> Iterator[ApiError]:
    for name in body.keys() - {"contacts", "list_ids"}:
        yield ApiError(f"unknown property '{name}'", name)
    yield from list_id_errors(body.get("list_ids"))
    for index, contact in enumerate(contacts):
        where = f"contacts[{index}]"
        if not isinstance(contact, dict):
            yield ApiError("a contact must be an object", where)
            continue
        yield from _identifier_errors(contact, where)
        yield from _field_errors(contact, where)
        if contact.get("custom_fields") is not None:
            yield from _custom_errors(contact["custom_fields"], where, fields)


def _identifier_errors(contact: Mapping[str, Any], where: str) -> Iterator[ApiError]:
    email, phone = contact.get("email"), contact.get("phone_number_id")
    if email not in _NOTHING and not (isinstance(email, str) and is_address(email)):
        yield ApiError(f"email '{email}' is not valid", f"{where}.identifier")
    elif phone not in _NOTHING and not (isinstance(phone, str) and _E164.fullmatch(phone)):
        yield ApiError(f"phone_number_id '{phone}' is not valid", f"{where}.identifier")
    elif not any(contact.get(kind) for kind in IDENTIFIERS):
        yield ApiError("at least one identifier is required", f"{where}.identifier")


def _field_errors(contact: Mapping[str, Any], where: str) -> Iterator[ApiError]:
    for name, value in contact.items():
        if name not in _KNOWN:
            yield ApiError(f"unknown property '{name}'", f"{where}.{name}")
        elif name == "alternate_emails":
            yield from _alternate_errors(value, f"{where}.{name}")
        elif name not in _CHECKED_APART and value is not None:
            most = _MOST[name]
            if not isinstance(value, str):
                yield ApiError(f"{name} must be a string", f"{where}.{name}")
            elif most is not None and len(value) > most:
                message = f"length should be less than or equal to {most}"
                yield ApiError(message, f"{where}.{name}")


def _alternate_errors(value: object, where: str) -> Iterator[ApiError]:
    if value is None:
        return
    if not isinstance(value, list) or len(value) > MOST_ALTERNATES:
        yield ApiError(f"at most {MOST_ALTERNATES} alternate emails can be given", where)
        return
    for email in value:
        if not isinstance(email, str) or not is_address(email):
            yield ApiError(f"alternate email '{email}' is not valid", where)


def _custom_errors(custom: object, where: str, fields: FieldDefinitions) -> Iterator[ApiError]:
    if not isinstance(custom, dict):
        yield ApiError("custom_fields must be an object", f"{where}.custom_fields")
        return
    if any(field_id not in fields for field_id in custom):
        yield ApiError("invalid custom field ids supplied", f"{where}.custom_fields")
    for field_id, value in custom.items():
        is_scalar = value is None or isinstance(value, str | int | float)
        if isinstance(value, bool) or not is_scalar:
            message = "custom field values must be text or numbers"
            yield ApiError(message, f"{where}.custom_fields.{field_id}")


def _row(contact: Mapping[str, Any]) -> Row:
    # A null is the same as nothing: the field stays as it is.
    given = {name: value for name, value in contact.items() if value is not None}
    custom = given.pop("custom_fields", {})
    for kind in IDENTIFIERS:
        if given.get(kind) == "":
            del given[kind]
    if "email" in given:
        given["email"] = given["email"].lower()
    if "alternate_emails" in given:
        given["alternate_emails"] = [email.lower() for email in given["alternate_emails"]]
    return Row(given, {key: value for key, value in custom.items() if value is not None})

"""Custom fields of contacts, and the reserved ones beside them."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias

FieldType: TypeAlias = Literal["Text", "Number", "Date"]

FIELD_TYPES: Final[tuple[FieldType, ...]] = ("Text", "Number", "Date")
MOST_FIELDS: Final = 500
MOST_NAME: Final = 100
MOST_TEXT: Final = 1_000

#: Reserved fields in the order of their ids: name, type, whether they can only be read.
RESERVED: Final[tuple[tuple[str, FieldType, bool], ...]] = (
    *(
        (name, "Text", False)
        for name in (
            "first_name", "last_name", "email", "alternate_emails", "address_line_1",
            "address_line_2", "city", "state_province_region", "postal_code", "country",
            "phone_number", "whatsapp", "line", "facebook", "unique_name",
        )
    ),
    ("email_domains", "Text", True),
    ("last_clicked", "Date", True),
    ("last_opened", "Date", True),
    ("last_emailed", "Date", True),
    ("singlesend_id", "Text", True),
    ("automation_id", "Text", True),
    ("created_at", "Date", True),
    ("updated_at", "Date", True),
    ("contact_id", "Text", True),
    ("phone_number_id", "Text", False),
    ("external_id", "Text", False),
    ("anonymous_id", "Text", False),
)  # fmt: skip

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class BadField(Exception):
    """A field or a value that SendGrid would not take, in its words."""


@dataclass(slots=True)
class FieldDefinition:
    """
    One custom field.

    Args:
        id: Like ``e1_T``; values are written under it, and read under the name.
    """

    id: str
    name: str
    field_type: FieldType

    def as_json(self) -> dict[str, str]:
        """Show it as the API does."""
        return {"id": self.id, "name": self.name, "field_type": self.field_type}

    def stored(self, value: str | float) -> str | float:
        """
        Return a value as it is kept: a date as ISO 8601, everything else as it is.

        Raises:
            BadField: It is none of the field's type. SendGrid takes such a
                value in a request, and then does not store the contact.
        """
        if self.field_type == "Number":
            if isinstance(value, str) or not math.isfinite(value):
                msg = f"custom field '{self.name}' is not a number"
                raise BadField(msg)
            return value
        if not isinstance(value, str) or len(value) > MOST_TEXT:
            msg = f"custom field '{self.name}' is not a text of at most {MOST_TEXT} characters"
            raise BadField(msg)
        return _date(self.name, value) if self.field_type == "Date" else value


class FieldDefinitions:
    """The account's custom fields."""

    def __init__(self) -> None:
        self._by_id: dict[str, FieldDefinition] = {}
        self._by_name: dict[str, FieldDefinition] = {}
        # Ids are never given twice: a value of a deleted field must not come back.
        self._made = 0

    def add(self, name: str, field_type: str = "Text") -> FieldDefinition:
        """
        Define a field.

        Args:
            field_type: ``Text``, ``Number`` or ``Date``, written so.

        Raises:
            BadField: A bad or taken name, an unknown type, or too many fields.
        """
        self._check_name(name)
        known = next((one for one in FIELD_TYPES if one == field_type), None)
        if known is None:
            msg = f"field_type must be one of {', '.join(FIELD_TYPES)}"
            raise BadField(msg)
        if len(self._by_id) >= MOST_FIELDS:
            msg = f"the limit of {MOST_FIELDS} custom fields is reached"
            raise BadField(msg)
        self._made += 1
        field = FieldDefinition(f"e{self._made}_{known[0]}", name, known)
        self._by_id[field.id] = self._by_name[name.lower()] = field
        return field

    def rename(self, field: FieldDefinition, name: str) -> None:
        """
        Rename a field.

        Raises:
            BadField: A bad or taken name.
        """
        if name.lower() != field.name.lower():
            self._check_name(name)
        del self._by_name[field.name.lower()]
        field.name = name
        self._by_name[name.lower()] = field

    def remove(self, field_id: str) -> bool:
        """Delete a field, and with it all its values; tells whether there was one."""
        field = self._by_id.pop(field_id, None)
        if field is not None:
            del self._by_name[field.name.lower()]
        return field is not None

    def find(self, field_id: str) -> FieldDefinition | None:
        """Find a field by its id."""
        return self._by_id.get(field_id)

    def named(self, name: str) -> FieldDefinition | None:
        """Find a field by its name; case does not matter."""
        return self._by_name.get(name.lower())

    def shown(self, values: dict[str, Any]) -> dict[str, Any]:
        """Show a contact's values under their fields' names; those of deleted fields are gone."""
        return {
            field.name: values[field_id]
            for field_id in values
            if (field := self._by_id.get(field_id)) is not None
        }

    def _check_name(self, name: str) -> None:
        if not 1 <= len(name) <= MOST_NAME or _NAME.fullmatch(name) is None:
            msg = "name must be letters, digits and underscores, and not begin with a digit"
            raise BadField(msg)
        taken = name.lower() in self._by_name
        if taken or any(name.lower() == reserved for reserved, _, _ in RESERVED):
            msg = f"a field with the name '{name}' already exists"
            raise BadField(msg)

    def __contains__(self, field_id: object) -> bool:
        return field_id in self._by_id

    def __iter__(self) -> Iterator[FieldDefinition]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)


def reserved_as_json() -> list[dict[str, object]]:
    """Show the reserved fields as the API does."""
    return [
        {"id": f"_rf{number}_{field_type[0]}", "name": name, "field_type": field_type}
        | ({"read_only": True} if read_only else {})
        for number, (name, field_type, read_only) in enumerate(RESERVED)
    ]


def _date(name: str, text: str) -> str:
    if not text:
        return text
    for read in (_american, datetime.fromisoformat):
        try:
            return read(text).strftime("%Y-%m-%dT%H:%M:%SZ")
        except ValueError:
            continue
    msg = f"custom field '{name}' is not a date"
    raise BadField(msg)


def _american(text: str) -> datetime:
    return datetime.strptime(text, "%m/%d/%Y")  # noqa: DTZ007 - a day has no zone

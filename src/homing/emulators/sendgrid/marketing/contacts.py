"""The account's contacts, found by what identifies them."""

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from homing.emulators.clock import Clock, utc_seconds_text

Identifier: TypeAlias = Literal["email", "phone_number_id", "external_id", "anonymous_id"]

IDENTIFIERS: Final[tuple[Identifier, ...]] = (
    "email",
    "phone_number_id",
    "external_id",
    "anonymous_id",
)

#: Fields a contact has beside its identifiers, in the order they are exported.
TEXTS: Final = (
    "first_name", "last_name", "address_line_1", "address_line_2", "city",
    "state_province_region", "postal_code", "country", "phone_number", "whatsapp", "line",
    "facebook", "unique_name",
)  # fmt: skip


class RowRefused(Exception):
    """A row that a job cannot apply, in SendGrid's words."""


@dataclass(slots=True, eq=False)
class Contact:
    """
    One contact.

    Args:
        sequence: Counts the contacts ever made.

        fields: Reserved fields and identifiers that were written, by name.

        custom: Values by custom field id.

        lists: Ids of the lists it is on.
    """

    id: str
    sequence: int
    fields: dict[str, Any]
    custom: dict[str, str | float]
    created_at: float
    updated_at: float
    lists: dict[str, None] = field(default_factory=dict)

    @property
    def email(self) -> str:
        """Its address in lower case; empty without one."""
        email: str = self.fields.get("email", "")
        return email

    def as_json(self, custom: Mapping[str, Any], url: str) -> dict[str, Any]:
        """
        Show it as the API does.

        Args:
            custom: Values by the names of their fields.

            url: Of the contact itself.
        """
        shown: dict[str, Any] = {name: self.fields.get(name, "") for name in TEXTS}
        shown |= {name: self.fields.get(name, "") for name in IDENTIFIERS}
        return shown | {
            "id": self.id,
            "alternate_emails": list(self.fields.get("alternate_emails", ())),
            "list_ids": list(self.lists),
            "segment_ids": [],
            "custom_fields": dict(custom),
            "created_at": utc_seconds_text(self.created_at),
            "updated_at": utc_seconds_text(self.updated_at),
            "_metadata": {"self": url},
        }


class Contacts:
    """
    All contacts.

    Every look-up is by an index. Addresses are compared in lower case, other
    identifiers as they are.

    Args:
        removed: Told of every contact that is deleted.
    """

    def __init__(self, clock: Clock, removed: Callable[[Contact], None] = lambda _: None) -> None:
        self._clock = clock
        self._removed = removed
        self._by_id: dict[str, Contact] = {}
        self._by: dict[Identifier, dict[str, Contact]] = {kind: {} for kind in IDENTIFIERS}
        self._by_alternate: dict[str, Contact] = {}
        self._made = 0

    def add(self, email: str, **fields: Any) -> Contact:  # noqa: ANN401 - any reserved field
        """Make a contact at once, or update it, without a job."""
        contact, _ = self.upsert({"email": email.lower(), **fields}, {})
        return contact

    def upsert(
        self, fields: Mapping[str, Any], custom: Mapping[str, str | float]
    ) -> tuple[Contact, Literal["created", "updated", "unchanged"]]:
        """
        Make a contact, or change what a row gives of it.

        Args:
            fields: At least one identifier; the address in lower case.

            custom: Values by custom field id, as they are kept.

        Raises:
            RowRefused: The identifiers are two contacts', or not all of the contact's own.
        """
        contact = self._identified(fields)
        if contact is None:
            return self._made_of(fields, custom), "created"
        changed = _changed(contact.fields, fields) | _changed(contact.custom, custom)
        if not changed:
            return contact, "unchanged"
        self._let_go_of_alternates(contact)
        contact.fields.update(fields)
        contact.custom.update(custom)
        contact.updated_at = self._clock()
        self._index(contact)
        return contact, "updated"

    def touch(self, contact: Contact) -> None:
        """Note that a contact changed, as joining a list does."""
        contact.updated_at = self._clock()

    def remove(self, contact_id: str) -> Contact | None:
        """Delete a contact, from its lists, too; None when there is none of this id."""
        contact = self._by_id.pop(contact_id, None)
        if contact is not None:
            for kind in IDENTIFIERS:
                self._by[kind].pop(contact.fields.get(kind, ""), None)
            self._let_go_of_alternates(contact)
            self._removed(contact)
        return contact

    def find(self, email: str) -> Contact | None:
        """Find a contact by its address."""
        return self._by["email"].get(email.lower())

    def find_alternate(self, email: str) -> Contact | None:
        """Find a contact by its address or one of its other addresses."""
        return self.find(email) or self._by_alternate.get(email.lower())

    def identified_by(self, kind: Identifier, value: str) -> Contact | None:
        """Find a contact by one of its identifiers."""
        return self._by[kind].get(value)

    def by_id(self, contact_id: str) -> Contact | None:
        """Find a contact by its id."""
        return self._by_id.get(contact_id)

    def newest(self) -> Iterator[Contact]:
        """Walk from the newest to the oldest."""
        return reversed(self._by_id.values())

    def known(self, contact_ids: Iterable[str]) -> Iterator[Contact]:
        """Walk over those of some contacts that exist."""
        return (self._by_id[contact_id] for contact_id in contact_ids if contact_id in self._by_id)

    def _identified(self, fields: Mapping[str, Any]) -> Contact | None:
        found = {
            contact.id: contact
            for kind in IDENTIFIERS
            if (contact := self._by[kind].get(fields.get(kind, ""))) is not None
        }
        if len(found) > 1:
            msg = "the identifiers belong to more than one contact"
            raise RowRefused(msg)
        contact = next(iter(found.values()), None)
        if contact is not None:
            for kind in IDENTIFIERS:
                own = contact.fields.get(kind)
                if own and fields.get(kind) != own:
                    msg = f"all identifiers of the contact must be given: '{kind}' differs"
                    raise RowRefused(msg)
        return contact

    def _made_of(self, fields: Mapping[str, Any], custom: Mapping[str, str | float]) -> Contact:
        self._made += 1
        now = self._clock()
        contact = Contact(str(uuid.uuid4()), self._made, dict(fields), dict(custom), now, now)
        self._by_id[contact.id] = contact
        self._index(contact)
        return contact

    def _index(self, contact: Contact) -> None:
        for kind in IDENTIFIERS:
            if value := contact.fields.get(kind):
                self._by[kind][value] = contact
        for alternate in contact.fields.get("alternate_emails", ()):
            self._by_alternate[alternate] = contact

    def _let_go_of_alternates(self, contact: Contact) -> None:
        for alternate in contact.fields.get("alternate_emails", ()):
            if self._by_alternate.get(alternate) is contact:
                del self._by_alternate[alternate]

    def __contains__(self, email: object) -> bool:
        return isinstance(email, str) and self.find(email) is not None

    def __iter__(self) -> Iterator[Contact]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)


def _changed(own: Mapping[str, Any], fresh: Mapping[str, Any]) -> bool:
    return any(name not in own or own[name] != value for name, value in fresh.items())

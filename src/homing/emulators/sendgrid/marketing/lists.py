"""Contact lists: who is on which."""

import uuid
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from homing.emulators.sendgrid.marketing.contacts import Contact

MOST_NAME: Final = 100


class BadList(Exception):
    """A list that SendGrid would not make, in its words."""


@dataclass(slots=True, eq=False)
class ContactList:
    """
    One list.

    Args:
        sequence: Counts the lists ever made.

        members: Its contacts by id, in the order they came.
    """

    id: str
    sequence: int
    name: str
    members: dict[str, Contact] = field(default_factory=dict)

    @property
    def emails(self) -> list[str]:
        """The addresses on it, in the order they came."""
        return [contact.email for contact in self.members.values() if contact.email]

    def as_json(self, origin: str) -> dict[str, object]:
        """Show it as the API does; `origin` is where the API is."""
        return {
            "id": self.id,
            "name": self.name,
            "contact_count": len(self.members),
            "_metadata": {"self": f"{origin}/v3/marketing/lists/{self.id}"},
        }


class Lists:
    """The account's lists, in the order they were made."""

    def __init__(self) -> None:
        self._by_id: dict[str, ContactList] = {}
        self._by_name: dict[str, ContactList] = {}
        self._made = 0

    def add(self, name: str) -> ContactList:
        """
        Make a list.

        Raises:
            BadList: The name is empty, too long, or another list's.
        """
        self._check_name(name)
        self._made += 1
        made = ContactList(str(uuid.uuid4()), self._made, name)
        self._by_id[made.id] = self._by_name[name] = made
        return made

    def rename(self, which: ContactList, name: str) -> None:
        """
        Rename a list.

        Raises:
            BadList: The name is empty, too long, or another list's.
        """
        if name != which.name:
            self._check_name(name)
        del self._by_name[which.name]
        which.name = name
        self._by_name[name] = which

    def remove(self, list_id: str) -> ContactList | None:
        """Delete a list, not its contacts; None when there is none of this id."""
        gone = self._by_id.pop(list_id, None)
        if gone is not None:
            del self._by_name[gone.name]
            for contact in gone.members.values():
                contact.lists.pop(list_id, None)
        return gone

    def put(self, list_id: str, contact: Contact) -> bool:
        """Put a contact on a list, if it exists; tells whether that changed anything."""
        which = self._by_id.get(list_id)
        if which is None or contact.id in which.members:
            return False
        which.members[contact.id] = contact
        contact.lists[list_id] = None
        return True

    def take(self, list_id: str, contact_id: str) -> bool:
        """Take a contact off a list; tells whether it was on it."""
        which = self._by_id.get(list_id)
        contact = which.members.pop(contact_id, None) if which else None
        if contact is not None:
            contact.lists.pop(list_id, None)
        return contact is not None

    def forget(self, contact: Contact) -> None:
        """Take a contact off every list."""
        for list_id in tuple(contact.lists):
            self.take(list_id, contact.id)

    def find(self, list_id: str) -> ContactList | None:
        """Find a list by its id."""
        return self._by_id.get(list_id)

    def named(self, name: str) -> ContactList | None:
        """Find a list by its name."""
        return self._by_name.get(name)

    def after(self, sequence: int) -> list[ContactList]:
        """Return the lists made after one, oldest first."""
        rows = list(self._by_id.values())
        return rows[bisect_right(rows, sequence, key=lambda row: row.sequence) :]

    def _check_name(self, name: str) -> None:
        if not 1 <= len(name) <= MOST_NAME:
            msg = f"name must have between 1 and {MOST_NAME} characters"
            raise BadList(msg)
        if name in self._by_name:
            msg = f"a list with the name '{name}' already exists"
            raise BadList(msg)

    def __contains__(self, list_id: object) -> bool:
        return list_id in self._by_id

    def __iter__(self) -> Iterator[ContactList]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)

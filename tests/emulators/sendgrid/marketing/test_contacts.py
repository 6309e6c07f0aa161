"""Contacts and their indexes, against the simplest thing that could be them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.emulators.sendgrid.marketing.contacts import Contacts, RowRefused

EMAILS = st.sampled_from(["a@b.co", "b@b.co", "c@b.co"])
ROWS = st.fixed_dictionaries(
    {},
    optional={
        "email": EMAILS,
        "external_id": st.sampled_from(["u1", "u2"]),
        "city": st.sampled_from(["Oslo", ""]),
        "alternate_emails": st.lists(EMAILS, max_size=2),
    },
).filter(lambda row: "email" in row or "external_id" in row)


class TestContacts:
    @given(st.lists(ROWS | st.integers(0, 5), max_size=30))
    def test_the_indexes_agree(self, changes):
        """Whatever was upserted, refused and removed, each contact is found by what it has."""
        gone = []
        contacts = Contacts(lambda: 0.0, gone.append)
        for change in changes:
            if isinstance(change, int):
                for contact in list(contacts)[change : change + 1]:
                    contacts.remove(contact.id)
            else:
                _upserted(contacts, change)

        for contact in contacts:
            assert contact is contacts.by_id(contact.id)
            if contact.email:
                assert contact is contacts.find(contact.email.upper())
            if "external_id" in contact.fields:
                assert contact is contacts.identified_by(
                    "external_id", contact.fields["external_id"]
                )
        found = {contacts.find(email) for email in ("a@b.co", "b@b.co", "c@b.co")} - {None}
        assert found <= set(contacts)
        assert not set(gone) & set(contacts)
        assert list(contacts)[::-1] == list(contacts.newest())

    def test_what_does_not_change_is_told(self):
        """Created, updated, or nothing; a time of change only with a change."""
        now = [1.0]
        contacts = Contacts(lambda: now[0])

        told = []
        for row in ({"city": "Oslo"}, {"city": "Oslo"}, {"city": "Rome"}):
            contact, what = contacts.upsert({"email": "a@b.co", **row}, {})
            told.append((what, contact.updated_at))
            now[0] += 1

        assert [("created", 1.0), ("unchanged", 1.0), ("updated", 3.0)] == told

    def test_other_addresses_find_a_contact(self):
        """As long as it has them."""
        contacts = Contacts(lambda: 0.0)
        ada = contacts.add("ada@b.co", alternate_emails=["a@b.co"])

        first = contacts.find_alternate("A@b.co")
        contacts.upsert({"email": "ada@b.co", "alternate_emails": []}, {})

        assert (ada, None, ada) == (
            first, contacts.find_alternate("a@b.co"), contacts.find_alternate("ada@b.co"),
        )  # fmt: skip

    def test_a_contact_keeps_its_identifiers(self):
        """A row that leaves one out, or has another, is refused."""
        contacts = Contacts(lambda: 0.0)
        contacts.add("a@b.co", external_id="u1")

        for row in ({"email": "a@b.co"}, {"email": "x@b.co", "external_id": "u1"}):
            with pytest.raises(RowRefused, match="identifiers"):
                contacts.upsert(row, {})


def _upserted(contacts, row):
    try:
        contact, what = contacts.upsert(row, {})
    except RowRefused:
        return
    assert row.items() <= contact.fields.items()
    assert what in {"created", "updated", "unchanged"}

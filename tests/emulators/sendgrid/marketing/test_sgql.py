"""The query language: what a text means, and what is no query."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.emulators.sendgrid.marketing.contacts import Contacts
from homing.emulators.sendgrid.marketing.sgql import BadQuery, read_query


@pytest.fixture
def contacts():
    """Three people, two of them on a list."""
    contacts = Contacts(lambda: 0.0)
    for email, name, lists in (
        ("ada@example.com", "Ada", ("vip",)),
        ("o'brien@example.com", "Pat", ("vip", "news")),
        ("eva@b.co", "Eva", ()),
    ):
        contact = contacts.add(email, first_name=name, external_id=name)
        contact.lists.update(dict.fromkeys(lists))
    return contacts


class TestReadQuery:
    @pytest.mark.parametrize(
        ("text", "names"),
        [
            ("email = 'ada@example.com'", ["Ada"]),
            ("EMAIL='ada@example.com'", ["Ada"]),
            ("email = 'Ada@example.com'", []),
            ("email IN ('ada@example.com','eva@b.co' , 'x')", ["Ada", "Eva"]),
            ("email = 'o''brien@example.com'", ["Pat"]),
            ("email LIKE '%@example.com'", ["Ada", "Pat"]),
            ("email LIKE 'ada.example.com'", []),
            ("email LIKE 'a%a%m'", ["Ada"]),
            ("email LIKE 'ada@%@example.com'", []),
            ("email LIKE 'eva@b.co'", ["Eva"]),
            ("email LIKE '" + "%" * 60 + "b.co'", ["Eva"]),
            ("lower(first_name) = 'ada'", ["Ada"]),
            ("first_name != 'Ada'", ["Pat", "Eva"]),
            ("first_name <> 'Ada' AND NOT email LIKE 'e%'", ["Pat"]),
            ("CONTAINS(list_ids, 'vip')", ["Ada", "Pat"]),
            ("CONTAINS(list_ids, 'vip') AND CONTAINS(list_ids, 'news')", ["Pat"]),
            ("email = 'eva@b.co' OR CONTAINS(list_ids,'news')", ["Pat", "Eva"]),
            ("email = 'eva@b.co' OR email = 'x' AND CONTAINS(list_ids,'news')", ["Eva"]),
            ("(email = 'eva@b.co' OR email LIKE 'a%') AND CONTAINS(list_ids,'vip')", ["Ada"]),
            ("external_id IN ('Eva') OR phone_number_id IN ('+1')", ["Eva"]),
            ("NOT NOT email = 'eva@b.co'", ["Eva"]),
            ("city = ''", ["Ada", "Pat", "Eva"]),
        ],
    )
    def test_a_query_means_contacts(self, contacts, text, names):
        """Precedence as in SQL; everything else by the letter."""
        query = read_query(text)

        assert names == [c.fields["first_name"] for c in contacts if query.matches(c)]

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "   ",
            "email",
            "email =",
            "email = ada",
            'email = "ada"',
            "email = 'o'brien@example.com'",
            "email = 'ada",
            "email IN ()",
            "email IN ('a',)",
            "email IN 'a'",
            "email = 'a' email = 'b'",
            "email = 'a' AND",
            "(email = 'a'",
            "email = 'a')",
            "CONTAINS(email, 'a')",
            "CONTAINS(list_ids, vip)",
            "shoe_size = 'a'",
            "email ~ 'a'",
            "; DROP TABLE",
            "(" * 5_000,
            "NOT " * 5_000,
            "email = 'a' OR " * 10_000,
        ],
    )
    def test_what_is_no_query_is_refused(self, text):
        """A quote that is not written twice ends the text; depth and length have ends."""
        with pytest.raises(BadQuery):
            read_query(text)

    def test_a_long_chain_is_no_deep_one(self, contacts):
        """As many alternatives as fit."""
        query = read_query(" OR ".join(f"city = 'c{n}'" for n in range(2_000)) + " OR city = ''")

        assert 3 == sum(query.matches(contact) for contact in contacts)

    @given(st.text(max_size=20))
    def test_any_text_can_be_quoted(self, text):
        """Doubled quotes come back as they were."""
        contacts = Contacts(lambda: 0.0)
        contact = contacts.add("a@b.co", city=text)

        query = read_query("city = '{}'".format(text.replace("'", "''")))

        assert query.matches(contact)

    @given(st.text(max_size=40))
    def test_no_text_is_a_surprise(self, text):
        """A query, or a refusal."""
        with contextlib.suppress(BadQuery):
            read_query(text)

    @pytest.mark.parametrize(
        ("text", "emails", "list_id"),
        [
            ("email IN ('a','b') AND CONTAINS(list_ids,'v')", {"a", "b"}, "v"),
            ("email IN ('a','b') AND email = 'b'", {"b"}, None),
            ("email = 'a' OR email = 'b'", {"a", "b"}, None),
            ("email = 'a' OR city = 'b'", None, None),
            ("CONTAINS(list_ids,'v') OR CONTAINS(list_ids,'w')", None, None),
            ("NOT email = 'a'", None, None),
        ],
    )
    def test_the_indexes_are_known(self, text, emails, list_id):
        """Nobody is asked about who cannot be meant."""
        query = read_query(text)

        assert (emails, list_id) == (query.emails, query.list_id)

"""What an email needs of its person that nobody has told."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from homing.core import people
from homing.core.effects import WantSend
from homing.core.look_ups import MAX_KEYS, Lacking, absent_of, lacking, profile_of, traits_path
from homing.core.mapping import compile_mapping
from homing.core.people import Person
from homing.core.plans import Address, Email

BARE = Email("hello", Address("us@x.io"))
ADA = Person(1, user_id="u1", traits={"known": 1}, trait_at={"known": 5, "cleared": 6})
WANT = WantSend("route", "hello")


class TestLacking:
    @pytest.mark.parametrize(
        ("data", "keys"),
        [
            ("$.profile.plan", ["plan"]),
            ({"a": "$.profile.address.city", "b": "$.profile.tags[0]"}, ["address", "tags"]),
            ("Hi {{ profile.name | default: 'there' }}", ["name"]),
            ({"@template": "Hi {{profile.name}}"}, ["name"]),
            ({"@if": {"exists": {"@path": "$.profile.x"}, "then": 1, "else": 2}}, ["x"]),
            ({"a": "$.profile.known", "b": "$.profile.cleared"}, []),
            ({"a": "$.properties.profile.x", "b": "$.profiles.y", "c": "$.profile"}, []),
            ("{{ profile['a,b'] }}", []),
            ({"a": "$.profile.x", "b": "$.profile.x"}, ["x"]),
        ],
    )
    def test_the_traits_that_mappings_read_and_nobody_told(self, data, keys):
        """
        Of the email's `data` and of the action's; what an event wrote, or cleared, is known.
        """
        mapping = compile_mapping(data)
        of_email = lacking(WANT, replace(BARE, data=mapping), ADA, address="a@x.io")
        of_action = lacking(structs.replace(WANT, data=mapping), BARE, ADA, address="a@x.io")

        assert Lacking(of_data=tuple(keys)) == of_email == of_action

    @pytest.mark.parametrize(
        ("to", "address", "keys"),
        [
            (None, None, ("email",)),
            (None, "a@x.io", ()),
            ("$.profile.work_email", None, ("work_email",)),
            ("$.profile.work_email", "a@x.io", ("work_email",)),
            ("$.properties.email", None, ()),
        ],
    )
    def test_the_address_is_a_trait_where_none_is_known(self, to, address, keys):
        """
        Unless `to` says where it goes: then what that reads.
        """
        email = BARE if to is None else replace(BARE, to=compile_mapping(to))

        assert keys == lacking(WANT, email, ADA, address=address).of_address

    def test_an_address_that_was_cleared_is_not_asked_for(self):
        """
        Somebody took it back.
        """
        person = people.with_traits(Person(1, user_id="u1"), {"email": None}, 5)

        assert () == lacking(WANT, BARE, person, address=None).keys

    def test_variables_of_templates_are_traits_where_the_data_lacks_them(self):
        """
        By the first step of their path.
        """
        absent = absent_of(["order.total", "order.id", "name", "plan"], {"name": "x"})

        assert ("order", "plan") == absent
        assert absent == lacking(WANT, BARE, ADA, address="a@x.io", absent=absent).keys

    def test_no_more_are_asked_for_than_segment_gives(self):
        """
        The address above all.
        """
        found = Lacking(("email",), tuple(f"k{number}" for number in range(300)))

        assert MAX_KEYS == len(found.keys)
        assert "email" == found.keys[0]


class TestProfileOf:
    @pytest.mark.parametrize(
        ("person", "profile"),
        [
            (Person(1, user_id="u1", anonymous_id="a1"), ("user_id", "u1")),
            (Person(1, anonymous_id="a1", email="a@x.io"), ("anonymous_id", "a1")),
            (Person(1, email="a@x.io"), None),
        ],
    )
    def test_nobody_is_asked_for_by_address(self, person, profile):
        """
        Segment advises against it: it would stand in the logs on the way.
        """
        assert profile == profile_of(person)


class TestTraitsPath:
    def test_the_form_of_segments_manual(self):
        """
        Lower-cased, all but letters and digits percent-encoded.
        """
        path = traits_path("spa_1", ("user_id", "Ada+1@X.io"), ("first_name", "plan"))

        assert path == (
            "/v1/spaces/spa_1/collections/users/profiles/user_id:ada%2B1%40x%2Eio/traits"
            "?include=first%5Fname,plan&limit=200"
        )

    @given(st.text(), st.lists(st.text().filter(lambda key: "," not in key), min_size=1))
    def test_whatever_an_id_is_it_stays_one_step_of_the_path(self, value, keys):
        """
        No id of a stranger's leads to another place.
        """
        parts = urlsplit(traits_path("spa_1", ("user_id", value), keys))
        steps = parts.path.split("/")

        assert 9 == len(steps)
        whole = value.lower().encode("utf-8", "replace").decode()
        assert f"user_id:{whole}" == unquote(steps[7])
        assert parts.path.isascii()
        assert 1 == parts.query.count("&")

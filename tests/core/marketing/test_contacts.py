"""A person as a Marketing contact: fields, their types and their limits."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.core.mapping import compile_mapping
from homing.core.marketing.contacts import (
    DEFAULT_FIELDS,
    MAX_KEPT_CHARS,
    Contact,
    Definition,
    FieldType,
    address_of_contact,
    addresses_refused,
    definitions_in,
    field_key,
    problems_of_custom,
    problems_of_fields,
    refusal_of_address,
    resolved,
    type_of,
    typed_value,
)
from homing.core.people import Person
from homing.core.plans import ContactFields

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def custom_of(**paths: str) -> ContactFields:
    """Custom fields at paths."""
    return ContactFields({}, {n: compile_mapping(p, place=n) for n, p in paths.items()})


def root(kind: str = "identify", *, profile: object = None, **event: object) -> dict[str, object]:
    """What a mapping sees."""
    return {"type": kind, "profile": profile or {}, "journey": {}, "send": {}, **event}


class TestResolved:
    @pytest.mark.parametrize(
        ("traits", "field", "value"),
        [
            ({"firstName": "Ann"}, "first_name", "Ann"),
            ({"first_name": "Ann"}, "first_name", "Ann"),
            ({"address": {"postalCode": "1"}}, "postal_code", "1"),
            ({"address": {"postal_code": "1"}}, "postal_code", "1"),
            ({"address": {"street": "Via 1"}}, "address_line_1", "Via 1"),
            ({"phone": "+39"}, "phone_number", "+39"),
        ],
    )
    def test_the_defaults_know_both_spellings(
        self, traits: dict[str, object], field: str, value: str
    ) -> None:
        """Segment's reserved traits, as either of its specs spells them."""
        own, _ = resolved(ContactFields(DEFAULT_FIELDS, {}), root(profile=traits))
        assert {field: value} == own

    def test_what_a_late_event_says_does_not_win(self) -> None:
        """A newer event wrote, or cleared, what an older one says that comes after it."""
        fields = custom_of(plan="$.traits.plan", old="$.traits.old")
        late = root(profile={"plan": "pro"}, traits={"plan": "free", "old": "cleared since"})
        assert ({}, {"plan": "pro"}) == resolved(fields, late)

    def test_null_and_absent_are_left_out(self) -> None:
        """A contact's field is not cleared by the lack of a trait."""
        fields = custom_of(a="$.traits.a", b="$.traits.b")
        assert ({}, {}) == resolved(fields, root(traits={"a": None}))

    def test_what_is_a_groups_is_seen_in_its_call_alone(self) -> None:
        """The traits of a group call are the group's."""
        fields = custom_of(company="$.traits.name")
        assert ({}, {"company": "Acme"}) == resolved(fields, root("group", traits={"name": "Acme"}))

    @given(value=JSON)
    def test_whatever_comes_little_is_kept(self, value: object) -> None:
        """A value of megabytes is cut, and stays too long for any field."""
        for one in (value, "x" * 100_000, [value] * 5_000, {"deep": ["y" * 9_000]}):
            _, custom = resolved(custom_of(v="$.traits.v"), root(profile={"v": one}))
            assert len(json.dumps(custom)) < 13 * MAX_KEPT_CHARS

    def test_what_was_cut_is_refused_with_its_reason(self) -> None:
        """Also of fields without a published limit."""
        fields = {"postal_code": "9" * 10_000, "city": "c" * 61}
        kept, _ = resolved(
            ContactFields({n: compile_mapping(f"$.traits.{n}", place=n) for n in fields}, {}),
            root(profile=fields),
        )
        fit, wrong = problems_of_fields(kept)
        assert {} == fit
        assert "postal_code has over 4,000 characters, SendGrid takes 4,000" == wrong["postal_code"]
        assert "city has 61 characters, SendGrid takes 60" == wrong["city"]


class TestAddressOfContact:
    def test_the_events_own_goes_before_the_persons(self) -> None:
        """In lower case, international domains as SendGrid writes them."""
        person = Person(1, email="ann@x.io")
        assert "ann@x.io" == address_of_contact({}, person)
        event = {"context": {"traits": {"email": "Bob@Bücher.example"}}}
        assert "bob@xn--bcher-kva.example" == address_of_contact(event, person)
        assert address_of_contact({}, Person(1)) is None


class TestRefusalOfAddress:
    @pytest.mark.parametrize(
        "bad", ["", "a", "a@b@c", "a b@x.io", "ü@x.io", "a@x", f"{'l' * 64}@{'d' * 200}.io"]
    )
    def test_what_would_refuse_a_batch_is_known_before(self, bad: str) -> None:
        """So that it is dead alone."""
        assert (refusal_of_address(bad) or "").startswith("bad_address: ")

    @pytest.mark.parametrize("good", ["a@x.io", "o'neil+x@x.museum", 'a"b@x.io'[:1] + "@x.io"])
    def test_odd_but_good_ones_pass(self, good: str) -> None:
        """Quotes of names, long top-level domains."""
        assert refusal_of_address(good) is None


class TestProblemsOfFields:
    def test_booleans_numbers_and_objects_are_text(self) -> None:
        """SendGrid's own fields are texts."""
        given = {"city": True, "country": 7.0, "line": {"a": [1]}, "whatsapp": None}
        assert ({"city": "true", "country": "7", "line": '{"a":[1]}'}, {}) == problems_of_fields(
            given
        )

    def test_alternate_addresses_are_checked(self) -> None:
        """At most five, each good; what is no text is passed over."""
        fit, wrong = problems_of_fields({"alternate_emails": ["a@x.io", 5]})
        assert ({"alternate_emails": ["a@x.io"]}, {}) == (fit, wrong)
        for bad in ([f"a{n}@x.io" for n in range(6)], ["no"]):
            fit, wrong = problems_of_fields({"alternate_emails": bad})
            assert ({}, {"alternate_emails"}) == (fit, set(wrong))


class TestTypedValue:
    @pytest.mark.parametrize(
        ("value", "date"),
        [
            ("2024-01-05", "01/05/2024"),
            ("2024-01-05T23:30:00-05:00", "01/06/2024"),
            (1_704_412_800, "01/05/2024"),
            (1_704_412_800_000, "01/05/2024"),
            ("12/31/2024", "12/31/2024"),
            ("2/9/0400", "02/09/0400"),
            ("9999-12-31T23:59:59.999Z", "12/31/9999"),
            ("31/12/2024", None),
            ("02/30/2024", None),
            (True, None),
            ("", None),
            ({}, None),
        ],
    )
    def test_a_date_is_sendgrids(self, value: object, date: str | None) -> None:
        """MM/DD/YYYY, the day of UTC; what is so already stays."""
        assert date == typed_value(value, FieldType.DATE)

    @pytest.mark.parametrize(
        ("value", "number"),
        [(5, 5), ("$1,234.50", 1234.5), ("7", 7), (True, None), ("x", None), ([], None)],
    )
    def test_a_number_may_be_text(self, value: object, number: float | None) -> None:
        """Prices as Segment's commerce events have them."""
        assert number == typed_value(value, FieldType.NUMBER)

    @given(value=JSON)
    def test_whatever_comes_fits_or_not_and_nothing_raises(self, value: object) -> None:
        """Any JSON, any type."""
        for kind in FieldType:
            typed = typed_value(value, kind)
            assert typed is None or json.dumps(typed)


class TestProblemsOfCustom:
    def test_names_are_found_whatever_their_case(self) -> None:
        """Values go under ids; what is wrong is told by name."""
        defined = {field_key("Plan"): Definition("e1_T", "Plan", FieldType.TEXT)}
        fit, wrong = problems_of_custom({"PLAN": None, "plan": True, "age": 5}, defined)
        assert {"e1_T": "true"} == fit
        assert {"age": "custom field 'age' is not defined in SendGrid"} == wrong

    def test_what_does_not_fit_its_type_is_told(self) -> None:
        """Without what came: it may be anything of anybody."""
        defined = {"n": Definition("e1_N", "n", FieldType.NUMBER)}
        _, wrong = problems_of_custom({"n": "many"}, defined)
        assert {"n": "custom field 'n' is a Number in SendGrid, got text that is none"} == wrong


class TestTypeOf:
    def test_a_number_only_if_each_is_one(self) -> None:
        """Of values of two types, text holds both."""
        assert FieldType.NUMBER is type_of([1, 2.5])
        assert FieldType.TEXT is type_of([1, "2"])
        assert FieldType.TEXT is type_of([True])


class TestDefinitionsIn:
    @given(answer=JSON)
    def test_whatever_comes_is_read(self, answer: object) -> None:
        """Garbage defines nothing."""
        assert {} == definitions_in(answer)
        assert {} == definitions_in({"custom_fields": answer})

    def test_rows_of_a_known_type_are_kept(self) -> None:
        """By name without regard to case."""
        rows = [
            {"id": "e1_T", "name": "Plan", "field_type": "Text"},
            {"id": "e2_X", "name": "new", "field_type": "Blob"},
            {"id": "e3_X", "name": "odd", "field_type": []},
        ]
        found = definitions_in({"custom_fields": rows})
        assert {"plan": Definition("e1_T", "Plan", FieldType.TEXT)} == found
        _, wrong = problems_of_custom({"plan": "p" * 1_001}, found)
        assert {"plan": "custom field 'plan' has 1,001 characters, SendGrid takes 1,000"} == wrong


class TestAddressesRefused:
    def test_each_message_names_its_own(self) -> None:
        """Also addresses with quotes, and as Go writes an ampersand."""
        said = ["email 'A&b@x.io' is not valid", "email 'o'neil@' is not valid", "other"]
        body = json.dumps({"errors": [{"message": one} for one in said]})
        expected = {"a&b@x.io", "o'neil@"}
        assert expected == addresses_refused(body.replace("&", "\\u0026").encode())

    def test_several_in_one_and_plain_text_are_found(self) -> None:
        """However it is wrapped."""
        body = b"email 'a@' is not valid; email 'b@' is not valid"
        assert {"a@", "b@"} == addresses_refused(body)

    def test_a_hostile_body_takes_no_time(self) -> None:
        """A megabyte of beginnings without an end, and of ends."""
        assert set() == addresses_refused(b"email '" * 150_000)
        assert set() == addresses_refused(b"' is not valid" * 80_000)


class TestContact:
    def test_the_newer_value_of_each_field_is_written(self) -> None:
        """Fields that only the earlier has stay."""
        earlier = Contact("a@x.io", {"city": "Rome", "line": "l"}, {"plan": "free"})
        later = Contact("a@x.io", {"city": "Bari"}, {"age": 5})
        expected = Contact("a@x.io", {"city": "Bari", "line": "l"}, {"plan": "free", "age": 5})
        assert expected == later.over(earlier)

"""Rows of an upsert, and what is dead of them."""

from __future__ import annotations

import msgspec

from homing.core.effects import Effect
from homing.core.marketing.contacts import Contact, Definition, FieldType
from homing.core.marketing.drafts import NO_FIELDS, Fields, customs_in, drafts_of
from homing.core.marketing.works import LIST, UPSERT, ListChange
from homing.core.wire import json_bytes

PLAN = Fields({"plan": Definition("e1_T", "plan", FieldType.TEXT)}, {})


def effect(number: int, kind: str, contact: Contact) -> Effect:
    """An effect that writes a contact."""
    payload = contact if kind == UPSERT else ListChange("vip", contact)
    return Effect(number, kind, 1, 0, 0, None, 1, 0, msgspec.json.encode(payload))


class TestDraftsOf:
    def test_fields_and_custom_fields_make_a_row(self) -> None:
        """Custom ones under their ids; its size is that of its bytes and a comma."""
        contact = Contact("a@x.io", {"city": "Rome"}, {"Plan": "pro"})
        (draft,) = drafts_of([effect(1, UPSERT, contact)], PLAN)
        row = {"email": "a@x.io", "city": "Rome", "custom_fields": {"e1_T": "pro"}}
        assert (row, {}) == (draft.row, draft.dead)
        assert len(json_bytes(row)) + 1 == draft.size

    def test_a_field_that_does_not_fit_is_dead_and_the_list_goes_on(self) -> None:
        """With the reason why it could not be made."""
        contact = Contact("a@x.io", {}, {"bad name": 1})
        both = [effect(1, UPSERT, contact), effect(2, LIST, contact)]
        fields = Fields({}, {"bad name": "invalid name"})
        (draft,) = drafts_of(both, fields)
        said = "custom field 'bad name' is not defined in SendGrid: invalid name"
        assert ({"email": "a@x.io"}, {1: said}) == (draft.row, draft.dead)

    def test_without_anything_to_write_there_is_no_row(self) -> None:
        """A bad address, or nothing but what does not fit."""
        (bad,) = drafts_of([effect(1, LIST, Contact("@"))], NO_FIELDS)
        (unfit,) = drafts_of([effect(2, UPSERT, Contact("a@x.io", {"city": "c" * 99}))], NO_FIELDS)
        assert (None, None) == (bad.row, unfit.row)
        assert ({1}, {2}) == (set(bad.dead), set(unfit.dead))


class TestCustomsIn:
    def test_all_values_of_each_name(self) -> None:
        """Of what is written in the end."""
        effects = [
            effect(n, UPSERT, Contact(f"{n}@x.io", {}, {"plan": value}))
            for n, value in enumerate(["a", 5])
        ]
        assert {"plan": ["a", 5]} == customs_in(effects)

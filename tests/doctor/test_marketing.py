"""The plan, custom fields, lists."""

import pytest
from tests.doctor.conftest import key, statuses, told

from homing.doctor import marketing
from homing.doctor.answers import CustomField, Failed, Got, MarketingList
from homing.doctor.case import Samples

CONTACTS = """
[contacts]
when = 'type = "identify"'
custom = { plan = "$.traits.plan", age = "$.traits.age" }
"""
LISTS = """
[list.vip]
audience = "vip"
name = "VIP customers"
[list.new]
audience = "new"
"""


def fields(**types):
    return Got(tuple(CustomField(name=name, field_type=kind) for name, kind in types.items()))


class TestContacts:
    @pytest.mark.parametrize(
        ("look", "scopes", "expected", "says"),
        [
            (fields(), [], "ok", "answers"),
            (fields(), ["marketing.read"], "error", "may not write"),
            (fields(), ["marketing.read", "marketing.update"], "ok", "answers"),
            (Failed(403, "access forbidden"), ["marketing.read"], "error", "no Marketing plan"),
            (Failed(403, "access forbidden"), [], "error", "no Marketing scope"),
            (Failed(404, "not found"), ["marketing.read"], "error", "EU region"),
            (Failed(500, "oops"), [], "skipped", "oops"),
        ],
    )
    def test_a_refusal_has_a_cause(self, case, look, scopes, expected, says):
        """Plan, scope and region look alike from afar."""
        (finding,) = marketing.of_contacts(case(CONTACTS, fields=look, key=key(*scopes)))

        assert expected == finding.status.value
        assert says in finding.found

    def test_who_writes_no_contact_needs_no_plan(self, case):
        """Skipped."""
        assert ["skipped"] == statuses(marketing.of_contacts(case(fields=Failed(403, "no"))))


class TestFields:
    def test_each_exists_with_any_case_and_what_is_absent_is_an_error(self, case):
        """Names are unique without regard to case."""
        made = case(CONTACTS, fields=fields(PLAN="Text"))

        assert [("ok", "field plan"), ("error", "field age")] == told(marketing.of_fields(made))

    def test_what_may_be_created_is_no_error(self, case):
        """With `create_fields`, and while there is room."""
        text = CONTACTS + "create_fields = true\n"
        full = fields(**{f"f{number}": "Text" for number in range(499)})

        assert ["ok", "ok"] == statuses(marketing.of_fields(case(text, fields=fields())))
        assert ["error", "ok", "ok"] == statuses(marketing.of_fields(case(text, fields=full)))

    @pytest.mark.parametrize(
        ("kind", "values", "expected"),
        [
            ("Number", (), "ok"),
            ("Number", (7, "8.5"), "ok"),
            ("Number", (7, "old"), "error"),
            ("Date", ("2026-11-22T10:00:00Z",), "ok"),
            ("Date", ("yesterday",), "error"),
            ("Text", ("x", 1, True), "ok"),
            ("Emoji", (), "warn"),
        ],
    )
    def test_a_type_fits_what_events_have(self, case, kind, values, expected):
        """As far as events have come."""
        samples = Samples(custom={"age": values})
        made = case(CONTACTS, fields=fields(plan="Text", age=kind), samples=samples)

        assert ["ok", expected] == statuses(marketing.of_fields(made))

    def test_fields_of_an_action_count_too(self, case):
        """A route may write others than [contacts]."""
        text = """
[route.r]
when = 'event = "X"'
upsert_contact = { custom = { score = "$.properties.score" } }
"""
        assert [("error", "field score")] == told(marketing.of_fields(case(text, fields=fields())))

    def test_without_fields_or_leave_it_is_skipped(self, case):
        """Nothing is held against what cannot be seen."""
        assert ["skipped"] == statuses(marketing.of_fields(case(fields=fields())))
        assert ["skipped"] == statuses(
            marketing.of_fields(case(CONTACTS, fields=Failed(403, "no")))
        )


class TestLists:
    def test_a_list_is_there_once_or_will_be_made(self, case):
        """Two of one name are a warning."""
        names = ["VIP customers", "VIP customers", "other"]
        look = Got(tuple(MarketingList(name=name) for name in names))

        assert [("warn", "list vip"), ("ok", "list new")] == told(
            marketing.of_lists(case(LISTS, lists=look))
        )

    def test_without_lists_or_leave_it_is_skipped(self, case):
        """Nothing is held against what cannot be seen."""
        assert ["skipped"] == statuses(marketing.of_lists(case()))
        assert ["skipped"] == statuses(marketing.of_lists(case(LISTS, lists=Failed(403, "no"))))

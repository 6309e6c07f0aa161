"""Custom fields over the API."""

import pytest

FIELDS = "/v3/marketing/field_definitions"


class TestFields:
    async def test_a_field_comes_and_goes(self, sendgrid, call):
        """Its id ends in its type's letter; deleting it deletes all its values."""
        body = {"name": "Last_Order", "field_type": "Date"}
        made = await (await call(sendgrid, "POST", FIELDS, body)).json()
        ada = sendgrid.contacts.add("ada@example.com")
        ada.custom[made["id"]] = "2026-01-02T00:00:00Z"

        renamed = await call(sendgrid, "PATCH", f"{FIELDS}/{made['id']}", {"name": "last_order"})
        before = await (await call(sendgrid, "GET", f"/v3/marketing/contacts/{ada.id}")).json()
        deleted = await call(sendgrid, "DELETE", f"{FIELDS}/{made['id']}")
        after = await (await call(sendgrid, "GET", f"/v3/marketing/contacts/{ada.id}")).json()

        assert made["id"].endswith("_D")
        assert (200, 204) == (renamed.status, deleted.status)
        assert {"last_order": "2026-01-02T00:00:00Z"} == before["custom_fields"]
        assert {} == after["custom_fields"]
        assert 404 == (await call(sendgrid, "DELETE", f"{FIELDS}/{made['id']}")).status

    async def test_all_fields_are_listed(self, sendgrid, call):
        """The account's own and the reserved ones, some of which can only be read."""
        field = sendgrid.field_definitions.add("plan")

        answer = await (await call(sendgrid, "GET", FIELDS)).json()

        assert [{"id": field.id, "name": "plan", "field_type": "Text"}] == answer["custom_fields"]
        reserved = {row["name"]: row for row in answer["reserved_fields"]}
        assert "_rf2_T" == reserved["email"]["id"]
        assert reserved["contact_id"]["read_only"]

    @pytest.mark.parametrize(
        "body",
        [
            {"name": "PLAN", "field_type": "Text"},
            {"name": "Email", "field_type": "Text"},
            {"name": "1st", "field_type": "Text"},
            {"name": "a b", "field_type": "Text"},
            {"name": "é", "field_type": "Text"},
            {"name": "", "field_type": "Text"},
            {"name": "x" * 101, "field_type": "Text"},
            {"name": "x", "field_type": "text"},
            {"name": "x"},
            {"field_type": "Text"},
            [],
        ],
    )
    async def test_a_bad_field_is_refused(self, sendgrid, call, body):
        """Taken in any case, reserved, badly spelt, or of a type written otherwise."""
        sendgrid.field_definitions.add("plan")

        assert 400 == (await call(sendgrid, "POST", FIELDS, body)).status
        assert 1 == len(sendgrid.field_definitions)

    async def test_five_hundred_are_the_limit(self, sendgrid, call):
        """The next one is 400."""
        for number in range(500):
            sendgrid.field_definitions.add(f"f{number}")

        answer = await call(sendgrid, "POST", FIELDS, {"name": "more", "field_type": "Text"})

        assert (400, 500) == (answer.status, len(sendgrid.field_definitions))

    @pytest.mark.parametrize(
        ("field_type", "value", "stored"),
        [
            ("Text", "x" * 1000, "x" * 1000),
            ("Text", "x" * 1001, None),
            ("Text", 1, None),
            ("Number", 1.5, 1.5),
            ("Number", "1", None),
            ("Date", "01/31/2026", "2026-01-31T00:00:00Z"),
            ("Date", "2026-01-31T10:00:00Z", "2026-01-31T10:00:00Z"),
            ("Date", "31/01/2026", None),
            ("Date", "", ""),
            ("Date", 1, None),
        ],
    )
    async def test_values_have_the_fields_type(self, sendgrid, put, field_type, value, stored):
        """Others are taken in the request, and fail in the job."""
        field = sendgrid.field_definitions.add("value", field_type)

        job = await put(sendgrid, {"email": "a@b.co", "custom_fields": {field.id: value}})

        contact = sendgrid.contacts.find("a@b.co")
        assert ("failed" if stored is None else "completed") == job["status"]
        assert stored == (contact.custom[field.id] if contact else None)

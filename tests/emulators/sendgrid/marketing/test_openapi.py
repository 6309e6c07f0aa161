"""The marketing side against SendGrid's own OpenAPI files."""

import pytest
from tests.support import openapi

needs_specs = pytest.mark.skipif(not openapi.available(), reason=f"needs ${openapi.VARIABLE}")

CONTACTS = "/v3/marketing/contacts"
LISTS = "/v3/marketing/lists"
FIELDS = "/v3/marketing/field_definitions"


@needs_specs
class TestContract:
    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [
            ("PUT", CONTACTS, {"contacts": [{"email": "a@b.co", "custom_fields": {"e1_N": 1}}]}),
            ("PUT", CONTACTS, {"contacts": [{"email": "a@b.co"}], "list_ids": ["{list}"]}),
            ("PUT", CONTACTS, {"contacts": [{"email": "nope"}]}),
            ("GET", CONTACTS, None),
            ("GET", CONTACTS + "/count", None),
            ("GET", CONTACTS + "/imports/{job}", None),
            ("GET", CONTACTS + "/imports/x", None),
            ("GET", CONTACTS + "/{contact}", None),
            ("GET", CONTACTS + "/x", None),
            ("DELETE", CONTACTS + "?ids={contact}", None),
            ("POST", CONTACTS + "/batch", {"ids": ["{contact}"]}),
            ("POST", CONTACTS + "/search/emails", {"emails": ["ada@example.museum", "b@c.co"]}),
            ("POST", CONTACTS + "/search/emails", {"emails": ["b@c.co"]}),
            ("POST", CONTACTS + "/search/emails", {"emails": ["nope"]}),
            ("POST", CONTACTS + "/search/identifiers/external_id", {"identifiers": ["u1"]}),
            ("POST", CONTACTS + "/search", {"query": "email LIKE 'a%'"}),
            ("POST", CONTACTS + "/search", {"query": "'"}),
            ("POST", CONTACTS + "/exports", {"list_ids": ["{list}"], "file_type": "csv"}),
            ("POST", CONTACTS + "/exports", {"file_type": "xml"}),
            ("GET", CONTACTS + "/exports", None),
            ("GET", CONTACTS + "/exports/{export}", None),
            ("GET", CONTACTS + "/exports/x", None),
            ("POST", "/v3/recipients/erasejob", {"email_addresses": ["ada@example.com"]}),
            ("POST", "/v3/recipients/erasejob", {"email_addresses": ["nope"]}),
            ("POST", LISTS, {"name": "News"}),
            ("POST", LISTS, {"name": ""}),
            ("GET", LISTS + "?page_size=1", None),
            ("GET", LISTS + "/{list}", None),
            ("GET", LISTS + "/x", None),
            ("PATCH", LISTS + "/{list}", {"name": "Best"}),
            ("DELETE", LISTS + "/{list}", None),
            ("DELETE", LISTS + "/{list}?delete_contacts=true", None),
            ("DELETE", LISTS + "/x", None),
            ("DELETE", LISTS + "/{list}/contacts?contact_ids={contact}", None),
            ("DELETE", LISTS + "/{list}/contacts?contact_ids=", None),
            ("GET", LISTS + "/{list}/contacts/count", None),
            ("GET", FIELDS, None),
            ("POST", FIELDS, {"name": "size", "field_type": "Text"}),
            ("POST", FIELDS, {"name": "size", "field_type": "text"}),
            ("PATCH", FIELDS + "/e1_N", {"name": "size"}),
            ("DELETE", FIELDS + "/e1_N", None),
            ("DELETE", FIELDS + "/x", None),
        ],
    )
    async def test_requests_and_answers_are_the_specifications(
        self, sendgrid, call, put, method, path, body
    ):
        """Each endpoint takes what the files describe, and answers as they do."""
        sendgrid.field_definitions.add("orders", "Number")
        named = {"list": sendgrid.lists.add("VIP").id, "contact": "", "job": ""}
        sendgrid.jobs.refused_addresses.add("eva@example.com")
        ada = {"email": "ada@example.museum", "external_id": "u1"}
        job = await put(sendgrid, ada, {"email": "eva@example.com"}, list_ids=[named["list"]])
        named |= {"job": job["id"], "contact": sendgrid.contacts.find("ada@example.museum").id}

        started = await call(sendgrid, "POST", CONTACTS + "/exports", {})
        named["export"] = (await started.json())["id"]
        await sendgrid.until(lambda: sendgrid.exports.idle)

        await call(sendgrid, method, _filled(path, named), _filled(body, named))
        await sendgrid.until(lambda: sendgrid.jobs.idle)

        openapi.assert_exchanges_valid(sendgrid.requests)

    @pytest.mark.parametrize("fault", ["401", "429", "500"])
    async def test_faults_are_errors_of_the_api(self, sendgrid, call, fault):
        """What goes wrong on purpose goes wrong in the documented shape."""
        sendgrid.faults.script([fault])

        answer = await call(sendgrid, "PUT", CONTACTS, {"contacts": [{"email": "a@b.co"}]})

        openapi.assert_response_valid("PUT", CONTACTS, answer.status, await answer.read())


def _filled(value, named):
    if isinstance(value, str):
        for name, text in named.items():
            value = value.replace("{" + name + "}", text)
        return value
    if isinstance(value, dict):
        return {key: _filled(inner, named) for key, inner in value.items()}
    return [_filled(inner, named) for inner in value] if isinstance(value, list) else value

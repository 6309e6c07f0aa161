"""Contacts over the API: taken as jobs, found by what identifies them."""

import csv
import io
import json

import pytest

from homing.emulators import MarketingSettings, SendGridEmulator, SendGridSettings

CONTACTS = "/v3/marketing/contacts"
EMAILS = CONTACTS + "/search/emails"
ADA = {"email": "ada@example.com"}
UNKNOWN_LIST = "0b1c5d5e-1111-4222-8333-444455556666"


class TestUpsert:
    async def test_a_contact_is_made_and_changed(self, sendgrid, put, call):
        """The address in lower case; what a later row leaves out, or says null, stays."""
        first = await put(sendgrid, {"email": "Ada@Example.com", "first_name": "Ada", "city": "X"})
        second = await put(sendgrid, {**ADA, "first_name": None, "city": "", "country": "UK"})
        third = await put(sendgrid, {**ADA, "country": "UK"})

        found = await (await call(sendgrid, "POST", EMAILS, {"emails": ["ADA@example.com"]})).json()
        contact = found["result"]["ada@example.com"]["contact"]
        assert [(1, 0), (0, 1), (0, 0)] == [
            (job["results"]["created_count"], job["results"]["updated_count"])
            for job in (first, second, third)
        ]
        assert ("Ada", "", "UK") == tuple(contact[k] for k in ("first_name", "city", "country"))
        assert 1 == len(sendgrid.contacts)

    async def test_nothing_is_there_before_the_job_ran(self, sendgrid, call):
        """A job that is pending has no results, and no contact is found."""
        sendgrid.jobs.held = True
        answer = await call(sendgrid, "PUT", CONTACTS, {"contacts": [ADA]})
        path = f"{CONTACTS}/imports/{(await answer.json())['job_id']}"

        pending = await (await call(sendgrid, "GET", path)).json()
        early = await call(sendgrid, "POST", EMAILS, {"emails": ["ada@example.com"]})
        sendgrid.jobs.finish_all()
        done = await (await call(sendgrid, "GET", path)).json()
        late = await call(sendgrid, "POST", EMAILS, {"emails": ["ada@example.com"]})

        assert ("pending", "upsert") == (pending["status"], pending["job_type"])
        assert not {"results", "finished_at"} & pending.keys()
        assert ("completed", 1) == (done["status"], done["results"]["created_count"])
        assert (404, 200) == (early.status, late.status)

    async def test_a_contact_may_be_seen_later_than_its_job_ends(self, call, put):
        """Searches lag behind, as long as the settings say."""
        slow = SendGridSettings(marketing=MarketingSettings(visible_after_s=3600.0))
        async with SendGridEmulator(settings=slow) as sendgrid:
            job = await put(sendgrid, ADA)

            answer = await call(sendgrid, "POST", EMAILS, {"emails": ["ada@example.com"]})

        assert "completed" == job["status"]
        assert 404 == answer.status

    async def test_lists_are_only_added_to(self, sendgrid, put):
        """An upsert without a list takes nobody off one; joining one is a change."""
        vip, news = sendgrid.lists.add("VIP"), sendgrid.lists.add("News")

        await put(sendgrid, ADA, list_ids=[vip.id])
        joined = await put(sendgrid, ADA, list_ids=[news.id, news.id])
        await put(sendgrid, ADA)

        assert (["ada@example.com"], ["ada@example.com"]) == (vip.emails, news.emails)
        assert 1 == joined["results"]["updated_count"]
        assert {vip.id, news.id} == sendgrid.contacts.find("ada@example.com").lists.keys()

    @pytest.mark.parametrize(
        ("contact", "message", "field"),
        [
            ({"email": "nope"}, "email 'nope' is not valid", "contacts[1].identifier"),
            ({"email": "é@example.com"}, "email 'é@example.com' is not valid",
             "contacts[1].identifier"),
            ({"email": 1}, "email '1' is not valid", "contacts[1].identifier"),
            ({"email": 0, "external_id": "u1"}, "email '0' is not valid",
             "contacts[1].identifier"),
            ({"email": "a@" + "b" * 250 + ".co"}, None, "contacts[1].identifier"),
            ({"first_name": "Ada"}, "at least one identifier is required",
             "contacts[1].identifier"),
            ({"email": ""}, "at least one identifier is required", "contacts[1].identifier"),
            ({"phone_number_id": "0123"}, "phone_number_id '0123' is not valid",
             "contacts[1].identifier"),
            ({**ADA, "first_name": "x" * 51}, "length should be less than or equal to 50",
             "contacts[1].first_name"),
            ({**ADA, "city": 1}, "city must be a string", "contacts[1].city"),
            ({**ADA, "frist_name": "x"}, "unknown property 'frist_name'",
             "contacts[1].frist_name"),
            ({**ADA, "alternate_emails": ["x"]}, "alternate email 'x' is not valid",
             "contacts[1].alternate_emails"),
            ({**ADA, "alternate_emails": ["a@b.co"] * 6},
             "at most 5 alternate emails can be given", "contacts[1].alternate_emails"),
            ({**ADA, "custom_fields": {"e9_T": "x"}}, "invalid custom field ids supplied",
             "contacts[1].custom_fields"),
            ({**ADA, "custom_fields": []}, "custom_fields must be an object",
             "contacts[1].custom_fields"),
            ([], "a contact must be an object", "contacts[1]"),
        ],
    )  # fmt: skip
    async def test_one_bad_row_refuses_all(self, sendgrid, call, contact, message, field):
        """400 with the place, in the shape of the marketing services; nothing is made."""
        body = {"contacts": [{"email": "eva@example.com"}, contact]}

        answer = await call(sendgrid, "PUT", CONTACTS, body)

        (error,) = (await answer.json())["errors"]
        assert (400, field) == (answer.status, error["field"])
        assert message in {None, error["message"]}
        assert 0 == len(sendgrid.jobs)

    async def test_every_bad_address_is_named(self, sendgrid, call):
        """So that whoever sent them can take them all out at once."""
        rows = [{"email": f"bad{n}"} for n in range(3)] + [ADA]

        answer = await call(sendgrid, "PUT", CONTACTS, {"contacts": rows})

        assert [f"email 'bad{n}' is not valid" for n in range(3)] == [
            error["message"] for error in (await answer.json())["errors"]
        ]

    @pytest.mark.parametrize("value", [True, [1], {"a": 1}])
    async def test_a_custom_value_is_text_or_number(self, sendgrid, call, value):
        """Nothing else fits into JSON's place for it."""
        field = sendgrid.field_definitions.add("plan")

        body = {"contacts": [{**ADA, "custom_fields": {field.id: value}}]}

        assert 400 == (await call(sendgrid, "PUT", CONTACTS, body)).status

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            ({}, 400),
            ([], 400),
            ({"contacts": []}, 400),
            ({"contacts": {}}, 400),
            ({"contacts": [ADA] * 30_001}, 400),
            ({"contacts": [ADA], "lists_ids": []}, 400),
            ({"contacts": [ADA], "list_ids": "x"}, 400),
            ({"contacts": [ADA], "list_ids": ["x"]}, 400),
            ({"contacts": [ADA], "list_ids": [UNKNOWN_LIST]}, 404),
        ],
    )
    async def test_a_bad_request_is_refused(self, sendgrid, call, body, status):
        """Too many, none, or for a list that is none; an unknown list is 404."""
        assert status == (await call(sendgrid, "PUT", CONTACTS, body)).status

    @pytest.mark.parametrize(
        "data", [b"", b"{", b'{"contacts": [{"email": "\\ud800"}]}', b"[" * 99]
    )
    async def test_what_is_no_json_is_refused(self, sendgrid, call, data):
        """400, whatever it is."""
        answer = await call(sendgrid, "PUT", CONTACTS, data=data)

        assert (400, "invalid JSON") == (
            answer.status,
            (await answer.json())["errors"][0]["message"],
        )

    async def test_six_megabytes_are_the_limit(self, sendgrid, call):
        """Even of few contacts."""
        contact = {**ADA, "postal_code": "x" * 6_000_000}
        data = io.BytesIO(json.dumps({"contacts": [contact]}).encode())

        assert 400 == (await call(sendgrid, "PUT", CONTACTS, data=data)).status

    async def test_the_largest_request_is_done(self, sendgrid, put):
        """30,000 contacts in one job."""
        job = await put(sendgrid, *({"email": f"a{n}@example.com"} for n in range(30_000)))

        assert 30_000 == job["results"]["created_count"] == len(sendgrid.contacts)


class TestJobs:
    async def test_a_value_of_the_wrong_type_fails_its_row(self, sendgrid, put, http):
        """The request is taken, the contact is not; the errors are a file that needs no key."""
        number = sendgrid.field_definitions.add("orders", "Number")
        bad = {"email": "eva@example.com", "custom_fields": {number.id: "42"}}

        job = await put(sendgrid, {**ADA, "custom_fields": {number.id: 42}}, bad)

        assert ("errored", 1, 1) == (
            job["status"], job["results"]["created_count"], job["results"]["errored_count"],
        )  # fmt: skip
        async with http.get(job["results"]["errors_url"]) as answer:
            rows = list(csv.DictReader(io.StringIO(await answer.text())))
        assert ["eva@example.com"] == [row["email"] for row in rows]
        assert sendgrid.contacts.find("eva@example.com") is None
        assert ["GET"] == [request.method for request in sendgrid.downloads]

    async def test_a_file_must_not_be_given_the_key(self, sendgrid, put, call):
        """Storage refuses it; by then the key has leaked."""
        sendgrid.jobs.refused_addresses.add("ada@example.com")
        job = await put(sendgrid, ADA)

        path = job["results"]["errors_url"].removeprefix(sendgrid.url)
        answer = await call(sendgrid, "GET", path)

        assert ("failed", 400) == (job["status"], answer.status)

    async def test_a_link_expires(self, call, put, http):
        """403 once its time is over."""
        now = [1_700_000_000.0]
        settings = SendGridSettings(clock=lambda: now[0])
        async with SendGridEmulator(settings=settings) as sendgrid:
            sendgrid.jobs.refused_addresses.add("ada@example.com")
            job = await put(sendgrid, ADA)
            now[0] += 73 * 3600

            async with http.get(job["results"]["errors_url"]) as answer:
                assert 403 == answer.status

    async def test_a_job_can_fail_as_a_whole(self, sendgrid, put):
        """Nothing of it is done; the next one is."""
        sendgrid.jobs.script(["failed"])

        failed = await put(sendgrid, ADA, {"email": "eva@example.com"})
        done = await put(sendgrid, ADA)

        assert ("failed", 2) == (failed["status"], failed["results"]["errored_count"])
        assert ("completed", 1) == (done["status"], len(sendgrid.contacts))

    async def test_jobs_happen_in_order(self, sendgrid, call):
        """Also those that waited while jobs were held."""
        sendgrid.jobs.held = True
        for city in ("Oslo", "Lisbon"):
            await call(sendgrid, "PUT", CONTACTS, {"contacts": [{**ADA, "city": city}]})

        sendgrid.jobs.held = False
        await sendgrid.until(lambda: sendgrid.jobs.idle)

        assert "Lisbon" == sendgrid.contacts.find("ada@example.com").fields["city"]

    async def test_order_can_be_lost(self, sendgrid, call):
        """SendGrid promises none: a test may let the newer job happen first."""
        sendgrid.jobs.held = True
        for city in ("Oslo", "Lisbon"):
            await call(sendgrid, "PUT", CONTACTS, {"contacts": [{**ADA, "city": city}]})
        older, newer = sendgrid.jobs

        sendgrid.jobs.finish(newer)
        pending = older.status
        sendgrid.jobs.finish_all()

        assert ("pending", "completed") == (pending, older.status)
        assert "Oslo" == sendgrid.contacts.find("ada@example.com").fields["city"]

    async def test_an_unknown_job_is_404(self, sendgrid, call):
        """So is one whose id has another shape."""
        assert 404 == (await call(sendgrid, "GET", f"{CONTACTS}/imports/x")).status


class TestIdentifiers:
    async def test_all_identifiers_must_be_given(self, sendgrid, put):
        """A contact that has two is not changed through one of them."""
        await put(sendgrid, {**ADA, "external_id": "u1"})

        partly = await put(sendgrid, {**ADA, "city": "Oslo"})
        wholly = await put(sendgrid, {**ADA, "external_id": "u1", "city": "Oslo"})

        assert ("failed", "completed") == (partly["status"], wholly["status"])

    async def test_two_contacts_are_not_merged(self, sendgrid, put):
        """Identifiers of two contacts in one row are an error."""
        await put(sendgrid, ADA, {"external_id": "u1"})

        job = await put(sendgrid, {**ADA, "external_id": "u1"})

        assert ("failed", 2) == (job["status"], len(sendgrid.contacts))


class TestSearchEmails:
    async def test_those_that_are_not_found_have_an_error(self, sendgrid, call):
        """200 as long as one is found; other addresses of a contact find it, too."""
        sendgrid.contacts.add("ada@example.com", alternate_emails=["a.l@example.com"])

        body = {"emails": ["a.l@Example.com", "bob@example.com", ""]}
        answer = await call(sendgrid, "POST", EMAILS, body)

        result = (await answer.json())["result"]
        assert 200 == answer.status
        assert {"a.l@example.com", "bob@example.com"} == result.keys()
        assert "ada@example.com" == result["a.l@example.com"]["contact"]["email"]
        assert {"error": "contact not found"} == result["bob@example.com"]

    @pytest.mark.parametrize(
        ("emails", "status"),
        [
            (["bob@example.com"], 404),
            (["nope"], 400),
            ([], 400),
            (["a@b.co"] * 101, 400),
            ([1], 400),
            ("a@b.co", 400),
        ],
    )
    async def test_what_cannot_be_searched(self, sendgrid, call, emails, status):
        """Nobody found is 404; anything that is no address is 400."""
        assert status == (await call(sendgrid, "POST", EMAILS, {"emails": emails})).status

    async def test_other_identifiers_are_searched_alike(self, sendgrid, call):
        """One type at a time, as they were written."""
        sendgrid.contacts.add("ada@example.com", external_id="U1")
        path = CONTACTS + "/search/identifiers/"

        found = await call(sendgrid, "POST", path + "external_id", {"identifiers": ["U1"]})
        lower = await call(sendgrid, "POST", path + "external_id", {"identifiers": ["u1"]})
        unknown = await call(sendgrid, "POST", path + "user_id", {"identifiers": ["u1"]})

        assert "ada@example.com" == (await found.json())["result"]["U1"]["contact"]["email"]
        assert (404, 400) == (lower.status, unknown.status)


class TestById:
    async def test_contacts_are_shown(self, sendgrid, call):
        """One by its path, several in a batch that leaves out who is not there."""
        field = sendgrid.field_definitions.add("Plan")
        ada = sendgrid.contacts.add("ada@example.com", first_name="Ada")
        ada.custom[field.id] = "pro"

        one = await (await call(sendgrid, "GET", f"{CONTACTS}/{ada.id}")).json()
        batch = await call(sendgrid, "POST", CONTACTS + "/batch", {"ids": [ada.id, "x", ada.id]})
        count = await call(sendgrid, "GET", CONTACTS + "/count")

        assert ("ada@example.com", {"Plan": "pro"}) == (one["email"], one["custom_fields"])
        assert [one] == (await batch.json())["result"]
        assert 1 == (await count.json())["contact_count"]
        assert 404 == (await call(sendgrid, "GET", f"{CONTACTS}/x")).status

    async def test_a_sample_is_shown(self, sendgrid, call):
        """The newest fifty, by their addresses; a deleted contact is on no list."""
        for number in range(60):
            sendgrid.contacts.add(f"a{number:02}@example.com")
        vip = sendgrid.lists.add("VIP")
        newest = sendgrid.contacts.find("a59@example.com")
        sendgrid.lists.put(vip.id, newest)
        sendgrid.contacts.remove(newest.id)

        answer = await (await call(sendgrid, "GET", CONTACTS)).json()

        assert [f"a{number:02}@example.com" for number in range(9, 59)] == [
            row["email"] for row in answer["result"]
        ]
        assert (59, []) == (answer["contact_count"], vip.emails)

    async def test_contacts_are_deleted_by_a_job(self, sendgrid, call):
        """Those that exist are counted; they leave every list and every index."""
        ada, eva = (sendgrid.contacts.add(f"{name}@example.com") for name in ("ada", "eva"))
        vip = sendgrid.lists.add("VIP")
        sendgrid.lists.put(vip.id, ada)

        answer = await call(sendgrid, "DELETE", f"{CONTACTS}?ids={ada.id},x,{ada.id}")
        still = sendgrid.contacts.find("ada@example.com")
        await sendgrid.until(lambda: sendgrid.jobs.idle)
        (job,) = sendgrid.jobs

        assert (202, {"job_id": job.id}) == (answer.status, await answer.json())
        assert still is ada
        assert (2, 1, "completed") == (job.requested, job.deleted, job.status)
        assert ([eva], []) == (list(sendgrid.contacts), vip.emails)
        assert "ada@example.com" not in sendgrid.contacts

    @pytest.mark.parametrize("query", ["", "?ids=", "?ids=,", "?delete_all_contacts=true"])
    async def test_all_contacts_are_never_deleted(self, sendgrid, call, query):
        """Nor are none: 400."""
        sendgrid.contacts.add("ada@example.com")

        assert 400 == (await call(sendgrid, "DELETE", CONTACTS + query)).status
        assert (1, 0) == (len(sendgrid.contacts), len(sendgrid.jobs))

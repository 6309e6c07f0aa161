"""Who may use the marketing side, and what goes wrong on purpose there as anywhere."""

import asyncio

import pytest

CONTACTS = "/v3/marketing/contacts"
ADA = {"contacts": [{"email": "ada@example.com"}]}


class TestPlan:
    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [
            ("PUT", CONTACTS, ADA),
            ("GET", CONTACTS + "/count", None),
            ("GET", "/v3/marketing/lists", None),
            ("GET", "/v3/marketing/field_definitions", None),
            ("POST", CONTACTS + "/exports", {}),
        ],
    )
    async def test_without_the_plan_all_is_forbidden(self, sendgrid, call, method, path, body):
        """403 on everything, and on nothing beside the marketing side."""
        sendgrid.no_marketing_plan = True

        assert 403 == (await call(sendgrid, method, path, body)).status
        assert 200 == (await call(sendgrid, "GET", "/v3/scopes")).status
        sendgrid.no_marketing_plan = False
        assert (await call(sendgrid, method, path, body)).status in {200, 202}


class TestScopes:
    async def test_a_key_may_only_read(self, sendgrid, call):
        """Whatever it would write is 403."""
        sendgrid.scopes.difference_update(
            {"marketing.create", "marketing.update", "marketing.delete"}
        )
        vip = sendgrid.lists.add("VIP")

        read = await call(sendgrid, "GET", "/v3/marketing/lists")
        written = [
            await call(sendgrid, method, path, body)
            for method, path, body in (
                ("PUT", CONTACTS, ADA),
                ("DELETE", CONTACTS + "?ids=x", None),
                ("POST", "/v3/marketing/lists", {"name": "News"}),
                ("DELETE", f"/v3/marketing/lists/{vip.id}/contacts?contact_ids=x", None),
                ("POST", "/v3/marketing/field_definitions", {"name": "x", "field_type": "Text"}),
            )
        ]

        assert 200 == read.status
        assert {403} == {answer.status for answer in written}


class TestFaults:
    async def test_what_is_done_behind_a_hang_is_done(self, sendgrid, call):
        """The client sees nothing, and the job runs."""
        sendgrid.faults.script(["timeout-after-accept"])

        with pytest.raises(asyncio.TimeoutError):
            await call(sendgrid, "PUT", CONTACTS, ADA, timeout_s=0.2)
        await sendgrid.until(lambda: "ada@example.com" in sendgrid.contacts)

    async def test_what_is_refused_is_not_done(self, sendgrid, call):
        """A 500 starts no job."""
        sendgrid.faults.script(["500"])

        assert 500 == (await call(sendgrid, "PUT", CONTACTS, ADA)).status
        assert 0 == len(sendgrid.jobs)

    async def test_every_answer_tells_the_rate(self, sendgrid, call):
        """Errors, too; mail/send tells nothing."""
        found = await call(sendgrid, "GET", "/v3/marketing/lists")
        missing = await call(sendgrid, "GET", "/v3/marketing/lists/x")
        sent = await call(sendgrid, "POST", "/v3/mail/send", {})

        limit = "X-RateLimit-Limit"
        assert ["60000", "60000", None] == [
            answer.headers.get(limit) for answer in (found, missing, sent)
        ]

    async def test_settling_waits_for_jobs(self, sendgrid, call):
        """Contacts are there once the emulator is idle."""
        await call(sendgrid, "PUT", CONTACTS, ADA)

        before = sendgrid.idle
        await sendgrid.settle()

        assert not before
        assert "ada@example.com" in sendgrid.contacts

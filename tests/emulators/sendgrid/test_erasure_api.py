"""Erasures over the API."""

import pytest

PATH = "/v3/recipients/erasejob"


class TestErase:
    async def test_addresses_are_taken(self, sendgrid, call):
        """202 with a job; in lower case, each once; contacts stay."""
        sendgrid.contacts.add("ada@example.com")

        answer = await call(
            sendgrid, "POST", PATH, {"email_addresses": ["Ada@example.com", "ada@example.com"]}
        )

        assert 202 == answer.status
        assert (await answer.json())["job_id"]
        assert ["ada@example.com"] == sendgrid.erased
        assert "ada@example.com" in sendgrid.contacts

    @pytest.mark.parametrize(
        "addresses",
        [None, [], "a@b.co", [1], ["nope"], ["a@b.co"] * 5_001, ["a" * 60 + "@b.co"] * 4_000],
    )
    async def test_a_bad_request_is_refused(self, sendgrid, call, addresses):
        """Too many, too large, or one that is no address."""
        answer = await call(sendgrid, "POST", PATH, {"email_addresses": addresses})

        assert (400, []) == (answer.status, sendgrid.erased)

    async def test_a_hundred_a_minute_are_the_limit(self, sendgrid, call):
        """Then 429, with the headers that tell until when; other paths go on."""
        body = {"email_addresses": ["ada@example.com"]}
        answers = [await call(sendgrid, "POST", PATH, body) for _ in range(101)]

        assert {202} == {answer.status for answer in answers[:100]}
        assert (429, "100", "0") == (
            answers[100].status,
            answers[100].headers["X-RateLimit-Limit"],
            answers[100].headers["X-RateLimit-Remaining"],
        )
        assert 200 == (await call(sendgrid, "GET", "/v3/scopes")).status

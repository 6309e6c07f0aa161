"""Searches by a query over the API."""

import pytest

SEARCH = "/v3/marketing/contacts/search"


class TestSearch:
    async def test_contacts_are_found(self, sendgrid, call):
        """On a list, by their addresses, with how many there are."""
        vip = sendgrid.lists.add("VIP")
        for name in ("ada", "eva", "bob"):
            sendgrid.lists.put(vip.id, sendgrid.contacts.add(f"{name}@example.com"))
        sendgrid.contacts.add("pat@example.com")

        query = f"email IN ('eva@example.com','pat@example.com') AND CONTAINS(list_ids, '{vip.id}')"
        answer = await (await call(sendgrid, "POST", SEARCH, {"query": query})).json()

        assert ["eva@example.com"] == [contact["email"] for contact in answer["result"]]
        assert 1 == answer["contact_count"]

    async def test_only_fifty_are_shown(self, sendgrid, call):
        """However many are meant; the count is theirs."""
        for number in range(60):
            sendgrid.contacts.add(f"a{number}@example.com")

        body = {"query": "email LIKE 'a%'"}
        answer = await (await call(sendgrid, "POST", SEARCH, body)).json()

        assert (50, 60) == (len(answer["result"]), answer["contact_count"])

    @pytest.mark.parametrize("body", [{}, {"query": 1}, {"query": "email = 'o'brien'"}, []])
    async def test_a_bad_query_is_refused(self, sendgrid, call, body):
        """400 with what is wrong."""
        answer = await call(sendgrid, "POST", SEARCH, body)

        assert 400 == answer.status
        assert (await answer.json())["errors"][0]["message"]

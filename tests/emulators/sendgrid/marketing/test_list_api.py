"""Lists over the API: made, paged, renamed, deleted, and left."""

import pytest

from homing.emulators import MarketingSettings, SendGridEmulator, SendGridSettings

LISTS = "/v3/marketing/lists"


class TestLists:
    async def test_a_list_comes_and_goes(self, sendgrid, call):
        """Made with 201, renamed, counted, deleted with 204; its contacts stay."""
        made = await call(sendgrid, "POST", LISTS, {"name": "VIP"})
        path = f"{LISTS}/{(await made.json())['id']}"
        ada = sendgrid.contacts.add("ada@example.com")
        sendgrid.lists.put(sendgrid.lists.named("VIP").id, ada)

        renamed = await call(sendgrid, "PATCH", path, {"name": "Best"})
        shown = await (await call(sendgrid, "GET", path)).json()
        deleted = await call(sendgrid, "DELETE", path)
        gone = await call(sendgrid, "GET", path)

        assert (201, 200, 204, 404) == (
            made.status, renamed.status, deleted.status, gone.status,
        )  # fmt: skip
        assert ("Best", 1) == (shown["name"], shown["contact_count"])
        assert {} == ada.lists
        assert "ada@example.com" in sendgrid.contacts

    @pytest.mark.parametrize("body", [{}, {"name": ""}, {"name": "x" * 101}, {"name": 1}, []])
    async def test_a_bad_name_is_refused(self, sendgrid, call, body):
        """Between 1 and 100 characters."""
        assert 400 == (await call(sendgrid, "POST", LISTS, body)).status

    async def test_a_name_is_one_lists(self, sendgrid, call):
        """400 for a second list of a name, and for renaming one so."""
        sendgrid.lists.add("VIP")
        other = sendgrid.lists.add("News")

        twice = await call(sendgrid, "POST", LISTS, {"name": "VIP"})
        renamed = await call(sendgrid, "PATCH", f"{LISTS}/{other.id}", {"name": "VIP"})
        same = await call(sendgrid, "PATCH", f"{LISTS}/{other.id}", {"name": "News"})

        assert (400, 400, 200) == (twice.status, renamed.status, same.status)

    async def test_pages_go_on_where_they_stopped(self, sendgrid, call):
        """``_metadata.next`` until there is none; a list deleted meanwhile moves nothing."""
        names = [f"list {number}" for number in range(5)]
        made = [sendgrid.lists.add(name) for name in names]

        first = await (await call(sendgrid, "GET", f"{LISTS}?page_size=2")).json()
        sendgrid.lists.remove(made[0].id)
        following = first["_metadata"]["next"].removeprefix(sendgrid.url)
        second = await (await call(sendgrid, "GET", following)).json()
        following = second["_metadata"]["next"].removeprefix(sendgrid.url)
        third = await (await call(sendgrid, "GET", following)).json()

        pages = (first, second, third)
        assert names == [row["name"] for page in pages for row in page["result"]]
        assert "next" not in third["_metadata"]

    async def test_pages_can_be_short(self, call):
        """The settings make several pages of few lists, whatever was asked for."""
        short = SendGridSettings(marketing=MarketingSettings(most_lists_a_page=1))
        async with SendGridEmulator(settings=short) as sendgrid:
            for name in ("a", "b"):
                sendgrid.lists.add(name)
            page = await (await call(sendgrid, "GET", f"{LISTS}?page_size=1000")).json()

        assert ["a"] == [row["name"] for row in page["result"]]
        assert "next" in page["_metadata"]

    @pytest.mark.parametrize(
        "query",
        ["page_size=0", "page_size=1001", "page_size=x", "page_token=x", "page_token=%F0%9F%98%80"],
    )
    async def test_a_bad_query_is_refused(self, sendgrid, call, query):
        """400; a token that was not given out, too."""
        assert 400 == (await call(sendgrid, "GET", f"{LISTS}?{query}")).status

    async def test_contacts_go_with_the_list_if_asked(self, sendgrid, call):
        """200 with a job that deletes them."""
        vip = sendgrid.lists.add("VIP")
        sendgrid.lists.put(vip.id, sendgrid.contacts.add("ada@example.com"))
        sendgrid.contacts.add("eva@example.com")

        answer = await call(sendgrid, "DELETE", f"{LISTS}/{vip.id}?delete_contacts=true")
        await sendgrid.until(lambda: sendgrid.jobs.idle)

        assert 200 == answer.status
        assert ["eva@example.com"] == [contact.email for contact in sendgrid.contacts]


class TestTakeOff:
    async def test_contacts_leave_by_a_job(self, sendgrid, call):
        """202; they stay contacts, and go from no other list."""
        vip, news = sendgrid.lists.add("VIP"), sendgrid.lists.add("News")
        ada = sendgrid.contacts.add("ada@example.com")
        for which in (vip, news):
            sendgrid.lists.put(which.id, ada)

        answer = await call(sendgrid, "DELETE", f"{LISTS}/{vip.id}/contacts?contact_ids={ada.id}")
        before = vip.emails
        await sendgrid.until(lambda: sendgrid.jobs.idle)
        count = await (await call(sendgrid, "GET", f"{LISTS}/{vip.id}/contacts/count")).json()

        assert 202 == answer.status
        assert (["ada@example.com"], [], ["ada@example.com"]) == (before, vip.emails, news.emails)
        assert 0 == count["contact_count"]

    async def test_who_is_not_on_it_is_passed_over(self, sendgrid, call):
        """The job is completed, and counts nobody."""
        vip, ada = sendgrid.lists.add("VIP"), sendgrid.contacts.add("ada@example.com")

        await call(sendgrid, "DELETE", f"{LISTS}/{vip.id}/contacts?contact_ids={ada.id}")
        await sendgrid.until(lambda: sendgrid.jobs.idle)

        assert [("completed", 0)] == [(job.status, job.deleted) for job in sendgrid.jobs]

    @pytest.mark.parametrize(
        ("list_id", "query", "status"),
        [("{vip}", "", 400), ("{vip}", "?contact_ids=,", 400), ("x", "?contact_ids={ada}", 404),
         ("{vip}", "?contact_ids=x", 404)],
    )  # fmt: skip
    async def test_what_is_not_there_is_named(self, sendgrid, call, list_id, query, status):
        """Unknown list or contact: 404; no contact at all: 400."""
        vip, ada = sendgrid.lists.add("VIP"), sendgrid.contacts.add("ada@example.com")
        path = f"{LISTS}/{list_id}/contacts{query}".format(vip=vip.id, ada=ada.id)

        answer = await call(sendgrid, "DELETE", path)

        assert (status, 0) == (answer.status, len(sendgrid.jobs))

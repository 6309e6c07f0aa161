"""The debugger: what came home, for people."""

import re

import pytest

HOSTILE = '"><script>alert(1)</script>'


async def text_at(http, url):
    async with http.get(url) as response:
        assert 200 == response.status
        return await response.text()


class TestPages:
    async def test_it_is_empty_at_first(self, segment, http):
        """It says so, and comes up under the root too."""
        assert "Nothing has come home so far." in await text_at(http, segment.url + "/")

    async def test_messages_are_listed_newest_first(self, segment, post, http):
        """With name and person; discarded ones with their code."""
        for name in ("Email Delivered", "Email Opened"):
            await post(segment, "/v1/track", {"userId": "u1", "event": name})
        await post(segment, "/v1/track", {"userId": "u1"})

        page = await text_at(http, segment.url + "/debugger")

        assert page.index("Email Opened") < page.index("Email Delivered")
        assert "event_not_defined" in page
        assert "2 received, 0 repeated, 1 discarded" in page

    async def test_a_message_leads_to_its_person(self, segment, post, http):
        """From the list to the message to the profile."""
        body = {"userId": "u/1?", "traits": {"email": "a@b.co", "plan": "pro"}, "messageId": "m/1#"}
        await post(segment, "/v1/identify", body)

        page = await text_at(http, segment.url + "/debugger")
        (message,) = re.findall(r'href="(/debugger/[^"]+)"', page)
        page = await text_at(http, segment.url + message)
        (profile,) = re.findall(r'href="(/profiles/[^"]+)"', page)
        page = await text_at(http, segment.url + profile)

        assert "plan" in page
        assert "a@b.co" in page

    async def test_hostile_messages_stay_text(self, segment, post, http):
        """Everything shown is escaped, and no script may run."""
        message = {
            "userId": HOSTILE, "event": HOSTILE, "properties": {HOSTILE: HOSTILE},
            "context": {"traits": {HOSTILE: HOSTILE}}, "messageId": "m1",
        }  # fmt: skip
        await post(segment, "/v1/track", message)
        await post(segment, "/v1/track", {"userId": "u", "event": {HOSTILE: HOSTILE}})

        page = await text_at(http, segment.url + "/debugger/m1")
        (profile,) = re.findall(r'href="(/profiles/[^"]+)"', page)
        for path in ("/debugger", "/debugger/m1", profile):
            async with http.get(segment.url + path) as response:
                assert "<script" not in await response.text()
                assert "default-src 'none'" in response.headers["Content-Security-Policy"]

    @pytest.mark.parametrize("path", ["/debugger/nothing", "/profiles/user_id/nobody"])
    async def test_what_is_not_there_is_404(self, segment, http, path):
        """With a page that says so."""
        async with http.get(segment.url + path) as response:
            assert 404 == response.status
            assert "There is no" in await response.text()

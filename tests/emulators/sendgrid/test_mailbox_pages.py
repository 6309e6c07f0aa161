"""The mailbox in a browser's eyes, and what hostile mail cannot do there."""

import re

import pytest
from tests.support.sendgrid_mail import TEMPLATE, mail, template_mail

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>'


def told(emulator):
    return [event["event"] for event in emulator.events]


async def text_at(http, url, **options):
    async with http.get(url, **options) as response:
        assert 200 == response.status
        return await response.text()


@pytest.fixture
async def sent(sendgrid, call):
    """Send one mail with two links, and wait until it is delivered."""
    html = (
        '<p><a href="https://shop.example/a?x=1&amp;y=2">A</a>'
        ' <a href="http://127.0.0.1:9/b">B</a></p>'
    )
    await call(
        sendgrid, "POST", "/v3/mail/send", mail(content=[{"type": "text/html", "value": html}])
    )
    await sendgrid.settle()
    sendgrid.events.clear()
    return sendgrid


class TestList:
    async def test_it_is_empty_at_first(self, sendgrid, http):
        """It says so, and comes up under the root too."""
        assert "No mail so far." in await text_at(http, sendgrid.url + "/")

    async def test_mails_are_listed_newest_first(self, sendgrid, call, http):
        """With address, subject and status."""
        for name in ("ada", "bounce"):
            await call(sendgrid, "POST", "/v3/mail/send", mail(f"{name}@example.com", subject=name))
        await sendgrid.settle()

        page = await text_at(http, sendgrid.url + "/mailbox")

        assert page.index("bounce@example.com") < page.index("ada@example.com")
        assert "delivered" in page

    async def test_one_address_can_be_asked_for(self, sendgrid, call, http):
        """Others are left out; case does not matter."""
        for name in ("ada", "eva"):
            await call(sendgrid, "POST", "/v3/mail/send", mail(f"{name}@example.com"))

        page = await text_at(http, sendgrid.url + "/mailbox?to=ADA@example.com")

        assert "ada@example.com" in page
        assert "eva@example.com" not in page

    async def test_the_list_opens_nothing(self, sent, http):
        """Only a mail's own page does."""
        await text_at(http, sent.url + "/mailbox")

        assert [] == told(sent)


class TestMail:
    async def test_looking_at_a_mail_opens_it(self, sent, http):
        """One open a look, by a person, with the browser's name."""
        await text_at(http, sent.url + "/mailbox/1", headers={"User-Agent": "Firefox"})

        (event,) = sent.events
        assert ("open", False, "Firefox") == (
            event["event"], event["sg_machine_open"], event["useragent"]
        )  # fmt: skip

    async def test_the_frame_does_not_open_it_again(self, sent, http):
        """The body is part of the same look."""
        await text_at(http, sent.url + "/mailbox/1/body")
        async with http.head(sent.url + "/mailbox/1") as response:
            assert 405 == response.status

        assert [] == told(sent)

    async def test_the_pixel_opens_it(self, sent, http):
        """For whoever shows the HTML elsewhere."""
        async with http.get(sent.url + "/open/1.gif") as response:
            assert (await response.read()).startswith(b"GIF89a")

        assert ["open"] == told(sent)

    async def test_untracked_opens_are_not_told(self, sendgrid, call, http):
        """The mail's own settings say what is tracked."""
        tracking = {"open_tracking": {"enable": False}, "click_tracking": {"enable": False}}
        html = [{"type": "text/html", "value": '<a href="https://a.b/">x</a>'}]
        await call(
            sendgrid, "POST", "/v3/mail/send", mail(tracking_settings=tracking, content=html)
        )
        await sendgrid.settle()

        await text_at(http, sendgrid.url + "/mailbox/1")

        assert '<a href="https://a.b/">x</a>' in await text_at(
            http, sendgrid.url + "/mailbox/1/body"
        )
        assert ["processed", "delivered"] == told(sendgrid)

    async def test_buttons_work_without_a_script(self, sent, http):
        """Spam and machine opens are forms; the page that follows opens nothing."""
        async with http.post(sent.url + "/mailbox/1/spam") as response:
            assert "Marked as spam" in await response.text()
        async with http.post(sent.url + "/mailbox/1/machine-open") as response:
            assert "Opened by a machine" in await response.text()

        assert ["spamreport", "open"] == told(sent)
        assert sent.events[1]["sg_machine_open"]
        assert sent.suppressions.find("spam_reports", "ada@example.com")

    async def test_what_happened_is_told_in_order(self, sent, http):
        """The page says what became of the mail; to look again is not to open it again."""
        await text_at(http, sent.url + "/mailbox/1")
        sent.recipients.click(sent.accepted[0])
        page = await text_at(http, sent.url + "/mailbox/1?look=again")

        assert ["open", "click"] == told(sent)
        assert ["processed", "delivered", "open", "click"] == re.findall(
            r'<li><span class="state (\w+)">', page
        )
        assert "https://shop.example/a?x=1&amp;y=2" in page

    async def test_a_template_that_failed_says_why(self, sendgrid, call, http):
        """The error stands where the mail would."""
        sendgrid.add_template(TEMPLATE, subject="s", html="{{#each}")
        await call(sendgrid, "POST", "/v3/mail/send", template_mail({}))

        assert "could not be rendered" in await text_at(http, sendgrid.url + "/mailbox/1")
        assert "could not be rendered" in await text_at(http, sendgrid.url + "/mailbox")

    @pytest.mark.parametrize(
        "path",
        ["/mailbox/2", "/mailbox/x", "/mailbox/-1", "/mailbox/2/body", "/click/1/9", "/click/9/0",
         "/click/1/x", "/unsubscribe/9", "/mailbox/" + "9" * 5000],
    )  # fmt: skip
    async def test_what_is_not_there_is_404(self, sent, http, path):
        """With a page that says so, and no event."""
        async with http.get(sent.url + path) as response:
            assert 404 == response.status
        assert [] == told(sent)


class TestClick:
    async def test_links_are_rewritten_and_work(self, sent, http):
        """A click is told with the old target and its place, then leads there."""
        body = await text_at(http, sent.url + "/mailbox/1/body")

        first, second = re.findall(r'href="(/click/[^"]+)"', body)
        page = await text_at(http, sent.url + first)
        async with http.get(sent.url + second, allow_redirects=False) as response:
            assert (302, "http://127.0.0.1:9/b") == (response.status, response.headers["Location"])

        assert "https://shop.example/a?x=1&amp;y=2" in page
        assert [("https://shop.example/a?x=1&y=2", 0), ("http://127.0.0.1:9/b", 1)] == [
            (event["url"], event["url_offset"]["index"]) for event in sent.events
        ]

    async def test_clicks_by_a_test_are_the_same(self, sent):
        """The emulator's recipients can be told to click."""
        assert "http://127.0.0.1:9/b" == sent.recipients.click(sent.accepted[0], 1)
        assert sent.recipients.click(sent.accepted[0], 2) is None
        assert sent.recipients.click(sent.accepted[0], -1) is None
        assert ["click"] == told(sent)


class TestUnsubscribe:
    async def test_without_a_group_it_is_global(self, sent, http):
        """The footer's link unsubscribes at once, and once."""
        assert "/unsubscribe/1" in await text_at(http, sent.url + "/mailbox/1/body")

        page = await text_at(http, sent.url + "/unsubscribe/1")
        await text_at(http, sent.url + "/unsubscribe/1")

        assert "You are unsubscribed" in page
        assert ["unsubscribe"] == told(sent)
        assert sent.suppressions.find("unsubscribes", "ada@example.com")

    async def test_coming_back_from_everything_tells_nothing(self, sent, http):
        """SendGrid has no event for it; the list is what changes."""
        await text_at(http, sent.url + "/unsubscribe/1")
        async with http.post(sent.url + "/resubscribe/1") as response:
            page = await response.text()

        assert "You are subscribed" in page
        assert "SendGrid has no event for this" in page
        assert ["unsubscribe"] == told(sent)
        assert not sent.suppressions.find("unsubscribes", "ada@example.com")

    async def test_with_a_group_it_is_the_groups(self, sendgrid, call, http):
        """Leave, come back, leave everything: three events."""
        await call(sendgrid, "POST", "/v3/mail/send", mail(asm={"group_id": 12345}))
        await sendgrid.settle()
        sendgrid.events.clear()

        assert "Newsletter" in await text_at(http, sendgrid.url + "/unsubscribe/1")
        async with http.post(sendgrid.url + "/resubscribe/1") as response:
            assert "You are subscribed" in await response.text()
        async with http.post(sendgrid.url + "/unsubscribe/1/all") as response:
            assert "You are unsubscribed" in await response.text()

        assert ["group_unsubscribe", "group_resubscribe", "unsubscribe"] == told(sendgrid)
        assert [12345, 12345, None] == [e.get("asm_group_id") for e in sendgrid.events]

    async def test_a_deleted_groups_link_is_global(self, sendgrid, call, http):
        """So says the specification of deleting a group."""
        await call(sendgrid, "POST", "/v3/mail/send", mail(asm={"group_id": 12345}))
        await call(sendgrid, "DELETE", "/v3/asm/groups/12345")

        await text_at(http, sendgrid.url + "/unsubscribe/1")

        assert sendgrid.suppressions.find("unsubscribes", "ada@example.com")

    async def test_one_click_works(self, sent, http):
        """A mail program posts to the same address."""
        async with http.post(
            sent.url + "/unsubscribe/1", data="List-Unsubscribe=One-Click"
        ) as answer:
            assert 200 == answer.status

        assert ["unsubscribe"] == told(sent)


class TestHostileMail:
    async def test_nothing_of_a_mail_is_markup_of_the_page(self, sendgrid, call, http):
        """Subject, names, arguments, data: all escaped."""
        body = mail(
            subject=HOSTILE,
            personalizations=[{"to": [{"email": "ada@example.com", "name": HOSTILE}]}],
            custom_args={HOSTILE: HOSTILE},
            categories=["<b>"],
            **{"from": {"email": "a@b.co", "name": HOSTILE}},
        )
        await call(sendgrid, "POST", "/v3/mail/send", body)
        await call(sendgrid, "POST", "/v3/mail/send", template_mail({"x": HOSTILE}))

        for path in ("/mailbox", "/mailbox/1", "/mailbox/2", "/mailbox?to=" + HOSTILE):
            page = await text_at(http, sendgrid.url + path)
            assert "<script" not in page
            assert "<img" not in page
            assert "onerror" not in page.replace("onerror=alert(2)&gt;", "")

    async def test_the_mails_html_is_locked_in(self, sent, http):
        """A sandboxed frame, and a policy of its own without scripts, forms or requests."""
        page = await text_at(http, sent.url + "/mailbox/1")
        async with http.get(sent.url + "/mailbox/1/body") as response:
            policy = response.headers["Content-Security-Policy"]

        frame = re.search(r"<iframe[^>]*>", page)
        assert frame is not None
        assert "sandbox=" in frame.group()
        assert "allow-scripts" not in frame.group()
        assert "allow-same-origin" not in frame.group()
        for part in ("default-src 'none'", "form-action 'none'", "base-uri 'none'", "sandbox "):
            assert part in policy
        assert "allow-scripts" not in policy

    @pytest.mark.parametrize("path", ["/mailbox", "/mailbox/1", "/unsubscribe/1", "/mailbox/9"])
    async def test_pages_need_nothing_from_elsewhere(self, sent, http, path):
        """No script, no inline style, no external address; the policy forbids them too."""
        async with http.get(sent.url + path) as response:
            page, policy = await response.text(), response.headers["Content-Security-Policy"]

        assert "default-src 'none'" in policy
        assert not re.search(r"<script|<style|\sstyle=|\son\w+=|(src|href)=\"(https?:)?//", page)

    async def test_the_stylesheet_is_served(self, sent, http):
        """The one file the pages ask for, in light and dark."""
        assert "prefers-color-scheme: dark" in await text_at(
            http, sent.url + "/static/emulators.css"
        )

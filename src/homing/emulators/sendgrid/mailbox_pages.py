"""The mailbox as pages: mail to read, links that work, and what a recipient can do."""

import asyncio
from collections.abc import Callable
from html import escape
from itertools import islice
from typing import Final
from urllib.parse import quote, urlsplit

from aiohttp import web

from homing.emulators.pages import Pages, pretty, stylesheet_route
from homing.emulators.sendgrid.account import Account, Handler
from homing.emulators.sendgrid.mail import AcceptedMail
from homing.emulators.sendgrid.markup import rewritten, with_footer
from homing.emulators.sendgrid.recipient import Recipients
from homing.emulators.sendgrid.rendering import Rendering

#: How many mails the list shows.
SHOWN: Final = 100

#: The mail's own HTML may show itself and images, and nothing else: no script,
#: no form, no frame, no request elsewhere. It may open links.
MAIL_POLICY: Final = (
    "default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'self';"
    " sandbox allow-popups allow-popups-to-escape-sandbox"
    " allow-top-navigation-by-user-activation"
)

_PIXEL: Final = bytes.fromhex(
    "47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b"
)
_NOTES: Final = {
    "spam": "Marked as spam: the address is suppressed from now on.",
    "machine": "Opened by a machine, as mail programs do that load everything in advance.",
}
_FOOTER: Final = (
    '<p style="font:12px/1.5 sans-serif;color:#777;text-align:center;margin:24px 0">{}</p>'
)
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})

_Act = Callable[[AcceptedMail], object]


class MailboxPages:
    """
    Pages over the accepted mail.

    To look at a mail's page is to open it, but for coming back to it with a
    note or ``?look=again``; so is loading its pixel, which the page's own
    rendition leaves out.
    """

    def __init__(
        self, account: Account, rendering: Rendering, recipients: Recipients, *, pages: Pages
    ) -> None:
        self._pages = pages
        self._account = account
        self._rendering = rendering
        self._recipients = recipients

    def routes(self) -> list[web.RouteDef]:
        """List the pages; a HEAD request opens and clicks nothing."""
        one = "/mailbox/{id}"
        return [
            stylesheet_route(),
            web.get("/", self._home),
            web.get("/mailbox", self._list),
            web.get(one, self._mail, allow_head=False),
            web.get(one + "/body", self._body, allow_head=False),
            web.post(one + "/spam", self._after(self._recipients.report_spam, "spam")),
            web.post(one + "/machine-open", self._after(self._recipients.machine_open, "machine")),
            web.get("/open/{id}.gif", self._pixel, allow_head=False),
            web.get("/click/{id}/{index}", self._click, allow_head=False),
            web.get("/unsubscribe/{id}", self._unsubscribe, allow_head=False),
            web.post("/unsubscribe/{id}", self._unsubscribe),
            web.post("/unsubscribe/{id}/all", self._unsubscribe_from_all),
            web.post("/resubscribe/{id}", self._resubscribe),
        ]

    async def _home(self, _: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "/mailbox"})

    async def _list(self, request: web.Request) -> web.Response:
        mailbox = self._account.mailbox
        to = request.query.get("to", "").strip()
        chosen = reversed(mailbox.to(to)) if to else mailbox.newest()
        mails = [(mail, await self._rendering.render(mail)) for mail in [*islice(chosen, SHOWN)]]
        return self._pages.show("mailbox.html", mails=mails, total=mailbox.total, to=to)

    async def _mail(self, request: web.Request) -> web.Response:
        mail = self._found(request)
        if mail is None:
            return self._pages.missing("mail")
        content = await self._rendering.render(mail)
        note = _NOTES.get(request.query.get("note", ""), "")
        if not (note or "look" in request.query):
            self._recipients.open(mail, user_agent=_user_agent(request))
        return self._pages.show(
            "mail.html",
            mail=mail,
            content=content,
            note=note,
            data=pretty(mail.template_data),
            to_url=f"/mailbox?to={quote(mail.to)}",
        )

    async def _body(self, request: web.Request) -> web.Response:
        mail = self._found(request)
        if mail is None:
            return self._pages.missing("mail")
        content = await self._rendering.render(mail)
        html = content.html or f"<pre>{escape(content.text)}</pre>"
        # A large mail must not hold up the API meanwhile.
        sent = await asyncio.to_thread(self._sent, mail, html)
        # Links leave the frame; a mail's own <base> comes second and is ignored.
        text = f'<!doctype html><meta charset="utf-8"><base target="_top">{sent}'
        return web.Response(
            text=text,
            content_type="text/html",
            headers={
                "Content-Security-Policy": MAIL_POLICY,
                "X-Content-Type-Options": "nosniff",
                "Referrer-Policy": "no-referrer",
            },
        )

    def _sent(self, mail: AcceptedMail, html: str) -> str:
        tracking = mail.body.tracking_settings
        if tracking.is_on("click_tracking"):
            html, mail.links = rewritten(html, lambda index, _: f"/click/{mail.id}/{index}")
        if not tracking.is_on("subscription_tracking") and mail.group_id is None:
            return html
        link = f'<a href="/unsubscribe/{mail.id}">Unsubscribe</a>'
        return with_footer(html, _FOOTER.format(link))

    async def _pixel(self, request: web.Request) -> web.Response:
        mail = self._found(request)
        if mail is not None:
            self._recipients.open(mail, user_agent=_user_agent(request))
        return web.Response(
            body=_PIXEL, content_type="image/gif", headers={"Cache-Control": "no-store"}
        )

    async def _click(self, request: web.Request) -> web.Response:
        mail, index = self._found(request), _number(request.match_info["index"])
        if mail is None or index is None:
            return self._pages.missing("link")
        await self._rendering.render(mail)
        target = self._recipients.click(mail, index, user_agent=_user_agent(request))
        if target is None:
            return self._pages.missing("link")
        if urlsplit(target).hostname in _LOOPBACK:
            return web.Response(status=302, headers={"Location": target})
        return self._pages.show("leaving.html", target=target, mail_id=mail.id)

    async def _unsubscribe(self, request: web.Request) -> web.Response:
        return self._changed(request, self._recipients.unsubscribe)

    async def _unsubscribe_from_all(self, request: web.Request) -> web.Response:
        return self._changed(request, self._recipients.unsubscribe_from_all)

    async def _resubscribe(self, request: web.Request) -> web.Response:
        return self._changed(request, self._recipients.resubscribe)

    def _changed(self, request: web.Request, act: _Act) -> web.Response:
        mail = self._found(request)
        if mail is None:
            return self._pages.missing("mail")
        act(mail)
        group = self._account.suppressions.groups.get(mail.group_id or -1)
        everything = self._account.suppressions.find("unsubscribes", mail.to) is not None
        return self._pages.show(
            "unsubscribed.html",
            gone=everything or self._recipients.is_unsubscribed(mail),
            group=group.name if group and not everything else "",
            email=mail.to,
            mail_id=mail.id,
        )

    def _after(self, act: _Act, note: str) -> Handler:
        async def serve(request: web.Request) -> web.Response:
            mail = self._found(request)
            if mail is None:
                return self._pages.missing("mail")
            act(mail)
            return web.Response(status=303, headers={"Location": f"/mailbox/{mail.id}?note={note}"})

        return serve

    def _found(self, request: web.Request) -> AcceptedMail | None:
        mail_id = _number(request.match_info["id"])
        return None if mail_id is None else self._account.mailbox.by_id(mail_id)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


def _user_agent(request: web.Request) -> str:
    return request.headers.get("User-Agent", "")

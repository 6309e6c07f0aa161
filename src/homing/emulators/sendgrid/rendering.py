"""Make what the recipient reads: by Handlebars from a template, or from the parts sent."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from html import escape
from typing import Final

from homing.adapters.render import HandlebarsRenderer, RenderError
from homing.emulators.pages import pretty
from homing.emulators.sendgrid.mail import AcceptedMail, MailContent
from homing.emulators.sendgrid.markup import text_of
from homing.emulators.sendgrid.templates import Template, Templates

#: CPU seconds for one part; generous, for the clock is the whole process's.
TIME_LIMIT_S: Final = 2.0


class Rendering:
    """Render mails, each at most once."""

    def __init__(self, templates: Templates) -> None:
        self._templates = templates
        self._thread: ThreadPoolExecutor | None = None
        self._handlebars = HandlebarsRenderer(TIME_LIMIT_S)

    def needs_template(self, mail: AcceptedMail) -> bool:
        """Tell whether a mail has to go through Handlebars."""
        return mail.template_id is not None and mail.template_id in self._templates

    async def render(self, mail: AcceptedMail) -> MailContent:
        """Render a mail beside the event loop."""
        if mail.content is None:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._executor(), self.render_now, mail)
        return self.render_now(mail)

    def render_now(self, mail: AcceptedMail) -> MailContent:
        """Render a mail in this thread."""
        if mail.content is None:
            in_template = self.needs_template(mail)
            mail.content = self._render(mail) if in_template else _sent_parts(mail)
        return mail.content

    def close(self) -> None:
        """End the engine's thread."""
        if self._thread is not None:
            self._thread.shutdown(wait=True, cancel_futures=True)

    def _executor(self) -> ThreadPoolExecutor:
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="sendgrid-handlebars")
        return self._thread

    def _render(self, mail: AcceptedMail) -> MailContent:
        template = self._templates.find(mail.template_id or "")
        if template is None:
            return MailContent("", "", "", error=f"template {mail.template_id} was deleted")
        try:
            return _rendered(self._handlebars, template, mail)
        except RenderError as error:
            return MailContent("", "", "", error=str(error))


def _rendered(
    handlebars: HandlebarsRenderer, template: Template, mail: AcceptedMail
) -> MailContent:
    unsubscribe = f"/unsubscribe/{mail.id}"
    data = {
        "unsubscribe": unsubscribe,
        "unsubscribe_preferences": unsubscribe,
        **mail.template_data,
    }
    html = handlebars.render(template.html, data)
    text = handlebars.render(template.text, data, escape=False) if template.text else text_of(html)
    return MailContent(handlebars.render(template.subject, data), html, text)


def _sent_parts(mail: AcceptedMail) -> MailContent:
    parts = {part.type: part.value or "" for part in mail.body.content or ()}
    subject = mail.personalization.subject or mail.body.subject or ""
    if mail.template_id is not None and not parts:
        return _unknown_template(mail, subject)
    html, text = parts.get("text/html", ""), parts.get("text/plain", "")
    return MailContent(
        _substituted(subject, mail),
        _substituted(html, mail),
        _substituted(text, mail) or text_of(html),
    )


def _substituted(text: str, mail: AcceptedMail) -> str:
    for tag, value in (mail.personalization.substitutions or {}).items():
        text = text.replace(tag, value) if tag else text
    return text


_UNKNOWN: Final = """<p>The emulator has no template <code>{id}</code>. It was given:</p>
<pre>{data}</pre>
"""


def _unknown_template(mail: AcceptedMail, subject: str) -> MailContent:
    data = pretty(mail.template_data)
    html = _UNKNOWN.format(id=escape(mail.template_id or ""), data=escape(data))
    return MailContent(subject or f"(template {mail.template_id})", html, data)

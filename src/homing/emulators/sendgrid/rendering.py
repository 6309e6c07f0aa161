"""Make what the recipient reads: by Handlebars from a template, or from the parts sent."""

import asyncio
import importlib
from concurrent.futures import ThreadPoolExecutor
from html import escape
from typing import Any, Final, Protocol

import orjson

from homing.emulators.sendgrid.mail import AcceptedMail, MailContent
from homing.emulators.sendgrid.markup import text_of
from homing.emulators.sendgrid.templates import Template, Templates


class Renderer(Protocol):
    """What is asked of Handlebars."""

    def render(self, template: str, data: Any) -> str:  # noqa: ANN401 - any JSON object
        """Render one template."""


class Rendering:
    """
    Render mails, each at most once.

    Handlebars lives in one thread of its own, made with the first template:
    its engine belongs to the thread that made it.
    """

    def __init__(self, templates: Templates) -> None:
        self._templates = templates
        self._thread: ThreadPoolExecutor | None = None
        self._handlebars: Renderer | None = None

    def needs_template(self, mail: AcceptedMail) -> bool:
        """Tell whether a mail has to go through Handlebars."""
        return mail.template_id is not None and mail.template_id in self._templates

    async def render(self, mail: AcceptedMail) -> MailContent:
        """Render a mail in the engine's thread."""
        if mail.content is None and self.needs_template(mail):
            loop = asyncio.get_running_loop()
            mail.content = await loop.run_in_executor(self._executor(), self._render, mail)
        return self.render_now(mail)

    def render_now(self, mail: AcceptedMail) -> MailContent:
        """Render a mail and wait for it."""
        if mail.content is None and self.needs_template(mail):
            mail.content = self._executor().submit(self._render, mail).result()
        elif mail.content is None:
            mail.content = _sent_parts(mail)
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
        adapter: Any = importlib.import_module("homing.adapters.render")
        if self._handlebars is None:
            self._handlebars = adapter.HandlebarsRenderer()
        try:
            return _rendered(self._handlebars, template, mail)
        except adapter.RenderError as error:
            return MailContent("", "", "", error=str(error))


def _rendered(handlebars: Renderer, template: Template, mail: AcceptedMail) -> MailContent:
    data = mail.template_data
    html = handlebars.render(template.html, data)
    text = handlebars.render(template.text, data) if template.text else text_of(html)
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
    data = orjson.dumps(mail.template_data, option=orjson.OPT_INDENT_2).decode()
    html = _UNKNOWN.format(id=escape(mail.template_id or ""), data=escape(data))
    return MailContent(subject or f"(template {mail.template_id})", html, data)

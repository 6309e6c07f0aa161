"""Emails whose templates are ours, rendered off the event loop: answers ``ports.Renderer``."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import orjson

from homing.adapters.render.handlebars import HandlebarsRenderer
from homing.core.mail import Rendered

if TYPE_CHECKING:
    from collections.abc import Mapping

    from homing.core.plans import Email


class EmailRenderer:
    """Renders in a thread of its own, made when first needed."""

    def __init__(self) -> None:
        self._renderer: HandlebarsRenderer | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="render")

    async def email(self, email: Email, data: bytes) -> Rendered:
        """
        Render an email's subject, HTML and text.

        Raises:
            RenderError: A template cannot be rendered with this data.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self.rendered, email, orjson.loads(data))

    def rendered(self, email: Email, data: Mapping[str, object]) -> Rendered:
        """Render in the calling thread; only text is escaped as HTML that becomes HTML."""
        if self._renderer is None:
            self._renderer = HandlebarsRenderer()
        render = self._renderer.render
        return Rendered(
            subject=render(email.subject or "", data, escape=False),
            html=None if email.html is None else render(email.html, data),
            text=None if email.text is None else render(email.text, data, escape=False),
        )

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)

"""One mail to one recipient, from its acceptance on."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from homing.emulators.sendgrid.mail_body import Address, MailBody, Personalization


@dataclass(frozen=True, slots=True)
class MailContent:
    """
    What the recipient reads.

    Args:
        error: Why the template could not be rendered; the parts are empty then.
    """

    subject: str
    html: str
    text: str
    error: str | None = None


class Happened(NamedTuple):
    """One thing that happened to a mail: when (Unix time), the event's name, what is to say."""

    at: float
    name: str
    detail: str = ""


@dataclass(slots=True, eq=False)
class AcceptedMail:
    """
    One accepted mail: one a recipient, cc and bcc included.

    Args:
        id: Counts from 1 in order of acceptance; names the mail on the pages.

        sequence: Of the request in the ledger.

        message_id: The ``X-Message-Id`` of the answer, shared by all mails of a request.

        index: Of this recipient within the request, from 0.

        custom_args: Root and personalization merged.

        read: Renders the content if need be, and waits for it.

        history: What happened to it, oldest first; the newest hundred.

        opened: Whether a person did.

        content: Once it was rendered.
    """

    id: int
    sequence: int
    message_id: str
    index: int
    accepted_at: float
    to: str
    to_name: str
    body: MailBody
    personalization: Personalization
    custom_args: Mapping[str, str]
    read: "Callable[[AcceptedMail], MailContent]"
    history: deque[Happened] = field(default_factory=lambda: deque(maxlen=100))
    opened: bool = False
    content: MailContent | None = None
    links: list[str] = field(default_factory=list)

    @property
    def status(self) -> str:
        """The last event's name; ``accepted`` before the first."""
        return self.history[-1].name if self.history else "accepted"

    @property
    def subject(self) -> str:
        """The subject as the recipient reads it; rendered now if it was not."""
        return self.read(self).subject

    @property
    def html(self) -> str:
        """The HTML as the recipient gets it, but for tracked links and footer."""
        return self.read(self).html

    @property
    def text(self) -> str:
        """The plain text; made from the HTML when none was sent."""
        return self.read(self).text

    @property
    def sender(self) -> Address:
        """Who it is from."""
        sender = self.personalization.from_ or self.body.from_
        return sender if sender is not None else Address()

    @property
    def template_id(self) -> str | None:
        """The template, if any."""
        return self.body.template_id

    @property
    def template_data(self) -> Mapping[str, Any]:
        """The ``dynamic_template_data``."""
        return self.personalization.dynamic_template_data or {}

    @property
    def categories(self) -> list[str]:
        """The categories, in the order given."""
        return self.body.categories or []

    @property
    def group_id(self) -> int | None:
        """The unsubscribe group, if any."""
        return self.body.asm.group_id if self.body.asm else None

    @property
    def headers(self) -> dict[str, str]:
        """Headers of root and personalization, merged; the personalization wins."""
        return {**(self.body.headers or {}), **(self.personalization.headers or {})}

    @property
    def sg_message_id(self) -> str:
        """The id in events: ``X-Message-Id``, an internal suffix, the recipient, a counter."""
        suffix = f"recvd-5f54b5d587-77c6v-1-{int(self.accepted_at):X}"
        return f"{self.message_id}.{suffix}-{self.index}.0"

    @property
    def smtp_id(self) -> str:
        """The ``smtp-id`` in events, shared by all mails of a request."""
        return f"<{self.message_id}@ismtpd0006p1iad2.sendgrid.net>"


def mails_of(
    body: MailBody,
    message_id: str,
    *,
    sequence: int,
    first_id: int,
    at: float,
    read: Callable[[AcceptedMail], MailContent],
) -> Iterator[AcceptedMail]:
    """Make one mail of every recipient of a valid body."""
    index = 0
    for block in body.personalizations or ():
        custom_args = {**(body.custom_args or {}), **(block.custom_args or {})}
        for _, _, address in block.recipients():
            yield AcceptedMail(
                id=first_id + index,
                sequence=sequence,
                message_id=message_id,
                index=index,
                accepted_at=at,
                to=address.email or "",
                to_name=address.name or "",
                body=body,
                personalization=block,
                custom_args=custom_args,
                read=read,
            )
            index += 1

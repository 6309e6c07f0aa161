"""All accepted mail, the newest N."""

from homing.emulators.newest import Newest
from homing.emulators.sendgrid.mail import AcceptedMail


class Mailbox(Newest[AcceptedMail]):
    """The newest accepted mails, oldest first; older ones are forgotten, with their links."""

    def __init__(self, keep: int) -> None:
        super().__init__(keep)
        self._by_id: dict[int, AcceptedMail] = {}

    def append(self, row: AcceptedMail, size: int = 0) -> None:
        """Add a mail whose id is one more than `total`."""
        self._by_id[row.id] = row
        super().append(row, size)

    def forgotten(self, row: AcceptedMail) -> None:
        """Let go of a mail's id."""
        del self._by_id[row.id]

    def by_id(self, mail_id: int) -> AcceptedMail | None:
        """Find a mail that is still kept."""
        return self._by_id.get(mail_id)

    def to(self, email: str) -> list[AcceptedMail]:
        """Select one address's mails, oldest first; case does not matter."""
        wanted = email.lower()
        return [mail for mail in self if mail.to.lower() == wanted]

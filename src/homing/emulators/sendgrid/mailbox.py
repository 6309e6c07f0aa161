"""All accepted mail, the newest N."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import overload

from homing.emulators.sendgrid.mail import AcceptedMail


class Mailbox(Sequence[AcceptedMail]):
    """
    The newest accepted mails, oldest first.

    Args:
        keep: How many; older ones are forgotten, with their links.
    """

    def __init__(self, keep: int) -> None:
        self._mails: deque[AcceptedMail] = deque()
        self._by_id: dict[int, AcceptedMail] = {}
        self._keep = keep
        self.total = 0

    def add(self, mails: Iterable[AcceptedMail]) -> None:
        """Append mails whose ids go on from `total`."""
        for mail in mails:
            self.total += 1
            self._mails.append(mail)
            self._by_id[mail.id] = mail
        while len(self._mails) > self._keep:
            del self._by_id[self._mails.popleft().id]

    def by_id(self, mail_id: int) -> AcceptedMail | None:
        """Find a mail that is still kept."""
        return self._by_id.get(mail_id)

    def to(self, email: str) -> list[AcceptedMail]:
        """Select one address's mails, oldest first; case does not matter."""
        wanted = email.lower()
        return [mail for mail in self._mails if mail.to.lower() == wanted]

    def newest(self) -> Iterator[AcceptedMail]:
        """Walk from the newest to the oldest."""
        return reversed(self._mails)

    def __len__(self) -> int:
        return len(self._mails)

    def __iter__(self) -> Iterator[AcceptedMail]:
        return iter(self._mails)

    @overload
    def __getitem__(self, index: int) -> AcceptedMail: ...
    @overload
    def __getitem__(self, index: slice) -> list[AcceptedMail]: ...
    def __getitem__(self, index: int | slice) -> AcceptedMail | list[AcceptedMail]:
        if isinstance(index, slice):
            return list(self._mails)[index]
        return self._mails[index]

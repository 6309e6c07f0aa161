"""Who gets no mail: SendGrid's five lists and the unsubscribe groups."""

from bisect import bisect_left, insort
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from homing.emulators.clock import Clock
from homing.emulators.sendgrid.mail import AcceptedMail

#: When a row was made, and where among those of that second: they stay in the order they came.
_Place: TypeAlias = tuple[int, int, str]

ListName: TypeAlias = Literal["unsubscribes", "bounces", "blocks", "invalid_emails", "spam_reports"]

#: Lists that stop mail, in the order they are asked: the event's reason, and
#: which bypass setting lifts it beside ``bypass_list_management``.
_STOPPING: Final[tuple[tuple[ListName, str, str | None], ...]] = (
    ("invalid_emails", "Invalid", None),
    ("bounces", "Bounced Address", "bypass_bounce_management"),
    ("spam_reports", "Spam Reporting Address", "bypass_spam_management"),
    ("unsubscribes", "Unsubscribed Address", "bypass_unsubscribe_management"),
)


@dataclass(frozen=True, slots=True)
class Listed:
    """One row of a list; empty fields are not part of that list's rows."""

    email: str
    created: int
    reason: str = ""
    status: str = ""
    ip: str = ""


@dataclass(slots=True)
class Group:
    """
    An unsubscribe group.

    Args:
        suppressed: Address in lower case to Unix seconds.
    """

    id: int
    name: str
    description: str = ""
    is_default: bool = False
    suppressed: dict[str, int] = field(default_factory=dict)


class SuppressionList:
    """One list: found by address, and kept in order of time."""

    def __init__(self) -> None:
        self._by_email: dict[str, Listed] = {}
        self._places: dict[str, _Place] = {}
        self._in_order: list[_Place] = []
        self._made = 0

    def add(self, row: Listed) -> None:
        """Add a row; an address that is on the list already keeps its own."""
        if row.email in self._by_email:
            return
        self._made += 1
        self._by_email[row.email] = row
        self._places[row.email] = place = (row.created, self._made, row.email)
        insort(self._in_order, place)

    def remove(self, email: str) -> bool:
        """Take an address off; tells whether it was on."""
        if self._by_email.pop(email, None) is None:
            return False
        del self._in_order[bisect_left(self._in_order, self._places.pop(email))]
        return True

    def find(self, email: str) -> Listed | None:
        """Find an address."""
        return self._by_email.get(email)

    def newest(self, start: int, end: int | None) -> list[Listed]:
        """Select the rows of a time, both ends included, newest first; None has no end."""
        return [self._by_email[email] for _, _, email in reversed(self._between(start, end))]

    def page(self, start: int, end: int | None, *, offset: int, limit: int) -> list[Listed]:
        """Select some of the rows of a time, see `newest`, without looking at the others."""
        first, last = self._ends(start, end)
        last = max(first, last - offset)
        places = self._in_order[max(first, last - limit) : last]
        return [self._by_email[email] for _, _, email in reversed(places)]

    def _between(self, start: int, end: int | None) -> list[_Place]:
        first, last = self._ends(start, end)
        return self._in_order[first:last]

    def _ends(self, start: int, end: int | None) -> tuple[int, int]:
        first = bisect_left(self._in_order, (start,))
        last = len(self._in_order) if end is None else bisect_left(self._in_order, (end + 1,))
        return first, max(first, last)


class Suppressions:
    """All lists of the account. Addresses are compared in lower case."""

    def __init__(self, groups: Iterable[Group], clock: Clock) -> None:
        self._clock = clock
        self._lists: dict[ListName, SuppressionList] = {
            "unsubscribes": SuppressionList(),
            "bounces": SuppressionList(),
            "blocks": SuppressionList(),
            "invalid_emails": SuppressionList(),
            "spam_reports": SuppressionList(),
        }
        self.groups: dict[int, Group] = {group.id: group for group in groups}

    def rows(self, name: ListName) -> list[Listed]:
        """List a list's rows, oldest first."""
        return self._lists[name].newest(0, None)[::-1]

    def on(self, name: ListName) -> SuppressionList:
        """Return one list."""
        return self._lists[name]

    def find(self, name: ListName, email: str) -> Listed | None:
        """Find an address on a list."""
        return self._lists[name].find(email.lower())

    def add(self, name: ListName, email: str, *, created: int | None = None, **told: str) -> None:
        """
        Put an address on a list; one that is on it already keeps its row.

        Args:
            created: Unix seconds; None is now.

            told: ``reason``, ``status``, ``ip``: what the list's rows have of them.
        """
        at = int(self._clock()) if created is None else created
        self._lists[name].add(Listed(email.lower(), at, **told))

    def remove(self, name: ListName, email: str) -> bool:
        """Take an address off a list; tells whether it was on it."""
        return self._lists[name].remove(email.lower())

    def clear(self, name: ListName) -> None:
        """Empty a list."""
        self._lists[name] = SuppressionList()

    def add_to_group(self, group_id: int, email: str, *, created: int | None = None) -> None:
        """
        Unsubscribe an address from a group; `created` in Unix seconds, None is now.

        An unknown or deleted group makes it a *global* unsubscribe, silently:
        so says the API's specification.
        """
        group = self.groups.get(group_id)
        if group is None:
            self.add("unsubscribes", email, created=created)
        else:
            at = int(self._clock()) if created is None else created
            group.suppressed.setdefault(email.lower(), at)

    def remove_from_group(self, group_id: int, email: str) -> bool:
        """Subscribe an address to a group again; tells whether it was unsubscribed."""
        group = self.groups.get(group_id)
        return group is not None and group.suppressed.pop(email.lower(), None) is not None

    def in_group(self, group_id: int, email: str) -> bool:
        """Tell whether an address is unsubscribed from a group."""
        group = self.groups.get(group_id)
        return group is not None and email.lower() in group.suppressed

    def drop_reason(self, mail: AcceptedMail) -> str | None:
        """
        Say why a mail is dropped, in the event's words; None lets it go out.

        Blocks stop nothing. The words for a group are not documented; these
        are the likely ones.
        """
        settings = mail.body.mail_settings
        if settings.is_on("bypass_list_management"):
            return None
        for name, reason, bypass in _STOPPING:
            if self.find(name, mail.to) and not (bypass and settings.is_on(bypass)):
                return reason
        if mail.group_id is not None and self.in_group(mail.group_id, mail.to):
            return "Unsubscribed Address"
        return None

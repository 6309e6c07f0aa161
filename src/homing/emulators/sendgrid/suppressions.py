"""Who gets no mail: SendGrid's five lists and the unsubscribe groups."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from homing.emulators.clock import Clock
from homing.emulators.sendgrid.mail import AcceptedMail

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


class Suppressions:
    """All lists of the account. Addresses are compared in lower case."""

    def __init__(self, groups: Iterable[Group], clock: Clock) -> None:
        self._clock = clock
        self._lists: dict[ListName, dict[str, Listed]] = {
            "unsubscribes": {},
            "bounces": {},
            "blocks": {},
            "invalid_emails": {},
            "spam_reports": {},
        }
        self.groups: dict[int, Group] = {group.id: group for group in groups}

    def rows(self, name: ListName) -> list[Listed]:
        """List a list's rows, oldest first."""
        return sorted(self._lists[name].values(), key=lambda row: row.created)

    def find(self, name: ListName, email: str) -> Listed | None:
        """Find an address on a list."""
        return self._lists[name].get(email.lower())

    def add(
        self, name: ListName, email: str, *, reason: str = "", status: str = "", ip: str = ""
    ) -> None:
        """Put an address on a list; one that is on it already keeps its row."""
        key = email.lower()
        self._lists[name].setdefault(key, Listed(key, int(self._clock()), reason, status, ip))

    def remove(self, name: ListName, email: str) -> bool:
        """Take an address off a list; tells whether it was on it."""
        return self._lists[name].pop(email.lower(), None) is not None

    def clear(self, name: ListName) -> None:
        """Empty a list."""
        self._lists[name].clear()

    def add_to_group(self, group_id: int, email: str) -> None:
        """
        Unsubscribe an address from a group.

        An unknown or deleted group makes it a *global* unsubscribe, silently:
        so says the API's specification.
        """
        group = self.groups.get(group_id)
        if group is None:
            self.add("unsubscribes", email)
        else:
            group.suppressed.setdefault(email.lower(), int(self._clock()))

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

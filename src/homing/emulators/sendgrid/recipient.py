"""What recipients do with a mail, and what becomes of it: an event, perhaps a list entry."""

from collections.abc import Callable

from homing.emulators.outbox import Event
from homing.emulators.sendgrid import events
from homing.emulators.sendgrid.account import Account
from homing.emulators.sendgrid.mail import AcceptedMail, Happened
from homing.emulators.sendgrid.markup import links_of


class Recipients:
    """
    All recipients of the account's mail.

    Args:
        emit: Takes each event on its way to the webhook.
    """

    def __init__(self, account: Account, emit: Callable[[Event], None]) -> None:
        self._suppressions = account.suppressions
        self._settings = account.settings
        self._emit = emit

    def open(self, mail: AcceptedMail, *, user_agent: str = "") -> None:
        """Open a mail; nothing is told when its opens are not tracked."""
        self._open(mail, machine=False, user_agent=user_agent)

    def machine_open(self, mail: AcceptedMail) -> None:
        """Let a mail program load a mail in advance, without a person."""
        self._open(mail, machine=True, user_agent="")

    def click(self, mail: AcceptedMail, index: int = 0, *, user_agent: str = "") -> str | None:
        """
        Follow a link.

        Args:
            index: Counts the mail's links from 0.

        Returns:
            Where it leads; None when the mail has no such link.
        """
        if not mail.links:
            mail.links = links_of(mail.html)
        if not 0 <= index < len(mail.links):
            return None
        url = mail.links[index]
        if mail.body.tracking_settings.is_on("click_tracking"):
            event = events.clicked(
                mail, self._settings.clock(), url=url, index=index, user_agent=user_agent
            )
            self.tell(mail, event)
        return url

    def report_spam(self, mail: AcceptedMail) -> None:
        """Press "spam": the address is suppressed."""
        self._suppressions.add("spam_reports", mail.to, ip=events.RECIPIENT_IP)
        self.tell(mail, events.spamreport(mail, self._settings.clock()))

    def is_unsubscribed(self, mail: AcceptedMail) -> bool:
        """Tell whether the mail's own unsubscribe link has taken effect."""
        if mail.group_id is not None and mail.group_id in self._suppressions.groups:
            return self._suppressions.in_group(mail.group_id, mail.to)
        return self._suppressions.find("unsubscribes", mail.to) is not None

    def unsubscribe(self, mail: AcceptedMail) -> None:
        """
        Follow the mail's unsubscribe link: from its group, or from everything when it has none.

        Once the group was deleted it is everything too. Doing it twice tells nothing new.
        """
        if self.is_unsubscribed(mail):
            return
        now, group_id = self._settings.clock(), mail.group_id
        if group_id is not None and group_id in self._suppressions.groups:
            self._suppressions.add_to_group(group_id, mail.to)
            event = events.group_changed(mail, now, group_id=group_id, leaves=True)
        else:
            self._suppressions.add("unsubscribes", mail.to)
            event = events.unsubscribed(mail, now)
        self.tell(mail, self._without_id(event))

    def unsubscribe_from_all(self, mail: AcceptedMail) -> None:
        """Choose "unsubscribe from all" on the page of preferences."""
        if self._suppressions.find("unsubscribes", mail.to) is None:
            self._suppressions.add("unsubscribes", mail.to)
            event = events.unsubscribed(mail, self._settings.clock())
            self.tell(mail, self._without_id(event))

    def resubscribe(self, mail: AcceptedMail) -> None:
        """Come back: to the group with an event; from a global unsubscribe there is none."""
        group_id = mail.group_id
        if group_id is None or group_id not in self._suppressions.groups:
            self._suppressions.remove("unsubscribes", mail.to)
        elif self._suppressions.remove_from_group(group_id, mail.to):
            event = events.group_changed(
                mail, self._settings.clock(), group_id=group_id, leaves=False
            )
            self.tell(mail, self._without_id(event))

    def tell(self, mail: AcceptedMail, event: Event) -> None:
        """Send an event of a mail on its way, and remember it as the mail's status."""
        mail.history.append(Happened(self._settings.clock(), event["event"], _detail(event)))
        self._emit(event)

    def _open(self, mail: AcceptedMail, *, machine: bool, user_agent: str) -> None:
        if mail.body.tracking_settings.is_on("open_tracking"):
            event = events.opened(
                mail, self._settings.clock(), machine=machine, user_agent=user_agent
            )
            self.tell(mail, event)
        mail.opened = mail.opened or not machine

    def _without_id(self, event: Event) -> Event:
        if self._settings.unsubscribe_without_id:
            del event["sg_event_id"]
        return event


def _detail(event: Event) -> str:
    if event.get("sg_machine_open"):
        return "by a machine"
    if "asm_group_id" in event and event["event"].startswith("group_"):
        return f"group {event['asm_group_id']}"
    return str(event.get("url") or event.get("reason") or event.get("response") or "")

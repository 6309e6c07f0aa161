"""
What SendGrid says of a mail, as flat objects of the Event Webhook.

Every function returns one event with the fields that type has, custom
arguments at the top level (SendGrid's own keys win a clash).
"""

import base64
import uuid
from typing import Any, Final, TypeAlias

from homing.emulators.sendgrid.mail import AcceptedMail

Event: TypeAlias = dict[str, Any]

#: Addresses for documentation (RFC 5737): the sending machine, the recipient.
SENDING_IP: Final = "198.51.100.17"
RECIPIENT_IP: Final = "203.0.113.5"
USER_AGENT: Final = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)"
)
#: What the proxy of a mail program that loads everything in advance says.
MACHINE_USER_AGENT: Final = "Mozilla/5.0"

_USER_ID: Final = "32491"


def processed(mail: AcceptedMail, at: float) -> Event:
    """SendGrid took the mail in hand."""
    scheduled = mail.personalization.send_at or mail.body.send_at or 0
    return _event(mail, "processed", at, {"send_at": scheduled}, event_id=_told_id("processed", mail))


def dropped(mail: AcceptedMail, at: float, *, reason: str) -> Event:
    """SendGrid never tried."""
    return _event(mail, "dropped", at, {"reason": reason}, event_id=_told_id("drop", mail))


def delivered(mail: AcceptedMail, at: float) -> Event:
    """The receiving server took the mail."""
    extra = {"response": "250 2.0.0 OK", "ip": SENDING_IP, "tls": 1}
    return _event(mail, "delivered", at, extra, event_id=_told_id("delivered-0", mail))


def deferred(mail: AcceptedMail, at: float, *, attempt: int) -> Event:
    """The receiving server asked to come again; `attempt` counts from 0."""
    extra = {
        "response": "451 4.7.1 Please try again later",
        "attempt": str(attempt),
        "domain": mail.to.rpartition("@")[2],
        "from": mail.sender.email or "",
        "ip": SENDING_IP,
        "tls": 1,
    }
    return _event(mail, "deferred", at, extra, event_id=_told_id(f"deferred-{attempt}", mail))


def bounce(mail: AcceptedMail, at: float) -> Event:
    """The address does not exist: a hard bounce."""
    return _event(mail, "bounce", at, _bounced(mail), event_id=_told_id("bounce-0", mail))


def blocked(mail: AcceptedMail, at: float) -> Event:
    """The receiving server refused this mail; the address stays good."""
    extra = {
        "reason": "550 5.7.1 Message rejected due to its reputation",
        "status": "5.7.1",
        "type": "blocked",
        "bounce_classification": "Reputation",
        "ip": SENDING_IP,
        "tls": 1,
    }
    return _event(mail, "bounce", at, extra, event_id=_told_id("bounce-0", mail))


def late_bounce(mail: AcceptedMail, at: float) -> Event:
    """A bounce long after delivery: no message id, no ``smtp-id``, no custom arguments."""
    return {
        "email": mail.to,
        "timestamp": int(at),
        "event": "bounce",
        "sg_event_id": random_event_id(),
        "sg_message_id": "",
        **_bounced(mail),
    }


def opened(mail: AcceptedMail, at: float, *, machine: bool, user_agent: str = "") -> Event:
    """Somebody, or a machine in advance, loaded the mail's pixel."""
    extra = {
        "useragent": user_agent or (MACHINE_USER_AGENT if machine else USER_AGENT),
        "ip": RECIPIENT_IP,
        "sg_content_type": "html",
        "sg_machine_open": machine,
    }
    return _engagement(mail, "open", at, extra)


def clicked(mail: AcceptedMail, at: float, *, url: str, index: int, user_agent: str = "") -> Event:
    """Somebody followed a link; `index` counts the links of the part from 0."""
    extra = {
        "url": url,
        "url_offset": {"index": index, "type": "html"},
        "useragent": user_agent or USER_AGENT,
        "ip": RECIPIENT_IP,
    }
    return _engagement(mail, "click", at, extra)


def spamreport(mail: AcceptedMail, at: float) -> Event:
    """Somebody pressed "spam"; the report carries no custom arguments, only the ``smtp-id``."""
    event = {
        "email": mail.to,
        "timestamp": int(at),
        "smtp-id": mail.smtp_id,
        "event": "spamreport",
        "sg_event_id": random_event_id(),
        "sg_message_id": mail.sg_message_id,
    }
    return event | _category(mail)


def unsubscribed(mail: AcceptedMail, at: float) -> Event:
    """Somebody unsubscribed from everything."""
    return _engagement(mail, "unsubscribe", at, {"ip": RECIPIENT_IP, "useragent": USER_AGENT})


def group_changed(mail: AcceptedMail, at: float, *, group_id: int, leaves: bool) -> Event:
    """Somebody left a group, or came back to it."""
    extra = {
        "asm_group_id": group_id,
        "ip": RECIPIENT_IP,
        "useragent": USER_AGENT,
        "url": "https://www.example.com/asm/unsubscribe/",
    }
    return _engagement(mail, "group_unsubscribe" if leaves else "group_resubscribe", at, extra)


def random_event_id() -> str:
    """Make an id as engagement has it: the base64url of a random UUID."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")


def _told_id(what: str, mail: AcceptedMail) -> str:
    # Deterministic text, as real ids decode to: a redelivery has the same.
    text = f"{what}-{_USER_ID}-{mail.message_id}-{mail.index}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _event(mail: AcceptedMail, name: str, at: float, extra: Event, *, event_id: str) -> Event:
    event: Event = {
        **mail.custom_args,
        "email": mail.to,
        "timestamp": int(at),
        "smtp-id": mail.smtp_id,
        "event": name,
        "sg_event_id": event_id,
        "sg_message_id": mail.sg_message_id,
        **extra,
    }
    event.update(_category(mail))
    if mail.group_id is not None:
        event["asm_group_id"] = mail.group_id
    return event


def _engagement(mail: AcceptedMail, name: str, at: float, extra: Event) -> Event:
    event = _event(mail, name, at, extra, event_id=random_event_id())
    if "smtp-id" not in mail.custom_args:
        del event["smtp-id"]
    return event


def _category(mail: AcceptedMail) -> Event:
    # One category comes as a text, several as a list, none not at all.
    categories = mail.categories
    if not categories:
        return {}
    return {"category": categories[0] if len(categories) == 1 else list(categories)}


def _bounced(mail: AcceptedMail) -> Event:
    return {
        "reason": f"550 5.1.1 <{mail.to}>: Recipient address rejected: User unknown",
        "status": "5.1.1",
        "type": "bounce",
        "bounce_classification": "Invalid Address",
        "ip": SENDING_IP,
        "tls": 1,
    }

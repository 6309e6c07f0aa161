"""
What SendGrid says of a mail, as flat objects of the Event Webhook.

Every function returns one event with the fields that type has, custom
arguments at the top level (SendGrid's own keys win a clash).
"""

import base64
import uuid
from typing import Final

from homing.emulators.outbox import Event
from homing.emulators.sendgrid.mail import AcceptedMail

#: Addresses for documentation (RFC 5737): the sending machine, the recipient.
SENDING_IP: Final = "198.51.100.17"
RECIPIENT_IP: Final = "203.0.113.5"
USER_AGENT: Final = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)"
)
#: What the proxy of a mail program that loads everything in advance says.
MACHINE_USER_AGENT: Final = "Mozilla/5.0"

#: What an address that cannot exist is listed with.
UNKNOWN_DOMAIN: Final = "Mail domain mentioned in email address is unknown"

_USER_ID: Final = "32491"
#: How the id of an event begins once decoded; attempts are numbered.
_ID_NAMES: Final = {
    "processed": "processed",
    "dropped": "drop",
    "delivered": "delivered-0",
    "deferred": "deferred-{}",
    "bounce": "bounce-{}",
}


def processed(mail: AcceptedMail, at: float) -> Event:
    """SendGrid took the mail in hand."""
    scheduled = mail.personalization.send_at or mail.body.send_at or 0
    return _sent(mail, at, {"event": "processed", "send_at": scheduled})


def dropped(mail: AcceptedMail, at: float, *, reason: str) -> Event:
    """SendGrid never tried."""
    return _sent(mail, at, {"event": "dropped", "reason": reason})


def delivered(mail: AcceptedMail, at: float) -> Event:
    """The receiving server took the mail."""
    told = {"event": "delivered", "response": "250 2.0.0 OK", "ip": SENDING_IP, "tls": 1}
    return _sent(mail, at, told)


def deferred(mail: AcceptedMail, at: float, *, attempt: int) -> Event:
    """The receiving server asked to come again; `attempt` counts from 0."""
    told = {
        "event": "deferred",
        "response": "451 4.7.1 Please try again later",
        "attempt": str(attempt),
        "domain": mail.to.rpartition("@")[2],
        "from": mail.sender.email or "",
        "ip": SENDING_IP,
        "tls": 1,
    }
    return _sent(mail, at, told)


def bounce(mail: AcceptedMail, at: float) -> Event:
    """The address does not exist: a hard bounce."""
    return _sent(mail, at, _bounced(mail))


def blocked(mail: AcceptedMail, at: float) -> Event:
    """The receiving server refused this mail; the address stays good."""
    told = {
        "event": "bounce",
        "reason": "550 5.7.1 Message rejected due to its reputation",
        "status": "5.7.1",
        "type": "blocked",
        "bounce_classification": "Reputation",
        "ip": SENDING_IP,
        "tls": 1,
    }
    return _sent(mail, at, told)


def late_bounce(mail: AcceptedMail, at: float) -> Event:
    """A bounce long after delivery: no message id, no ``smtp-id``, no custom arguments."""
    return {
        "email": mail.to,
        "timestamp": int(at),
        "sg_event_id": random_event_id(),
        "sg_message_id": "",
        **_bounced(mail),
    }


def opened(mail: AcceptedMail, at: float, *, machine: bool, user_agent: str = "") -> Event:
    """Somebody, or a machine in advance, loaded the mail's pixel."""
    told = {
        "event": "open",
        "useragent": user_agent or (MACHINE_USER_AGENT if machine else USER_AGENT),
        "ip": RECIPIENT_IP,
        "sg_content_type": "html",
        "sg_machine_open": machine,
    }
    return _engaged(mail, at, told)


def clicked(mail: AcceptedMail, at: float, *, url: str, index: int, user_agent: str = "") -> Event:
    """Somebody followed a link; `index` counts the links of the part from 0."""
    told = {
        "event": "click",
        "url": url,
        "url_offset": {"index": index, "type": "html"},
        "useragent": user_agent or USER_AGENT,
        "ip": RECIPIENT_IP,
    }
    return _engaged(mail, at, told)


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
    told = {"event": "unsubscribe", "ip": RECIPIENT_IP, "useragent": USER_AGENT}
    return _engaged(mail, at, told)


def group_changed(mail: AcceptedMail, at: float, *, group_id: int, leaves: bool) -> Event:
    """Somebody left a group, or came back to it."""
    told = {
        "event": "group_unsubscribe" if leaves else "group_resubscribe",
        "asm_group_id": group_id,
        "smtp-id": mail.smtp_id,
        "ip": RECIPIENT_IP,
        "useragent": USER_AGENT,
        "url": "https://www.example.com/asm/unsubscribe/",
    }
    return _engaged(mail, at, told)


def random_event_id() -> str:
    """Make an id as engagement has it: the base64url of a random UUID."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")


def _sent(mail: AcceptedMail, at: float, told: Event) -> Event:
    """Complete an event of the way to the recipient; its id is the same on every redelivery."""
    attempt = told.get("attempt", "0")
    text = f"{_ID_NAMES[told['event']].format(attempt)}-{_USER_ID}-{mail.message_id}-{mail.index}"
    event_id = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    event = _core(mail, at, event_id) | {"smtp-id": mail.smtp_id} | told
    if mail.group_id is not None:
        event["asm_group_id"] = mail.group_id
    return event


def _engaged(mail: AcceptedMail, at: float, told: Event) -> Event:
    """Complete an event of what a recipient did."""
    event = _core(mail, at, random_event_id()) | told
    # What a person does to a group names that group; leaving everything names none.
    if mail.group_id is not None and told["event"] in {"open", "click"}:
        event["asm_group_id"] = mail.group_id
    return event


def _core(mail: AcceptedMail, at: float, event_id: str) -> Event:
    return {
        **mail.custom_args,
        "email": mail.to,
        "timestamp": int(at),
        "sg_event_id": event_id,
        "sg_message_id": mail.sg_message_id,
        **_category(mail),
    }


def _category(mail: AcceptedMail) -> Event:
    # One category comes as a text, several as a list, none not at all.
    categories = mail.categories
    if not categories:
        return {}
    return {"category": categories[0] if len(categories) == 1 else list(categories)}


def _bounced(mail: AcceptedMail) -> Event:
    return {
        "event": "bounce",
        "reason": f"550 5.1.1 <{mail.to}>: Recipient address rejected: User unknown",
        "status": "5.1.1",
        "type": "bounce",
        "bounce_classification": "Invalid Address",
        "ip": SENDING_IP,
        "tls": 1,
    }

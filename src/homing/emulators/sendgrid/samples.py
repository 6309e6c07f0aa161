"""The eleven events that ``POST …/webhooks/event/test`` posts, as SendGrid documents them."""

from typing import Final

from homing.emulators.outbox import Event
from homing.emulators.sendgrid.events import random_event_id

EMAIL: Final = "example@test.com"

_SMTP_ID: Final = "<14c5d75ce93.dfd.64b469@ismtpd-555>"
_MESSAGE_ID: Final = "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0"
_AGENT: Final = "Mozilla/4.0 (compatible; MSIE 6.1; Windows XP; .NET CLR 1.1.4322)"
_ENGAGED: Final[Event] = {"useragent": _AGENT, "ip": "255.255.255.255"}

#: Type to the fields that only it has.
_TOLD: Final[tuple[tuple[str, Event], ...]] = (
    ("processed", {}),
    ("deferred", {"response": "400 try again later", "attempt": "5"}),
    ("delivered", {"response": "250 OK"}),
    ("open", _ENGAGED),
    ("click", {**_ENGAGED, "url": "http://www.sendgrid.com/"}),
    ("bounce", {"reason": "500 unknown recipient", "status": "5.0.0"}),
    ("dropped", {"reason": "Bounced Address", "status": "5.0.0"}),
    ("spamreport", {}),
    ("unsubscribe", {}),
    ("group_unsubscribe", {**_ENGAGED, "asm_group_id": 10}),
    ("group_resubscribe", {**_ENGAGED, "asm_group_id": 10}),
)


def sample_events(at: float) -> list[Event]:
    """Make the sample, with timestamps of now."""
    return [
        {
            "email": EMAIL,
            "timestamp": int(at),
            "smtp-id": _SMTP_ID,
            "event": kind,
            "category": ["cat facts"],
            "sg_event_id": random_event_id(),
            "sg_message_id": _MESSAGE_ID,
            **told,
        }
        for kind, told in _TOLD
    ]

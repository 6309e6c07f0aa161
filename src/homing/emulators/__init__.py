"""
A SendGrid, a Segment and a shop on loopback, for the sandbox and for anybody's tests.

They know the vendors' published rules and nothing of Homing: a second opinion.
Each is an async context manager::

    async with SendGridEmulator(webhook_url="http://127.0.0.1:8400/sendgrid") as sendgrid:
        sendgrid.faults.script(["500", "timeout-after-accept", "ok"])
        ...  # point a client at sendgrid.url with sendgrid.api_key
        await sendgrid.settle()
        assert [mail.subject for mail in sendgrid.accepted] == ["Hello"]
"""

from homing.emulators.faults import Answer, BadFault, FaultPlan, Faults, parse_faults
from homing.emulators.ledger import Ledger, RecordedRequest
from homing.emulators.segment.emulator import SegmentEmulator
from homing.emulators.segment.engage import Computation, deletion
from homing.emulators.segment.products import Destination, Product
from homing.emulators.segment.settings import SegmentSettings
from homing.emulators.segment.webhook_sender import (
    AudienceRefused,
    SegmentWebhookSender,
    SenderPace,
)
from homing.emulators.sendgrid.emulator import SendGridEmulator
from homing.emulators.sendgrid.mail import AcceptedMail, MailContent
from homing.emulators.sendgrid.marketing.settings import MarketingSettings
from homing.emulators.sendgrid.outcomes import Outcome
from homing.emulators.sendgrid.settings import Engagement, Pace, SendGridSettings
from homing.emulators.shop import Shop

__all__ = [
    "AcceptedMail",
    "Answer",
    "AudienceRefused",
    "BadFault",
    "Computation",
    "Destination",
    "Engagement",
    "FaultPlan",
    "Faults",
    "Ledger",
    "MailContent",
    "MarketingSettings",
    "Outcome",
    "Pace",
    "Product",
    "RecordedRequest",
    "SegmentEmulator",
    "SegmentSettings",
    "SegmentWebhookSender",
    "SendGridEmulator",
    "SendGridSettings",
    "SenderPace",
    "Shop",
    "deletion",
    "parse_faults",
]

"""What came home: published, discarded and repeated messages."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from homing.emulators.clock import unix_s_of, utc_text
from homing.emulators.newest import Newest
from homing.emulators.segment.settings import SegmentSettings
from homing.emulators.segment.tracking_rules import discard_code

Message: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Discard:
    """A message thrown away, and why."""

    code: str
    message: object


class Inbox:
    """
    Take messages in.

    Args:
        publish: Takes each message that is neither discarded nor repeated.
    """

    def __init__(self, settings: SegmentSettings, publish: Callable[[Message], None]) -> None:
        self.received: Newest[Message] = Newest(settings.keep)
        self.discarded: Newest[Discard] = Newest(settings.keep)
        self.duplicates: Newest[Message] = Newest(settings.keep)
        self._settings = settings
        self._publish = publish
        self._ids: dict[str, None] = {}

    def discard(self, code: str, message: object, size: int) -> None:
        """Throw a message away."""
        self.discarded.append(Discard(code, message), size)

    def take(self, message: object, envelope: Mapping[str, Any], size: int) -> None:
        """
        Take one message.

        Args:
            message: As sent, but for what the rules still have to refuse.

            envelope: The request's ``sentAt``, ``context`` and ``integrations``,
                the latter two merged into the message.

            size: About how many bytes it has.
        """
        code = discard_code(message)
        if code is not None or not isinstance(message, dict):
            self.discard(code or "", message, size)
            return
        complete = self._completed(message, envelope)
        if complete["messageId"] in self._ids:
            self.duplicates.append(complete, size)
            return
        self._remember(complete["messageId"])
        self.received.append(complete, size)
        self._publish(complete)

    def _remember(self, message_id: str) -> None:
        self._ids[message_id] = None
        if len(self._ids) > self._settings.keep_ids:
            del self._ids[next(iter(self._ids))]

    def _completed(self, message: Message, envelope: Mapping[str, Any]) -> Message:
        received_s = self._settings.clock()
        sent_at = message.get("sentAt") or envelope.get("sentAt")
        original = message.get("timestamp") or message.get("originalTimestamp")
        complete = {key: value for key, value in message.items() if key != "writeKey"}
        for name in ("context", "integrations"):
            complete[name] = {**_object(envelope.get(name)), **_object(message.get(name))}
        # A message without an id gets a fresh one, so a repeated request
        # without ids is published twice.
        message_id = message.get("messageId")
        complete["messageId"] = (
            message_id if isinstance(message_id, str) and message_id else f"api-{uuid.uuid4()}"
        )
        complete |= {
            "receivedAt": utc_text(received_s),
            "sentAt": sent_at if isinstance(sent_at, str) else utc_text(received_s),
            "originalTimestamp": original if isinstance(original, str) else utc_text(received_s),
            "timestamp": _corrected(original, sent_at, received_s),
        }
        return complete


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _corrected(original: object, sent_at: object, received_s: float) -> str:
    """Correct the clock of the sender: receivedAt - (sentAt - originalTimestamp)."""
    original_s = unix_s_of(original) if isinstance(original, str) else None
    sent_s = unix_s_of(sent_at) if isinstance(sent_at, str) else None
    if original_s is None:
        return utc_text(received_s)
    try:
        return utc_text(original_s if sent_s is None else received_s - (sent_s - original_s))
    except (ValueError, OverflowError):
        # Clocks so wrong that the sum is no date: arrival is what is known.
        return utc_text(received_s)

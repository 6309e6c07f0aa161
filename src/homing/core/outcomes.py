"""What one call to an API came to: from what was seen on the wire to what must be done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import TypeAlias

import orjson

NO_MARKETING = (
    "give the key full access to Marketing (its scopes marketing.*), or the account a plan with"
    " Marketing Campaigns"
)
MAX_WAIT_S = 3_600.0
"""However long a server asks us to wait, we ask again after this."""

_MAX_REASON_CHARS = 500
_MAX_ERROR_BODY_BYTES = 65_536
# Smaller numbers in X-RateLimit-Reset are seconds from now (Segment), larger
# ones unix seconds (SendGrid).
_FIRST_UNIX_S = 10**9


class Scope(StrEnum):
    """How much a refusal concerns."""

    ITEM = "item"  # this one send, message or address
    BATCH = "batch"  # something in the batch: split it, and try the halves
    EMAIL = "email"  # every send of this configured email
    DESTINATION = "destination"  # every call to this API


@dataclass(frozen=True, slots=True)
class Answer:
    """
    What the adapter saw of one attempt.

    ``headers_sent`` tells whether the request's head left; ``status`` is ``None`` when no status
    line came back, and then ``error`` says what happened instead.
    """

    headers_sent: bool
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Delivered:
    """The API took it. ``message_id`` is SendGrid's ``X-Message-Id``, or empty."""

    message_id: str = ""


@dataclass(frozen=True, slots=True)
class RetryLater:
    """
    It was not taken; the same request may be sent again.

    ``after_s`` is the wait the server asked for, ``None`` leaves it to our schedule.
    ``counts`` is false when the wait says nothing about the request: it burns no attempt.
    ``unreachable`` is true when nothing of the request left.
    """

    reason: str
    after_s: float | None = None
    counts: bool = True
    unreachable: bool = False


@dataclass(frozen=True, slots=True)
class Rejected:
    """It will never be taken as it is: dead, with the API's own words."""

    reason: str
    scope: Scope = Scope.ITEM


@dataclass(frozen=True, slots=True)
class Unknown:
    """It may or may not have been taken: only evidence can tell."""

    reason: str


@dataclass(frozen=True, slots=True)
class Paused:
    """A person has to mend something first: stop calling, alert, probe, burn no attempt."""

    reason: str
    scope: Scope = Scope.DESTINATION


Outcome: TypeAlias = Delivered | RetryLater | Rejected | Unknown | Paused

_Rule: TypeAlias = Callable[[Answer, int], Outcome]


@dataclass(frozen=True, slots=True)
class _Rules:
    by_status: Mapping[int, _Rule]
    by_class: Mapping[int, _Rule]  # by the status's first digit
    otherwise: _Rule


def outcome_of(answer: Answer, *, now_ms: int) -> Outcome:
    """
    Judge an attempt at SendGrid's mail/send, where sending twice is worse than waiting.

    Source: SendGrid docs, "Mail Send" and "Errors". Measured: with aiohttp the head of the
    request is out exactly when ``on_request_headers_sent`` has fired.
    """
    if answer.status is None:
        return _lost(answer) if answer.headers_sent else _unreachable(answer)
    return _judged(answer, now_ms, _MAIL)


def segment_outcome_of(answer: Answer, *, now_ms: int) -> Outcome:
    """
    Judge an attempt at Segment's ``/v1/batch``, which is safe to repeat: it dedupes by messageId.

    Retried are what segment-analytics-python 2.4.0 retries. What a wrong key, region or address
    causes pauses instead of losing the batch.

    Source: segment-analytics-python 2.4.0, ``Consumer.request``; Segment docs, "HTTP Tracking
    API", errors.
    """
    if answer.status is None:
        return _unreachable(answer)
    return _judged(answer, now_ms, _SEGMENT)


def suppression_outcome_of(answer: Answer, *, lifting: bool, now_ms: int) -> Outcome:
    """
    Judge an attempt to add an address to a suppression list, or (*lifting*) to take it off.

    Both are safe to repeat; an address that is not on the list counts as taken off.

    Source: SendGrid docs, "Suppressions": 201 for additions, 204 for removals.
    """
    if answer.status is None:
        return _unreachable(answer)
    if lifting and answer.status == 404:
        return Delivered()
    return _judged(answer, now_ms, _SUPPRESSIONS)


def marketing_outcome_of(answer: Answer, *, now_ms: int) -> Outcome:
    """
    Judge a call to the Marketing API; all of ours are safe to repeat.

    Source: SendGrid OpenAPI, ``tsg_mc_contacts_v3.json``, ``tsg_mc_lists_v3.json``.
    """
    if answer.status is None:
        return _unreachable(answer)
    outcome = _judged(answer, now_ms, _SUPPRESSIONS)
    if isinstance(outcome, Paused) and answer.status == 403:
        return Paused(f"{outcome.reason}: {NO_MARKETING}")
    return outcome


def api_message(body: bytes) -> str:
    """
    Read the words of an error answer, at most 500 characters on one line.

    Knows ``{"errors": [{"message", "field"}]}`` and ``{"message"}`` or ``{"error"}``; else the
    body's text itself.
    """
    words = "; ".join(_messages(_json(body)))
    text = words or body[:_MAX_ERROR_BODY_BYTES].decode("utf-8", "replace")
    shown = text[: 4 * _MAX_REASON_CHARS]
    line = " ".join("".join(char if char.isprintable() else " " for char in shown).split())
    return line if len(line) <= _MAX_REASON_CHARS else line[: _MAX_REASON_CHARS - 1] + "…"


def reason_of(answer: Answer) -> str:
    """What an answer says: its status, and the API's words if it has any; or that there is none."""
    if answer.status is None:
        return answer.error or "no answer"
    return _told(f"HTTP {answer.status}", api_message(answer.body))


def told_wait_s(headers: Mapping[str, str], *, now_ms: int) -> float | None:
    """
    Read how long a 429 asks to wait, in seconds from 1 to ``MAX_WAIT_S``.

    ``X-RateLimit-Reset`` goes before ``Retry-After``, which may be seconds or an HTTP date.

    Returns:
        ``None`` when neither is there or readable.
    """
    wait = _reset_s(_header(headers, "X-RateLimit-Reset"), now_ms)
    if wait is None:
        wait = _retry_after_s(_header(headers, "Retry-After"), now_ms)
    return _bounded(wait)


def _bounded(wait: float | None) -> float | None:
    # The floor keeps a moment that has just passed from becoming a busy loop.
    return None if wait is None else min(max(wait, 1.0), MAX_WAIT_S)


def _judged(answer: Answer, now_ms: int, rules: _Rules) -> Outcome:
    status = answer.status or 0
    rule = rules.by_status.get(status) or rules.by_class.get(status // 100, rules.otherwise)
    return rule(answer, now_ms)


def _unreachable(answer: Answer) -> Outcome:
    what = "no answer" if answer.headers_sent else "no connection"
    return RetryLater(_told(what, answer.error), unreachable=not answer.headers_sent)


def _lost(answer: Answer) -> Outcome:
    return Unknown(_told("the request left, no answer came", answer.error))


def _delivered(answer: Answer, _now_ms: int) -> Outcome:
    return Delivered(_header(answer.headers, "X-Message-Id") or "")


def _retry(answer: Answer, now_ms: int) -> Outcome:
    # Every answer may have an X-RateLimit-Reset: without a 429 it asks for nothing.
    wait = _retry_after_s(_header(answer.headers, "Retry-After"), now_ms)
    return RetryLater(reason_of(answer), _bounded(wait))


def _throttled(answer: Answer, now_ms: int) -> Outcome:
    return RetryLater(reason_of(answer), told_wait_s(answer.headers, now_ms=now_ms), counts=False)


def _unknown(answer: Answer, _now_ms: int) -> Outcome:
    return Unknown(reason_of(answer))


def _rejected(answer: Answer, _now_ms: int) -> Outcome:
    return Rejected(reason_of(answer))


def _rejected_batch(answer: Answer, _now_ms: int) -> Outcome:
    return Rejected(reason_of(answer), Scope.BATCH)


def _paused(answer: Answer, _now_ms: int) -> Outcome:
    return Paused(reason_of(answer))


def _forbidden(answer: Answer, _now_ms: int) -> Outcome:
    return Paused(reason_of(answer), Scope.EMAIL if _names_sender(answer) else Scope.DESTINATION)


_SETUP_STATUSES: Mapping[int, _Rule] = {401: _paused, 403: _paused, 404: _paused, 405: _paused}

_MAIL = _Rules(
    by_status={
        **_SETUP_STATUSES,
        403: _forbidden,
        408: _retry,
        429: _throttled,
        502: _unknown,
        504: _unknown,
    },
    by_class={2: _delivered, 3: _paused, 4: _rejected, 5: _retry},
    otherwise=_unknown,
)
_SEGMENT = _Rules(
    by_status={
        **_SETUP_STATUSES,
        408: _retry,
        410: _retry,
        429: _throttled,
        460: _retry,
        501: _rejected_batch,
        505: _rejected_batch,
        511: _paused,
    },
    by_class={2: _delivered, 3: _paused, 4: _rejected_batch, 5: _retry},
    otherwise=_retry,
)
_SUPPRESSIONS = _Rules(
    by_status={**_SETUP_STATUSES, 408: _retry, 429: _throttled},
    by_class={2: _delivered, 3: _paused, 4: _rejected_batch, 5: _retry},
    otherwise=_retry,
)


def _told(what: str, detail: str | None) -> str:
    return f"{what}: {detail}" if detail else what


def _names_sender(answer: Answer) -> bool:
    # "The from address does not match a verified Sender Identity", field "from".
    if any(name.split(".")[0] == "from" for name, _ in _errors(_json(answer.body))):
        return True
    words = api_message(answer.body).lower()
    return "from address" in words or "sender identity" in words


def _json(body: bytes) -> object:
    try:
        parsed: object = orjson.loads(body[:_MAX_ERROR_BODY_BYTES])
    except orjson.JSONDecodeError:
        return None
    return parsed


def _errors(parsed: object) -> list[tuple[str, str]]:
    errors = parsed.get("errors") if isinstance(parsed, Mapping) else None
    if not isinstance(errors, list):
        return []
    entries = (entry for entry in errors if isinstance(entry, Mapping))
    return [(_word(entry.get("field")), _word(entry.get("message"))) for entry in entries]


def _messages(parsed: object) -> list[str]:
    errors = [(name, message) for name, message in _errors(parsed) if name or message]
    told = [f"{message} ({name})" if name else message for name, message in errors]
    if told or not isinstance(parsed, Mapping):
        return told
    return [word for key in ("message", "error") if (word := _word(parsed.get(key)))][:1]


def _word(value: object) -> str:
    return value if isinstance(value, str) else ""


def _header(headers: Mapping[str, str], name: str) -> str | None:
    value = headers.get(name)
    if value is not None:
        return value
    # A plain dict, unlike the client's multi-dict, is case-sensitive.
    wanted = name.lower()
    return next((text for key, text in headers.items() if key.lower() == wanted), None)


def _reset_s(text: str | None, now_ms: int) -> float | None:
    number = _seconds(text)
    if number is None:
        return None
    return number if number < _FIRST_UNIX_S else number - now_ms / 1000


def _retry_after_s(text: str | None, now_ms: int) -> float | None:
    number = _seconds(text)
    if number is not None or text is None:
        return number
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    # "-0000" gives a time without a zone; HTTP dates are always UTC.
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.timestamp() - now_ms / 1000


def _seconds(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    # NaN and infinity are no waits; a negative one is over.
    return number if 0 <= number < 10**12 else None

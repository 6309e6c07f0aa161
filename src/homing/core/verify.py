"""Is it from whom it says? Signatures over the raw bytes, checked before anything is decoded."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from homing.core.errors import HomingError
from homing.core.extents import after_space, nested_end, unwrapped

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

# An event is at most 32 KB at Segment. The bound keeps a stranger from having us scan megabytes.
FIRST_ELEMENT_BYTES: Final = 1024 * 1024


class Refusal(StrEnum):
    """Why a request is not believed."""

    MISSING = "missing"
    MALFORMED = "malformed"
    STALE = "stale"
    AHEAD = "ahead"
    MISMATCH = "mismatch"


class BadSignature(HomingError):
    """The sender is not who it says: answer *status*, store nothing."""

    status = 401

    def __init__(self, reason: Refusal) -> None:
        super().__init__(f"signature {reason}")
        self.reason = reason


class UnusableKey(HomingError):
    """A configured public key is none that SendGrid could have made."""


class Signed(StrEnum):
    """How much of a body its signature covers."""

    WHOLE = "whole"
    ONLY_ELEMENT = "only element"
    FIRST_OF_MANY = "first of many"

    @property
    def alone(self) -> bool:
        """Whether nothing is left unsigned."""
        return self is not Signed.FIRST_OF_MANY


_SHA1_HEX = re.compile(r"[0-9a-fA-F]{40}")


def verify_segment(body: bytes, *, signature: str | None, secrets: Sequence[bytes]) -> Signed:
    """
    Check the HMAC-SHA1 that Segment sends as ``X-Signature``.

    Args:
        body: The request body as received, before any JSON parsing.

        signature: Header value, 40 hex digits.

        secrets: The shared secrets that are active; an empty one vouches for nothing.

    Returns:
        What is signed: Segment signs a batch over its first event only, which says nothing of the
        others. That event is the array's first element or, from the extensible webhook, the object
        that element holds under ``json``.

    Raises:
        BadSignature: Missing, malformed, or the digests differ.

    Source: Segment docs, "Webhook (Actions)"; segmentio/action-destinations#3989 (whole batches).
    """
    if not signature:
        raise BadSignature(Refusal.MISSING)
    if not _SHA1_HEX.fullmatch(signature):
        raise BadSignature(Refusal.MALFORMED)
    digest = bytes.fromhex(signature)
    if _is_signed(body, digest, secrets):
        return Signed.WHOLE
    found = _first_element(body)
    if found is None:
        raise BadSignature(Refusal.MISMATCH)
    element, signed = found
    inner = unwrapped(element)
    if not any(_is_signed(part, digest, secrets) for part in (element, inner) if part is not None):
        raise BadSignature(Refusal.MISMATCH)
    return signed


def _is_signed(part: bytes, digest: bytes, secrets: Sequence[bytes]) -> bool:
    return any(
        secret and hmac.compare_digest(hmac.digest(secret, part, "sha1"), digest)
        for secret in secrets
    )


def _first_element(body: bytes) -> tuple[bytes, Signed] | None:
    """The raw bytes of an array's first object, and whether it is the only element."""
    start = after_space(body, 0)
    if body[start : start + 1] != b"[":
        return None
    start = after_space(body, start + 1)
    end = nested_end(body, start, start + FIRST_ELEMENT_BYTES)
    if end is None:
        return None
    close = after_space(body, end)
    # Anything but the closing bracket and blanks is something nobody signed.
    is_last = body[close : close + 1] == b"]" and after_space(body, close + 1) == len(body)
    return body[start:end], Signed.ONLY_ELEMENT if is_last else Signed.FIRST_OF_MANY


def token_matches(header: str | None, token: str) -> bool:
    """
    Compare an ``Authorization: Bearer …`` header with the token, in constant time.

    An empty token matches nothing.
    """
    scheme, _, given = (header or "").strip().partition(" ")
    if scheme.lower() != "bearer" or not token:
        return False
    # Header bytes that are no UTF-8 arrive as half surrogates; plain `encode` would raise on them.
    return hmac.compare_digest(
        given.strip().encode("utf-8", "surrogatepass"), token.encode("utf-8", "surrogatepass")
    )


_ARMOUR = re.compile(r"-----(?:BEGIN|END) PUBLIC KEY-----|\\n|\s")
_TIMESTAMP = re.compile(r"[0-9]{1,12}", re.ASCII)
_ECDSA: Final = ec.ECDSA(Prehashed(SHA256()))


class SendGridVerifier:
    """
    Checks the signatures of one SendGrid Event Webhook.

    Args:
        public_keys: The keys that are active, each base64 of a DER SubjectPublicKeyInfo, as
            SendGrid shows it; PEM armour and white space are tolerated.

    Raises:
        UnusableKey: One of them is no P-256 public key.
    """

    def __init__(self, public_keys: Sequence[str]) -> None:
        self._keys = tuple(_public_key(text) for text in public_keys)

    def verify(  # two headers, a clock and its bounds, all by name
        self,
        body: bytes,
        *,
        signature: str | None,
        timestamp: str | None,
        now_s: float,
        max_age_s: float,
        max_ahead_s: float,
    ) -> None:
        """
        Check ECDSA over the timestamp's text followed by *body*, as received.

        Args:
            body: The request body, its last CRLF included.

            signature: ``X-Twilio-Email-Event-Webhook-Signature``, base64 of a DER signature.

            timestamp: ``X-Twilio-Email-Event-Webhook-Timestamp``, unix seconds as text.

            now_s: The clock, unix seconds.

            max_age_s: How old the timestamp may be. SendGrid retries for 24 h, and nobody says
                whether it signs anew.

            max_ahead_s: How far in the future it may be.

        Raises:
            BadSignature: With the reason.

        Source: SendGrid docs, "Event Webhook Security Features".
        """
        if not signature or not timestamp:
            raise BadSignature(Refusal.MISSING)
        raw = _der_signature(signature)
        if not _TIMESTAMP.fullmatch(timestamp):
            raise BadSignature(Refusal.MALFORMED)
        age_s = now_s - int(timestamp)
        if age_s > max_age_s:
            raise BadSignature(Refusal.STALE)
        if age_s < -max_ahead_s:
            raise BadSignature(Refusal.AHEAD)
        digest = hashlib.sha256(timestamp.encode("ascii"))
        digest.update(body)
        if not any(_is_verified(key, raw, digest.digest()) for key in self._keys):
            raise BadSignature(Refusal.MISMATCH)


def _der_signature(signature: str) -> bytes:
    try:
        raw = base64.b64decode(signature, validate=True)
        decode_dss_signature(raw)
    except ValueError as error:
        raise BadSignature(Refusal.MALFORMED) from error
    return raw


def _is_verified(key: EllipticCurvePublicKey, signature: bytes, digest: bytes) -> bool:
    try:
        key.verify(signature, digest, _ECDSA)
    except InvalidSignature:
        return False
    return True


def _public_key(text: str) -> EllipticCurvePublicKey:
    # Here, because a receiver without SendGrid keys need not load the vendor's package.
    from sendgrid.helpers.eventwebhook import EventWebhook  # noqa: PLC0415

    message = (
        f"expected a SendGrid verification key (base64 of a P-256 public key), got {text[:24]!r}…"
    )
    try:
        key = EventWebhook(_ARMOUR.sub("", text)).public_key
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UnusableKey(message) from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise UnusableKey(message)
    return key

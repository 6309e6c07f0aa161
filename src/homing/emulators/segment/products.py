"""
The four Segment products that post to a webhook: bodies, headers, signatures.

Source: Segment's documentation and the published code of its destinations.
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from homing.emulators.posting import Post
from homing.emulators.segment.json_text import stringify


class Product(StrEnum):
    """A destination that posts events, by its slug."""

    CLASSIC = "webhooks"
    ACTIONS = "actions-webhook"
    EXTENSIBLE = "actions-webhook-extensible"
    AUDIENCES = "actions-webhook-audiences"

    @property
    def user_agent(self) -> str:
        """What it calls itself."""
        return "Segment.io/1.0" if self is Product.CLASSIC else "Segment (Actions)"

    @property
    def timeout_s(self) -> float:
        """How long it waits for an answer, in seconds."""
        return 5.0 if self is Product.CLASSIC else 10.0

    @property
    def methods(self) -> frozenset[str]:
        """With which HTTP methods it can post."""
        if self is Product.CLASSIC:
            return frozenset({"POST"})
        return frozenset({"POST", "PUT", "PATCH"})


@dataclass(frozen=True, slots=True)
class Destination:
    """
    The settings of one webhook destination.

    Args:
        secret: The shared secret; without one nothing is signed.

        token: Sent as ``Authorization: Bearer …``.

        method: POST, PUT or PATCH; the classic product knows POST only.

        signs_whole_batch: Sign a batch's whole body instead of its first
            event, as a proposed change of the product would.

        extras: Keys that Webhook Audiences merges into every event *after*
            signing, so that the signature does not match the body.
    """

    product: Product = Product.ACTIONS
    secret: str | None = None
    token: str | None = None
    method: str = "POST"
    signs_whole_batch: bool = False
    extras: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.method not in self.product.methods:
            msg = f"the product {self.product} cannot post with {self.method}"
            raise ValueError(msg)


def post_of(events: Sequence[Mapping[str, Any]], to: Destination, *, batch: bool) -> Post:
    """
    Make the request for some events.

    Args:
        events: At least one.

        batch: Whether the destination batches: one event is then an array too.

    Raises:
        ValueError: Several events and no batch; or a ``delete``, which only
            the classic product sends.
    """
    if not events or (len(events) > 1 and not batch):
        msg = f"expected one event, or a batch, got {len(events)} events"
        raise ValueError(msg)
    if to.product is not Product.CLASSIC and any(e.get("type") == "delete" for e in events):
        msg = f"the product {to.product} does not send delete events"
        raise ValueError(msg)
    body = _body(events, to, batch=batch)
    return Post(body, _headers(events, to, body, batch=batch), to.method)


def _body(events: Sequence[Mapping[str, Any]], to: Destination, *, batch: bool) -> bytes:
    shaped: list[Any] = [{**event, **(to.extras or {})} for event in events]
    if batch and to.product is Product.EXTENSIBLE:
        # A known bug: each element is the wrapper of the request's options.
        shaped = [{"json": event} for event in shaped]
    return stringify(shaped if batch else shaped[0]).encode()


def _headers(
    events: Sequence[Mapping[str, Any]], to: Destination, body: bytes, *, batch: bool
) -> dict[str, str]:
    headers = {"User-Agent": to.product.user_agent, "Content-Type": "application/json"}
    if to.secret is not None:
        whole = batch and to.signs_whole_batch
        signed = body if whole else stringify(events[0]).encode()
        headers["X-Signature"] = signature(to.secret, signed)
    if to.token is not None:
        headers["Authorization"] = f"Bearer {to.token}"
    return headers


def signature(secret: str, text: bytes) -> str:
    """Sign: hex HMAC-SHA1."""
    return hmac.new(secret.encode(), text, hashlib.sha1).hexdigest()

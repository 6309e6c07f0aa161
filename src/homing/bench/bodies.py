"""Realistic events of about 1 KB, with random ids, and the signed requests that carry them."""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import TYPE_CHECKING

from homing.adapters.clock import SystemClock
from homing.core.effects import send_key
from homing.core.events import iso_time

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec

SECRET = "the-secret-of-the-benchmark"  # noqa: S105  of loopback alone
BATCH = 100
_CLOCK = SystemClock()


class Kind(StrEnum):
    """What a request holds."""

    MIX = "mix"  # one event of a shop's usual traffic: see MIX_NOTE
    ORDERS = "orders"  # one completed order: each is one email
    CARTS = "carts"  # one product added: each enters a run of the journey, if there is one
    BATCH = "batch"  # 100 of the mix
    ENGAGEMENT = "engagement"  # 100 of SendGrid's events of sends in the ledger


MIX_NOTE = (
    "35 % Product Viewed, 15 % Product Added, 15 % page, 15 % of three rarer events, 10 % identify"
    " (writes traits), 10 % Order Completed (the only ones that match a route and send)"
)

_NAMES = (
    *("Order Completed",) * 2, *("identify",) * 2, *("page",) * 3, *("Product Viewed",) * 7,
    *("Product Added",) * 3, "Cart Viewed", "Product List Viewed", "Checkout Started",
)  # fmt: skip

_CONTEXT = (
    b'"context":{"ip":"203.0.113.77","library":{"name":"analytics.js","version":"npm:next-1.81.0"},'
    b'"locale":"en-GB","page":{"path":"/products/walking-boots-2","referrer":'
    b'"https://www.example.com/search?q=walking+boots","search":"?utm_source=newsletter",'
    b'"title":"Walking boots, waterproof | Acme","url":"https://shop.acme.example/products/'
    b'walking-boots-2?utm_source=newsletter"},"timezone":"Europe/London","userAgent":'
    b'"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) '
    b'Chrome/142.0.0.0 Safari/537.36"}'
)
_PRODUCT = (
    b'{"product_id":"507f1f77bcf86cd799439011","sku":"45790-32","name":"Walking boots 2",'
    b'"price":129.5,"quantity":1,"category":"Shoes","brand":"Acme"}'
)
_HEAD = (
    b'{"anonymousId":"%(device)b","channel":"client",' + _CONTEXT + b',"integrations":{},'
    b'"messageId":"ajs-next-%(id)b","originalTimestamp":"%(at)b","receivedAt":"%(at)b",'
    b'"sentAt":"%(at)b","timestamp":"%(at)b","userId":"u%(user)07d","version":2,'
)
_TRACK = _HEAD + (
    b'"type":"track","event":"%(name)b","properties":{"order_id":"m%(number)d","currency":"GBP",'
    b'"total":%(total)d.5,"email":"u%(user)07d@shop.example","products":[' + _PRODUCT + b"]}}"
)
_IDENTIFY = _HEAD + (
    b'"type":"identify","traits":{"email":"u%(user)07d@shop.example","first_name":"Ada","plan":'
    b'"plus","address":{"city":"London","country":"GB"},"orders":%(total)d,"newsletter":true,'
    b'"avatar":"https://cdn.acme.example/avatars/%(id)b.png","created_at":"%(at)b"}}'
)
_PAGE = _HEAD + (
    b'"type":"page","name":"Product","properties":{"path":"/products/walking-boots-2","title":'
    b'"Walking boots, waterproof | Acme","url":"https://shop.acme.example/products/walking-boots-2"'
    b',"referrer":"https://www.example.com/search?q=walking+boots","products":[' + _PRODUCT + b"]}}"
)

_ENGAGEMENTS = (
    b'{"email":"u%(user)07d@shop.example","timestamp":%(at)d,"smtp-id":"<bench-%(send)d@geopod>",'
    b'"event":"processed",%(rest)b',
    b'{"email":"u%(user)07d@shop.example","timestamp":%(at)d,"smtp-id":"<bench-%(send)d@geopod>",'
    b'"event":"delivered","response":"250 2.0.0 OK 1763800000 x-si",%(rest)b',
    b'{"email":"u%(user)07d@shop.example","timestamp":%(at)d,"event":"open","ip":"198.51.100.%(low)d",'
    b'"useragent":"Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X)","sg_machine_open":false,'
    b"%(rest)b",
    b'{"email":"u%(user)07d@shop.example","timestamp":%(at)d,"event":"click","ip":'
    b'"198.51.100.%(low)d","useragent":"Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X)",'
    b'"url":"https://shop.acme.example/orders/m1","url_offset":{"index":0,"type":"html"},%(rest)b',
)
_REST = (
    b'"category":["orders"],"sg_event_id":"%(id)b","sg_message_id":"bench%(send)d.recvd-7f8d-x-1",'
    b'"homing_send":"%(key)b","homing_rule":"order-completed","homing_version":"bench"}'
)


def event_body(number: int, *, people: int, name: str | None = None) -> bytes:
    """Make Segment event *number*: of the mix, or a track event called *name*."""
    random = os.urandom(16)
    user = int.from_bytes(random[:6]) % people
    called = name or _NAMES[number % len(_NAMES)]
    template = {"identify": _IDENTIFY, "page": _PAGE}.get(called, _TRACK)
    return template % {
        b"id": random.hex().encode(),
        b"device": b"device-%032d" % user,
        b"at": iso_time(_CLOCK.now_ms()).encode(),
        b"user": user,
        b"name": called.encode(),
        b"number": number,
        b"total": random[0] + 1,
    }


def batch_body(number: int, *, people: int) -> bytes:
    """Make a batch of events of the mix, from event *number* times `BATCH` on."""
    first = number * BATCH
    events = (event_body(n, people=people) for n in range(first, first + BATCH))
    return b"[" + b",".join(events) + b"]"


def engagement_body(number: int, *, sends: int, people: int) -> bytes:
    """Make a post of SendGrid's events: processed, delivered, open and click of 25 sends."""
    at = _CLOCK.now_ms() // 1000
    events = []
    for n in range(number * BATCH, (number + 1) * BATCH):
        send = n // len(_ENGAGEMENTS) % sends + 1
        values = {
            b"user": user_of_send(send, people), b"at": at, b"send": send, b"low": n % 250 + 1,
            b"id": os.urandom(16).hex().encode(), b"key": send_key(send, tag_of(send)).encode(),
        }  # fmt: skip
        events.append(_ENGAGEMENTS[n % 4] % {**values, b"rest": _REST % values})
    return b"[" + b",\r\n".join(events) + b"]\r\n"


def tag_of(send: int) -> int:
    """The tag that the stock gives a send: 40 bits that look random."""
    return send * 0x9E3779B97F4A7C15 >> 24 & 0xFF_FFFF_FFFF


def user_of_send(send: int, people: int) -> int:
    """Whom the stock sent it to."""
    return send * 7_919 % people


def body_of(kind: Kind, number: int, *, people: int, sends: int = 1) -> bytes:
    """Make the body of post *number* of a kind; *sends* are in the ledger, of *people* persons."""
    match kind:
        case Kind.MIX:
            return event_body(number, people=people)
        case Kind.ORDERS:
            return event_body(number, people=people, name="Order Completed")
        case Kind.CARTS:
            return event_body(number, people=people, name="Product Added")
        case Kind.BATCH:
            return batch_body(number, people=people)
        case Kind.ENGAGEMENT:
            return engagement_body(number, sends=sends, people=people)


def requests(
    kind: Kind, numbers: range, *, people: int, sends: int, key: ec.EllipticCurvePrivateKey
) -> Iterator[bytes]:
    """Whole requests, head and body, signed as Segment or, with *key*, SendGrid signs them."""
    signed = _sendgrid_signed(key) if kind is Kind.ENGAGEMENT else _segment_signed
    path = b"/sendgrid" if kind is Kind.ENGAGEMENT else b"/segment"
    for number in numbers:
        body = body_of(kind, number, people=people, sends=sends)
        yield _request(path, body, signed(body))


def _segment_signed(body: bytes) -> dict[str, str]:
    return {"X-Signature": hmac.digest(SECRET.encode(), body, "sha1").hex()}


def _sendgrid_signed(key: ec.EllipticCurvePrivateKey) -> Callable[[bytes], dict[str, str]]:
    # the other kinds need none of the emulators, which take half a second to load
    from homing.emulators.sendgrid.signing import Signer  # noqa: PLC0415

    signer, at = Signer(key), _CLOCK.now_ms() // 1000
    return lambda body: signer.headers(body, timestamp=at)


def _request(path: bytes, body: bytes, headers: dict[str, str]) -> bytes:
    lines = b"".join(f"{name}: {value}\r\n".encode() for name, value in headers.items())
    return (
        b"POST %b HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench\r\nAccept: */*\r\n"
        b"Content-Type: application/json\r\n%bContent-Length: %d\r\n\r\n" % (path, lines, len(body))
    ) + body

"""
The bytes of an event post.

They are no canonical JSON, and receivers that rebuild them fail: objects are
separated by a comma and CRLF, the body ends with CRLF, ``<`` and ``>`` are
written ``\\u003c`` and ``\\u003e``. Source: captured bodies.
"""

from collections.abc import Mapping, Sequence

import orjson


def event_bytes(event: Mapping[str, object]) -> bytes:
    """Encode one event."""
    return orjson.dumps(event).replace(b"<", b"\\u003c").replace(b">", b"\\u003e")


def body_of(events: Sequence[bytes]) -> bytes:
    """Join encoded events to a body."""
    return b"[" + b",\r\n".join(events) + b"]\r\n"

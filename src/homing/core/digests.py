"""Short hashes by which the store finds what has a long name."""

from __future__ import annotations

from hashlib import blake2b


def digest8(text: bytes) -> int:
    """A signed 64-bit hash, as an SQLite integer holds it."""
    return int.from_bytes(blake2b(text, digest_size=8).digest(), signed=True)


def address_trace(address: str) -> int:
    """The key by which sends to an address are traced."""
    return digest8(b"a:" + address.lower().encode("utf-8", "surrogatepass"))


def message_trace(message_id: str) -> int:
    """The key by which the sends of one API request (X-Message-Id) are traced."""
    return digest8(b"m:" + message_id.encode("utf-8", "surrogatepass"))


def smtp_trace(smtp_id: str) -> int:
    """The key by which sends are traced from an ``smtp-id``."""
    return digest8(b"i:" + smtp_id.encode("utf-8", "surrogatepass"))

"""What leaves as JSON: fast for ordinary values, and never stopped by one odd character."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import orjson

from homing.core.errors import HomingError

# Webhook bodies nest at most 64 deep; a mapping may wrap one a little more.
_MAX_DEPTH = 128


class NotJson(HomingError):
    """The configuration's or the event's fault: a value that JSON cannot hold."""


def json_bytes(value: object) -> bytes:
    """
    Encode as UTF-8 JSON.

    Decimals become numbers. What JSON or the receiving API could not read is mended, not refused:
    a lone surrogate becomes U+FFFD, an integer beyond 64 bits text, a key that is no text its
    text.

    Raises:
        NotJson: A value of another type, or nested deeper than 128.
    """
    try:
        return orjson.dumps(value, default=_plain)
    except TypeError:  # orjson's JSONEncodeError is one
        return _mended_bytes(value)


def read_object(body: bytes) -> dict[str, Any]:
    """A JSON object; empty where there is none."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _mended_bytes(value: object) -> bytes:
    try:
        return orjson.dumps(_mended(value, 0))
    except TypeError as error:
        msg = f"not JSON: {error}"
        raise NotJson(msg) from error


def _mended(value: object, depth: int) -> object:
    if depth > _MAX_DEPTH:
        msg = f"nested deeper than {_MAX_DEPTH}"
        raise NotJson(msg)
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, Mapping):
        return {_key(key): _mended(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_mended(item, depth + 1) for item in value]
    return _plain(value) if isinstance(value, int | Decimal) else value


def _key(key: object) -> str:
    return str(_mended(key if isinstance(key, str) else str(key), 0))


def _plain(value: object) -> object:
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**64 else str(value)
    if isinstance(value, Decimal):
        return _number(value)
    if isinstance(value, Mapping):
        return dict(value)
    msg = f"{type(value).__name__} has no JSON form"
    raise TypeError(msg)


def _number(value: Decimal) -> object:
    number = float(value)
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() and abs(number) < 2**53 else number

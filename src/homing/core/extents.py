"""
Where a JSON value ends, found in raw bytes without decoding them.

Brackets and strings alone decide it, so a value with something bad inside still has an extent. The
patterns are possessive: each byte is looked at once, whatever a stranger sends (25 ms a MiB).
"""

from __future__ import annotations

import re
from typing import Final

MAX_DEPTH: Final = 64
MEASURED_DEPTH: Final = 200_000  # megabytes of opening brackets would cost seconds, to no end

_SPACE: Final = re.compile(rb"[ \t\r\n]*+")
_STRING = rb'"(?:[^"\\]++|\\.)*+"'


def _bracketed(depth: int) -> bytes:
    # Written out level by level, since a regular expression cannot recurse. The kind of a closing
    # bracket is left to the decoder.
    inside = b""
    for _ in range(depth):
        deeper = rb"|[\[{]%s[\]}]" % inside if inside else b""
        inside = rb'(?:[^"\[\]{}]++|%s%s)*+' % (_STRING, deeper)
    return rb"[\[{]%s[\]}]" % inside


_NESTED: Final = re.compile(_bracketed(MAX_DEPTH), re.DOTALL)
_PLAIN: Final = re.compile(rb'(?:[^"\[\]{},]++|%s)*+' % _STRING, re.DOTALL)
_TOKEN: Final = re.compile(_STRING + rb'|["\[\]{}]', re.DOTALL)
_WRAPPER: Final = re.compile(rb'\{[ \t\r\n]*+"json"[ \t\r\n]*+:[ \t\r\n]*+')


def nested_end(text: bytes, start: int, limit: int | None = None) -> int | None:
    """
    End of the object or array that begins at *start*.

    None if none begins there, or it does not close before *limit*, or nests deeper than `MAX_DEPTH`
    (counting itself).
    """
    found = _NESTED.match(text, start, len(text) if limit is None else limit)
    return None if found is None else found.end()


def deep_end(text: bytes, start: int) -> int | None:
    """Like `nested_end`, to a depth of `MEASURED_DEPTH`; ten times slower."""
    depth = 0
    for token in _TOKEN.finditer(text, start):
        first = text[token.start()]
        if first == 0x22:
            if token.end() - token.start() == 1:
                return None  # a string that never ends
            continue
        depth += 1 if first in b"[{" else -1
        if depth <= 0:
            return token.end()
        if depth > MEASURED_DEPTH:
            break
    return None


def value_end(text: bytes, start: int) -> int:
    """
    End of the value of any kind that begins at *start*.

    The end of *text* for an object or array that never closes, or not within `MEASURED_DEPTH`;
    *start* for a string that does not, and where no value begins.
    """
    if text[start : start + 1] not in (b"{", b"["):
        found = _PLAIN.match(text, start)
        return start + len(found[0].rstrip(b" \t\r\n")) if found else start
    end = nested_end(text, start)
    if end is None:
        end = deep_end(text, start)
    return len(text) if end is None else end


def after_space(text: bytes, start: int) -> int:
    """The first place from *start* on that holds no JSON white space."""
    return _SPACE.match(text, start).end()  # type: ignore[union-attr]  # matches always


def is_too_deep(text: bytes) -> bool:
    """Whether a JSON object or array nests deeper than `MAX_DEPTH`."""
    if text.count(b"{") + text.count(b"[") <= MAX_DEPTH:
        return False
    return nested_end(text, after_space(text, 0)) is None


def unwrapped(element: bytes) -> bytes | None:
    """
    The value in ``{"json": value}``; None unless ``json`` is the only key.

    Source: the batches of Segment's extensible webhook.
    """
    head = _WRAPPER.match(element)
    if head is None:
        return None
    end = value_end(element, head.end())
    if element[end:].strip(b" \t\r\n") != b"}":
        return None
    return element[head.end() : end]

"""
A request's raw bytes into events: the first step of evaluation.

A request holds one object, an array of them, or (Segment's extensible webhook) an array of
``{"json": {...}}``. What cannot be used becomes an element with a reason; nothing is dropped, and
nothing is raised.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import orjson

from homing.core.extents import MAX_DEPTH, after_space, is_too_deep, unwrapped, value_end


class Element(msgspec.Struct, frozen=True, gc=False):
    """
    One event's bytes and what they say.

    ``data`` is empty and ``reason`` says why in words if the event cannot be used. ``raw`` is what
    was received; in ``data`` half a surrogate pair and NUL, which no database takes as text, have
    become U+FFFD.
    """

    raw: bytes
    data: dict[str, Any] = msgspec.field(default_factory=dict)
    reason: str | None = None


class Split(msgspec.Struct, frozen=True, gc=False):
    """A request's elements, in order; an empty array has none."""

    elements: tuple[Element, ...]


class _Wrapper(msgspec.Struct, forbid_unknown_fields=True):
    json: msgspec.Raw


MAX_EVENTS: Final = 20_000  # Segment's batches hold 4,000 at most
MANY_COMMAS: Final = 200_000  # the quick way would hold a slice for each before it could count them

_SLICES: Final = msgspec.json.Decoder(list[msgspec.Raw])
_WRAPPED: Final = msgspec.json.Decoder(list[_Wrapper])
_STARTS_WRAPPED: Final = re.compile(rb'[ \t\r\n]*+\[[ \t\r\n]*+\{[ \t\r\n]*+"json"')


def split_events(body: bytes) -> Split:
    """
    Cut a request into its events and decode them.

    Never raises. One bad event of an array costs its neighbours nothing, as long as it can be told
    where it ends; from where it cannot, the rest is one element.
    """
    if not _is_array(body):
        return Split((_element(body),))
    slices, _ = _cut(body)
    if len(slices) > MAX_EVENTS:
        *slices, rest = _cut_exactly(body)[0]
        reason = f"more than {MAX_EVENTS} events in one request"
        return Split((*map(_element, slices), Element(rest, reason=reason)))
    return Split(tuple(map(_element, slices)))


def blanked(body: bytes, items: Collection[int]) -> bytes:
    """
    *body* with some of its elements emptied, by their place in `split_events`.

    The others keep their bytes and their place: what erasure leaves of a request.
    """
    if not _is_array(body):
        return b"{}" if 0 in items else body
    spans = _spans(body)
    _, wrapped = _cut(body)
    kept: list[bytes] = []
    end = 0
    for place, span in enumerate(spans):
        if place not in items:
            continue
        kept += [body[end : span.start], span.blank(wrapped=wrapped)]
        end = span.end
    return b"".join([*kept, body[end:]])


def is_blank(element: Element) -> bool:
    """Whether an element is as `blanked` leaves it, or came just so."""
    return element.raw in _BLANKS


def _is_array(body: bytes) -> bool:
    first = body[:1]
    if first not in (b"[", b"{"):  # as nearly all begin
        start = after_space(body, 0)
        first = body[start : start + 1]
    return first == b"["


def _cut(body: bytes) -> tuple[list[bytes], bool]:
    """The raw events of an array, and whether each was in a wrapper."""
    if len(body) > MANY_COMMAS and body.count(b",") > MANY_COMMAS:
        return _cut_exactly(body)
    try:
        return _cut_quickly(body)
    except (msgspec.DecodeError, RecursionError):
        return _cut_exactly(body)


def _cut_quickly(body: bytes) -> tuple[list[bytes], bool]:
    """Raises on anything amiss, in whichever element."""
    if _STARTS_WRAPPED.match(body):
        try:
            return [bytes(wrapper.json) for wrapper in _WRAPPED.decode(body)], True
        except msgspec.ValidationError:
            pass  # some element is no wrapper, so none is
    return [bytes(raw) for raw in _SLICES.decode(body)], False


def _cut_exactly(body: bytes) -> tuple[list[bytes], bool]:
    spans = _spans(body)
    slices = [span.of(body) for span in spans]
    inner = [unwrapped(raw) for raw in slices]
    whole = [part for span, part in zip(spans, inner, strict=True) if not span.is_rest]
    if not whole or None in whole:
        return slices, False
    return [raw if part is None else part for raw, part in zip(slices, inner, strict=True)], True


# ---- decoding ---------------------------------------------------------------------------------


def _element(raw: bytes) -> Element:
    try:
        data = _decoded(raw)
    except (orjson.JSONDecodeError, RecursionError) as error:
        return Element(raw, reason=f"not JSON: {error}")
    if not isinstance(data, dict):
        return Element(raw, reason=f"expected an object, got {_KINDS[type(data)]}")
    if is_too_deep(raw):
        return Element(raw, reason=f"nested deeper than {MAX_DEPTH}")
    return Element(raw, data)


_KINDS: Final[dict[type, str]] = {
    list: "an array", str: "a text", int: "a number", float: "a number", bool: "true or false",
    type(None): "null",
}  # fmt: skip

_PAIR = rb"u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_BAD = rb"u(?:[dD][89a-fA-F][0-9a-fA-F]{2}|0000)"
# A run of what may stay, or one escape that may not. Escapes are read from the left, so that the
# second half of an escaped backslash is never taken for the start of one.
_REPAIR: Final = re.compile(
    rb"(?:[^\\]++|\\(?:%s|(?!%s).))++|(?P<bad>\\%s)" % (_PAIR, _BAD, _BAD), re.DOTALL
)


def _decoded(raw: bytes) -> Any:  # noqa: ANN401  # any JSON value
    if b"\\u0000" in raw:
        return orjson.loads(_repaired(raw))
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        # Node writes half a surrogate pair as an escape (Segment's SDKs cut texts by length).
        repaired = _repaired(raw)
        if repaired == raw:
            raise
        return orjson.loads(repaired)


def _repaired(raw: bytes) -> bytes:
    return _REPAIR.sub(lambda found: rb"\ufffd" if found["bad"] else found[0], raw)


# ---- the exact way ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Span:
    """
    Where an element lies.

    ``is_rest`` is true of what could not be told apart: from where that began, with the array's end
    somewhere inside (``is_open``), or from its closing bracket on, with text following.
    """

    start: int
    end: int
    is_rest: bool = False
    is_open: bool = False

    def of(self, body: bytes) -> bytes:
        return body[self.start : self.end]

    def blank(self, *, wrapped: bool) -> bytes:
        if self.is_rest:
            # a bracket too many makes it a rest again, whatever stands before
            return b"}" if self.is_open else b"]}"
        return b'{"json":{}}' if wrapped else b"{}"


_BLANKS = (b"{}", b"]}", b"}")


def _spans(body: bytes) -> list[_Span]:
    """
    The elements of an array, told apart by brackets, strings and commas alone.

    Where that ends, the rest is the last: at a bracket too many, at a string that never ends, at
    text after the closing bracket, or after `MAX_EVENTS`.
    """
    spans: list[_Span] = []
    at = after_space(body, after_space(body, 0) + 1)
    if body[at : at + 1] == b"]":
        return _with_rest(spans, body, at)
    while len(spans) < MAX_EVENTS:
        end = _element_end(body, at)
        after = after_space(body, end)
        follows = body[after : after + 1]
        if not follows:
            break
        if end > at or follows == b",":
            spans.append(_Span(at, end))
        if follows == b"]":
            return _with_rest(spans, body, after)
        if follows != b",":
            at = after
            break
        at = after_space(body, after + 1)
    return [*spans, _Span(at, len(body), is_rest=True, is_open=True)]


def _element_end(body: bytes, start: int) -> int:
    """End of what stands before the next comma or closing bracket: one value if all is well."""
    at = start
    while True:
        end = value_end(body, at)
        if end == at:
            return end
        at = after_space(body, end)
        if body[at : at + 1] in (b"", b",", b"]", b"}"):
            return end


def _with_rest(spans: list[_Span], body: bytes, close: int) -> list[_Span]:
    if after_space(body, close + 1) == len(body):
        return spans
    return [*spans, _Span(close, len(body), is_rest=True)]

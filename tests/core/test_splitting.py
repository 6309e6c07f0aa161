"""Splitting: the standard library's decoder is the second opinion on what a request says."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.core.splitting import MANY_COMMAS, MAX_EVENTS, Element, blanked, split_events

# What both decoders read alike: no integers past 2**53, no half surrogates, no NUL.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5)
JSON = TEXTS | st.sampled_from(
    [None, -1.5e-7, 2**53, [], {}, [[{}]], {"a": {"b": []}}, '"]}', "\\"]
)
EVENTS = st.dictionaries(TEXTS.filter(lambda key: key != "json"), JSON, max_size=3)


def elements_of(body: bytes) -> tuple[Element, ...]:
    return split_events(body).elements


def only_element_of(body: bytes) -> Element:
    (element,) = elements_of(body)
    return element


def told(body: bytes) -> list[object]:
    """What each element says, or its bytes if it is refused."""
    return [each.raw if each.reason else each.data for each in elements_of(body)]


class TestShapes:
    @given(EVENTS, st.booleans())
    def test_one_object_is_one_event(self, event, ascii_only):
        """
        A single post holds the event itself, with all its bytes kept.
        """
        body = json.dumps(event, ensure_ascii=ascii_only).encode()

        assert Element(body, event) == only_element_of(body)

    @given(st.lists(EVENTS, max_size=4), st.sampled_from([None, 1]), st.booleans())
    def test_an_array_is_its_elements(self, events, indent, ascii_only):
        """
        A batch holds events in order, whatever blanks lie between.
        """
        body = json.dumps(events, ensure_ascii=ascii_only, indent=indent).encode()

        found = elements_of(body)

        assert [
            Element(each.raw, event) for each, event in zip(found, events, strict=True)
        ] == list(found)
        assert events == [json.loads(each.raw) for each in found]

    @given(st.lists(EVENTS, min_size=1, max_size=4))
    def test_wrappers_are_taken_off(self, events):
        """
        The extensible webhook's wrappers go when every element is one.
        """
        body = json.dumps([{"json": event} for event in events]).encode()

        found = elements_of(body)

        assert events == [each.data for each in found]
        assert events == [json.loads(each.raw) for each in found]

    @pytest.mark.parametrize(
        "body",
        [
            b'[{"json":{"a":1}},{"type":"track"}]',
            b'[{"json":{"a":1},"type":"track"},{"json":{"b":1}}]',
            b'[{"json":{"a":1}},{}]',
            b'[{"json":{"a":1}},5]',
        ],
    )
    def test_one_element_without_keeps_all_as_they_are(self, body):
        """
        An event that has a key called json is no wrapper.
        """
        assert json.loads(body)[0] == elements_of(body)[0].data

    def test_a_single_object_is_never_unwrapped(self):
        """
        Only batches are wrapped.
        """
        assert {"json": {"a": 1}} == only_element_of(b'{"json":{"a":1}}').data

    @pytest.mark.parametrize("body", [b"[]", b" [ \n] \r\n"])
    def test_an_empty_array_holds_nothing(self, body):
        """
        Nothing to do is not a fault.
        """
        assert () == elements_of(body)


# The measured table of what decoders do with odd JSON: body, what it says, or the reason.
ODD: list[tuple[bytes, object]] = [
    (b"", "not JSON"),
    (b"   ", "not JSON"),
    (b"not json", "not JSON"),
    (b"{", "not JSON"),
    (b'{"a":1}{"b":2}', "not JSON"),
    (b'{"a":NaN}', "not JSON"),
    (b'{"a":Infinity}', "not JSON"),
    (b'{"a":-Infinity}', "not JSON"),
    (b'{"a":1e400}', "not JSON"),
    (b'{"a":' + b"9" * 5_000 + b"}", "not JSON"),
    (b'{"a":"\xff"}', "not JSON"),
    (b'{"a":"\xed\xa0\x80"}', "not JSON"),
    ("{}".encode("utf-16"), "not JSON"),
    (b"\xef\xbb\xbf{}", "not JSON"),
    (b'{"a":"\x00"}', "not JSON"),
    (b"{'a':1}", "not JSON"),
    (b'{"a":1,}', "not JSON"),
    (b'{"a":' * 100_000, "not JSON"),
    (b"[" * 100_000, "not JSON"),
    (b'{"a":' * 65 + b"1" + b"}" * 65, "nested deeper than 64"),
    (b'{"a":' * 900 + b"1" + b"}" * 900, "nested deeper than 64"),
    (b'{"a":' + b"[" * 64 + b"]" * 64 + b"}", "nested deeper than 64"),
    (b"null", "expected an object, got null"),
    (b"true", "expected an object, got true or false"),
    (b"5", "expected an object, got a number"),
    (b'"text"', "expected an object, got a text"),
    (b"{}", {}),
    (b'{"a":' + b"9" * 30 + b"}", {"a": 1e30}),
    (b'{"a":12345678901234567890}', {"a": 12345678901234567890}),
    (b'{"a":1,"a":2}', {"a": 2}),
    (rb'{"a":"\ud800"}', {"a": "\ufffd"}),
    (rb'{"a":"x\udfffy"}', {"a": "x\ufffdy"}),
    (rb'{"a":"\udc00\ud83d"}', {"a": "\ufffd\ufffd"}),
    (rb'{"a":"\ud83d\ude00"}', {"a": "\U0001f600"}),
    (rb'{"a":"\ud800\ud83d\ude00\uD83D"}', {"a": "\ufffd\U0001f600\ufffd"}),
    (rb'{"a":"\\ud800"}', {"a": "\\ud800"}),
    (rb'{"a":"\\\ud800"}', {"a": "\\\ufffd"}),
    (rb'{"\ud800":1}', {"\ufffd": 1}),
    (rb'{"a":"x\u0000y"}', {"a": "x\ufffdy"}),
    (rb'{"a":"\\u0000"}', {"a": "\\u0000"}),
    (rb'{"a":"\u0000\ud800"}', {"a": "\ufffd\ufffd"}),
    (rb'{"a":"\ud8', "not JSON"),
    (b'{"a":"' + b"[{" * 100 + b'"}', {"a": "[{" * 100}),
    (b'{"a":[' + b"[]," * 200 + b"[]]}", {"a": [[]] * 201}),
]


def _closes(body: bytes) -> bool:
    """Whether a body may stand in an array without hiding where it ends."""
    return (
        body.strip() != b""
        and (body.count(b"{") == body.count(b"}") or body.endswith(b'[{"}'))
        and not body.startswith((b"[", b"\xff"))
    )


class TestOdd:
    @pytest.mark.parametrize(("body", "says"), ODD)
    def test_alone(self, body, says):
        """
        Each odd body is an event or has a reason, and keeps its bytes.
        """
        element = only_element_of(body)

        # A hundred thousand brackets are an array, and its rest is the element.
        assert body.endswith(element.raw)
        if isinstance(says, dict):
            assert (None, says) == (element.reason, element.data)
        else:
            assert str(says) in str(element.reason)
            assert {} == element.data

    @pytest.mark.parametrize("body", [body for body, _ in ODD if _closes(body)])
    def test_among_good_neighbours(self, body):
        """
        Wherever its end can be told, an odd event costs its neighbours nothing.
        """
        (alone,) = told(body)

        assert [{"x": 1}, alone, {"y": 2}] == told(b'[{"x":1},%s,{"y":2}]' % body)
        assert [alone, {"x": 1}] == told(b'[ %s\n, {"x":1} ]' % body)


class TestBrokenArrays:
    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            (b"[", [b""]),
            (b'[{"a":1}', [{"a": 1}]),
            (b'[{"a":1},', [{"a": 1}, b""]),
            (b'[{"a":1},{"b":', [{"a": 1}, b'{"b":']),
            (b'[{"a":1},{"b":"x', [{"a": 1}, b'{"b":"x']),
            (b'[{"a":1} {"b":2}, {"c":3}]', [b'{"a":1} {"b":2}', {"c": 3}]),
            (b'[\xef\xbb\xbf{"a":1},{"b":2}]', [b'\xef\xbb\xbf{"a":1}', {"b": 2}]),
            (b'[{"a":1} "b, 3]', [{"a": 1}, b'"b, 3]']),
            (b'[{"a":1}}, {"b":2}]', [{"a": 1}, b'}, {"b":2}]']),
            (b'[{"a":1},,{"b":2}]', [{"a": 1}, b"", {"b": 2}]),
            (b'[{"a":1},]', [{"a": 1}]),
            (b'[{"a":1}] {"b":2}', [{"a": 1}, b'] {"b":2}']),
            (b'[] {"b":2}', [b'] {"b":2}']),
            (b'[{"a":1],{"b":2}]', [b'{"a":1]', {"b": 2}]),
            (b'[{"json":{"a":1}},{"json":{"b":NaN}}]', [{"a": 1}, b'{"b":NaN}']),
            (b'[{"json":{"a":1}},{"json":{"b"', [{"a": 1}, b'{"json":{"b"']),
            (rb'[{"a":"\ud800"},{"b":"],["}]', [{"a": "\ufffd"}, {"b": "],["}]),
        ],
    )
    def test_what_can_be_told_apart_is(self, body, expected):
        """
        Good events stay; from where the array cannot be followed, the rest is one element.
        """
        assert expected == told(body)

    @given(st.lists(EVENTS, min_size=1, max_size=4), st.integers(0, 200))
    def test_a_cut_body_keeps_its_whole_events(self, events, cut):
        """
        A truncated array gives every event before the cut, unchanged.
        """
        body = json.dumps(events).encode()
        whole = 0
        for count in range(1, len(events) + 1):
            if len(json.dumps(events[:count])) - 1 <= cut:
                whole = count

        assert events[:whole] == told(body[:cut])[:whole]


class TestBounds:
    @pytest.mark.parametrize("element", [b"{}", b'{"json":{}}', b"[]", b"1", b""])
    @pytest.mark.parametrize("times", [MAX_EVENTS + 5, MANY_COMMAS + 5])
    def test_too_many_events_are_one_refusal(self, element, times):
        """
        What no sender sends costs neither memory nor a million rows.
        """
        found = elements_of(b"[" + b",".join([element] * times) + b"]")

        assert MAX_EVENTS + 1 == len(found)
        assert "more than 20000 events in one request" == found[-1].reason

    def test_as_many_as_allowed_are_fine(self):
        """
        The bound itself is within bounds.
        """
        found = elements_of(b"[" + b",".join([b"{}"] * MAX_EVENTS) + b"]")

        assert [Element(b"{}")] * MAX_EVENTS == list(found)

    def test_large_batches_with_many_commas_are_whole(self):
        """
        Four thousand events with sixty keys each are all there.
        """
        event = {f"key{number}": number for number in range(60)}
        body = json.dumps([event] * 4_000).encode()

        assert [event] * 4_000 == [each.data for each in elements_of(body)]

    @pytest.mark.parametrize(
        "piece", [b"[", b"{", b'{"a":', b'"', b"\\", b",", b"[]", b'"",', b" ", b"{},", b'{"json":']
    )
    def test_a_hostile_megabyte_ends(self, piece):
        """
        Whatever a body repeats, it is split into at most so many elements.
        """
        body = b"[" + piece * (1024 * 1024 // len(piece))

        assert len(elements_of(body)) <= MAX_EVENTS + 1


class TestFuzz:
    @given(st.binary(max_size=300))
    def test_any_bytes_split(self, body):
        """
        Nothing is ever raised, and each element is an event or has a reason.
        """
        for element in elements_of(body):
            assert (element.reason is None) or {} == element.data

    @given(
        st.lists(
            st.sampled_from([*'[]{}",:\\1é', "\\ud800", "\\u0000", "NaN", '{"json":', '{"a":1}'])
        )
    )
    @settings(max_examples=300)
    def test_any_pieces_split_and_agree_with_a_decoder(self, pieces):
        """
        What is valid JSON is split as a decoder reads it; the rest never raises.
        """
        body = "".join(pieces).encode()
        found = elements_of(body)
        try:
            value = json.loads(body, parse_constant=_refuse)
        except (ValueError, RecursionError):
            return
        value = value if isinstance(value, list) else [value]
        if "\\u" not in "".join(pieces) and not _wrapped(value):
            assert [each for each in value if isinstance(each, dict)] == [
                each.data for each in found if each.reason is None
            ]
        assert len(value) == len(found)


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _wrapped(value: list[object]) -> bool:
    return all(isinstance(each, dict) and list(each) == ["json"] for each in value)


class TestBlanked:
    @pytest.mark.parametrize(
        ("body", "items", "expected"),
        [
            (b'[{"a":1}, {"b":2} ,{"c":3}]', {1}, b'[{"a":1}, {} ,{"c":3}]'),
            (b'[{"a":1},{"b":2}]', {0, 1}, b"[{},{}]"),
            (b'[{"a":1}]', set(), b'[{"a":1}]'),
            (b'[{"a":1}]', {7}, b'[{"a":1}]'),
            (b'{"a":1}', {0}, b"{}"),
            (b'{"a":1}', {1}, b'{"a":1}'),
            (b"not json", {0}, b"{}"),
            (b'[{"json":{"a":1}},{"json":{"b":2}}]', {0}, b'[{"json":{}},{"json":{"b":2}}]'),
            (b'[{"a":1},{"b', {1}, b'[{"a":1},}'),
            (b'[{"a":1}] ada@example.com', {1}, b'[{"a":1}]}'),
        ],
    )
    def test_empties_only_what_is_named(self, body, items, expected):
        """
        The bytes of the others stay as they were.
        """
        assert expected == blanked(body, items)

    @given(
        st.lists(
            st.sampled_from(
                [b'{"json":{"a":1}}', b'{"json":2}', b'{"a":"x,]"}', b"{}", b"1", b'{"a":NaN}', b"",
                 b'{"json":{"a":NaN}}', b"[" * 70 + b"]" * 70, b'"\xff"', b'{"json":1,"json":2}']
            ),
            max_size=4,
        ),
        st.sampled_from([b"]", b"", b",", b'] {"x":1}', b" {}]", b'{"', b"}]"]),
        st.integers(0, 4),
    )  # fmt: skip
    @settings(max_examples=400)
    def test_places_and_neighbours_stay(self, parts, ending, place):
        """
        However broken the array, emptying one element leaves the others' bytes in their places.
        """
        body = b"[" + b", ".join(parts) + ending
        before = elements_of(body)

        after = elements_of(blanked(body, {place}))

        assert len(before) == len(after)
        for number, (old, new) in enumerate(zip(before, after, strict=True)):
            emptied = new.raw in (b"{}", b"}", b"]}")
            assert emptied if number == place else old.raw == new.raw

"""Extents: the standard library's decoder is the second opinion on where a value ends."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.core.extents import (
    MAX_DEPTH,
    after_space,
    deep_end,
    is_too_deep,
    nested_end,
    unwrapped,
    value_end,
)

TEXTS = st.text(max_size=5)
JSON = TEXTS | st.sampled_from([None, -1.5e-7, [], {}, [[{}]], {"a": {"b": []}}, '"]}', "\\"])
NESTED = st.lists(JSON, max_size=4) | st.dictionaries(TEXTS, JSON, max_size=4)


class TestNestedEnd:
    @given(NESTED, st.booleans(), st.sampled_from(["", ",", "]", "}", ' "', "[[["]))
    def test_agrees_with_a_json_decoder(self, value, ascii_only, after):
        """
        Whatever follows, an object or array ends where the standard library says.
        """
        text = json.dumps(value, ensure_ascii=ascii_only)
        end = json.JSONDecoder().raw_decode(text + after)[1]

        found = nested_end((text + after).encode("utf-8", "surrogatepass"), 0)

        assert len(text[:end].encode("utf-8", "surrogatepass")) == found

    @pytest.mark.parametrize(
        "text", [b"", b"1", b'"{}"', b" {}", b"{", b"[}", b'{"a', b'{"a\\"}', b"[[]", b"}"]
    )
    def test_none_without_a_whole_value(self, text):
        """
        Scalars, blanks and what does not close have no such end, except for mixed brackets.
        """
        assert (2 if text == b"[}" else None) == nested_end(text, 0)

    def test_depth_is_bounded(self):
        """
        The deepest value allowed is found; one deeper is not.
        """
        assert 2 * MAX_DEPTH == nested_end(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, 0)
        assert None is nested_end(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), 0)

    def test_the_limit_cuts_the_search(self):
        """
        A value that ends past the limit does not end.
        """
        assert 4 == nested_end(b"[[]]", 0, 4)
        assert None is nested_end(b"[[]]", 0, 3)


class TestDeepEnd:
    @given(NESTED)
    def test_agrees_with_the_quick_one(self, value):
        """
        Both find the same end.
        """
        text = json.dumps(value).encode() + b", more"

        assert nested_end(text, 0) == deep_end(text, 0)

    def test_finds_any_depth(self):
        """
        A hundred thousand brackets are counted, not recursed into.
        """
        assert 200_000 == deep_end(b"[" * 100_000 + b"]" * 100_000 + b"]", 0)

    @pytest.mark.parametrize("text", [b"[" * 100_000, b'["abc', b'{"a":"b', b"["])
    def test_none_without_an_end(self, text):
        """
        What never closes has none.
        """
        assert None is deep_end(text, 0)


class TestValueEnd:
    @pytest.mark.parametrize(
        ("text", "end"),
        [
            (b'"a,b]",1', 6),
            (b"12]", 2),
            (b"12 \n]", 2),
            (b"{}x", 2),
            (b"", 0),
            (b",", 0),
            (b'"open', 0),
            (b"{", 1),
        ],
    )
    def test_ends_before_what_separates(self, text, end):
        """
        A scalar ends at a comma or bracket outside strings; an open value at the end.
        """
        assert end == value_end(text, 0)


class TestIsTooDeep:
    @pytest.mark.parametrize("bracket", ["[]", "{}"])
    def test_counts_nesting_not_brackets(self, bracket):
        """
        Many brackets side by side, or inside a text, are not deep.
        """
        flat = ",".join([bracket] * 200)
        text = json.dumps(["[{" * 200]).encode()

        assert not is_too_deep(f"[{flat}]".encode())
        assert not is_too_deep(text)
        assert is_too_deep(b" " + b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1))


class TestUnwrapped:
    @pytest.mark.parametrize(
        ("element", "inner"),
        [
            (b'{"json":{"a":1}}', b'{"a":1}'),
            (b'{ "json" : {"a":1} }', b'{"a":1}'),
            (b'{"json":[]}', b"[]"),
            (b'{"json":5}', b"5"),
            (b'{"json":{"a":1},"type":"track"}', None),
            (b'{"type":"track","json":{}}', None),
            (b'{"body":"a=b"}', None),
            (b'{"json":{"a":1}', None),
            (b'{"json":', None),
            (b"[]", None),
            (b"", None),
        ],
    )
    def test_only_the_sole_key_json_wraps(self, element, inner):
        """
        An event that merely has a key called json is no wrapper.
        """
        assert inner == unwrapped(element)


class TestAfterSpace:
    def test_skips_json_white_space_only(self):
        """
        A no-break space is no JSON white space.
        """
        assert 4 == after_space(b" \t\r\n{", 0)
        assert 0 == after_space("\u00a0{".encode(), 0)
        assert 1 == after_space(b" ", 0)

"""What a run knows, there and back."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.journeys import happened

from homing.core.events import Happened
from homing.core.journeys.contexts import pack, unpack
from homing.core.journeys.run import Context, Seen

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(
        st.characters(exclude_categories=["Cs"]), max_size=5
    ) | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=3), inner,
                      max_size=3),
    max_leaves=8,
)  # fmt: skip
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
EVENTS = st.lists(
    st.tuples(VALUES, st.integers(0, 1 << 50), st.booleans()), min_size=1, max_size=6
).map(
    lambda rows: [
        Happened(number, {"type": "track", "properties": value}, at, at + 1, engagement)
        for number, (value, at, engagement) in enumerate(rows)
    ]
)


@st.composite
def contexts(draw: st.DrawFn) -> Context:
    some = st.sampled_from(draw(EVENTS))
    named = st.dictionaries(NAMES, some, max_size=4)
    seen = st.lists(st.builds(Seen, NAMES, NAMES, some), max_size=4).map(tuple)
    return Context(draw(some), draw(some), draw(named), draw(named), draw(seen))


class TestPack:
    @given(contexts())
    def test_what_is_packed_comes_back(self, context):
        """
        Events, names, order and all.
        """
        assert context == unpack(pack(context))

    @given(contexts())
    def test_it_is_the_same_bytes_again(self, context):
        """
        So a run that learned nothing writes nothing new.
        """
        packed = pack(context)

        assert packed == pack(unpack(packed))

    def test_each_event_is_kept_once(self):
        """
        However often it is spoken of.
        """
        large = happened("Start", text="x" * 1_000)
        context = Context(
            large, large, {"Start": large}, {"a.b": large}, (Seen("a", "b", large),) * 5
        )

        assert len(pack(context)) < 1_500
        assert 1 == len(json.loads(pack(context))["events"])

    def test_times_and_kind_stay(self):
        """
        Also of SendGrid's events.
        """
        event = Happened(7, {"type": "track", "event": "Email Opened"}, 1, 2, engagement=True)

        assert event == unpack(pack(Context(event, event))).entry

    @pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b'{"entry": 3, "events": []}'])
    def test_bytes_of_another_kind_are_refused(self, raw):
        """
        By an exception: whoever has such a run must hear of it.
        """
        with pytest.raises((ValueError, TypeError, KeyError, IndexError)):
            unpack(raw)

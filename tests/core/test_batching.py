"""Packing calls into what Segment takes in one request."""

from __future__ import annotations

from itertools import pairwise

import orjson
from hypothesis import given
from hypothesis import strategies as st

from homing.core import batching
from homing.core.batching import MAX_BYTES, MAX_CALLS, Batch, batches_of
from homing.core.effects import Effect

SIZES = st.integers(2, 3_000) | st.sampled_from([100_000, 240_000, 479_998, 480_001])
EFFECTS = st.lists(st.tuples(st.integers(1, 5), SIZES), max_size=40)


def effect(number: int, lane: int = 1, size: int = 2) -> Effect:
    """A call of so many bytes."""
    return Effect(number, "track", lane, 0, 0, None, None, 0, b'"' + b"x" * (size - 2) + b'"')


def effects_of(shapes: list[tuple[int, int]]) -> list[Effect]:
    """Calls of these (lane, size)."""
    return [effect(number, *shape) for number, shape in enumerate(shapes, 1)]


class TestBody:
    def test_it_is_segments_batch(self):
        """
        The calls in order, beside the key and the moment of this attempt.
        """
        batch = Batch((effect(1, size=3), effect(2, size=4)))

        body = orjson.loads(batch.body(write_key='k"', sent_at="2026-01-05T10:00:00.000Z"))

        assert {
            "writeKey": 'k"',
            "sentAt": "2026-01-05T10:00:00.000Z",
            "batch": ["x", "xx"],
        } == body


class TestHalves:
    @given(st.integers(2, 50))
    def test_both_hold_something_and_together_all_in_order(self, calls):
        """
        So that halving ends at the one bad call.
        """
        batch = Batch(tuple(effect(number) for number in range(calls)))
        first, second = batch.halves()

        assert batch.effects == first.effects + second.effects
        assert first.effects
        assert second.effects


class TestBatchesOf:
    @given(EFFECTS, st.integers(1, 4))
    def test_no_lane_is_in_two_batches(self, shapes, most):
        """
        Two requests at once could overtake each other.
        """
        lanes = [
            {e.lane for e in batch.effects} for batch in batches_of(effects_of(shapes), most=most)
        ]

        assert len(lanes) <= most
        assert sum(map(len, lanes)) == len(set().union(*lanes))

    @given(EFFECTS, st.integers(1, 4))
    def test_a_lane_loses_only_its_tail(self, shapes, most):
        """
        What leaves of a lane are its first calls, in order.
        """
        effects = effects_of(shapes)
        leaving = {e.id for batch in batches_of(effects, most=most) for e in batch.effects}
        for lane in range(1, 6):
            left = [e.id in leaving for e in effects if e.lane == lane]
            assert left == sorted(left, reverse=True)
        for batch in batches_of(effects, most=most):
            assert all(one.id < other.id for one, other in pairwise(batch.effects))

    @given(EFFECTS, st.integers(1, 4))
    def test_every_request_is_within_segments_limits(self, shapes, most):
        """
        500 KB and 2,500 calls; but one call leaves in any case, since alone it may still be taken.
        """
        for batch in batches_of(effects_of(shapes), most=most):
            size = sum(len(e.payload) + 1 for e in batch.effects)
            assert size <= MAX_BYTES or 1 == len(batch.effects)

    @given(EFFECTS.filter(bool), st.integers(1, 4))
    def test_something_always_leaves(self, shapes, most):
        """
        The first call does, whatever its size.
        """
        assert 1 == batches_of(effects_of(shapes), most=most)[0].effects[0].id

    def test_so_many_calls_and_no_more(self):
        """
        Segment answers 200 to a larger batch and throws it away.
        """
        effects = [effect(number, lane=number) for number in range(MAX_CALLS + 1)]

        one = batches_of(effects, most=1)
        two = batches_of(effects, most=2)

        assert [MAX_CALLS] == [len(batch.effects) for batch in one]
        assert [MAX_CALLS, 1] == [len(batch.effects) for batch in two]
        assert batching.MAX_CALLS <= 2_500

    def test_nothing_is_no_batch(self):
        """
        Not an empty request.
        """
        assert [] == batches_of([], most=4)

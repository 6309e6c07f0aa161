"""Which events a condition can be true of, without asking it."""

from __future__ import annotations

import pytest

from homing.core.fql import parse


class TestNamesRequired:
    @pytest.mark.parametrize(
        ("text", "events"),
        [
            ("event = 'A'", {"A"}),
            ("'A' = event", {"A"}),
            ("(event) = ('A')", {"A"}),
            ("event in ['A', 'B']", {"A", "B"}),
            ("event in []", set()),
            ("event = 'A' or event = 'B' or event in ['C']", {"A", "B", "C"}),
            ("event = 'A' and properties.total > 0", {"A"}),
            ("(event = 'A' or event = 'B') and event in ['B', 'C']", {"B"}),
            ("event = 'A' and event = 'B'", set()),
            ("event = 'A' or (event = 'B' and type = 'track')", {"A", "B"}),
            ("event = 'A' or false", {"A"}),
            ("false", set()),
            ("'x' or 5", set()),
            ("all", None),
            ("true", None),
            ("event = 'A' or true", None),
            ("type = 'track'", None),
            ("event = 'A' or type = 'page'", None),
            ("event != 'A'", None),
            ("!(event = 'A')", None),
            ("event = null", None),
            ("event in ['A', null]", None),
            ("event in ['A', properties.x]", None),
            ("event = 5", None),
            ("event = properties.x", None),
            ("event in properties.names", None),
            ("'A' in event", None),
            ("match(event, 'A')", None),
            ("event.x = 'A'", None),
            ("lowercase(event) = 'a'", None),
            ("journey.event = 'A'", None),
        ],
    )
    def test_the_bound_follows_and_and_or(self, text, events):
        """
        `and` narrows, `or` widens, and anything unsure is no bound.
        """
        assert (None if events is None else frozenset(events)) == parse(text).events

    def test_types_are_bounded_likewise(self):
        """
        The same is known of `type`.
        """
        condition = parse("type in ['track', 'page'] and event = 'A'")

        assert (frozenset({"track", "page"}), frozenset({"A"})) == (
            condition.types,
            condition.events,
        )


class TestPathsRead:
    def test_every_path_outside_did_is_listed(self):
        """
        Paths are given as segments, wherever they stand; a did()'s own are in its condition.
        """
        condition = parse(
            r"a.b\ c = 1 and (length(traits.x) in [profile.y, 1]) and did('X', 1, null, 'z = 1')"
        )

        assert {("a", "b c"), ("traits", "x"), ("profile", "y")} == condition.paths
        assert condition.dids[0].condition is not None
        assert {("z",)} == condition.dids[0].condition.paths

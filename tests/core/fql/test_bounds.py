"""Which events a condition can be true of, without asking it."""

from __future__ import annotations

import itertools

import pytest

from homing.core.fql import parse

CLAUSES = [
    *("event = 'A'", "'B' = event", "event in ['A', 'B']", "event in ['A', null]", "event = null"),
    *("event != 'A'", "!(event = 'A')", "event = 5", "event in [properties.a]", "true", "false"),
    *("type = 'track'", "type in ['track', ('page')]", "properties.a", "match(event, 'A')"),
]
EVENTS = [
    {**name, **kind, "properties": properties}
    for name in ({}, {"event": "A"}, {"event": "B"}, {"event": "C"}, {"event": 5}, {"event": None})
    for kind in ({}, {"type": "track"}, {"type": "page"})
    for properties in ({"a": "C"}, {"a": True})
]


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

    @pytest.mark.parametrize("form", ["{} and {}", "{} or {}", "!({}) or {}", "!({} and {})"])
    def test_whatever_holds_is_within_the_bounds(self, form):
        """
        Every pair of clauses, every event: one that meets the condition has a name it requires.
        """
        met = 0
        for one, other in itertools.product(CLAUSES, CLAUSES):
            condition = parse(form.format(one, other))
            events, types = condition.events, condition.types
            for event in filter(condition.holds, EVENTS):
                met += events is not None or types is not None
                assert events is None or event.get("event") in events
                assert types is None or event.get("type") in types

        assert met > 50 or "!" in form

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

"""A parsed condition: what it says of itself."""

from __future__ import annotations

import pytest

from homing.core.fql import Did, parse


class TestCondition:
    def test_equal_texts_are_equal_conditions(self):
        """
        Conditions compare and hash by their text.
        """
        assert parse("event = 'A'") == parse("event = 'A'")
        assert 1 == len({parse("event = 'A'"), parse("event = 'A'")})
        assert parse("event = 'A'") != parse("event = 'B'")

    def test_the_text_is_kept(self):
        """
        The condition shows what was written.
        """
        assert " event = 'A'\n" == parse(" event = 'A'\n").text


class TestDids:
    @pytest.mark.parametrize(
        ("text", "did"),
        [
            ("did('X')", Did("X", 1, None, None)),
            ("did('X', 3)", Did("X", 3, None, None)),
            ("did('X', 3, '7d')", Did("X", 3, 604_800.0, None)),
            ("did('X', 3, '1d12h')", Did("X", 3, 129_600.0, None)),
            ("did('X', 3, null)", Did("X", 3, None, None)),
            (
                'did("Page Viewed", 3, "7d", \'properties.path = "/pricing"\')',
                Did("Page Viewed", 3, 604_800.0, parse('properties.path = "/pricing"')),
            ),
            ("did('X', 1, null, 'all')", Did("X", 1, None, parse("all"))),
        ],
    )
    def test_a_call_is_read(self, text, did):
        """
        The defaults are once and for ever; the window is in seconds; the condition is parsed.
        """
        assert (did,) == parse(text).dids

    def test_each_call_is_listed_once_in_order(self):
        """
        Equal calls share one entry, wherever they stand.
        """
        condition = parse("did('B') or !(did('A', 2) and did('B')) or did('B', 1, null) = true")

        assert (Did("B", 1, None, None), Did("A", 2, None, None)) == condition.dids

    def test_its_condition_is_asked_alone(self):
        """
        The inner condition is a condition like any other.
        """
        (did,) = parse("did('X', 1, '7d', 'properties.total > 5')").dids

        assert did.condition is not None
        assert did.condition.holds({"properties": {"total": 6}})
        assert "properties.total > 5" == did.condition.text


class TestAudiences:
    def test_each_key_is_listed_once_in_order(self):
        """
        The keys of in_audience(), wherever they stand.
        """
        condition = parse("in_audience('b') or !(in_audience('a') and in_audience('b'))")

        assert ("b", "a") == condition.audiences

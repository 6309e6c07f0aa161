"""
Segment's own tables, row by row.

Source: Segment docs, "Destination Filter Query Language": Examples, Subexpressions, Functions,
``match``.
"""

from __future__ import annotations

import pytest

from homing.core.fql import parse

EVENT = {
    "event": "Button Clicked",
    "type": "track",
    "context": {"library": {"name": "analytics.js", "version": "1.0"}},
    "properties": {"features": ["discounts", "dark-mode"]},
}

STATEMENTS = [
    ("event = 'Button Clicked'", True),
    ("event = 'Screen Tapped'", False),
    ("context.path.path = '/login'", False),
    ("type = 'identify' or type = 'track'", True),
    ("event = 'Button Clicked' and type = 'track'", True),
    ("match( context.library.version, '1.*' )", True),
    ("match( context.library.version, '2.*' )", False),
    ("type = 'track' and ( event = 'Click' or match( event, 'Button *' ) )", True),
    ("!contains( context.library.name, 'js' )", False),
    ("'dark-mode' in properties.features", True),
    ("'blink' in properties.features", False),
]

GLOBS = [
    (r"match( 'abcd', 'a*d' )", True),
    (r"match( '', '*' )", True),
    (r"match( 'abc', 'ab' )", False),
    (r"match( 'abcd', 'a??d' )", True),
    (r"match( 'abcd', '*d' )", True),
    (r"match( 'ab*d', 'ab\*d' )", True),
    (r"match( 'abCd', 'ab[cC]d' )", True),
    (r"match( 'abcd', 'ab[a-z]d' )", True),
    (r"match( 'abcd', 'ab[A-Z]d' )", False),
]

NULLS = [
    ("contains( null, 'x' ) = false", True),
    ("length( null ) = 0", True),
    ("lowercase( null ) = null", True),
    ("typeof( null ) = 'null'", True),
    ("match( null, '*' ) = false", True),
]

# The first has its arguments swapped in the documentation; so `event` is the pattern.
SUBEXPRESSIONS = [
    (
        "type = 'track' and ( event = 'Click' or match( 'Button *', event ) )",
        {"type": "track", "event": "Click"},
        {"type": "track", "event": "Button Clicked"},
    ),
    (
        "( type = 'track' or type = 'identify' ) and "
        "( properties.enabled or match( traits.email, '*@company.com' ) )",
        {"type": "identify", "traits": {"email": "a@company.com"}},
        {"type": "page", "properties": {"enabled": True}},
    ),
    (
        "!( type in ['track', 'identify'] )",
        {"type": "page"},
        {"type": "track"},
    ),
]


class TestDocumentedTables:
    @pytest.mark.parametrize(("text", "result"), [*STATEMENTS, *GLOBS, *NULLS])
    def test_a_statement_has_the_documented_result(self, text, result):
        """
        Each row of the documentation evaluates as it says.
        """
        assert result is parse(text).holds(EVENT)

    @pytest.mark.parametrize(("text", "met", "unmet"), SUBEXPRESSIONS)
    def test_a_subexpression_tells_events_apart(self, text, met, unmet):
        """
        Each documented subexpression holds for an event it describes and not for another.
        """
        condition = parse(text)

        assert condition.holds(met)
        assert not condition.holds(unmet)

    def test_the_tables_are_complete(self):
        """
        All 28 rows are here.
        """
        assert 28 == len([*STATEMENTS, *GLOBS, *NULLS, *SUBEXPRESSIONS])

    @pytest.mark.parametrize(
        ("text", "result"),
        [
            ("length('a') = 1", True),
            ("length('ア') = 3", True),
            ("snakecase('test string') = 'test_string'", True),
            ("kebabcase('test string') = 'test-string'", True),
            ("titlecase('test string') = 'Test String'", True),
            ("length( userId ) > 0", False),
            (r"properties.product\ 1.price = '19.99'", True),
        ],
    )
    def test_an_example_in_the_prose_has_its_result(self, text, result):
        """
        The examples between the tables evaluate as they say, too.
        """
        assert result is parse(text).holds({"properties": {"product 1": {"price": "19.99"}}})

    def test_the_documented_invalid_statement_is_refused(self):
        """
        Segment's example of an invalid statement is an error here.
        """
        with pytest.raises(ValueError, match="never closed"):
            parse('userId = oops"')

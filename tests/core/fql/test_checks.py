"""Warnings: legal conditions that are probably not meant, and silence about the rest."""

from __future__ import annotations

import pytest

from homing.core.fql import parse

SILENT = [
    "all",
    "type = 'track' and event = 'X' and properties.total > 0",
    "event = 'X' or event = 'Y' or event = 'Z'",
    "(type = 'track' and event = 'X') or type = 'page'",
    "type = 'track' and (event = 'X' or event = 'Y')",
    "!contains(context.library.name, 'js')",
    "!(type in ['track', 'identify'])",
    "!properties.enabled",
    "!did('X', 1, '7d')",
    "properties.enabled or match(traits.email, '*@company.com')",
    "lowercase(properties.x) = null",
    "number(properties.price) > 5",
    "typeof(properties.x) = 'list'",
    "typeof(properties.x) = 'object'",
    "'a' in properties.tags",
    "properties.a in properties.b",
    "profile.plan = 'pro' and journey.branch.wait.changed != null",
    "did('X', 3, '7d', 'properties.path = \"/pricing\"')",
    "bool(properties.x)",
    "match('a', 'a*')",
    "traits.email_opt_out = true",
    "properties.a = properties.b",
]

WARNED = [
    ("type = 'a' and name = 'b' or event = 'c'", "`type = 'a' and name = 'b'` is read as if in"),
    ("type = 'a' or name = 'b' and event = 'c'", "`name = 'b' and event = 'c'` is read as if in"),
    ("!type = 'track'", "`!type = 'track'` is read as `!(type = 'track')`"),
    ("!(type) = 'track'", "is read as `!((type) = 'track')`"),
    ("!contains(event, 'a') = true", "is read as `!(contains(event, 'a') = true)`"),
    ("event = Order", "`Order` is no field of an event"),
    ("evnt = 'X'", "did you mean `event`?"),
    ("property.total > 5", "did you mean `properties`?"),
    ("properties.x = TRUE", "`TRUE` is read as a path and is null: write `true`"),
    ("properties.x = Null", "write `null`"),
    ("(all)", "`all` is no field of an event"),
    ("match('Button *', event)", "did you mean `match(event, 'Button *')`?"),
    ("contains('Button', event)", "did you mean `contains(event, 'Button')`?"),
    ("match(event, '[a-]')", "the pattern is malformed"),
    (r"match(event, 'a\')", "the pattern is malformed"),
    ("properties.total > '5'", "always false: `>` compares numbers, and `'5'` is a string"),
    ("lowercase(event) <= 5", "`lowercase(event)` is a string"),
    ("did('X') >= 3", "`did('X')` is a bool"),
    ("length(event) = '5'", "always false: a number is never equal to a string"),
    ("length(event) != '5'", "always true"),
    ("(event = 'X') = 'true'", "always false"),
    ("event in 'X'", "`'X'` is no list"),
    ("event in ('X')", "`('X')` is no list"),
    ("['X'] in ['X']", "a list is in no list"),
    ("typeof(event) = 'boolean'", "typeof() is never `'boolean'`"),
    ("length(event)", "`length(event)` is a number, and only true is true"),
    ("type = 'track' and 'X'", "`'X'` is a string, and only true is true"),
    ("!length(event)", "`length(event)` is a number"),
    ("type = 'track' and (lowercase(event))", "is a string, and only true is true"),
    ("did('X', 1, '7d', 'evnt = \"Y\"')", "did you mean `event`?"),
]


class TestWarnings:
    @pytest.mark.parametrize("text", SILENT)
    def test_what_is_fine_is_not_warned_of(self, text):
        """
        Documented and unambiguous forms raise no warning.
        """
        assert () == parse(text).warnings

    @pytest.mark.parametrize(("text", "said"), WARNED)
    def test_what_is_doubtful_is_warned_of_once(self, text, said):
        """
        Each doubtful form gives one sentence that quotes it.
        """
        (warning,) = parse(text).warnings

        assert said in warning

    def test_each_thing_is_said_once(self):
        """
        A slip repeated is not a warning repeated.
        """
        assert 1 == len(parse("evnt = 'X' or evnt = 'Y' or (evnt = 'Z')").warnings)

    def test_a_warning_can_be_printed(self):
        """
        Control characters and long pieces of the condition are escaped and cut.
        """
        (warning,) = parse("event = \\\x1b" + "x" * 1_000).warnings

        assert warning.isprintable()
        assert len(warning) < 200

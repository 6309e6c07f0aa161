"""Messages that show where: every refusal, its words and its column."""

from __future__ import annotations

import pickle

import pytest

from homing.core.errors import HomingError
from homing.core.fql import FqlError, parse

REFUSED = [
    ("", 0, "the condition is empty"),
    (" \t\n", 0, "the condition is empty"),
    ("a =", 3, "expected a value, found the end"),
    ("and", 0, "expected a value, found `and`"),
    ("= 1", 0, "expected a value, found `=`"),
    ("a = )", 4, "expected a value, found `)`"),
    ("(a", 2, "expected `)`, found the end"),
    ("a)", 1, "expected `and`, `or` or the end, found `)`"),
    ("a b", 2, "expected `and`, `or` or the end, found `b`"),
    ("a = 1 b", 6, "expected `and`, `or` or the end, found `b`"),
    ("a = b = c", 6, "a comparison has two sides"),
    ("a in [1,]", 8, "expected a value, found `]`"),
    ("a in [1 2]", 8, "expected `,` or `]`, found `2`"),
    ("a in [1", 7, "expected `,` or `]`, found the end"),
    ("a == 1", 3, "equality is written `=`"),
    ("a <> 1", 3, "inequality is written `!=`"),
    ("a !== 1", 4, "inequality is written `!=`"),
    ("a => 1", 3, "at least is written `>=`"),
    ("a =< 1", 3, "at most is written `<=`"),
    ("a && b", 2, "write `and`"),
    ("a || b", 2, "write `or`"),
    ("a AND b", 2, "`AND` is no operator: write `and`"),
    ("a = 1 OR b", 6, "`OR` is no operator: write `or`"),
    ("a not in b", 2, "`not` is no operator: write `!`"),
    ("a.b[0] = 1", 3, "an element of a list is written like `a.b.0`"),
    ("$.a = 1", 0, "without `$.`"),
    ("a. = 1", 1, "a name is missing beside this dot"),
    ("a..b = 1", 1, "a name is missing beside this dot"),
    (".a = 1", 0, "a name is missing beside this dot"),
    ("a = .5", 4, "numbers are written like 0.5"),
    ("a = 1e3", 5, "a number is written with digits"),
    ("a = 5.", 5, "a number is written with digits"),
    ("a = 1.2.3", 7, "a number is written with digits"),
    ("a = 7d", 5, "a number is written with digits"),
    ("a = -x", 4, "is not part of a condition"),
    ("a = 'x", 4, "this quote is never closed"),
    ('userId = oops"', 13, "this quote is never closed"),
    (r"a = 'it\'s'", 10, "this quote is never closed"),
    ("a = \u201cx\u201d", 4, "use straight quotes"),
    ("é = 1", 0, r"must be escaped in a path: write `\é`"),
    ("pré = 1", 2, r"must be escaped in a path: write `\é`"),
    ("a; b", 1, "is not part of a condition"),
    ("a = 1 # no", 6, "is not part of a condition"),
    ("a\\", 1, "nothing follows this backslash"),
    ("a = 1\x00", 5, "is not part of a condition"),
    ("containz(a, 'b')", 0, "there is no function containz(); did you mean contains()?"),
    ("Length(a) > 1", 0, "did you mean length()?"),
    ("semver(a, '>', '1')", 0, "there is no function semver()"),
    ("contains(a)", 0, "contains() takes 2 arguments, got 1"),
    ("length()", 0, "length() takes 1 argument, got 0"),
    ("length(a, b)", 0, "length() takes 1 argument, got 2"),
    ("length(a = 1)", 9, "expected `,` or `)`, found `=`"),
    ("a = " + "9" * 301, 4, "this number is too long"),
    ("did()", 0, "did() takes an event"),
    ("did('X', 1, '7d', 'all', 5)", 0, "did() takes an event"),
    ("did(event)", 4, "did() takes the event's name in quotes"),
    ("did('')", 4, "did() takes the event's name in quotes"),
    ("did('X', 0)", 9, "did() counts to a whole number from 1 to 1,000"),
    ("did('X', -1)", 9, "did() counts to a whole number"),
    ("did('X', 1.5)", 9, "did() counts to a whole number"),
    ("did('X', 1001)", 9, "did() counts to a whole number"),
    ("did('X', true)", 9, "did() counts to a whole number"),
    ("did('X', '3')", 9, "did() counts to a whole number"),
    ("did('X', 1, 7)", 12, "did() takes its window in quotes"),
    ("did('X', 1, '7 days')", 12, 'did you mean "7d"?'),
    ("did('X', 1, '0d')", 12, "longer than nothing"),
    ("did('X', 1, '7d', event)", 18, "did() takes its condition in quotes"),
    ("did('X', 1, '7d', '')", 19, "the condition is empty"),
    ("a = 1 and did('X', 1, '7d', 'event == \"Y\"')", 36, "equality is written `=`"),
    ("did('X', 1, null, 'a = ')", 23, "expected a value, found the end"),
    ("did('X', 1, null, 'profile.plan = 1')", 19, "about the counted event only"),
    ("did('X', 1, null, 'a = 1 and journey.id = 1')", 29, "about the counted event only"),
    ("did('X', 1, null, '!in_audience(\"vip\")')", 20, "about the counted event only"),
    ("did('X', 1, null, 'did(\"Y\")')", 19, "about the counted event only"),
    ("in_audience()", 0, "in_audience() takes the audience's key in quotes"),
    ("in_audience(vip)", 12, "in_audience() takes the audience's key in quotes"),
    ("in_audience('')", 12, "in_audience() takes the audience's key in quotes"),
]


class TestRefusals:
    @pytest.mark.parametrize(("text", "column", "message"), REFUSED)
    def test_a_slip_is_named_and_placed(self, text, column, message):
        """
        Each refusal says what is wrong and where.
        """
        with pytest.raises(FqlError) as refusal:
            parse(text)

        assert message in refusal.value.message
        assert (column, text) == (refusal.value.column, refusal.value.text)

    @pytest.mark.parametrize(
        "text",
        [
            "(" * 2_500,
            "(" * 2_500 + "a" + ")" * 2_500,
            "!" * 5_000 + "a",
            "!(" * 1_500,
            "[" * 5_000,
            "a in " + "[" * 2_000 + "]" * 2_000,
            "length(" * 700,
            "a = (" * 900,
            "a and (b or " * 400,
        ],
        ids=lambda text: text[:12],
    )
    def test_depth_is_refused(self, text):
        """
        Parentheses, negations, lists and calls nested too deep are a refusal, not a crash.
        """
        with pytest.raises(FqlError, match="nests deeper than 64"):
            parse(text)

    @pytest.mark.parametrize(
        "text",
        ["(" * 64 + "type" + ")" * 64, "!" * 64 + "type", "length(" * 64 + "a" + ")" * 64 + " = 0"],
        ids=lambda text: text[:12],
    )
    def test_the_depth_allowed_is_usable(self, text):
        """
        A condition at the limit parses, evaluates and explains itself.
        """
        condition = parse(text)

        assert condition.holds({"a": None}) is condition.explain({"a": None}).holds

    def test_the_limit_is_in_bytes(self):
        """
        5,120 bytes are allowed, one more is not, whatever the number of characters.
        """
        parse("a = '" + "x" * 5_114 + "'")
        parse("a = '" + "é" * 2_557 + "'")
        for text in ("a = '" + "x" * 5_115 + "'", "a = '" + "é" * 2_558 + "'"):
            with pytest.raises(FqlError, match="at most 5,120 are allowed") as refusal:
                parse(text)

            assert 5_120 >= len(text[: refusal.value.column].encode())

    def test_a_long_chain_is_no_depth(self):
        """
        Many operands in a row are fine: only nesting is limited.
        """
        assert parse(" or ".join(["a = 1"] * 500)).holds({"a": 1})
        assert parse(" and ".join(["a = 1"] * 500)).holds({"a": 1})


class TestFqlError:
    def test_the_caret_stands_under_the_column(self):
        """
        The message is followed by the text and a caret.
        """
        with pytest.raises(FqlError) as refusal:
            parse("type = 'track' and event == 'X'")

        assert [
            "equality is written `=`",
            "  type = 'track' and event == 'X'",
            "                            ^",
        ] == str(refusal.value).split("\n")

    @pytest.mark.parametrize(
        ("text", "column", "shown"),
        [
            ("a\nbcd e\nf", 6, ("  bcd e", "      ^")),
            ("日本 x", 3, ("  日本 x", "       ^")),
            ("e\u0301 x", 3, ("  e\u0301 x", "    ^")),
            ("\t\x1b x", 3, (r"  \t\x1b x", "         ^")),
            ("\ud800 x", 2, (r"  \ud800 x", "         ^")),
            ("abc", 3, ("  abc", "     ^")),
            ("ab\n", 3, ("  ", "  ^")),
        ],
    )
    def test_the_caret_is_right_whatever_the_text(self, text, column, shown):
        """
        Several lines, wide, combining and unprintable characters do not shift the caret.
        """
        error = FqlError("no", text, column)

        assert ["no", *shown] == str(error).split("\n")
        assert str(error).encode()

    def test_a_long_line_is_cut_around_the_caret(self):
        """
        The caret stays in sight on a line of thousands of characters.
        """
        _, line, caret = str(FqlError("no", "x" * 2_000 + "y" + "z" * 2_000, 2_000)).split("\n")

        assert "y" == line[caret.index("^")]
        assert len(line) < 210

    def test_it_is_a_value_error_of_homing_and_pickles(self):
        """
        Callers can catch it as either, and it crosses a process boundary whole.
        """
        error = FqlError("no", "text", 2)
        copy = pickle.loads(pickle.dumps(error))  # noqa: S301 our own bytes

        assert isinstance(error, HomingError)
        assert isinstance(error, ValueError)
        assert ("no", "text", 2, str(error)) == (copy.message, copy.text, copy.column, str(copy))

"""Promises over random conditions and random events."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from homing.core.fql import FqlError, parse

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(["A", "B", "track", "page", 10**400]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    ),
    max_leaves=6,
)
EVENTS = st.dictionaries(st.sampled_from(["event", "type", "properties", "traits"]), VALUES)

PATHS = st.sampled_from(
    ["event", "type", "properties.a", "properties.b.c", "traits.a.0", "profile.a"]
)
LITERALS = st.sampled_from(
    ["'A'", "'B'", '"track"', "'page'", "5", "-1.5", "true", "false", "null", "[]"]
)
OPERANDS = st.one_of(
    PATHS,
    LITERALS,
    st.lists(LITERALS | PATHS, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
    st.tuples(
        st.sampled_from(["lowercase", "length", "typeof", "string", "number", "bool", "titlecase"]),
        PATHS,
    ).map(lambda call: f"{call[0]}({call[1]})"),
)
CLAUSES = st.one_of(
    st.tuples(OPERANDS, st.sampled_from(["=", "!=", ">", "<=", "in"]), OPERANDS).map(" ".join),
    st.tuples(
        st.sampled_from(["event", "type"]), st.sampled_from(["='A'", " in ['A', 'track']"])
    ).map("".join),
    st.tuples(st.sampled_from(["match", "contains"]), PATHS, LITERALS).map(
        lambda call: f"{call[0]}({call[1]}, {call[2]})"
    ),
    st.sampled_from(["did('X')", "in_audience('a')", "true", "false"]),
    OPERANDS,
)


def combined(clauses: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Join clauses by every logical form."""
    word = st.sampled_from([" and ", " or "])
    return st.recursive(
        clauses,
        lambda inner: st.one_of(
            inner.map(lambda text: f"!({text})"),
            st.tuples(inner, word, inner).map(lambda parts: f"({parts[0]}){parts[1]}({parts[2]})"),
            st.tuples(inner, word, inner).map("".join),
        ),
        max_leaves=8,
    )


CONDITIONS = combined(CLAUSES)
# Conditions about little but the name and the type, and events that often meet them.
NAMED = combined(
    st.sampled_from(
        [
            *("event = 'A'", "'B' = event", "event in ['A', 'B']", "event in ['A', null]", "true"),
            *("event = null", "event != 'A'", "event = 5", "event in [properties.a]", "false"),
            *("type = 'track'", "type in ['track', ('page')]", "(type) = 'page'", "properties.a"),
        ]
    )
)
NAMED_EVENTS = st.fixed_dictionaries(
    {},
    optional={
        "event": st.sampled_from(["A", "B", "C", 5, None]),
        "type": st.sampled_from(["track", "page", "identify", None]),
        "properties": st.sampled_from([{"a": "A"}, {"a": True}, {}]),
    },
)
WORDS = st.lists(
    st.sampled_from(
        [
            *("event", "properties.a", "and", "or", "in", "!", "(", ")", "[", "]", ",", "=", "!="),
            *(">", "<=", "'A'", '"', "'", "5", "-", ".", "\\", "did(", "match(", "all", "null"),
            *("did('X', 1, '7d', '", "in_audience(", "é", "\n", "$", "1e3", "\x00", "\ud800"),
        ]
    ),
    max_size=25,
)


class TestParse:
    @given(st.text() | WORDS.map(" ".join) | WORDS.map("".join))
    @settings(max_examples=400)
    def test_any_text_is_a_condition_or_an_fql_error(self, text):
        """
        No text raises anything but FqlError; its caret is within the text, its message prints.
        """
        try:
            condition = parse(text)
        except FqlError as error:
            column, said = error.column, [str(error)]
        else:
            condition.holds({})
            column, said = 0, list(condition.warnings)

        assert 0 <= column <= len(text)
        assert all(sentence.encode() for sentence in said)

    @given(CONDITIONS)
    def test_every_form_of_the_grammar_is_accepted(self, text):
        """
        What is built from the grammar parses, in parentheses too, and alike each time.
        """
        assert parse(f"({text})").paths == parse(text).paths
        assert parse(text).warnings == parse(text).warnings


class TestHolds:
    @given(CONDITIONS, EVENTS)
    @settings(max_examples=200)
    def test_a_condition_answers_every_event_and_explains_the_same(self, text, event):
        """
        The answer is a bool, the same each time, and the explanation agrees and prints.
        """
        condition = parse(text)
        explanation = condition.explain(event)

        assert condition.holds(event) is condition.holds(event)
        assert condition.holds(event) is explanation.holds
        assert explanation.render().encode()

    @given(NAMED, NAMED_EVENTS)
    @settings(max_examples=500)
    def test_bounds_are_sound(self, text, event):
        """
        A condition that holds, holds for an event within its bounds.
        """
        condition = parse(text)
        if condition.holds(event):
            assert condition.events is None or event.get("event") in condition.events
            assert condition.types is None or event.get("type") in condition.types

    @given(CONDITIONS, EVENTS)
    def test_negation_and_grouping_mean_what_they_say(self, text, event):
        """
        `!(x)` is the opposite of x, `(x)` is x, `x and x` and `x or x` are x.
        """
        held = parse(text).holds(event)

        assert held is not parse(f"!({text})").holds(event)
        assert held is parse(f"({text})").holds(event)
        assert held is parse(f"({text}) and ({text})").holds(event)
        assert held is parse(f"({text}) or ({text}) or false").holds(event)

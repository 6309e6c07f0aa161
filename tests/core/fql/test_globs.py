"""Patterns: their language, the malformed ones, and time that only grows with the text."""

from __future__ import annotations

import fnmatch
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.core.fql.globs import compile_glob


def matches(pattern: str, text: str) -> bool:
    """Ask a pattern, a malformed one matching nothing."""
    glob = compile_glob(pattern)
    return glob is not None and glob.matches(text)


class TestMatches:
    @pytest.mark.parametrize(
        ("pattern", "text", "result"),
        [
            ("", "", True),
            ("", "a", False),
            ("*", "", True),
            ("**", "abc", True),
            ("?", "", False),
            ("?", "é", True),
            ("?", "😀", True),
            ("?", "\n", True),
            ("a*", "a\nb", True),
            ("a/*", "a/b/c", True),
            ("*a*b*", "xxaxxbxx", True),
            ("*a*b*", "xxbxxaxx", False),
            ("a*a", "a", False),
            ("a*a", "aa", True),
            ("*ab", "aab", True),
            ("*ab*ab", "ab", False),
            ("*ab*ab", "abab", True),
            ("*?", "", False),
            ("*??*", "a", False),
            ("[^a]", "b", True),
            ("[^a]", "a", False),
            ("[^a-c]x", "dx", True),
            ("[a*]", "*", True),
            ("[a?]b", "?b", True),
            ("[[]", "[", True),
            (r"[\]]", "]", True),
            (r"[\-a]", "-", True),
            (r"[\^a]", "^", True),
            ("[a^]", "^", True),
            ("[c-a]", "b", False),
            ("[^c-a]", "b", True),
            (r"\a", "a", True),
            (r"\?", "?", True),
            (r"\?", "x", False),
            (r"\\", "\\", True),
            ("]", "]", True),
            ("a.c", "abc", False),
            ("a+(b)$^|{1}", "a+(b)$^|{1}", True),
            ("[.]", "x", False),
            ("[&&]--", "&--", True),
            ("ABC", "abc", False),
            ("\ud800*", "\ud800x", True),
        ],
    )
    def test_the_whole_text_matches(self, pattern, text, result):
        """
        Stars, single characters, classes and escapes, over the whole text, case-sensitively.
        """
        assert result is matches(pattern, text)

    @pytest.mark.parametrize(
        "pattern",
        ["[", "[a", "[]", "[]a]", "[^]", "[a-]", "[-a]", "[a-", "[\\", "\\", "a\\", "*[a"],
    )
    @pytest.mark.parametrize("text", ["", "a", "-", "[", "]", "\\", "a-", "[a"])
    def test_a_malformed_pattern_matches_nothing(self, pattern, text):
        """
        An open class, a dangling dash and a lone backslash match nothing, as with Segment's tsub.
        """
        assert compile_glob(pattern) is None
        assert not matches(pattern, text)

    @given(
        st.text(alphabet="ab*?", max_size=8),
        st.text(alphabet="ab", max_size=12),
    )
    def test_it_agrees_with_the_standard_library(self, pattern, text):
        """
        Stars and question marks mean what they mean to `fnmatch`.
        """
        assert fnmatch.fnmatchcase(text, pattern) is matches(pattern, text)

    @given(st.text(alphabet="ab*?[]^-\\c", max_size=10), st.text(alphabet="abc-]^[\\", max_size=8))
    def test_it_agrees_with_backtracking(self, pattern, text):
        """
        Never taking a choice back finds the same as trying them all.
        """
        assert _backtracking(pattern, text) is matches(pattern, text)

    @given(st.text(), st.text())
    def test_any_pattern_is_answered(self, pattern, text):
        """
        No pattern and no text raises.
        """
        assert matches(pattern, text) in {True, False}

    @pytest.mark.parametrize(
        "pattern",
        [
            "*a" * 500 + "b",
            "*" * 5_000 + "b",
            "*?" * 500 + "b",
            "*[ab]" * 200 + "[^ab]",
            "*aab*" * 99,
            "*" + "a" * 5_000 + "b*",
            "*" + "?" * 200 + "b*a",
        ],
        ids=lambda pattern: pattern[:12],
    )
    def test_time_does_not_explode(self, pattern):
        """
        A pattern made to backtrack is answered over a long text: an exponential one never would be.
        """
        assert matches(pattern, "a" * 100_000) in (True, False)


def _backtracking(pattern: str, text: str) -> bool:
    """Match by trying everything: slow and plainly right."""
    if compile_glob(pattern) is None:
        return False
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(_backtracking(pattern[1:], text[at:]) for at in range(len(text) + 1))
    element = re.match(r"\[\^?(?:\\.|[^\\])(?:\\.|[^\]\\])*\]|\\.|.", pattern, re.DOTALL)
    assert element is not None
    if not text:
        return False
    one = compile_glob(element.group())
    assert one is not None
    return one.matches(text[0]) and _backtracking(pattern[element.end() :], text[1:])

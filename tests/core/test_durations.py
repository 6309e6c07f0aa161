"""Durations: one form, seconds out, a helpful message for everything else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.core.durations import parse_duration


class TestParseDuration:
    @pytest.mark.parametrize(
        ("text", "seconds"),
        [
            ("45s", 45),
            ("90m", 5_400),
            ("2h", 7_200),
            ("3d", 259_200),
            ("1w", 604_800),
            ("1d12h", 129_600),
            ("1w2d3h4m5s", 788_645),
            ("1.5h", 5_400),
            ("0s", 0),
            ("36525d", 36_525 * 86_400),
        ],
    )
    def test_the_documented_forms_are_seconds(self, text, seconds):
        """
        Every form the configuration uses is read, and units add up.
        """
        assert seconds == parse_duration(text)

    @pytest.mark.parametrize(
        "text",
        [
            *("", " ", "2", "h", "2 h", "2H", "-2h", "+2h", "1h1h", "12h1d", "1mo", "2ms", "1e3s"),
            *("1.h", ".5h", "٣h", "2h ", "\n2h", "2h\n", "3 months", "forever", "h" * 100),
        ],
    )
    def test_other_forms_are_refused_with_the_form_expected(self, text):
        """
        What is not of the one form is refused, and the message shows the form.
        """
        with pytest.raises(ValueError, match='expected a duration like "2h"'):
            parse_duration(text)

    @pytest.mark.parametrize(
        ("text", "meant"),
        [
            ("2 hours", "2h"),
            ("10 Minutes", "10m"),
            ("1 day and 12 hours", "1d12h"),
            ("1d, 2h", "1d2h"),
            ("2H", "2h"),
            ("30 secs", "30s"),
        ],
    )
    def test_words_are_answered_with_the_short_form(self, text, meant):
        """
        A duration in words is refused with the text to write instead.
        """
        with pytest.raises(ValueError, match=f'did you mean "{meant}"'):
            parse_duration(text)

    @pytest.mark.parametrize("text", ["3 months", "5 moments", "soon", "5 seconds ago"])
    def test_nothing_is_guessed_where_minutes_would_be_wrong(self, text):
        """
        Months are not offered as minutes.
        """
        with pytest.raises(ValueError, match="expected a duration") as refusal:
            parse_duration(text)

        assert "did you mean" not in str(refusal.value)

    @pytest.mark.parametrize(
        "text",
        ["36526d", "9" * 5_000 + "w", "1" + "0" * 400 + "s"],
        ids=["days", "digits", "zeros"],
    )
    def test_more_than_a_century_is_refused(self, text):
        """
        A duration that would overflow a date is refused where it is written.
        """
        with pytest.raises(ValueError, match="at most 100 years"):
            parse_duration(text)

    @pytest.mark.parametrize(("text", "seconds"), [("-1h", -3_600), ("+1h", 3_600), ("1h", 3_600)])
    def test_an_offset_may_have_a_sign(self, text, seconds):
        """
        With *signed*, a duration may point backwards.
        """
        assert seconds == parse_duration(text, signed=True)

    @pytest.mark.parametrize("text", ["-", "+", "--1h", "- 1h", ""])
    def test_a_sign_alone_is_no_offset(self, text):
        """
        A sign needs a duration behind it.
        """
        with pytest.raises(ValueError, match="expected a duration"):
            parse_duration(text, signed=True)

    @given(st.text(alphabet="0123456789.wdhms -+abc", max_size=30))
    def test_any_text_is_a_duration_or_a_value_error(self, text):
        """
        No text raises anything but ValueError, and a duration is never negative.
        """
        try:
            seconds, said = parse_duration(text), ""
        except ValueError as error:
            seconds, said = -1, str(error)

        assert seconds >= 0 or "expected a duration" in said

"""Times as Segment writes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.emulators.clock import unix_s_of, utc_seconds_text, utc_text


class TestUtcText:
    @pytest.mark.parametrize(
        ("unix_s", "text"),
        [
            (0.0, "1970-01-01T00:00:00.000Z"),
            (1_767_607_200.5, "2026-01-05T10:00:00.500Z"),
            (0.9999, "1970-01-01T00:00:00.999Z"),
        ],
    )
    def test_it_is_iso_8601_with_milliseconds(self, unix_s, text):
        """In UTC, cut and not rounded."""
        assert text == utc_text(unix_s)


class TestUtcSecondsText:
    @pytest.mark.parametrize(
        ("unix_s", "text"),
        [(0.0, "1970-01-01T00:00:00Z"), (1_767_607_200.9, "2026-01-05T10:00:00Z")],
    )
    def test_it_is_iso_8601_with_seconds(self, unix_s, text):
        """In UTC, cut and not rounded."""
        assert text == utc_seconds_text(unix_s)


class TestUnixSOf:
    @pytest.mark.parametrize(
        ("text", "unix_s"),
        [
            ("2026-01-05T10:00:00Z", 1_767_607_200.0),
            ("2026-01-05T11:00:00+01:00", 1_767_607_200.0),
            ("2026-01-05T10:00:00", 1_767_607_200.0),
            ("0001-01-01T00:00:00+23:59", -62_135_683_140.0),
            ("yesterday", None),
            ("", None),
        ],
    )
    def test_it_reads_iso_8601(self, text, unix_s):
        """With any zone, without one as UTC; None for all else."""
        assert unix_s == unix_s_of(text)

    @given(st.integers(0, 4_000_000_000))
    def test_it_reads_what_was_written(self, unix_s):
        """Seconds come back."""
        assert unix_s == unix_s_of(utc_text(float(unix_s)))

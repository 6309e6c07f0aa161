"""What happened, in our words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.core import events
from homing.core.events import Happened

FIRST_MS, LAST_MS = -62_135_596_800_000, 253_402_300_799_999


class TestHappened:
    def test_it_tells_type_and_name(self):
        """
        As the event says; what is no text is no name.
        """
        happened = Happened(1, {"type": "track", "event": "Order Completed"}, 1, 2)
        odd = Happened(1, {"type": 5, "event": ["x"]}, 1, 2)

        assert ("track", "Order Completed") == (happened.type, happened.name)
        assert ("5", None) == (odd.type, odd.name)


class TestTimeMs:
    @pytest.mark.parametrize(
        ("text", "at_ms"),
        [
            ("2026-01-05T10:00:01.123Z", 1_767_607_201_123),
            ("2026-01-05T10:00:01.123456789Z", 1_767_607_201_123),
            ("2026-01-05T11:00:01+01:00", 1_767_607_201_000),
            ("2026-01-05T10:00:01", 1_767_607_201_000),
            ("2026-01-05", 1_767_571_200_000),
            ("1969-12-31T23:59:59.999Z", -1),
        ],
    )
    def test_iso_times_are_read(self, text, at_ms):
        """
        To the millisecond; without a zone as UTC.
        """
        assert at_ms == events.time_ms(text)

    @pytest.mark.parametrize(
        "value",
        [
            *(None, "", "yesterday", 1_767_607_201, [], "2026-13-01", "2026-01-05T25:00:00Z"),
            *("2" * 10_000, "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59.999-12:00"),
        ],
    )
    def test_anything_else_is_no_time(self, value):
        """
        Nor is what lies outside the calendar in UTC: it could not be written again.
        """
        assert events.time_ms(value) is None

    @given(st.text(max_size=45))
    def test_no_text_raises(self, text):
        """
        Any text is a time or None, and a time can be written.
        """
        at_ms = events.time_ms(text)

        assert at_ms is None or events.iso_time(at_ms)


class TestIsoTime:
    def test_it_is_written_as_segment_does(self):
        """
        UTC, milliseconds, Z.
        """
        assert "2026-01-05T10:00:01.007Z" == events.iso_time(1_767_607_201_007)

    @given(st.integers(FIRST_MS, LAST_MS))
    def test_every_millisecond_comes_back(self, at_ms):
        """
        Writing and reading lose nothing, in any year.
        """
        assert at_ms == events.time_ms(events.iso_time(at_ms))


class TestEventTimeMs:
    @pytest.mark.parametrize(
        ("timestamp", "at_ms"),
        [("1970-01-01T00:00:01Z", 1_000), (None, 77), ("soon", 77), (12, 77)],
    )
    def test_without_a_time_of_its_own_it_happened_when_it_came(self, timestamp, at_ms):
        """
        ``timestamp`` if that can be read.
        """
        assert at_ms == events.event_time_ms({"timestamp": timestamp}, 77)


class TestUnusableReason:
    @pytest.mark.parametrize("kind", sorted(events.SEGMENT_TYPES))
    def test_segments_types_are_usable(self, kind):
        """
        The six calls, and deletion.
        """
        assert events.unusable_reason({"type": kind}) is None

    @pytest.mark.parametrize("kind", [None, "", 5, [], {}])
    def test_no_type(self, kind):
        """
        It says so.
        """
        assert (events.unusable_reason({"type": kind}) or "").startswith("no type")

    def test_an_unknown_type_is_named_in_part(self):
        """
        However long it is.
        """
        reason = events.unusable_reason({"type": "x" * 9_000}) or ""

        assert reason.startswith("unknown type 'xxx")
        assert len(reason) < 200

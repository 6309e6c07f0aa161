"""Dates: read and written as LiquidJS does in UTC, whatever the machine's zone."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.core.mapping.errors import Refused
from homing.core.mapping.liquid.dates import (
    date,
    date_to_long_string,
    date_to_rfc822,
    date_to_string,
    date_to_xmlschema,
    strftime,
)
from homing.core.mapping.values import ABSENT

AT = "2008-11-07T13:07:54.123Z"


class TestDate:
    @pytest.mark.parametrize(
        ("value", "text"),
        [
            ("2024-01-05T10:20:30.123Z", "2024-01-05 10:20:30"),
            ("2024-01-05T10:20:30+02:00", "2024-01-05 08:20:30"),
            ("2024-01-05 10:20", "2024-01-05 10:20:00"),
            ("2024-01-05", "2024-01-05 00:00:00"),
            ("Fri, 05 Jan 2024 10:20:30 +0100", "2024-01-05 09:20:30"),
            ("March 14, 2016", "2016-03-14 00:00:00"),
            ("Mar 14, 2016", "2016-03-14 00:00:00"),
            ("14 March 2016", "2016-03-14 00:00:00"),
            ("03/14/2016", "2016-03-14 00:00:00"),
            (1704449999, "2024-01-05 10:19:59"),
            (1704449999.5, "2024-01-05 10:19:59"),
            ("1704449999", "2024-01-05 10:19:59"),
            (0, "1970-01-01 00:00:00"),
        ],
    )
    def test_what_javascript_reads_is_read(self, value, text):
        """
        ISO 8601, mail dates, American dates and seconds; without a zone in UTC.
        """
        assert text == date(value, "%Y-%m-%d %H:%M:%S")

    @pytest.mark.parametrize(
        "value",
        [
            *("not a date", "", "2024-13-45", "9" * 60, "1" * 5000, 1e300, -1e300, float("nan")),
            *(None, ABSENT, True, [], {}, "now", "today", "Mon", ",", "+", "00:00:00 +"),
        ],
    )
    def test_what_is_no_date_stays(self, value):
        """
        The filter gives back what it cannot read, also `now` where no time is known.
        """
        assert value is date(value, "%Y")

    def test_now_is_given(self):
        """
        Whoever calls says what time it is.
        """
        assert "2008" == date("now", "%Y", now=AT) == date("today", "%Y", now=AT)

    @pytest.mark.parametrize(
        ("zone", "text"),
        [
            ("America/New_York", "08:07 -0500"),
            ("Asia/Kolkata", "18:37 +0530"),
            (-90, "14:37 +0130"),
            (300, "08:07 -0500"),
            (None, "13:07 +0000"),
        ],
    )
    def test_zones_are_names_or_minutes_west(self, zone, text):
        """
        As JavaScript counts them.
        """
        assert text == date(AT, "%H:%M %z", zone)

    @pytest.mark.parametrize("zone", ["Nowhere/City", "../../etc/passwd", "", 99_999, "x" * 1000])
    def test_other_zones_are_refused(self, zone):
        """
        A mail with the wrong hour is worse than none.
        """
        with pytest.raises(Refused, match="is not a time zone"):
            date(AT, "%H", zone)

    def test_a_time_that_its_zone_has_not_stays(self):
        """
        Before the year 1 there is no calendar.
        """
        assert "0001-01-01" == date("0001-01-01", "%Y", "America/New_York")

    def test_the_default_form_is_long(self):
        """
        As in LiquidJS.
        """
        assert "Friday, November 7, 2008 at 1:07 pm +0000" == date(AT)


class TestNamedForms:
    @pytest.mark.parametrize(
        ("given", "text"),
        [
            (date_to_xmlschema(AT), "2008-11-07T13:07:54+00:00"),
            (date_to_rfc822(AT), "Fri, 07 Nov 2008 13:07:54 +0000"),
            (date_to_string(AT), "07 Nov 2008"),
            (date_to_string(AT, "ordinal"), "7th Nov 2008"),
            (date_to_string(AT, "ordinal", "US"), "Nov 7th, 2008"),
            (date_to_long_string(AT), "07 November 2008"),
            (date_to_long_string(AT, "ordinal", "US"), "November 7th, 2008"),
            (date_to_string("x"), "x"),
        ],
    )
    def test_the_documented_examples(self, given, text):
        """
        The forms of the documentation.
        """
        assert text == given


class TestStrftime:
    @pytest.mark.parametrize(
        ("form", "text"),
        [
            ("%a %A %b %B %h", "Fri Friday Nov November Nov"),
            ("%C %y %Y %m %d %e %j", "20 08 2008 11 07  7 312"),
            ("%H %k %I %l %M %S %p %P", "13 13 01  1 07 54 PM pm"),
            ("%L %N %3N %6N %s", "123 123000000 123 123000 1226063274"),
            ("%u %w %U %W %q", "5 5 44 44 th"),
            ("%z %:z %Z", "+0000 +00:00 UTC"),
            ("%-d %-m %_m %05d %^a %^B %#p %#b", "7 11 11 00007 FRI NOVEMBER pm NOV"),
            ("%c|%x|%X", "11/7/2008, 1:07:54 PM|11/7/2008|1:07:54 PM"),
            ("%%%n%t%Q%", "%\n\t%Q%"),
            ("", ""),
        ],
    )
    def test_the_codes(self, form, text):
        """
        Ruby's codes with their flags; what is no code stays.
        """
        assert text == strftime(datetime(2008, 11, 7, 13, 7, 54, 123_000, UTC), form)

    @given(st.datetimes(timezones=st.just(UTC)))
    def test_python_writes_the_same(self, at):
        """
        Where both have a code, both write the same.
        """
        form = "%a %A %b %B %d %H %I %j %m %M %p %S %U %w %W %y %%"

        assert at.strftime(form) == strftime(at, form)

    @pytest.mark.parametrize("form", ["%101d", "%999999999d", "%9999N", "%Y" * 501])
    def test_no_form_fills_the_memory(self, form):
        """
        Widths and the form itself have a limit.
        """
        with pytest.raises(Refused, match=r"wide or wider|longer than"):
            strftime(datetime(2008, 11, 7, tzinfo=UTC), form)

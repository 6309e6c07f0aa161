"""Moments: the clock's gaps and overlaps, quiet hours over them, and what is read as an instant."""

from __future__ import annotations

import datetime as dt
import sys
from bisect import bisect_left
from decimal import Decimal
from functools import lru_cache
from itertools import accumulate
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from homing.core.events import iso_time, time_ms
from homing.core.journeys.moments import (
    instant_of,
    known_zones,
    moment_of_day,
    quiet_until,
    zone_or,
)
from homing.core.journeys.program import QuietHours

MINUTE = 60_000
DAY = 86_400_000
ANY_DAY = frozenset()
MONDAY, THURSDAY = 0, 3

# a day near which each of these clocks jumps: an hour, half an hour, at midnight, a whole day
JUMPS = [
    ("Europe/Berlin", "2026-03-29"),
    ("Europe/Berlin", "2026-10-25"),
    ("America/New_York", "2026-03-08"),
    ("America/New_York", "2026-11-01"),
    ("Australia/Lord_Howe", "2026-04-05"),
    ("Australia/Lord_Howe", "2026-10-04"),
    ("Asia/Beirut", "2025-03-30"),
    ("Asia/Beirut", "2025-10-26"),
    ("America/Toronto", "1919-03-31"),
    ("America/Sao_Paulo", "2019-02-17"),
    ("Pacific/Apia", "2011-12-30"),
    ("Asia/Kathmandu", "2026-06-15"),
]
TIMES = st.builds(dt.time, st.integers(0, 23), st.integers(0, 59))
LIMITS = st.integers(-(10**16), 10**16)


def clock(text):
    return dt.time.fromisoformat(text)


def at(text):
    found = time_ms(text)
    assert found is not None
    return found


def utc(at_ms):
    return iso_time(at_ms)[:16]


@lru_cache
def clock_by_minute(zone, day):
    """List the minutes of a week around *day*, and the latest that the clock has shown by each."""
    middle = at(day)
    minutes = range(middle - 3 * DAY, middle + 4 * DAY, MINUTE)
    place = ZoneInfo(zone)
    shown = (dt.datetime.fromtimestamp(now / 1000, place).replace(tzinfo=None) for now in minutes)
    return minutes, list(accumulate(shown, max))


def first_reached(zone, day, shown):
    """Return the first minute at which the clock has reached *shown*."""
    minutes, latest = clock_by_minute(zone, day)
    return minutes[bisect_left(latest, shown)]


class TestMomentOfDay:
    @pytest.mark.parametrize(
        ("after", "time", "days", "expected"),
        [
            ("2026-06-10T06:59:59Z", "09:00", ANY_DAY, "2026-06-10T07:00"),
            ("2026-06-10T07:00:00Z", "09:00", ANY_DAY, "2026-06-10T07:00"),
            ("2026-06-10T07:00:00.001Z", "09:00", ANY_DAY, "2026-06-11T07:00"),
            ("2026-06-10T07:00:00Z", "09:00", {MONDAY, THURSDAY}, "2026-06-11T07:00"),
            ("2026-06-11T08:00:00Z", "09:00", {MONDAY, THURSDAY}, "2026-06-15T07:00"),
            ("2026-06-15T07:00:00Z", "09:00", {MONDAY}, "2026-06-15T07:00"),
            ("2026-06-15T07:01:00Z", "09:00", {MONDAY}, "2026-06-22T07:00"),
            ("2026-06-14T22:30:00Z", "00:15", {MONDAY}, "2026-06-21T22:15"),
            ("2026-06-14T22:00:00Z", "00:15", {MONDAY}, "2026-06-14T22:15"),
        ],
    )
    def test_the_next_time_on_a_listed_day_is_found(self, after, time, days, expected):
        """
        Today counts if it is not past; weekdays are those of the zone, not of UTC.
        """
        found = moment_of_day(at(after), clock(time), frozenset(days), "Europe/Berlin")

        assert expected == utc(found)

    @pytest.mark.parametrize(
        ("zone", "after", "time", "expected"),
        [
            ("Europe/Berlin", "2026-03-28T12:00:00Z", "02:30", "2026-03-29T01:00"),
            ("Europe/Berlin", "2026-03-28T12:00:00Z", "02:00", "2026-03-29T01:00"),
            ("Europe/Berlin", "2026-03-28T12:00:00Z", "03:00", "2026-03-29T01:00"),
            ("Europe/Berlin", "2026-03-29T01:00:00Z", "02:30", "2026-03-29T01:00"),
            ("Europe/Berlin", "2026-03-29T01:01:00Z", "02:30", "2026-03-30T00:30"),
            ("America/New_York", "2026-03-08T05:00:00Z", "02:45", "2026-03-08T07:00"),
            ("Australia/Lord_Howe", "2026-10-03T12:00:00Z", "02:10", "2026-10-03T15:30"),
            ("America/Toronto", "1919-03-31T00:00:00Z", "23:45", "1919-03-31T04:30"),
            ("America/Toronto", "1919-03-31T04:30:00Z", "23:45", "1919-03-31T04:30"),
            ("Pacific/Apia", "2011-12-29T20:00:00Z", "09:00", "2011-12-30T10:00"),
        ],
    )
    def test_a_time_that_is_skipped_is_the_first_instant_after_the_gap(
        self, zone, after, time, expected
    ):
        """
        A clock that jumps over the time resolves to where it lands, even on the next day.
        """
        assert expected == utc(moment_of_day(at(after), clock(time), ANY_DAY, zone))

    @pytest.mark.parametrize(
        ("zone", "after", "time", "expected"),
        [
            ("Europe/Berlin", "2026-10-24T12:00:00Z", "02:30", "2026-10-25T00:30"),
            ("Europe/Berlin", "2026-10-25T00:30:00Z", "02:30", "2026-10-25T00:30"),
            ("Europe/Berlin", "2026-10-25T00:31:00Z", "02:30", "2026-10-26T01:30"),
            ("Europe/Berlin", "2026-10-25T01:15:00Z", "02:30", "2026-10-26T01:30"),
            ("Europe/Berlin", "2026-10-24T12:00:00Z", "03:00", "2026-10-25T02:00"),
            ("Europe/Berlin", "2026-10-24T12:00:00Z", "02:00", "2026-10-25T00:00"),
            ("America/New_York", "2026-11-01T04:00:00Z", "01:30", "2026-11-01T05:30"),
            ("Australia/Lord_Howe", "2026-04-04T12:00:00Z", "01:45", "2026-04-04T14:45"),
        ],
    )
    def test_of_a_time_that_comes_twice_only_the_first_counts(self, zone, after, time, expected):
        """
        Between the first and the second showing of a time the next one is tomorrow's.
        """
        assert expected == utc(moment_of_day(at(after), clock(time), ANY_DAY, zone))

    @given(st.sampled_from(JUMPS), st.integers(-DAY, DAY), TIMES, st.sets(st.integers(0, 6)))
    def test_it_agrees_with_a_look_at_every_minute(self, jump, offset, time, days):
        """
        The moment is the first at which the clock has reached the time on a listed day.
        """
        zone, day = jump
        after = at(day) + offset

        found = moment_of_day(after, time, frozenset(days), zone)

        dates = [dt.date.fromisoformat(day) + n * dt.timedelta(days=1) for n in range(-2, 3)]
        reached = [
            first_reached(zone, day, dt.datetime.combine(date, time))
            for date in dates
            if not days or date.weekday() in days
        ]
        expected = next((moment for moment in reached if moment >= after), None)
        assert expected is None or expected == found
        assert after <= found <= after + 8 * DAY

    @given(st.sampled_from(JUMPS), TIMES)
    def test_no_day_is_served_twice_and_none_is_left_out(self, jump, time):
        """
        Taken one after another, the moments of ten days are ten.
        """
        zone, day = jump
        now = at(day) - 5 * DAY
        moments = []
        while len(moments) < 10:
            now = moment_of_day(now + (1 if moments else 0), time, ANY_DAY, zone)
            moments.append(now)

        assert 10 == len({first_date(moment, time, zone) for moment in moments})
        assert moments[-1] - moments[0] <= 10 * DAY

    @given(LIMITS, TIMES, st.sets(st.integers(0, 6)), st.sampled_from(["UTC", "Pacific/Apia"]))
    @example(253_402_300_799_999, dt.time(9), {0}, "Pacific/Apia")
    @example(-62_135_596_800_000, dt.time(9), set(), "Pacific/Niue")
    def test_no_instant_is_too_far(self, after, time, days, zone):
        """
        Where the calendar ends there is no wait, and nothing raises.
        """
        assert after <= moment_of_day(after, time, frozenset(days), zone) <= after + 8 * DAY

    def test_a_zone_that_is_not_known_is_read_as_utc(self):
        """
        A name out of a run that was stored under another zone database raises nothing.
        """
        found = moment_of_day(at("2026-06-10T00:00:00Z"), clock("09:00"), ANY_DAY, "Mars/Base")

        assert "2026-06-10T09:00" == utc(found)


def first_date(moment, time, zone):
    """Return the date whose *time* the moment serves: the last whose time it has reached."""
    shown = dt.datetime.fromtimestamp(moment / 1000, ZoneInfo(zone)).replace(tzinfo=None)
    # the clock may have landed up to a day after the time it skipped
    for back in range(3):
        date = shown.date() - back * dt.timedelta(days=1)
        reached = moment_of_day(moment - DAY, time, frozenset({date.weekday()}), zone)
        if reached == moment:
            return date
    raise AssertionError(moment)


class TestQuietUntil:
    NIGHT = QuietHours(clock("21:00"), clock("08:00"))
    NOON = QuietHours(clock("12:00"), clock("14:00"))

    @pytest.mark.parametrize(
        ("now", "quiet", "expected"),
        [
            ("2026-06-10T18:59:59.999Z", NIGHT, None),
            ("2026-06-10T19:00:00Z", NIGHT, "2026-06-11T06:00"),
            ("2026-06-10T22:30:00Z", NIGHT, "2026-06-11T06:00"),
            ("2026-06-11T05:59:59.999Z", NIGHT, "2026-06-11T06:00"),
            ("2026-06-11T06:00:00Z", NIGHT, None),
            ("2026-06-11T09:59:00Z", NOON, None),
            ("2026-06-11T10:00:00Z", NOON, "2026-06-11T12:00"),
            ("2026-06-11T12:00:00Z", NOON, None),
            ("2026-06-11T12:00:00Z", QuietHours(clock("14:00"), clock("14:00")), None),
            ("2026-06-11T12:00:00Z", QuietHours(clock("00:00"), clock("00:00")), None),
            (
                "2026-06-10T23:00:00Z",
                QuietHours(clock("00:00"), clock("06:00")),
                "2026-06-11T04:00",
            ),
            (
                "2026-06-10T21:00:00Z",
                QuietHours(clock("22:00"), clock("00:00")),
                "2026-06-10T22:00",
            ),
        ],
    )
    def test_they_end_exactly_at_their_end(self, now, quiet, expected):
        """
        The start is quiet, the end is not; equal times mean none.
        """
        found = quiet_until(at(now), quiet, "Europe/Berlin")

        assert expected == (None if found is None else utc(found))

    @pytest.mark.parametrize(
        ("now", "hours", "expected"),
        [
            # spring: 02:00 becomes 03:00 at 01:00Z
            ("2026-03-28T22:00:00Z", ("22:00", "08:00"), "2026-03-29T06:00"),
            ("2026-03-28T22:00:00Z", ("22:00", "02:30"), "2026-03-29T01:00"),
            ("2026-03-29T01:00:00Z", ("22:00", "02:30"), None),
            ("2026-03-29T00:59:00Z", ("02:30", "08:00"), None),
            ("2026-03-29T01:00:00Z", ("02:30", "08:00"), "2026-03-29T06:00"),
            ("2026-03-29T01:00:00Z", ("02:15", "02:45"), None),
            ("2026-03-29T00:30:00Z", ("03:00", "02:30"), "2026-03-30T00:30"),
            # autumn: 03:00 becomes 02:00 at 01:00Z
            ("2026-10-24T21:00:00Z", ("22:00", "08:00"), "2026-10-25T07:00"),
            ("2026-10-24T21:00:00Z", ("22:00", "02:30"), "2026-10-25T00:30"),
            ("2026-10-25T00:30:00Z", ("22:00", "02:30"), None),
            ("2026-10-25T01:15:00Z", ("22:00", "02:30"), None),
            ("2026-10-25T00:29:00Z", ("02:30", "08:00"), None),
            ("2026-10-25T00:30:00Z", ("02:30", "08:00"), "2026-10-25T07:00"),
            ("2026-10-25T01:15:00Z", ("02:30", "08:00"), "2026-10-25T07:00"),
            ("2026-10-25T00:45:00Z", ("02:15", "02:45"), None),
        ],
    )
    def test_they_are_one_piece_where_the_clock_jumps(self, now, hours, expected):
        """
        They last from the first instant of their start to the first of their end.
        """
        quiet = QuietHours(clock(hours[0]), clock(hours[1]))

        found = quiet_until(at(now), quiet, "Europe/Berlin")

        assert expected == (None if found is None else utc(found))

    @given(st.sampled_from(JUMPS), st.integers(-DAY, DAY), TIMES, TIMES)
    @example(("Pacific/Apia", "2011-12-30"), -8 * 3_600_000, dt.time(22), dt.time(8))
    def test_they_agree_with_a_look_at_every_minute(self, jump, offset, start, end):
        """
        An instant is quiet if it lies between the first instants of a start and of its end.
        """
        zone, day = jump
        now = at(day) + offset
        nights = dt.timedelta(days=1 if start > end else 0)
        until = now
        for number in range(-3, 2):
            date = dt.date.fromisoformat(day) + number * dt.timedelta(days=1)
            begun = first_reached(zone, day, dt.datetime.combine(date, start))
            over = first_reached(zone, day, dt.datetime.combine(date + nights, end))
            until = over if begun <= until < over and start != end else until

        assert (None if until == now else until) == quiet_until(now, QuietHours(start, end), zone)

    @given(LIMITS, TIMES, TIMES, st.sampled_from([zone for zone, _ in JUMPS]))
    def test_their_end_is_not_quiet(self, now, start, end, zone):
        """
        Whoever waits for the end may send then; and it is never more than two days away.
        """
        quiet = QuietHours(start, end)

        until = quiet_until(now, quiet, zone)

        assert until is None or (
            now < until <= now + 2 * DAY and quiet_until(until, quiet, zone) is None
        )


class TestInstantOf:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            ("2026-06-10T07:00:00Z", 1_781_074_800_000),
            ("2026-06-10T09:00:00+02:00", 1_781_074_800_000),
            (" 2026-06-10T07:00:00Z\n", 1_781_074_800_000),
            ("2026-06-10", 1_781_049_600_000),
            ("20260610", 1_781_049_600_000),
            (1_781_074_800, 1_781_074_800_000),
            (1_781_074_800_000, 1_781_074_800_000),
            (1_781_074_800.123, 1_781_074_800_123),
            (Decimal("1781074800.1234"), 1_781_074_800_123),
            ("1781074800", 1_781_074_800_000),
            ("1781074800.5", 1_781_074_800_500),
            ("1781074800000", 1_781_074_800_000),
            ("1612010112345", 1_612_010_112_345),  # no 1612-01-01 23:45
            ("99999999", 99_999_999_000),  # no date
            (99_999_999_999, 99_999_999_999_000),
            (100_000_000_000, 100_000_000_000),
            (0, 0),
            ("-1", -1_000),
            (-62_135_596_800, -62_135_596_800_000),
            (253_402_300_799_999, 253_402_300_799_999),
        ],
    )
    def test_texts_and_numbers_are_instants(self, value, expected):
        """
        ISO-8601 and unix seconds are read; large numbers are milliseconds.
        """
        assert expected == instant_of(value)

    @pytest.mark.parametrize(
        "value",
        [
            *(None, True, False, [], {}, b"1781074800", dt.datetime(2026, 6, 10, tzinfo=dt.UTC)),
            *(float("nan"), float("inf"), float("-inf"), 1e300, 10**400, -(10**4000)),
            *(Decimal("NaN"), Decimal("sNaN"), Decimal("-Infinity"), Decimal("1e999999999")),
            *("", "tomorrow", "1e9", "$5", "1,781,074,800", "0x10", "NaN", "infinity", "1_000"),
            *(
                "\uff11\uff17\uff18\uff11\uff10\uff17\uff14\uff18\uff10\uff10",
                "\0",
                "\ud800",
                "9" * 90,
                "1" * 10**6,
                "2026-02-30",
            ),
            *(253_402_300_800_000, "10000-01-01", -62_135_596_801),
        ],
    )
    def test_all_else_is_none(self, value):
        """
        What is no instant between the years 1 and 9999 is None, whatever its size.
        """
        assert None is instant_of(value)

    @given(st.integers(10**11, 253_402_300_799_999))
    def test_milliseconds_stay_themselves(self, at_ms):
        """
        A number, its text and its ISO form mean the same.
        """
        found = {instant_of(at_ms), instant_of(str(at_ms)), instant_of(iso_time(at_ms))}

        assert {at_ms} == found

    @given(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.decimals(),
    )
    def test_it_never_raises_and_can_be_written_again(self, value):
        """
        Whatever comes, an instant is one that ISO-8601 can write.
        """
        found = instant_of(value)

        assert found is None or found == time_ms(iso_time(found))


HOSTILE = [
    *("../../etc/passwd", "/etc/passwd", "/usr/share/zoneinfo/UTC", "Europe/../Europe/Berlin"),
    *(
        "Europe/Berlin\0",
        "\0",
        "",
        ".",
        "..",
        "/",
        "Europe",
        "Europe/",
        "Europe//Berlin",
        "a" * 10**4,
    ),
    *("europe/berlin", "EUROPE/BERLIN", " UTC", "UTC ", "localtime", "Factory", "posixrules"),
    *("posix/Europe/Berlin", "right/UTC", "tzdata.zi", "zone.tab", "leapseconds", "\ud800", "CON"),
    *(None, 5, True, ["UTC"], {"UTC": 1}, b"UTC"),
]


class TestZoneOr:
    def test_the_first_real_zone_is_taken(self):
        """
        The person's zone wins over the last context's, which wins over the default.
        """
        assert "Asia/Tokyo" == zone_or(["Asia/Tokyo", "Europe/Berlin"], "UTC")
        assert "Europe/Berlin" == zone_or([None, "Mars/Base", "Europe/Berlin"], "UTC")
        assert "UTC" == zone_or([], "UTC")

    @pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
    def test_anything_else_is_refused(self, name):
        """
        A path, a wrong case, a setting of the machine or another type is no zone.
        """
        assert "UTC" == zone_or([name], "UTC")

    def test_no_file_is_opened_by_a_name(self):
        """
        Whatever people's events say, nothing is looked for in the file system.
        """
        known_zones()
        opened = []
        watching = [True]
        sys.addaudithook(
            lambda event, _: opened.append(event) if watching[0] and event == "open" else None
        )

        for name in HOSTILE:
            zone_or([name, "Europe/Berlin"], "UTC")
        watching[0] = False

        assert [] == opened

    @given(st.sampled_from(sorted(known_zones())))
    def test_every_zone_it_takes_can_be_used(self, zone):
        """
        A zone that is taken is one that the zone database can load.
        """
        noon = at("2026-06-10T12:00:00Z")
        local = dt.datetime.fromtimestamp(noon / 1000, ZoneInfo(zone))

        assert zone == zone_or([zone], "UTC")
        assert noon == moment_of_day(noon, local.time(), ANY_DAY, zone)

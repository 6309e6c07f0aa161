"""
Moments on people's own clocks: the next 09:00 on a Monday, the end of quiet hours.

A clock time names one instant: *the first at which the local clock has reached it*. So a time that
a clock skips in spring is the first instant after the gap, and of a time that it shows twice in
autumn the first counts; hence nothing daily happens twice, or not at all, on such a day.

Times are unix milliseconds, zones are names of the zone database; the last is read through
``zoneinfo`` and then kept: it is data, not a clock.
"""

from __future__ import annotations

import datetime as dt
import re
from bisect import bisect_left
from collections.abc import Iterable
from decimal import Decimal
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from homing.core.events import FIRST_MS, LAST_MS, time_ms
from homing.core.journeys.program import DAY_MS, QuietHours

_DAY: Final = dt.timedelta(days=1)
_MS: Final = dt.timedelta(milliseconds=1)
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
# what ISO-8601 and Python can write; the calendar of a zone ends some days earlier at both ends,
# since a week is searched and clocks differ from UTC
_MARGIN_MS: Final = 10 * DAY_MS

# numbers from here on are milliseconds: as such 1973, as seconds the year 5138
_FIRST_AS_MS: Final = 10**11
_NUMBER: Final = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?", re.ASCII)
_BASIC_DATE: Final = 8  # digits of "20240105"
_LONGEST_TEXT: Final = 100

# in the directory of zones, and no place on earth: what the machine is set to, and "not set"
_NO_PLACES: Final = frozenset({"localtime", "Factory"})


def moment_of_day(  # noqa: PLR0917 - "after this, at that time, on these days, there": one phrase
    after_ms: int, time: dt.time, days: frozenset[int], zone: str
) -> int:
    """
    Find the next *time* of day on one of *days* in *zone*; *after_ms* itself if it is that.

    Args:
        after_ms: Unix ms from which to look, inclusive.

        time: Local time of day, without a zone.

        days: Weekdays, 0 is Monday; empty: any.

        zone: The name of a zone; one that is not known is read as UTC.

    Returns:
        Unix ms. *after_ms* where the calendar ends (within ten days of the years 1 and 9999):
        no wait rather than one without an end.
    """
    if not _in_calendar(after_ms):
        return after_ms
    place = _place(zone)
    # a time that yesterday's clock skipped can be an instant of today
    first = _local(after_ms, place).date() - _DAY
    dates = (first + number * _DAY for number in range(9))
    moments = (
        _instant(dt.datetime.combine(date, time), place)
        for date in dates
        if not days or date.weekday() in days
    )
    return next(moment for moment in moments if moment >= after_ms)


def quiet_until(now_ms: int, quiet: QuietHours, zone: str) -> int | None:
    """
    Tell when the quiet hours end in which *now_ms* lies; None outside them.

    They last from the first instant of *start* (inclusive) to the first of *end* (exclusive), past
    midnight if *start* is the later of the two; never, if both are the same. So they are one
    piece even if the clock goes back within them, and where it goes back over their end they are
    not taken up a second time: sending started when the clock first read *end*.

    Args:
        now_ms: Unix ms.

        quiet: The hours; their own zone is not looked at.

        zone: The name of the zone to apply; one that is not known is read as UTC.

    Returns:
        Unix ms at which sending may start, itself never quiet.
    """
    if quiet.start == quiet.end or not _in_calendar(now_ms):
        return None
    until = now_ms
    # in order: a skipped hour can join one day's quiet hours to the next day's
    for start, end in _quiet_spans(now_ms // DAY_MS, quiet, zone):
        if start <= until < end:
            until = end
    return None if until == now_ms else until


def instant_of(value: object) -> int | None:
    """
    Read an instant: an ISO-8601 text, or a number (or its text) of unix seconds.

    From 1e11 on a number is milliseconds. Eight digits alone are a date ("20240105") where they
    can be one. A text without a zone is UTC. Parts of a millisecond are rounded.

    Returns:
        Unix ms within the years 1 to 9999; None for all else, so for booleans and NaN too.
    """
    if isinstance(value, str):
        return _instant_of_text(value.strip()) if len(value) <= _LONGEST_TEXT else None
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        return None
    return _instant_of_number(Decimal(value))


def zone_or(names: Iterable[object], default: str) -> str:
    """
    Return the first of *names* that is a time zone, exactly as the zone database spells it.

    For what events say: whatever a name is, no file is looked for by it. Names of the machine's
    own setting ("localtime") and the copies under ``posix/`` and ``right/`` are no zones.
    """
    known = known_zones()
    return next((name for name in names if isinstance(name, str) and name in known), default)


@lru_cache(maxsize=1)
def known_zones() -> frozenset[str]:
    """
    List the zones there are; the first call reads the directory (about 0.1 s), the others nothing.

    Empty on a machine without a zone database.
    """
    return frozenset(available_timezones()) - _NO_PLACES


# about 600 zones exist; the names come from `zone_or` and the configuration
@lru_cache(maxsize=1_024)
def _place(zone: str) -> dt.tzinfo:
    try:
        return ZoneInfo(zone)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        return dt.UTC


# every marketing send asks, nearly all of them for the present day and one of few zones
@lru_cache(maxsize=1_024)
def _quiet_spans(day: int, quiet: QuietHours, zone: str) -> tuple[tuple[int, int], ...]:
    """Return start and end, in unix ms, of the quiet hours on and around a day of UTC."""
    place = _place(zone)
    today = _local(day * DAY_MS, place).date()
    nights = _DAY if quiet.start > quiet.end else 0 * _DAY
    # a day of UTC is two of the zone, or three where one is skipped; and one more at each end
    dates = [today + number * _DAY for number in range(-1, 4)]
    return tuple(
        (
            _instant(dt.datetime.combine(date, quiet.start), place),
            _instant(dt.datetime.combine(date + nights, quiet.end), place),
        )
        for date in dates
    )


def _in_calendar(at_ms: int) -> bool:
    return FIRST_MS + _MARGIN_MS <= at_ms <= LAST_MS - _MARGIN_MS


def _local(at_ms: int, place: dt.tzinfo) -> dt.datetime:
    """Return what the clock shows."""
    return (_EPOCH + at_ms * _MS).astimezone(place).replace(tzinfo=None)


def _instant(shown: dt.datetime, place: dt.tzinfo) -> int:
    """Return the first instant, in unix ms, at which the local clock has reached *shown*."""
    early = shown.replace(tzinfo=place, fold=0).utcoffset() or dt.timedelta()
    late = shown.replace(tzinfo=place, fold=1).utcoffset() or dt.timedelta()
    utc = shown.replace(tzinfo=dt.UTC)
    if early >= late:
        return (utc - early - _EPOCH) // _MS
    # in a gap the two offsets lead to either side of the jump (PEP 495)
    jump = range((utc - late - _EPOCH) // _MS, (utc - early - _EPOCH) // _MS)
    return jump.start + bisect_left(jump, shown, key=lambda at_ms: _local(at_ms, place))


def _instant_of_text(text: str) -> int | None:
    if _NUMBER.fullmatch(text) is None:
        return time_ms(text)
    # longer runs of digits would pass as a date and a time: 1612010112345 as 1612-01-01 23:45
    dated = time_ms(text) if len(text) == _BASIC_DATE else None
    return _instant_of_number(Decimal(text)) if dated is None else dated


def _instant_of_number(number: Decimal) -> int | None:
    # asked first: to compare NaN with a bound raises
    if not number.is_finite() or not -LAST_MS <= number <= LAST_MS:
        return None
    # of binary fractions too the decimal one that was meant is nearest
    at_ms = round(number if abs(number) >= _FIRST_AS_MS else number * 1_000)
    return at_ms if FIRST_MS <= at_ms <= LAST_MS else None

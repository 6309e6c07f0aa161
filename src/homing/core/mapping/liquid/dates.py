"""
The date filters of Liquid, in UTC unless a zone is named, whatever the machine's own zone is.

Source: LiquidJS, ``src/filters/date.ts`` and ``src/util/strftime.ts`` (names in English).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from email.utils import parsedate_to_datetime
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from homing.core.mapping.errors import Refused
from homing.core.mapping.limits import MAX_LIQUID_TEMPLATE
from homing.core.mapping.text import check_length, is_nothing, js_text

_DEFAULT_FORMAT: Final = "%A, %B %-e, %Y at %-l:%M %P %z"
_NOW: Final = ("now", "today")
_LONGEST_DATE = 64  # characters; longer text is no date
_MAX_WIDTH: Final = 100
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_OTHER_FORMS: Final = (
    "%b %d, %Y", "%B %d, %Y", "%d %b %Y", "%d %B %Y", "%b %d %Y", "%B %d %Y", "%m/%d/%Y",
)  # fmt: skip
_CODE: Final = re.compile(r"%([-_0^#:]*)([0-9]*)([EO]?)(.)", re.DOTALL)


def date(value: object, form: object = None, zone: object = None, *, now: object = None) -> object:
    """``{{ timestamp | date: "%Y-%m-%d", "Europe/Berlin" }}``; what is no date stays as it is."""
    at = _in_zone(_moment(value, now), _zone(zone))
    if at is None:
        return value
    return strftime(at, _DEFAULT_FORMAT if is_nothing(form) else js_text(form))


def date_to_xmlschema(value: object, *, now: object = None) -> object:
    """``2008-11-07T13:07:54+00:00``."""
    return date(value, "%Y-%m-%dT%H:%M:%S%:z", now=now)


def date_to_rfc822(value: object, *, now: object = None) -> object:
    """``Fri, 07 Nov 2008 13:07:54 +0000``."""
    return date(value, "%a, %d %b %Y %H:%M:%S %z", now=now)


def date_to_string(
    value: object, kind: object = None, style: object = None, *, now: object = None
) -> object:
    """``07 Nov 2008``; as ``ordinal`` ``7th Nov 2008``, in ``US`` style ``Nov 7th, 2008``."""
    return date(value, _long_form("%b", kind, style), now=now)


def date_to_long_string(
    value: object, kind: object = None, style: object = None, *, now: object = None
) -> object:
    """``07 November 2008``; ordinal and style as in `date_to_string`."""
    return date(value, _long_form("%B", kind, style), now=now)


def strftime(at: datetime, form: str) -> str:
    """
    Write a time by LiquidJS's codes: Ruby's, with ``%q`` for the ordinal suffix.

    Raises:
        Refused: A width is above 100, or the form above 1,000 characters.
    """
    check_length(len(form), MAX_LIQUID_TEMPLATE)
    return _CODE.sub(lambda match: _written(at, match), form)


def _long_form(month: str, kind: object, style: object) -> str:
    if kind != "ordinal":
        return f"%d {month} %Y"
    return f"{month} %-d%q, %Y" if style == "US" else f"%-d%q {month} %Y"


def _moment(value: object, now: object) -> datetime | None:
    if value in _NOW and isinstance(value, str):
        value = now  # the event's own time: the core has no clock
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
        if isinstance(value, str) and len(value) <= _LONGEST_DATE:
            return _moment_in(value.strip())
    except (ValueError, OverflowError, OSError):
        pass  # a time that no calendar has is no date
    return None


def _moment_in(text: str) -> datetime | None:
    if text.isascii() and text.isdigit():
        return datetime.fromtimestamp(int(text), UTC)
    for read in (datetime.fromisoformat, parsedate_to_datetime, *_READ_OTHERS):
        try:
            at = read(text)
        except (ValueError, TypeError, IndexError):  # the last two from odd e-mail dates
            continue
        return at if at.tzinfo else at.replace(tzinfo=UTC)
    return None


def _reader(form: str) -> Callable[[str], datetime]:
    return lambda text: datetime.strptime(text, form).replace(tzinfo=UTC)


_READ_OTHERS: Final = tuple(map(_reader, _OTHER_FORMS))


def _in_zone(at: datetime | None, zone: tzinfo) -> datetime | None:
    try:
        return at.astimezone(zone) if at else None
    except OverflowError:  # before the year 1 there, or after 9999
        return None


def _zone(zone: object) -> tzinfo:
    if is_nothing(zone):
        return UTC
    try:
        if isinstance(zone, int | float):  # minutes west of UTC, as JavaScript counts
            return timezone(timedelta(minutes=-zone))
        return ZoneInfo(js_text(zone))
    except (ValueError, OverflowError, OSError, ZoneInfoNotFoundError) as error:
        problem = f"{js_text(zone)[:60]} is not a time zone"
        raise Refused(problem) from error


def _written(at: datetime, match: re.Match[str]) -> str:
    flags, width, _modifier, code = match.groups()
    write = _WRITERS.get(code)
    if write is None:
        return match[0]
    text = write(at)
    if code == "N":  # a fraction is cut to its width, not filled up
        return text.ljust(_width(width or "9"), "0")[: _width(width or "9")]
    if code in "zZ" and ":" in flags:
        text = f"{text[:3]}:{text[3:]}"
    if "^" in flags:
        text = text.upper()
    elif "#" in flags:
        text = text.lower() if text.isupper() else text.upper()
    if "-" in flags:
        return text
    blank = "_" in flags or (code in _BLANK_PADDED and "0" not in flags)
    return text.rjust(_width(width) if width else _WIDTHS.get(code, 0), " " if blank else "0")


def _width(digits: str) -> int:
    width = int(digits[:4])
    if width > _MAX_WIDTH:
        problem = f"a date code is {width} wide or wider (at most {_MAX_WIDTH})"
        raise Refused(problem)
    return width


def _offset(at: datetime) -> str:
    minutes = round((at.utcoffset() or timedelta()).total_seconds() / 60)
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}{abs(minutes) % 60:02}"


def _ordinal(day: int) -> str:
    return "th" if day in {11, 12, 13} else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")


def _clock(at: datetime) -> str:
    half = "AM" if at.hour < 12 else "PM"
    return f"{at.hour % 12 or 12}:{at.minute:02}:{at.second:02} {half}"


_BLANK_PADDED: Final = "aAbBceklpP"
_WIDTHS: Final = {
    **dict.fromkeys("CdeHIklmMSUWy", 2), "j": 3, "L": 3, "Y": 4,
}  # fmt: skip
_WRITERS: Final[dict[str, Callable[[datetime], str]]] = {
    "a": lambda at: _DAYS[at.weekday()][:3],
    "A": lambda at: _DAYS[at.weekday()],
    "b": lambda at: _MONTHS[at.month - 1][:3],
    "h": lambda at: _MONTHS[at.month - 1][:3],
    "B": lambda at: _MONTHS[at.month - 1],
    "c": lambda at: f"{at.month}/{at.day}/{at.year}, {_clock(at)}",
    "C": lambda at: str(at.year // 100),
    "d": lambda at: str(at.day),
    "e": lambda at: str(at.day),
    "H": lambda at: str(at.hour),
    "k": lambda at: str(at.hour),
    "I": lambda at: str(at.hour % 12 or 12),
    "l": lambda at: str(at.hour % 12 or 12),
    "j": lambda at: str(at.timetuple().tm_yday),
    "L": lambda at: str(at.microsecond // 1000),
    "N": lambda at: f"{at.microsecond // 1000:03}000000",
    "m": lambda at: str(at.month),
    "M": lambda at: str(at.minute),
    "p": lambda at: "AM" if at.hour < 12 else "PM",
    "P": lambda at: "am" if at.hour < 12 else "pm",
    "q": lambda at: _ordinal(at.day),
    "s": lambda at: str(int(at.timestamp() // 1)),
    "S": lambda at: str(at.second),
    "u": lambda at: str(at.isoweekday()),
    "U": lambda at: str((at.timetuple().tm_yday + 6 - at.isoweekday() % 7) // 7),
    "w": lambda at: str(at.isoweekday() % 7),
    "W": lambda at: str((at.timetuple().tm_yday + 6 - at.weekday()) // 7),
    "x": lambda at: f"{at.month}/{at.day}/{at.year}",
    "X": _clock,
    "y": lambda at: str(at.year % 100),
    "Y": lambda at: str(at.year),
    "z": _offset,
    "Z": lambda at: at.tzname() or _offset(at),
    "t": lambda _at: "\t",
    "n": lambda _at: "\n",
    "%": lambda _at: "%",
}

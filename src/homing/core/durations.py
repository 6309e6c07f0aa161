"""
Durations as people write them: ``"45s"``, ``"90m"``, ``"2h"``, ``"3d"``, ``"1w"``, ``"1d12h"``.

One form for the configuration and for the window of ``did()``.
"""

from __future__ import annotations

import re

_UNITS_S = {"w": 604_800.0, "d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0}
_FORM = re.compile(
    "".join(rf"(?:(?P<{unit}>[0-9]+(?:\.[0-9]+)?){unit})?" for unit in _UNITS_S), re.ASCII
)
# A century: longer is a slip of the keyboard, and would overflow a datetime somewhere later.
_LONGEST_S = 36_525 * _UNITS_S["d"]
# "2 hours" can be guessed; "3 months" cannot, and must not be read as minutes.
_WORD = re.compile(
    r"([0-9.]+)\s*(w|d|h|m|s)(?:eeks?|ays?|ours?|rs?|in(?:ute)?s?|ec(?:ond)?s?)?(?![a-z])"
)
_SEPARATOR = re.compile(r"\s+|,|\band\b")


def parse_duration(text: str, *, signed: bool = False) -> float:
    """
    Read a duration.

    Args:
        text: Numbers with the units w, d, h, m, s, largest first, each at most once, no spaces.

        signed: Whether a leading ``-`` or ``+`` is allowed (an offset).

    Returns:
        Seconds; negative only when *signed*.

    Raises:
        ValueError: The text is of another form, or means more than 100 years.
    """
    sign, digits = _split_sign(text) if signed else (1.0, text)
    form = _FORM.fullmatch(digits)
    if not digits or form is None:
        raise ValueError(_complaint(text))
    seconds = sum(
        float(amount) * _UNITS_S[unit] for unit, amount in form.groupdict().items() if amount
    )
    if seconds > _LONGEST_S:
        msg = f'expected a duration of at most 100 years, got "{_shortened(text)}"'
        raise ValueError(msg)
    return sign * seconds


def _split_sign(text: str) -> tuple[float, str]:
    if text.startswith(("-", "+")):
        return (-1.0 if text[0] == "-" else 1.0), text[1:]
    return 1.0, text


def _complaint(text: str) -> str:
    guess = _guess(text)
    hint = f' (did you mean "{guess}"?)' if guess else ""
    return f'expected a duration like "2h" or "1d12h", got "{_shortened(text)}"{hint}'


def _guess(text: str) -> str | None:
    """Return what was probably meant, in the right form, or None."""
    short = _SEPARATOR.sub("", _WORD.sub(r"\1\2", text[:100].lower()))
    return short if short and _FORM.fullmatch(short) else None


def _shortened(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:39]}…"


def duration_text(seconds: float) -> str:
    """Write a duration as it would stand in a configuration: ``7d``, ``1h30m``, ``0s``."""
    left, parts = round(seconds), []
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        amount, left = divmod(left, size)
        if amount:
            parts.append(f"{amount}{unit}")
    return "".join(parts) or "0s"

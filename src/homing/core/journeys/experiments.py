"""
What a journey's variants are worth, and how sure that is: 95 % intervals.

All of them tell the truth for small counts too: an interval of the textbook form p ± 1.96 s would
say of 0 in 20 that it is 0, exactly.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

# the quantile of the normal distribution that leaves 2.5 % on either side
_Z: Final = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Interval:
    """A *value*, as it was counted, and the bounds between which the true one lies (95 %)."""

    low: float
    high: float
    value: float


@dataclass(frozen=True, slots=True)
class Sample:
    """What `mean_difference` needs of a variant: how many, their mean, their sample variance."""

    count: int
    mean: float
    variance: float


def proportion(successes: int, total: int) -> Interval:
    """
    Estimate a rate: Wilson's score interval, without correction for continuity.

    Args:
        successes: How many of *total*. More than all count as all: an open can be known of a mail
            whose delivery never was reported.

        total: How many there were; of none the rate is 0 and nothing is known, from 0 to 1.

    Source: Wilson 1927, JASA 22:209; Newcombe 1998, Statistics in Medicine 17:857, method 3.
    """
    if total <= 0:
        return Interval(0.0, 1.0, 0.0)
    hits = min(max(successes, 0), total)
    rate = hits / total
    share = _Z * _Z / total
    centre = rate + share / 2
    reach = math.sqrt(share * (rate * (1 - rate) + share / 4))
    # at the ends of the scale the bound is exact, and rounding must not blur it
    low = 0.0 if hits == 0 else (centre - reach) / (1 + share)
    high = 1.0 if hits == total else (centre + reach) / (1 + share)
    return Interval(min(low, rate), max(high, rate), rate)


def difference(first: Interval, second: Interval) -> Interval:
    """
    Compare two independent rates of `proportion`: *first* minus *second*, within [-1, 1].

    Newcombe's hybrid score interval: the distances to the bounds of both rates, put together like
    the sides of a triangle.

    Source: Newcombe 1998, Statistics in Medicine 17:873, method 10.
    """
    value = first.value - second.value
    below = math.hypot(first.value - first.low, second.high - second.value)
    above = math.hypot(first.high - first.value, second.value - second.low)
    return Interval(max(value - below, -1.0), min(value + above, 1.0), value)


def sample_of(values: Iterable[float], count: int | None = None) -> Sample:
    """
    Describe what a variant's people were worth.

    Args:
        values: The worth of those who have one.

        count: How many people there are; those without a worth are worth 0. None: no others.
    """
    known = tuple(values)
    size = len(known) if count is None else max(count, len(known))
    if not size:
        return Sample(0, 0.0, 0.0)
    try:
        mean = math.fsum(known) / size
        spread = math.fsum((value - mean) * (value - mean) for value in known)
    except (OverflowError, ValueError):  # ValueError: of both infinities
        return Sample(size, math.nan, math.nan)
    spread += (size - len(known)) * mean * mean
    return Sample(size, mean, spread / (size - 1) if size > 1 else 0.0)


def mean_difference(first: Sample, second: Sample) -> Interval | None:
    """
    Compare two means, of variances that may differ: *first* minus *second*.

    Welch's standard error with the normal quantile: from some thirty people on it is Student's to
    within 5 %, below that too narrow.

    Returns:
        None if either has fewer than two people, or numbers too large to be added.

    Source: Welch 1938, Biometrika 29:350.
    """
    if first.count < 2 or second.count < 2:
        return None
    value = first.mean - second.mean
    reach = _Z * math.sqrt(first.variance / first.count + second.variance / second.count)
    if not math.isfinite(value - reach) or not math.isfinite(value + reach):
        return None
    return Interval(value - reach, value + reach, value)

"""Intervals: against the tables they were published with, and what holds of all of them."""

from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from homing.core.journeys.experiments import (
    Interval,
    Sample,
    difference,
    mean_difference,
    proportion,
    sample_of,
)

COUNTS = st.integers(0, 10**6).flatmap(
    lambda total: st.tuples(st.integers(0, total), st.just(total))
)
VALUES = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30)


def rounded(interval):
    return round(interval.low, 4), round(interval.high, 4)


class TestProportion:
    @pytest.mark.parametrize(
        ("successes", "total", "bounds"),
        [
            (81, 263, (0.2553, 0.3662)),
            (15, 148, (0.0624, 0.1605)),
            (0, 20, (0, 0.1611)),
            (1, 29, (0.0061, 0.1718)),
        ],
    )
    def test_it_is_the_published_one(self, successes, total, bounds):
        """
        The examples of Newcombe 1998 (Statistics in Medicine 17:857, table I) come out.
        """
        assert bounds == rounded(proportion(successes, total))

    def test_of_nobody_nothing_is_known(self):
        """
        Without a case every rate is possible.
        """
        assert Interval(0, 1, 0) == proportion(0, 0)

    @pytest.mark.parametrize(("successes", "total"), [(5, 4), (-1, 4), (3, 0), (0, -1)])
    def test_impossible_counts_are_taken_as_the_nearest_possible(self, successes, total):
        """
        More opens than deliveries are all of them; a page of figures does not fail over it.
        """
        expected = proportion(min(max(successes, 0), max(total, 0)), max(total, 0))

        assert expected == proportion(successes, total)

    @given(COUNTS)
    def test_the_rate_lies_within_and_all_on_the_scale(self, counts):
        """
        0 <= low <= rate <= high <= 1, and failures mirror successes.
        """
        successes, total = counts

        found, mirrored = proportion(successes, total), proportion(total - successes, total)

        assert 0 <= found.low <= found.value <= found.high <= 1
        assert found.low == pytest.approx(1 - mirrored.high, abs=1e-12)

    @given(COUNTS.filter(lambda counts: counts[1] > 0), st.integers(2, 1000))
    def test_more_people_make_it_narrower(self, counts, times):
        """
        The same rate of more people is known better.
        """
        few = proportion(*counts)
        many = proportion(counts[0] * times, counts[1] * times)

        assert many.high - many.low < few.high - few.low


class TestDifference:
    @pytest.mark.parametrize(
        ("first", "second", "bounds"),
        [
            ((56, 70), (48, 80), (0.0524, 0.3339)),
            ((9, 10), (3, 10), (0.1705, 0.8090)),
            ((10, 10), (0, 10), (0.6075, 1)),
        ],
    )
    def test_it_is_the_published_one(self, first, second, bounds):
        """
        The examples of Newcombe 1998 (Statistics in Medicine 17:873, table II) come out.
        """
        found = difference(proportion(*first), proportion(*second))

        assert bounds == rounded(found)
        assert first[0] / first[1] - second[0] / second[1] == found.value

    @given(COUNTS, COUNTS)
    def test_the_difference_lies_within_and_turns_with_the_order(self, first, second):
        """
        -1 <= low <= value <= high <= 1; the other way round all of it changes sign.
        """
        one, two = proportion(*first), proportion(*second)

        found, turned = difference(one, two), difference(two, one)

        assert -1 <= found.low <= found.value <= found.high <= 1
        assert (-turned.high, -turned.low, -turned.value) == (found.low, found.high, found.value)


class TestSampleOf:
    @given(VALUES)
    def test_it_is_mean_and_sample_variance(self, values):
        """
        The standard library finds the same.
        """
        found = sample_of(values)

        assert len(values) == found.count
        assert statistics.fmean(values) == pytest.approx(found.mean, rel=1e-9, abs=1e-9)
        assert statistics.variance(values) == pytest.approx(found.variance, rel=1e-6, abs=1e-6)

    @given(VALUES, st.integers(0, 50))
    def test_those_without_a_value_are_worth_nothing(self, values, others):
        """
        To say how many there are is to add so many zeros.
        """
        spelt = sample_of(values + [0.0] * others)
        counted = sample_of(values, count=len(values) + others)

        assert spelt.count == counted.count
        assert spelt.mean == pytest.approx(counted.mean)
        assert spelt.variance == pytest.approx(counted.variance, rel=1e-9, abs=1e-9)

    def test_nobody_is_a_sample_too(self):
        """
        Of none there is no mean, and nothing is divided by it.
        """
        assert Sample(0, 0, 0) == sample_of([])
        assert Sample(1, 3, 0) == sample_of([3])


class TestMeanDifference:
    def test_it_is_welchs_with_the_normal_quantile(self):
        """
        27 people of mean 20.6 and variance 10, 25 of 22.1 and 3: worked by hand.
        """
        found = mean_difference(Sample(27, 20.6, 10.0), Sample(25, 22.1, 3.0))

        reach = 1.959963984540054 * (10 / 27 + 3 / 25) ** 0.5
        assert found is not None
        assert found.value == pytest.approx(-1.5)
        assert (found.low, found.high) == pytest.approx((-1.5 - reach, -1.5 + reach))

    @pytest.mark.parametrize("few", [[], [5.0]])
    def test_one_person_is_not_enough(self, few):
        """
        Of fewer than two people no spread is known, on either side.
        """
        many = sample_of([1.0, 2.0, 3.0])

        assert None is mean_difference(sample_of(few), many)
        assert None is mean_difference(many, sample_of(few))

    @given(VALUES, VALUES)
    def test_the_value_lies_within_and_turns_with_the_order(self, first, second):
        """
        The interval is symmetric around the difference, and changes sign with the order.
        """
        one, two = sample_of(first), sample_of(second)

        found, turned = mean_difference(one, two), mean_difference(two, one)

        assert found is not None
        assert turned is not None
        assert found.low <= found.value <= found.high
        assert (-turned.high, -turned.low) == (found.low, found.high)

    @given(st.lists(st.floats(), max_size=5), st.lists(st.floats(), max_size=5))
    @example([1e308, 1e308], [-1e308, -1e308])
    @example([math.inf, -math.inf], [0.0, 1.0])
    def test_numbers_too_large_to_add_have_no_interval(self, first, second):
        """
        Whatever people's events claim to be worth, an interval is of finite numbers.
        """
        found = mean_difference(sample_of(first), sample_of(second))

        assert found is None or all(map(math.isfinite, (found.low, found.high, found.value)))

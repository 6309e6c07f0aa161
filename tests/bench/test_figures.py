"""Tests of homing.bench.figures."""

from __future__ import annotations

import pytest

from homing.bench.figures import Figure, Run, Series, percentile

OURS = Series("ours", [Run(80.0, 1.0, 9.0), Run(100.0, 3.0, 7.0), Run(90.0, 2.0, 8.0)])
THEIRS = Series("theirs", [Run(200.0), Run(100.0), Run(120.0)])


class TestSeries:
    def test_each_number_is_the_median_of_its_runs(self) -> None:
        """One odd run moves neither the value nor a latency."""
        assert (90.0, 2.0, 8.0) == (OURS.value, OURS.p50_ms, OURS.p99_ms)

    def test_what_was_not_timed_has_no_latency(self) -> None:
        """Rows inserted have no p99, and the table does not say that it is 0."""
        assert THEIRS.p99_ms is None
        assert {"title": "theirs", "value": 120.0, "runs": [200.0, 100.0, 120.0]} == THEIRS.table()


class TestFigure:
    def test_its_ratio_is_of_the_medians(self) -> None:
        """90 of 120."""
        assert 0.75 == Figure("a.b", "requests/s", OURS, THEIRS).ratio

    @pytest.mark.parametrize("reference", [None, Series("nothing", [Run(0.0)])])
    def test_without_a_reference_there_is_no_ratio(self, reference: Series | None) -> None:
        """And nothing is divided by zero."""
        assert 0.0 == Figure("a.b", "requests/s", OURS, reference).ratio

    def test_its_table_has_both_sides_and_what_arrived(self) -> None:
        """The shape of one object of ``figures`` in ``bench.json``."""
        figure = Figure("a.b", "requests/s", OURS, THEIRS, note="so", sent=3, kept=3)

        assert {
            "name": "a.b",
            "unit": "requests/s",
            "measured": {
                "title": "ours",
                "value": 90.0,
                "p50_ms": 2.0,
                "p99_ms": 8.0,
                "runs": [80.0, 100.0, 90.0],
            },
            "reference": {"title": "theirs", "value": 120.0, "runs": [200.0, 100.0, 120.0]},
            "ratio": 0.75,
            "sent": 3,
            "kept": 3,
            "note": "so",
        } == figure.table()


class TestPercentile:
    @pytest.mark.parametrize(
        ("values", "share", "expected"),
        [
            ([], 0.99, 0.0),
            ([5.0], 0.99, 5.0),
            ([5.0], 0.5, 5.0),
            ([float(n) for n in range(100)], 0.5, 50.0),
            ([float(n) for n in range(100)], 0.99, 99.0),
            ([1.0, 2.0], 1.0, 2.0),
        ],
    )
    def test_it_is_a_value_that_was_seen(
        self, values: list[float], share: float, expected: float
    ) -> None:
        """Never between two of them, never beyond the last."""
        assert expected == percentile(values, share)

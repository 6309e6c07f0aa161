"""Requests a minute, and what is told of them."""

import pytest

from homing.emulators.sendgrid.rate_limits import RateLimits


class TestSpend:
    def test_a_window_ends(self):
        """The count starts anew; what is left is told, down to nothing."""
        now = [100.5]
        limits = RateLimits({"/v3/": 2}, lambda: now[0])

        first = [limits.spend("/v3/scopes") for _ in range(3)]
        now[0] = 160.0
        second = limits.spend("/v3/scopes")

        assert [True, True, False] == [within for within, _ in first]
        assert ["1", "0", "0"] == [told["X-RateLimit-Remaining"] for _, told in first]
        assert {"160"} == {told["X-RateLimit-Reset"] for _, told in first}
        assert (True, "220") == (second[0], second[1]["X-RateLimit-Reset"])

    @pytest.mark.parametrize(
        ("path", "limit"),
        [("/v3/a/b", "1"), ("/v3/c", "5"), ("/v3/mail/send", None), ("/v2/x", None)],
    )
    def test_the_longest_beginning_counts(self, path, limit):
        """Each beginning has a window of its own; mail/send has none."""
        limits = RateLimits({"/v3/": 5, "/v3/a": 1}, lambda: 0.0)

        _, told = limits.spend(path)

        assert limit == told.get("X-RateLimit-Limit")

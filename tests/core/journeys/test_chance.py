"""Chance by hash: the same each time, evenly spread, in proportion to the weights."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.core.journeys.chance import share_of, variant_of
from homing.core.journeys.program import END, Variant

PARTS = st.lists(st.text(max_size=5), max_size=4).map(tuple)
VARIANTS = st.lists(
    st.floats(0, 1e9) | st.sampled_from([0.0, 1.0, 5e-324, 1e-300, 0.1]), min_size=1, max_size=9
).map(lambda weights: variants(*weights))
SHARES = st.floats(0, 1, exclude_max=True) | st.sampled_from([0.0, 1 - 2**-53, 0.5])


def variants(*weights):
    return tuple(Variant(f"v{n}", weight, END) for n, weight in enumerate(weights))


def chi_square(observed, expected):
    return sum((o - e) ** 2 / e for o, e in zip(observed, expected, strict=True))


class TestShareOf:
    @pytest.mark.skipif(shutil.which("b2sum") is None, reason="needs b2sum of GNU coreutils")
    def test_it_is_the_published_hash_of_the_parts(self):
        """
        b2sum's 64 bits over lengths and texts, as a fraction, are the share.
        """
        framed = b"".join(len(part).to_bytes(8) + part for part in (b"cart", b"", b"\xc3\xa9"))
        answer = subprocess.run(
            ["b2sum", "-l", "64"], input=framed, capture_output=True, check=True
        ).stdout

        assert int(answer[:16], 16) / 2**64 == pytest.approx(share_of("cart", "", "é"), abs=2**-52)

    @given(PARTS, PARTS)
    def test_it_depends_on_the_parts_and_nothing_else(self, parts, others):
        """
        The same parts give the same share, whatever was asked in between; other parts another.
        """
        first = share_of(*parts)
        other = share_of(*others)

        assert first == share_of(*parts)
        assert (parts == others) == (first == other)
        assert 0 <= first < 1

    @pytest.mark.parametrize(
        ("parts", "others"),
        [
            (("a", "bc"), ("ab", "c")),
            (("a", ""), ("a",)),
            ((), ("",)),
            (("a", "b"), ("b", "a")),
            (("a\0b",), ("a", "b")),
            (("é",), ("e\u0301",)),
            (("\ud800",), ("\ud801",)),
        ],
    )
    def test_parts_do_not_run_together(self, parts, others):
        """
        Where one part ends and the next begins is part of what is hashed.
        """
        assert share_of(*parts) != share_of(*others)

    def test_shares_are_evenly_spread(self):
        """
        20,000 people fall evenly into a hundred classes, and a second step is independent.
        """
        people = [f"person-{n}" for n in range(20_000)]
        first = [share_of("cart", "test", person) for person in people]
        second = [share_of("cart", "other", person) for person in people]
        classes = [0] * 100
        pairs = [0] * 100
        for one, two in zip(first, second, strict=True):
            classes[int(one * 100)] += 1
            pairs[int(one * 10) * 10 + int(two * 10)] += 1

        # 99 degrees of freedom: above 161 once in 10,000 hashes
        assert chi_square(classes, [200] * 100) < 161
        assert chi_square(pairs, [200] * 100) < 161
        assert len(people) == len(set(first))


class TestVariantOf:
    @pytest.mark.parametrize("weights", [(50, 50), (1, 2, 3), (0.1, 0.2, 0.7), (90, 9, 1)])
    def test_people_are_shared_out_by_weight(self, weights):
        """
        Of 20,000 people each variant has its part, up to what chance allows.
        """
        choices = variants(*weights)
        counts = dict.fromkeys((one.name for one in choices), 0)
        for number in range(20_000):
            counts[variant_of(choices, share_of("cart", "test", f"person-{number}")).name] += 1

        expected = [20_000 * weight / sum(weights) for weight in weights]
        # at most 2 degrees of freedom: above 18.4 once in 10,000 hashes
        assert chi_square(counts.values(), expected) < 18.4

    def test_a_variant_begins_where_the_one_before_ends(self):
        """
        The bounds are those of the cumulated weights, each the first of the next.
        """
        choices = variants(1, 0, 1, 2)

        picked = [variant_of(choices, share).name for share in (0.0, 0.2499, 0.25, 0.4999, 0.5)]

        assert ["v0", "v0", "v2", "v2", "v3"] == picked

    @given(VARIANTS, SHARES)
    def test_rounding_never_falls_off_the_end(self, choices, share):
        """
        Some variant is always picked, and never one without weight if another has some.
        """
        picked = variant_of(choices, share)

        assert picked in choices
        assert picked.weight > 0 or not any(one.weight for one in choices)

    @given(VARIANTS, SHARES, SHARES)
    def test_a_greater_share_is_no_earlier_variant(self, choices, one, other):
        """
        The variants lie on the line from 0 to 1 in the order of the file.
        """
        low, high = sorted((one, other))

        assert choices.index(variant_of(choices, low)) <= choices.index(variant_of(choices, high))

    def test_the_order_of_evaluation_does_not_matter(self):
        """
        People asked backwards get what they got forwards.
        """
        choices = variants(1, 1, 1)
        forwards = [variant_of(choices, share_of("a", str(n))).name for n in range(100)]
        backwards = [variant_of(choices, share_of("a", str(n))).name for n in range(99, -1, -1)]

        assert forwards == backwards[::-1]

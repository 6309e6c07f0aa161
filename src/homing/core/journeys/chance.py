"""
Chance that is the same each time: by hash, not by dice.

A run that is simulated, replayed after a crash or looked at again takes the same branch.
"""

from __future__ import annotations

from hashlib import blake2b
from itertools import accumulate
from typing import Final

from homing.core.journeys.program import Variant

# as many bits as a float holds exactly
_BITS: Final = 53


def share_of(*parts: str) -> float:
    """
    Return a number in [0, 1), evenly spread, that depends on *parts* and nothing else.

    Each part goes in with its length before it: ("a", "bc") is not ("ab", "c").
    """
    digest = blake2b(digest_size=8)
    for part in parts:
        # JSON may bring lone surrogates
        text = part.encode("utf-8", "surrogatepass")
        digest.update(len(text).to_bytes(8))
        digest.update(text)
    return (int.from_bytes(digest.digest()) >> (64 - _BITS)) / (1 << _BITS)


def variant_of(variants: tuple[Variant, ...], share: float) -> Variant:
    """
    Pick the variant on which *share* falls, by weight and in the order of the file.

    Args:
        variants: Not empty; of weights that are not negative. One of weight 0 is never picked
            unless all are.

        share: In [0, 1), as `share_of` gives it.
    """
    bounds = tuple(accumulate(one.weight for one in variants))
    point = share * bounds[-1]
    last = variants[-1]
    for one, bound in zip(variants, bounds, strict=True):
        if point < bound:
            return one
        if one.weight > 0:
            last = one  # a share just below 1 may round up to the end
    return last

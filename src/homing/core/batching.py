"""Pack calls into what Segment takes in one request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from homing.core.effects import Effect

MAX_CALLS = 2_500
# the documented limit is 500 KB; what wraps the calls and a margin are left free
MAX_BYTES = 480_000


@dataclass(frozen=True, slots=True)
class Batch:
    """Calls that leave in one request, in order."""

    effects: tuple[Effect, ...]

    def body(self, *, write_key: str, sent_at: str) -> bytes:
        """
        The request's body.

        Source: Segment docs, "HTTP Tracking API", batch; over 2,500 calls are answered 200 and
        thrown away, so `batches_of` never packs more.
        """
        head = orjson.dumps({"writeKey": write_key, "sentAt": sent_at})
        calls = b",".join(effect.payload for effect in self.effects)
        return head[:-1] + b',"batch":[' + calls + b"]}"

    def halves(self) -> tuple[Batch, Batch]:
        """Two batches of at least one call each."""
        middle = len(self.effects) // 2
        return Batch(self.effects[:middle]), Batch(self.effects[middle:])


def batches_of(effects: Sequence[Effect], *, most: int) -> list[Batch]:
    """
    At most *most* batches that hold no lane twice between them.

    A lane's calls stay in order inside one batch; those that do not fit into the lane's batch
    wait for its return.
    """
    batches: list[list[Effect]] = []
    sizes: list[int] = []
    place: dict[int, int] = {}
    closed: set[int] = set()
    for effect in effects:
        if effect.lane in closed:
            continue
        at = place.get(effect.lane)
        if at is None:
            at = _open(batches, sizes, len(effect.payload) + 1, most=most)
        elif not _fits(batches[at], sizes[at], len(effect.payload) + 1):
            at = None
        if at is None:
            closed.add(effect.lane)
            continue
        place[effect.lane] = at
        batches[at].append(effect)
        sizes[at] += len(effect.payload) + 1
    return [Batch(tuple(batch)) for batch in batches]


def _open(batches: list[list[Effect]], sizes: list[int], size: int, *, most: int) -> int | None:
    """The last batch if there is room in it, else a new one if there may be one."""
    if batches and _fits(batches[-1], sizes[-1], size):
        return len(batches) - 1
    if len(batches) >= most:
        return None
    batches.append([])
    sizes.append(0)
    return len(batches) - 1


def _fits(batch: list[Effect], used: int, size: int) -> bool:
    return not batch or (len(batch) < MAX_CALLS and used + size <= MAX_BYTES)

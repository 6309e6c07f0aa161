"""What every measure needs: sizes, a folder, keys, and the processes it starts by name."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from homing.bench.bare import BareTask
from homing.bench.bodies import Kind
from homing.bench.figures import Run
from homing.bench.installation import Installation, pem_of
from homing.bench.load import LoadTask, Posted
from homing.bench.piped import BenchFailed, Piped, piped
from homing.bench.scale import Scale
from homing.bench.sink import Listening, SinkTask
from homing.bench.stage import Done, StageTask
from homing.bench.stock import Stocked, StockTask


@dataclass(slots=True)
class Bench:
    """
    One run of the benchmark.

    Args:
        folder: Where stores are made: on the disk that is to be measured.

        say: Told what is being done.
    """

    scale: Scale
    folder: Path
    key: ec.EllipticCurvePrivateKey
    say: Callable[[str], None]
    _numbers: Iterator[int] = field(default_factory=count)

    def install(
        self,
        *,
        sink: int = 9,
        capture: bool = False,
        journeys: bool = False,
        marketing: bool = False,
    ) -> Installation:
        """Make a fresh installation."""
        folder = self.folder / str(next(self._numbers))
        fresh = Installation(folder, self.key, sink, capture, journeys, marketing)
        # what the benchmark's own processes need to load its configuration
        os.environ.update(fresh.environ)
        return fresh

    def discard(self, installation: Installation) -> None:
        """Its files are not needed any more."""
        shutil.rmtree(installation.folder, ignore_errors=True)

    async def load(  # noqa: PLR0913  a load has many sizes
        self,
        port: int,
        kind: Kind,
        posts: int,
        *,
        connections: int,
        people: int = 0,
        sends: int = 1,
        first: int = 0,
        per_second: float = 0.0,
    ) -> Posted:
        """
        Post so many requests and see what comes of them.

        Raises:
            BenchFailed: One was not answered 200.
        """
        task = LoadTask(
            port, kind, posts, connections, people or self.scale.people, pem_of(self.key), sends,
            first, per_second,
        )  # fmt: skip
        async with piped("homing.bench.load", task) as child:
            await child.hear(dict)
            posted = await child.ask("post", Posted)
        if posted.accepted != posts:
            msg = f"{posts} {kind} posts were answered {posted.statuses}"
            raise BenchFailed(msg)
        return posted

    async def stock(  # noqa: PLR0913  a store holds many things
        self, installation: Installation, *, events: int = 0, sends: int = 0, people: int = 0,
        waiting: int = 0, kind: Kind = Kind.MIX, runs: Sequence[tuple[int, int]] = (),
        journey: str = "cart", contacts: int = 0, members: int = 0,
    ) -> Stocked:  # fmt: skip
        """Fill an installation's store; *runs* and *journey*: see `StockTask`."""
        task = StockTask(
            str(installation.state), events, sends, people or self.scale.people, waiting, kind,
            list(runs), journey, contacts, members,
        )  # fmt: skip
        async with piped("homing.bench.stock", task) as child:
            return await child.hear(Stocked)


@asynccontextmanager
async def sink(*, marked: bool = False) -> AsyncIterator[tuple[Piped, int]]:
    """A sink and its port."""
    async with piped("homing.bench.sink", SinkTask(marked)) as child:
        yield child, (await child.hear(Listening)).port


@asynccontextmanager
async def bare(*, forward: int = 0) -> AsyncIterator[tuple[Piped, int]]:
    """The reference server and its port."""
    async with piped("homing.bench.bare", BareTask(forward)) as child:
        yield child, (await child.hear(Listening)).port


@asynccontextmanager
async def stage(installation: Installation, *, connections: int = 64) -> AsyncIterator[Piped]:
    """One stage at a time over an installation's files."""
    task = StageTask(str(installation.config), connections)
    async with piped("homing.bench.stage", task) as child:
        await child.hear(dict)
        yield child


async def did(child: Piped, word: str, expected: int) -> Done:
    """
    Have a stage do what there is.

    Raises:
        BenchFailed: It was not as much as expected.
    """
    done = await child.ask(word, Done)
    if done.done != expected:
        msg = f"{word} did {done.done}, expected {expected}"
        raise BenchFailed(msg)
    return done


async def turns(
    rounds: int, measured: Callable[[], Awaitable[Run]], reference: Callable[[], Awaitable[Run]]
) -> tuple[list[Run], list[Run]]:
    """The runs of both, taken in turns: what else this machine does falls on both alike."""
    ours: list[Run] = []
    theirs: list[Run] = []
    for _ in range(rounds):
        ours.append(await measured())
        theirs.append(await reference())
    return ours, theirs


def run_of(posted: Posted, *, times: int = 1) -> Run:
    """A load as one run; *times* events a post."""
    return Run(posted.per_second * times, posted.p50_ms, posted.p99_ms)


def check(what: str, expected: int, found: int) -> None:
    """
    Hold what was found against what was sent.

    Raises:
        BenchFailed: They differ.
    """
    if expected != found:
        msg = f"{what}: expected {expected}, found {found}"
        raise BenchFailed(msg)

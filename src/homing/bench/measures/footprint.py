"""Footprint: memory after a million events, and how long a start over them takes."""

from __future__ import annotations

import time

from homing.bench.bench import Bench, bare, check, sink
from homing.bench.bodies import BATCH, Kind
from homing.bench.figures import Figure, Run, Series
from homing.bench.installation import resident_mib

CONNECTIONS = 8
STARTS = 3


async def footprint(bench: Bench) -> list[Figure]:
    """Take in so many events, let all of it be done, look at the memory, start again."""
    scale = bench.scale
    posts = scale.taken // BATCH
    async with sink() as (_, port):
        installation = bench.install(sink=port)
        async with installation.service() as service:
            bench.say(f"taking in {posts * BATCH:,} events")
            started = time.monotonic()
            await bench.load(installation.public, Kind.BATCH, posts, connections=CONNECTIONS)
            await installation.until("events:done", posts * BATCH, timeout_s=900)
            await installation.until("sends:accepted", posts * BATCH // 10, timeout_s=300)
            elapsed = time.monotonic() - started
            memory = service.memory_mib()
        bench.say("starting again")
        starts = []
        for _ in range(min(STARTS, scale.rounds)):
            async with installation.service() as service:
                starts.append(Run(service.started_in_s))
        kept = installation.count("events:done")
    check("events done", posts * BATCH, kept)
    bench.discard(installation)
    bare_memory, bare_starts = await _bare(len(starts))
    return [
        Figure(
            "footprint.memory",
            "MiB",
            Series(f"all processes after {kept:,} events", [Run(sum(memory.values()))]),
            Series("one process of a bare aiohttp Application", [Run(bare_memory)]),
            note=(
                "smaller is better; resident memory of supervisor, receiver and worker: "
                + " + ".join(f"{mib:.0f}" for mib in memory.values())
                + f"; shared pages counted in each. {kept / elapsed:,.0f} events/s on the way"
            ),
            sent=posts * BATCH,
            kept=kept,
        ),
        Figure(
            "footprint.start",
            "s",
            Series(f"from start to ready over a store of {kept:,} events", starts),
            Series("a bare aiohttp Application, from start to its first port", bare_starts),
            note="smaller is better",
        ),
    ]


async def _bare(starts: int) -> tuple[float, list[Run]]:
    runs = []
    memory = 0.0
    for _ in range(starts):
        started = time.monotonic()
        async with bare() as (child, _):
            runs.append(Run(time.monotonic() - started))
            memory = resident_mib(child.pid)
    return memory, runs

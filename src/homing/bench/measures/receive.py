"""Receiving: signed webhooks through the real receiver, durable before they are answered."""

from __future__ import annotations

import asyncio
import hmac  # noqa: F401
import time
from pathlib import Path

import apsw

from homing.bench.bench import Bench, bare, check, run_of, sink
from homing.bench.bodies import BATCH, Kind, engagement_body, segment_bodies
from homing.bench.figures import Figure, Run, Series
from homing.bench.installation import Installation
from homing.bench.piped import BenchFailed

BATCH_CONNECTIONS = 8
SINGLE = "signed webhooks of one event, durable"
BARE = "bare aiohttp Application, body read, nothing kept"


async def ceiling(bench: Bench) -> list[Figure]:
    """How fast the load generator itself is: against the sink, which does next to nothing."""
    figures = []
    for connections in (32, 256):
        async with sink() as (_, port):
            runs = []
            for _ in range(bench.scale.rounds):
                posts = 2 * bench.scale.singles
                runs.append(run_of(await bench.load(port, Kind.MIX, posts, connections=connections)))
        series = Series(f"load generator against the sink, {connections} connections", runs)
        figures.append(
            Figure(f"ceiling.{connections}", "requests/s", series, series, note="its own reference")
        )
    return figures


async def singles(bench: Bench) -> list[Figure]:
    """Webhooks of one event, the receiver alone."""
    installation = bench.install()
    figures = []
    async with installation.receiver(), bare() as (_, port):
        for connections in (32, 256):
            bench.say(f"{connections} connections")
            figures.append(await _turns(bench, installation, port, connections))
    bench.discard(installation)
    return figures


async def busy(bench: Bench) -> list[Figure]:
    """The same while the worker evaluates a backlog, for the reference, too."""
    installation = bench.install(capture=True)
    backlog = bench.scale.backlog
    await bench.stock(installation, waiting=backlog, kind=Kind.BATCH)
    figures = []
    async with installation.service(), bare() as (_, port):
        for connections in (32, 256):
            bench.say(f"{connections} connections, worker busy")
            figure = await _turns(
                bench, installation, port, connections, name="receive.busy", beside=backlog
            )
            figures.append(figure)
        if installation.evaluated() >= backlog:
            raise BenchFailed("the worker's backlog was too small to keep it busy")
    bench.discard(installation)
    return figures


async def _turns(  # noqa: PLR0913
    bench: Bench,
    installation: Installation,
    port: int,
    connections: int,
    *,
    name: str = "receive",
    beside: int = 0,
) -> Figure:
    measured: list[Run] = []
    reference: list[Run] = []
    posts = bench.scale.singles
    before = installation.head()
    for _ in range(bench.scale.rounds):
        posted = await bench.load(installation.public, Kind.MIX, posts, connections=connections)
        measured.append(run_of(posted))
        reference.append(
            run_of(await bench.load(port, Kind.MIX, posts, connections=connections))
        )
    kept = installation.head() - before
    check("requests in the log", posts * bench.scale.rounds, kept)
    suffix = ", the worker busy" if beside else ""
    return Figure(
        f"{name}.{connections}",
        "requests/s",
        Series(f"{SINGLE}, {connections} connections{suffix}", measured),
        Series(f"{BARE}{suffix}", reference),
        sent=posts * bench.scale.rounds,
        kept=kept,
    )


async def batches(bench: Bench) -> list[Figure]:
    """Segment batches and SendGrid posts of 100 events."""
    installation = bench.install()
    figures = []
    async with installation.receiver():
        for kind, name, title in (
            (Kind.BATCH, "receive.batch", "events in signed Segment batches of 100, durable"),
            (Kind.ENGAGEMENT, "receive.sendgrid", "events in signed SendGrid posts of 100, durable"),
        ):
            bench.say(title)
            figures.append(await _batches(bench, installation, kind, Figure(
                name, "events/s", Series(title, []),
                Series("one SQLite transaction that inserts those events as rows", []),
            )))
    bench.discard(installation)
    return figures

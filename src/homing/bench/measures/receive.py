"""Receiving: signed webhooks through the real receiver, durable before they are answered."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path

from homing.adapters.sqlite.engine import connect
from homing.bench.bench import Bench, bare, check, run_of, sink, turns
from homing.bench.bodies import BATCH, Kind, event_body
from homing.bench.figures import Figure, Run, Series
from homing.bench.installation import Installation
from homing.bench.load import Posted

CONNECTIONS = (32, 256)
BATCH_CONNECTIONS = 8
SENDGRID_EVENT = 420


async def ceiling(bench: Bench) -> list[Figure]:
    """How fast the load generator itself is: against the sink, which does next to nothing."""
    figures = []
    async with sink() as (_, port):
        for connections in CONNECTIONS:

            async def run(connections: int = connections) -> Run:
                posts = 2 * bench.scale.singles
                return run_of(await bench.load(port, Kind.MIX, posts, connections=connections))

            title = f"the load generator itself, against the sink, {connections} connections"
            runs = [await run() for _ in range(bench.scale.rounds)]
            figures.append(
                Figure(f"ceiling.{connections}", "requests/s", Series(title, runs), None)
            )
    return figures


async def singles(bench: Bench) -> list[Figure]:
    """Webhooks of one event, the receiver alone."""
    installation = bench.install()
    async with installation.receiver(), bare() as (_, port):
        figures = [await _singles(bench, installation, port, connections=n) for n in CONNECTIONS]
    bench.discard(installation)
    return figures


async def busy(bench: Bench) -> list[Figure]:
    """The same while the worker evaluates a backlog, beside the reference, too."""
    installation = bench.install(capture=True)
    backlog = bench.scale.backlog
    await bench.stock(installation, waiting=backlog, kind=Kind.BATCH)
    async with installation.service(), bare() as (_, port):
        figure = await _singles(bench, installation, port, connections=CONNECTIONS[0], busy=True)
        was_busy = installation.evaluated() < backlog
    bench.discard(installation)
    return [figure if was_busy else replace(figure, note="the worker was not busy all the time")]


async def _singles(
    bench: Bench, installation: Installation, port: int, *, connections: int, busy: bool = False
) -> Figure:
    posts, rounds = bench.scale.singles, bench.scale.rounds
    beside = ", the worker busy" if busy else ""
    bench.say(f"{connections} connections{beside}")

    async def through(port: int) -> Run:
        return run_of(await bench.load(port, Kind.MIX, posts, connections=connections))

    before = installation.head()
    ours, theirs = await turns(rounds, lambda: through(installation.public), lambda: through(port))
    kept = installation.head() - before
    check("requests in the log", posts * rounds, kept)
    return Figure(
        f"receive.{'busy' if busy else 'single'}.{connections}",
        "requests/s",
        Series(f"signed webhooks of one event, {connections} connections{beside}", ours),
        Series(f"bare aiohttp Application that reads the body{beside}", theirs),
        sent=posts * rounds,
        kept=kept,
    )


async def batches(bench: Bench) -> list[Figure]:
    """Segment batches and SendGrid posts of 100 events."""
    installation = bench.install()
    async with installation.receiver():
        figures = [
            await _batches(bench, installation, Kind.BATCH),
            await _batches(bench, installation, Kind.ENGAGEMENT),
        ]
    bench.discard(installation)
    return figures


async def _batches(bench: Bench, installation: Installation, kind: Kind) -> Figure:
    posts, rounds = bench.scale.batches, bench.scale.rounds
    whose = "Segment" if kind is Kind.BATCH else "SendGrid"
    size = len(event_body(0, people=1)) if kind is Kind.BATCH else SENDGRID_EVENT
    bench.say(f"{whose}'s posts of {BATCH}")

    async def through() -> Run:
        posted: Posted = await bench.load(
            installation.public, kind, posts, connections=BATCH_CONNECTIONS
        )
        return run_of(posted, times=BATCH)

    before = installation.head()
    ours, theirs = await turns(
        rounds, through, lambda: rows_inserted(bench.folder / "rows.db", posts * BATCH, size)
    )
    kept = installation.head() - before
    check("requests in the log", posts * rounds, kept)
    return Figure(
        f"receive.{whose.lower()}_batch",
        "events/s",
        Series(f"signed {whose} posts of {BATCH} events, {BATCH_CONNECTIONS} connections", ours),
        Series("one SQLite transaction that inserts those events as rows", theirs),
        note="the reference neither receives, nor verifies, nor splits the posts",
        sent=posts * rounds * BATCH,
        kept=kept * BATCH,
    )


async def rows_inserted(path: Path, rows: int, size: int) -> Run:
    """Insert rows of a number and *size* bytes in one transaction, synced: rows a second."""
    return await asyncio.to_thread(_rows_inserted, path, rows, size)


def _rows_inserted(path: Path, rows: int, size: int) -> Run:
    db = connect(path)
    db.execute("CREATE TABLE event (id INTEGER PRIMARY KEY, body BLOB NOT NULL)")
    bodies = [(number, number.to_bytes(8) * (size // 8)) for number in range(rows)]
    started = time.monotonic()
    with db:
        db.executemany("INSERT INTO event VALUES (?, ?)", bodies)
    elapsed = time.monotonic() - started
    db.close()
    path.unlink()
    return Run(rows / elapsed)

"""Evaluating: what became of the events in the log, the stage alone."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import orjson

from homing.adapters.sqlite.engine import connect
from homing.bench.bench import Bench, check, did, stage, turns
from homing.bench.bodies import BATCH, MIX_NOTE, Kind, engagement_body, event_body
from homing.bench.figures import Figure, Run, Series
from homing.bench.installation import ROUTES

A_COMMIT = 100
DECODED = f"each decoded by orjson and inserted as one row, {A_COMMIT} a transaction"


async def events(bench: Bench) -> list[Figure]:
    """Segment's events against 50 routes."""
    return [await _evaluated(bench, Kind.MIX), await _evaluated(bench, Kind.ENGAGEMENT)]


async def _evaluated(bench: Bench, kind: Kind) -> Figure:
    scale = bench.scale
    is_mix = kind is Kind.MIX
    total = scale.evaluated if is_mix else scale.written
    whose = "Segment" if is_mix else "SendGrid"
    bench.say(f"{whose}'s events")
    kept = 0

    async def through() -> Run:
        nonlocal kept
        installation = bench.install(capture=True)
        past = 0 if is_mix else total // 2
        await bench.stock(
            installation, events=past, sends=past // 2, kind=kind,
            waiting=total if is_mix else total // BATCH,
        )  # fmt: skip
        async with stage(installation) as child:
            done = await did(child, "evaluate", total)
        kept += installation.count("events:done") - past
        bench.discard(installation)
        return Run(done.per_second)

    ours, theirs = await turns(
        scale.rounds,
        through,
        lambda: decoded_and_inserted(bench.folder / "rows.db", kind, total),
    )
    check("events done", total * scale.rounds, kept)
    return Figure(
        f"evaluate.{whose.lower()}",
        "events/s",
        Series(f"{whose}'s events evaluated against {ROUTES} routes, the stage alone", ours),
        Series(DECODED, theirs),
        note=(
            f"{MIX_NOTE}; about 1 KB each, of {scale.people} persons"
            if is_mix
            else "processed, delivered, open, click of sends in the ledger; all but processed are"
            " written back"
        ),
        sent=total * scale.rounds,
        kept=kept,
    )


async def decoded_and_inserted(path: Path, kind: Kind, total: int) -> Run:
    """The least that any durable evaluation does: events a second."""
    return await asyncio.to_thread(_decoded_and_inserted, path, kind, total)


def _decoded_and_inserted(path: Path, kind: Kind, total: int) -> Run:
    if kind is Kind.MIX:
        raw = [event_body(n, people=total) for n in range(total)]
    else:
        posts = (engagement_body(n, sends=total, people=total) for n in range(total // BATCH))
        raw = [orjson.dumps(event) for post in posts for event in orjson.loads(post)]
    db = connect(path)
    db.execute("CREATE TABLE event (id INTEGER PRIMARY KEY, name TEXT, at TEXT, body BLOB)")
    started = time.monotonic()
    for first in range(0, total, A_COMMIT):
        with db:
            for number, one in enumerate(raw[first : first + A_COMMIT], first):
                event = orjson.loads(one)
                row = (number, event.get("event"), event["timestamp"], one)
                db.execute("INSERT INTO event VALUES (?, ?, ?, ?)", row)
    elapsed = time.monotonic() - started
    db.close()
    path.unlink()
    return Run(total / elapsed)

"""Reconciling: a list of SendGrid's read to its end, against the emulator."""

from __future__ import annotations

from homing.bench.bare_reader import ReadRows, ReadTask
from homing.bench.bench import Bench, check, did, stage, turns
from homing.bench.figures import Figure, Run, Series
from homing.bench.lists import ListTask
from homing.bench.piped import piped
from homing.bench.sink import Listening

READER = "bare aiohttp client reading and decoding the same pages"
NOTE = "no pace: SendGrid's own rate limits allow far less, see `sendgrid.reconcile_share`"


async def suppressions(bench: Bench) -> list[Figure]:
    """The stage: once to take over what is there, once to find that nothing is missing."""
    scale = bench.scale
    first: list[Run] = []
    kept = 0
    async with piped("homing.bench.lists", ListTask(scale.listed)) as emulator:
        port = (await emulator.hear(Listening)).port
        async with piped("homing.bench.bare_reader", ReadTask(port)) as reader:
            await reader.hear(dict)

            async def again() -> Run:
                nonlocal kept
                installation = bench.install(sink=port)
                await bench.stock(installation)
                async with stage(installation) as stages:
                    first.append(Run((await did(stages, "reconcile", scale.listed)).per_second))
                    done = await did(stages, "reconcile", scale.listed)
                kept += installation.count("suppressions:added")
                bench.discard(installation)
                return Run(done.per_second)

            async def bare() -> Run:
                read = await reader.ask("read", ReadRows)
                check("rows read", scale.listed, read.rows)
                return Run(read.rows / read.elapsed_s)

            ours, theirs = await turns(scale.rounds, again, bare)
    sent = scale.listed * scale.rounds
    check("suppressions recorded", sent, kept)
    return [
        Figure(
            f"reconcile.{name}", "rows/s", Series(title, runs), Series(READER, theirs), NOTE,
            sent=sent, kept=kept,
        )
        for name, title, runs in (
            ("first", "a list of bounces read and recorded", first),
            ("again", "the same list read again: nothing is missing", ours),
        )
    ]  # fmt: skip

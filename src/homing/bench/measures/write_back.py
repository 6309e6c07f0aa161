"""Writing home: SendGrid's events in, Segment batches out."""

from __future__ import annotations

from homing.bench.bare_client import ClientTask, Sent
from homing.bench.bench import Bench, check, did, sink, stage, turns
from homing.bench.bodies import BATCH, Kind
from homing.bench.figures import Figure, Run, Series
from homing.bench.measures.evaluate import DECODED, decoded_and_inserted
from homing.bench.piped import Piped, piped
from homing.bench.sink import Taken

AT_ONCE = 4
CONNECTIONS = 8
# processed, delivered, open, click: the first is not written back by default
WRITTEN_OF_FOUR = 3


async def home(bench: Bench) -> list[Figure]:
    """The stage alone, then the whole way."""
    async with sink() as (child, port):
        return [await _stage(bench, child, port), await _whole(bench, child, port)]


async def _stage(bench: Bench, sink: Piped, port: int) -> Figure:
    scale = bench.scale
    calls = scale.written * WRITTEN_OF_FOUR // 4
    bench.say("the stage alone")
    bytes_out = 0
    kept = 0

    async def through() -> Run:
        nonlocal bytes_out, kept
        installation = bench.install(sink=port)
        await bench.stock(
            installation, events=scale.written, sends=scale.written // 4, kind=Kind.ENGAGEMENT,
            waiting=scale.written // BATCH,
        )  # fmt: skip
        async with stage(installation) as stages:
            await did(stages, "evaluate", scale.written)
            done = await did(stages, "write_back", calls)
        bytes_out = await _taken(sink, calls)
        kept += installation.count("effects:segment:done")
        bench.discard(installation)
        return Run(done.per_second)

    async def bare() -> Run:
        # the same bytes in posts of the largest size that Segment takes
        posts = max(1, bytes_out // 480_000)
        task = ClientTask(port, posts, AT_ONCE, "", body_bytes=max(100, bytes_out // posts))
        async with piped("homing.bench.bare_client", task) as client:
            await client.hear(dict)
            sent = await client.ask("post", Sent)
        await sink.ask("taken", Taken)
        return Run(calls / sent.elapsed_s)

    ours, theirs = await turns(scale.rounds, through, bare)
    check("calls done", calls * scale.rounds, kept)
    return Figure(
        "write_back.stage",
        "events/s",
        Series("calls ready in the store to Segment batches at a sink, the stage alone", ours),
        Series("bare aiohttp client posting as many bytes in as many posts", theirs),
        sent=calls * scale.rounds,
        kept=kept,
    )


async def _whole(bench: Bench, sink: Piped, port: int) -> Figure:
    scale = bench.scale
    bench.say("from SendGrid's post to Segment's batch")
    calls = scale.written * WRITTEN_OF_FOUR // 4
    sends = scale.written // 4 * scale.rounds
    installation = bench.install(sink=port)
    await bench.stock(installation, events=sends * 2, sends=sends)
    posts = scale.written // BATCH
    async with installation.service():

        async def through() -> Run:
            before = installation.count("effects:segment:done")
            posted = await bench.load(
                installation.public, Kind.ENGAGEMENT, posts, connections=CONNECTIONS, sends=sends,
                first=before // calls * posts,
            )  # fmt: skip
            ended = await installation.until("effects:segment:done", before + calls)
            await _taken(sink, calls)
            return Run(scale.written / (ended - posted.started_at))

        ours, theirs = await turns(
            scale.rounds,
            through,
            lambda: decoded_and_inserted(bench.folder / "rows.db", Kind.ENGAGEMENT, scale.written),
        )
        kept = installation.count("effects:segment:done")
    bench.discard(installation)
    return Figure(
        "write_back.whole",
        "events/s",
        Series("signed SendGrid posts of 100 in, ledger, Segment batches out", ours),
        Series(DECODED, theirs),
        sent=calls * scale.rounds,
        kept=kept,
    )


async def _taken(sink: Piped, calls: int) -> int:
    taken = await sink.ask("taken", Taken)
    check("calls at the sink", calls, taken.calls)
    return taken.body_bytes

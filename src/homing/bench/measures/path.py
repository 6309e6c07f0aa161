"""The whole path: webhook -> API call -> ledger, as fast as it goes, and at a calm pace."""

from __future__ import annotations

from homing.bench.bench import Bench, bare, check, run_of, sink, turns
from homing.bench.bodies import Kind
from homing.bench.figures import Figure, Run, Series, percentile
from homing.bench.installation import Installation
from homing.bench.load import Posted
from homing.bench.piped import Piped
from homing.bench.sink import Taken

CONNECTIONS = 32
FORWARDING = "bare aiohttp Application that posts the body on and then answers; keeps nothing"


async def whole(bench: Bench) -> list[Figure]:
    """As fast as it goes, then at a tenth of that."""
    async with sink(marked=True) as (child, port), bare(forward=port) as (_, forwarding):
        installation = bench.install(sink=port)
        async with installation.service():
            sustained = await _sustained(bench, installation, child, forwarding=forwarding)
            pace = max(1.0, sustained.measured.value / 10)
            calm = await _calm(bench, installation, child, forwarding=forwarding, pace=pace)
    bench.discard(installation)
    return [sustained, calm]


async def _sustained(
    bench: Bench, installation: Installation, sink: Piped, *, forwarding: int
) -> Figure:
    posts, rounds = bench.scale.path, bench.scale.rounds
    bench.say("as fast as it goes")

    async def through() -> Run:
        before = installation.count("sends:accepted")
        posted = await bench.load(installation.public, Kind.ORDERS, posts, connections=CONNECTIONS)
        ended = await installation.until("sends:accepted", before + posts)
        taken = await sink.ask("taken", Taken)
        check("emails at the sink", posts, taken.posts)
        return Run(posts / (ended - posted.started_at), posted.p50_ms, posted.p99_ms)

    async def forward() -> Run:
        posted = await bench.load(forwarding, Kind.ORDERS, posts, connections=CONNECTIONS)
        await sink.ask("taken", Taken)
        return run_of(posted)

    ours, theirs = await turns(rounds, through, forward)
    return Figure(
        "path.sustained",
        "webhooks/s",
        Series("webhook -> API call -> ledger, until the last outcome is recorded", ours),
        Series(FORWARDING, theirs),
        note=f"each event sends; {CONNECTIONS} connections in; p50 and p99 are of the answers",
        sent=posts * rounds,
        kept=installation.count("sends:accepted"),
    )


async def _calm(
    bench: Bench, installation: Installation, sink: Piped, *, forwarding: int, pace: float
) -> Figure:
    posts = max(10, int(pace * bench.scale.paced_s))
    bench.say(f"{pace:.0f} a second")

    async def through(port: int) -> Run:
        before = installation.count("sends:accepted")
        posted = await bench.load(
            port, Kind.ORDERS, posts, connections=CONNECTIONS, per_second=pace
        )
        if port == installation.public:
            await installation.until("sends:accepted", before + posts)
        return _from_post_to_call(posted, await sink.ask("taken", Taken))

    before = installation.count("sends:accepted")
    ours, theirs = await turns(
        bench.scale.rounds, lambda: through(installation.public), lambda: through(forwarding)
    )
    return Figure(
        "path.calm",
        "ms (p99)",
        Series(f"from webhook to API call at {pace:.0f}/s, a tenth of capacity", ours),
        Series(FORWARDING, theirs),
        note="smaller is better",
        sent=posts * bench.scale.rounds,
        kept=installation.count("sends:accepted") - before,
    )


def _from_post_to_call(posted: Posted, taken: Taken) -> Run:
    check("emails at the sink", len(posted.left_at), len(taken.came_at))
    took = sorted(
        (taken.came_at[number] - left) * 1000 for number, left in enumerate(posted.left_at)
    )
    p99 = percentile(took, 0.99)
    return Run(p99, percentile(took, 0.50), p99)

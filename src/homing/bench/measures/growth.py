"""Growth: receiving and evaluating over a store of millions of events, against an empty one."""

from __future__ import annotations

from dataclasses import dataclass, field

from homing.bench.bench import Bench, check, did, run_of, stage, turns
from homing.bench.bodies import Kind
from homing.bench.figures import Figure, Run, Series
from homing.bench.installation import Installation

CONNECTIONS = 32
EVENTS_A_SEND = 20
WARM_UP_SHARE = 4


@dataclass(slots=True)
class _Runs:
    """Both figures of one store: each run receives events, then evaluates the same ones."""

    received: list[Run] = field(default_factory=list)
    evaluated: list[Run] = field(default_factory=list)
    kept: int = 0


async def grown(bench: Bench) -> list[Figure]:
    """Both figures; random ids, and persons drawn at random from all there are."""
    scale = bench.scale
    large = bench.install(capture=True)
    bench.say(f"making a store of {scale.store:,} events")
    stocked = await bench.stock(
        large, events=scale.store, sends=scale.store // EVENTS_A_SEND, people=scale.store_people
    )
    over_large, over_empty = _Runs(), _Runs()

    async def measured() -> Run:
        bench.say(f"over {scale.store:,} events")
        return await _round(bench, large, over_large)

    async def reference() -> Run:
        bench.say("over an empty store")
        empty = bench.install(capture=True)
        await bench.stock(empty, people=scale.store_people)
        run = await _round(bench, empty, over_empty)
        bench.discard(empty)
        return run

    await turns(scale.rounds, measured, reference)
    bench.discard(large)
    sent = (scale.evaluated // WARM_UP_SHARE + scale.evaluated) * scale.rounds
    check("events over the large store", sent, over_large.kept)
    check("events over the empty store", sent, over_empty.kept)
    note = (
        f"store made in {stocked.elapsed_s:.0f} s through the store's own port, as the stages"
        f" write: {scale.store:,} events with their ids, filters and histories,"
        f" {scale.store // EVENTS_A_SEND:,} accepted sends; state {stocked.state_mib:,.0f} MiB, log"
        f" {stocked.log_mib:,.0f} MiB (requests of the past hold 128 bytes). Both stores have"
        f" {scale.store_people:,} persons"
    )
    return [
        _figure("receive", "requests/s", over_large.received, over_empty.received, note, sent),
        _figure("evaluate", "events/s", over_large.evaluated, over_empty.evaluated, note, sent),
    ]


async def _round(bench: Bench, installation: Installation, runs: _Runs) -> Run:
    people = bench.scale.store_people
    before = installation.count("events:done")
    async with installation.receiver(), stage(installation) as child:

        async def through(posts: int) -> tuple[Run, Run]:
            posted = await bench.load(
                installation.public, Kind.MIX, posts, connections=CONNECTIONS, people=people
            )
            done = await did(child, "evaluate", posts)
            return run_of(posted), Run(done.per_second)

        # once for the caches, which a service that runs for long has filled
        await through(bench.scale.evaluated // WARM_UP_SHARE)
        received, evaluated = await through(bench.scale.evaluated)
    runs.kept += installation.count("events:done") - before
    runs.received.append(received)
    runs.evaluated.append(evaluated)
    return received


def _figure(  # noqa: PLR0917  one line of a table
    what: str, unit: str, large: list[Run], empty: list[Run], note: str, sent: int
) -> Figure:
    title = {"receive": "signed webhooks of one event", "evaluate": "events evaluated"}[what]
    return Figure(
        f"grown.{what}",
        unit,
        Series(f"{title}, over the large store", large),
        Series("the same over an empty store", empty),
        note=note,
        sent=sent,
        kept=sent,
    )

"""Delivering: reserved sends to a sink, intents and outcomes in the ledger."""

from __future__ import annotations

from homing.bench.bare_client import ClientTask, Sent
from homing.bench.bench import Bench, check, did, sink, stage, turns
from homing.bench.bodies import Kind
from homing.bench.figures import Figure, Run, Series
from homing.bench.piped import Piped, piped
from homing.bench.sink import Taken

AT_ONCE = 64
DATA = (
    '{"order_id":"m1000","total":129.5,"products":[{"product_id":"507f1f77bcf86cd799439011",'
    '"sku":"45790-32","name":"Walking boots 2","price":129.5,"quantity":1,"category":"Shoes",'
    '"brand":"Acme"}]}'
)


async def sends(bench: Bench) -> list[Figure]:
    """The real stage, over sends that the real evaluation reserved."""
    scale = bench.scale
    accepted = 0
    async with sink() as (child, port):

        async def through() -> Run:
            nonlocal accepted
            installation = bench.install(sink=port)
            await bench.stock(installation, waiting=scale.sends, kind=Kind.ORDERS)
            async with stage(installation, connections=AT_ONCE) as stages:
                await did(stages, "evaluate", scale.sends)
                await child.ask("taken", Taken)
                done = await did(stages, "deliver", scale.sends)
            accepted += await _counted(child, scale.sends, installation.count("sends:accepted"))
            bench.discard(installation)
            return Run(done.per_second)

        installation = bench.install(sink=port)
        task = ClientTask(port, scale.sends, AT_ONCE, str(installation.config), DATA)
        async with piped("homing.bench.bare_client", task) as client:
            await client.hear(dict)

            async def bare() -> Run:
                sent = await client.ask("post", Sent)
                return Run(sent.posts / sent.elapsed_s)

            ours, theirs = await turns(scale.rounds, through, bare)
    bench.discard(installation)
    return [
        Figure(
            "deliver.sends",
            "sends/s",
            Series(f"emails to a loopback sink, {AT_ONCE} at once, intents and ledger", ours),
            Series("bare aiohttp client posting the same bodies to the same sink", theirs),
            note="no TLS; the sink is a process of its own",
            sent=scale.sends * scale.rounds,
            kept=accepted,
        )
    ]


async def _counted(sink: Piped, sends: int, accepted: int) -> int:
    taken = await sink.ask("taken", Taken)
    check("emails at the sink", sends, taken.posts)
    check("sends accepted in the ledger", sends, accepted)
    return accepted

"""Marketing contacts: written and confirmed; a list held against SendGrid's export of it."""

from __future__ import annotations

from homing.bench.account import AccountTask, Asked
from homing.bench.bare_marketing import ClientTask, Took
from homing.bench.bench import Bench, check, did, stage, turns
from homing.bench.figures import Figure, Run, Series
from homing.bench.piped import piped
from homing.bench.sink import Listening
from homing.bench.stage import Done
from homing.bench.stock import LEFT_EVERY
from homing.core.marketing.jobs import next_look_ms
from homing.stages.contacts import FLUSH_AFTER_MS, MAX_LOOKED_UP

WRITER = "bare aiohttp client that puts the same contacts and looks at the jobs every second"
COMPARER = "bare aiohttp client that reads the same export and holds it against a set"
# changes are gathered for five seconds, a job is first looked at after one
WAITS_S = (FLUSH_AFTER_MS + next_look_ms(0)) / 1_000
NOTE = "no pace: SendGrid lets some calls a second through, see `sendgrid.rate`"


async def written(bench: Bench) -> list[Figure]:
    """Contacts a second, from what an identify left to what SendGrid's jobs confirm."""
    scale, kept = bench.scale, 0
    async with piped("homing.bench.account", AccountTask(0)) as account:
        port = (await account.hear(Listening)).port
        async with piped("homing.bench.bare_marketing", ClientTask(port, scale.contacts)) as bare:
            await bare.hear(dict)

            async def ours() -> Run:
                nonlocal kept
                installation = bench.install(sink=port, marketing=True)
                await bench.stock(installation, people=1, contacts=scale.contacts)
                await account.ask("forget", Asked)
                async with stage(installation) as stages:
                    done = await did(stages, "contacts", scale.contacts)
                kept += (await account.ask("look", Asked)).contacts
                bench.discard(installation)
                return Run(done.per_second)

            async def theirs() -> Run:
                await account.ask("forget", Asked)
                took = await bare.ask("write", Took)
                return Run(took.done / took.elapsed_s)

            measured, reference = await turns(scale.rounds, ours, theirs)
    sent = scale.contacts * scale.rounds
    check("contacts at SendGrid", sent, kept)
    title = "contacts written in batches and confirmed"
    return [
        Figure(
            "marketing.contacts", "contacts/s", Series(title, measured), Series(WRITER, reference),
            NOTE, sent=sent, kept=kept,
        )
    ]  # fmt: skip


async def compared(bench: Bench) -> list[Figure]:
    """A list of which one in a hundred has drifted: time, memory, calls; then it is repaired."""
    total = bench.scale.members
    lost = extra = total // LEFT_EVERY
    async with piped("homing.bench.account", AccountTask(total)) as account:
        port = (await account.hear(Listening)).port
        async with piped("homing.bench.bare_marketing", ClientTask(port, total)) as bare:
            await bare.hear(dict)
            took = await bare.ask("compare", Took)
            check("drift seen by the reference", lost + extra, took.done)
        installation = bench.install(sink=port, marketing=True)
        await bench.stock(installation, people=1, members=total)
        await account.ask("look", Asked)
        async with stage(installation) as stages:
            done = await did(stages, "lists", total - extra)
            compared_by = (await account.ask("look", Asked)).calls
            repaired = await did(stages, "contacts", lost + extra)
            after = await account.ask("look", Asked)
            peak_mib = (await stages.ask("peak_mib", Done)).done
        bench.discard(installation)
    check("members of the list, repaired", total - extra, after.on_list)
    return [
        Figure(
            "marketing.compare", "s", Series("a list compared", [Run(done.elapsed_s)]),
            Series(COMPARER, [Run(took.elapsed_s)]),
            f"Smaller is better; {total:,} members, {lost + extra:,} of them drifted;"
            f" most memory of the process: {peak_mib} MiB",
        ),
        Figure(
            "marketing.repair", "s",
            Series("its drift told and confirmed", [Run(repaired.elapsed_s)]),
            Series("the wait to gather, and for the first look", [Run(WAITS_S)]),
            "Smaller is better; most of it is waiting",
            sent=lost + extra, kept=repaired.done,
        ),
        Figure(
            "marketing.calls", "calls",
            Series("calls of both", [Run(compared_by + after.calls)]),
            Series("the least that does and confirms it", [Run(_least(extra))]),
            "Lists, export, its state, its file; one upsert and its state; for each hundred to be"
            " removed the removal and a look; each further look at a job is one call more",
        ),
    ]  # fmt: skip


def _least(extra: int) -> int:
    removals = -(-extra // MAX_LOOKED_UP)
    return 4 + 2 + 2 * removals

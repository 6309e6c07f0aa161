"""Journeys: entering runs, ticks, a store full of timers, and simulating."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import orjson

from homing.adapters.clock import SystemClock
from homing.adapters.sqlite.engine import connect
from homing.bench.bench import Bench, check, did, stage, turns
from homing.bench.bodies import Kind, event_body
from homing.bench.figures import Figure, Run, Series, percentile
from homing.bench.installation import Installation
from homing.bench.load import Posted
from homing.bench.piped import BenchFailed
from homing.config import load
from homing.core.events import iso_time
from homing.core.journeys.programs import Programs
from homing.simulation import Simulation, read_happenings
from homing.stages.run_counts import counted

YEAR_MS = 365 * 86_400_000
A_COMMIT = 100
# how long before the instant the service is up and webhooks flow
LEAD_MS = 4_000
CALM_PER_SECOND = 200.0
CONNECTIONS = 16
WINDOW_S = 3.0
DAY_MS = 86_400_000


async def stages(bench: Bench) -> list[Figure]:
    """What a run costs the event that enters it, and ticks alone."""
    return [await _entered(bench), await _ticked(bench, "idle"), await _ticked(bench, "cart")]


async def _entered(bench: Bench) -> Figure:
    total = bench.scale.evaluated
    kept = 0

    async def through(*, journeys: bool) -> Run:
        nonlocal kept
        installation = bench.install(capture=True, journeys=journeys)
        await bench.stock(installation, waiting=total, kind=Kind.CARTS)
        async with stage(installation) as child:
            done = await did(child, "evaluate", total)
        if journeys:
            kept += _waiting(installation)
        bench.discard(installation)
        return Run(done.per_second)

    bench.say("entering")
    ours, theirs = await turns(
        bench.scale.rounds, lambda: through(journeys=True), lambda: through(journeys=False)
    )
    check("runs that wait", total * bench.scale.rounds, kept)
    measured = Series("events of which each enters a run that then waits, the stage alone", ours)
    reference = Series("the same events without the journey", theirs)
    added = 1e6 / measured.value - 1e6 / reference.value
    return Figure(
        "journeys.enter",
        "events/s",
        measured,
        reference,
        note=f"entering a run adds {added:.0f} us to an event",
        sent=total * bench.scale.rounds,
        kept=kept,
    )


async def _ticked(bench: Bench, journey: str) -> Figure:
    total = bench.scale.ticked
    sends = journey == "cart"
    kept = 0

    async def through() -> Run:
        nonlocal kept
        installation = bench.install(capture=True, journeys=True)
        now_ms = SystemClock().now_ms()
        await bench.stock(installation, people=total, runs=[(total, now_ms)], journey=journey)
        async with stage(installation) as child:
            done = await did(child, "tick", total)
        kept += installation.count("sends:reserved") if sends else _waiting(installation, "later")
        bench.discard(installation)
        return Run(done.per_second)

    bench.say("ticks that send" if sends else "ticks")
    ours, theirs = await turns(
        bench.scale.rounds, through, lambda: rows_moved(bench.folder / "rows.db", total)
    )
    what = "reserves a send and completes its run" if sends else "lets its run wait elsewhere"
    check(f"ticks, each of which {what}", total * bench.scale.rounds, kept)
    return Figure(
        "journeys.sends" if sends else "journeys.ticks",
        "ticks/s",
        Series(f"ticks, each of which {what}, the stage alone", ours),
        Series(
            f"timers read in order of due time, deleted, each leaving one row of 1 KB; {A_COMMIT}"
            " a transaction",
            theirs,
        ),
        sent=total * bench.scale.rounds,
        kept=kept,
    )


async def rows_moved(path: Path, total: int) -> Run:
    """The least that any durable timer does: timers a second."""
    return await asyncio.to_thread(_rows_moved, path, total)


def _rows_moved(path: Path, total: int) -> Run:
    db = connect(path)
    db.execute("CREATE TABLE timer (due_at INTEGER, id INTEGER, PRIMARY KEY (due_at, id))")
    db.execute("CREATE TABLE fired (id INTEGER PRIMARY KEY, body BLOB)")
    with db:
        db.executemany("INSERT INTO timer VALUES (1, ?)", [(n,) for n in range(total)])
    body = bytes(1_024)
    started = time.monotonic()
    for _ in range(0, total, A_COMMIT):
        with db:
            due = db.execute(
                "SELECT id FROM timer WHERE due_at <= 1 ORDER BY due_at, id LIMIT ?", (A_COMMIT,)
            ).fetchall()
            for (number,) in due:
                db.execute("DELETE FROM timer WHERE due_at = 1 AND id = ?", (number,))
                db.execute("INSERT INTO fired VALUES (?, ?)", (number, body))
    elapsed = time.monotonic() - started
    db.close()
    path.unlink()
    return Run(total / elapsed)


async def timers(bench: Bench) -> list[Figure]:
    """A store full of waiting runs: their size, memory, lateness, and many due at one instant."""
    due, at_once, spread = bench.scale.due, bench.scale.runs, int(100 * _calm_s(bench))
    waiting = spread + due + at_once
    full = bench.install(capture=True, journeys=True)
    bench.say(f"making {waiting:,} runs that wait")
    now_ms = SystemClock().now_ms()
    stocked = await bench.stock(full, people=waiting, runs=[(waiting, now_ms + YEAR_MS)])
    disk = _disk(full, waiting, stocked.state_mib)
    empty = bench.install(capture=True, journeys=True)
    few = max(1, at_once // 1_000)
    await bench.stock(empty, people=few, runs=[(few, now_ms + YEAR_MS)])
    bench.say("memory")
    memory = await _memory(bench, full, empty, waiting=waiting, few=few)
    lateness = await _lateness(bench, full, waiting=waiting)
    burst = await _at_once(bench, full, name="burst", total=due)
    rest = await _at_once(bench, full, name="all", total=at_once)
    bench.discard(full)
    bench.discard(empty)
    return [disk, memory, lateness, *burst, *rest]


def _disk(full: Installation, waiting: int, state_mib: float) -> Figure:
    with full.looking() as tx:
        contexts = sum(len(tx.runs.context(number)) for number in range(1, min(waiting, 200) + 1))
    context = contexts / min(waiting, 200)
    # persons are there also of those who wait for nothing
    own = state_mib * 2**20 / waiting - context
    path = full.folder / "timers.db"
    db = connect(path, synchronous="OFF")
    db.execute(
        "CREATE TABLE timer (due_at INTEGER, id INTEGER, key TEXT, PRIMARY KEY (due_at, id))"
        " WITHOUT ROWID"
    )
    with db:
        rows = ((2**40 + n, n, f"m{n}") for n in range(waiting))
        db.executemany("INSERT INTO timer VALUES (?, ?, ?)", rows)
    db.close()
    return Figure(
        "timers.disk",
        "bytes a run",
        Series("state file for each waiting run beyond what it knows", [Run(own)]),
        Series("a table of time, number and key alone", [Run(path.stat().st_size / waiting)]),
        note=f"smaller is better; its person is in it; what it knows is {context:.0f} bytes",
    )


def _calm_s(bench: Bench) -> float:
    """For how long timers fire one by one."""
    return max(1.0, bench.scale.paced_s)


async def _memory(
    bench: Bench, full: Installation, empty: Installation, *, waiting: int, few: int
) -> Figure:
    found: list[float] = []
    for installation in (full, empty):
        async with installation.service() as service:
            await bench.load(installation.public, Kind.MIX, 200, connections=4, people=few)
            await installation.until("events:done", installation.head())
            found.append(sum(service.memory_mib().values()))
    return Figure(
        "timers.memory",
        "MiB",
        Series(f"all processes with {waiting:,} runs that wait", [Run(found[0])]),
        Series(f"the same with {few:,}", [Run(found[1])]),
        note="smaller is better",
    )


async def _lateness(bench: Bench, full: Installation, *, waiting: int) -> Figure:
    """Timers spread over seconds while webhooks come at a calm pace."""
    seconds = _calm_s(bench)
    total = int(100 * seconds)
    start = SystemClock().now_ms() + LEAD_MS
    _set_due(full, total, start, step_ms=10)
    before = _sends(full)
    posts = int((seconds + LEAD_MS / 1_000) * CALM_PER_SECOND)
    async with full.service():
        await bench.load(
            full.public, Kind.MIX, posts, connections=CONNECTIONS, per_second=CALM_PER_SECOND
        )
        await _fired(full, before + total)
        late = _late(full, start)
    check("timers fired", total, len(late))
    bare = await _bare_lateness(seconds)
    return Figure(
        "timers.lateness",
        "ms (p99)",
        Series(f"100 timers a second, {CALM_PER_SECOND:.0f} webhooks a second meanwhile",
               [Run(percentile(late, 0.99), percentile(late, 0.5), percentile(late, 0.99))]),
        Series("asyncio's own timers in a process that does nothing else", [bare]),
        note=f"smaller is better; {waiting:,} runs wait",
        sent=total,
        kept=len(late),
    )  # fmt: skip


async def _bare_lateness(seconds: float) -> Run:
    loop = asyncio.get_running_loop()
    late: list[float] = []
    start = loop.time() + 0.05
    for number in range(int(100 * seconds)):
        at = start + number / 100
        loop.call_at(at, _note, late, loop, at)
    await asyncio.sleep(seconds + 0.2)
    late.sort()
    return Run(percentile(late, 0.99), percentile(late, 0.5), percentile(late, 0.99))


def _note(late: list[float], loop: asyncio.AbstractEventLoop, at: float) -> None:
    late.append((loop.time() - at) * 1_000)


async def _at_once(bench: Bench, full: Installation, *, name: str, total: int) -> list[Figure]:
    """So many runs due at one instant, while webhooks keep coming."""
    bench.say(f"{total:,} runs due at one instant")
    start = SystemClock().now_ms() + LEAD_MS
    _set_due(full, total, start, step_ms=0)
    before = _sends(full)
    async with full.service():
        calm = await _posted(bench, full, 2.0)
        loads = asyncio.create_task(_posted_until(bench, full, before + total))
        ended = await _fired(full, before + total)
        loads_done = await loads
        elapsed_s = ended / 1_000 - start / 1_000
    late = _late(full, start, all_due=start)
    check("timers fired", total, len(late))
    p99 = percentile(late, 0.99)
    took_s = sorted(one for posted in loads_done for one in posted.took_s)
    worst = max(posted.p99_ms for posted in loads_done)
    return [
        Figure(
            f"timers.{name}",
            "ticks/s",
            Series(f"{total:,} runs due at one instant, each reserves a send, in the service;"
                   " webhooks and delivery (captured) go on meanwhile", [Run(total / elapsed_s)]),
            Series("a tick a second that had to be kept to fire them in 120 s",
                   [Run(total / 120)]),
            note=f"all fired after {elapsed_s:.1f} s; p99 of lateness {p99:,.0f} ms",
            sent=total,
            kept=len(late),
        ),
        Figure(
            f"timers.{name}_ingest",
            "ms (p99)",
            Series(f"answers to {CALM_PER_SECOND:.0f} webhooks a second while they fire",
                   [Run(percentile(took_s, 0.99) * 1_000)]),
            Series("the same just before", [Run(calm.p99_ms)]),
            note=f"smaller is better; {worst:.0f} ms in the worst {WINDOW_S:g} seconds",
        ),
    ]  # fmt: skip


async def _posted(bench: Bench, full: Installation, seconds: float) -> Posted:
    return await bench.load(
        full.public, Kind.MIX, int(seconds * CALM_PER_SECOND), connections=CONNECTIONS,
        per_second=CALM_PER_SECOND,
    )  # fmt: skip


async def _posted_until(bench: Bench, full: Installation, sends: int) -> list[Posted]:
    """Webhooks, a few seconds at a time, until so many sends are there; at least once."""
    found = [await _posted(bench, full, WINDOW_S)]
    while _sends(full) < sends:
        found.append(await _posted(bench, full, WINDOW_S))
    return found


async def _fired(full: Installation, sends: int, timeout_s: float = 600.0) -> int:
    """Wait until so many sends are there; the wall clock then, ms."""
    deadline = time.monotonic() + timeout_s
    while _sends(full) < sends:
        if time.monotonic() > deadline:
            msg = f"sends came to {_sends(full)} of {sends} in {timeout_s:g} s"
            raise BenchFailed(msg)
        await asyncio.sleep(0.05)
    return SystemClock().now_ms()


def _sends(installation: Installation) -> int:
    """How many sends the journey has reserved; the route's are not among them."""
    with installation.looking() as tx:
        counts = tx.books.counts()
    return sum(n for (_, what, *_), n in counted(counts) if what == "send")


def _waiting(installation: Installation, step: str = "wait") -> int:
    """How many runs of any journey wait in a step of that id."""
    with installation.looking() as tx:
        stands = [tx.runs.stands(journey) for journey in ("cart", "idle")]
    return sum(n for found in stands for (_, where), n in found.items() if where == step)


def _set_due(installation: Installation, total: int, start: int, *, step_ms: int) -> None:
    """Let the next runs that wait be due from *start* on, so many ms apart."""
    db = connect(installation.state)
    with db:
        rows = db.execute(
            "SELECT id FROM run WHERE state = 'waiting' AND due_at > ? ORDER BY id LIMIT ?",
            (start + YEAR_MS // 2, total),
        ).fetchall()
        db.executemany(
            "UPDATE run SET due_at = ? WHERE id = ?",
            ((start + place * step_ms, number) for place, (number,) in enumerate(rows)),
        )
    db.close()


def _late(installation: Installation, since: int, *, all_due: int | None = None) -> list[float]:
    """
    How late each timer since then was: its send was reserved in its tick; ascending, ms.

    Args:
        all_due: When all of them were due; None: when their passage says, which a tick that is
            more than a minute late does not.
    """
    db = connect(installation.state, readonly=True)
    rows = db.execute(
        "SELECT send.reserved_at - coalesce(?1, passage.at)"
        " FROM passage JOIN send ON send.id = passage.send"
        " WHERE passage.what = 'send' AND passage.at >= ?2",
        (all_due, since),
    ).fetchall()
    db.close()
    return sorted(float(str(late)) for (late,) in rows)


async def simulated(bench: Bench) -> list[Figure]:
    """A week of events through routes and journey on a virtual clock."""
    total = bench.scale.simulated
    installation = bench.install(capture=True, journeys=True)
    loaded = load(installation.config, environ={})
    lines = [*_week(total, people=max(10, total // 5))]
    kept = 0

    async def through() -> Run:
        nonlocal kept
        started = time.monotonic()
        simulation = Simulation(loaded.plans, Programs(loaded.plans.journeys))
        happenings = read_happenings(lines, name="week")
        told = sum(1 for _ in simulation.play(happenings))
        elapsed = time.monotonic() - started
        kept += len(happenings) if told else 0
        return Run(total / elapsed)

    async def decoded() -> Run:
        started = time.monotonic()
        sorted((orjson.loads(line) for line in lines), key=lambda event: str(event["timestamp"]))
        return Run(total / (time.monotonic() - started))

    bench.say(f"{total:,} events")
    ours, theirs = await turns(bench.scale.rounds, through, decoded)
    bench.discard(installation)
    check("events played", total * bench.scale.rounds, kept)
    return [
        Figure(
            "simulate.week",
            "events/s",
            Series(f"a week of {total:,} events simulated until no timer is left", ours),
            Series("each event decoded by orjson and put in order", theirs),
            note="15 % of the events enter a run",
            sent=total * bench.scale.rounds,
            kept=kept,
        )
    ]


def _week(total: int, *, people: int) -> list[bytes]:
    """Events of the mix spread evenly over a week."""
    start = SystemClock().now_ms() - 8 * DAY_MS
    lines = []
    for number in range(total):
        event = orjson.loads(event_body(number, people=people))
        at = iso_time(start + number * 7 * DAY_MS // total)
        event["timestamp"] = event["receivedAt"] = at
        lines.append(orjson.dumps(event))
    return lines

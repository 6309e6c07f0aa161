"""P1, P2, P4, P6 under `kill -9`: at random moments, ingest, delivery and webhooks under way."""

from __future__ import annotations

import asyncio
import random  # noqa: TID251  a seeded generator: a run can be repeated
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support import oracle
from tests.support.service import SOAK, World, track, world

from homing.emulators import Faults, SegmentSettings, SendGridSettings, parse_faults

ROUNDS = 500 if SOAK else 30
USERS = 12
KEEP = 1_000_000  # of what the vendors saw: all
PAUSE_S = 0.05  # between a customer's orders
AT_WORK = 0.8  # the share of kills that come when the service is up; the others hit its start
EXTRA = 'unknown_after = "1s"'
FAULTS = (
    "sendgrid=timeout-after-accept:0.01,reset-after-accept:0.02,500:0.03,429:0.01",
    "segment=500:0.05",
    "webhook=duplicate:0.1,new-id:0.05,shuffle:0.2",
)


def order(user: int, number: int) -> dict[str, object]:
    event = track(
        user * 100_000 + number, "Order Completed", {"total": 1, "n": number}, user=f"u{user}"
    )
    event["timestamp"] = f"2026-11-22T10:{number // 60 % 60:02d}:{number % 60:02d}.000Z"
    return event


class Load:
    """Customers who order one thing after the other; each order is posted until it is taken."""

    def __init__(self, w: World) -> None:
        self.taken: dict[int, int] = defaultdict(int)
        self._world = w
        self._over = asyncio.Event()
        self._tasks = [asyncio.create_task(self._customer(user)) for user in range(USERS)]

    async def _customer(self, user: int) -> None:
        while not self._over.is_set():
            post = await self._world.sender.deliver(order(user, self.taken[user]))
            assert post.taken, post
            self.taken[user] += 1
            await asyncio.sleep(PAUSE_S)

    async def finish(self) -> None:
        """End with the orders under way."""
        self._over.set()
        await asyncio.gather(*self._tasks)


async def kill_once(w: World, dice: random.Random, *, processes: int) -> str:
    """Let it live for a moment, most often a moment at work; kill one process or all."""
    if dice.random() < AT_WORK:
        await w.service.ready(60)
        await asyncio.sleep(dice.uniform(0.0, 0.8))  # the moment is chance: nothing is waited for
    else:
        await asyncio.sleep(dice.uniform(0.0, 1.0))
    victim = dice.choice(("all", "receiver", "worker")) if processes == 2 else "all"
    if victim in w.service.children():
        await w.service.kill_child(victim)
        return victim
    await w.service.kill()
    await w.service.launch()
    return "all"


def homecomings(w: World) -> Iterator[tuple[list[tuple[str, str]], list[tuple[str, str]]]]:
    """Per person: events in the order they were evaluated, and as they came home to Segment."""
    keys = {row.id: row.key for row in w.sends()}
    evaluated: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for user, send, name in oracle.rows(
        w.service.state,
        "SELECT p.user_id, e.send, e.name FROM event e JOIN person p ON p.id = e.person"
        " WHERE e.source LIKE 'sendgrid/%' AND e.state = 'done' AND e.type <> 'processed'"
        " ORDER BY e.id",
    ):
        evaluated[user].append((keys[send], name))
    home: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for message in w.segment.received:
        home[message["userId"]].append((message["properties"]["send_id"], message["event"]))
    for user in evaluated.keys() | home.keys():
        yield evaluated[user], home[user]


class TestKills:
    @pytest.mark.parametrize(("processes", "share"), [(1, 0.6), (2, 0.4)])
    async def test_nothing_accepted_is_lost_nothing_is_sent_twice_and_order_is_kept(
        self, tmp_path: Path, processes: int, share: float
    ) -> None:
        """P1, P2, P4, P6: killed at random, each order taken is one email, in order."""
        seed = 20_261_122 + processes
        print(f"seed {seed}")  # noqa: T201
        dice = random.Random(seed)  # noqa: S311  chance, not secrets
        faults: Faults = parse_faults(FAULTS, seed)
        async with world(
            tmp_path,
            faults=faults,
            start=False,
            processes=processes,
            sendgrid_extra=EXTRA,
            settings=SendGridSettings(keep=KEEP),
            segment_settings=SegmentSettings(keep=KEEP),
        ) as w:
            await w.service.launch()
            load = Load(w)
            victims = [
                await kill_once(w, dice, processes=processes) for _ in range(int(ROUNDS * share))
            ]
            print(f"killed {victims}, orders {sum(load.taken.values())}")  # noqa: T201
            for plan in (w.sendgrid.faults, w.segment.faults):
                plan.clear()
            await w.service.ready(60)
            await load.finish()
            await w.evaluated(timeout_s=60)
            await w.at_rest(60)

            assert sum(load.taken.values()) >= ROUNDS * share  # else there was nothing to lose
            assert_each_order_is_one_send(w, load)
            assert_mailed_in_order(w, load)
            assert_home_in_order(w)


def assert_each_order_is_one_send(w: World, load: Load) -> None:
    rows = w.sends()
    assert sum(load.taken.values()) == len(rows)
    assert {"accepted"} == {row.state for row in rows}


def assert_mailed_in_order(w: World, load: Load) -> None:
    """A send taken twice by a recorded unknown is one of `World.assert_sound`'s matters."""
    mailed: dict[str, list[int]] = defaultdict(list)
    for mail in w.sendgrid.accepted:
        mailed[mail.to.partition("@")[0]].append(int(mail.template_data["n"]))
    for user, taken in load.taken.items():
        numbers = mailed.pop(f"u{user}")
        assert list(range(taken)) == sorted(set(numbers))
        assert numbers == sorted(numbers), f"u{user} out of order: {numbers}"
    assert not mailed


def assert_home_in_order(w: World) -> None:
    for evaluated, home in homecomings(w):
        assert evaluated == home
    delivered = [m for m in w.segment.received if m["event"] == "Email Delivered"]
    assert len(w.sendgrid.accepted) == len(delivered)

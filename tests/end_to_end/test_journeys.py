"""Journeys through the real service: timers, exits, goals, and `kill -9` at any moment."""

from __future__ import annotations

import asyncio
import json
import random  # noqa: TID251  a seeded generator: a run can be repeated
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.support import oracle
from tests.support.service import SOAK, World, track, world

from homing.core.events import iso_time
from homing.emulators.clock import wall_clock

CART = """
[email.cart-reminder]
template = "d-00000000000000000000000000000002"
on_unknown = "resend"

[journey.cart]
entry = {{ when = 'event = "Product Added"', key = "$.properties.cart_id" }}
exit = [{{ name = "bought", when = 'event = "Order Placed"' }}]
goal = {{ when = 'event = "Order Placed"', within = "7d", value = "$.properties.total" }}

[[journey.cart.step]]
id = "wait"
hold = "{hold}"
on = [{{ name = "changed", when = 'event = "Cart Modified"', then = "restart" }}]

[[journey.cart.step]]
id = "remind"
send = "cart-reminder"

[[journey.cart.step]]
id = "later"
delay = "{hold}"

[[journey.cart.step]]
id = "again"
send = {{ email = "cart-reminder", data = {{ second = true }} }}
"""

WHOLE = (("entered", ""), ("waiting", "wait"), ("timeout", "wait"), ("send", "remind"),
         ("waiting", "later"), ("send", "again"), ("completed", "again"))  # fmt: skip


def cart(hold: str) -> str:
    return CART.format(hold=hold)


def event(number: int, name: str, user: str, cart_id: str, **more: object) -> dict[str, object]:
    made = track(number, name, {"cart_id": cart_id, **more}, user=user)
    made["context"] = {"traits": {"email": f"{user}@x.io"}}
    # an event that is older than a day when it comes starts nothing
    made["timestamp"] = iso_time(int(wall_clock() * 1_000))
    return made


def runs(w: World) -> list[dict[str, Any]]:
    names = ("id", "person", "journey", "key", "state", "step", "passages", "reason")
    sql = "SELECT id, person, journey, key, state, step, passages, reason FROM run ORDER BY id"
    return [dict(zip(names, row, strict=True)) for row in oracle.rows(w.service.state, sql)]


def passed(w: World) -> Counter[tuple[str, str, str]]:
    """How often each run's key met each thing at each step."""
    sql = "SELECT r.key, p.what, p.step FROM passage p JOIN run r ON r.id = p.run"
    return Counter(oracle.rows(w.service.state, sql))


class TestLive:
    async def test_a_conversion_cancels_the_mail_and_a_change_restarts_the_timer(
        self, tmp_path: Path
    ) -> None:
        """One cart is bought, one changed, one left alone; a person with three carts has three."""
        async with world(tmp_path, extra=cart("1s")) as w:
            for number, cart_id in enumerate(("bought", "changed", "left")):
                posted = event(number, "Product Added", "u1", cart_id, n=1)
                assert (await w.sender.deliver(posted)).taken
            await asyncio.sleep(0.5)  # half of the hold: what is tested is that it starts anew
            changed = event(11, "Cart Modified", "u1", "changed", n=2)
            assert (await w.sender.deliver(changed)).taken
            placed = event(12, "Order Placed", "u1", "bought", total="$55.34")
            assert (await w.sender.deliver(placed)).taken
            await w.until(lambda: all(run["state"] != "waiting" for run in runs(w)))
            await w.at_rest()

            ended = {run["key"]: (run["state"], run["step"]) for run in runs(w)}
            assert ended == {
                "bought": ("exited", "wait"),
                "changed": ("completed", "again"),
                "left": ("completed", "again"),
            }
            assert {("changed", "restarted", "wait"), ("bought", "goal", "wait")} <= set(passed(w))
            mails = [mail.template_data for mail in w.sendgrid.accepted]
            assert Counter((m["cart_id"], m["n"], m.get("second")) for m in mails) == Counter(
                [("left", 1, None), ("left", 1, True), ("changed", 2, None), ("changed", 2, True)]
            )
            args = {tuple(sorted(m.custom_args)) for m in w.sendgrid.accepted}
            assert all("homing_step" in names for names in args)
            assert [("55.34",)] == oracle.rows(
                w.service.state, "SELECT value FROM run WHERE converted_at IS NOT NULL"
            )

    async def test_events_of_an_email_come_home_with_the_journey(self, tmp_path: Path) -> None:
        """Step and journey are written to the person's profile."""
        async with world(tmp_path, extra=cart("1s")) as w:
            assert (await w.sender.deliver(event(1, "Product Added", "u1", "c1"))).taken
            await w.until(lambda: len(w.sendgrid.accepted) == 2)
            await w.at_rest()
            await w.until(lambda: len(w.segment.received) >= 2)

            home = [m["properties"] for m in w.segment.received if "Delivered" in m["event"]]
            assert {("cart", "remind"), ("cart", "again")} == {
                (one["journey"], one["step"]) for one in home
            }


class TestReload:
    async def test_runs_stay_move_or_end_as_they_are_told(self, tmp_path: Path) -> None:
        """Each on the version it entered, until somebody says otherwise; also after a restart."""
        async with world(tmp_path, extra=cart("1h")) as w:
            await enter(w, 0, 3)
            (old,) = versions(w)
            w.service.edit('hold = "1h"', 'hold = "2h"')
            assert "moved" not in await reloaded(w)
            assert 0 == await w.service.stop()
            await w.service.start()
            await enter(w, 3, 5)
            (new,) = set(versions(w)) - {old}
            assert {old: 3, new: 2} == versions(w)

            said = await reloaded(w, "--migrate")
            assert {"moved": 3, "archived": 0, "stay": 0} == {
                name: said[name] for name in ("moved", "archived", "stay")
            }
            assert {new: 5} == versions(w)

            # moved to a version that no event has come to yet, and found there again
            w.service.edit('hold = "2h"', 'hold = "3h"')
            assert 5 == (await reloaded(w, "--migrate"))["moved"]
            await w.service.kill()
            await w.service.start()
            w.service.edit('hold = "3h"', 'hold = "2h"')
            assert 5 == (await reloaded(w, "--migrate"))["moved"]
            assert {new: 5} == versions(w)
            w.service.edit('id = "wait"', 'id = "pause"')
            assert 5 == (await reloaded(w, "--migrate"))["stay"]
            assert 5 == (await reloaded(w, "--archive"))["archived"]
            assert ["archived"] * 5 == [run["state"] for run in runs(w)]
            assert not w.sends()

    async def test_pausing_loses_nothing_and_going_live_sends(self, tmp_path: Path) -> None:
        """What fell due waits; who has bought meanwhile gets nothing."""
        paused = cart("1s").replace("[journey.cart]", '[journey.cart]\nstatus = "paused"', 1)
        async with world(tmp_path, extra=paused) as w:
            await enter(w, 0, 2)
            await w.until(lambda: all(run["state"] == "completed" for run in runs(w)))
            assert (await w.sender.deliver(event(9, "Order Placed", "u0", "c0"))).taken
            await w.until(lambda: w.states()["skipped"] == 2)
            assert not w.sendgrid.accepted
            w.service.edit('status = "paused"', 'status = "live"')
            await reloaded(w)
            await w.until(lambda: len(w.sendgrid.accepted) == 2)
            await w.at_rest()

            assert {"u1@x.io"} == {mail.to for mail in w.sendgrid.accepted}
            reasons = {row.reason for row in w.sends() if row.state == "skipped"}
            assert {"exited: bought"} == reasons


async def reloaded(w: World, *options: str) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(await w.service.command("reload", "--json", *options))
    return said


def versions(w: World) -> Counter[str]:
    """How many runs wait on which version."""
    sql = "SELECT version FROM run WHERE state = 'waiting'"
    return Counter(version for (version,) in oracle.rows(w.service.state, sql))


async def enter(w: World, first: int, last: int) -> None:
    for n in range(first, last):
        assert (await w.sender.deliver(event(n, "Product Added", f"u{n}", f"c{n}"))).taken
    await w.until(lambda: len(runs(w)) == last)


class TestKills:
    async def test_each_run_passes_each_step_once(self, tmp_path: Path) -> None:
        """P2, P6: killed while entering, waiting, firing and sending."""
        dice = random.Random(20_261_122)  # noqa: S311  chance, not secrets
        rounds, carts = (60, 400) if SOAK else (8, 120)
        async with world(tmp_path, extra=cart("1s"), sendgrid_extra='unknown_after = "1s"') as w:
            posted = asyncio.create_task(post_all(w, carts))
            for _ in range(rounds):
                await w.service.ready(60)
                await asyncio.sleep(dice.uniform(0.0, 0.7))
                if dice.random() < 0.5:
                    await w.service.kill_child("worker")
                else:
                    await w.service.kill()
                    await w.service.launch()
            await w.service.ready(60)
            await posted
            await w.evaluated(timeout_s=60)
            await w.until(lambda: all(run["state"] != "waiting" for run in runs(w)), 60)
            await w.at_rest(60)

            expected = Counter({(f"c{n}", *one): 1 for n in range(carts) for one in WHOLE})
            assert expected == passed(w)
            assert Counter({"accepted": 2 * carts}) == w.states()

    @pytest.mark.parametrize("point", ["entered", "ticked", "after_ticks", "after_intent"])
    async def test_whatever_moment_it_is_killed_at(self, tmp_path: Path, point: str) -> None:
        """P2, P6: entering, firing before and after the commit, sending: each step once."""
        extra = 'unknown_after = "1s"'
        async with world(
            tmp_path, extra=cart("1s"), start=False, processes=1, sendgrid_extra=extra
        ) as w:
            await w.service.start(HOMING_CRASH_AT=point)
            posted = [event(n, "Product Added", f"u{n}", f"c{n}") for n in range(3)]
            assert 200 == (await w.sender.deliver(*posted)).status
            assert -9 == await w.service.exited()
            await w.service.start()
            await w.until(lambda: len(runs(w)) == 3 and over(w), 60)
            await w.at_rest(60)

            assert passed(w) == Counter({(f"c{n}", *one): 1 for n in range(3) for one in WHOLE})
            assert Counter({"accepted": 6}) == w.states()


def over(w: World) -> bool:
    return all(run["state"] != "waiting" for run in runs(w))


async def post_all(w: World, carts: int) -> None:
    for number in range(carts):
        posted = event(number, "Product Added", f"u{number % 10}", f"c{number}")
        assert (await w.sender.deliver(posted)).taken
        await asyncio.sleep(0.02)

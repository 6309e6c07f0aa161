"""Timers: in order, never early, after every event that came before."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.stages.test_journey import CART, added, event
from tests.support.journeys import Life
from tests.support.stages import DAY, HOUR, MINUTE, NOON, SECOND

from homing.adapters.memory.state import MemoryState
from homing.core.errors import Unavailable
from homing.ports import Store, Tx
from homing.stages.wake import IDLE_S

WAIT = """
[journey.j]
entry = { when = 'event = "Start"', key = "$.properties.k" }
exit = [{ name = "bought", when = 'event = "Bought"' }]
MORE
[[journey.j.step]]
id = "wait"
hold = "2h"
on = [{ name = "go", when = 'event = "Go"', then = "next" }]
timeout = "late"
[[journey.j.step]]
id = "early"
send = "digest"
next = "end"
[[journey.j.step]]
id = "late"
send = "digest"
"""
PLAIN = WAIT.replace("MORE", "")
TWO = """
[journey.first]
entry = { when = 'event = "Start"' }
[[journey.first.step]]
id = "wait"
delay = "2h"
[[journey.first.step]]
id = "join"
add_to_audience = "vip"
[journey.second]
entry = { when = 'event = "Start"' }
exit = [{ name = "ended", when = 'event = "Audience Entered"' }]
[[journey.second.step]]
id = "wait"
delay = "2h"
[[journey.second.step]]
id = "mail"
send = "digest"
"""
STORY = ["entered", "waiting wait", "timeout wait", "send late digest", "completed late"]


def start(key: str, user: str = "u1") -> Mapping[str, object]:
    return event("Start", user, properties={"k": key})


class TestWakeBatch:
    async def test_a_run_is_ticked_when_its_time_has_come(self, store: Store) -> None:
        """
        Not a millisecond before.
        """
        life = Life.over(store, PLAIN)
        await life.come(start("a"))
        await life.sleep(2 * HOUR - 1)
        assert "waiting" == (await life.run()).state
        await life.sleep(1)

        assert [
            "entered",
            "waiting wait",
            "timeout wait",
            "send late digest",
            "completed late",
        ] == (await life.story(await life.run()))

    async def test_after_downtime_runs_fire_in_order_of_their_times(self, store: Store) -> None:
        """
        Whoever entered first.
        """
        life = Life.over(store, PLAIN)
        for number, key in enumerate("cab"):
            await life.come(start(key, f"u{number}"))
            await life.sleep(MINUTE)
        await life.sleep(5 * HOUR)

        lines = await life.process.tx(
            lambda tx: [one for n in (1, 2, 3) for one in tx.runs.passages(n)]
        )
        ticked = sorted((row.id, row.person) for row in await life.sends())
        assert [1, 2, 3] == [person for _, person in ticked]
        assert {NOON + 3 * MINUTE + 5 * HOUR} == {one.at for one in lines if one.what == "timeout"}

    async def test_a_tick_that_is_hardly_late_counts_as_punctual(self, store: Store) -> None:
        """
        So that timers of ordinary days do not drift.
        """
        text = PLAIN.replace('send = "digest"\nnext', 'delay = "1h"\nnext').replace(
            'id = "late"\nsend = "digest"', 'id = "late"\ndelay = "1h"'
        )
        life = Life.over(store, text)
        await life.come(start("a"))
        await life.sleep(2 * HOUR + 30 * SECOND)

        assert NOON + 3 * HOUR == (await life.run()).due_at

    async def test_an_event_that_came_before_the_tick_is_heard_before_it(
        self, store: Store
    ) -> None:
        """
        P3: it was in the log when the batch began.
        """
        life = Life.over(store, PLAIN)
        await life.come(start("a"))
        life.clock.forward(3 * HOUR)
        life.log.append("segment/default", dict(bought_k("a")), life.clock.now_ms())
        await life.process.ticked()
        await life.process.all_delivered()

        assert "exited" == (await life.run()).state
        assert [] == life.sendgrid.calls

    async def test_what_follows_from_a_tick_is_heard_before_the_next_of_that_person(
        self, store: Store
    ) -> None:
        """Two runs are due at one instant; what the first does ends the second."""
        life = Life.over(store, TWO)
        for user in ("u1", "u2"):
            await life.come(start("a", user))
        await life.sleep(2 * HOUR)

        runs = await life.runs()
        assert ["completed", "exited"] * 2 == [run.state for run in runs]
        assert [] == await life.sends()

    async def test_event_and_tick_of_one_instant(self, store: Store) -> None:
        """
        The event first.
        """
        life = Life.over(store, PLAIN)
        await life.come(start("a"))
        life.clock.forward(2 * HOUR)
        await life.come(event("Go", properties={"k": "a"}))

        assert "branch wait go" in await life.story(await life.run())

    @pytest.mark.parametrize(("late", "state"), [(6 * HOUR, "accepted"), (6 * HOUR + 1, "skipped")])
    async def test_a_send_that_is_too_late_is_skipped(
        self, store: Store, late: int, state: str
    ) -> None:
        """
        Later than `max_lateness`; the run goes on.
        """
        life = Life.over(store, PLAIN)
        await life.come(start("a"))
        await life.sleep(2 * HOUR + late)

        ((found, reason),) = await life.states()
        assert (state, "late" if state == "skipped" else None) == (found, reason)
        assert "completed" == (await life.run()).state

    async def test_what_is_not_a_send_is_never_too_late(self, store: Store) -> None:
        """
        A call home is made all the same.
        """
        text = PLAIN.replace('id = "late"\nsend = "digest"', 'id = "late"\ntrack = { event = "T" }')
        life = Life.over(store, text)
        await life.come(start("a"))
        await life.sleep(9 * DAY)

        assert "effect late track T" in await life.story(await life.run())

    async def test_lateness_counts_for_each_step(self, store: Store) -> None:
        """
        After a late tick the next wait counts from when it fired.
        """
        text = PLAIN + "[[journey.j.step]]\nid = 'd'\ndelay = '1h'\n"
        text += "[[journey.j.step]]\nid = 'f'\nsend = 'digest'\n"
        life = Life.over(store, text)
        await life.come(start("a"))
        await life.sleep(2 * DAY)
        await life.go_on(2 * HOUR)

        assert [("skipped", "late"), ("accepted", None)] == await life.states()

    async def test_a_clock_that_jumps_back_fires_nothing(self, store: Store) -> None:
        """
        Due is due by the clock there is; nothing fires twice when it comes again.
        """
        life = Life.over(store, PLAIN)
        await life.come(start("a"))
        await life.sleep(HOUR)
        life.clock.at_ms -= 10 * HOUR
        await life.process.live()
        assert "waiting" == (await life.run()).state
        await life.sleep(11 * HOUR)
        assert 1 == len(life.sendgrid.calls)
        life.clock.at_ms -= 5 * HOUR
        await life.process.live()
        await life.go_on(6 * HOUR)

        assert 1 == len(life.sendgrid.calls)

    async def test_events_of_a_clock_that_jumped_back_count(self, store: Store) -> None:
        """
        An event that seems older than the run is one of its person all the same.
        """
        life = Life.over(store, PLAIN)
        await life.come(start("a"))
        life.clock.at_ms -= HOUR
        await life.come(bought_k("a"))

        assert "exited" == (await life.run()).state

    async def test_a_run_whose_version_is_lost_ends_with_an_alert(self, store: Store) -> None:
        """
        It cannot go on; its neighbours do.
        """
        life = Life.over(store, PLAIN + CART)
        await life.come(start("a"), added("b"))
        life.configure(CART)
        life.process.taker.rules.programs.pinned.clear()
        await life.go_on(2 * HOUR)

        gone, other = await life.runs()
        assert ("failed", "its version is not to be had") == (gone.state, gone.reason)
        assert "exited wait" == (await life.story(gone))[-1]
        assert ("run_failed", "j") in await life.alerts()
        assert "later" == other.step

    async def test_a_poison_run_fails_alone(self, store: Store) -> None:
        """
        With an alert; what it reserved does not leave.
        """
        life = Life.over(store, PLAIN)
        await life.come(start("a"), start("b"), start("c", "u2"))
        await life.process.tx(lambda tx: tx.runs.save(tx.runs.get(2), b"damaged"))
        await life.go_on(2 * HOUR)

        runs = await life.runs()
        assert ["completed", "failed", "completed"] == [run.state for run in runs]
        assert (runs[1].reason or "").startswith("JSONDecodeError")
        assert {("run_failed", "j")} == await life.alerts()
        assert 2 == len(life.sendgrid.calls)

    async def test_a_store_in_trouble_fails_no_run(self, store: Store) -> None:
        """
        It is the store's fault: all is undone, and done again later.
        """
        life = Life.over(store, PLAIN)
        await life.come(start("a"))
        life.clock.forward(2 * HOUR)
        failing = Failing(store)
        life.process.wake.store = failing
        with pytest.raises(Unavailable):
            await life.process.ticked()
        life.process.wake.store = store
        await life.process.live()

        assert 1 == failing.asked
        assert [
            "entered",
            "waiting wait",
            "timeout wait",
            "send late digest",
            "completed late",
        ] == (await life.story(await life.run()))

    async def test_nothing_to_do_costs_nothing(self, store: Store) -> None:
        """
        Idle until the next run is due.
        """
        life = Life.over(store, PLAIN)
        wake = life.process.wake
        assert (0, IDLE_S) == (await wake.wake_batch(), wake.idle_s())
        await life.come(start("a"))
        wake.look_again()

        assert (0, 7_200.0) == (await wake.wake_batch(), wake.idle_s())
        life.clock.forward(3 * HOUR)
        assert 0.0 == wake.idle_s()


def bought_k(key: str) -> Mapping[str, object]:
    return event("Bought", properties={"k": key})


class Failing:
    """A store whose disk is full once something is to be written."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.asked = 0

    async def write(self, job: object) -> object:
        if getattr(job, "__name__", "") == "_look":
            return await self._store.write(job)  # type: ignore[arg-type]

        def failing(tx: Tx) -> object:
            job(tx)  # type: ignore[operator]
            self.asked += 1
            raise Unavailable("full")

        return await self._store.write(failing)


class TestNeverEarly:
    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["start", "forward", "back", "turn", "restart"]),
                st.integers(1, 5 * HOUR),
            ),
            max_size=25,
        )
    )
    @settings(max_examples=60, deadline=None)
    def test_over_any_clock_no_tick_comes_before_its_time(
        self, happening: list[tuple[str, int]]
    ) -> None:
        """
        And each comes once, however the clock jumps.
        """
        asyncio.run(self._live(happening))

    async def _live(self, happening: list[tuple[str, int]]) -> None:
        # however late: what matters here is that it comes, and once
        life = Life.over(MemoryState(), WAIT.replace("MORE", 'max_lateness = "300d"'))
        for number, (what, ms) in enumerate(happening):
            before = {run.id: run for run in await life.runs()}
            if what == "start":
                await life.come(start(str(number), f"u{ms % 3}"))
            elif what == "restart":
                life.restart()
            elif what != "turn":
                life.clock.at_ms += ms if what == "forward" else -ms
            await life.process.live()
            for run in await life.runs():
                was = before.get(run.id)
                if was is not None and was.is_alive and not run.is_alive:
                    assert was.due_at is not None
                    assert was.due_at <= life.clock.now_ms()
        # after a jump ahead timers fire slowly for a while
        await life.sleep(HOUR)
        await life.go_on(30 * HOUR)
        for run in await life.runs():
            assert STORY == await life.story(run)

"""What `homing simulate` says is what the service does: the same events through both."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.journeys import Life
from tests.support.process import programs_of
from tests.support.service import SOAK
from tests.support.stages import DAY, HOUR, MINUTE, NOON, FixedClock, plans_of

from homing.adapters.sqlite.state import SqliteState
from homing.config import load
from homing.core.events import iso_time, time_ms
from homing.core.plans import Plans
from homing.ports import Tx
from homing.simulation import Happening, SimLine, Simulation, read_happenings

CONFIG = """
[caps]
marketing = [{ max = 2, per = "1d" }]
[quiet_hours]
from = "21:00"
to = "08:00"
[journey.cart]
entry = { when = 'event = "Added"', key = "$.properties.cart" }
exit = [{ name = "bought", when = 'event = "Bought"', send = "receipt" }]
goal = { when = 'event = "Bought"', within = "7d", value = "$.properties.total" }
priority = 3
[[journey.cart.step]]
id = "wait"
hold = "2h"
on = [{ name = "changed", when = 'event = "Changed"', then = "restart" }]
[[journey.cart.step]]
id = "dice"
random = [{ name = "plain", weight = 1, then = "remind" },
          { name = "none", weight = 1, then = "end" }]
[[journey.cart.step]]
id = "remind"
send = { email = "digest", data = { n = "$.properties.n", at = "{{ journey.entered_at }}" } }
[[journey.cart.step]]
id = "morning"
until = { time = "09:00", zone = "$.profile.timezone" }
[[journey.cart.step]]
id = "again"
send = "digest"
[journey.onboarding]
entry = { when = 'event = "Signed Up"', reentry = "after-exit", repeat = "restart" }
exit = [{ name = "left", when = 'event = "Left"' }]
[[journey.onboarding.step]]
id = "settle"
delay = "90m"
[[journey.onboarding.step]]
id = "active"
split = [{ name = "yes", when = 'did("Used", 2, "3h")', then = "reward" }]
[[journey.onboarding.step]]
id = "used"
hold = "3h"
on = [{ name = "used", when = 'event = "Used"', then = "end" }]
[[journey.onboarding.step]]
id = "nudge"
send = "digest"
next = "settle"
[[journey.onboarding.step]]
id = "reward"
add_to_audience = "vip"
[[journey.onboarding.step]]
id = "told"
track = { event = "Rewarded", properties = { n = "$.properties.n" } }
[[journey.onboarding.step]]
id = "soon"
until = { at = "$.properties.at", offset = "-1h" }
[journey.idle]
entry = { when = 'event = "Used"' }
[[journey.idle.step]]
id = "quiet"
hold = "1d"
on = [{ name = "again", when = 'event = "Used"', then = "restart" }]
max_restarts = 3
[[journey.idle.step]]
id = "miss"
send = "digest"
"""
NOBODY = """
[list.all]
[route.r]
when = 'event = "Joined"'
add_to_list = "all"
upsert_contact = true
remove_from_list = "all"
track = { event = "Told", properties = { long = "$.properties.long" } }
[journey.j]
entry = { when = 'event = "Joined"' }
[[journey.j.step]]
id = "write"
upsert_contact = true
"""
AFTER_MS = 4 * DAY
EXAMPLES = sorted(
    file.parent for file in (Path(__file__).parents[2] / "examples").glob("*/homing.toml")
)
NAMES = ("Added", "Changed", "Bought", "Signed Up", "Used", "Left", "Digest Due", "Ordered")

Row = Mapping[str, Any]


def made(number: int, at_ms: int, who: str, name: str, cart: str) -> dict[str, Any]:
    kind = "userId" if who.startswith("u") else "anonymousId"
    event: dict[str, Any] = {
        "messageId": f"m{number}", kind: who, "receivedAt": iso_time(at_ms),
        "context": {"traits": {"email": f"{who}@x.io"}, "timezone": "Asia/Tokyo"},
    }  # fmt: skip
    if name == "alias":
        return event | {"type": "alias", "userId": "u1", "previousId": who}
    if name == "zone":
        zone = {"a": "Europe/Berlin", "b": "America/New_York"}[cart]
        return event | {"type": "identify", "traits": {"timezone": zone, "email": f"{who}@x.io"}}
    if name == "delete":
        return event | {"type": "delete"}
    properties = {"cart": cart, "n": number, "total": "$5.50", "at": iso_time(at_ms + 5 * HOUR)}
    return event | {"type": "track", "event": name, "properties": properties}


def simulated(events: Sequence[Row]) -> tuple[Simulation, list[SimLine]]:
    plans = plans_of(CONFIG)
    simulation = Simulation(plans, programs_of(plans))
    lines = [json.dumps(event).encode() for event in events]
    last = max(at_of(event) for event in events) + AFTER_MS
    happenings = read_happenings(lines, name="events")
    return simulation, list(simulation.play(happenings, until_ms=last))


async def lived(events: Sequence[Row], folder: str) -> list[tuple[Any, ...]]:
    """The same through the service's stages over SQLite, the clock moved to each instant."""

    def on_fatal(error: BaseException) -> None:
        raise error

    store = SqliteState(Path(folder) / "homing.db", on_fatal=on_fatal, synchronous="OFF")
    try:
        life = Life.over(store, CONFIG)
        for at_ms in sorted({at_of(event) for event in events}):
            await life.go_on_before(at_ms)
            await life.come(*(event for event in events if at_of(event) == at_ms))
        await life.go_on(AFTER_MS)
        return await store.write(timeline)
    finally:
        await store.close()


def at_of(event: Row) -> int:
    at = time_ms(event["receivedAt"])
    assert at is not None
    return at


def timeline(tx: Tx) -> list[tuple[Any, ...]]:
    """All that a store says of runs, their histories and of sends."""
    told: list[tuple[Any, ...]] = []
    for run in tx.runs.newest(None, before=None, limit=10_000)[::-1]:
        told.append(
            ("run", run.journey, run.key, run.entered_at, run.state, run.step, run.reason,
             run.variant, run.converted_at, run.value, run.passages)
        )  # fmt: skip
        told += [
            ("passage", one.at, one.what, one.step, one.name, one.reason, one.due_at, one.value)
            for one in tx.runs.passages(run.id)
        ]
    told += [
        ("send", row.rule, row.step, row.variant, row.email, row.address, row.state, row.reason,
         row.reserved_at, row.in_flight_at, tx.sends.data(row.id))
        for row in tx.sends.newest(state=None, before=None, limit=10_000)[::-1]
    ]  # fmt: skip
    return told


def compared(events: Sequence[Row]) -> list[SimLine]:
    simulation, lines = simulated(events)
    with tempfile.TemporaryDirectory() as folder:
        real = asyncio.run(lived(events, folder))

    assert real == simulation.state.write_now(timeline)
    if not any(event["type"] == "delete" for event in events):
        left = Counter((one[9], one[1], one[2]) for one in real if one[0] == "send" and one[9])
        assert left == Counter(
            (ms(line.at), line.rule, line.step or "") for line in lines if line.what == "send"
        )
        passed = Counter(one[1:4] for one in real if one[0] == "passage")
        words = ("entered", "branch", "restarted", "timeout", "exited", "completed", "goal")
        assert Counter({key: n for key, n in passed.items() if key[1] in words}) == Counter(
            (ms(line.at), line.what, line.step or "") for line in lines if line.what in words
        )
    return lines


def ms(text: str) -> int:
    return at_of({"receivedAt": text})


ACTS = st.tuples(
    st.sampled_from([0, 1, MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 5 * HOUR, DAY]),
    st.sampled_from(["u1", "u2", "d1"]),
    st.sampled_from((*NAMES, *NAMES, "alias", "zone", "delete")),
    st.sampled_from("ab"),
)


class TestSameAsTheService:
    @given(st.lists(ACTS, min_size=1, max_size=25))
    @settings(max_examples=600 if SOAK else 30, deadline=None, derandomize=not SOAK)
    def test_any_events(self, acts: list[tuple[int, str, str, str]]) -> None:
        """
        P7: the same runs, histories and sends, to the millisecond.
        """
        at, events = NOON, []
        for number, (gap, who, name, cart) in enumerate(acts):
            at += gap
            events.append(made(number, at, who, name, cart))
        compared(events)

    @pytest.mark.parametrize(
        ("story", "expected"),
        [
            ([(0, "Added"), (HOUR, "Changed"), (HOUR, "Bought")],
             ["entered", "waiting", "restarted", "exited", "send", "goal"]),
            ([(0, "Used"), (0, "Used"), (0, "Signed Up")], None),
            ([(0, "Signed Up"), (HOUR, "Signed Up"), (10 * HOUR, "Left"), (0, "Signed Up")], None),
            ([(0, "Digest Due"), (1, "Digest Due"), (1, "Digest Due"), (1, "Added")], None),
            ([(0, "Added"), (2 * HOUR, "Bought")],
             ["entered", "waiting", "exited", "send", "goal"]),
        ],
        ids=["bought", "used", "loop", "capped", "one instant"],
    )  # fmt: skip
    def test_stories(self, story: list[tuple[int, str]], expected: list[str] | None) -> None:
        """
        Carts, loops, caps; event and tick of one instant.
        """
        at, events = NOON, []
        for number, (gap, name) in enumerate(story):
            at += gap
            events.append(made(number, at, "u1", name, "a"))
        lines = compared(events)

        assert expected is None or expected == [line.what for line in lines]


async def relived(
    plans: Plans, happenings: Sequence[Happening], folder: str
) -> list[tuple[Any, ...]]:
    """Recorded events through the service's stages, until no timer is left."""

    def on_fatal(error: BaseException) -> None:
        raise error

    store = SqliteState(Path(folder) / "homing.db", on_fatal=on_fatal, synchronous="OFF")
    try:
        life = Life.of(store, plans, FixedClock(happenings[0].at_ms))
        for at_ms in dict.fromkeys(one.at_ms for one in happenings):
            await life.go_on_before(at_ms)
            for one in happenings:
                if one.at_ms == at_ms:
                    life.log.append(one.source, one.element.raw, at_ms)
            await life.process.live()
        await life.go_on(500 * DAY)
        return await store.write(timeline)
    finally:
        await store.close()


class TestExamples:
    @pytest.mark.parametrize("folder", EXAMPLES, ids=lambda folder: folder.name)
    def test_the_service_does_what_the_simulation_said(self, folder: Path) -> None:
        """
        P7, on each example of the documentation.
        """
        plans = load(folder / "homing.toml", environ={}).plans
        lines = (folder / "events.jsonl").read_bytes().splitlines()
        happenings = read_happenings(lines, name="events.jsonl")
        simulation = Simulation(plans, programs_of(plans))
        assert list(simulation.play(happenings))
        with tempfile.TemporaryDirectory() as made_here:
            real = asyncio.run(relived(plans, happenings, made_here))

        assert real == simulation.state.write_now(timeline)
        assert any(one[0] == "passage" for one in real)


class TestLines:
    def test_a_send_that_waited_and_was_cancelled_says_so(self) -> None:
        """
        Nobody is left to wonder what became of it.
        """
        # noon here is night in Tokyo
        events = [
            made(0, NOON, "u1", "Signed Up", "a"), made(1, NOON + 5 * HOUR, "u1", "Left", "a"),
        ]  # fmt: skip
        _, lines = simulated(events)

        assert [
            ("waiting", "nudge", "quiet hours in Asia/Tokyo"), ("skipped", "nudge", "exited: left"),
        ] == [(line.what, line.step, line.reason) for line in lines if line.email]  # fmt: skip

    def test_what_cannot_be_made_says_why(self) -> None:
        """
        Of routes and journeys: where the service leaves a dead row, the line is skipped.
        """
        plans = plans_of(NOBODY)
        simulation = Simulation(plans, programs_of(plans))
        joined = {"messageId": "m", "userId": "u1", "type": "track", "event": "Joined",
                  "receivedAt": iso_time(NOON), "properties": {"long": "x" * 40_000}}  # fmt: skip
        lines = simulation.play(read_happenings([json.dumps(joined).encode()], name="e"))
        shown = [(line.what, line.rule, line.effect, (line.reason or "")[:8]) for line in lines]

        assert [
            ("skipped", "r", "add_to_list all", "no_email"),
            ("skipped", "r", "upsert_contact", "no_email"),
            ("effect", "r", "remove_from_list all", ""),
            ("skipped", "r", "track Told", "the call"),
            ("skipped", "j", "upsert_contact", "no_email"),
        ] == [one for one in shown if one[0] in ("skipped", "effect")]

    def test_it_says_so_once_also_of_two_who_became_one(self) -> None:
        """
        Whose it was when it began to wait.
        """
        events = [
            made(0, NOON, "u1", "Used", "a"), made(1, NOON, "d1", "Signed Up", "a"),
            made(2, NOON + 5 * HOUR, "d1", "alias", "a"),
            made(3, NOON + 6 * HOUR, "u1", "Left", "a"),
            made(4, NOON + 7 * HOUR, "u1", "Ordered", "a"),
            made(5, NOON + 8 * HOUR, "u1", "Ordered", "a"),
        ]  # fmt: skip
        _, lines = simulated(events)

        skipped = [(line.person, line.reason) for line in lines if line.what == "skipped"]
        assert [("u1", "exited: left")] == skipped

    def test_twice_is_the_same_to_the_byte(self) -> None:
        """
        And another order of the lines of a file, the same.
        """
        events = [made(n, NOON + n * HOUR, "u1", name, "a") for n, name in enumerate(NAMES)]
        first, second, third = (
            [json.dumps(line.view()) for line in simulated(some)[1]]
            for some in (events, events, events[::-1])
        )

        assert first == second == third

    def test_a_run_that_breaks_fails_alone(self) -> None:
        """
        As in the service, with its reason.
        """
        plans = plans_of(CONFIG)
        simulation = Simulation(plans, programs_of(plans))
        events = [made(0, NOON, "u1", "Added", "a"), made(1, NOON + 1, "u2", "Added", "a")]
        lines = [json.dumps(event).encode() for event in events]
        list(simulation.play(read_happenings(lines, name="e"), until_ms=NOON + 1))
        simulation.state.write_now(lambda tx: _damage(tx, 1))
        told = list(simulation.play([]))

        (broken,) = [line for line in told if (line.reason or "").startswith("failed: ")]
        assert ("exited", "u1") == (broken.what, broken.person)
        assert any(line.what == "timeout" and line.person == "u2" for line in told)


def _damage(tx: Tx, number: int) -> None:
    run = tx.runs.get(number)
    assert run is not None
    tx.runs.save(run, b"damaged")

"""
Random histories: whatever happens in whatever order, the books balance and no rule is broken.

Events of every kind, answers and outages of every kind, crashes, time, and people at the console.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.stages.conftest import World
from tests.support.stages import (
    ACCEPTED,
    DAY,
    HOUR,
    MINUTE,
    NO_ANSWER,
    NO_CONNECTION,
    OK,
    SECOND,
    FixedClock,
    answer,
    engagement,
    identify,
    track,
)

from homing.adapters.memory.state import MemoryState
from homing.core.effects import Dest, EffectState, EventState, SendFlag
from homing.core.errors import HomingError
from homing.core.ledger import HOLDS_LANE, SendState
from homing.ports import Tx
from homing.stages import act
from homing.stages.fill import Filler
from homing.stages.recover import recover

T = TypeVar("T")

SHOP = """
[suppression]
opt_out = [{ when = 'type = "identify" and traits.email_opt_out = true' }]
opt_in = [{ when = 'type = "identify" and traits.email_opt_out = false' }]
[route.leave]
when = 'event = "Leave"'
suppress = "newsletter"
[route.enrich]
when = 'event = "Ordered" and did("Ordered", 2, "1d")'
track = { event = "Loyal" }
[route.opened]
when = 'event = "Email Opened"'
identify = { traits = { opens = true } }
"""
PEOPLE = st.sampled_from(["u1", "u2", "u3"])
DEVICES = st.sampled_from(["a1", "a2"])
EVENTS = st.one_of(
    st.builds(
        lambda name, user, n: track(name, user, properties={"n": n}),
        st.sampled_from(["Ordered", "Ordered", "Digest Due", "Leave", "Seen"]), PEOPLE,
        st.integers(0, 99),
    ),
    st.builds(
        lambda device, n: track("Ordered", None, anonymousId=device, properties={"n": n},
                                context={"traits": {"email": f"{device}@x.io"}}),
        DEVICES, st.integers(0, 99),
    ),
    st.builds(lambda user, device: identify(user, anonymousId=device), PEOPLE, DEVICES),
    st.builds(
        lambda user, out, n: identify(user, traits={"email": f"{user}@x.io", "email_opt_out": out},
                                      n=n),
        PEOPLE, st.booleans(), st.integers(0, 9),
    ),
    st.builds(
        lambda user, other: {"type": "alias", "userId": user, "previousId": other,
                             "messageId": f"alias-{user}-{other}"},
        PEOPLE, PEOPLE | DEVICES,
    ),
    st.builds(lambda user, n: {"type": "delete", "userId": user, "messageId": f"d{n}"}, PEOPLE,
              st.integers(0, 5)),
    st.builds(lambda n: track("Seen", messageId="same", properties={"n": n}), st.integers(0, 2)),
    st.builds(lambda n: track("Ours", messageId=f"homing-{n}:t"), st.integers(0, 3)),
    st.sampled_from([{"type": "?"}, {}, {"type": "track", "event": "Nobody"}]),
)  # fmt: skip
ANSWERS = st.sampled_from(
    [
        ACCEPTED, ACCEPTED, ACCEPTED, NO_ANSWER, NO_CONNECTION, answer(500), answer(502),
        answer(400, {"errors": [{"message": "bad"}]}), answer(429, Retry_After="2"), answer(401),
        answer(403, {"errors": [{"message": "sender", "field": "from"}]}),
    ]
)  # fmt: skip
KINDS = st.sampled_from(
    ["processed", "delivered", "open", "click", "bounce", "spamreport", "unsubscribe", "deferred"]
)
WAITS = st.sampled_from([SECOND, SECOND, 10 * SECOND, MINUTE, HOUR, 5 * HOUR, DAY])
PLACES = st.integers(0, 30)


class History(RuleBasedStateMachine):
    """One installation and all that befalls it."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.by_hand: set[int] = set()
        self.orders = 1_000

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run something of the stages."""
        return self.runner.run(coroutine)

    def read(self, job: Callable[[Tx], T]) -> T:
        """Look into the store."""
        return self.run(self.world.tx(job))

    @initialize()
    def begin(self) -> None:
        """A new store."""

        async def made() -> World:
            return World.over(MemoryState(), SHOP, clock=FixedClock())

        self.world = self.run(made())
        self.accepted: Counter[str] = Counter()

    @rule(events=st.lists(EVENTS, min_size=1, max_size=4))
    def segment_posts(self, events: list[dict[str, Any]]) -> None:
        """Events arrive; some have been there before."""
        self.run(self.world.take(*events))

    @rule(kind=KINDS, place=PLACES, with_id=st.booleans(), later=st.integers(0, 3))
    def sendgrid_posts(self, kind: str, place: int, with_id: bool, later: int) -> None:
        """Something happened to an email, or to an address."""
        sends = self.run(self.world.sends())
        row = sends[place % len(sends)] if sends else None
        about: dict[str, object] = {"timestamp": self.world.clock.now_ms() // 1000 + later}
        if row is not None and with_id and row.in_flight_at is not None:
            about["homing_send"] = row.key
        if kind == "bounce":
            about["type"] = "bounce"
        email = (row.address if row is not None else None) or "u1@x.io"
        self.run(self.world.hear(engagement(kind, email, **about)))

    @rule(
        orders=st.lists(PEOPLE, min_size=1, max_size=4),
        answers=st.lists(ANSWERS, max_size=6),
        turns=st.integers(1, 4),
    )
    def orders_are_confirmed(self, orders: list[str], answers: list[Any], turns: int) -> None:
        """Sends are made, and leave, more or less."""
        self.orders += len(orders)
        made = [track("Ordered", user, properties={"order": self.orders}) for user in orders]
        self.run(self.world.take(*made))
        self.sends_leave(answers, turns)

    @rule(answers=st.lists(ANSWERS, max_size=6), turns=st.integers(1, 9))
    def mail_is_delivered(self, answers: list[Any], turns: int) -> None:
        """What waits leaves, more or less."""
        self.sends_leave(answers, turns)

    def sends_leave(self, answers: list[Any], turns: int) -> None:
        """Turn the delivering stage, with these answers first."""
        api = self.world.sendgrid
        api.answers.extend(answers)
        left = list(answers)
        before = len(api.calls)
        for _ in range(turns):
            self.run(self.turn_of("deliver"))
            self.world.clock.forward(SECOND)
        for call in api.calls[before:]:
            got = left.pop(0) if left else ACCEPTED
            if got.status == 202:
                self.accepted[call.body["personalizations"][0]["custom_args"]["homing_send"]] += 1
        api.answers.clear()

    @rule(answers=st.lists(ANSWERS.map(lambda a: OK if a is ACCEPTED else a), max_size=6))
    def calls_leave(self, answers: list[Any]) -> None:
        """Home to Segment."""
        self.world.segment.answers.extend(answers)
        self.run(self.turn_of("write_back"))
        self.world.segment.answers.clear()

    @rule(answers=st.lists(ANSWERS, max_size=6))
    def suppressions_leave(self, answers: list[Any]) -> None:
        """To SendGrid's lists."""
        self.world.sendgrid.answers.extend(answers)
        self.run(self.turn_of("suppress"))
        self.world.sendgrid.answers.clear()

    async def turn_of(self, name: str) -> None:
        """Turn a stage once."""
        stage = getattr(self.world, name)
        await stage.deliver_batch()
        await stage.land()

    @rule(wait=WAITS, healthily=st.booleans())
    def time_passes(self, wait: int, healthily: bool) -> None:
        """With the receiver up, or not."""
        world = self.world
        for _ in range(min(wait // (2 * SECOND), 200) if healthily else 0):
            world.health.heard()
            world.clock.forward(2 * SECOND)
        world.clock.forward(wait)
        self.run(world.sweep.sweep())

    @rule()
    def process_dies(self) -> None:
        """While sends and calls are under way; another one starts."""

        async def die() -> None:
            self.world.sendgrid.gate = self.world.segment.gate = asyncio.Event()
            stages = (self.world.deliver, self.world.write_back, self.world.suppress)
            for stage in stages:
                await stage.deliver_batch()
                for task in stage.flying:
                    task.cancel()
                await asyncio.gather(*stage.flying, return_exceptions=True)

        self.run(die())
        old = self.world

        async def start() -> World:
            made = World.over(old.store, SHOP, clock=old.clock, log=old.log)
            made.evaluate._reader = old.log
            await made.tx(
                lambda tx: recover(
                    tx, made.health, now_ms=old.clock.now_ms(), wait_ms=5 * MINUTE, captured=False
                )
            )
            await made.evaluated()
            return made

        self.world = self.run(start())

    @rule(place=PLACES, word=st.sampled_from(["sent", "resend", "drop", "retry"]))
    def person_decides(self, place: int, word: str) -> None:
        """Of an unknown, parked or dead send."""
        sends = self.run(self.world.sends())
        if not sends:
            return
        row, now = sends[place % len(sends)], self.world.clock.now_ms()
        plans = self.world.plans
        try:
            if word == "retry":
                self.read(lambda tx: act.retry_send(tx, row.key, plans=plans, now_ms=now))
            else:
                self.read(lambda tx: act.resolve(tx, row.key, word, plans=plans, now_ms=now))
        except HomingError:
            return
        self.by_hand.add(row.id)

    @rule(place=PLACES, word=st.sampled_from(["retry", "drop"]), kind=st.sampled_from("xe"))
    def person_decides_of_the_dead(self, place: int, word: str, kind: str) -> None:
        """Of an effect or an event."""
        now, plans = self.world.clock.now_ms(), self.world.plans
        try:
            self.read(lambda tx: act.of_dead(tx, f"{kind}{place}", word, plans=plans, now_ms=now))
        except HomingError:
            return

    @rule(numbers=st.lists(PLACES, max_size=3))
    def events_are_replayed(self, numbers: list[int]) -> None:
        """Under their own numbers."""
        self.run(self.world.evaluate.replay(numbers))

    @rule(name=st.sampled_from([*Dest, "email/receipt"]), ends=st.sampled_from([True, True, False]))
    def person_pauses(self, name: str, ends: bool) -> None:
        """And resumes."""
        now = self.world.clock.now_ms()
        if ends:
            self.read(lambda tx: act.resume(tx, name, now_ms=now))
            for stage in (self.world.deliver, self.world.write_back, self.world.suppress):
                stage.resumed()
        else:
            self.read(lambda tx: act.pause(tx, name, reason="by hand", now_ms=now))

    @rule()
    def all_is_well(self) -> None:
        """Nothing is paused, everything is answered."""
        for name in self.run(self.world.books()).pauses:
            self.person_pauses(name, ends=True)
        self.world.clock.forward(HOUR)
        for _ in range(12):
            self.sends_leave([], 1)
            self.calls_leave([])
            self.suppressions_leave([])

    @rule()
    def past_is_filled(self) -> None:
        """As after a reload."""

        async def fill() -> None:
            filler = Filler(self.world.store, self.world.log, self.world.taker)
            while await filler.fill():
                pass

        self.run(fill())

    @invariant()
    def events_balance(self) -> None:
        """Promise P5: received is the sum of the rest, and each is a row."""
        rows = self.run(self.world.events())
        books = self.run(self.world.books())
        states = Counter(row.state.value for row in rows)

        assert books.events["received"] == sum(books.events[state] for state in EventState)
        assert {state.value: states[state.value] for state in EventState} == {
            state.value: books.events[state] for state in EventState
        }
        assert all(row.reason for row in rows if row.state not in ("done", "pending"))

    @invariant()
    def sends_balance(self) -> None:
        """Each state's count is the number of its rows; each refusal has its reason."""
        rows = self.run(self.world.sends())
        books = self.run(self.world.books())
        states = Counter(row.state for row in rows)

        assert {state.value: states[state] for state in SendState} == dict(books.sends)
        assert all(row.reason for row in rows if row.state in ("skipped", "expired", "rejected"))
        assert sum(bool(row.flags & SendFlag.SILENT) for row in rows) == books.counts.get(
            "sends_silent", 0
        )
        assert len({(row.origin, row.rule, row.step) for row in rows}) == len(rows)

    @invariant()
    def effects_balance(self) -> None:
        """The same of effects."""

        def count(tx: Tx) -> Counter[tuple[str, str]]:
            counted: Counter[tuple[str, str]] = Counter()
            number = 1
            while (row := tx.effects.get(number)) is not None:
                counted[str(row["dest"]), str(row["state"])] += 1
                number += 1
            return counted

        counted = self.read(count)
        books = self.run(self.world.books())
        for dest, states in books.effects.items():
            assert {state.value: counted[dest, state.value] for state in EffectState} == dict(
                states
            )

    @invariant()
    def lanes_are_sound(self) -> None:
        """Each lane has one head; who is in flight or unknown is it; who has ended is in none."""
        rows = self.run(self.world.sends())
        heads = Counter(row.lane for row in rows if row.head)
        lanes = {row.lane for row in rows if row.lane is not None}

        assert dict.fromkeys(lanes, 1) == dict(heads)
        for row in rows:
            assert row.lane is None or SendState(row.state) in HOLDS_LANE
            if row.state == SendState.UNKNOWN:
                assert row.unknown_due is not None
        assert not self.world.deliver.flying

    @invariant()
    def nothing_is_mailed_twice_by_accident(self) -> None:
        """Promise P6: accepted twice only after an unknown outcome, or by a person's word."""
        for row in self.run(self.world.sends()):
            if self.accepted[row.key] > 1:
                assert row.flags & SendFlag.RESENT or row.id in self.by_hand

    def teardown(self) -> None:
        """Let all land."""
        self.runner.close()


History.TestCase.settings = settings(
    max_examples=30,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TestHistories = pytest.mark.filterwarnings("default::ResourceWarning")(History.TestCase)

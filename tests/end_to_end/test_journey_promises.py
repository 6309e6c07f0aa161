"""
Journeys as a property: the real stages over each store against a plain model of three journeys.

Events of three people and their devices, time, evaluations, ticks, claims, answers and crashes come
in any order. The model replays what was evaluated and ticked from the start, each time, with the
journeys written out by hand.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import tempfile
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.end_to_end.test_promises import Call, Fate, SendGrid
from tests.support.journeys import Play
from tests.support.process import Outside, Process
from tests.support.service import SOAK
from tests.support.stages import DAY, HOUR, MINUTE, OK, FakeApi, FakeLog, FixedClock, plans_of

from homing.adapters.memory.state import MemoryState
from homing.adapters.sqlite.state import SqliteState
from homing.core.effects import SendRow
from homing.core.errors import Unavailable
from homing.core.events import iso_time
from homing.core.journeys.run import Passage, Run, run_of
from homing.core.people import Person
from homing.ports import Store, Tx

T = TypeVar("T")

CART = """
[journey.cart]
entry = { when = 'event = "Added"', key = "$.properties.cart" }
exit = [{ name = "bought", when = 'event = "Bought"' }]
goal = { when = 'event = "Bought"', within = "6h" }
[[journey.cart.step]]
id = "wait"
hold = "2h"
on = [{ name = "changed", when = 'event = "Changed"', then = "restart" }]
max_restarts = 2
[[journey.cart.step]]
id = "remind"
send = "digest"
[[journey.cart.step]]
id = "later"
delay = "1h"
[[journey.cart.step]]
id = "again"
send = "digest"
"""
ONBOARDING = """
[journey.onboarding]
entry = { when = 'event = "Signed Up"' }
exit = [{ name = "left", when = 'event = "Left"' }]
[[journey.onboarding.step]]
id = "settle"
delay = "1h"
[[journey.onboarding.step]]
id = "which"
split = [{ name = "pro", when = 'journey.entry.properties.cart = "a"', then = "used" }]
else = "nudge"
[[journey.onboarding.step]]
id = "used"
hold = "3h"
on = [{ name = "used", when = 'event = "Used"', then = "end" }]
[[journey.onboarding.step]]
id = "nudge"
send = "receipt"
"""
AB = """
[journey.ab]
entry = { when = 'event = "Viewed"', reentry = "2h" }
exit = [{ name = "left", when = 'event = "Left"' }]
[[journey.ab.step]]
id = "dice"
sticky = true
random = [{ name = "mail", weight = 1, then = "mail" }, { name = "none", weight = 1, then = "end" }]
[[journey.ab.step]]
id = "mail"
send = "digest"
[[journey.ab.step]]
id = "cool"
delay = "30m"
"""
CONFIG = CART + ONBOARDING + AB
NAMES = ("Added", "Changed", "Bought", "Signed Up", "Used", "Left", "Viewed")
USERS, DEVICES = ("u0", "u1", "u2"), ("d0", "d1", "d2")
VARIANTS = {who: Play(AB, Person(1, user_id=who)).enter().run.variant for who in USERS + DEVICES}
LATE_MS = 6 * HOUR
EXITS = {"cart": ("Bought", "bought"), "onboarding": ("Left", "left"), "ab": ("Left", "left")}
ENTRIES = {"Added": "cart", "Signed Up": "onboarding", "Viewed": "ab"}


# ---- the model: what should be, told as simply as can be


@dataclass(slots=True)
class Mail:
    """One email of a run: when it was reserved, and why it must not leave, if so."""

    step: str
    at: int
    refused: str | None = None


@dataclass(slots=True)
class Told:
    """One run."""

    journey: str
    key: str
    at: int
    pro: bool = False
    state: str = "waiting"
    step: str = ""
    due: int | None = None
    restarts: int = 0
    seen: bool = False
    converted: bool = False
    lines: list[tuple[int, str, str, str]] = field(default_factory=list)
    mails: list[Mail] = field(default_factory=list)

    def say(self, at: int, what: str, name: str = "") -> None:
        self.lines.append((at, what, self.step, name))

    def wait(self, at: int, step: str, ms: int) -> None:
        self.step, self.due = step, at + ms
        self.say(at, "waiting")

    def mail(self, at: int, step: str, email: str, *, late: bool) -> None:
        self.step = step
        self.mails.append(Mail(step, at, "late" if late else None))
        self.say(at, "skipped" if late else "send", email)

    def complete(self, at: int) -> None:
        self.state, self.due = "completed", None
        self.say(at, "completed")

    def cancel(self, why: str) -> None:
        for mail in self.mails:
            mail.refused = mail.refused or why


@dataclass(slots=True)
class Someone:
    """Who a name leads to."""

    label: str
    runs: list[Told] = field(default_factory=list)
    entries: dict[tuple[str, str], int] = field(default_factory=dict)


class Model:
    """All that was evaluated and ticked, from the start."""

    def __init__(self) -> None:
        self.people: dict[tuple[str, str], Someone] = {}
        self.runs: list[Told] = []
        self.known: set[str] = set()

    def take(self, event: dict[str, Any], received: int, now: int) -> None:
        """One event, evaluated *now*."""
        if event["messageId"] in self.known:
            return
        self.known.add(event["messageId"])
        kind = "userId" if "userId" in event else "anonymousId"
        who = kind, event[kind]
        if event["type"] == "delete":
            self._erase(who)
            return
        person = self.people.setdefault(who, Someone(who[1]))
        if event["type"] == "alias":
            self._merge(person, event["previousId"], now)
            return
        name, key = event["event"], event["properties"]["cart"]
        for run in person.runs:
            self._hear(run, name, key, received)
        is_old = "timestamp" in event
        if not is_old:
            self._enter(person, name, key, received, now)

    def tick(self, now: int) -> None:
        """All that is due."""
        due = [run for run in self.runs if run.due is not None and run.due <= now]
        for run in sorted(due, key=lambda run: run.due or 0):
            at = run.due if run.due is not None and now - run.due <= MINUTE else now
            late = now - (run.due or 0) > LATE_MS
            self._pass(run, at, late=late)

    def _hear(self, run: Told, name: str, key: str, at: int) -> None:
        if run.journey == "cart" and key != run.key:
            return
        exit_event, exit_name = EXITS[run.journey]
        if name == exit_event:
            if run.state == "waiting":
                run.state, run.due = "exited", None
                run.say(at, "exited", exit_name)
            if run.state != "merged":
                run.cancel(f"exited: {exit_name}")
            self._convert(run, at)
        elif run.state == "waiting":
            self._branch(run, name, at)

    def _convert(self, run: Told, at: int) -> None:
        is_goal = run.journey == "cart" and run.state != "merged"
        if is_goal and not run.converted and at <= run.at + 6 * HOUR:
            run.converted = True
            run.say(at, "goal")

    def _branch(self, run: Told, name: str, at: int) -> None:
        if (run.step, name) == ("wait", "Changed") and run.restarts < 2:
            run.restarts, run.due = run.restarts + 1, at + 2 * HOUR
            run.say(at, "restarted", "changed")
        elif (run.step, name) == ("used", "Used"):
            run.say(at, "branch", "used")
            run.complete(at)
        elif (run.step, name) == ("settle", "Used"):
            run.seen = True

    def _enter(self, person: Someone, name: str, key: str, at: int, now: int) -> None:
        if name not in ENTRIES:
            return
        journey = ENTRIES[name]
        mine = journey, key if journey == "cart" else ""
        last = person.entries.get(mine)
        soon = {"cart": 0, "onboarding": 1 << 60, "ab": 2 * HOUR}[journey]
        is_alive = any(
            (run.journey, run.key, run.state) == (*mine, "waiting") for run in person.runs
        )
        if is_alive or (last is not None and at - last < soon):
            return
        run = Told(*mine, at, pro=key == "a")
        person.entries[mine] = at
        person.runs.append(run)
        self.runs.append(run)
        run.say(at, "entered")
        self._begin(run, VARIANTS[person.label] or "", at, late=now - at > LATE_MS)

    def _begin(self, run: Told, variant: str, at: int, *, late: bool) -> None:
        if run.journey == "cart":
            run.wait(at, "wait", 2 * HOUR)
        elif run.journey == "onboarding":
            run.wait(at, "settle", HOUR)
        else:
            run.step = "dice"
            run.say(at, "branch", variant)
            if variant == "none":
                run.complete(at)
            else:
                run.mail(at, "mail", "digest", late=late)
                run.wait(at, "cool", 30 * MINUTE)

    def _pass(self, run: Told, at: int, *, late: bool) -> None:
        if run.step == "wait":
            run.say(at, "timeout")
            run.mail(at, "remind", "digest", late=late)
            run.wait(at, "later", HOUR)
        elif run.step == "later":
            run.mail(at, "again", "digest", late=late)
            run.complete(at)
        elif run.step == "cool":
            run.complete(at)
        elif run.step == "used":
            run.say(at, "timeout")
            run.mail(at, "nudge", "receipt", late=late)
            run.complete(at)
        elif run.step == "settle":
            run.step = "which"
            run.say(at, "branch", "pro" if run.pro else "else")
            if not run.pro:
                run.mail(at, "nudge", "receipt", late=late)
                run.complete(at)
            elif run.seen:
                run.step = "used"
                run.say(at, "branch", "used")
                run.complete(at)
            else:
                run.wait(at, "used", 3 * HOUR)

    def _merge(self, winner: Someone, previous: str, now: int) -> None:
        names = ("userId", previous), ("anonymousId", previous)
        loser = next((self.people[name] for name in names if name in self.people), None)
        if loser is None:
            # whoever it was had no account
            self.people["anonymousId", previous] = winner
        if loser is None or loser is winner:
            return
        for name, someone in self.people.items():
            if someone is loser:
                self.people[name] = winner
        numbers = {id(run): number for number, run in enumerate(self.runs)}
        winner.runs = sorted([*winner.runs, *loser.runs], key=lambda run: numbers[id(run)])
        for entry, at in loser.entries.items():
            winner.entries[entry] = max(at, winner.entries.get(entry, at))
        alive: set[tuple[str, str]] = set()
        waiting = [run for run in winner.runs if run.state == "waiting"]
        for run in sorted(waiting, key=lambda run: run.at):
            if (run.journey, run.key) in alive:
                run.state, run.due = "merged", None
                run.say(now, "exited")
                run.cancel("merged")
            alive.add((run.journey, run.key))

    def _erase(self, who: tuple[str, str]) -> None:
        gone = self.people.get(who)
        if gone is None:
            return
        ids = {id(run) for run in gone.runs}
        self.runs = [run for run in self.runs if id(run) not in ids]
        self.people = {name: one for name, one in self.people.items() if one is not gone}


# ---- the machine


class Fragile:
    """A store of which the next transaction may be undone at its end."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.fails = False

    async def write(self, job: Any) -> Any:  # noqa: ANN401  the job's own type
        """As the store does."""
        if not self.fails or job.__name__ == "_look":
            return await self.store.write(job)

        def undone(tx: Tx) -> None:
            job(tx)
            raise Unavailable("the disk is gone")

        return await self.store.write(undone)


who = st.sampled_from(USERS + DEVICES)
users = st.sampled_from(USERS)


class Journeys(RuleBasedStateMachine):
    """The machine; its subclasses say over which store."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = FixedClock()
        self.log = FakeLog()
        self.sendgrid = SendGrid(self.judge)
        self.numbers = itertools.count(1)
        self.sent: list[dict[str, Any]] = []
        self.pending: list[tuple[dict[str, Any], int]] = []
        self.script: list[tuple[Any, ...]] = []
        self.called: set[int] = set()
        self.store = Fragile(self.run(self.opened()))
        self.start()

    async def opened(self) -> Store:
        raise NotImplementedError

    def now_tx(self) -> Tx:
        raise NotImplementedError

    async def closed(self) -> None:
        """Let go of the store."""

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def start(self) -> None:
        """A process comes up on the store as it is."""
        outside = Outside(
            self.store, self.log, self.sendgrid, FakeApi(OK), self.clock, plans_of(CONFIG)
        )
        self.process = Process(outside)
        self.run(self.process.start())

    def model(self) -> Model:
        """What should be by now."""
        model = Model()
        for what, *arguments in self.script:
            getattr(model, what)(*arguments)
        return model

    # ---- what happens

    @rule(
        who=who, name=st.sampled_from(NAMES), cart=st.sampled_from("ab"), old=st.booleans(),
        again=st.booleans(),
    )  # fmt: skip
    def somebody_acts(self, who: str, name: str, cart: str, *, old: bool, again: bool) -> None:
        """An event arrives, perhaps twice; one in some is of long ago."""
        kind = "userId" if who in USERS else "anonymousId"
        event: dict[str, Any] = {
            "type": "track", kind: who, "event": name, "properties": {"cart": cart},
            "context": {"traits": {"email": f"{who}@x.io"}},
        }  # fmt: skip
        if old and again:
            event["timestamp"] = iso_time(self.clock.now_ms() - 2 * DAY)
        self._arrive(event)
        if again:
            self._arrive(event)

    @rule(user=users, device=st.sampled_from(DEVICES + USERS))
    def two_become_one(self, user: str, device: str) -> None:
        """Whatever is under way for either."""
        if user != device:
            self._arrive({"type": "alias", "userId": user, "previousId": device})

    @rule(user=users)
    def somebody_is_erased(self, user: str) -> None:
        """Segment's `delete`."""
        self._arrive({"type": "delete", "userId": user})

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def segment_repeats_itself(self, data: st.DataObject) -> None:
        """An event that was taken long ago comes again."""
        self._arrive(data.draw(st.sampled_from(self.sent)))

    def _arrive(self, event: dict[str, Any]) -> None:
        self.clock.forward(1_000)
        if "messageId" not in event:
            event["messageId"] = f"m{next(self.numbers)}"
            self.sent.append(event)
        self.log.append("segment/default", event, self.clock.now_ms())
        self.pending.append((event, self.clock.now_ms()))

    @rule()
    def evaluation_turns(self) -> None:
        """All of the log is evaluated."""
        self._note_evaluated()
        self.run(self.process.evaluated())

    @rule()
    def runs_that_are_due_are_ticked(self) -> None:
        """After all that is in the log."""
        self.evaluation_turns()
        self.script.append(("tick", self.clock.now_ms()))
        self.run(self.process.ticked())

    @rule()
    def delivery_turns(self) -> None:
        """Heads are claimed and leave."""
        self._note_evaluated()
        self.run(self.process.delivered())

    def _note_evaluated(self) -> None:
        now = self.clock.now_ms()
        self.script += [("take", event, received, now) for event, received in self.pending]
        self.pending.clear()

    @precondition(lambda self: self.sendgrid.pending)
    @rule(data=st.data(), fate=st.sampled_from([Fate.TAKEN, Fate.TAKEN, Fate.BROKEN, Fate.LOST]))
    def sendgrid_answers(self, data: st.DataObject, fate: Any) -> None:  # noqa: ANN401
        """One call under way ends in some way."""
        call = data.draw(st.sampled_from(self.sendgrid.pending))
        self.sendgrid.decide(call, is_taken=fate[0], answer=fate[1])
        self.run(self.process.quiet())

    @rule(ms=st.sampled_from((1, 30_000, 29 * MINUTE, HOUR, 2 * HOUR, 7 * HOUR, 25 * HOUR)))
    def time_passes(self, ms: int) -> None:
        """Nobody works meanwhile."""
        self.clock.forward(ms)
        self.process.hear_for(2)
        self.run(self.process.sweep.sweep())

    @rule(what=st.sampled_from(["evaluate", "tick", "nothing"]))
    def the_process_dies(self, what: str) -> None:
        """In the middle of a transaction, which is undone; nobody hears of calls under way."""
        if what == "tick":
            self.evaluation_turns()
        turn = {"evaluate": self.process.evaluated, "tick": self.process.ticked}.get(what)
        if turn is not None:
            self.store.fails = True
            with contextlib.suppress(Unavailable):
                self.run(turn())
            self.store.fails = False
        for call in list(self.sendgrid.pending):
            self.sendgrid.decide(call, is_taken=False, answer=None)
        self.run(self.process.die())
        for call in self.sendgrid.pending:
            call.answer.cancel()
        self.start()

    # ---- what is promised

    def judge(self, call: Call) -> None:
        """Ask at the moment of a call whether its run lets it leave."""
        tx = self.now_tx()
        row = tx.sends.get(call.send)
        assert row is not None
        number = run_of(row.origin)
        kept = [run.id for run in _runs(tx)]
        assert number in kept, f"mailed after an erasure: {row}"
        told = self.model().runs[kept.index(number)]
        mail = told.mails[[one.id for one in tx.sends.of_run(number)].index(row.id)]
        assert mail.refused is None, f"mailed though {mail.refused}: {row}"
        assert self.clock.now_ms() < mail.at + DAY or row.email == "receipt"
        self.called.add(row.id)

    @invariant()
    def runs_are_as_told(self) -> None:
        """P2: each run passed what the model passed, when it did, and waits where it waits."""
        if self.pending:
            return
        runs, passages, sends = self.run(self.store.store.write(_all))
        told = self.model().runs
        assert [_of(one) for one in told] == [_seen(run) for run in runs]
        for one, run in zip(told, runs, strict=True):
            lines = [(line.at, line.what, line.step, line.name) for line in passages[run.id]]
            assert one.lines == lines, (run, one)
            assert [mail.step for mail in one.mails] == [row.step for row in sends[run.id]]
            for mail, row in zip(one.mails, sends[run.id], strict=True):
                self._judge_row(mail, row)

    def _judge_row(self, mail: Mail, row: SendRow) -> None:
        if mail.refused is None:
            assert row.state != "skipped", (mail, row)
        elif row.id not in self.called:
            # nobody needs to say more of what could not leave any more when the exit came
            is_over = row.state == "expired" or row.expires_at <= self.clock.now_ms()
            assert is_over or (row.state, row.reason) == ("skipped", mail.refused), (mail, row)

    def teardown(self) -> None:
        """In the end every run is over, and every send has left or says why not."""
        try:
            for _ in range(40):
                self.runs_that_are_due_are_ticked()
                self.runs_are_as_told()
                self.delivery_turns()
                for call in list(self.sendgrid.pending):
                    self.sendgrid.decide(call, is_taken=True, answer=Fate.TAKEN[1])
                self.run(self.process.quiet())
                self.time_passes(HOUR)
                self.process.hear_for(400)
            runs, _, sends = self.run(self.store.store.write(_all))
            assert not any(run.is_alive for run in runs)
            states = {row.state for rows in sends.values() for row in rows}
            assert states <= {"accepted", "skipped", "expired", "parked"}, states
        finally:
            self.run(self.closed())
            self.runner.close()
            self.folder.cleanup()


def _runs(tx: Tx) -> list[Run]:
    return tx.runs.newest(None, before=None, limit=10_000)[::-1]


def _all(tx: Tx) -> tuple[list[Run], dict[int, list[Passage]], dict[int, list[SendRow]]]:
    runs = _runs(tx)
    return (
        runs,
        {run.id: tx.runs.passages(run.id) for run in runs},
        {run.id: tx.sends.of_run(run.id) for run in runs},
    )


def _of(told: Told) -> tuple[object, ...]:
    return told.journey, told.key, told.at, told.state, told.step, told.due, told.converted


def _seen(run: Run) -> tuple[object, ...]:
    converted = run.converted_at is not None
    return run.journey, run.key, run.entered_at, run.state, run.step, run.due_at, converted


class OverMemory(Journeys):
    """Over the store in memory."""

    async def opened(self) -> Store:
        return MemoryState()

    def now_tx(self) -> Tx:
        assert isinstance(self.store.store, MemoryState)
        return self.store.store.now


class OverSqlite(Journeys):
    """Over SQLite."""

    async def opened(self) -> Store:
        def on_fatal(error: BaseException) -> None:
            raise error

        path = Path(self.folder.name) / "homing.db"
        return SqliteState(path, on_fatal=on_fatal, synchronous="OFF")

    def now_tx(self) -> Tx:
        assert isinstance(self.store.store, SqliteState)
        return self.store.store._tx

    async def closed(self) -> None:
        assert isinstance(self.store.store, SqliteState)
        with contextlib.suppress(Exception):
            await self.store.store.close()


def steps(examples: int) -> settings:
    """So many runs of 50 steps, the same each time."""
    return settings(
        max_examples=examples * (20 if SOAK else 1),
        stateful_step_count=50,
        deadline=None,
        derandomize=not SOAK,
    )


TestOverMemory = OverMemory.TestCase
TestOverMemory.settings = steps(40)
TestOverSqlite = OverSqlite.TestCase
TestOverSqlite.settings = steps(10)


class TestVariants:
    @pytest.mark.parametrize("variant", ["mail", "none"])
    def test_somebody_gets_each(self, variant: str) -> None:
        """
        Otherwise half of the model would be about nobody.
        """
        assert variant in VARIANTS.values()

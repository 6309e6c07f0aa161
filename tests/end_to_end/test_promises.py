"""
P2 to P6 as properties: the real stages over each store, every interleaving hypothesis can think of.

Events, evaluations, claims, answers, crashes, webhooks and time come in any order. The vendors are
models that remember all they were asked; at each call it is asked whether it may be.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import tempfile
from collections import Counter, defaultdict
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.support.process import Outside, Process
from tests.support.service import SOAK
from tests.support.stages import FakeLog, FixedClock, plans_of

from homing.adapters.memory.state import MemoryState
from homing.adapters.sqlite.state import SqliteState
from homing.core.effects import Dest, SendFlag, SendRow
from homing.core.events import iso_time, time_ms
from homing.core.outcomes import Answer
from homing.core.splitting import blanked
from homing.ports import Request, Store, Tx
from homing.processes.books import books_of

T = TypeVar("T")

CONFIG = """
[segment]
write_key = "${WRITE_KEY}"
[sendgrid]
api_key = "${API_KEY}"
from = "Acme <hello@acme.example>"
groups = { newsletter = 12345 }
unknown_after = "5m"
[suppression]
opt_out = [{ when = 'event = "Out"' }, { when = 'event = "Group Left"', group = "newsletter" }]
opt_in = [{ when = 'event = "In"' }]
[email.receipt]
template = "d-00000000000000000000000000000001"
class = "transactional"
[email.digest]
template = "d-00000000000000000000000000000002"
group = "newsletter"
[email.notice]
template = "d-00000000000000000000000000000003"
on_unknown = "drop"
[route.receipt]
when = 'event = "Ordered"'
send = "receipt"
[route.digest]
when = 'event = "Digest Due"'
send = "digest"
[route.notice]
when = 'event = "Notice Due"'
send = "notice"
"""
AT_MOST_ONCE = ("digest", "notice")
SENDS = ("Ordered", "Digest Due", "Notice Due")
OPTS = ("Out", "In", "Group Left")
# two of the users share an address: suppression is by address
ADDRESSES = {"u0": "a@x.io", "u1": "b@x.io", "u2": "b@x.io"}
HARD = ("bounce", "spamreport")
OPEN = ("reserved", "retry", "in_flight", "unknown")
MINUTE_MS = 60_000

users = st.sampled_from(sorted(ADDRESSES))


class Fate:
    """What may become of a call for mail: whether SendGrid took it, and what we get to see."""

    TAKEN = (True, Answer(headers_sent=True, status=202, headers={"X-Message-Id": "m"}))
    TAKEN_UNSEEN = (True, Answer(headers_sent=True, error="reset"))
    LOST = (False, Answer(headers_sent=True, error="timed out"))
    BAD_GATEWAY = (True, Answer(headers_sent=True, status=502))
    REFUSED = (False, Answer(headers_sent=False, error="connection refused"))
    BROKEN = (False, Answer(headers_sent=True, status=500))
    THROTTLED = (False, Answer(headers_sent=True, status=429, headers={"Retry-After": "3"}))
    INVALID = (False, Answer(headers_sent=True, status=400))
    FORBIDDEN = (False, Answer(headers_sent=True, status=401))

    ALL: ClassVar = (TAKEN, TAKEN_UNSEEN, LOST, BAD_GATEWAY, REFUSED, BROKEN, THROTTLED, INVALID,
                     FORBIDDEN)  # fmt: skip


@dataclass(slots=True)
class Wishes:
    """Who may be mailed, told again in a few lines: by address, the newest word of each list."""

    lists: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def hear(self, word: str, address: str) -> None:
        """Take one change, in the order in which they happen."""
        match word:
            case "Out" | "unsubscribe":
                self.lists["global"].add(address)
            case "In":
                self.lists["global"].discard(address)
            case "Group Left" | "group_unsubscribe":
                self.lists["newsletter"].add(address)
            case "group_resubscribe":
                self.lists["newsletter"].discard(address)
            case "bounce" | "spamreport":
                self.lists["hard"].add(address)

    def forbid(self, email: str, address: str) -> bool:
        """Whether this email may not go there."""
        of_email = {"receipt": (), "digest": ("global", "newsletter"), "notice": ("global",)}
        return any(address in self.lists[name] for name in ("hard", *of_email[email]))


@dataclass(slots=True)
class Call:
    """A call for mail that has no answer yet."""

    send: int
    address: str
    args: dict[str, str]
    answer: asyncio.Future[Answer]


@dataclass(slots=True)
class Mail:
    """Mail that SendGrid took."""

    send: int
    address: str
    args: dict[str, str]


class SendGrid:
    """Holds each call for mail until it is answered; remembers all."""

    def __init__(self, judge: Any) -> None:  # noqa: ANN401  called at each call
        self.pending: list[Call] = []
        self.taken: list[Mail] = []
        self.calls: Counter[int] = Counter()
        self.listed: set[tuple[str, str]] = set()
        self.is_well = True
        self._judge = judge

    async def call(self, method: str, path: str, body: bytes | None) -> Answer:
        """Answer a call for a list at once, one for mail later."""
        if path != "/v3/mail/send":
            return self._list(method, path, body)
        block = json.loads(body or b"")["personalizations"][0]
        args = block["custom_args"]
        number = int(args["homing_send"].partition("-")[0])
        answer = asyncio.get_running_loop().create_future()
        call = Call(number, block["to"][0]["email"], args, answer)
        self._judge(call)
        self.calls[number] += 1
        self.pending.append(call)
        return await call.answer

    def decide(self, call: Call, *, is_taken: bool, answer: Answer | None) -> None:
        """Let a call end; without an answer nobody is there any more to hear one."""
        self.pending.remove(call)
        if is_taken:
            self.taken.append(Mail(call.send, call.address, call.args))
        if answer is not None and not call.answer.done():
            call.answer.set_result(answer)

    def _list(self, method: str, path: str, body: bytes | None) -> Answer:
        if not self.is_well:
            return Answer(headers_sent=True, status=503)
        name = "newsletter" if "/groups/" in path else "global"
        if method == "POST":
            for address in json.loads(body or b"")["recipient_emails"]:
                self.listed.add((name, address))
            return Answer(headers_sent=True, status=201)
        self.listed.discard((name, path.rpartition("/")[2].replace("%40", "@")))
        return Answer(headers_sent=True, status=204)


class Segment:
    """Takes batches while it is well; knows each message once."""

    def __init__(self) -> None:
        self.is_well = True
        self.received: dict[str, dict[str, Any]] = {}

    async def call(self, _method: str, _path: str, body: bytes | None) -> Answer:
        """Take a batch, or not, or take it and let nobody know."""
        if not self.is_well:
            return Answer(headers_sent=True, status=503)
        for message in json.loads(body or b"")["batch"]:
            self.received.setdefault(message["messageId"], message)
        return Answer(headers_sent=True, status=200)


class Promises(RuleBasedStateMachine):
    """The machine; its subclasses say over which store."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = FixedClock()
        self.log = FakeLog()
        self.plans = plans_of("", CONFIG)
        self.sendgrid, self.segment = SendGrid(self.judge), Segment()
        self.numbers = itertools.count(1)
        self.sent_events: list[dict[str, Any]] = []
        self.engagement: list[dict[str, Any]] = []
        self.erased = False
        self.wishes = Wishes()  # of the whole log: evaluated before each batch of intents
        self.proved: set[int] = set()  # sends of which the log holds an event with our id
        self.store: Store = self.run(self.opened())
        self.start()

    async def opened(self) -> Store:
        raise NotImplementedError

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def start(self) -> None:
        """A process comes up on the store as it is."""
        outside = Outside(self.store, self.log, self.sendgrid, self.segment, self.clock, self.plans)
        self.process = Process(outside)
        self.run(self.process.start())

    def tx(self, job: Any) -> Any:  # noqa: ANN401  the job's own type
        return self.run(self.store.write(job))

    def rows(self) -> list[SendRow]:
        found: list[SendRow] = self.tx(
            lambda tx: tx.sends.newest(state=None, before=None, limit=100_000)
        )
        return found[::-1]

    # ---- what happens

    @rule(user=users, name=st.sampled_from(SENDS + OPTS), again=st.booleans())
    def a_customer_acts(self, user: str, name: str, *, again: bool) -> None:
        """An event arrives, perhaps twice."""
        event = {
            "type": "track", "userId": user, "event": name,
            "context": {"traits": {"email": ADDRESSES[user]}},
        }  # fmt: skip
        self._arrive(event)
        if again:
            self.log.append("segment/default", event, self.clock.now_ms())
        self.wishes.hear(name, ADDRESSES[user])

    @rule(user=users, name=st.sampled_from(SENDS))
    def a_visitor_acts(self, user: str, name: str) -> None:
        """An event arrives from somebody who is not known yet, or whose device is known."""
        self._arrive(
            {
                "type": "track", "anonymousId": f"device-{user}", "event": name,
                "context": {"traits": {"email": ADDRESSES[user]}},
            }
        )  # fmt: skip

    @rule(user=users, alias=st.booleans())
    def a_visitor_becomes_known(self, user: str, *, alias: bool) -> None:
        """Two persons become one, whatever is under way for either."""
        device = f"device-{user}"
        if alias:
            self._arrive({"type": "alias", "previousId": device, "userId": user})
        else:
            self._arrive({"type": "identify", "anonymousId": device, "userId": user})

    @precondition(lambda self: self.sent_events)
    @rule(data=st.data())
    def an_operator_replays(self, data: st.DataObject) -> None:
        """`homing replay`: an event is evaluated again, and nothing is sent again."""
        self._erase_from_the_log()
        numbers = [row.id for row in self.tx(lambda tx: tx.events.after(0, limit=100_000))]
        if numbers:
            self.run(self.process.evaluate.replay([data.draw(st.sampled_from(numbers))]))

    @rule(user=users)
    def a_customer_is_erased(self, user: str) -> None:
        """Segment's `delete`: what is stored of the person goes; an opt-out survives."""
        self._arrive({"type": "delete", "userId": user})
        self.erased = True

    def _erase_from_the_log(self) -> None:
        """What the log's writer does soon after an erasure."""
        for request, item in self.tx(lambda tx: tx.events.erasures(limit=100_000)):
            kept = self.log.request(request)
            assert kept is not None
            body = blanked(kept.body, [item])
            self.log.requests[request - 1] = Request(kept.seq, kept.received_ms, kept.source, body)

    def _arrive(self, event: dict[str, Any]) -> None:
        number = next(self.numbers)
        self.clock.forward(1_000)
        event |= {"messageId": f"m{number}", "properties": {"n": number}}
        self.sent_events.append(event)
        self.log.append("segment/default", event, self.clock.now_ms())

    @precondition(lambda self: self.sent_events)
    @rule(data=st.data())
    def segment_repeats_itself(self, data: st.DataObject) -> None:
        """An event that was taken long ago comes again."""
        event = data.draw(st.sampled_from(self.sent_events))
        self.log.append("segment/default", event, self.clock.now_ms())

    @precondition(lambda self: self.sendgrid.taken)
    @rule(
        data=st.data(),
        kind=st.sampled_from(
            ("processed", "delivered", "open", "unsubscribe", "group_unsubscribe",
             "group_resubscribe", *HARD)
        ),
        times=st.integers(1, 2),
        bare=st.booleans(),
    )  # fmt: skip
    def a_recipient_acts(self, data: st.DataObject, kind: str, times: int, *, bare: bool) -> None:
        """An event of SendGrid's about mail it took: any, in any order, perhaps twice."""
        mail = data.draw(st.sampled_from(self.sendgrid.taken))
        self.clock.forward(1_000)
        event = {
            "event": kind, "email": mail.address, "timestamp": self.clock.now_ms() // 1000,
            "sg_event_id": f"e{next(self.numbers)}", **({} if bare else mail.args),
        }  # fmt: skip
        if kind.startswith("group_"):
            event["asm_group_id"] = 12345
        self.engagement.append(event)
        for _ in range(times):
            self.log.append("sendgrid/default", [event], self.clock.now_ms())
        self.wishes.hear(kind, mail.address)
        if not bare:
            self.proved.add(mail.send)

    @rule()
    def evaluation_turns(self) -> None:
        """Some of the log is evaluated."""
        self.run(self.process.evaluate.evaluate_batch())

    @rule()
    def delivery_turns(self) -> None:
        """Heads are claimed and leave; every event in the log counts as known."""
        self.run(self.process.delivered())

    @precondition(lambda self: self.sendgrid.pending)
    @rule(data=st.data(), fate=st.sampled_from(Fate.ALL))
    def sendgrid_answers(self, data: st.DataObject, fate: tuple[bool, Answer]) -> None:
        """One call under way ends in some way."""
        call = data.draw(st.sampled_from(self.sendgrid.pending))
        self.sendgrid.decide(call, is_taken=fate[0], answer=fate[1])
        self.run(self.process.quiet())

    @rule(minutes=st.sampled_from((0.05, 1, 6, 60)))
    def time_passes(self, minutes: float) -> None:
        """Time, in which evidence could come, passes; waits end."""
        self.process.hear_for(minutes * 60)
        self.run(self.process.sweep.sweep())

    @rule(well=st.booleans())
    def others_turn(self, *, well: bool) -> None:
        """Calls home and calls for lists leave, or find nobody."""
        self.segment.is_well = self.sendgrid.is_well = well
        self.run(self.process.others_delivered())

    @rule(taken=st.lists(st.booleans(), min_size=16, max_size=16))
    def the_process_dies(self, taken: list[bool]) -> None:
        """All in memory is gone; of each call under way SendGrid took the mail, or not."""
        for call, is_taken in zip(list(self.sendgrid.pending), taken, strict=False):
            self.sendgrid.decide(call, is_taken=is_taken, answer=None)
        self.run(self.process.die())
        for call in self.sendgrid.pending:
            call.answer.cancel()
        self.sendgrid.pending.clear()
        self.start()

    @precondition(lambda self: any(name for name in self.pauses()))
    @rule()
    def somebody_resumes(self) -> None:
        """A key was mended."""
        for name in self.pauses():
            self.tx(lambda tx, name=name: tx.books.resume(name))
        self.process.deliver.resumed()

    def pauses(self) -> list[str]:
        return list(self.tx(lambda tx: tx.books.pauses()))

    # ---- what is promised

    def judge(self, call: Call) -> None:
        """Ask at the moment of a call whether it may be: P3, P4, P6."""
        rows = {row.id: row for row in self._rows_now()}
        row = rows[call.send]
        assert "in_flight" == row.state, f"P6: no intent on disk: {row}"
        # a claim waits for all of the log, and nothing arrives before its calls are made
        assert not self.wishes.forbid(row.email, call.address), f"P3: {row}"
        assert row.id not in self.proved, f"P6: SendGrid has said that it took {row}"
        assert call.send not in {one.send for one in self.sendgrid.pending}, f"P6: twice: {row}"
        before = [
            other for other in rows.values()
            if other.id != row.id and other.lane is not None and other.lane == row.lane
            and (other.id < row.id or other.state in ("in_flight", "unknown"))
        ]  # fmt: skip
        assert not before, f"P4: {row} overtakes {before}"
        if row.email in AT_MOST_ONCE:
            mails = sum(mail.send == row.id for mail in self.sendgrid.taken)
            assert 0 == mails, f"P6: {row} was taken before"
        if row.flags & SendFlag.RESENT:
            assert row.email == "receipt", f"P6: resent against its policy: {row}"

    def _rows_now(self) -> list[SendRow]:
        """The ledger at this moment, inside the running loop."""
        found: list[SendRow] = []
        tx = self.now_tx()
        found += tx.sends.newest(state=None, before=None, limit=100_000)
        return found

    def now_tx(self) -> Tx:
        raise NotImplementedError

    @invariant()
    def duplicates_are_recorded_unknowns(self) -> None:
        """P6: a mail was taken once, and once more for each unknown outcome the ledger admits."""
        mails = Counter(mail.send for mail in self.sendgrid.taken)
        for number, n in mails.items():
            if n > 1:
                attempts = self.tx(lambda tx, number=number: tx.sends.attempts(number))
                unknown = sum(attempt.outcome == "unknown" for attempt in attempts)
                assert n - 1 <= unknown, (number, n, attempts)

    @invariant()
    def books_balance(self) -> None:
        """P5: what was received is what became of it, and each count is that of its rows."""
        books = self.tx(lambda tx: books_of(tx, head=self.log.head()))
        events = dict(books.events)
        received, _ = events.pop("received"), events.pop("duplicates")
        assert received == sum(events.values()), books.events
        states = Counter(row.state for row in self.rows())
        assert states == {state: n for state, n in books.sends.items() if n}
        rows = self.tx(lambda tx: tx.events.after(0, limit=100_000))
        assert received == len(rows)
        of_segment = (row.message_id for row in rows if row.source == "segment/default")
        ids = [name for name in of_segment if name is not None]
        assert len(ids) == len(set(ids)), "P2: an event was evaluated twice"

    @invariant()
    def lanes_are_sound(self) -> None:
        """P4: each lane has one head, and nothing that ended is in one."""
        lanes: dict[int, list[SendRow]] = defaultdict(list)
        for row in self.rows():
            if row.lane is None:
                assert not row.head, row
                assert row.state not in OPEN or row.reason, row
            else:
                assert row.state in OPEN, row
                lanes[row.lane].append(row)
        for members in lanes.values():
            assert 1 == sum(row.head for row in members), members

    def teardown(self) -> None:
        """In the end all is well again: everything is done, or refused by name."""
        try:
            self.run(self._end())
            self._judge_the_end()
        finally:
            self.run(self.closed())
            self.runner.close()
            self.folder.cleanup()

    async def closed(self) -> None:
        """Let go of the store."""

    async def _end(self) -> None:
        process = self.process
        await process.evaluated()
        await self.store.write(lambda tx: [tx.books.resume(n) for n in list(tx.books.pauses())])
        self.segment.is_well = self.sendgrid.is_well = True
        for _ in range(60):
            if not await self._is_anything_left():
                return
            for stage in (process.deliver, process.write_back, process.suppress):
                stage.resumed()
            await process.delivered()
            for call in list(self.sendgrid.pending):
                self.sendgrid.decide(call, is_taken=True, answer=Fate.TAKEN[1])
            await process.quiet()
            process.hear_for(400)
            await process.sweep.sweep()
            await process.others_delivered()

    async def _is_anything_left(self) -> bool:
        def left(tx: Tx) -> bool:
            rows = tx.sends.newest(state=None, before=None, limit=100_000)
            dests = (Dest.SEGMENT, Dest.SUPPRESSIONS)
            return any(row.state in OPEN for row in rows) or any(
                tx.effects.ready(dest, after=0, limit=1) for dest in dests
            )

        return await self.store.write(left)

    def _judge_the_end(self) -> None:
        rows = self.rows()
        assert [] == [row for row in rows if row.state in OPEN], "still open"
        for dest in (Dest.SEGMENT, Dest.SUPPRESSIONS):
            ready = self.tx(lambda tx, dest=dest: tx.effects.ready(dest, after=0, limit=10))
            assert [] == ready, "still to be done"
        taken = Counter(mail.send for mail in self.sendgrid.taken)
        for row in rows:
            if row.state == "accepted":
                assert taken[row.id] >= 1, f"not taken: {row}"
            if row.state in ("skipped", "expired", "rejected"):
                assert row.reason
        self._judge_homecoming(rows)
        for name in ("global", "newsletter"):
            # what came from SendGrid is on its own list already, and is not told to it again
            wished = {e["event"]: None for e in self.engagement}
            if not wished.keys() & {"unsubscribe", "group_unsubscribe", "group_resubscribe"}:
                listed = {address for kind, address in self.sendgrid.listed if kind == name}
                assert self.wishes.lists[name] == listed

    def _judge_homecoming(self, rows: list[SendRow]) -> None:
        """P4: what came home of a person came in the order in which it was evaluated."""
        keys = {row.id: row.key for row in rows}
        evaluated: dict[int, list[tuple[str | None, str, str]]] = defaultdict(list)
        for event in self.tx(lambda tx: tx.events.after(0, limit=100_000)):
            of_sendgrid = event.source == "sendgrid/default" and event.person is not None
            if of_sendgrid and event.type != "processed":
                told = (keys.get(event.send), event.name, iso_time(event.at))
                evaluated[event.person].append(told)
        tracks = (m for m in self.segment.received.values() if m["type"] == "track")
        home = [
            (one["properties"].get("send_id"), one["event"], to_the_ms(one["timestamp"]))
            for one in tracks
        ]
        if not self.erased:
            assert sorted(home) == sorted(itertools.chain(*evaluated.values()))
        for person, told in evaluated.items():
            assert told == [one for one in home if one in set(told)], f"of person {person}"


def to_the_ms(text: str) -> str:
    """A time as the library of Segment's writes it, as we do."""
    at = time_ms(text)
    assert at is not None
    return iso_time(at)


class OverMemory(Promises):
    """Over the store in memory."""

    async def opened(self) -> Store:
        return MemoryState()

    def now_tx(self) -> Tx:
        assert isinstance(self.store, MemoryState)
        return self.store._tx


class OverSqlite(Promises):
    """Over SQLite."""

    async def opened(self) -> Store:
        def on_fatal(error: BaseException) -> None:
            raise error

        path = Path(self.folder.name) / "homing.db"
        return SqliteState(path, on_fatal=on_fatal, synchronous="OFF")

    def now_tx(self) -> Tx:
        assert isinstance(self.store, SqliteState)
        return self.store._tx

    async def closed(self) -> None:
        assert isinstance(self.store, SqliteState)
        with contextlib.suppress(Exception):
            await self.store.close()


def steps(examples: int) -> settings:
    """So many runs of 40 steps, the same each time."""
    return settings(
        max_examples=examples * (20 if SOAK else 1),
        stateful_step_count=40,
        deadline=None,
        derandomize=not SOAK,
    )


TestOverMemory = OverMemory.TestCase
TestOverMemory.settings = steps(60)
TestOverSqlite = OverSqlite.TestCase
TestOverSqlite.settings = steps(15)

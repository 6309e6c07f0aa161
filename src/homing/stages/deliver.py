"""
Deliver: claim -> intent -> send -> outcome.

The intent is on disk before the first byte leaves: after a crash an open intent is unknown,
never "not sent". Sends fly side by side, one per lane; a slow one holds nobody else's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, assert_never

from homing.core import ledger, mail
from homing.core.backoff import next_delay_s
from homing.core.effects import CAPTURED, ClaimedSend, Dest, SendRow
from homing.core.errors import HomingError
from homing.core.ledger import SendSignal, SendState
from homing.core.outcomes import (
    Delivered,
    Outcome,
    Paused,
    Rejected,
    RetryLater,
    Scope,
    Unknown,
    outcome_of,
)
from homing.core.plans import Plans
from homing.log import (
    SEND_ACCEPTED,
    SEND_POSTPONED,
    SEND_REJECTED,
    log,
)
from homing.ports import Attempt
from homing.stages import act, admit, compose, crash, moves
from homing.stages.circuit import OURS, Circuit, StageBroken, got_through, pause

if TYPE_CHECKING:
    from homing.core.outcomes import Answer
    from homing.ports import Api, Clock, Pause, Renderer, Store, Tx
    from homing.stages.health import Health
    from homing.stages.look_up import LookUp, Question
    from homing.stages.rate import Rate

MAIL_PATH = "/v3/mail/send"
FIRST_PROBE_MS, LAST_PROBE_MS = 1_000, 30_000
FOREVER = 1 << 62
# while ticks are later than this, only transactional mail leaves
TICKS_LATE_MS = 1_000
# how long one turn waits for evaluation: a loop that is silent for long counts as stuck
PATIENCE_S = 5.0
# how long to sleep when nothing may leave; whatever lands or resumes wakes
HELD_S = 0.25


@dataclass(frozen=True, slots=True)
class Post:
    """The emails of the configuration, ready to be filled in."""

    plans: Plans
    heads: dict[str, mail.Letterhead]

    @classmethod
    def of(cls, plans: Plans) -> Post:
        """Build every letterhead once."""
        return cls(plans, {name: mail.letterhead_of(e) for name, e in plans.emails.items()})


@dataclass(slots=True)
class _Back:
    """What an attempt came to, and when it had left."""

    claimed: ClaimedSend
    outcome: Outcome
    left_at: int


@dataclass(slots=True)
class _Probing:
    """When a paused email is tried again, and how long after that."""

    due_at: int
    delay_ms: int = FIRST_PROBE_MS


@dataclass(slots=True)
class Deliverer:
    """
    The stage.

    Args:
        caught_up: Waits until every event that is in the log at the call has been evaluated
            (promise P3).

        connections: How many sends may fly at once.

        capture: Nothing leaves; every email counts as delivered.

        ticks_late_ms: For how long the next tick has been due.

        look_up: Asks for what a send lacks before it is claimed; None: it goes without.
    """

    store: Store
    api: Api
    clock: Clock
    post: Post
    rate: Rate
    health: Health
    renderer: Renderer
    caught_up: Callable[[], Awaitable[None]]
    connections: int
    capture: bool = False
    ticks_late_ms: Callable[[], int] = lambda: 0
    look_up: LookUp | None = None
    circuit: Circuit = field(init=False)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    flying: set[asyncio.Task[None]] = field(default_factory=set)
    next_due_ms: int | None = None
    _held: bool = False
    _heeded: Post | None = None  # the one by which journeys that were paused went on
    _catching_up: asyncio.Future[None] | None = None
    _launching: asyncio.Task[int] | None = None
    _landed: list[_Back] = field(default_factory=list)
    _recording: asyncio.Task[None] | None = None
    _probes: dict[str, _Probing] = field(default_factory=dict)  # of emails that are paused
    _broken: BaseException | None = None

    def __post_init__(self) -> None:
        self.circuit = Circuit(Dest.MAIL, self.clock)

    async def deliver_batch(self) -> int:
        """
        Send the heads of the lanes that are due, as many as may fly.

        Returns:
            How many were claimed; 0 lets the caller sleep until woken or due.
        """
        broken = self._broken or (self.look_up and self.look_up.broken)
        if broken:
            msg = "an outcome could not be recorded"
            raise StageBroken(msg) from broken
        limit, now = self._allowed()
        self._held = limit <= 0
        if self._held or not await self._is_caught_up():
            return 0
        # Not cancelled with the turn: what has its intent on disk must fly, or it is unknown.
        self._launching = asyncio.create_task(self._launch(limit, now), name="launch sends")
        return await asyncio.shield(self._launching)

    def idle_s(self) -> float:
        """How long to sleep: until the next send is due, or the budget allows one more."""
        if self._held:
            return max(HELD_S, self.rate.wait_s())
        if self.next_due_ms is None:
            return 1.0
        due_s = max(0.0, (self.next_due_ms - self.clock.now_ms()) / 1000)
        return max(due_s, self.rate.wait_s(), 0.005)

    async def land(self) -> None:
        """Wait until nothing flies and every outcome is recorded."""
        looking = set() if self.look_up is None else self.look_up.tasks
        while waiting := [
            *self.flying, *looking, *filter(None, (self._launching, self._recording))
        ]:  # fmt: skip
            await asyncio.wait(waiting)

    async def _is_caught_up(self) -> bool:
        """Wait for evaluation, a while each turn, for the same end from turn to turn."""
        if self._catching_up is None:
            self._catching_up = asyncio.ensure_future(self.caught_up())
        await asyncio.wait((self._catching_up,), timeout=PATIENCE_S)
        if not self._catching_up.done():
            return False
        reached, self._catching_up = self._catching_up, None
        reached.result()
        return True

    async def _launch(self, limit: int, until: int) -> int:
        post = self.post
        try:
            claimed, questions = await self.store.write(
                lambda tx: self._claim(tx, limit, until=until)
            )
            if self.look_up is not None:
                self.look_up.start(questions, self.wake.set)
            if claimed:
                crash.reached(crash.AFTER_INTENT)
            for one in claimed:
                task = asyncio.create_task(self._fly(one, post))
                self.flying.add(task)
                task.add_done_callback(self._flown)
            return len(claimed) + len(questions)
        finally:
            self._launching = None

    def _allowed(self) -> tuple[int, int]:
        """How many may start now, and up to which due time a head is looked for."""
        room = self.circuit.allowance(in_flight=len(self.flying), most=self.connections)
        # a probe asks the API, not the send: any head will do, due or not
        until = FOREVER if self.circuit.is_probing else self.clock.now_ms()
        return min(room, self.rate.available()), until

    def _claim(self, tx: Tx, limit: int, *, until: int) -> tuple[list[ClaimedSend], list[Question]]:
        """Ask the gate once more of every head, and write the intents; what to look up first."""
        self.next_due_ms = None
        in_flight = len(self.flying)
        limit = self.circuit.granted(tx, limit, in_flight=in_flight, is_waited=_has_heads)
        if limit <= 0:
            return [], []
        now = self.clock.now_ms()
        self._return_deferred(tx, now=now)
        pauses = tx.books.pauses()
        rows = self._probes_of(tx, pauses, now=now)[:limit]
        probes = {row.id for row in rows}
        if limit > len(rows):
            # ticks that are late may have something to say of what is marketing
            marketing = self.ticks_late_ms() <= TICKS_LATE_MS
            left = limit - len(rows)
            rows += tx.sends.claimable(now=until, limit=left, marketing=marketing)
        questions: list[Question] = []
        if self.look_up is not None:
            rows, questions = self.look_up.divert(tx, rows, now=now)
        gate = admit.Gatekeeper(tx, self.post.plans, now, pauses)
        probing = admit.Gatekeeper(tx, self.post.plans, now, {})
        asked = (
            (probing if row.id in probes else gate).admitted(row)
            for row in rows
            if not gate.must_wait_for_ticks(row)
        )
        claimed = [one for one in asked if one is not None]
        if claimed:
            crash.reached(crash.BEFORE_INTENT)
            self._intend(tx, claimed, now=now)
        self.next_due_ms = _earlier(tx.sends.next_due(), tx.sends.next_deferred())
        return claimed, questions

    def _return_deferred(self, tx: Tx, *, now: int) -> None:
        """Put back into their lanes what a rule let wait, and lets wait no longer."""
        if self._heeded is not self.post:
            admit.resume_journeys(tx, self.post.plans, now=now)
            self._heeded = self.post
        admit.return_deferred(tx, now=now)

    def _probes_of(self, tx: Tx, pauses: Mapping[str, Pause], *, now: int) -> list[SendRow]:
        """One of what stepped aside for each email that we paused, now and then."""
        rows: list[SendRow] = []
        for name, standing in pauses.items():
            email = name.removeprefix(admit.OF_EMAIL)
            if email == name or standing.by != OURS:
                continue
            probing = self._probes.setdefault(name, _Probing(now))
            if now >= probing.due_at:
                rows += tx.sends.aside(email, limit=1)
                probing.delay_ms = min(2 * probing.delay_ms, LAST_PROBE_MS)
                probing.due_at = now + probing.delay_ms
        return rows

    def _intend(self, tx: Tx, claimed: list[ClaimedSend], *, now: int) -> None:
        for one in claimed:
            moves.move(tx, one.row, SendState.IN_FLIGHT)
            one.row.attempt += 1
        tx.sends.intend(*(one.row.id for one in claimed), now=now)
        self.rate.take(len(claimed))

    async def _fly(self, claimed: ClaimedSend, post: Post) -> None:
        try:
            body = await self._composed(claimed, post)
        except Exception as error:  # noqa: BLE001  nothing left, and this send alone is at fault
            outcome: Outcome = Rejected(_told(error))
            left_at = 0  # it has asked the API nothing
        else:
            left_at = self.clock.now_ms()
            outcome = await self._posted(claimed.row, body)
            self.circuit.heed(outcome)
        crash.reached(crash.AFTER_ACCEPT)
        self._landed.append(_Back(claimed, outcome, left_at))
        if self._recording is None:
            self._recording = asyncio.create_task(self._record(), name="record outcomes")

    async def _composed(self, claimed: ClaimedSend, post: Post) -> bytes:
        email = post.plans.emails[claimed.row.email]
        rendered = None
        if email.template is None:
            rendered = await self.renderer.email(email, claimed.data)
        return compose.body_of(post.heads[email.name], claimed, rendered)

    async def _posted(self, row: SendRow, body: bytes) -> Outcome:
        if self.capture:
            return Delivered(f"{CAPTURED}{row.key}")
        answer: Answer = await self.api.call("POST", MAIL_PATH, body)
        outcome = outcome_of(answer, now_ms=self.clock.now_ms())
        self.rate.heed(answer, outcome)
        return outcome

    def _flown(self, task: asyncio.Task[None]) -> None:
        self.flying.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._broken = task.exception()
            self.wake.set()

    async def _record(self) -> None:
        """Record what has landed, until nothing has; what lands meanwhile shares a commit."""
        try:
            while self._landed:
                landed, self._landed = self._landed, []
                await self.store.write(lambda tx, landed=landed: self._settle(tx, landed))  # type: ignore[misc]
                crash.reached(crash.AFTER_OUTCOME)
                self.wake.set()
        except Exception as error:  # noqa: BLE001  raised by the next turn: this process must end
            # their intents stay open: the next start makes them unknown, never sent again blindly
            self._broken = error
            self.wake.set()
        finally:
            self._recording = None

    def _settle(self, tx: Tx, landed: list[_Back]) -> None:
        now = self.clock.now_ms()
        paused = bool(tx.books.pauses())
        accepted = self._accept(tx, landed, now=now)
        for back in landed:
            if paused and isinstance(back.outcome, Delivered | Rejected):
                self._end_pauses(tx, back, now=now)
            if back.claimed.row.id not in accepted:
                self._settle_one(tx, back.claimed.row, back.outcome, now=now)

    def _end_pauses(self, tx: Tx, back: _Back, *, now: int) -> None:
        """It got through: whatever was wrong with the key, the account or the sender is mended."""
        got_through(tx, Dest.MAIL, left_at_ms=back.left_at)
        email = back.claimed.row.email
        if got_through(tx, admit.OF_EMAIL + email, left_at_ms=back.left_at):
            self._probes.pop(admit.OF_EMAIL + email, None)
            act.put_back(tx, email, now_ms=now)

    def _settle_one(self, tx: Tx, flown: SendRow, outcome: Outcome, *, now: int) -> None:
        row = tx.sends.get(flown.id)
        if row is None:
            return  # retention took it meanwhile
        self._move_on(tx, row, outcome, now=now)
        if row.address is None:
            # its person was erased while it was under way: what was said of it may name them
            tx.sends.erase(row.id)

    def _move_on(self, tx: Tx, row: SendRow, outcome: Outcome, *, now: int) -> None:
        match outcome:
            case Delivered(message_id=message_id):
                moves.accepted(tx, row, message_id, now=now, silent_ms=self._silent_ms())
            case RetryLater():
                self._postpone(tx, row, outcome, now=now)
            case Rejected(reason=reason):
                moves.end(tx, row, SendSignal.REJECT, reason=reason, now=now)
                log.warning(SEND_REJECTED, send=row.key, rule=row.rule, reason=reason)
            case Unknown(reason=reason):
                self._lose(tx, row, reason, now=now)
            case Paused():
                self._pause(tx, row, outcome, now=now)
            case _:
                assert_never(outcome)

    def _accept(self, tx: Tx, landed: list[_Back], *, now: int) -> set[int]:
        """The usual case, in as few statements as it takes; which sends that was."""
        message_ids = {
            back.claimed.row.id: back.outcome.message_id
            for back in landed
            if isinstance(back.outcome, Delivered)
        }
        if not message_ids:
            return set()
        silent_due = None if self.capture else now + self._silent_ms()
        accepted = tx.sends.accept(message_ids, now=now, silent_due=silent_due)
        tx.books.count(f"sends:{SendState.IN_FLIGHT}", -len(accepted))
        tx.books.count(f"sends:{SendState.ACCEPTED}", len(accepted))
        for back in landed:
            if back.claimed.row.id in accepted:
                log.debug(SEND_ACCEPTED, send=back.claimed.row.key, rule=back.claimed.row.rule)
        return accepted

    def _silent_ms(self) -> int:
        return int(self.post.plans.silent_after_s * 1000)

    def _postpone(self, tx: Tx, row: SendRow, outcome: RetryLater, *, now: int) -> None:
        state = ledger.after(SendState(row.state), SendSignal.POSTPONE)
        if state is not SendState.RETRY:
            return
        down = self.circuit.is_down
        if down or not outcome.counts or outcome.unreachable:
            # the destination's trouble, not this send's: it burns no attempt
            row.attempt = max(0, row.attempt - 1)
        else:
            tx.sends.add_attempt(row.id, Attempt(row.attempt, now, "retry", outcome.reason))
        if outcome.after_s is not None:
            row.due_at = now + int(outcome.after_s * 1000)
        elif down:
            row.due_at = now
        else:
            delay = next_delay_s(row.attempt, self.clock.chance())
            row.due_at = now + int(delay * 1000)
        row.reason = outcome.reason
        moves.move(tx, row, state)
        tx.sends.save(row)
        log.info(SEND_POSTPONED, send=row.key, attempt=row.attempt, reason=outcome.reason)

    def _lose(self, tx: Tx, row: SendRow, reason: str, *, now: int) -> None:
        state = ledger.after(SendState(row.state), SendSignal.LOSE)
        if state is not SendState.UNKNOWN:
            return
        moves.lose(tx, row, reason, now=now, healthy_ms=self.health.healthy_ms(),
             wait_ms=int(self.post.plans.unknown_after_s * 1000))  # fmt: skip

    def _pause(self, tx: Tx, row: SendRow, outcome: Paused, *, now: int) -> None:
        state = ledger.after(SendState(row.state), SendSignal.POSTPONE)
        if state is not SendState.RETRY:
            return
        row.attempt = max(0, row.attempt - 1)
        row.due_at, row.reason = now, outcome.reason
        if outcome.scope is Scope.EMAIL:
            row.lane, row.head = None, 0
            name = admit.OF_EMAIL + row.email
            self._probes.setdefault(name, _Probing(now + FIRST_PROBE_MS))
        else:
            name = Dest.MAIL.value
        moves.move(tx, row, state)
        tx.sends.save(row)
        pause(tx, name, outcome.reason, now_ms=now)

    def resumed(self) -> None:
        """Somebody ended a pause, or gave another key: try at once."""
        self._probes.clear()
        self.circuit.reset()
        self.wake.set()


def _earlier(first: int | None, second: int | None) -> int | None:
    return min((due for due in (first, second) if due is not None), default=None)


def _has_heads(tx: Tx) -> bool:
    return tx.sends.next_due() is not None


def _told(error: Exception) -> str:
    """Why a send could not be composed; our own errors say it themselves."""
    return str(error) if isinstance(error, HomingError) else f"{type(error).__name__}: {error}"

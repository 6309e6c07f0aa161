"""
Contacts: people become Marketing contacts, and get on and off lists, in batches.

SendGrid takes a batch and works on it by and by. A *job* is on disk from before its call until
SendGrid says that it is done; only then its effects are. A job whose call nobody knows the answer
of is called again: an address is written, or is on a list, or it is not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, assert_never

from msgspec.structs import replace

from homing.core.backoff import next_delay_s
from homing.core.effects import Dest, Effect
from homing.core.marketing.jobs import Job, JobKind
from homing.core.marketing.works import ERASE, Work, address_in, by_lists, list_in, ready_of
from homing.core.outcomes import Delivered, Paused, Rejected, RetryLater, Unknown
from homing.stages.circuit import Circuit, StageBroken, got_through, pause
from homing.stages.contact_jobs import ContactJobs, Trouble
from homing.stages.unlist import Unlisting

if TYPE_CHECKING:
    from homing.core.marketing.members import ListMember
    from homing.core.outcomes import Outcome
    from homing.core.plans import Plans
    from homing.ports import Clock, Files, Store, Tx
    from homing.stages.asking import Asker

# design 12: "flush at 1,000 or 5 s"
FLUSH_AT = 1_000
FLUSH_AFTER_MS = 5_000
# with more jobs open than this, batches grow: each is asked for once a minute
FEW_JOBS = 8
MAX_CONTACTS = 30_000
# an unlisted contact is looked up by its address, so many a call
MAX_LOOKED_UP = 100
# one look at what waits: so long that nobody notices, and a batch is full
READ = 500
MOST_READ = 2_500
MOST_READ_BYTES = 8 << 20
LOOK_AGAIN_MS = 500
# looking may take this share of the time
LOOKING_SHARE = 0.05
# so many failures of a job while others get through, and it is its own fault
MAX_FAILURES = 5
# of one round: then it is the API's fault
MAX_FAILED_JOBS = 2
PATIENCE_S = 5.0
TRIES = 2
LAND_S = 3.0


@dataclass(slots=True)
class Contacts:
    """
    The stage: one call at a time, for the API's budget is a few calls a second.

    Args:
        plans: The plans in force.

        files: Reads what a job says went wrong.

        land_s: How long `land` waits for what is under way.
    """

    store: Store
    asker: Asker
    files: Files
    clock: Clock
    plans: Plans
    capture: bool = False
    land_s: float = LAND_S
    circuit: Circuit = field(init=False)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    jobs: ContactJobs = field(init=False)
    unlisting: Unlisting = field(init=False)
    _working: asyncio.Task[None] | None = None
    _not_before_ms: int = 0
    _read_at_ms: int = 0
    _failures: int = 0
    _broken: BaseException | None = None
    # where the next look at what waits begins, and what waits before that
    _after: int = 0
    _blocked: set[object] = field(default_factory=set)
    # when a job of each kind last got through
    _passed_at: dict[JobKind, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.circuit = Circuit(Dest.CONTACTS, self.clock)
        # what takes longer is tried again from the store, so that nothing hangs on it
        self.asker.patience_s, self.asker.tries = PATIENCE_S, TRIES
        self.jobs = ContactJobs(self.store, self.asker, self.files, self.clock, self.plans)
        self.unlisting = Unlisting(self.jobs)

    def use(self, plans: Plans) -> None:
        """Work by other plans from the next call on."""
        self.plans = plans
        self.jobs.use(plans)

    async def deliver_batch(self) -> int:
        """
        Start on what is ripe and what is due.

        Returns:
            How many jobs; 0 lets the caller sleep until woken or due.
        """
        if self._broken is not None:
            msg = "what came of a call could not be recorded"
            raise StageBroken(msg) from self._broken
        if self._working is not None or self._now_ms() < self._not_before_ms:
            return 0
        if self.circuit.allowance(in_flight=0, most=1) <= 0:
            return 0
        due = await self._due()
        if not due:
            return 0
        self._working = asyncio.create_task(self._work(due), name="contacts")
        self._working.add_done_callback(self._worked)
        return len(due)

    async def land(self) -> None:
        """Wait a moment until nothing is under way: what is not done by then is done anew."""
        if self._working is not None:
            _, late = await asyncio.wait([self._working], timeout=self.land_s)
            for task in late:
                task.cancel()
                await asyncio.wait([task])

    def resumed(self) -> None:
        """Somebody ended the pause: try at once."""
        self._not_before_ms, self._failures = 0, 0
        self.circuit.reset()
        self.wake.set()

    def _now_ms(self) -> int:
        """A clock that never jumps."""
        return int(self.clock.monotonic_s() * 1000)

    # -- what is to be done

    async def _due(self) -> list[Job]:
        jobs = await self.store.write(self._open)
        if jobs is None:
            return []
        now = self.clock.now_ms()
        if self._now_ms() >= self._read_at_ms:
            began_s = self.clock.monotonic_s()
            jobs += await self._made(jobs, now)
            took_ms = (self.clock.monotonic_s() - began_s) * 1000
            self._read_at_ms = self._now_ms() + max(LOOK_AGAIN_MS, int(took_ms / LOOKING_SHARE))
        jobs.sort(key=lambda job: job.due_at)
        due = [job for job in jobs if job.due_at <= now]
        return (due or jobs)[:1] if self.circuit.is_probing else due

    def _open(self, tx: Tx) -> list[Job] | None:
        """Jobs that are not over; None while nothing may leave."""
        if self.capture:
            _captured(tx)
            return None
        if self.circuit.granted(tx, 1, in_flight=0, is_waited=_is_any_ready) <= 0:
            return None
        return tx.jobs.all()

    async def _made(self, jobs: list[Job], now: int) -> list[Job]:
        """What is ripe, as new jobs."""
        busy = {key for job in jobs for key in (*job.addresses, *job.lanes)} | self._blocked
        waiting = await self._waiting()
        ready = ready_of(
            waiting.effects, lambda name, address: waiting.rows.get((name, address)), busy=busy,
            is_due=lambda effect: effect.due_at <= now,
        )  # fmt: skip
        if ready.stale:
            await self.store.write(lambda tx: _done(tx, ready.stale))
        if ready.works and not self._is_ripe(ready.works, len(jobs), now):
            return []
        # what waits behind jobs that take long does not hide what comes after it
        self._after = 0 if waiting.is_all else waiting.effects[-1].id
        self._blocked = set() if waiting.is_all else ready.blocked
        return [
            await self.store.write(partial(_kept, job=job)) for job in _jobs_of(ready.works, now)
        ]

    async def _waiting(self) -> _Waiting:
        """As many as are worth a look at once, read in slices, for others wait for each."""
        waiting, size, after = _Waiting(), 0, self._after
        while len(waiting.effects) < MOST_READ and size < MOST_READ_BYTES:
            ready = await self.store.write(partial(_slice, after=after, rows=waiting.rows))
            waiting.effects += ready
            size += sum(len(effect.payload) for effect in ready)
            if len(ready) < READ:
                waiting.is_all = True
                break
            after = ready[-1].id
        return waiting

    def _is_ripe(self, works: list[Work], jobs: int, now: int) -> bool:
        slack = max(1, jobs - FEW_JOBS)
        oldest = min(work.oldest_ms for work in works)
        return (
            self.circuit.is_probing
            or len(works) >= min(FLUSH_AT * slack, MOST_READ)
            or now - oldest >= FLUSH_AFTER_MS * slack
        )

    # -- doing it

    async def _work(self, due: list[Job]) -> None:
        left_at_ms, failed, passed = self.clock.now_ms(), 0, 0
        for job in due:
            try:
                await self._attend(job)
            except Trouble as trouble:
                failed += 1
                if failed >= MAX_FAILED_JOBS or not await self._set_aside(job, trouble.outcome):
                    await self._stop(trouble.outcome, job)
                    break
            else:
                passed += 1
                self._passed_at[job.kind] = self.clock.now_ms()
                self.circuit.heed(Delivered())
        else:
            self._failures = 0
        if passed:
            await self.store.write(lambda tx: got_through(tx, Dest.CONTACTS, left_at_ms=left_at_ms))

    async def _attend(self, job: Job) -> None:
        try:
            match job.kind:
                case JobKind.UPSERT:
                    await self.jobs.attend(job)
                case JobKind.UNLIST:
                    await self.unlisting.unlist(job)
                case JobKind.ERASE:
                    await self.unlisting.erase(job)
                case _:
                    assert_never(job.kind)
        except Trouble as trouble:
            if not isinstance(trouble.outcome, Rejected):
                raise
            await self._isolate(job, trouble.outcome.reason)

    async def _isolate(self, job: Job, reason: str) -> None:
        """Something in a job is at fault: find out what, so that only that is dead."""
        fresh = await self._fresh(job)
        if fresh is not None and len(fresh.addresses) > 1:
            await self.jobs.split(fresh)
        elif fresh is not None:
            await self.jobs.settle(fresh, dead=dict.fromkeys(fresh.addresses, reason))

    async def _fresh(self, job: Job) -> Job | None:
        """A job as it is kept now."""
        jobs = await self.store.write(lambda tx: tx.jobs.all())
        return next((one for one in jobs if one.number == job.number), None)

    async def _set_aside(self, job: Job, outcome: Outcome) -> bool:
        """
        Let the others go on while the API does not cope with one job; False: it is not the job.

        One that fails while others of its kind get through is taken apart, until what is left of
        it is dead alone.
        """
        is_job = isinstance(outcome, RetryLater) and outcome.counts and not outcome.unreachable
        fresh = await self._fresh(job) if is_job and not self.circuit.is_down else None
        if fresh is None or not isinstance(outcome, RetryLater):
            return False
        self.circuit.heed(outcome)
        now, failures = self.clock.now_ms(), fresh.failures + 1
        failed_at = now if fresh.failed_at is None else fresh.failed_at
        is_alone_at_fault = self._passed_at.get(job.kind, failed_at) > failed_at
        if len(fresh.addresses) > 1 and (is_alone_at_fault or await self._may_part(fresh)):
            await self.jobs.split(fresh)
        elif failures >= MAX_FAILURES and is_alone_at_fault:
            reason = f"{outcome.reason}: {failures} times, while others got through"
            await self.jobs.settle(fresh, dead=dict.fromkeys(fresh.addresses, reason))
        else:
            wait_s = outcome.after_s or next_delay_s(min(failures, 3), self.clock.chance())
            due_at = now + int(wait_s * 1000)
            await self.jobs.save(
                replace(fresh, failures=failures, failed_at=failed_at, due_at=due_at)
            )
        return True

    async def _may_part(self, job: Job) -> bool:
        """Whether a job that fails is the only one of its kind: its halves tell of each other."""
        jobs = await self.store.write(lambda tx: tx.jobs.all())
        return job.failures >= 2 and sum(one.kind is job.kind for one in jobs) == 1

    async def _stop(self, outcome: Outcome, job: Job) -> None:
        """After trouble that is of no one contact: wait, or pause until a person mends it."""
        self.circuit.heed(outcome)
        self._failures += 1
        match outcome:
            case Paused(reason=reason):
                now = self.clock.now_ms()
                await self.store.write(partial(_paused, reason=reason, job=job, now=now))
            case RetryLater(after_s=after_s):
                wait_s = after_s
                if wait_s is None and not self.circuit.is_down:
                    wait_s = next_delay_s(min(self._failures, 4), self.clock.chance())
                self._not_before_ms = self._now_ms() + int((wait_s or 0.0) * 1000)
            case Delivered() | Rejected() | Unknown():
                self._not_before_ms = self._now_ms() + FLUSH_AFTER_MS
            case _:
                assert_never(outcome)

    def _worked(self, task: asyncio.Task[None]) -> None:
        self._working = None
        if not task.cancelled():
            self._broken = task.exception() or self._broken
        self.wake.set()


def _jobs_of(works: list[Work], now: int) -> Iterator[Job]:
    of = {kind: [work for work in works if work.kind is kind] for kind in JobKind}
    for lists, group in by_lists(of[JobKind.UPSERT]).items():
        for part in _parts(group, MAX_CONTACTS):
            yield _job(JobKind.UPSERT, part, _effects(part), lists=lists, now=now)
    for name in sorted({name for work in of[JobKind.UNLIST] for name in work.unlist}):
        listed = [work for work in of[JobKind.UNLIST] if name in work.unlist]
        for part in _parts(listed, MAX_LOOKED_UP):
            numbers = [number for work in part for number in work.unlist[name]]
            yield _job(JobKind.UNLIST, part, numbers, lists=(name,), now=now)
    for part in _parts(of[JobKind.ERASE], MAX_LOOKED_UP):
        yield _job(JobKind.ERASE, part, _effects(part), lists=(), now=now)


def _effects(works: list[Work]) -> list[int]:
    return [number for work in works for number in work.effects]


def _job(
    kind: JobKind, works: list[Work], effects: list[int], *, lists: Iterable[str], now: int
) -> Job:
    lanes = {lane for work in works for lane in work.lanes}
    return Job(
        0, kind, now, now, tuple(effects), tuple(work.address for work in works),
        tuple(sorted(lanes)), tuple(sorted(lists)),
    )  # fmt: skip


def _parts(works: list[Work], most: int) -> Iterator[list[Work]]:
    for start in range(0, len(works), most):
        yield works[start : start + most]


def _kept(tx: Tx, *, job: Job) -> Job:
    """A job on disk before its call; its effects are nobody else's."""
    taken = tx.effects.sent(job.effects)
    tx.books.count("effects:contacts:ready", -taken)
    tx.books.count("effects:contacts:sent", taken)
    return tx.jobs.add(job)


def _done(tx: Tx, numbers: list[int]) -> None:
    done = tx.effects.done(numbers)
    tx.books.count("effects:contacts:ready", -done)
    tx.books.count("effects:contacts:done", done)


def _captured(tx: Tx) -> None:
    """Nothing leaves: what was asked for is done, but for erasures, which wait."""
    done: list[int] = []
    for effect in tx.effects.ready(Dest.CONTACTS, after=0, limit=MOST_READ):
        if effect.kind != ERASE:
            done.append(effect.id)
            name = list_in(effect)
            if name is not None:
                # nobody has been told: a comparison does it once something leaves
                tx.members.tell(name, [address_in(effect)], told=None, at=effect.made_at)
    _done(tx, done)


def _paused(tx: Tx, *, reason: str, job: Job, now: int) -> None:
    """Nothing leaves for a while: what no call has taken, not even that of *job*, is ready."""
    pause(tx, Dest.CONTACTS, reason, now_ms=now)
    for one in tx.jobs.all():
        # of any other an earlier call may have come to something
        is_uncalled = not one.calls or (one.number == job.number and not job.calls)
        if is_uncalled and one.remote is None and not one.looks and not one.removed:
            back = tx.effects.unsent(one.effects)
            tx.books.count("effects:contacts:sent", -back)
            tx.books.count("effects:contacts:ready", back)
            tx.jobs.drop(one.number)


def _is_any_ready(tx: Tx) -> bool:
    return bool(tx.effects.ready(Dest.CONTACTS, after=0, limit=1)) or bool(tx.jobs.all())


@dataclass(slots=True)
class _Waiting:
    """Effects not yet done, in order; the rows they are about; whether that is all of them."""

    effects: list[Effect] = field(default_factory=list)
    rows: dict[tuple[str, str], ListMember] = field(default_factory=dict)
    is_all: bool = False


def _slice(tx: Tx, *, after: int, rows: dict[tuple[str, str], ListMember]) -> list[Effect]:
    effects = tx.effects.ready(Dest.CONTACTS, after=after, limit=READ)
    for effect in effects:
        name = list_in(effect)
        row = None if name is None else tx.members.get(name, address_in(effect))
        if row is not None:
            rows[row.list_name, row.address] = row
    return effects

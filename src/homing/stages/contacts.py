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
from typing import TYPE_CHECKING, assert_never

from homing.core.backoff import next_delay_s
from homing.core.effects import Dest, Effect
from homing.core.marketing.jobs import Job, JobKind
from homing.core.marketing.works import ERASE, Work, by_lists, works_of
from homing.core.outcomes import Delivered, Paused, Rejected, RetryLater, Unknown
from homing.stages.circuit import Circuit, StageBroken, got_through, pause
from homing.stages.contact_jobs import ContactJobs, Trouble
from homing.stages.unlist import Unlisting

if TYPE_CHECKING:
    from homing.core.outcomes import Outcome
    from homing.core.plans import Plans
    from homing.ports import Clock, Files, Store, Tx
    from homing.stages.asking import Asker

# design 12: "flush at 1,000 or 5 s"
FLUSH_AT = 1_000
FLUSH_AFTER_MS = 5_000
MAX_CONTACTS = 30_000
# an unlisted contact is looked up by its address, so many a call
MAX_LOOKED_UP = 100
READ = 2_000
MOST_READ = 10_000
LOOK_AGAIN_MS = 500


@dataclass(slots=True)
class Contacts:
    """
    The stage: one call at a time, for the API's budget is a few calls a second.

    Args:
        plans: The plans in force.

        files: Reads what a job says went wrong.
    """

    store: Store
    asker: Asker
    files: Files
    clock: Clock
    plans: Plans
    capture: bool = False
    circuit: Circuit = field(init=False)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    jobs: ContactJobs = field(init=False)
    unlisting: Unlisting = field(init=False)
    _working: asyncio.Task[None] | None = None
    _not_before_ms: int = 0
    _read_at_ms: int = -LOOK_AGAIN_MS
    _failures: int = 0
    _broken: BaseException | None = None

    def __post_init__(self) -> None:
        self.circuit = Circuit(Dest.CONTACTS, self.clock)
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
        now = self.clock.now_ms()
        if self._working is not None or now < self._not_before_ms:
            return 0
        if self.circuit.allowance(in_flight=0, most=1) <= 0:
            return 0
        due = await self.store.write(self._claim)
        if not due:
            return 0
        self._working = asyncio.create_task(self._work(due), name="contacts")
        self._working.add_done_callback(self._worked)
        return len(due)

    async def land(self) -> None:
        """Wait until nothing is under way."""
        if self._working is not None:
            await asyncio.wait([self._working])

    def resumed(self) -> None:
        """Somebody ended the pause: try at once."""
        self._not_before_ms, self._failures = 0, 0
        self.circuit.reset()
        self.wake.set()

    def _claim(self, tx: Tx) -> list[Job]:
        now = self.clock.now_ms()
        if self.capture:
            _captured(tx)
            return []
        if self.circuit.granted(tx, 1, in_flight=0, is_waited=_is_any_ready) <= 0:
            return []
        jobs = tx.jobs.all()
        if now - self._read_at_ms >= LOOK_AGAIN_MS:
            self._read_at_ms = now
            jobs += self._made(tx, jobs, now)
        return [job for job in jobs if job.due_at <= now or self.circuit.is_probing]

    def _made(self, tx: Tx, jobs: list[Job], now: int) -> list[Job]:
        """What is ripe, as new jobs."""
        busy: set[object] = {key for job in jobs for key in (*job.addresses, *job.lanes)}
        works = works_of(
            _all_ready(tx), tx.members.get, busy=busy, is_due=lambda effect: effect.due_at <= now
        )
        _done(tx, [number for work in works for number in work.stale])
        works = [work for work in works if work.upsert or work.unlist or work.erase]
        oldest = min((work.oldest_ms for work in works), default=now)
        is_ripe = len(works) >= FLUSH_AT or now - oldest >= FLUSH_AFTER_MS
        if not (works and is_ripe) and not self.circuit.is_probing:
            return []
        return [_kept(tx, job) for job in _jobs_of(works, now)]

    async def _work(self, due: list[Job]) -> None:
        left_at_ms = self.clock.now_ms()
        try:
            for job in due:
                await self._attend(job)
        except Trouble as trouble:
            await self._stop(trouble.outcome)
            return
        self.circuit.heed(Delivered())
        self._failures = 0
        await self.store.write(lambda tx: got_through(tx, Dest.CONTACTS, left_at_ms=left_at_ms))

    async def _attend(self, job: Job) -> None:
        match job.kind:
            case JobKind.UPSERT:
                await self.jobs.attend(job)
            case JobKind.UNLIST:
                await self.unlisting.unlist(job)
            case JobKind.ERASE:
                await self.unlisting.erase(job)
            case _:
                assert_never(job.kind)

    async def _stop(self, outcome: Outcome) -> None:
        """After trouble that is of no one contact: wait, or pause until a person mends it."""
        self.circuit.heed(outcome)
        self._failures += 1
        match outcome:
            case Paused(reason=reason):
                now = self.clock.now_ms()
                await self.store.write(lambda tx: pause(tx, Dest.CONTACTS, reason, now_ms=now))
            case RetryLater(after_s=after_s):
                wait_s = after_s
                if wait_s is None and not self.circuit.is_down:
                    wait_s = next_delay_s(min(self._failures, 4), self.clock.chance())
                self._not_before_ms = self.clock.now_ms() + int((wait_s or 0.0) * 1000)
            case Delivered() | Rejected() | Unknown():
                self._not_before_ms = self.clock.now_ms() + FLUSH_AFTER_MS
            case _:
                assert_never(outcome)

    def _worked(self, task: asyncio.Task[None]) -> None:
        self._working = None
        if not task.cancelled():
            self._broken = task.exception() or self._broken
        self.wake.set()


def _jobs_of(works: list[Work], now: int) -> Iterator[Job]:
    upserts = [work for work in works if work.upsert]
    for lists, group in by_lists(upserts).items():
        for part in _parts(group, MAX_CONTACTS):
            numbers = [number for work in part for number in work.upsert]
            yield _job(JobKind.UPSERT, part, numbers, lists=lists, now=now)
    others = [work for work in works if not work.upsert]
    for name in sorted({name for work in others for name in work.unlist}):
        for part in _parts([work for work in others if name in work.unlist], MAX_LOOKED_UP):
            numbers = [number for work in part for number in work.unlist[name]]
            yield _job(JobKind.UNLIST, part, numbers, lists=(name,), now=now)
    for part in _parts([work for work in others if work.erase], MAX_LOOKED_UP):
        numbers = [number for work in part for number in work.erase]
        yield _job(JobKind.ERASE, part, numbers, lists=(), now=now)


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


def _kept(tx: Tx, job: Job) -> Job:
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
    _done(tx, [effect.id for effect in _all_ready(tx) if effect.kind != ERASE])


def _is_any_ready(tx: Tx) -> bool:
    return bool(tx.effects.ready(Dest.CONTACTS, after=0, limit=1)) or bool(tx.jobs.all())


def _all_ready(tx: Tx) -> Iterator[Effect]:
    """Effects not yet done, in order, as many as are worth a look at once."""
    after, read = 0, 0
    while read < MOST_READ:
        ready = tx.effects.ready(Dest.CONTACTS, after=after, limit=READ)
        yield from ready
        read += len(ready)
        if len(ready) < READ:
            return
        after = ready[-1].id

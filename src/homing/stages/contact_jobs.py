"""One job of writing contacts: from its call to what SendGrid says came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from msgspec.structs import replace

from homing.core.errors import HomingError
from homing.core.marketing import contacts
from homing.core.marketing.drafts import NO_FIELDS, Draft, Fields, customs_in, drafts_of
from homing.core.marketing.jobs import Job, JobKind, next_look_ms
from homing.core.marketing.lately import Lately
from homing.core.marketing.refusals import refusals_in
from homing.core.marketing.works import LIST, address_in, list_in
from homing.core.outcomes import (
    Answer,
    Delivered,
    Paused,
    Rejected,
    RetryLater,
    marketing_outcome_of,
    reason_of,
)
from homing.core.wire import read_object
from homing.log import EFFECT_DIED, log
from homing.stages import crash
from homing.stages.asking import Refused, Throttled, Unanswered, shown
from homing.stages.catalog import Catalog, NotMade

if TYPE_CHECKING:
    from homing.core.effects import Effect
    from homing.core.outcomes import Outcome
    from homing.core.plans import Plans
    from homing.ports import Clock, Files, Store, Tx
    from homing.stages.asking import Asker

CONTACTS = "/v3/marketing/contacts"
# the documented limit is 6 MB; what wraps the rows is left free
MAX_BYTES = 5_900_000
MAX_ERRORS = 16 << 20
# what came to nothing so often is given up
MAX_STRIKES = 4
# a job that was just made may not be known yet
LOOKS_FOR_UNKNOWN = 8
# about an hour: since then a person should know
LOOKS_FOR_SLOW = 64
SLOW = "contacts_slow"
REPEATED = "contacts:calls_repeated"
NO_LIST = "its [list.*] is not configured any more"
NOTHING: Final[Mapping[Any, str]] = MappingProxyType({})


class Trouble(HomingError):
    """Something is wrong that is of no one contact: the API, the key, the plan."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(getattr(outcome, "reason", ""))
        self.outcome = outcome


class NoList(HomingError):
    """A list that cannot be had; what is for it is dead."""


@dataclass(slots=True)
class ContactJobs:
    """Carries out jobs of writing contacts; also what the other kinds of job are settled with."""

    store: Store
    asker: Asker
    files: Files
    clock: Clock
    plans: Plans
    catalog: Catalog = field(init=False)
    written: Lately = field(default_factory=Lately)

    def __post_init__(self) -> None:
        self.catalog = Catalog(self.asker, self.clock, self.plans.contacts.create_fields)

    def use(self, plans: Plans) -> None:
        """Work by other plans from the next call on."""
        self.plans = plans
        self.catalog.create_fields = plans.contacts.create_fields

    async def attend(self, job: Job) -> None:
        """
        Make a job's call, or look what came of it.

        Raises:
            Trouble: It goes on later.
        """
        if job.remote is None:
            await self._call(job)
        else:
            await self._look(job)

    async def answer(self, method: str, path: str, body: object = None) -> Answer:
        """
        Make one call; an answer that speaks of what was sent, or 2xx, is returned.

        Raises:
            Trouble: Any other.
        """
        before = self.asker.repeats
        try:
            answer = await self.asker.ask(method, path, body)
        except Unanswered as error:
            raise Trouble(_outcome_of(error, now_ms=self.clock.now_ms())) from error
        finally:
            await self._count_repeats(self.asker.repeats - before, method)
        if answer.status == 404:
            return answer
        outcome = marketing_outcome_of(answer, now_ms=self.clock.now_ms())
        if isinstance(outcome, Delivered | Rejected):
            return answer
        if isinstance(outcome, Paused):
            # whoever resumes it has to know what was not allowed
            outcome = Paused(f"{method} {shown(path)}: {outcome.reason}", outcome.scope)
        raise Trouble(outcome)

    async def _count_repeats(self, repeats: int, method: str) -> None:
        if repeats and method != "GET":
            await self.store.write(lambda tx: tx.books.count(REPEATED, repeats))

    async def list_id(self, name: str, *, made: bool = True) -> str | None:
        """
        The id of a ``[list.NAME]``, made if there is none and *made*; else None.

        Raises:
            NoList: It is not configured, or SendGrid does not make it.
            Trouble: It cannot be had now.
        """
        target = self.plans.lists.get(name)
        if target is None:
            raise NoList(NO_LIST)
        try:
            if made:
                return await self.catalog.list_id(target.title)
            return await self.catalog.find_list(target.title)
        except NotMade as error:
            raise NoList(str(error)) from error
        except (Refused, Unanswered) as error:
            raise Trouble(_outcome_of(error, now_ms=self.clock.now_ms())) from error

    async def open_effects(self, job: Job) -> list[Effect]:
        """A job's effects that are not over; without any, it is."""

        def read(tx: Tx) -> list[Effect]:
            effects = tx.effects.many(job.effects)
            if not effects:
                _over(tx, job)
            return effects

        return await self.store.write(read)

    async def calling(self, job: Job) -> Job:
        """Keep that a job's call is about to be made: nobody may ever know what came of it."""
        called = replace(job, calls=job.calls + 1)
        now = self.clock.now_ms()

        def kept(tx: Tx) -> None:
            tx.jobs.save(called)
            if job.calls:
                tx.books.count(REPEATED)
            if job.kind is JobKind.UPSERT:
                _told(tx, job, now)

        await self.store.write(kept)
        return called

    async def settle(
        self,
        job: Job,
        *,
        done: Collection[str] = (),
        dead: Mapping[str, str] = NOTHING,
        dead_effects: Mapping[int, str] = NOTHING,
    ) -> Job | None:
        """
        Settle a part of a job, and keep what is left of it.

        Args:
            done: Addresses about which all is done.

            dead: Addresses about which nothing more is tried, with the reason.

            dead_effects: Single effects of which that is so.

        Returns:
            What is left; None if the job is over.
        """

        ended = frozenset(done)
        if job.kind is JobKind.UPSERT:
            self.written.renew(done, now_ms=self.clock.now_ms())

        def settled(tx: Tx) -> Job | None:
            kept: list[Effect] = []
            over: list[int] = []
            for effect in tx.effects.many(job.effects):
                address = address_in(effect)
                reason = dead_effects.get(effect.id) or dead.get(address)
                if reason is not None:
                    self._died(tx, job, effect=effect, reason=reason)
                elif address in ended:
                    over.append(effect.id)
                else:
                    kept.append(effect)
            count = tx.effects.done(over)
            tx.books.count("effects:contacts:sent", -count)
            tx.books.count("effects:contacts:done", count)
            if not kept:
                _over(tx, job)
                return None
            left = part_of(job, kept)
            tx.jobs.save(left)
            return left

        return await self.store.write(settled)

    def _died(self, tx: Tx, job: Job, *, effect: Effect, reason: str) -> None:
        if tx.effects.dead(effect.id, reason):
            tx.books.count("effects:contacts:sent", -1)
            tx.books.count("effects:contacts:dead")
        name = list_in(effect)
        if name is not None and job.kind is JobKind.UPSERT:
            # it is not on the list, as far as we know: asked for again, it is tried again
            tx.members.tell(name, [address_in(effect)], told=False, at=self.clock.now_ms())
        log.warning(EFFECT_DIED, effect=effect.id, destination="contacts", reason=reason)

    async def strike(self, job: Job, reason: str) -> None:
        """It came to nothing, by SendGrid's own words: do it anew after a while, or give it up."""
        strikes = job.strikes + 1
        if strikes >= MAX_STRIKES:
            await self.settle(job, dead=dict.fromkeys(job.addresses, reason))
            return
        due_at = self.clock.now_ms() + next_look_ms(2 * strikes)
        await self.save(replace(job, remote=None, looks=0, strikes=strikes, due_at=due_at))

    async def save(self, job: Job) -> None:
        """Write a changed job."""
        await self.store.write(lambda tx: tx.jobs.save(job))

    def later(self, job: Job) -> Job:
        """A job that was looked at and goes on."""
        due_at = self.clock.now_ms() + next_look_ms(job.looks)
        return replace(job, looks=job.looks + 1, due_at=due_at)

    # -- the call

    async def _call(self, job: Job) -> None:
        effects = await self.open_effects(job)
        if not effects:
            return
        ids, dead = await self._list_ids(job, effects)
        drafts = await self._drafts(effects)
        for draft in drafts:
            dead |= draft.dead
        lists = tuple(sorted(ids))
        left = await self.settle(replace(job, lists=lists), dead_effects=dead)
        if left is None:
            return
        # somebody may have been erased in the meantime
        kept = [one for one in drafts if one.row is not None and one.address in left.addresses]
        if len(kept) > 1 and sum(draft.size for draft in kept) > MAX_BYTES:
            await self.split(left)
        else:
            await self._put(await self.calling(left), kept, ids=list(ids.values()))

    async def _put(self, job: Job, drafts: list[Draft], *, ids: list[str]) -> None:
        body = {"contacts": [draft.row for draft in drafts]}
        answer = await self.answer(
            "PUT", CONTACTS, {**body, "list_ids": sorted(set(ids))} if ids else body
        )
        status = answer.status or 0
        # what was refused was not done
        refused = replace(job, calls=0)
        if 200 <= status < 300:
            self.written.note(job.addresses, now_ms=self.clock.now_ms())
            crash.reached(crash.AFTER_UPSERT)
            await self._sent(job, answer)
        elif status == 404:
            await self._without_list(refused, answer)
        elif status == 413 and len(drafts) > 1:
            await self.split(refused)
        else:
            await self._refused(refused, answer)

    async def _sent(self, job: Job, answer: Answer) -> None:
        remote = _text_at(read_object(answer.body), "job_id")
        if not remote:
            raise Trouble(RetryLater("contacts were taken, and no job was given to ask for"))
        await self.save(replace(self.later(replace(job, looks=0)), remote=remote))

    async def _without_list(self, job: Job, answer: Answer) -> None:
        reason = reason_of(answer)
        if not job.lists:
            raise Trouble(Paused(reason))
        self.catalog.forget_lists()
        await self.strike(job, reason)

    async def _refused(self, job: Job, answer: Answer) -> None:
        """Find out whom a refused batch was refused for; the others go on without them."""
        reason = reason_of(answer)
        # of the whole of it: what is shown to people is cut
        named = await asyncio.to_thread(contacts.addresses_refused, answer.body)
        bad = named & set(job.addresses)
        if bad:
            await self.settle(job, dead=dict.fromkeys(bad, reason))
        elif job.strikes < MAX_STRIKES and await self._other_fields():
            await self.save(replace(job, strikes=job.strikes + 1))  # it is written otherwise
        elif len(job.addresses) > 1:
            await self.split(job)
        else:
            await self.settle(job, dead=dict.fromkeys(job.addresses, reason))

    async def _other_fields(self) -> bool:
        """Whether the custom fields are others than those with which the batch was written."""
        try:
            return await self.catalog.refresh()
        except (Refused, Unanswered) as error:
            raise Trouble(_outcome_of(error, now_ms=self.clock.now_ms())) from error

    async def split(self, job: Job) -> None:
        """Make two jobs of one, so that what is wrong of it is found."""
        middle = len(job.addresses) // 2
        first = set(job.addresses[:middle])

        def parted(tx: Tx) -> None:
            effects = tx.effects.many(job.effects)
            _over(tx, job)
            for half in (True, False):
                kept = [effect for effect in effects if (address_in(effect) in first) is half]
                if kept:
                    tx.jobs.add(_anew(part_of(job, kept)))

        await self.store.write(parted)

    async def _list_ids(
        self, job: Job, effects: Sequence[Effect]
    ) -> tuple[dict[str, str], dict[int, str]]:
        """The ids of the lists that can be had, by name; why effects on the others are dead."""
        ids, reasons = dict[str, str](), dict[str, str]()
        for name in job.lists:
            try:
                ids[name] = await self.list_id(name) or ""
            except NoList as error:
                reasons[name] = str(error)
        named = ((effect.id, list_in(effect)) for effect in effects if effect.kind == LIST)
        return ids, {
            number: reasons[name] for number, name in named if name is not None and name in reasons
        }

    async def _drafts(self, effects: list[Effect]) -> list[Draft]:
        # there may be thousands: not in the event loop
        custom = await asyncio.to_thread(customs_in, effects)
        fields: Fields = NO_FIELDS
        if custom:
            try:
                fields = await self.catalog.fields(custom)
            except (Refused, Unanswered) as error:
                raise Trouble(_outcome_of(error, now_ms=self.clock.now_ms())) from error
        return await asyncio.to_thread(drafts_of, effects, fields)

    # -- what came of it

    async def _look(self, job: Job) -> None:
        answer = await self.answer("GET", f"{CONTACTS}/imports/{quote(job.remote or '', safe='')}")
        body = read_object(answer.body)
        status = body.get("status")
        if answer.status != 200:
            await self._unknown(job, answer)
        elif status == "completed":
            await self.settle(job, done=job.addresses)
        elif status in {"errored", "failed"}:
            await self._errored(job, body, all_failed=status == "failed")
        else:
            await self._pending(job)

    async def _unknown(self, job: Job, answer: Answer) -> None:
        if job.looks < LOOKS_FOR_UNKNOWN:
            await self.save(self.later(job))
            return
        # forgotten there: nobody knows what came of it, and it may be written again
        reason = f"SendGrid does not know the import job: {reason_of(answer)}"
        await self.strike(job, reason[:500])

    async def _pending(self, job: Job) -> None:
        later, now = self.later(job), self.clock.now_ms()

        def kept(tx: Tx) -> None:
            tx.jobs.save(later)
            if later.looks % LOOKS_FOR_SLOW == 1 and later.looks > LOOKS_FOR_SLOW:
                hours = (now - job.made_at) / 3_600_000
                text = f"{len(job.addresses)} contacts: SendGrid works on them for {hours:.1f} h"
                tx.books.alert(SLOW, f"job {job.number}", text, at=now)

        await self.store.write(kept)

    async def _errored(self, job: Job, body: Mapping[str, Any], *, all_failed: bool) -> None:
        results = body.get("results")
        url = results.get("errors_url") if isinstance(results, Mapping) else None
        told = await self._errors(url, set(job.addresses)) if isinstance(url, str) and url else {}
        unnamed = f"import job {body.get('status')}: SendGrid does not say which contacts"
        if told is None and job.strikes + 1 < MAX_STRIKES:
            await self.save(self.later(replace(job, strikes=job.strikes + 1)))
        elif told and not all_failed:
            await self.settle(job, dead=told, done=set(job.addresses) - set(told))
        elif all_failed:
            left = await self.settle(job, dead=told or {})
            if left is not None:
                await self.strike(left, unnamed)
        elif len(job.addresses) > 1:
            await self.split(job)
        else:
            await self.settle(job, dead=dict.fromkeys(job.addresses, unnamed))

    async def _errors(self, url: str, addresses: set[str]) -> dict[str, str] | None:
        """What a job's list of errors says, by address; None if it cannot be read."""
        raw = bytearray()
        answer = await self.files.fetch(url, raw.extend, most_bytes=MAX_ERRORS)
        if answer.status != 200:
            return None
        return await asyncio.to_thread(refusals_in, bytes(raw), addresses)


def part_of(job: Job, effects: Sequence[Effect]) -> Job:
    """What a job is for these of its effects alone."""
    return replace(
        job,
        effects=tuple(effect.id for effect in effects),
        addresses=tuple(dict.fromkeys(address_in(effect) for effect in effects)),
        lanes=tuple(dict.fromkeys(effect.lane for effect in effects)),
    )


def _told(tx: Tx, job: Job, now: int) -> None:
    """From now on they may be on these lists: whoever takes them off has to look."""
    for name in job.lists:
        tx.members.tell(name, job.addresses, told=True, at=now)


def _over(tx: Tx, job: Job) -> None:
    tx.jobs.drop(job.number)
    tx.books.clear_alert(SLOW, f"job {job.number}")


def _anew(job: Job) -> Job:
    """A part of a job is a job that nothing is known of."""
    return replace(
        job, remote=None, looks=0, calls=0, strikes=0, failures=0, failed_at=None, removed=()
    )


def _outcome_of(error: Refused | Unanswered, *, now_ms: int) -> Outcome:
    if isinstance(error, Throttled):
        return RetryLater(str(error), error.after_s, counts=False)
    if isinstance(error, Unanswered):
        if error.answer is None:
            return RetryLater(str(error), unreachable=True)
        return marketing_outcome_of(error.answer, now_ms=now_ms)
    answer = Answer(headers_sent=True, status=error.status, body=error.said.encode())
    outcome = marketing_outcome_of(answer, now_ms=now_ms)
    # an answer that nobody can read is none
    return RetryLater(str(error)) if isinstance(outcome, Delivered) else outcome


def _text_at(found: Mapping[str, Any], key: str) -> str:
    value = found.get(key)
    return value if isinstance(value, str) else ""

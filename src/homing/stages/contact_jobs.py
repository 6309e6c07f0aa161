"""One job of writing contacts: from its call to what SendGrid says came of it."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from msgspec.structs import replace

from homing.core.errors import HomingError
from homing.core.marketing import contacts
from homing.core.marketing.contacts import Contact, Definition
from homing.core.marketing.jobs import Job, next_look_ms
from homing.core.marketing.works import LIST, UPSERT, address_in, contacts_in
from homing.core.outcomes import (
    Answer,
    Delivered,
    Rejected,
    RetryLater,
    api_message,
    marketing_outcome_of,
)
from homing.core.wire import json_bytes, read_object
from homing.log import EFFECT_DIED, log
from homing.stages import crash
from homing.stages.asking import Refused, Unanswered
from homing.stages.catalog import Catalog

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
# a call that was refused so often for a list that is not there is given up
MAX_CALLS = 5
NO_LIST = "its [list.*] is not configured any more"
NOTHING: Final[Mapping[Any, str]] = MappingProxyType({})


class Trouble(HomingError):
    """Something is wrong that is of no one contact: the API, the key, the plan."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(getattr(outcome, "reason", ""))
        self.outcome = outcome


@dataclass(slots=True)
class ContactJobs:
    """Carries out jobs of writing contacts; also what the other kinds of job are settled with."""

    store: Store
    asker: Asker
    files: Files
    clock: Clock
    plans: Plans
    catalog: Catalog = field(init=False)

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
        try:
            answer = await self.asker.ask(method, path, body)
        except Unanswered as error:
            raise Trouble(RetryLater(str(error), unreachable=True)) from error
        if answer.status == 404:
            return answer
        outcome = marketing_outcome_of(answer, now_ms=self.clock.now_ms())
        if isinstance(outcome, Delivered | Rejected):
            return answer
        raise Trouble(outcome)

    async def list_id(self, name: str) -> str | None:
        """
        The id of a ``[list.NAME]``, made if there is none; None of one that is not configured.

        Raises:
            Trouble: It cannot be had now.
        """
        target = self.plans.lists.get(name)
        if target is None:
            return None
        try:
            return await self.catalog.list_id(target.title)
        except (Refused, Unanswered) as error:
            raise Trouble(_outcome_of(error, now_ms=self.clock.now_ms())) from error

    async def open_effects(self, job: Job) -> list[Effect]:
        """A job's effects that are not over, the call about to be made counted."""

        def begun(tx: Tx) -> list[Effect]:
            effects = tx.effects.many(job.effects)
            if not effects:
                tx.jobs.drop(job.number)
                return []
            tx.jobs.save(replace(job, calls=job.calls + 1))
            if job.calls:
                tx.books.count("contacts:calls_repeated")
            return effects

        return await self.store.write(begun)

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

        def settled(tx: Tx) -> Job | None:
            kept: list[Effect] = []
            over: list[int] = []
            for effect in tx.effects.many(job.effects):
                address = address_in(effect)
                reason = dead_effects.get(effect.id) or dead.get(address)
                if reason is not None:
                    self._died(tx, effect.id, reason)
                elif address in done:
                    over.append(effect.id)
                else:
                    kept.append(effect)
            count = tx.effects.done(over)
            tx.books.count("effects:contacts:sent", -count)
            tx.books.count("effects:contacts:done", count)
            if not kept:
                tx.jobs.drop(job.number)
                return None
            left = part_of(job, kept)
            tx.jobs.save(left)
            return left

        return await self.store.write(settled)

    def _died(self, tx: Tx, number: int, reason: str) -> None:
        if tx.effects.dead(number, reason):
            tx.books.count("effects:contacts:sent", -1)
            tx.books.count("effects:contacts:dead")
        log.warning(EFFECT_DIED, effect=number, destination="contacts", reason=reason)

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
        ids = await self._list_ids(job)
        if ids is None:
            await self.settle(job, dead=dict.fromkeys(job.addresses, NO_LIST))
            return
        drafts = await self._drafts(effects)
        dead = {number: reason for draft in drafts for number, reason in draft.dead.items()}
        left = await self.settle(replace(job, calls=job.calls + 1), dead_effects=dead)
        if left is None:
            return
        now = self.clock.now_ms()
        await self.store.write(lambda tx: _told(tx, left, now))
        # somebody may have been erased in the meantime
        kept = [one for one in drafts if one.row is not None and one.address in left.addresses]
        await self._put(left, kept, ids=ids)

    async def _put(self, job: Job, drafts: list[_Draft], *, ids: list[str]) -> None:
        rows = [draft.row for draft in drafts]
        body = {"contacts": rows, **({"list_ids": ids} if ids else {})}
        too_large = len(rows) > 1 and sum(len(json_bytes(row)) + 1 for row in rows) > MAX_BYTES
        if too_large:
            await self.split(job)
            return
        answer = await self.answer("PUT", CONTACTS, body)
        status = answer.status or 0
        if 200 <= status < 300:
            crash.reached(crash.AFTER_UPSERT)
            await self._sent(job, answer)
        elif status == 404:
            await self._without_list(job, answer)
        elif status == 413 and len(drafts) > 1:
            await self.split(job)
        else:
            await self._refused(job, answer)

    async def _sent(self, job: Job, answer: Answer) -> None:
        remote = _text_at(read_object(answer.body), "job_id")
        await self.save(replace(self.later(job), remote=remote, looks=0))

    async def _without_list(self, job: Job, answer: Answer) -> None:
        self.catalog.forget_lists()
        if job.calls >= MAX_CALLS:
            reason = f"HTTP 404: {api_message(answer.body)}"
            await self.settle(job, dead=dict.fromkeys(job.addresses, reason))
        else:
            await self.save(self.later(job))

    async def _refused(self, job: Job, answer: Answer) -> None:
        """Find out whom a refused batch was refused for; the others go on without them."""
        reason = f"HTTP {answer.status}: {api_message(answer.body)}"
        # of the whole of it: what is shown to people is cut
        named = contacts.addresses_refused(answer.body.decode("utf-8", "replace"))
        bad = named & set(job.addresses)
        if bad:
            await self.settle(job, dead=dict.fromkeys(bad, reason))
        elif job.calls < MAX_CALLS and await self._other_fields():
            await self.save(job)  # it is written otherwise at the next turn
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
            tx.jobs.drop(job.number)
            for half in (True, False):
                kept = [effect for effect in effects if (address_in(effect) in first) is half]
                if kept:
                    tx.jobs.add(replace(part_of(job, kept), calls=0))

        await self.store.write(parted)

    async def _list_ids(self, job: Job) -> list[str] | None:
        ids = [await self.list_id(name) for name in job.lists]
        return None if None in ids else [one for one in ids if one is not None]

    async def _drafts(self, effects: list[Effect]) -> list[_Draft]:
        written = contacts_in(effects)
        custom = {name: value for one in written.values() for name, value in one.custom.items()}
        definitions: Mapping[str, Definition] = {}
        if custom:
            try:
                definitions = await self.catalog.definitions(custom)
            except (Refused, Unanswered) as error:
                raise Trouble(_outcome_of(error, now_ms=self.clock.now_ms())) from error
        by_address: dict[str, list[Effect]] = {}
        for effect in effects:
            by_address.setdefault(address_in(effect), []).append(effect)
        return [
            _drafted(contact, by_address[address], definitions)
            for address, contact in written.items()
        ]

    # -- what came of it

    async def _look(self, job: Job) -> None:
        answer = await self.answer("GET", f"{CONTACTS}/imports/{quote(job.remote or '', safe='')}")
        if answer.status != 200:
            # forgotten there: nobody knows what came of it, and it may be written again
            await self.save(replace(self.later(job), remote=None))
            return
        body = read_object(answer.body)
        status = body.get("status")
        if status == "completed":
            await self.settle(job, done=job.addresses)
        elif status in {"errored", "failed"}:
            await self._errored(job, body, all_failed=status == "failed")
        else:
            await self.save(self.later(job))

    async def _errored(self, job: Job, body: Mapping[str, Any], *, all_failed: bool) -> None:
        results = body.get("results")
        url = results.get("errors_url") if isinstance(results, Mapping) else None
        told = await self._errors(url, set(job.addresses)) if isinstance(url, str) and url else {}
        if not told:
            unnamed = f"import job {body.get('status')}: SendGrid does not say which contacts"
            told = dict.fromkeys(job.addresses, unnamed)
        elif all_failed:
            told = {**dict.fromkeys(job.addresses, "the whole import job failed"), **told}
        await self.settle(job, dead=told, done=set(job.addresses) - set(told))

    async def _errors(self, url: str, addresses: set[str]) -> dict[str, str]:
        """What a job's list of errors says, by address; empty if it cannot be read."""
        raw = bytearray()

        def into(piece: bytes) -> None:
            if len(raw) < MAX_ERRORS:
                raw.extend(piece)

        answer = await self.files.fetch(url, into)
        return dict(_errors_in(bytes(raw), addresses)) if answer.status == 200 else {}


@dataclass(frozen=True, slots=True)
class _Draft:
    """One address of a call: its row, None if there is nothing left to write, and what is dead."""

    address: str
    row: Mapping[str, object] | None
    dead: Mapping[int, str]


def _drafted(
    contact: Contact, effects: list[Effect], definitions: Mapping[str, Definition]
) -> _Draft:
    """
    A contact as SendGrid takes it.

    A field that does not fit makes the writing of the contact dead; getting onto a list goes on
    without it, for that is what it is about.
    """
    reason = contacts.refusal_of_address(contact.email)
    if reason is not None:
        return _Draft(contact.email, None, {effect.id: reason for effect in effects})
    own, wrong = contacts.problems_of_fields(contact.fields)
    custom, wrong_custom = contacts.problems_of_custom(contact.custom, definitions)
    problems = [*wrong.values(), *wrong_custom.values()]
    dead = {
        effect.id: "; ".join(problems)[:500]
        for effect in effects
        if problems and effect.kind == UPSERT
    }
    is_left = any(effect.kind == LIST or not problems for effect in effects)
    row = {"email": contact.email, **own, **({"custom_fields": custom} if custom else {})}
    return _Draft(contact.email, row if is_left else None, dead)


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


def _errors_in(raw: bytes, addresses: set[str]) -> Iterator[tuple[str, str]]:
    """
    Read a list of errors: CSV, or JSON a line. Its columns are not documented.

    Each row that holds one of our addresses says why, with what else is in it.
    """
    text = raw.decode("utf-8-sig", "replace")
    for cells in csv.reader(io.StringIO(text)):
        found = next((cell.lower() for cell in cells if cell.lower() in addresses), None)
        if found is not None:
            reason = ", ".join(cell for cell in cells if cell and cell.lower() != found)
            yield found, f"import job: {reason or 'refused'}"[:500]


def _outcome_of(error: HomingError, *, now_ms: int) -> Outcome:
    if isinstance(error, Refused):
        answer = Answer(headers_sent=True, status=error.status, body=error.said.encode())
        return marketing_outcome_of(answer, now_ms=now_ms)
    return RetryLater(str(error), unreachable=True)


def _text_at(found: Mapping[str, Any], key: str) -> str:
    value = found.get(key)
    return value if isinstance(value, str) else ""

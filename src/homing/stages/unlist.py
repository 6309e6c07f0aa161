"""
Contacts off a list, and contacts erased: looked up by address, removed, and looked up again.

SendGrid removes by its own ids, and what it was just given may not be visible yet. So a job is
looked at until the removal is seen.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from msgspec.structs import replace

from homing.core.erasure import Done, Step
from homing.core.marketing.contacts import addresses_refused, refusal_of_address
from homing.core.marketing.works import ListChange, ids_in
from homing.core.outcomes import Rejected, RetryLater, reason_of
from homing.core.wire import read_object
from homing.stages import crash, enlist
from homing.stages.catalog import LISTS
from homing.stages.contact_jobs import CONTACTS, NOTHING, ContactJobs, NoList, Trouble
from homing.stages.erase import RULE

if TYPE_CHECKING:
    from homing.core.effects import Effect
    from homing.core.marketing.jobs import Job
    from homing.ports import Tx

SEARCH = f"{CONTACTS}/search/emails"
ERASE_JOB = "/v3/recipients/erasejob"
# about an hour: so long may what was written take to be visible, and what was removed to be gone
MAX_LOOKS = 64
# what is still there is removed once more after so many looks
REMOVE_AGAIN = 8
# an address that was never seen as a contact is looked up so often before it counts as none
LOOKS_FOR_NONE = 2
STILL_LISTED = "SendGrid shows it on the list an hour after it was taken off"
STILL_A_CONTACT = "SendGrid shows the contact an hour after it was deleted"


@dataclass(frozen=True, slots=True)
class Unlisting:
    """Carries out jobs that take contacts away."""

    jobs: ContactJobs

    async def unlist(self, job: Job) -> None:
        """
        Take contacts off the job's list; whoever is seen not to be on it is done.

        Raises:
            Trouble: It goes on later.
        """
        effects = await self.jobs.open_effects(job)
        if not effects:
            return
        name = job.lists[0]
        try:
            list_id = await self.jobs.list_id(name, made=False)
        except NoList as error:
            await self.jobs.settle(job, dead=dict.fromkeys(job.addresses, str(error)))
            return
        if list_id is None:
            await self._unlisted(job, name)  # nobody is on a list that is not there
            return
        found = await self._contacts(job, effects, list_id)
        on_it = {
            address: str(contact["id"])
            for address, contact in found.items()
            if list_id in (contact.get("list_ids") or ())
        }
        # what we have put there may not be visible yet, neither contacts nor that they are on it
        told = await self._told(job, name)
        hidden = told - set(found)
        if self._is_over(job):
            await self._unlisted(job, name, dead=dict.fromkeys(on_it, STILL_LISTED))
            return
        for address in told & set(found) - set(job.removed):
            on_it[address] = str(found[address]["id"])
        left = await self._unlisted(job, name, waiting=set(on_it) | hidden)
        if left is not None:
            await self._again(await self._taken_off(left, list_id, on_it))

    async def _taken_off(self, job: Job, list_id: str, on_it: Mapping[str, str]) -> Job:
        """Have contacts (ids by address) removed, those not yet removed above all."""
        is_again = bool(job.removed) and job.looks % REMOVE_AGAIN == REMOVE_AGAIN - 1
        asked = () if is_again else job.removed
        ids = [quote(one, safe="") for address, one in on_it.items() if address not in asked]
        if not ids:
            return job
        called = await self.jobs.calling(replace(job, calls=1) if is_again else job)
        path = f"{LISTS}/{quote(list_id, safe='')}/contacts?contact_ids={','.join(ids)}"
        if await self._removed("DELETE", path) == 404:
            self.jobs.catalog.forget_lists()
        return replace(called, removed=tuple(on_it))

    async def erase(self, job: Job) -> None:
        """
        Delete contacts, and have SendGrid erase what it keeps of mail to their addresses.

        Raises:
            Trouble: It goes on later.

        Source: SendGrid OpenAPI, ``tsg_recipients_data_erasure_v3.json``.
        """
        if not await self.jobs.open_effects(job):
            return
        try:
            await self._erase(await self.jobs.calling(job))
        except Trouble as trouble:
            if not isinstance(trouble.outcome, Rejected):
                raise
            # one of the addresses is at fault: the others are not to wait for it
            if len(job.addresses) > 1:
                await self.jobs.split(job)
            else:
                reason = trouble.outcome.reason
                await self.jobs.settle(job, dead=dict.fromkeys(job.addresses, reason))

    async def _erase(self, job: Job) -> None:
        found = await self._found(job.addresses)
        left: Job | None = job
        if self._is_over(job):
            left = await self.jobs.settle(job, dead=dict.fromkeys(found, STILL_A_CONTACT))
        elif found:
            ids = ",".join(quote(str(contact["id"]), safe="") for contact in found.values())
            await self._removed("DELETE", f"{CONTACTS}?ids={ids}")
            self.jobs.written.forget(found)
            crash.reached(crash.AFTER_CONTACTS)
            await self._note(job, Step.CONTACTS, contacts=len(found))
        gone = self._gone(job, found)
        if left is not None and gone and job.looks + 1 >= LOOKS_FOR_NONE:
            await self._removed("POST", ERASE_JOB, {"email_addresses": sorted(gone)})
            crash.reached(crash.AFTER_ERASE_JOB)
            await self._note(job, Step.ERASE_JOB, addresses=len(gone))
            await self.jobs.store.write(lambda tx: self._untold(tx, gone))
            left = await self.jobs.settle(left, done=gone)
        await self._again(left)

    def _gone(self, job: Job, found: Collection[str]) -> set[str]:
        """Those that are no contacts: what was written a moment ago may not be visible yet."""
        now, unseen = self.jobs.clock.now_ms(), set(job.addresses) - set(found)
        return {one for one in unseen if not self.jobs.written.holds(one, now_ms=now)}

    def _untold(self, tx: Tx, gone: Collection[str]) -> None:
        """Somebody else may have the address: whoever should be on a list is put on it anew."""
        now, plans = self.jobs.clock.now_ms(), self.jobs.plans
        for name in plans.lists:
            tx.members.tell(name, gone, told=None, at=now)
            rows = (tx.members.get(name, address) for address in sorted(gone))
            for row in (row for row in rows if row is not None and row.wanted):
                change = ListChange(name, enlist.contact_of(tx, row, plans))
                enlist.ask(tx, change, lane=row.person, rule=RULE, now_ms=now)

    async def _note(self, job: Job, step: Step, **detail: int | str) -> None:
        done = Done(step, self.jobs.clock.now_ms(), detail)
        await self.jobs.store.write(lambda tx: tx.erasures.note_of(job.lanes, done))

    def _is_over(self, job: Job) -> bool:
        return job.looks > MAX_LOOKS

    async def _contacts(
        self, job: Job, effects: Sequence[Effect], list_id: str
    ) -> dict[str, Mapping[str, Any]]:
        """The contacts of a job; those that a reconciliation has just seen need no look-up."""
        seen = {} if job.looks else ids_in(effects)
        unseen = tuple(address for address in job.addresses if address not in seen)
        found = await self._found(unseen) if unseen else {}
        shown = {address: {"id": one, "list_ids": [list_id]} for address, one in seen.items()}
        return {**shown, **found}

    async def _found(self, addresses: tuple[str, ...]) -> dict[str, Mapping[str, Any]]:
        """The contacts of addresses that are visible, by address."""
        # an address that SendGrid would refuse is no contact's, and refuses the whole question
        asked = [one for one in addresses if refusal_of_address(one) is None]
        if not asked:
            return {}
        answer = await self.jobs.answer("POST", SEARCH, {"emails": asked})
        if answer.status == 404:
            return {}
        if answer.status == 400:
            named = addresses_refused(answer.body) & set(asked)
            if named:
                return await self._found(tuple(one for one in asked if one not in named))
        if answer.status != 200:
            raise Trouble(Rejected(reason_of(answer)))
        return _contacts_in(answer.body)

    async def _removed(self, method: str, path: str, body: object = None) -> int:
        answer = await self.jobs.answer(method, path, body)
        status = answer.status or 0
        if not 200 <= status < 300 and status != 404:
            raise Trouble(Rejected(reason_of(answer)))
        return status

    async def _told(self, job: Job, name: str) -> set[str]:
        def read(tx: Tx) -> set[str]:
            rows = (tx.members.get(name, address) for address in job.addresses)
            return {row.address for row in rows if row is not None and row.told}

        return await self.jobs.store.write(read)

    async def _unlisted(
        self,
        job: Job,
        name: str,
        *,
        waiting: Collection[str] = (),
        dead: Mapping[str, str] = NOTHING,
    ) -> Job | None:
        """All but those that wait, or are dead, are off the list."""
        off = set(job.addresses) - set(waiting) - set(dead)
        now = self.jobs.clock.now_ms()
        await self.jobs.store.write(lambda tx: tx.members.tell(name, off, told=False, at=now))
        return await self.jobs.settle(job, done=off, dead=dead)

    async def _again(self, job: Job | None) -> None:
        """What is left of a job is looked at again."""
        if job is not None:
            await self.jobs.save(replace(self.jobs.later(job), calls=0))


def _contacts_in(body: bytes) -> dict[str, Mapping[str, Any]]:
    """
    The contacts of an answer, by address.

    Raises:
        Trouble: It is no such answer.
    """
    rows = read_object(body).get("result")
    if not isinstance(rows, dict):
        raise Trouble(RetryLater("a search for contacts: expected its result, got something else"))
    found: dict[str, Mapping[str, Any]] = {}
    for asked, row in rows.items():
        contact = row.get("contact") if isinstance(row, dict) else None
        if isinstance(contact, dict) and isinstance(contact.get("id"), str):
            # it may be another's contact that has this as an alternate address
            email = contact.get("email")
            if not isinstance(email, str) or email.lower() == asked.lower():
                found[asked.lower()] = contact
    return found

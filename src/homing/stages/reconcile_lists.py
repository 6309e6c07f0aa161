"""
Reconcile lists: who should be on each list is held against SendGrid's export of it.

Only the difference is written, by the same effects as everything else. An export that was asked
for is remembered, so that a run that was interrupted goes on with it.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import IO, TYPE_CHECKING, Any, Final
from urllib.parse import quote

import msgspec
from msgspec.structs import replace

from homing.core.digests import address_trace
from homing.core.effects import Dest
from homing.core.errors import HomingError
from homing.core.marketing.contacts import Contact
from homing.core.marketing.drift import Report, UnreadableExport, Verdict, members_in, verdict_of
from homing.core.marketing.members import ListMember
from homing.core.marketing.works import ListChange, address_in
from homing.core.outcomes import NO_MARKETING
from homing.log import LISTS_RECONCILED, RECONCILE_FAILED, log
from homing.stages import crash, enlist
from homing.stages.asking import Asker, Refused, Unanswered
from homing.stages.catalog import Catalog, Known, NotMade
from homing.stages.contact_jobs import CONTACTS
from homing.stages.reconcile_suppressions import AlreadyReconciling, CannotReconcile

if TYPE_CHECKING:
    from homing.core.effects import Effect
    from homing.core.plans import ContactList, Plans
    from homing.ports import Clock, Files, Store, Tx

EXPORTS: Final = f"{CONTACTS}/exports"
RULE: Final = "reconcile"
KEY: Final = "reconcile:list:"
"""What the store's settings that hold reports begin with; the list's name follows."""

# a transaction's worth: sends wait for it
PAGE: Final = 500
FIRST_S: Final = 30.0
RETRY_S: Final = 60.0
LOOK_S: Final = 10.0
FIRST_WAIT_S: Final = 1.0
LAST_WAIT_S: Final = 30.0
MAX_WAIT_S: Final = 3_600.0
# what is kept in memory of an export before it is put on disk, unlinked
IN_MEMORY: Final = 16 << 20


class NoSuchList(HomingError):
    """A list was named that the configuration has not."""


class Kept(msgspec.Struct):
    """
    What is kept of a list: the run under way, its export, and the last that ended.

    ``compared_at`` is when the last began that was no dry run.
    """

    current: Report | None = None
    export: str | None = None
    last: Report | None = None
    compared_at: int | None = None


@dataclass(slots=True)
class ListReconciler:
    """
    The stage: in a task of its own, one list after the other.

    Args:
        known: What is known of the account's lists.

        on_repaired: There is something to deliver.

        lacking: Why it cannot be done; None: it can.
    """

    store: Store
    asker: Asker
    files: Files
    clock: Clock
    plans: Plans
    known: Known = field(default_factory=Known)
    on_repaired: Callable[[], object] = lambda: None
    lacking: str | None = None
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    _task: asyncio.Task[None] | None = None
    _not_before_s: float | None = None

    async def turn(self) -> int:
        """Start what is due; 0: the loop may sleep."""
        if self.is_running or self.lacking is not None or not self.plans.lists:
            return 0
        now_s = self.clock.monotonic_s()
        if self._not_before_s is None:
            self._not_before_s = now_s + FIRST_S
        if now_s < self._not_before_s:
            return 0
        due = await self.store.write(self._due)
        self._not_before_s = now_s + LOOK_S
        if due:
            self._begin(due, dry=False)
        return 0

    async def start(self, names: Sequence[str], *, dry: bool) -> list[str]:
        """
        Compare lists now; all without a name.

        Returns:
            The names of those that are compared.

        Raises:
            CannotReconcile: It cannot be done.
            NoSuchList: One of the names is of none.
            AlreadyReconciling: Lists are being compared.
        """
        if self.lacking is not None:
            raise CannotReconcile(self.lacking)
        unknown = [name for name in names if name not in self.plans.lists]
        if unknown:
            msg = f"no [list.{unknown[0]}]: there is {', '.join(self.plans.lists) or 'none'}"
            raise NoSuchList(msg)
        if self.is_running:
            raise AlreadyReconciling("lists are being compared already: try again later")
        chosen = [self.plans.lists[name] for name in names or self.plans.lists]
        self._begin(chosen, dry=dry)
        return [one.name for one in chosen]

    @property
    def is_running(self) -> bool:
        """Whether lists are being compared."""
        return self._task is not None and not self._task.done()

    async def done(self) -> None:
        """Wait until no list is being compared."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def stop(self) -> None:
        """Let go of what is under way: the next process goes on with it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _due(self, tx: Tx) -> list[ContactList]:
        now = self.clock.now_ms()
        return [
            one for one in self.plans.lists.values() if _is_due(kept_of(tx, one.name), one, now)
        ]

    def _begin(self, lists: Sequence[ContactList], *, dry: bool) -> None:
        self._task = asyncio.create_task(self._run(lists, dry=dry), name="reconcile lists")
        self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._not_before_s = self.clock.monotonic_s()
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._not_before_s += RETRY_S
            log.error(RECONCILE_FAILED, error=str(error))
        self.wake.set()

    async def _run(self, lists: Sequence[ContactList], *, dry: bool) -> None:
        unanswered: Unanswered | None = None
        for one in lists:
            comparison = Comparison(self, one, dry=dry)
            try:
                await comparison.run()
            except (Refused, NotMade, UnreadableExport) as error:
                await comparison.refuse(_with_cure(error))
            except Unanswered as error:
                # the others may be had; this one is gone on with later
                unanswered = error
            self.on_repaired()
        if unanswered is not None:
            raise unanswered


@dataclass(slots=True)
class Comparison:
    """One list on its way: what is found is written lot by lot."""

    stage: ListReconciler
    target: ContactList
    dry: bool
    kept: Kept = field(default_factory=Kept)
    busy: set[str] = field(default_factory=set)

    async def run(self) -> None:
        """
        Go on to the end.

        Raises:
            Unanswered: SendGrid did not answer; it goes on later with the export it asked for.
            Refused, NotMade: SendGrid does not let it be done.
            UnreadableExport: Its file cannot be read.
        """
        stage, calls = self.stage, self.stage.asker.calls
        self.kept = await stage.store.write(self._opened)
        # also whom it is being told of now: that may be done, and not be in the export
        await self._note_busy()
        report = self._report
        catalog = Catalog(stage.asker, stage.clock, known=stage.known)
        title = self.target.title
        list_id = await (catalog.find_list(title) if self.dry else catalog.list_id(title))
        actual = {} if list_id is None else await self._exported(list_id)
        report.on_list = len(actual)
        await self._note_busy()
        after = ""
        while rows := await stage.store.write(partial(self._page, after=after)):
            after = rows[-1].address
            await stage.store.write(partial(self._compare, rows=rows, actual=actual))
            crash.reached(crash.AFTER_REPAIRS)
        await self._strangers(actual)
        report.calls = stage.asker.calls - calls
        await self._end("done")

    async def refuse(self, reason: str) -> None:
        """End it, and say why and what helps."""
        self._report.error = reason
        await self._end("refused")

    @property
    def _report(self) -> Report:
        if self.kept.current is None:
            self.kept.current = Report(self.target.name, self.target.title)
        return self.kept.current

    def _opened(self, tx: Tx) -> Kept:
        """The export of a run that was interrupted is read, if it is not too old."""
        kept, now = kept_of(tx, self.target.name), self.stage.clock.now_ms()
        before = kept.current
        if before is None or before.dry_run != self.dry or now - before.began_at > MAX_WAIT_S * 1e3:
            kept.export = None
            before = None
        kept.current = Report(self.target.name, self.target.title, began_at=now, dry_run=self.dry)
        if before is not None and kept.export is not None:
            # what it had found is told of, and too young to be found again
            kept.current = replace(
                kept.current, began_at=before.began_at, missing=before.missing,
                extra=before.extra, written=before.written,
            )  # fmt: skip
        _keep(tx, self.target.name, kept)
        return kept

    # -- the export

    async def _exported(self, list_id: str) -> dict[str, str]:
        """Contact ids by address, of everybody on the list."""
        if self.kept.export is None:
            body = {"list_ids": [list_id], "file_type": "csv"}
            asked = await self.stage.asker.object("POST", EXPORTS, body)
            self.kept.export = _export_of(asked)
            await self.stage.store.write(self._save)
        found: dict[str, str] = {}
        for url in await self._ready():
            with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as file:
                answer = await self.stage.files.fetch(url, file.write)
                if answer.status != 200:
                    msg = f"an export's file: {answer.error or answer.status}"
                    raise Unanswered(msg)
                found |= await asyncio.to_thread(_read, file)
        return found

    async def _ready(self) -> list[str]:
        """The files of the export, once it is ready."""
        path = f"{EXPORTS}/{quote(self.kept.export or '', safe='')}"
        waited_s, wait_s = 0.0, FIRST_WAIT_S
        while waited_s < MAX_WAIT_S:
            shown = await self._shown(path)
            status = shown.get("status")
            if status == "ready":
                urls = shown.get("urls")
                return [str(url) for url in urls] if isinstance(urls, list) else []
            if status == "failure":
                await self._forget_export()
                msg = f"SendGrid could not make it: {shown.get('message')}"
                raise UnreadableExport(msg)
            await self.stage.asker.sleep(wait_s)
            waited_s, wait_s = waited_s + wait_s, min(LAST_WAIT_S, wait_s * 2)
        msg = f"an export was not ready after {MAX_WAIT_S / 60:.0f} minutes"
        raise Unanswered(msg)

    async def _shown(self, path: str) -> Mapping[str, Any]:
        try:
            return await self.stage.asker.object("GET", path)
        except Refused as error:
            if error.status != 404:
                raise
            await self._forget_export()
            msg = f"SendGrid has forgotten an export: {error}"
            raise Unanswered(msg) from error

    async def _forget_export(self) -> None:
        self.kept.export = None
        await self.stage.store.write(self._save)

    async def _note_busy(self) -> None:
        """Addresses that SendGrid is being told of, or is about to be, page by page."""
        jobs = await self.stage.store.write(lambda tx: tx.jobs.all())
        self.busy |= {address for job in jobs for address in job.addresses}
        after = 0
        while ready := await self.stage.store.write(partial(_ready, after=after)):
            self.busy |= {address_in(effect) for effect in ready}
            after = ready[-1].id

    # -- the comparison

    def _page(self, tx: Tx, *, after: str) -> list[ListMember]:
        return tx.members.of_list(self.target.name, after=after, limit=PAGE)

    def _compare(self, tx: Tx, *, rows: list[ListMember], actual: dict[str, str]) -> None:
        """Judge rows; who was judged is taken out of *actual*."""
        report, untold = self._report, list[ListMember]()
        for row in rows:
            contact_id = actual.pop(row.address, None)
            is_on = contact_id is not None
            report.members += row.wanted
            verdict = verdict_of(row, is_on=is_on, began_at=report.began_at, busy=self.busy)
            match verdict:
                case Verdict.MISSING:
                    contact = enlist.contact_of(tx, row, self.stage.plans)
                    self._tell(tx, row, contact=contact, contact_id=None)
                case Verdict.EXTRA:
                    self._tell(tx, row, contact=Contact(row.address), contact_id=contact_id)
                case Verdict.UNTOLD:
                    untold.append(row)
                case Verdict.YOUNG | Verdict.REFUSED | Verdict.AGREED:
                    pass
            _count(report, verdict)
        for told in (True, False) if not self.dry else ():
            addresses = [row.address for row in untold if row.wanted is told]
            tx.members.tell(self.target.name, addresses, told=told, at=self.stage.clock.now_ms())
        self._save(tx)

    async def _strangers(self, actual: Mapping[str, str]) -> None:
        """Members that Homing never added: left alone, unless the list is exclusive."""
        self._report.strangers = len(actual)
        if not self.target.exclusive:
            return
        strangers = [row for row in actual.items() if row[0] not in self.busy]
        for start in range(0, len(strangers), PAGE):
            lot = strangers[start : start + PAGE]
            await self.stage.store.write(partial(self._remove, lot=lot))

    def _remove(self, tx: Tx, *, lot: Sequence[tuple[str, str]]) -> None:
        for address, contact_id in lot:
            self._report.extra += 1
            # a lane of its own: it is nobody we know, and nothing is kept of them
            lane = -abs(address_trace(address))
            self._ask(tx, lane, contact=Contact(address), contact_id=contact_id)
        self._save(tx)

    def _tell(self, tx: Tx, row: ListMember, *, contact: Contact, contact_id: str | None) -> None:
        """Have SendGrid told of a row."""
        if not self.dry:
            tx.members.save(replace(row, changed_at=self.stage.clock.now_ms()))
        self._ask(tx, row.person, contact=contact, contact_id=contact_id)

    def _ask(self, tx: Tx, lane: int, *, contact: Contact, contact_id: str | None) -> None:
        if self.dry:
            return
        change = ListChange(self.target.name, contact, contact_id)
        enlist.ask(tx, change, lane=lane, rule=RULE, now_ms=self.stage.clock.now_ms())
        self._report.written += 1

    async def _end(self, status: str) -> None:
        report = self._report
        report.status, report.ended_at = status, self.stage.clock.now_ms()
        await self.stage.store.write(self._close)
        log.info(
            LISTS_RECONCILED, list=report.list, status=status, members=report.members,
            on_list=report.on_list, missing=report.missing, extra=report.extra,
            written=report.written, dry_run=report.dry_run,
        )  # fmt: skip

    def _close(self, tx: Tx) -> None:
        report, name = self._report, self.target.name
        kept = kept_of(tx, name)
        kept.current, kept.export, kept.last = None, None, report
        if not report.dry_run:
            kept.compared_at = report.began_at
        _keep(tx, name, kept)
        now = self.stage.clock.now_ms()
        if report.dry_run:
            return
        if report.status == "refused":
            tx.books.alert("reconcile_refused", f"list {name}", report.error, at=now)
            return
        tx.books.clear_alert("reconcile_refused", f"list {name}")
        drift = report.missing + report.extra
        if drift:
            text = f"{report.missing} were missing from the list and {report.extra} too many: told"
            tx.books.alert("reconciled", f"list {name}", text, at=now)

    def _save(self, tx: Tx) -> None:
        _keep(tx, self.target.name, self.kept)


def kept_of(tx: Tx, name: str) -> Kept:
    """What is kept of a list's reconciliations."""
    text = tx.books.get(KEY + name)
    return Kept() if not isinstance(text, str) else msgspec.json.decode(text, type=Kept)


def _keep(tx: Tx, name: str, kept: Kept) -> None:
    tx.books.set(KEY + name, msgspec.json.encode(kept).decode())


def _is_due(kept: Kept, target: ContactList, now: int) -> bool:
    if kept.compared_at is None or (kept.current is not None and not kept.current.dry_run):
        return True
    return now - kept.compared_at >= target.reconcile_s * 1000


def _count(report: Report, verdict: Verdict) -> None:
    match verdict:
        case Verdict.MISSING:
            report.missing += 1
        case Verdict.EXTRA:
            report.extra += 1
        case Verdict.YOUNG:
            report.young += 1
        case Verdict.REFUSED:
            report.refused += 1
        case Verdict.AGREED | Verdict.UNTOLD:
            pass


def _ready(tx: Tx, *, after: int) -> list[Effect]:
    return tx.effects.ready(Dest.CONTACTS, after=after, limit=PAGE)


def _export_of(asked: Mapping[str, Any]) -> str:
    if not isinstance(asked.get("id"), str):
        msg = "SendGrid took an export, and gave no id to ask for"
        raise UnreadableExport(msg)
    return str(asked["id"])


def _read(file: IO[bytes]) -> dict[str, str]:
    file.seek(0)
    return dict(members_in(file))


def _with_cure(error: HomingError) -> str:
    if isinstance(error, Refused) and error.status == 403:
        return f"{error}: {NO_MARKETING}"
    if isinstance(error, Refused) and error.status == 401:
        return f"{error}: `sendgrid.api_key` is wrong, or was revoked"
    return str(error)

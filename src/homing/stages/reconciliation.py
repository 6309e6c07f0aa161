"""
One reconciliation of suppressions on its way, list by list.

Each lot of rows is one transaction together with how far the reading came.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from homing.core.errors import HomingError
from homing.core.readings import (
    READ,
    REFUSED,
    WAITING,
    Kept,
    Reconciliation,
    kept_from,
    kept_text,
)
from homing.core.reconcile_suppressions import (
    PAGE,
    Absence,
    ListName,
    listed_of,
    scopes_needed,
)
from homing.core.suppression import GLOBAL, group_of, group_scope
from homing.log import RECONCILE_FAILED, SUPPRESSIONS_RECONCILED, log
from homing.stages import crash
from homing.stages.asking import Refused, Unanswered
from homing.stages.listed import Intake, Told, absent, doubtful

if TYPE_CHECKING:
    from homing.core.reconcile_suppressions import Listed
    from homing.core.suppression import Suppression
    from homing.ports import Tx
    from homing.stages.listed import Place
    from homing.stages.reconcile_suppressions import SuppressionReconciler

KEY: Final = "reconcile:suppressions"
"""The store's setting that holds all that is kept."""

LOT: Final = 250
"""Rows of a transaction: the other stages' are not kept waiting."""

MADE_SURE: Final = 1_000

SEARCHED: Final = 500
"""Addresses of one question for who is in a group."""

GIVE_UP: Final = 3
"""So many times a list may go unanswered, a minute apart, before the others go on without it."""


@dataclass(slots=True)
class Round:
    """One reconciliation on its way: each step is written before the next is begun."""

    stage: SuppressionReconciler
    number: int
    told: Told = field(default_factory=Told)

    async def run(self) -> None:
        """
        Go on to the end.

        Raises:
            Unanswered: SendGrid does not answer; what was read stays read.
        """
        try:
            while (name := (await self._now()).next_list()) is not None:
                await self._read_or_say(name)
        except Unanswered as error:
            said = str(error)
            await self._change(lambda one: setattr(one, "error", said))
            raise
        for name in (ListName.UNSUBSCRIBES, ListName.GROUPS):
            await self._compare_or_say(name)
        await self.stage.store.write(self._end)

    async def _now(self) -> Reconciliation:
        one = await self.stage.store.write(under_way)
        if one is None or one.number != self.number:
            raise HomingError("the reconciliation was ended by another")
        return one

    async def _read_or_say(self, name: ListName) -> None:
        try:
            if name is ListName.GROUPS:
                await self._learn_groups()
            await self._read(name)
        except Unanswered as error:
            said = error
            if not await self.stage.store.write(lambda tx: self._gives_up(tx, name, said)):
                raise
        except Refused as error:
            refused = error
            await self.stage.store.write(
                lambda tx: self._complain(tx, name, refused, state=REFUSED)
            )
        else:
            await self.stage.store.write(lambda tx: self._close_list(tx, name))

    async def _learn_groups(self) -> None:
        """
        Which groups there are: of a deleted one SendGrid would make a global unsubscribe.

        Source: SendGrid OpenAPI, "Suppressions": adding to a group that does not exist.
        """
        known = self.stage.plans.groups
        try:
            rows = await self._asked("/v3/asm/groups")
        except Refused as error:
            # the list may be read all the same; that nothing is held against it is said
            refused = error
            await self.stage.store.write(
                lambda tx: self._complain(tx, ListName.GROUPS, refused, state=WAITING)
            )
            return
        there = {row.get("id") for row in rows if isinstance(row, dict)}
        await self.stage.store.write(
            lambda tx: self._keep_groups(tx, {name for name in known if known[name] in there})
        )

    def _keep_groups(self, tx: Tx, there: Collection[str]) -> None:
        for name, number in self.stage.plans.groups.items():
            if name in there:
                tx.books.clear_alert("group_gone", name)
            else:
                text = f"SendGrid has no group {number}: nobody's opt-out of it can be told there"
                tx.books.alert("group_gone", name, text, at=self.stage.clock.now_ms())
        self._changed(tx, lambda one: setattr(one, "groups", sorted(there)))

    async def _read(self, name: ListName) -> None:
        reading, before = (await self._now()).readings[name], None
        window, offset = reading.window, reading.offset
        if name is ListName.GROUPS:
            # there are no pages: it begins anew
            await self._change(lambda one: setattr(one.readings[name].tally, "pulled", 0))
            await self._take(name, await self._of_groups(window.path(name, 0)))
            return
        while True:
            raw = await self._asked(window.path(name, offset))
            if raw == before:
                raise Refused(200, "the same page came twice", f"the {name} list")
            await self._take(name, raw)
            if len(raw) < PAGE:
                return
            before, offset = raw, offset + len(raw)

    async def _of_groups(self, path: str) -> list[Any]:
        """The rows of all groups; where that is more than one answer, of those we know."""
        known = self.stage.plans.groups.values()
        try:
            return await self._asked(path)
        except Unanswered:
            if not known:
                raise
            # one by one they come shorter, and without their times
            return [
                {"email": email, "group_id": number}
                for number in known
                for email in await self._asked(f"/v3/asm/groups/{number}/suppressions")
            ]

    async def _asked(self, path: str) -> list[Any]:
        what = f"GET {path.partition('?')[0]}"
        answer = await self.stage.asker.json("GET", path)
        if not isinstance(answer, list):
            raise Refused(200, f"expected a list, got {type(answer).__name__}", what)
        return answer

    async def _take(self, name: ListName, raw: Sequence[Any]) -> None:
        groups = {number: group for group, number in self.stage.plans.groups.items()}
        end_s = (await self._now()).end_s
        # groups come whole: a lot at a time, nobody else waits for long
        for lot in _lots(raw, LOT):
            rows = [listed_of(name, row, groups=groups, end_s=end_s) for row in lot]
            sure = await self._made_sure(
                await self.stage.store.write(lambda tx, rows=rows: doubtful(tx, rows))  # type: ignore[misc]
            )
            repaired = await self.stage.store.write(
                lambda tx, rows=rows, sure=sure: self._take_lot(tx, name, rows, sure=sure)  # type: ignore[misc]
            )
            if repaired:
                crash.reached(crash.AFTER_REPAIRS)
                self.stage.on_repaired()

    def _take_lot(
        self, tx: Tx, name: ListName, rows: Sequence[Listed | None], *, sure: Collection[Place]
    ) -> int:
        def take(one: Reconciliation) -> None:
            self._intake(tx, one, name, sure=sure).take_rows(rows)
            one.readings[name].offset += len(rows)
            one.readings[name].failures = 0

        return self._changed(tx, take)

    async def _compare_or_say(self, name: ListName) -> None:
        try:
            await self._compare(name)
        except Unanswered as error:
            # what was not held against the list is by the next one, which reads it anew
            said = error
            await self.stage.store.write(lambda tx: self._complain(tx, name, said, state=READ))

    async def _compare(self, name: ListName) -> None:
        """Hold our opt-outs against a list that was read as a whole."""
        one = await self._now()
        if not one.is_compared(name):
            return
        groups = [group_scope(group) for group in one.groups or () if group in self._groups]
        for scope in [GLOBAL] if name is ListName.UNSUBSCRIBES else groups:
            while batch := await self.stage.store.write(
                lambda tx, scope=scope: tx.suppressions.unmarked(  # type: ignore[misc]
                    scope, reading=self.number, limit=LOT
                )
            ):
                sure = await self._after_all(name, batch)
                repaired = await self.stage.store.write(
                    lambda tx, batch=batch, sure=sure: self._take_absent(  # type: ignore[misc]
                        tx, name, batch, sure=sure
                    )
                )
                if repaired:
                    self.stage.on_repaired()

    async def _after_all(
        self, name: ListName, batch: Sequence[tuple[str, Suppression]]
    ) -> set[Place]:
        """
        Those of a batch that SendGrid has after all: told since, or moved between two pages.

        A thousand are asked for one by one; beyond that it is a drift, and no delay.
        """
        one = await self._now()
        sure = await self._made_sure(absent(batch, {Absence.LIFTED_THERE}, end_s=one.end_s))
        tally = one.readings[name].tally
        if tally.missing_there + tally.gone_there < MADE_SURE:
            others = {Absence.MISSING_THERE, Absence.GONE_THERE}
            places = absent(batch, others, end_s=one.end_s)
            sure |= await self._made_sure(places, or_sure=False)
        return sure

    @property
    def _groups(self) -> Collection[str]:
        """The groups of the configuration in force now."""
        return self.stage.plans.groups

    def _take_absent(
        self,
        tx: Tx,
        name: ListName,
        batch: Sequence[tuple[str, Suppression]],
        *,
        sure: Collection[Place],
    ) -> int:
        return self._changed(
            tx, lambda one: self._intake(tx, one, name, sure=sure).take_absent(batch)
        )

    def _intake(
        self, tx: Tx, one: Reconciliation, name: ListName, *, sure: Collection[Place]
    ) -> Intake:
        stage = self.stage
        return Intake(
            tx, one, name, stage.plans, stage.clock.now_ms(), stage.surroundings, self.told, sure
        )

    async def _made_sure(self, places: Sequence[Place], *, or_sure: bool = True) -> set[Place]:
        """Those of these places that SendGrid has now; all or none where it may not be asked."""
        sure: set[Place] = set()
        for scope in {scope for _, scope in places}:
            addresses = [address for address, of in places if of == scope]
            try:
                listed = await self._listed_now(scope, addresses)
            except Refused:
                listed = set(addresses) if or_sure else set()
            sure |= {(address, scope) for address in listed}
        return sure

    async def _listed_now(self, scope: str, addresses: Sequence[str]) -> set[str]:
        asker, group = self.stage.asker, self.stage.plans.groups.get(group_of(scope) or "")
        found: set[str] = set()
        if group is not None:
            path = f"/v3/asm/groups/{group}/suppressions/search"
            for lot in _lots(addresses, SEARCHED):
                answer = await asker.json("POST", path, {"recipient_emails": list(lot)})
                found |= {str(one).lower() for one in answer or ()}
            return found.intersection(addresses)
        if scope != GLOBAL:
            return set(addresses)  # a reload has taken the group: nothing is done of it
        for address in addresses:
            path = f"/v3/asm/suppressions/global/{quote(address, safe='')}"
            if await asker.json("GET", path):
                found.add(address)
        return found

    async def _change(self, change: Callable[[Reconciliation], object]) -> None:
        await self.stage.store.write(lambda tx: self._changed(tx, change))

    def _changed(self, tx: Tx, change: Callable[[Reconciliation], object]) -> int:
        """Change what is kept of this one; how many repairs that added."""
        kept = kept_of(tx)
        one = kept.current
        if one is None or one.number != self.number:
            raise HomingError("the reconciliation was ended by another")
        before = one.repaired
        change(one)
        keep(tx, kept)
        return one.repaired - before

    def _gives_up(self, tx: Tx, name: ListName, error: Unanswered) -> bool:
        """Whether a list went unanswered so often that the others must not wait for it."""

        def count(one: Reconciliation) -> None:
            one.readings[name].failures += 1

        self._changed(tx, count)
        one = kept_of(tx).current
        if one is None or one.readings[name].failures < GIVE_UP:
            return False
        self._complain(tx, name, error, state=REFUSED)
        return True

    def _complain(self, tx: Tx, name: ListName, error: Refused | Unanswered, *, state: str) -> None:
        cure = _cure(name, error.status) if isinstance(error, Refused) else ""
        text = f"{error}{cure}"

        def keep(one: Reconciliation) -> None:
            one.readings[name].state, one.readings[name].error = state, text

        self._changed(tx, keep)
        tx.books.alert("reconcile_refused", name.value, text, at=self.stage.clock.now_ms())
        log.error(RECONCILE_FAILED, list=name.value, error=text)

    def _close_list(self, tx: Tx, name: ListName) -> None:
        kept = kept_of(tx)
        kept.close_list(name)
        keep(tx, kept)
        if kept.current is not None and not kept.current.readings[name].error:
            tx.books.clear_alert("reconcile_refused", name.value)

    def _end(self, tx: Tx) -> None:
        kept = kept_of(tx)
        one = kept.end(now_ms=self.stage.clock.now_ms())
        keep(tx, kept)
        if one is None:
            return
        read = [name for name in ListName if one.readings[name].state == READ]
        log.info(
            SUPPRESSIONS_RECONCILED, number=one.number, dry_run=one.dry, lists=len(read),
            pulled=one.pulled, missing=one.missing, repaired=one.repaired,
        )  # fmt: skip
        if one.drifted and not one.dry:
            text = (
                f"{one.missed} suppressions that no webhook had told of, and"
                f" {one.drifted - one.missed} that SendGrid lacked, were repaired:"
                " `homing reconcile suppressions --last`"
            )
            now_ms = self.stage.clock.now_ms()
            tx.books.alert("reconciled", "suppressions", text, at=now_ms)


def kept_of(tx: Tx) -> Kept:
    """All that is kept of reconciliations."""
    return kept_from(tx.books.get(KEY))


def under_way(tx: Tx) -> Reconciliation | None:
    """The one that has not ended."""
    return kept_of(tx).current


def keep(tx: Tx, kept: Kept) -> None:
    """Write all that is kept."""
    tx.books.set(KEY, kept_text(kept))


def _lots(rows: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def _cure(name: ListName, status: int) -> str:
    if status == 401:
        return "; `sendgrid.api_key` is wrong, or was revoked"
    if status == 403:
        return f"; the key lacks {scopes_needed(name)}"
    return ""

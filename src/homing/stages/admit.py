"""
May the head of a lane leave now? The gate once more, then what only makes a send wait.

What waits by a rule (quiet hours, a cap, a paused journey) leaves its lane, so that it holds up
nobody, and is asked of again when the rule says. Sends of one instant are arbitrated together:
where a cap leaves no room for all, the higher priority goes first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec.structs import replace

from homing.core import consent, gate
from homing.core.durations import duration_text
from homing.core.journeys import moments
from homing.core.journeys.program import Status
from homing.core.journeys.run import FOREVER, OF_ITSELF, RunState, exit_origin, run_of
from homing.core.journeys.watching import watch_until
from homing.core.ledger import CLAIMABLE
from homing.core.plans import EmailClass
from homing.stages import compose, moves
from homing.stages.reserve import lane_of

if TYPE_CHECKING:
    from homing.core.effects import ClaimedSend, SendRow
    from homing.core.journeys.program import Journey
    from homing.core.plans import Cap, Email, Plans
    from homing.core.suppression import Records
    from homing.ports import Pause, Tx

OF_EMAIL = "email/"
MAX_LOOKED_AT = 200
MAX_RESUMED = 1_000_000


@dataclass(frozen=True, slots=True)
class Wait:
    """Until when a send waits, and why."""

    until_ms: int
    reason: str


@dataclass(frozen=True, slots=True)
class Gatekeeper:
    """
    What sends are asked with, at one moment.

    ``pauses``: what is paused, by destination or "email/NAME".
    """

    tx: Tx
    plans: Plans
    now: int
    pauses: Mapping[str, Pause]

    def admitted(self, row: SendRow) -> ClaimedSend | None:
        """Ask of a send that is due; None if it does not leave now: then its row says why."""
        tx, email = self.tx, self.plans.emails.get(row.email)
        if email is None:
            moves.refuse(tx, row, gate.Refusal("skipped", f"no [email.{row.email}] any more"))
            return None
        records = {} if row.address is None else tx.suppressions.of(row.address)
        refusal = self._refusal(row, email, records)
        if refusal is not None:
            moves.refuse(tx, row, refusal)
            return None
        if OF_EMAIL + row.email in self.pauses:
            # its lane is free meanwhile; `resume` puts it back
            row.lane, row.head = None, 0
            row.reason = f"paused: email {row.email}"
            tx.sends.save(row)
            return None
        wait = self._wait(row, email)
        if wait is not None:
            defer(tx, row, wait)
            if wait.until_ms >= FOREVER:
                journey = journey_of(row, self.plans)
                watch(tx, row, journey, until_ms=FOREVER, now=self.now)
            return None
        if self.plans.caps and is_marketing(row):
            tx.sends.mark_marketing(row.person, at=self.now, send=row.id)
        return compose.claimed_of(row, email, records, data=tx.sends.data(row.id))

    def _refusal(self, row: SendRow, email: Email, records: Records) -> gate.Refusal | None:
        lacking = self._lacking(row, email)
        asked = gate.Asked(email, row.address, records, self.now, row.expires_at, lacking)
        return gate.refusal_of(asked) or _run_is_over(self.tx, row)

    def _lacking(self, row: SendRow, email: Email) -> tuple[str, ...]:
        """The consent that a send requires and its person does not give."""
        journey = journey_of(row, self.plans)
        required = email.consent if journey is None else (*email.consent, *journey.consent)
        if not required:
            return ()
        person = self.tx.people.get(row.person)
        return () if person is None else consent.lacking(required, person.consent)

    def must_wait_for_ticks(self, row: SendRow) -> bool:
        """Whether a run of its person is due: what it reserves may have to go first."""
        capped = bool(self.plans.caps) and is_marketing(row)
        return capped and self.tx.runs.is_due(row.person, now=self.now)

    def _wait(self, row: SendRow, email: Email) -> Wait | None:
        wait = self._held(row)
        if wait is not None or not is_marketing(row):
            return wait
        return self._capped(row, email)

    def _held(self, row: SendRow) -> Wait | None:
        """What keeps a send back by itself, whatever else its person gets."""
        journey = journey_of(row, self.plans)
        if journey is not None and journey.status is Status.PAUSED:
            return Wait(FOREVER, f"paused: journey {journey.name}")
        return self._quiet(row, journey) if is_marketing(row) else None

    def _quiet(self, row: SendRow, journey: Journey | None) -> Wait | None:
        quiet = self.plans.quiet if journey is None or journey.quiet is None else journey.quiet
        if quiet is None or quiet.start == quiet.end:
            return None
        person = self.tx.people.get(row.person)
        named = () if person is None else (person.traits.get("timezone"), person.zone)
        names = [name if isinstance(name, str) else None for name in named]
        zone = moments.zone_or(names, quiet.zone)
        until = moments.quiet_until(self.now, quiet, zone)
        return None if until is None else Wait(until, f"quiet hours in {zone}")

    def _capped(self, row: SendRow, email: Email) -> Wait | None:
        """The cap that leaves no room, or leaves it to others that go first."""
        if not self.plans.caps:
            return None
        widest = max(cap.per_ms for cap in self.plans.caps)
        left = self.tx.sends.marketing_since(row.person, since=self.now - widest + 1)
        left = [one for one in left if one[1].id != row.id]  # an earlier attempt of its own
        rivals = self._rivals(row, email)
        waits = (wait_of(cap, left, rivals, now=self.now) for cap in self.plans.caps)
        found = [wait for wait in waits if wait is not None]
        return max(found, key=lambda wait: wait.until_ms, default=None)

    def _rivals(self, row: SendRow, email: Email) -> list[SendRow]:
        """What else of marketing its person is due at this instant and has a higher priority."""
        own = self._priority(row, email)
        found: list[tuple[int, int, SendRow]] = []
        for other in self.tx.sends.open_of_person(row.person):
            theirs = self.plans.emails.get(other.email)
            if other.id == row.id or theirs is None or not is_marketing(other):
                continue
            priority = self._priority(other, theirs)
            if priority > own and self._could_leave(other, theirs):
                found.append((-priority, other.id, other))
        return [other for _, _, other in sorted(found, key=lambda one: one[:2])]

    def _could_leave(self, row: SendRow, email: Email) -> bool:
        """Whether a send is due and nothing but a cap may keep it back: it then takes its room."""
        is_due = row.lane is not None and row.state in CLAIMABLE and row.due_at <= self.now
        if not is_due or OF_EMAIL + row.email in self.pauses:
            return False
        records = {} if row.address is None else self.tx.suppressions.of(row.address)
        return self._refusal(row, email, records) is None and self._held(row) is None

    def _priority(self, row: SendRow, email: Email) -> int:
        journey = journey_of(row, self.plans)
        return email.priority if journey is None or not journey.priority else journey.priority


def wait_of(
    cap: Cap, left: list[tuple[int, SendRow]], rivals: list[SendRow], *, now: int
) -> Wait | None:
    """
    How long a cap keeps a send back; None if it leaves room for it.

    Args:
        left: What left before: when, and the send; oldest first.

        rivals: What goes first at this instant.
    """
    within = [(at, row) for at, row in left if at > now - cap.per_ms]
    room = max(0, cap.max - len(within))
    if len(rivals) < room:
        return None
    times = [at for at, _ in within] + [now] * room
    frees = times[-cap.max] + cap.per_ms
    limit = f"cap {cap.max} per {duration_text(cap.per_ms / 1000)}"
    if room == 0:
        return Wait(frees, f"{limit}: reached by {_named(within[-1][1])}")
    return Wait(frees, f"{limit}: {_named(rivals[0])} goes first")


def defer(tx: Tx, row: SendRow, wait: Wait) -> None:
    """Let a send leave its lane until it is asked of again."""
    row.lane, row.head = None, 0
    # what is paused does not grow old: see `resume_journeys`
    until_ms = wait.until_ms if wait.until_ms >= FOREVER else min(wait.until_ms, row.expires_at)
    row.deferred, row.reason = until_ms, wait.reason
    tx.sends.save(row)


def resume_journeys(tx: Tx, plans: Plans, *, now: int) -> int:
    """
    Ask again of what waited because a journey was paused that is so no more; how many there were.

    Pausing loses nothing: their time to be delivered starts anew.
    """
    resumed = 0
    for name in dict.fromkeys(definition.journey for definition in tx.runs.definitions()):
        journey = plans.journeys.get(name)
        if journey is None or journey.status is not Status.PAUSED:
            resumed += _resume(tx, name, plans, now=now)
    return resumed


def _resume(tx: Tx, name: str, plans: Plans, *, now: int) -> int:
    rows = tx.sends.deferred_of(name, limit=MAX_RESUMED)
    held = [row for row in rows if row.deferred is not None and row.deferred >= FOREVER]
    for row in held:
        email = plans.emails.get(row.email)
        if email is not None:
            row.expires_at = max(row.expires_at, now + int(email.deliver_within_s * 1000))
        put_back(tx, row, now=now)
        watch(tx, row, plans.journeys.get(name), until_ms=row.expires_at, now=now)
    return len(held)


def watch(tx: Tx, row: SendRow, journey: Journey | None, *, until_ms: int, now: int) -> None:
    """Let exits concern a run for as long as what it reserved may wait."""
    number = run_of(row.origin)
    run = None if number is None else tx.runs.get(number)
    if run is None or row.origin == exit_origin(run.id):
        return
    was_held = run.sends_until >= FOREVER
    run = replace(run, sends_until=until_ms if was_held else max(run.sends_until, until_ms))
    if journey is not None:
        run = replace(run, watch_until=watch_until(journey, run, now))
    elif not run.is_alive and run.watch_until is not None:
        run = replace(run, watch_until=min(run.watch_until, until_ms))
    tx.runs.save(run)


def return_deferred(tx: Tx, *, now: int) -> int:
    """Put what has waited long enough back into its lane; how many there were."""
    rows = tx.sends.deferred_due(now=now, limit=MAX_LOOKED_AT)
    for row in rows:
        put_back(tx, row, now=now)
    return len(rows)


def put_back(tx: Tx, row: SendRow, *, now: int) -> None:
    """Let a send that waited by a rule be due in its lane."""
    row.deferred, row.due_at = None, now
    tx.sends.rejoin(row, lane=lane_of(row.person, EmailClass(row.kind)))


def is_marketing(row: SendRow) -> bool:
    """Whether rules for marketing are asked of it."""
    return row.kind == EmailClass.MARKETING


def journey_of(row: SendRow, plans: Plans) -> Journey | None:
    """The journey in force that reserved a send."""
    return plans.journeys.get(row.rule) if row.origin < 0 else None


def _run_is_over(tx: Tx, row: SendRow) -> gate.Refusal | None:
    """What a run reserved does not leave once an exit has ended or outlived it."""
    number = run_of(row.origin)
    run = None if number is None else tx.runs.get(number)
    if run is None or row.origin == exit_origin(run.id):
        return None
    if run.state in OF_ITSELF and run.sends_until == 0:
        return gate.Refusal("skipped", run.reason or "exited")
    if run.state is RunState.EXITED:
        return gate.Refusal("skipped", f"exited: {run.reason}")
    ended = run.state in (RunState.MERGED, RunState.ARCHIVED)
    return gate.Refusal("skipped", run.state.value) if ended else None


def _named(row: SendRow) -> str:
    return f"{'journey' if row.origin < 0 else 'route'} {row.rule}"

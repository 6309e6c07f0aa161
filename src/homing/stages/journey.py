"""
Journeys: an event of its person, or a tick, moves runs, inside one transaction with it.

The engine decides (``core/journeys/engine.py``); here its lines become rows: the run, what it
knows, its history, and the sends and calls that it asks for.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import msgspec
from msgspec.structs import replace

from homing.core.effects import (
    CannotDo,
    NewSend,
    WantAudience,
    WantSend,
    name_of_wish,
)
from homing.core.gate import Refusal
from homing.core.journeys import engine
from homing.core.journeys.contexts import pack, unpack
from homing.core.journeys.entering import Entering, Last, entering
from homing.core.journeys.program import Journey, Reentry, Status
from homing.core.journeys.run import Context, Passage, Run, RunSignal, RunState
from homing.core.journeys.walk import Moment, Outcome
from homing.core.journeys.watching import has_sends_out, watch_until
from homing.core.ledger import CLAIMABLE, SendState
from homing.ports import Definition
from homing.stages import crash, moves, reserve
from homing.stages.cause import Cause
from homing.stages.run_counts import DRAFT, RESERVED_BEFORE, count, counter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from homing.core.decide import Rules
    from homing.core.effects import Wish
    from homing.core.events import Happened
    from homing.core.journeys.programs import Programs
    from homing.core.journeys.walk import Line
    from homing.core.people import Person
    from homing.ports import Tx
    from homing.stages.identity import Known
    from homing.stages.unmade import Buried

Due: TypeAlias = tuple[Run, bytes]
"""A run whose time is over, and what it knows."""

# a tick that is not later counts as fired when it was due: timers of ordinary days do not drift
PUNCTUAL_MS = 60_000
LOOKED_AT = 100
LATE = "late"
SUPERSEDED = "superseded: the journey was entered again under this key"


class Desk(msgspec.Struct, frozen=True):
    """
    What decisions about runs are made with.

    ``mint`` gives a random 40-bit tag per send; ``salt`` moves all chance (a simulation's seed);
    ``observe`` is told of what happened to runs, ``derive`` of events that follow from it.
    """

    rules: Rules
    known: Known
    now_ms: int
    mint: Callable[[], int]
    salt: str = ""
    observe: Callable[[Run, Passage], None] | None = None
    derive: Callable[[Mapping[str, object], Cause], None] | None = None


def hear(tx: Tx, event: Happened, person: Person, *, desk: Desk) -> None:
    """Take an event to its person's runs, then ask whether it starts others."""
    asked = desk.rules.candidates(event.type, event.name).journeys
    if not asked.any:
        return
    moment = Moment(event.received_ms, event, desk.salt)
    runs = tx.runs.watched_of(person.id, now=moment.at_ms)
    if asked.watched:
        for place, run in enumerate(runs):
            outcome = _heard(tx, run, person, moment=moment, desk=desk)
            if outcome is not None:
                runs[place] = outcome.run
                person = outcome.person
    for journey in asked.entries:
        last = partial(_last_entry, tx, (person.id, journey.name))
        found = entering(journey, event, person, runs=runs, last=last)
        if found is None:
            continue
        if journey.entry.key is not None and found.refused is None:
            _supersede(tx, [run for run in runs if _is_same(run, journey, found)], moment.at_ms)
        person = _enter(tx, journey, found, person=person, moment=moment, desk=desk)


def _is_same(run: Run, journey: Journey, found: Entering) -> bool:
    """Whether a run is of the journey and the key that is entered."""
    return run.journey == journey.name and run.key == found.key


def _supersede(tx: Tx, before: Sequence[Run], at_ms: int) -> None:
    """
    What an earlier run under the same key has waiting (quiet hours, a cap) leaves no more.

    The new run speaks of the same thing with newer words: else both emails would leave together.
    """
    for run in before:
        if has_sends_out(run, at_ms):
            for row in tx.sends.of_run(run.id):
                if row.deferred is not None and row.state in CLAIMABLE:
                    moves.refuse(tx, row, Refusal("skipped", SUPERSEDED))


def tick(tx: Tx, due: Due, desk: Desk) -> None:
    """Let the time of a run that is due be over."""
    run, packed = due
    journey = desk.rules.programs.of(run)
    due_at = desk.now_ms if run.due_at is None else run.due_at
    punctual = desk.now_ms - due_at <= PUNCTUAL_MS
    moment = Moment(due_at if punctual else desk.now_ms, None, desk.salt)
    person = desk.known.get(tx, run.person)
    if journey is None or person is None:
        missing = "its version is not to be had" if journey is None else "its person is gone"
        fail(tx, run, missing, now_ms=desk.now_ms)
        return
    outcome = engine.ticked(journey, run, unpack(packed), person=person, moment=moment)
    _Record(tx, journey, moment, desk, due_at).write(outcome, before=run)


def still_due(tx: Tx, run: Run, *, now_ms: int) -> Due | None:
    """A run that was due, as it is by now; None if its time is not over any more."""
    kept = tx.runs.get(run.id)
    if kept is None or not kept.is_alive or kept.due_at is None:
        return None
    return (kept, tx.runs.context(kept.id)) if kept.due_at <= now_ms else None


def fail(tx: Tx, run: Run, reason: str, *, now_ms: int) -> None:
    """End a run that cannot go on; a person should look at why."""
    over = engine.ended(run, RunSignal.FAIL, reason, at_ms=now_ms)
    _end(tx, over, f"failed: {reason}", now_ms=now_ms)
    text = f"a run of {run.journey} cannot go on: {reason}"
    tx.books.alert("run_failed", run.journey, text, at=now_ms)


def merged(
    tx: Tx, person: int, *, now_ms: int, observe: Callable[[Run, Passage], None] | None = None
) -> None:
    """Of two runs that two people brought under one key, let the older stay."""
    oldest: dict[tuple[str, str], Run] = {}
    waiting = (run for run in tx.runs.watched_of(person, now=now_ms) if run.is_alive)
    for run in sorted(waiting, key=lambda run: (run.entered_at, run.id)):
        first = oldest.setdefault((run.journey, run.key), run)
        if first is not run:
            _enter_as(tx, first, instead_of=run)
            over = engine.ended(run, RunSignal.MERGE, "merged", at_ms=now_ms)
            passage = _end(tx, over, "merged", now_ms=now_ms)
            if observe is not None:
                observe(over, passage)


def _enter_as(tx: Tx, first: Run, *, instead_of: Run) -> None:
    """Let the run that stays be the one to ask of when its person would enter again."""
    entry = tx.runs.last_entry(instead_of.person, instead_of.journey, instead_of.key)
    if entry is not None and entry[1] == instead_of.id:
        tx.runs.remember_entry(replace(first, entered_at=entry[0]))


def define(tx: Tx, programs: Programs) -> None:
    """Keep the versions in force: before any run is on one."""
    for name, text in programs.definitions.items():
        tx.runs.define(Definition(name, programs.current[name].version, text))


def can_move(run: Run, journey: Journey) -> bool:
    """Whether a run that waits can go on in another version: it has the step where it waits."""
    return journey.waits_in(run.step)


def migrate(tx: Tx, run: Run, journey: Journey, *, now_ms: int) -> bool:
    """
    Let a run that waits go on in another version; False if it cannot.

    The wait under way ends when it would have ended.
    """
    if not can_move(run, journey):
        return False
    tx.runs.save(replace(run, version=journey.version))
    reason = f"from version {run.version} to {journey.version}"
    tx.runs.note([Passage(run.id, now_ms, "moved", run.step, reason=reason, due_at=run.due_at)])
    return True


def expel(tx: Tx, run: Run, journey: Journey, *, reason: str, desk: Desk) -> None:
    """End a run whose person may not be in the journey any more; its goal is still counted."""
    over = engine.ended(run, RunSignal.EXIT, reason, at_ms=desk.now_ms)
    over = replace(over, watch_until=watch_until(journey, over, desk.now_ms))
    passage = _end(tx, over, reason, now_ms=desk.now_ms)
    if desk.observe is not None:
        desk.observe(over, passage)


def archive(tx: Tx, run: Run, *, now_ms: int) -> None:
    """End a run because its journey, or its version, is given up."""
    over = engine.ended(run, RunSignal.ARCHIVE, "archived", at_ms=now_ms)
    _end(tx, over, "archived", now_ms=now_ms)


def _end(tx: Tx, over: Run, reason: str, *, now_ms: int) -> Passage:
    """Write a run that was ended from outside; what it reserved does not leave."""
    tx.runs.save(over)
    _cancel(tx, over, reason)
    passage = Passage(over.id, now_ms, "exited", over.step, reason=reason)
    tx.runs.note([passage])
    count(tx, over.journey, passage, variant=over.variant)
    return passage


def _heard(tx: Tx, run: Run, person: Person, *, moment: Moment, desk: Desk) -> Outcome | None:
    event, programs = moment.event, desk.rules.programs
    journey = programs.of(run)
    if journey is None or event is None:
        return None
    outcome = engine.heard(
        journey,
        run,
        programs.concerns(journey, event.type, event.name),
        context=lambda: _context_of(tx, run),
        person=person,
        moment=moment,
    )
    if outcome is None:
        return None
    run = _Record(tx, journey, moment, desk, moment.at_ms).write(outcome, before=run)
    return replace(outcome, run=run)


def _context_of(tx: Tx, run: Run) -> Context | None:
    raw = tx.runs.context(run.id)
    return unpack(raw) if raw else None


def _last_entry(tx: Tx, who: tuple[int, str], key: str) -> Last | None:
    found = tx.runs.last_entry(*who, key)
    if found is not None:
        run = tx.runs.get(found[1])
        return Last(found[0], None if run is None else run.state)
    # of a journey that everybody could enter anew, until its configuration was changed
    person, journey = who
    for run in tx.runs.newest_of(person, limit=LOOKED_AT):
        if run.journey == journey and run.key == key and run.state is not RunState.MERGED:
            return Last(run.entered_at, run.state)
    return None


def _enter(
    tx: Tx, journey: Journey, found: Entering, *, person: Person, moment: Moment, desk: Desk
) -> Person:
    if found.refused is not None:
        tx.books.count(counter((journey.name, "not_entered", "", found.refused, "")))
        return person
    if found.restarts is not None:
        journey = desk.rules.programs.of(found.restarts) or journey
        before = found.restarts
        outcome = engine.reentered(journey, before, person=person, moment=moment)
        _Record(tx, journey, moment, desk, moment.at_ms).write(outcome, before=before)
        return outcome.person
    outcome = engine.entered(journey, tx.runs.next_id(), found.key, person=person, moment=moment)
    if journey.entry.reentry is not Reentry.ALWAYS:
        tx.runs.remember_entry(outcome.run)
    _Record(tx, journey, moment, desk, moment.at_ms).write(outcome, before=None)
    crash.reached(crash.ENTERED)
    return outcome.person


class _Record(msgspec.Struct, gc=False):
    """
    One decision about one run, on its way into the store.

    ``due_at`` is when it should have been made: what comes too late must not leave.
    """

    tx: Tx
    journey: Journey
    moment: Moment
    desk: Desk
    due_at: int

    def write(self, outcome: Outcome, *, before: Run | None) -> Run:
        """
        Write what a decision came to; the run as it is kept.

        Args:
            before: The run as it was; None: it is new.
        """
        run, context, tx = outcome.run, outcome.context, self.tx
        packed = None if context is None else pack(context)
        if outcome.cancels is not None:
            _cancel(tx, run, outcome.cancels)
        run = self._carry_out(run, outcome.lines)
        if run.converted_at is not None:
            run = self._touched(run, outcome.lines)
        until = watch_until(self.journey, run, self.moment.at_ms)
        if until != run.watch_until:
            run = replace(run, watch_until=until)
        if before is None:
            tx.runs.add(run, packed or b"")
        else:
            tx.runs.save(run, packed, before=before)
        if outcome.person is not self.desk.known.get(tx, run.person):
            tx.people.save(outcome.person)
            self.desk.known.keep(outcome.person)
        return run

    def _carry_out(self, run: Run, lines: Sequence[Line]) -> Run:
        """Do what the lines ask for, and keep them; the run with when its sends expire."""
        refusal = self._refusal()
        passages: list[Passage] = []
        for number, line in enumerate(lines):
            passage = self._passage(run, line)
            if line.wish is not None and line.latest is not None and line.person is not None:
                passage, until = self._asked(passage, line, number, refusal=refusal)
                if until > run.sends_until:
                    run = replace(run, sends_until=until)
            passages.append(passage)
            count(self.tx, run.journey, passage, variant=line.variant)
            if self.desk.observe is not None:
                self.desk.observe(replace(run, variant=line.variant), passage)
        self.tx.runs.note(passages)
        return run

    def _refusal(self) -> Refusal | None:
        """Why nothing that a run asks for now may leave."""
        if self.journey.status is Status.DRAFT:
            return Refusal("skipped", DRAFT)
        late_ms = self.desk.now_ms - self.due_at
        return Refusal("skipped", LATE) if late_ms > self.journey.max_lateness_ms else None

    def _passage(self, run: Run, line: Line) -> Passage:
        event = None if self.moment.event is None else self.moment.event.id
        return Passage(
            run.id, self.moment.at_ms, line.what, line.step, line.name, line.reason, line.due_at,
            event, None, line.value,
        )  # fmt: skip

    def _asked(
        self, passage: Passage, line: Line, number: int, *, refusal: Refusal | None
    ) -> tuple[Passage, int]:
        """Do what a line asks for; the line as it is kept, and when a send it reserved expires."""
        wish, desk = line.wish, self.desk
        if wish is None or line.latest is None or line.person is None:
            return passage, 0
        name, outward = _named(wish)
        passage = replace(passage, name=name)
        is_draft = refusal is not None and refusal.reason == DRAFT
        if is_draft and outward and not isinstance(wish, WantSend):
            return replace(passage, what="skipped", reason=DRAFT), 0
        cause = Cause(
            line.latest, line.person, desk.rules.plans, desk.now_ms, line.journey, line.origin,
            self.moment.at_ms, refusal, self.journey.consent, self.moment.event is not None,
            is_draft, desk.derive,
        )  # fmt: skip
        send = reserve.carry_out(self.tx, wish, cause, number=number, mint=desk.mint)
        if not isinstance(send, NewSend):
            return _without_send(passage, wish, send), 0
        if send.state != SendState.RESERVED:
            return replace(passage, what="skipped", reason=send.reason, send=send.id), 0
        return replace(passage, send=send.id), send.expires_at

    def _touched(self, run: Run, lines: Sequence[Line]) -> Run:
        """A run that has just converted, with the first and the last send that left before."""
        if not any(line.what == "goal" for line in lines):
            return run
        left = [row for row in self.tx.sends.of_run(run.id) if row.in_flight_at is not None]
        if not left:
            return run
        left.sort(key=lambda row: (row.in_flight_at or 0, row.id))
        return replace(run, first_touch=left[0].id, last_touch=left[-1].id)


def _without_send(passage: Passage, wish: Wish, buried: Buried | None) -> Passage:
    unmade = wish if isinstance(wish, CannotDo) else buried
    if unmade is not None:
        return replace(passage, what="skipped", reason=unmade.reason)
    if isinstance(wish, WantSend):
        return replace(passage, what="skipped", reason=RESERVED_BEFORE)
    return passage


def _named(wish: Wish) -> tuple[str, bool]:
    """What an effect is called, and whether it reaches outside."""
    return name_of_wish(wish), not isinstance(wish, WantAudience)


def _cancel(tx: Tx, run: Run, reason: str) -> None:
    """What a run reserved and what has not left does not leave."""
    for row in tx.sends.of_run(run.id):
        if row.state in CLAIMABLE:
            moves.refuse(tx, row, Refusal("skipped", reason))

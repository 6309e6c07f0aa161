"""Take one event in: dedupe -> decide -> save, inside the evaluating transaction."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from homing.core import events, people
from homing.core.decide import Rules, decide
from homing.core.digests import digest8
from homing.core.effects import EventState
from homing.core.erasure import Asked
from homing.core.errors import Unavailable
from homing.core.events import Happened, derived_number
from homing.core.journeys.run import Passage
from homing.core.people import Identity, IdKind
from homing.core.segment_calls import is_echo
from homing.core.sendgrid import UnusableEvent, is_sample
from homing.log import EVENT_QUARANTINED, log
from homing.ports import EventRow
from homing.stages import enlist, erase, home, identity, journey, reserve
from homing.stages.cause import Cause
from homing.stages.compose import TEST_ARG
from homing.stages.draft import Draft, Taken, name_of, names_of, text_of
from homing.stages.ledger import Ledger
from homing.stages.withdraw import withdraw

if TYPE_CHECKING:
    from homing.core.effects import NewSend, Wish
    from homing.core.journeys.run import Run
    from homing.core.people import Person
    from homing.core.sendgrid import EmailEvent
    from homing.ports import Clock, Tx
    from homing.stages.unmade import Buried

CONFLICT = "conflict: this id was taken in before with another body; the first stays"
ECHO = "echo: our own call came back"
OF_A_TEST = "of a test: an email sent by `homing send-test`"
A_SAMPLE = "sample: SendGrid's test of the event webhook"
OF_THE_ERASED = "erased: its person has been deleted"
# entries into local audiences that may follow from one event, one from the other
MAX_DERIVED = 50
NOBODY = "no userId, anonymousId or address that is text"


class Observer(Protocol):
    """Is told of decisions while they are carried out; of those that are undone, too."""

    def wished(self, wish: Wish, made: NewSend | Buried | None, cause: Cause) -> None:
        """A rule asked for something; the send, if one was reserved or refused, or why not."""

    def passed(self, run: Run, passage: Passage) -> None:
        """Something happened to a run."""


@dataclass(slots=True)
class Taker:
    """
    What is done with one event.

    Args:
        rules: The plans in force.

        mint: Gives a random 40-bit tag per send.

        salt: Moves all chance of journeys (a simulation's seed).

        observer: Is told of every decision: a simulation's.
    """

    clock: Clock
    rules: Rules
    mint: Callable[[], int]
    salt: str = ""
    observer: Observer | None = None
    _known: identity.Known = field(default_factory=identity.Known)
    _surroundings: home.Surroundings = field(default_factory=home.Surroundings)
    _ledger: Ledger = field(default_factory=Ledger)
    _defined: Rules | None = None
    _derived: deque[tuple[Mapping[str, Any], Cause]] = field(default_factory=deque)

    def take(self, tx: Tx, taken: Taken, number: int, *, apart: bool) -> None:
        """
        Take in one element as event *number*; a row or a count says what became of it.

        Args:
            apart: If it cannot be evaluated, only what it did itself is undone, and its row says
                why. Otherwise that is raised, and the whole transaction is to be undone.
        """
        if self._defined is not self.rules:
            self._define(tx)
        draft = Draft.of(taken, number)
        if not self._meet(tx, draft):
            tx.books.count("events:duplicates")
            return
        if draft.state is EventState.PENDING:
            draft = self._evaluated_apart(tx, draft) if apart else self._evaluated(tx, draft)
        if draft.state is EventState.QUARANTINED:
            log.warning(
                EVENT_QUARANTINED, number=number, source=taken.request.source, reason=draft.reason
            )
        tx.events.add(draft.row())
        tx.books.count("events:received")
        tx.books.count(_COUNT_OF[draft.state])

    def take_again(self, tx: Tx, taken: Taken, before: EventRow) -> str:
        """Evaluate a kept event again under its own number; the state it has now."""
        draft = Draft.of(taken, before.id)
        draft.send = before.send
        # runs take an event once, and one that could not be used before comes to them now
        draft.comes_to_runs = before.state is not EventState.DONE
        draft.received = self.clock.now_ms()
        draft = self._evaluated_apart(tx, draft)
        tx.books.count(_COUNT_OF[before.state], -1)
        tx.books.count(_COUNT_OF[draft.state])
        tx.events.replace(draft.row())
        return draft.state.value

    def finish(self, tx: Tx) -> None:
        """The last event of a transaction was taken: write what could wait for it."""
        self._ledger.write(tx)

    def _define(self, tx: Tx) -> None:
        """Keep the versions of journeys in force: a run stays on the one it enters."""
        journey.define(tx, self.rules.programs)
        self._defined = self.rules

    def forget(self) -> None:
        """A transaction was undone: read again what it had read."""
        self._defined = None
        self._derived.clear()
        self._known.forget()
        self._ledger.forget()

    def desk(self) -> journey.Desk:
        """With what runs are decided at this moment."""
        observe = None if self.observer is None else self.observer.passed
        now_ms = self.clock.now_ms()
        return journey.Desk(
            self.rules, self._known, now_ms, self.mint, self.salt, observe, self._derive
        )

    def follow_up(self, tx: Tx) -> int:
        """
        Take to the rules what follows from what they just did: entries into local audiences.

        Rules that put somebody in and out of audiences for ever are stopped, and say so.

        Returns:
            How much followed: other runs of the person may have moved.
        """
        taken = 0
        while self._derived:
            data, cause = self._derived.popleft()
            taken += 1
            if taken > MAX_DERIVED:
                self._derived.clear()
                text = f"over {MAX_DERIVED} entries and exits follow from one event"
                tx.books.alert("audience_loop", str(data["event"]), text, at=cause.now_ms)
                break
            person = self._known.get(tx, cause.person.id)
            if person is not None:
                event = cause.event
                # of a tick, when it fired: the run's last event may be of last week
                received = event.received_ms if cause.passed_ms is None else cause.passed_ms
                number = derived_number(event, cause.origin, taken)
                happened = Happened(event.id, data, cause.at_ms, received, derived=number)
                self._decide(tx, happened, person, comes_to_runs=True)
        return taken

    def _derive(self, data: Mapping[str, Any], cause: Cause) -> None:
        self._derived.append((data, cause))

    def remember(self, person: Person) -> None:
        """Somebody else wrote a person: go on with them so."""
        self._known.keep(person)

    def forget_people(self) -> None:
        """Somebody else wrote persons: read them again."""
        self._known.forget()

    def _meet(self, tx: Tx, draft: Draft) -> bool:
        """
        Remember the ids of an event met for the first time; False for a duplicate.

        What its evaluation comes to does not matter: an event that comes again is the same.
        """
        names = names_of(draft)
        body = digest8(draft.taken.element.raw)
        for name in names:
            seen = tx.events.seen(name.key)
            if seen is None:
                continue
            if seen.body == body or name.says_all:
                self._forget_again(tx, draft, seen.event)
                return False
            draft.message_id = name.shown
            draft.quarantine(CONFLICT)
            return True
        received = draft.taken.request.received_ms
        for name in names:
            tx.events.remember(name.key, body=body, event=draft.number, at=received)
        return True

    def _forget_again(self, tx: Tx, draft: Draft, event: int) -> None:
        """What comes again of somebody erased since is not kept in the log."""
        if tx.erasures.until:
            first = tx.events.get(event)
            if first is not None and first.person is None and first.state is EventState.DONE:
                draft.erase(tx)

    def _evaluated(self, tx: Tx, draft: Draft) -> Draft:
        draft.state = EventState.DONE
        self._evaluate(tx, draft)
        return draft

    def _evaluated_apart(self, tx: Tx, draft: Draft) -> Draft:
        try:
            with tx.savepoint():
                self._evaluated(tx, draft)
                self._ledger.write(tx)
        except Unavailable:
            self.forget()
            raise  # the store's trouble, not the event's
        except Exception as error:  # noqa: BLE001  a poison event must not stop its neighbours
            self.forget()
            # what was found of it was undone
            draft = Draft.of(draft.taken, draft.number)
            draft.quarantine(f"could not be evaluated: {type(error).__name__}: {error}")
        return draft

    def _evaluate(self, tx: Tx, draft: Draft) -> None:
        reason = draft.taken.element.reason
        if reason is not None:
            draft.quarantine(reason)
        elif draft.engagement is not None:
            self._of_sendgrid(tx, draft, draft.engagement)
        else:
            self._of_segment(tx, draft, draft.taken.element.data)

    def _of_segment(self, tx: Tx, draft: Draft, data: Mapping[str, Any]) -> None:
        reason = events.unusable_reason(data)
        if reason is not None:
            draft.quarantine(reason)
            return
        received = draft.taken.request.received_ms
        draft.type = data["type"]
        draft.name = name_of(data)
        draft.message_id = text_of(data.get("messageId"))
        draft.at = _time_of(data, received)
        if is_echo(data):
            draft.filter(ECHO)
            return
        if draft.type == "delete" and people.identities_of(data):
            self._ledger.write(tx)  # it reads and writes sends, too
            self._erase(tx, draft, data)
            return
        if _is_restored(tx, draft) and _is_of_erased(tx, draft, people.identities_of(data)):
            draft.erase(tx)
            draft.filter(OF_THE_ERASED)
            return
        before = self._before(tx, data)
        person = identity.person_of(tx, self._known, data, united=self._united)
        if person is None:
            draft.quarantine(NOBODY)
            return
        draft.person = person.id
        happened = Happened(draft.number, data, draft.at, draft.received)
        self._decide(tx, happened, person, comes_to_runs=draft.comes_to_runs, before=before)
        self.follow_up(tx)

    def _before(self, tx: Tx, data: Mapping[str, Any]) -> Person | None:
        """Who somebody was before an event that may name or unite people, if lists follow them."""
        if not self.rules.plans.lists:
            return None
        may_name = data.get("type") in ("identify", "alias")
        if not may_name and people.traits_email(data) is None:
            return None
        found = (self._known.find(tx, name) for name in people.identities_of(data))
        before = next((person for person in found if person is not None), None)
        # any event may bring the first address; another one is said by an identify
        is_first = before is not None and before.address is None
        return before if may_name or is_first else None

    def _of_sendgrid(self, tx: Tx, draft: Draft, event: EmailEvent | UnusableEvent) -> None:
        if isinstance(event, UnusableEvent):
            draft.quarantine(str(event))
            return
        draft.type, draft.at = event.type, event.at_ms
        draft.message_id = event.sg_event_id or None
        if not event.known:
            draft.quarantine(f"unknown SendGrid event {event.type[:40]!r}")
            return
        if is_sample(event):
            draft.filter(A_SAMPLE)
            return
        if TEST_ARG in event.homing:
            home.take_suppressions(tx, event, self.rules.plans)
            draft.filter(OF_A_TEST)
            return
        correlated = home.correlate(tx, event, self._ledger, before=draft.send)
        is_erased = correlated.send is not None and correlated.send.address is None
        if not is_erased and event.email and _is_restored(tx, draft):
            name = Identity(IdKind.EMAIL, event.email.strip().lower())
            is_erased = _is_of_erased(tx, draft, (name,))
        if is_erased:
            self._of_erased(tx, draft, event)
        else:
            self._of_send(tx, draft, event, correlated=correlated)

    def _of_send(
        self, tx: Tx, draft: Draft, event: EmailEvent, *, correlated: home.Correlated
    ) -> None:
        person = self._whose(tx, event, correlated)
        plans = self.rules.plans
        name = self._surroundings.name_for_rules(event, correlated, plans)
        asked = name is not None and self.rules.candidates("track", name).any
        heard = home.Heard(
            event, correlated, person, draft.number, plans, self.clock.now_ms(),
            self._ledger, asked, draft.digest,
        )  # fmt: skip
        call = home.hear(tx, heard, self._surroundings)
        draft.send = None if correlated.send is None else correlated.send.id
        # what Segment would not take no rule sees either
        draft.name = None if name is None or (asked and call is None) else name[:500]
        if person is None:
            return
        draft.person = person.id
        if call is not None and asked:
            happened = Happened(draft.number, call, event.at_ms, draft.received, engagement=True)
            self._decide(tx, happened, person, comes_to_runs=draft.comes_to_runs)
            self.follow_up(tx)

    def _of_erased(self, tx: Tx, draft: Draft, event: EmailEvent) -> None:
        """Of a send to somebody deleted since: an opt-out is heard, and nobody is made."""
        home.take_suppressions(tx, event, self.rules.plans)
        tx.suppressions.hide(event.email)
        draft.erase(tx)
        draft.filter(OF_THE_ERASED)

    def _whose(self, tx: Tx, event: EmailEvent, correlated: home.Correlated) -> Person | None:
        send = correlated.send
        if send is not None and not home.is_of_copy(event, send):
            person = self._known.get(tx, send.person)
            if person is not None:
                return person
        if not event.email:
            return None
        return identity.person_by(tx, self._known, Identity(IdKind.EMAIL, event.email))

    def _united(self, tx: Tx, person: int) -> None:
        """Two people have become one: of two runs under one key one stays."""
        self._ledger.write(tx)  # it reads and writes sends, too
        observe = None if self.observer is None else self.observer.passed
        journey.merged(tx, person, now_ms=self.clock.now_ms(), observe=observe)
        whole = tx.people.get(person)
        if whole is None:
            return
        enlist.united(tx, whole)
        if whole.consent is not None:
            withdraw(tx, whole, self.desk())

    def _erase(self, tx: Tx, draft: Draft, data: Mapping[str, Any]) -> None:
        request = draft.taken.request
        asked = erase.Asking(
            Asked.SEGMENT, self.clock.now_ms(), request.received_ms, request.seq,
            draft.taken.item + 1,
        )  # fmt: skip
        names = people.identities_of(data)
        gone = erase.erase(tx, self._known, names, asked=asked, plans=self.rules.plans)
        self._tell_of_erased(gone.runs)
        draft.erase(tx)
        if gone.repeats is not None:
            draft.reason = f"erased before: erasure {gone.repeats}"

    def _tell_of_erased(self, runs: Sequence[Run]) -> None:
        if self.observer is not None:
            now = self.clock.now_ms()
            for run in runs:
                over = Passage(run.id, now, "exited", run.step, reason="erased")
                self.observer.passed(run, over)

    def _decide(
        self, tx: Tx, event: Happened, person: Person, *, comes_to_runs: bool,
        before: Person | None = None,
    ) -> None:  # fmt: skip
        decision = decide(event, person, self.rules)
        if decision.person is not person:
            tx.people.save(decision.person)
            self._known.keep(decision.person)
            if decision.person.consent != person.consent:
                self._ledger.write(tx)  # it reads and writes sends, too
                withdraw(tx, decision.person, self.desk())
        plans, now_ms = self.rules.plans, self.clock.now_ms()
        before = before or person
        if plans.lists and decision.person is not before:
            enlist.follow(tx, before, Cause(event, decision.person, plans, now_ms))
        if decision.wishes:
            cause = Cause(event, decision.person, plans, now_ms, derive=self._derive)
            for number, wish in enumerate(decision.wishes):
                made = reserve.carry_out(tx, wish, cause, number=number, mint=self.mint)
                if self.observer is not None:
                    self.observer.wished(wish, made, cause)
        if comes_to_runs and self.rules.candidates(event.type, event.name).journeys.any:
            self._ledger.write(tx)  # it reads and writes sends, too
            journey.hear(tx, event, decision.person, desk=self.desk())


_COUNT_OF = {state: f"events:{state}" for state in EventState}


def _time_of(data: Mapping[str, Any], received: int) -> int:
    """When an event happened; a word of an audience, at the latest when it came."""
    at = events.event_time_ms(data, received)
    # no later word could take back one from the future
    return received if at > received and people.audience_change(data) is not None else at


def _is_restored(tx: Tx, draft: Draft) -> bool:
    """Whether it may be of a restored log, from before somebody was erased."""
    return draft.taken.request.seq < tx.erasures.until


def _is_of_erased(tx: Tx, draft: Draft, names: Sequence[Identity]) -> bool:
    request = draft.taken.request
    at = request.received_ms
    return bool(names) and tx.erasures.is_erased(names[0], request=request.seq, received_ms=at)

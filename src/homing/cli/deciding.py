"""
What a kept event means by the configuration in force, asked again of the code that decided.

The event is as it was. The person is as they are now: traits, audiences and ``did()`` times may
have changed since, and what changed is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec.structs import replace

from homing.core import consent, gate
from homing.core.decide import CONTACTS, PersonFacts, Rules, learn
from homing.core.effects import WantAudience
from homing.core.events import Happened, derived_number
from homing.core.plans import (
    Action,
    ChangeAudience,
    ChangeList,
    Identify,
    Plans,
    Route,
    Send,
    Suppress,
    Track,
    Unsuppress,
    UpsertContact,
)
from homing.core.sendgrid import UnusableEvent, parse_event
from homing.stages import home
from homing.stages.cause import Cause
from homing.stages.enlist import ENTERED, EXITED, derived_event

if TYPE_CHECKING:
    from homing.config import Loaded
    from homing.core.fql import Condition
    from homing.core.people import Person
    from homing.ports import EventRow, LogReader, Tx


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    What one rule made of an event.

    ``concerned`` says whether it asks for events of that type and name at all, ``held`` whether
    its condition is true; ``stopped_by`` names the earlier route that kept it from being asked.
    """

    rule: str
    kind: str  # opt_out, opt_in, contacts, route
    concerned: bool
    held: bool
    actions: tuple[str, ...]
    explanation: str
    stopped_by: str | None = None

    def view(self) -> dict[str, object]:
        """As printed."""
        return {
            "rule": self.rule,
            "kind": self.kind,
            "concerned": self.concerned,
            "held": self.held,
            "stopped_by": self.stopped_by,
            "actions": list(self.actions),
            "explanation": self.explanation,
        }


@dataclass(frozen=True, slots=True)
class Asker:
    """Asks the rules again."""

    tx: Tx
    reader: LogReader | None
    plans: Plans
    rules: Rules

    @classmethod
    def of(cls, tx: Tx, reader: LogReader | None, loaded: Loaded) -> Asker:
        """Make one that asks by a configuration, and of runs by the versions they are on."""
        from homing.cli.programs import programs_in

        return cls(tx, reader, loaded.plans, Rules(loaded.plans, programs_in(tx, loaded)))

    def happened(self, row: EventRow, person: Person | None) -> Happened | None:
        """An event as the rules saw it; None when its bytes are gone or they saw none."""
        from homing.cli.finding import event_data

        data = event_data(self.reader, row)
        if data is None or row.state.value != "done":
            return None
        if not row.source.startswith("sendgrid/"):
            return Happened(row.id, data, row.at, row.received_at) if row.type else None
        try:
            event = parse_event(data, row.received_at)
        except UnusableEvent:
            return None
        correlated = home.correlate(self.tx, event, before=row.send)
        heard = home.Heard(event, correlated, person, row.id, self.plans, row.received_at)
        call = home.track_in(home.calls_of(self.tx, heard, suspected_bot=False))
        if call is None:
            return None
        return Happened(row.id, call, event.at_ms, row.received_at, engagement=True)

    def verdicts(self, event: Happened, person: Person) -> list[Verdict]:
        """What every rule makes of an event, in the order in which they are asked."""
        learned = self.learned(event, person)
        facts = PersonFacts(learned, event.at_ms)
        return [
            *self._opted(event, facts), *self._contact(event, facts), *self._routed(event, facts),
        ]  # fmt: skip

    def heard_by(self, route: Route, row: EventRow, person: Person) -> Happened | None:
        """What a route may have heard of a kept event: it, or what followed from it."""
        if may_concern(self, route, row):
            return self.happened(row, person)
        if not any(self._is_asked(route, name) for name in (ENTERED, EXITED)):
            return None
        happened = self.happened(row, person)
        followers = [] if happened is None else self.followers(happened, person)
        return next((one for one in followers if self._is_asked(route, one.name)), None)

    def _is_asked(self, route: Route, name: str | None) -> bool:
        return route in self.rules.candidates("track", name).routes

    def followers(self, event: Happened, person: Person) -> list[Happened]:
        """
        What rules hear of because of an event: that its person is in an audience, or out.

        Whether that was news is not known any more: who was in before is not let in again.
        """
        rules = {route.name: route for route in self.plans.routes}
        verdicts = self._routed(event, self._facts(event, person))
        held = [rules[one.rule] for one in verdicts if one.held and one.stopped_by is None]
        changes = [
            one for route in held for one in route.actions if isinstance(one, ChangeAudience)
        ]
        changes += self._by_runs(event, person)
        cause = Cause(event, person, self.plans, event.received_ms)
        wants = (WantAudience("", one.audience, one.member, changed=True) for one in changes)
        return [replace_data(event, derived_event(want, cause)) for want in wants]

    def _by_runs(self, event: Happened, person: Person) -> list[ChangeAudience]:
        """What the event let runs of the person's change."""
        people = (person.id, *person.merged)
        names = [line.name for line in self.tx.runs.passages_of_event(event.id, people=people)]
        words = {"add_to_audience": True, "remove_from_audience": False}
        parts = (name.partition(" ") for name in names)
        return [ChangeAudience(key, member=words[word]) for word, _, key in parts if word in words]

    def _facts(self, event: Happened, person: Person) -> PersonFacts:
        return PersonFacts(self.learned(event, person), event.at_ms)

    def changed_since(self, event: Happened, person: Person) -> list[str]:
        """Traits that a rule reads and that were written after the event."""
        conditions = [*self._conditions()]
        read = {path[1] for when in conditions for path in when.paths if _is_trait(path)}
        return sorted(
            key for key, at in person.trait_at.items() if key in read and at > event.at_ms
        )

    def learned(self, event: Happened, person: Person) -> Person:
        """The person with what this event said of them."""
        known = learn(person, event, self.rules.candidates(event.type, event.name))
        # the times of did() hold this event already: it must not count twice
        return replace(known, did=person.did)

    def _opted(self, event: Happened, facts: PersonFacts) -> Iterator[Verdict]:
        found = self.rules.candidates(event.type, event.name)
        concerned = {id(rule) for rule in (*found.opt_out, *found.opt_in)}
        for kind, rules in (("opt_out", self.plans.opt_out), ("opt_in", self.plans.opt_in)):
            for place, rule in enumerate(rules):
                why = rule.when.explain(event.data, facts)
                name, does = f"suppression.{kind}[{place}]", (f"{kind} of {rule.scope}",)
                yield Verdict(name, kind, id(rule) in concerned, why.holds, does, why.render())

    def _contact(self, event: Happened, facts: PersonFacts) -> Iterator[Verdict]:
        when = self.plans.contacts.when
        if when is not None:
            why = when.explain(event.data, facts)
            concerned = self.rules.candidates(event.type, event.name).contact is not None
            does = (described(UpsertContact()),)
            yield Verdict(CONTACTS, CONTACTS, concerned, why.holds, does, why.render())

    def _routed(self, event: Happened, facts: PersonFacts) -> Iterator[Verdict]:
        stopped_by = None
        concerned = {r.name for r in self.rules.candidates(event.type, event.name).routes}
        for route in self.plans.routes:
            why = route.when.explain(event.data, facts)
            does = tuple(map(described, route.actions))
            yield Verdict(
                route.name, "route", route.name in concerned, why.holds, does, why.render(),
                stopped_by,
            )  # fmt: skip
            if why.holds and route.stop and stopped_by is None:
                stopped_by = route.name

    def _conditions(self) -> Iterator[Condition]:
        rules = (*self.plans.opt_out, *self.plans.opt_in)
        yield from (rule.when for rule in rules)
        yield from (route.when for route in self.plans.routes)
        yield from self.rules.programs.conditions()


def replace_data(event: Happened, data: Mapping[str, object]) -> Happened:
    """What follows from an event, at the same moment."""
    derived = derived_number(event, None, 0)
    return Happened(event.id, data, event.at_ms, event.received_ms, derived=derived)


def follows(event: Happened) -> str:
    """What an event that followed from another is called: "Audience Entered vip"."""
    return f"{event.name} {event.data['properties']['audience_key']}"


def may_concern(asker: Asker, route: Route, row: EventRow) -> bool:
    """Whether an event is of a type and name for which a route can hold at all."""
    kind = "track" if row.source.startswith("sendgrid/") else row.type or ""
    name = row.name if kind == "track" else None
    return route in asker.rules.candidates(kind, name).routes


def described(action: Action) -> str:
    """An action in words."""
    match action:
        case Send() | Track() | Identify():
            return _outward(action)
        case Suppress(scope=scope):
            return f"suppress {scope}"
        case Unsuppress(scope=scope):
            return f"unsuppress {scope}"
        case _:
            return _membership(action)


def _outward(action: Send | Track | Identify) -> str:
    match action:
        case Send(email=email):
            return f"send {email}"
        case Track(event=event):
            return f"track {event}"
        case Identify():
            return "identify"


def _membership(action: UpsertContact | ChangeList | ChangeAudience) -> str:
    match action:
        case UpsertContact():
            return "upsert_contact"
        case ChangeList(list_name=name, member=member):
            return f"{'add_to' if member else 'remove_from'}_list {name}"
        case ChangeAudience(audience=key, member=member):
            return f"{'add_to' if member else 'remove_from'}_audience {key}"


def _is_trait(path: tuple[str, ...]) -> bool:
    return len(path) > 1 and path[0] == "profile"


def refusal_now(
    asker: Asker, email: str, address: str | None, *, person: Person, now_ms: int
) -> str | None:
    """Why an email would not leave for a person's address at this moment; None if it would."""
    records = {} if address is None else asker.tx.suppressions.of(address)
    found = asker.plans.emails[email]
    lacking = consent.lacking(found.consent, person.consent)
    asked = gate.Asked(found, address, records, now_ms, now_ms + 1, lacking)
    refusal = gate.refusal_of(asked)
    if refusal is not None:
        return refusal.reason
    pauses = asker.tx.books.pauses()
    paused = next((name for name in ("mail", f"email/{email}") if name in pauses), None)
    return None if paused is None else f"paused: {paused}: {pauses[paused].reason}"

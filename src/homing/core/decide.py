"""
What one event means: ``(event, person, plans) -> (new person, wishes)``.

Nothing here reads a clock or a store: the same input gives the same decision, live, in a
simulation and when somebody asks why.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, assert_never

import msgspec

from homing.core import addresses, consent, people
from homing.core.effects import (
    CannotDo,
    WantAudience,
    WantCall,
    WantContact,
    WantList,
    WantSend,
    WantSuppression,
    Wish,
)
from homing.core.journeys.programs import Asked, Programs
from homing.core.mapping import ABSENT, MappingFailure
from homing.core.plans import (
    Action,
    ChangeAudience,
    ChangeList,
    Identify,
    OptRule,
    Plans,
    Route,
    Send,
    Suppress,
    Track,
    Unsuppress,
    UpsertContact,
)

if TYPE_CHECKING:
    from homing.core.events import Happened
    from homing.core.fql import Condition, Did
    from homing.core.mapping import Compiled
    from homing.core.people import Person

# the rules of wishes that no route and no journey has
CONTACTS = "contacts"
STATED = "audience"
# distinct (type, name) pairs whose candidate rules are remembered; names come from outside
MAX_REMEMBERED = 4_096


class Decision(msgspec.Struct, frozen=True, gc=False):
    """What an event changes (the person) and asks for (wishes, in order)."""

    person: Person
    wishes: tuple[Wish, ...]


class PersonFacts(msgspec.Struct, frozen=True, gc=False):
    """What a condition may ask of a person besides the event: answers ``fql.Facts``."""

    person: Person
    at_ms: int
    journey: Mapping[str, object] = msgspec.field(default_factory=dict)
    event: Happened | None = None  # the present one

    @property
    def profile(self) -> Mapping[str, object]:
        """The person's traits."""
        return self.person.traits

    def did(self, did: Did) -> int:
        """How many matching events the window holds, the present one included."""
        return people.did_count(self.person, did, at_ms=self.at_ms, present=self._present(did))

    def _present(self, did: Did) -> int | None:
        """The mark of the present event if it counts: one that comes very late is not kept."""
        event = self.event
        if event is None or event.name != did.event or event.type != "track":
            return None
        if did.condition is not None and not did.condition.holds(event.data, self):
            return None
        return people.did_mark(event.at_ms, event.derived or event.id)

    def in_audience(self, key: str) -> bool:
        """Whether the person is a member."""
        return people.is_member(self.person, key)


@dataclass(frozen=True)
class Rules:
    """The plans with what is looked up per event: which rules an event can concern at all."""

    plans: Plans
    programs: Programs = field(default_factory=Programs)
    _candidates: dict[tuple[str, str | None], Candidates] = field(default_factory=dict)

    @cached_property
    def dids(self) -> tuple[tuple[Did, str], ...]:
        """Each distinct ``did()`` of all rules, with the key its times are kept under."""
        conditions = [route.when for route in self.plans.routes]
        conditions += [rule.when for rule in (*self.plans.opt_out, *self.plans.opt_in)]
        if self.plans.contacts.when is not None:
            conditions.append(self.plans.contacts.when)
        conditions += self.programs.conditions()
        distinct = dict.fromkeys(did for condition in conditions for did in condition.dids)
        return tuple((did, people.did_key(did)) for did in distinct)

    @cached_property
    def asks_consent(self) -> bool:
        """Whether any email or journey requires consent to anything."""
        required = [email.consent for email in self.plans.emails.values()]
        return any((*required, *(journey.consent for journey in self.programs.all)))

    def candidates(self, kind: str, name: str | None) -> Candidates:
        """The rules that may hold for an event of that type and name."""
        found = self._candidates.get((kind, name))
        if found is None:
            found = Candidates(
                routes=tuple(r for r in self.plans.routes if r.when.may_hold(kind, name)),
                opt_out=tuple(r for r in self.plans.opt_out if r.when.may_hold(kind, name)),
                opt_in=tuple(r for r in self.plans.opt_in if r.when.may_hold(kind, name)),
                contact=_if_may_hold(self.plans.contacts.when, kind, name),
                dids=tuple(
                    (did, key) for did, key in self.dids if kind == "track" and did.event == name
                ),
                journeys=self.programs.asked(kind, name),
            )
            if len(self._candidates) < MAX_REMEMBERED:
                self._candidates[(kind, name)] = found
        return found


@dataclass(frozen=True, slots=True)
class Candidates:
    """The rules that may hold for events of one type and name."""

    routes: tuple[Route, ...]
    opt_out: tuple[OptRule, ...]
    opt_in: tuple[OptRule, ...]
    contact: Condition | None  # of [contacts]
    dids: tuple[tuple[Did, str], ...]
    journeys: Asked

    @property
    def asks(self) -> bool:
        """Whether there is any rule but journeys."""
        return bool(self.routes or self.opt_out or self.opt_in or self.contact)

    @property
    def any(self) -> bool:
        """Whether there is any rule, or any ``did()`` that counts such events."""
        return self.asks or bool(self.dids) or self.journeys.any


def decide(event: Happened, person: Person, rules: Rules) -> Decision:
    """
    Say what an event means for its person.

    Args:
        event: What happened.

        person: Whom it happened to, before it.

        rules: The plans in force.

    """
    candidates = rules.candidates(event.type, event.name)
    learned = learn(person, event, candidates)
    stated = _stated(event, person, learned)
    if not candidates.asks:
        return Decision(learned, stated)
    facts = PersonFacts(learned, event.at_ms, event=event)
    data = event.data
    wishes = [*stated, *_opted(event, facts, candidates)]
    if candidates.contact is not None and candidates.contact.holds(data, facts):
        wishes.append(WantContact(CONTACTS))
    for route in candidates.routes:
        if not route.when.test(data, facts):
            continue
        for action in route.actions:
            before, learned = learned, moved(action, learned, event.at_ms)
            root = partial(root_of, event, learned)
            wishes.append(
                wish_or_reason(
                    action, route.name, root, has_moved=has_moved(before, learned, action)
                )
            )
        if route.stop:
            break
    return Decision(learned, tuple(wishes))


def learn(person: Person, event: Happened, candidates: Candidates) -> Person:
    """The person after the event, before any rule: traits, zone, audiences, consent, ``did()``."""
    data = event.data
    if _is_said(event):
        person = people.with_zone(person, data)
        traits = people.traits_in(data)
        change = people.audience_change(data)
        if change is not None and "email" in person.traits:
            # sent once for each of the person's addresses: none of them is a new one
            traits = {key: value for key, value in traits.items() if key != "email"}
        if traits:
            person = people.with_traits(person, traits, event.at_ms)
        if change is not None:
            person = people.with_audience(person, change[0], event.at_ms, member=change[1])
        preferences = consent.preferences_in(data)
        if preferences is not None:
            person = people.with_consent(person, preferences, event.at_ms)
    for did, key in candidates.dids:
        if did.condition is None or did.condition.holds(data, PersonFacts(person, event.at_ms)):
            number = event.derived or event.id
            person = people.with_did(person, did, key, at_ms=event.at_ms, event=number)
    return person


def _is_said(event: Happened) -> bool:
    """Whether Segment said it of the person; what SendGrid or a rule did tells nothing else."""
    return not (event.engagement or event.derived)


def _opted(event: Happened, facts: PersonFacts, candidates: Candidates) -> list[Wish]:
    return [
        WantSuppression(f"suppression.{word}", rule.scope, suppressed=word == "opt_out")
        for word, rules in (("opt_out", candidates.opt_out), ("opt_in", candidates.opt_in))
        for rule in rules
        if rule.when.holds(event.data, facts)
    ]


def moved(action: Action, person: Person, at_ms: int) -> Person:
    """The person in or out of a local audience; that is state, not an effect outside."""
    if isinstance(action, ChangeAudience):
        return people.with_audience(person, action.audience, at_ms, member=action.member)
    return person


def has_moved(before: Person, after: Person, action: Action) -> bool:
    """Whether an action changed the person's membership in a local audience."""
    if not isinstance(action, ChangeAudience):
        return False
    key = action.audience
    return people.is_member(before, key) != people.is_member(after, key)


def _stated(event: Happened, before: Person, after: Person) -> tuple[Wish, ...]:
    """
    The membership that an Engage payload states, unless something newer said otherwise.

    Also one that is known: each call is about one of the person's addresses.
    """
    change = people.audience_change(event.data) if _is_said(event) else None
    if change is None or people.is_member(after, change[0]) != change[1]:
        return ()
    key, member = change
    changed = people.is_member(before, key) != member
    return (WantAudience(STATED, key, member, changed=changed, stated=True),)


def _if_may_hold(when: Condition | None, kind: str, name: str | None) -> Condition | None:
    return when if when is not None and when.may_hold(kind, name) else None


def wish_or_reason(
    action: Action,
    rule: str,
    root: Callable[[], Mapping[str, object]],
    *,
    has_moved: bool = False,
) -> Wish:
    """
    What an action asks for, or why its values cannot be had.

    Args:
        root: Gives what mappings see; asked only by actions whose values are resolved now. Those
            of a send are resolved when it has its id, those of a contact with its person.

        has_moved: See there.
    """
    if isinstance(action, ChangeAudience):
        return WantAudience(rule, action.audience, action.member, changed=has_moved)
    try:
        return _wish_of(action, rule, root)
    except MappingFailure as error:
        call = "identify" if isinstance(action, Identify) else "track"
        return CannotDo(rule, str(error)[:500], call)


def _wish_of(  # noqa: PLR0911  one a kind of action
    action: Send | Track | Identify | Suppress | Unsuppress | UpsertContact | ChangeList,
    rule: str,
    root: Callable[[], Mapping[str, object]],
) -> Wish:
    match action:
        case Send():
            return WantSend(
                rule, action.email, to=action.to, data=action.data, template=action.template
            )
        case Track():
            return WantCall(rule, "track", action.event, _object(action.properties, root))
        case Identify():
            return WantCall(rule, "identify", None, _object(action.traits, root))
        case Suppress() | Unsuppress():
            return WantSuppression(rule, action.scope, suppressed=isinstance(action, Suppress))
        case UpsertContact():
            return WantContact(rule, action)
        case ChangeList():
            return WantList(rule, action.list_name, action.member)
    assert_never(action)


def _object(
    compiled: Compiled | None, root: Callable[[], Mapping[str, object]]
) -> Mapping[str, object]:
    value = None if compiled is None else compiled.resolve(root())
    return value if isinstance(value, Mapping) else {}


def root_of(
    event: Happened,
    person: Person,
    *,
    send: Mapping[str, object] | None = None,
    journey: Mapping[str, object] | None = None,
) -> dict[str, object]:
    """What a mapping sees: the event, and ``profile``, ``journey`` and ``send``."""
    return {
        **event.data, "profile": person.traits, "journey": journey or {}, "send": send or {},
    }  # fmt: skip


def address_of(
    want: WantSend, root: Mapping[str, Any], person: Person, *, email_to: Compiled | None
) -> str | None:
    """
    Where a send goes: the action's or the email's ``to``, else ``properties.email``,
    ``traits.email``, ``context.traits.email``, the person's address. None: nowhere.

    International domains are in the ASCII form under which SendGrid speaks of them, so that what
    it says of an address, and a suppression above all, is found again.
    """
    found = _address_in(want, root, person, email_to=email_to)
    return None if found is None else addresses.ascii_form(found)


def _address_in(
    want: WantSend, root: Mapping[str, Any], person: Person, *, email_to: Compiled | None
) -> str | None:
    chosen = want.to or email_to
    if chosen is not None:
        value = chosen.resolve(root)
        return value.strip() if isinstance(value, str) and value.strip() else None
    context = root.get("context")
    places = (
        root.get("properties"),
        root.get("traits"),
        context.get("traits") if isinstance(context, dict) else None,
    )
    for place in places:
        found = place.get("email") if isinstance(place, dict) else None
        if isinstance(found, str) and found.strip():
            return found.strip()
    return person.address


def template_data(
    want: WantSend, root: Mapping[str, Any], *, email_data: Compiled | None
) -> Mapping[str, object]:
    """
    What a template sees: the action's ``data`` over the email's; of an email without, over the
    person's traits under the event's properties.

    Raises:
        MappingFailure: A mapping cannot be resolved.
    """
    merged: dict[str, object] = {}
    if email_data is None:
        properties = root.get("properties")
        merged = {**root["profile"], **(properties if isinstance(properties, dict) else {})}
    for compiled in (email_data, want.data):
        value = ABSENT if compiled is None else compiled.resolve(root)
        if type(value) is dict or isinstance(value, Mapping):  # the check for a Mapping is slow
            merged.update(value)
        elif value is not ABSENT:
            msg = f"expected template data to be an object, got {type(value).__name__}"
            raise MappingFailure("data", problem=msg)
    return merged

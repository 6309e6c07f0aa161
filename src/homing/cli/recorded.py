"""What recorded events say of a configuration: names, keys and addresses that none of them has."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from homing.config import Loaded
    from homing.config.problems import Finding, Loc
    from homing.core.fql import Condition
    from homing.core.journeys.program import Awaited, Entry, Exit, Goal, Journey, KeyPath
    from homing.core.plans import Email, Plans, Send
    from homing.ports import EventRow, LogReader, Tx

# how far back names of events are looked for
NAMES: Final = 200_000
# how many events are asked for a value, and how far back they are looked for
SAMPLE: Final = 200
ROWS: Final = 20_000
PEOPLE: Final = 200

# the settings that put somebody into an audience, or follow one
_OF_AUDIENCES: Final = frozenset({"add_to_audience", "audience"})

# what a mapping may read and an event alone cannot tell; "" is the whole root
_BESIDE: Final = frozenset({"", "profile", "journey", "send"})


def findings_of(loaded: Loaded, tx: Tx, reader: LogReader | None) -> Iterator[Finding]:
    """
    What conditions, keys and emails ask of events, and no recorded one has.

    Nothing while the store tells of no event.

    Args:
        reader: The log; without it events have names and hold nothing.
    """
    seen = tx.events.names(limit=NAMES)
    if seen:
        yield from _unseen(loaded, seen)
        yield from _unmade(loaded, tx.members.audiences())
    questions = [*_of_keys(loaded.plans), *_of_addresses(loaded.plans)]
    if reader is None or not questions:
        return
    _choose(questions, tx)
    _ask(questions, reader)
    unmet = [question for question in questions if question.asked and not question.is_met]
    is_reachable = any(one.of_person for one in unmet) and _is_somebody_reachable(tx)
    for question in unmet:
        if not (question.of_person and is_reachable):
            yield question.finding()


def _unseen(loaded: Loaded, seen: Mapping[str, int]) -> Iterator[Finding]:
    """Conditions that ask for a track event that never came; *seen* counts those that did."""
    from homing.config.leaves import all_of
    from homing.config.problems import KEY, Finding, guess, shown
    from homing.core.fql import Condition

    for loc, condition in all_of(Condition, loaded.settings):
        asked = {*(condition.events or ()), *(did.event for did in condition.dids)}
        for name in sorted(asked - set(seen)):
            message = f"`{KEY}` asks for the event {shown(name)}, which never came"
            yield Finding(loc, f"{message}{guess(name, seen)}")


def _unmade(loaded: Loaded, counts: Mapping[str, int]) -> Iterator[Finding]:
    """Conditions that ask for an audience that nobody is in and no rule or list speaks of."""
    from homing.config.leaves import all_of, leaves_of
    from homing.config.problems import KEY, Finding, guess, shown
    from homing.core.fql import Condition

    said = (value for loc, value in leaves_of(loaded.settings) if loc[-1] in _OF_AUDIENCES)
    known = {*counts, *loaded.settings.audience, *(name for name in said if isinstance(name, str))}
    for loc, condition in all_of(Condition, loaded.settings):
        for name in sorted({*condition.audiences} - known):
            message = f"`{KEY}` asks for the audience {shown(name)}, which nobody is in"
            yield Finding(loc, f"{message}{guess(name, known)}")


@dataclass(slots=True)
class _Question:
    """
    Whether any of the newest events has what the setting at *loc* needs of them.

    *whens* are the conditions by which events come there. *needs* says in words what they should
    have; *of_person*: a person could have it in their place.
    """

    loc: Loc
    whens: Sequence[Condition]
    has: Callable[[Mapping[str, Any]], bool]
    needs: str
    of_person: bool = False
    rows: list[EventRow] = field(default_factory=list)
    asked: int = 0
    is_met: bool = False

    def ask(self, event: Mapping[str, Any]) -> None:
        """Ask one event."""
        self.asked += 1
        self.is_met = self.is_met or self.has(event)

    def finding(self) -> Finding:
        """What to say when none has it."""
        from homing.config.problems import KEY, Finding

        last = "the newest event" if self.asked == 1 else f"any of the newest {self.asked} events"
        person = ", and nobody has one" if self.of_person else ""
        return Finding(self.loc, f"`{KEY}` needs {self.needs}: not in {last} it is for{person}")


def _of_keys(plans: Plans) -> Iterator[_Question]:
    """Every path at which an event should hold the key of its run."""
    from homing.config.problems import shown

    for name, journey in plans.journeys.items():
        for loc, one in _matched(journey):
            if one.key is not None:
                has, needs = partial(_has_key, one.key), f"a value at {shown(one.key.text)}"
                yield _Question(("journey", name, *loc, "key"), (one.when,), has, needs)


def _matched(journey: Journey) -> Iterator[tuple[Loc, Entry | Exit | Goal | Awaited]]:
    from homing.core.journeys.program import Hold

    yield ("entry",), journey.entry
    if journey.goal is not None:
        yield ("goal",), journey.goal
    for number, one in enumerate(journey.exits):
        yield ("exit", number), one
    for number, step in enumerate(journey.steps):
        if isinstance(step, Hold):
            for place, awaited in enumerate(step.on):
                yield ("step", number, "on", place), awaited


def _has_key(path: KeyPath, event: Mapping[str, Any]) -> bool:
    from homing.core.journeys.program import key_in

    return key_in(path, event) is not None


def _of_addresses(plans: Plans) -> Iterator[_Question]:
    """Every send whose address the event or its person alone could give."""
    for loc, send, whens in _sends(plans):
        email = plans.emails[send.email]
        to = send.to or email.to
        if to is None or not _BESIDE & {path.partition(".")[0] for path in to.paths}:
            needs = "an address" if to is None else "an address where `to` says"
            has = partial(_has_address, send, email)
            yield _Question(loc, whens, has, needs, of_person=to is None)


def _sends(plans: Plans) -> Iterator[tuple[Loc, Send, Sequence[Condition]]]:
    from homing.core.plans import Send

    for route in plans.routes:
        for action in route.actions:
            if isinstance(action, Send):
                yield ("route", route.name, "send"), action, (route.when,)
    for name, journey in plans.journeys.items():
        for loc, send, whens in _sends_of(journey):
            yield ("journey", name, *loc, "send"), send, whens


def _sends_of(journey: Journey) -> Iterator[tuple[Loc, Send, Sequence[Condition]]]:
    from homing.core.journeys.program import Act, Hold
    from homing.core.plans import Send

    holds = (step for step in journey.steps if isinstance(step, Hold))
    taken = (journey.entry.when, *(one.when for hold in holds for one in hold.on))
    for number, step in enumerate(journey.steps):
        if isinstance(step, Act) and isinstance(step.action, Send):
            yield ("step", number), step.action, taken
    for number, one in enumerate(journey.exits):
        if one.send is not None:
            yield ("exit", number), one.send, (one.when,)


def _has_address(send: Send, email: Email, event: Mapping[str, Any]) -> bool:
    from homing.core.decide import address_of, root_of
    from homing.core.effects import WantSend
    from homing.core.events import Happened
    from homing.core.mapping import MappingFailure
    from homing.core.people import Person

    nobody, want = Person(0), WantSend("", email.name, to=send.to)
    root = root_of(Happened(0, event, 0, 0), nobody)
    try:
        return address_of(want, root, nobody, email_to=email.to) is not None
    except MappingFailure:
        return False


def _choose(questions: Sequence[_Question], tx: Tx) -> None:
    """Give each question the newest events of Segment's that may come to its setting."""
    from homing.cli.listing import PAGE, newest

    rows = newest(
        lambda at: tx.events.newest(state=None, before=at, limit=PAGE), lambda row: row.id
    )
    asking: dict[tuple[str, str | None], list[_Question]] = {}
    open_ = len(questions)
    for row in islice(rows, ROWS):
        if open_ == 0:
            return
        if row.type is None or row.source.startswith("sendgrid/"):
            continue
        form = (row.type, row.name)
        if form not in asking:
            asking[form] = [q for q in questions if any(w.may_hold(*form) for w in q.whens)]
        for question in asking[form]:
            if len(question.rows) < SAMPLE:
                question.rows.append(row)
                open_ -= len(question.rows) == SAMPLE


def _ask(questions: Sequence[_Question], reader: LogReader) -> None:
    """Ask every event that was chosen; each request is read and cut into its events once."""
    from homing.core.splitting import split_events

    places: dict[int, dict[int, list[_Question]]] = defaultdict(lambda: defaultdict(list))
    for question in questions:
        for row in question.rows:
            places[row.request][row.item].append(question)
    for number, items in places.items():
        request = reader.request(number)
        elements = () if request is None else split_events(request.body).elements
        for item, asking in items.items():
            data = elements[item].data if item < len(elements) else None
            for question in asking if data else ():
                question.ask(data or {})


def _is_somebody_reachable(tx: Tx) -> bool:
    return any(person.address for person in tx.people.newest(before=None, limit=PEOPLE))

"""What recorded events would become: template data, and values of custom fields."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from homing.core.decide import root_of, template_data
from homing.core.effects import WantSend
from homing.core.errors import HomingError
from homing.core.events import Happened, iso_time
from homing.core.journeys.program import key_in
from homing.core.marketing.contacts import resolved
from homing.core.people import Person
from homing.core.splitting import split_events
from homing.doctor.case import Case, Samples

if TYPE_CHECKING:
    from homing.core.fql import Condition
    from homing.core.plans import Contacts
    from homing.doctor.ways import Way
    from homing.ports import EventRow, LogReader, Tx

# how many events each way is asked with, and how far back they are looked for
SAMPLE: Final = 20
ROWS: Final = 20_000
PAGE: Final = 500


@dataclass(slots=True)
class _Asking:
    """Somebody who wants events: *take* is given one with its person, and returns if it counts."""

    whens: Sequence[Condition]
    take: Callable[[EventRow, Mapping[str, Any], Person], bool]
    rows: list[EventRow] = field(default_factory=list)
    taken: int = 0

    def may_want(self, row: EventRow) -> bool:
        """Tell whether an event may lead there."""
        return any(when.may_hold(row.type or "", row.name) for when in self.whens)

    def ask(self, row: EventRow, data: Mapping[str, Any], person: Person) -> None:
        """Give it an event that may lead there; not all that may do."""
        if self.taken < SAMPLE and any(when.could_hold(data) for when in self.whens):
            self.taken += self.take(row, data, person)


def samples_of(case: Case, tx: Tx, reader: LogReader) -> Samples:
    """Make of the newest recorded events what the service would make of them."""
    found = _Found()
    asking = [_Asking(way.whens, _for_way(way, found)) for way in case.ways if way.whens]
    contacts = case.loaded.plans.contacts
    if contacts.when is not None and contacts.contact.custom:
        asking.append(_Asking((contacts.when,), _for_contacts(contacts, found)))
    _choose(asking, tx)
    _ask(asking, tx, reader)
    return Samples(
        data={name: tuple(rows) for name, rows in found.data.items()},
        custom={name: tuple(values) for name, values in found.custom.items()},
        failed=found.failed,
    )


@dataclass(slots=True)
class _Found:
    data: dict[str, list[Mapping[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    custom: dict[str, list[object]] = field(default_factory=lambda: defaultdict(list))
    failed: dict[str, str] = field(default_factory=dict)


def _for_way(way: Way, found: _Found) -> Callable[[EventRow, Mapping[str, Any], Person], bool]:
    want = WantSend("", way.email.name, data=way.send.data)

    def take(row: EventRow, data: Mapping[str, Any], person: Person) -> bool:
        event = Happened(row.id, data, row.at, row.received_at)
        facts = {"id": f"e{row.id}", "time": iso_time(row.received_at)}
        root = root_of(event, person, send=facts, journey=_journey(way, data, row))
        try:
            made = template_data(want, root, email_data=way.email.data)
        except HomingError as error:
            found.failed.setdefault(way.name, f"{error} (event e{row.id})")
            return True
        found.data[way.name].append(made)
        return True

    return take


def _journey(way: Way, data: Mapping[str, Any], row: EventRow) -> Mapping[str, object] | None:
    """What a run would know that this event began, and that has heard of no other."""
    if way.journey is None:
        return None
    name = str(data.get("event") or data.get("type"))
    return {
        "id": way.journey.name,
        "key": key_in(way.journey.entry.key, data) or "",
        "step": way.step,
        "variant": None,
        "entered_at": iso_time(row.at),
        "entry": data,
        "latest": data,
        "events": {name: data},
        "branch": {},
    }


def _for_contacts(
    contacts: Contacts, found: _Found
) -> Callable[[EventRow, Mapping[str, Any], Person], bool]:
    def take(row: EventRow, data: Mapping[str, Any], person: Person) -> bool:
        event = Happened(row.id, data, row.at, row.received_at)
        try:
            _, custom = resolved(contacts.contact, root_of(event, person))
        except HomingError:
            return True
        for name, value in custom.items():
            found.custom[name].append(value)
        return True

    return take


def _choose(asking: Sequence[_Asking], tx: Tx) -> None:
    """Give each the newest events of Segment's that may lead there: some more than it will take."""
    forms: dict[tuple[str | None, str | None], list[_Asking]] = {}
    open_ = len(asking)
    for row in islice(_newest(tx), ROWS):
        if open_ == 0:
            return
        if row.type is None or row.source.startswith("sendgrid/"):
            continue
        form = (row.type, row.name)
        if form not in forms:
            forms[form] = [one for one in asking if one.may_want(row)]
        for one in forms[form]:
            if len(one.rows) < SAMPLE * 10:
                one.rows.append(row)
                open_ -= len(one.rows) == SAMPLE * 10


def _newest(tx: Tx) -> Iterator[EventRow]:
    before: int | None = None
    while rows := tx.events.newest(state=None, before=before, limit=PAGE):
        yield from rows
        before = rows[-1].id


def _ask(asking: Sequence[_Asking], tx: Tx, reader: LogReader) -> None:
    """Ask with every event that was chosen, newest first; each is read once."""
    wanting: dict[int, list[_Asking]] = defaultdict(list)
    rows: dict[int, EventRow] = {}
    for one in asking:
        for row in one.rows:
            wanting[row.id].append(one)
            rows[row.id] = row
    for number in sorted(rows, reverse=True):
        open_ = [one for one in wanting[number] if one.taken < SAMPLE]
        data = _data(reader, rows[number]) if open_ else None
        if data:
            person = _person(tx, rows[number])
            for one in open_:
                one.ask(rows[number], data, person)


def _person(tx: Tx, row: EventRow) -> Person:
    """Whose event it is, as they are now."""
    found = None if row.person is None else tx.people.get(row.person)
    return found or Person(0)


def _data(reader: LogReader, row: EventRow) -> Mapping[str, Any] | None:
    request = reader.request(row.request)
    elements = () if request is None else split_events(request.body).elements
    return elements[row.item].data if row.item < len(elements) else None

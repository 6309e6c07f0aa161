"""
What the stages need of the world, as Protocols; ``homing.adapters`` answers them.

Two stores: the *log* of raw requests and the *state*. A state transaction is a plain function of
a `Tx`: ``await store.write(fn)`` runs it, groups it with others into one commit, and returns its
result once that commit is durable. All times are unix milliseconds.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar

import msgspec

if TYPE_CHECKING:
    from homing.core.effects import (
        Dest,
        Effect,
        EffectState,
        EventState,
        NewEffect,
        NewSend,
        SendRow,
    )
    from homing.core.erasure import Done, Entry, Erasure, NewErasure, Progress
    from homing.core.journeys.run import Passage, Run
    from homing.core.journeys.statistics import Mailed, Member, Stand
    from homing.core.mail import Rendered
    from homing.core.marketing.jobs import Job
    from homing.core.marketing.members import ListMember
    from homing.core.outcomes import Answer
    from homing.core.people import Identity, Person
    from homing.core.plans import Email
    from homing.core.reconcile_suppressions import Repair
    from homing.core.suppression import Records, Suppression

T = TypeVar("T")


class Clock(Protocol):
    """The only source of time and chance of the stages."""

    def now_ms(self) -> int:
        """Wall clock, unix milliseconds."""

    def monotonic_s(self) -> float:
        """Seconds that never jump."""

    def chance(self) -> float:
        """A random number in [0, 1)."""


class Request(msgspec.Struct, frozen=True, gc=False):
    """One webhook's raw bytes in the log; ``source`` is "segment/web", "sendgrid/default", …"""

    seq: int
    received_ms: int
    source: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """What a sender is told; ``reason`` is for our counters and log alone."""

    status: int
    reason: str


Headers: TypeAlias = Mapping[str, str]  # looked up without regard to case


class Doors(Protocol):
    """What takes in what is posted to the public paths."""

    @property
    def names(self) -> Mapping[str, Collection[str]]:
        """The doors of each kind, "segment" and "sendgrid"."""

    def take(
        self, kind: str, name: str, body: bytes, *, headers: Headers
    ) -> Reply | Awaitable[int]:
        """
        Take in a post to a door that exists.

        Returns:
            Why it is refused; else what to wait for before it is answered 200.

        Raises:
            Unavailable: Nothing was kept; at once, or when awaited.
        """

    def count(self, kind: str, reply: Reply) -> None:
        """Count an answer given."""


class LogWriter(Protocol):
    """The receiver's side of the log: the one writer. No number is given twice."""

    def append(self, source: str, body: bytes, received_ms: int) -> Awaitable[int]:
        """
        Append a request; its number once it is durable.

        Raises:
            Unavailable: Nothing was kept; at once, or when awaited.
        """

    async def forget(self, before_ms: int, *, evaluated: int, limit: int) -> int:
        """
        Delete some of the oldest requests received before *before_ms*; how many went.

        Args:
            evaluated: Only up to this number, however old the others are. The newest one stays.

            limit: How many of the oldest are looked at.
        """

    async def body(self, seq: int) -> bytes | None:
        """One request's body; None if it is gone."""

    async def rewrite(self, bodies: Mapping[int, bytes]) -> None:
        """Replace bodies by number: what erasure leaves of them, soon without a trace."""


class LogReader(Protocol):
    """The worker's side of the log."""

    def head(self) -> int:
        """The number of the newest durable request; 0 of an empty log."""

    def after(self, seq: int, *, limit: int, max_bytes: int) -> list[Request]:
        """The next requests in order, at least one if there is one, up to either bound."""

    def request(self, seq: int) -> Request | None:
        """One request; None if retention took it."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far the log is evaluated: before element *item* of *request*; the next event's id."""

    request: int
    item: int
    next_event: int


class EventRow(msgspec.Struct, frozen=True, gc=False):
    """One event taken in; its bytes stay in the log, element *item* of *request*."""

    id: int
    request: int
    item: int
    source: str
    type: str | None
    name: str | None
    message_id: str | None
    person: int | None
    send: int | None
    at: int
    received_at: int
    state: EventState
    reason: str | None = None


class Seen(msgspec.Struct, frozen=True, gc=False):
    """An id taken in before: by which event, with which body (8-byte hash)."""

    event: int
    body: int


class Events(Protocol):
    """The log's events as rows, and the ids already taken in."""

    def cursor(self) -> Cursor:
        """How far evaluation came."""

    def move_cursor(self, cursor: Cursor) -> None:
        """Evaluated once: committed with what the evaluation changed."""

    def add(self, row: EventRow) -> None:
        """Keep an event, and its place in its person's history."""

    def replace(self, row: EventRow) -> None:
        """Write an event evaluated again, whose person may be another now."""

    def seen(self, key: int) -> Seen | None:
        """Whether an id (signed 8-byte hash) was taken in within the dedupe window."""

    def remember(self, key: int, *, body: int, event: int, at: int) -> None:
        """Take an id in."""

    def forget_seen(self, before_ms: int, *, limit: int) -> int:
        """
        Drop ids taken in before, some at a time; how many went.

        Ids go in lots of neighbours: none goes before its time, but some stay longer.
        """

    def get(self, number: int) -> EventRow | None:
        """One event by number."""

    def of_person(self, people: Sequence[int], *, limit: int) -> list[EventRow]:
        """The newest events of a person (all ids it goes by), newest first."""

    def newest(self, *, state: EventState | None, before: int | None, limit: int) -> list[EventRow]:
        """Events, newest first."""

    def after(self, number: int, *, limit: int) -> list[EventRow]:
        """The next events in order of arrival."""

    def names(self, *, limit: int) -> Mapping[str, int]:
        """The names of the newest *limit* track events, with how many there are of each."""

    def set_state(self, number: int, state: EventState, reason: str | None) -> None:
        """What a person decided of an event."""

    def ask_erasure(self, places: Iterable[tuple[int, int]]) -> None:
        """Have elements of the log erased: (request, element)."""

    def erasures(self, *, limit: int) -> list[tuple[int, int]]:
        """Elements of the log that are still to be erased: (request, element)."""

    def erasure_done(self, requests: Iterable[int]) -> None:
        """The log's writer erased what `erasures` told of these requests."""

    def first_erasure(self) -> int | None:
        """The first request that is still to be erased, or a part of it."""

    def at_place(self, request: int, item: int) -> EventRow | None:
        """The event that is an element of the log; None of a duplicate, and of one pruned."""

    def anonymise(self, number: int) -> None:
        """Let an event tell of nobody."""

    def prune(self, before_ms: int, *, dead_before_ms: int, limit: int) -> int:
        """
        Delete some of the oldest events, and of the histories; how many rows went.

        Args:
            before_ms: Events done or filtered go that were received before.

            dead_before_ms: The same of quarantined and dead ones.
        """


class People(Protocol):
    """Persons and their names."""

    def find(self, identity: Identity) -> int | None:
        """Who goes by that name."""

    def get(self, number: int) -> Person | None:
        """One person; of a number that was merged into another, that one."""

    def add(self, identities: Sequence[Identity]) -> Person:
        """A new person who goes by these names. No number is given twice."""

    def save(self, person: Person) -> None:
        """Write a changed person."""

    def link(self, identity: Identity, person: int) -> None:
        """Let a name lead to *person*."""

    def merge(self, loser: int, winner: Person) -> None:
        """Save the winner; names, open sends and open effects of the loser become theirs."""

    def identities(self, person: int) -> list[Identity]:
        """All names of a person."""

    def newest(self, *, before: int | None, limit: int) -> list[Person]:
        """Persons, newest first."""

    def delete(self, people: Sequence[int], *, last_event: int) -> None:
        """Delete persons, their names and their histories, soon without a trace."""


class Suppressions(Protocol):
    """Who may not be mailed, by address and scope."""

    def of(self, address: str) -> Records:
        """All records of an address, by scope."""

    def save(self, address: str, record: Suppression) -> None:
        """Write one."""

    def hide(self, address: str) -> None:
        """
        Keep the records of an erased person under the keyed hash alone.

        What was noted of the address goes.
        """

    def is_hidden(self, address: str) -> bool:
        """Whether records of the address are kept under the keyed hash alone."""

    def mark(self, address: str, scope: str, *, reading: int) -> None:
        """Keep that a reading of SendGrid's lists (its number) met a record, if there is one."""

    def unmarked(self, scope: str, *, reading: int, limit: int) -> list[tuple[str, Suppression]]:
        """
        Some of the opt-outs within a scope that were not met since *reading*, in any order.

        With their addresses, in lower case; not those that are hidden.
        """

    def note(self, repair: Repair, *, reading: int) -> None:
        """Keep what a reading found missing."""

    def noted(self, reading: int, *, limit: int) -> list[Repair]:
        """What a reading found missing, in order; addresses in lower case."""

    def forget_noted(self, *, keep: int) -> None:
        """Drop what readings other than *keep* found missing."""


class Attempt(msgspec.Struct, frozen=True, gc=False):
    """What one attempt of a send came to; ``outcome`` is one word, ``detail`` for people."""

    number: int
    at: int
    outcome: str
    detail: str


class Sends(Protocol):
    """
    The ledger.

    A *lane* is an integer; None is no lane. Sends of a lane leave one at a time in order of their
    numbers: its one *head* may be claimed, and stays the head while it is in flight or unknown.
    Lanes are of persons: ``person * 2`` and ``person * 2 + 1``, so that a merge can join them.
    """

    def next_id(self) -> int:
        """The id the next send gets. No number is given twice."""

    def reserve(self, send: NewSend, *, lane: int | None) -> bool:
        """Add a send; False when this (origin, rule, step) was reserved before."""

    def deferred_due(self, *, now: int, limit: int) -> list[SendRow]:
        """Sends out of their lanes that are to be asked of again by now, in order of due time."""

    def next_deferred(self) -> int | None:
        """When the next of these falls due."""

    def deferred_of(self, rule: str, *, limit: int) -> list[SendRow]:
        """The deferred sends of a rule, oldest first."""

    def lookup(self, number: int) -> bytes | None:
        """With what a send is resolved again once it is looked up; None if it is not to be."""

    def fill_in(self, row: SendRow, data: bytes) -> None:
        """
        Save a send that was looked up: with its address, traced, and its template data.

        What it was to be resolved with goes.
        """

    def mark_marketing(self, person: int, *, at: int, send: int) -> None:
        """Keep that a send of marketing left for a person at *at*; once is enough."""

    def marketing_since(self, person: int, *, since: int) -> list[tuple[int, SendRow]]:
        """
        What was marked from *since* on and may have reached the person: when, and the send.

        Oldest first. Not those that SendGrid did not take (reserved, retry, rejected, …).
        """

    def claimable(self, *, now: int, limit: int, marketing: bool = True) -> list[SendRow]:
        """
        Heads of lanes that are due: transactional ones first, each oldest first.

        Args:
            marketing: Whether the others are wanted at all.
        """

    def next_due(self) -> int | None:
        """When the next head of a lane falls due."""

    def data(self, number: int) -> bytes:
        """The template data of a send, JSON; ``{}`` once retention took it."""

    def intend(self, *numbers: int, now: int) -> None:
        """Mark as in flight, one more attempt."""

    def accept(
        self, message_ids: Mapping[int, str | None], *, now: int, silent_due: int | None
    ) -> set[int]:
        """
        SendGrid took sends in flight: their lanes go on, their message ids are traced.

        Returns:
            Which of these numbers were in flight; the others are as they were.
        """

    def save(self, row: SendRow) -> None:
        """
        Write the columns of a row that may change.

        A lane of None leaves the lane, which is handed on; any other is taken for the one it is in.
        ``head`` is the store's own.
        """

    def rejoin(self, row: SendRow, *, lane: int) -> None:
        """Save a send that left its lane, and put it back: in order of number, behind the head."""

    def get(self, number: int) -> SendRow | None:
        """One send."""

    def by_trace(self, key: int, *, limit: int) -> list[SendRow]:
        """Sends a traced key (signed 8-byte hash) leads to, newest first."""

    def add_trace(self, key: int, number: int) -> None:
        """Let a key lead to a send."""

    def in_flight(self) -> list[SendRow]:
        """Sends with an open intent."""

    def unknown_due(self, *, now: int, limit: int) -> list[SendRow]:
        """Unknown sends whose wait for evidence is over, by the clock of the receiver's health."""

    def silent_due(self, *, now: int, limit: int) -> list[SendRow]:
        """Accepted sends of which nothing was heard in time."""

    def newest(self, *, state: str | None, before: int | None, limit: int) -> list[SendRow]:
        """Sends, newest first."""

    def aside(self, email: str, *, limit: int) -> list[SendRow]:
        """Sends of an email that stepped out of their lanes and may still leave, oldest first."""

    def open_of_person(self, person: int) -> list[SendRow]:
        """A person's sends that have not left yet or may leave again, oldest first."""

    def of_event(self, number: int) -> list[SendRow]:
        """The sends that a route reserved for an event, also those that were refused."""

    def of_run(self, number: int) -> list[SendRow]:
        """The sends of a run, also those that were refused, oldest first."""

    def mailed(self, journey: str) -> list[Mailed]:
        """How many sends of a journey are alike in what became of them; reads all of them."""

    def add_attempt(self, number: int, attempt: Attempt) -> None:
        """Keep what an attempt came to."""

    def attempts(self, number: int) -> list[Attempt]:
        """What attempts of a send came to, but for a plain acceptance; oldest first."""

    def erase(self, number: int) -> None:
        """Strike out who a send went to, and its traces; that it was sent stays in the books."""

    def prune(self, before_ms: int, *, limit: int) -> int:
        """Delete some of the oldest sends reserved before, none still open; how many rows went."""


class Effects(Protocol):
    """What is to be done outside and may safely be done twice."""

    def add(self, effect: NewEffect) -> int:
        """Ask for an effect; its number."""

    def open_of(self, people: Sequence[int], *, dest: Dest | None = None) -> list[Effect]:
        """What is ready or sent of persons, for one destination or all; in order."""

    def dead_of(self, people: Sequence[int]) -> list[Mapping[str, object]]:
        """All columns, and the payloads, of persons' effects that are dead or were dropped."""

    def ready(self, dest: Dest, *, after: int, limit: int) -> list[Effect]:
        """Effects not yet done, in order, from beyond number *after*; also those not yet due."""

    def done(self, numbers: Iterable[int]) -> int:
        """They are done: their payload goes; how many of them were still ready or sent."""

    def sent(self, numbers: Iterable[int]) -> int:
        """An API works on them: they are not `ready` meanwhile; how many were so."""

    def unsent(self, numbers: Iterable[int]) -> int:
        """Try sent ones again, at their places; how many there were."""

    def many(self, numbers: Sequence[int]) -> list[Effect]:
        """Those of these effects that are ready or sent."""

    def retry(self, number: int, *, due_at: int, counts: bool, reason: str) -> None:
        """Try a ready one again at *due_at*; *counts* says whether it was an attempt."""

    def dead(self, number: int, reason: str) -> bool:
        """It will not be tried again unless a person says so; False if it was over before."""

    def rewrite(self, number: int, payload: bytes) -> None:
        """Give one that is not over, or is dead, another payload."""

    def revive(self, number: int, *, now: int) -> bool:
        """Try a dead one again; False if it is not dead."""

    def drop(self, number: int, reason: str) -> bool:
        """A person gave a dead one up; False if it is not dead."""

    def erase(self, people: Sequence[int]) -> Mapping[tuple[Dest, EffectState], int]:
        """
        Drop what was still to be done for persons, its payload with it.

        What waits to be told to SendGrid of their opt-outs is still told: it protects them, and
        its payload goes once it is done.

        Returns:
            How many were in which state before, of those that are dropped now.
        """

    def get(self, number: int) -> Mapping[str, object] | None:
        """All columns of one effect; the payload is None once it is done."""

    def of_event(self, number: int) -> Sequence[Mapping[str, object]]:
        """What an event asked for, oldest first."""

    def dead_newest(self, *, before: int | None, limit: int) -> Sequence[Mapping[str, object]]:
        """Dead effects, newest first."""

    def prune(self, before_ms: int, *, dead_before_ms: int, limit: int) -> int:
        """
        Delete some of the oldest effects; how many went.

        Args:
            before_ms: Those that are done go that were asked for before.

            dead_before_ms: The same of dead and dropped ones.
        """


class AudienceMember(msgspec.Struct, frozen=True, gc=False):
    """Somebody in an audience: since when, and by which event."""

    person: int
    at: int
    event: int | None


class Members(Protocol):
    """Who is in which audience, and who should be on which list."""

    def enter(self, audience: str, member: AudienceMember) -> None:
        """Somebody is in an audience; of one who was, the newest event is kept."""

    def leave(self, audience: str, person: int) -> None:
        """Somebody is out of an audience."""

    def count(self, audience: str) -> int:
        """How many are in an audience."""

    def audiences(self) -> Mapping[str, int]:
        """How many are in each audience that has anybody."""

    def of_audience(self, audience: str, *, after: int, limit: int) -> list[AudienceMember]:
        """Who is in an audience, in order of person, from beyond *after*."""

    def get(self, list_name: str, address: str) -> ListMember | None:
        """What is wanted of a list and an address, by all who share it together."""

    def of_address(self, list_name: str, address: str) -> list[ListMember]:
        """What each who shares an address wants of a list, in order of person."""

    def save(self, member: ListMember) -> None:
        """Write what is wanted of a list, an address and a person."""

    def tell(self, list_name: str, addresses: Iterable[str], *, told: bool | None, at: int) -> None:
        """Keep what SendGrid may have been told, by *at*, of addresses that are known."""

    def of_person(self, person: int) -> list[ListMember]:
        """What is wanted of a person's addresses."""

    def of_list(self, list_name: str, *, after: str, limit: int) -> list[ListMember]:
        """
        What is wanted of a list, in order of address, from beyond *after*.

        One row an address: of all who share it together.
        """

    def merge(self, loser: int, winner: int) -> None:
        """Let audiences and addresses of one person be another's."""

    def erase(self, people: Sequence[int]) -> None:
        """Delete what is known of persons, soon without a trace."""


class Jobs(Protocol):
    """What SendGrid's Marketing API works on for us, from before the call until it is confirmed."""

    def add(self, job: Job) -> Job:
        """Keep a job under a number of its own: it has that."""

    def save(self, job: Job) -> None:
        """Write a changed job."""

    def drop(self, number: int) -> None:
        """It is over."""

    def all(self) -> list[Job]:
        """Every job, oldest first: there are few."""


class Erasures(Protocol):
    """
    Who was erased, by keyed hash, and how far each erasure came.

    Each is also a line of a journal beside the state file, on disk before the transaction is: a
    restored backup, older than that line, is erased again.
    """

    @property
    def until(self) -> int:
        """No erasure concerns requests of the log from this number on."""

    def add(self, erasure: NewErasure) -> int:
        """Keep an erasure: its number."""

    def get(self, number: int) -> Erasure | None:
        """One erasure."""

    def newest(self, *, before: int | None, limit: int) -> list[Erasure]:
        """Erasures, newest first."""

    def open(self, *, after: int, limit: int) -> list[Erasure]:
        """Those that are not over, oldest first, from beyond number *after*."""

    def earlier(self, name: Identity) -> int | None:
        """The newest erasure of a name."""

    def is_erased(self, name: Identity, *, request: int, received_ms: int) -> bool:
        """Whether somebody was erased after this request of the log was received."""

    def note(self, number: int, done: Done) -> None:
        """Keep a step of an erasure."""

    def note_of(self, people: Sequence[int], done: Done) -> None:
        """The same for the erasures of these people."""

    def steps(self, number: int) -> list[Done]:
        """The steps of an erasure, in order."""

    def end(self, number: int, progress: Progress) -> None:
        """Whether it is over."""

    def unsearched(self, *, limit: int) -> list[tuple[Erasure, tuple[Identity, ...]]]:
        """Erasures for which the log is still to be searched, with the names; oldest first."""

    def searched(self, numbers: Sequence[int]) -> None:
        """It was: the names go."""

    def to_repeat(self) -> list[Entry]:
        """What the journal has and this store does not know: it is older. In order."""

    def named_by(self, entries: Sequence[Entry]) -> Mapping[str, Sequence[Identity]]:
        """
        The names in the store that are hashed in these lines of the journal, by their ids.

        Reads all names and addresses of the store.
        """

    def repeated(self) -> None:
        """All that the journal has is known."""


class Definition(msgspec.Struct, frozen=True, gc=False):
    """One version of a journey as it was configured, JSON: runs that entered it stay on it."""

    journey: str
    version: str
    text: bytes


class Runs(Protocol):
    """
    The runs of journeys, their timers, what they know, and what happened to them.

    A run waits with a ``due_at`` or without; ``context`` is opaque bytes. Nothing that is done for
    an event, a tick or at start grows with the number of runs that wait.
    """

    def next_id(self) -> int:
        """The id the next run gets. No number is given twice."""

    def add(self, run: Run, context: bytes) -> None:
        """Add a run under the id that `next_id` gave, and count it with its version if it waits."""

    def save(self, run: Run, context: bytes | None = None, *, before: Run | None = None) -> None:
        """
        Write a changed run; without *context* what it knows stays.

        What a run knows goes when it is watched no longer (``watch_until`` None).

        Args:
            before: The run as it is kept; read if it is not given.
        """

    def get(self, number: int) -> Run | None:
        """One run."""

    def context(self, number: int) -> bytes:
        """What a run knows; empty of one that is watched no longer."""

    def watched_of(self, person: int, *, now: int) -> list[Run]:
        """A person's runs that wait, or have ended and are watched past *now*; oldest first."""

    def newest_of(self, person: int, *, limit: int) -> list[Run]:
        """A person's runs, newest first."""

    def newest(self, journey: str | None, *, before: int | None, limit: int) -> list[Run]:
        """Runs of a journey, or of all, newest first."""

    def due(self, *, now: int, limit: int) -> list[tuple[Run, bytes]]:
        """
        Runs that wait and are due at *now*, each with what it knows.

        In order of ``due_at``, then of number.
        """

    def next_due(self) -> int | None:
        """When the next run falls due."""

    def is_due(self, person: int, *, now: int) -> bool:
        """Whether a run of a person is due at *now*."""

    def last_entry(self, person: int, journey: str, key: str) -> tuple[int, int] | None:
        """When somebody last entered under a key, and the number of that run; None: never."""

    def remember_entry(self, run: Run) -> None:
        """Keep that and when its person entered, longer than the run."""

    def note(self, passages: Sequence[Passage]) -> None:
        """Keep what happened to runs, in this order."""

    def passages(self, number: int) -> list[Passage]:
        """What happened to a run, oldest first."""

    def passages_of_event(self, event: int, *, people: Sequence[int]) -> list[Passage]:
        """What an event did to the runs of these people, oldest first."""

    def passages_after(self, number: int, *, limit: int) -> list[tuple[int, Passage]]:
        """
        What happened to runs, in order and with its number, from beyond *number* on.

        Numbers rise; once the newest of all are deleted, theirs may be given again.
        """

    def merge(self, loser: int, winner: int) -> None:
        """Let runs and entries of one person be another's; of two entries the newer stays."""

    def erase(self, people: Sequence[int]) -> list[Run]:
        """Delete the runs of persons, what they know and their histories; the runs that waited."""

    def watched_until(self, before_ms: int, *, limit: int) -> list[Run]:
        """Ended runs that are watched until a moment before *before_ms*, some at a time."""

    def prune(self, before_ms: int, *, limit: int) -> int:
        """Delete some of the oldest runs that ended before and are not watched; how many rows."""

    def define(self, definition: Definition) -> None:
        """Keep a version of a journey, if it is not kept yet."""

    def definitions(self) -> list[Definition]:
        """The versions that a watched run is on, and the newest of each journey."""

    def waiting_of(self, journey: str, version: str, *, after: int, limit: int) -> list[Run]:
        """Runs of a version that wait, in order of number, from beyond number *after*."""

    def stands(self, journey: str) -> Mapping[tuple[str, str], int]:
        """How many runs of a journey wait, by (version, step)."""

    def tally(self, journey: str) -> list[Stand]:
        """How many runs of a journey are in which state, where; reads all of them."""

    def converted(self, journey: str, *, after: int, limit: int) -> list[Run]:
        """Runs of a journey that converted, in order of number, from beyond number *after*."""

    def members(self, journey: str, splits: Sequence[str]) -> list[Member]:
        """
        How many runs of a journey passed its random splits, and what came of them; reads all.

        Who passed a split again counts once, with the variant of the last time.
        """


@dataclass(frozen=True, slots=True)
class Pause:
    """Since when, why and by whom (a person, or "homing") something is paused."""

    at: int
    reason: str
    by: str


@dataclass(frozen=True, slots=True)
class Alert:
    """Something a person should look at, until it is cleared."""

    kind: str
    subject: str
    text: str
    first_at: int
    last_at: int
    count: int


class Books(Protocol):
    """Counts, settings of the store itself, pauses and alerts."""

    def count(self, name: str, n: int = 1) -> None:
        """Add to a count; written when the transaction's function ends."""

    def counts(self) -> Mapping[str, int]:
        """All counts by name, those of this transaction with them."""

    def get(self, key: str) -> str | int | bytes | None:
        """One setting of the store."""

    def set(self, key: str, value: str | int | bytes) -> None:
        """Write a setting of the store."""

    def pauses(self) -> Mapping[str, Pause]:
        """What is paused, by destination, or "email/NAME"."""

    def pause(self, name: str, pause: Pause) -> None:
        """Pause a destination or an email."""

    def resume(self, name: str) -> None:
        """End a pause."""

    def alert(self, kind: str, subject: str, text: str, *, at: int, n: int = 1) -> None:
        """Keep an alert until it is cleared; the same one again counts up."""

    def clear_alert(self, kind: str, subject: str) -> None:
        """Its cause is gone."""

    def strike(self, texts: Collection[str]) -> None:
        """Take these out of what alerts and pauses say, in whatever case."""

    def alerts(self) -> list[Alert]:
        """What stands, newest first."""


class Tx(Protocol):
    """What a transaction's function may use."""

    @property
    def events(self) -> Events:
        """Events taken in."""

    @property
    def people(self) -> People:
        """Persons."""

    @property
    def sends(self) -> Sends:
        """The ledger."""

    @property
    def effects(self) -> Effects:
        """What is to be done outside."""

    @property
    def runs(self) -> Runs:
        """The runs of journeys."""

    @property
    def members(self) -> Members:
        """Audiences and lists."""

    @property
    def jobs(self) -> Jobs:
        """What SendGrid works on."""

    @property
    def erasures(self) -> Erasures:
        """Who was erased."""

    @property
    def suppressions(self) -> Suppressions:
        """Who may not be mailed."""

    @property
    def books(self) -> Books:
        """Counts, pauses, alerts."""

    def savepoint(self) -> AbstractContextManager[None]:
        """
        Undo what the block did, its counts too, if it raises.

        Raises:
            Unavailable: The store failed in the midst of it: the whole transaction is lost.
        """


class Api(Protocol):
    """One HTTP API: SendGrid's or Segment's."""

    async def call(self, method: str, path: str, body: bytes | None) -> Answer:
        """Make one call; whatever goes wrong is told by the answer, never raised."""


class Files(Protocol):
    """Files that an API points to: exports, lists of errors."""

    async def fetch(
        self, url: str, into: Callable[[bytes], object], *, most_bytes: int = ...
    ) -> Answer:
        """Read a file piece by piece, up to a size; whatever goes wrong is told by the answer."""


class Renderer(Protocol):
    """Renders emails whose templates are ours; off the event loop."""

    async def email(self, email: Email, data: bytes) -> Rendered:
        """
        Render an email's subject, HTML and text.

        Raises:
            HomingError: A template cannot be rendered with this data.
        """


class Store(Protocol):
    """The state."""

    async def write(self, job: Callable[[Tx], T]) -> T:
        """
        Run *job* in a transaction, grouped with others; its result, once durable.

        An exception of the job undoes the job alone and is raised here.

        Raises:
            Unavailable: Nothing was kept: no room, or another program has the file, or the disk
                failed; of the last the store also told whoever opened it.
        """

    async def scrub(self) -> bool:
        """Leave no trace of what was deleted in the files; False: try again soon."""

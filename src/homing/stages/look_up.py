"""
Look up: traits that an email lacks are asked of Segment's Profile API before the send.

    divert   heads to be looked up leave the claim; what is cached or cannot be asked goes on
    ask      one question a send, two seconds at most, side by side; no lane waits for another's
    fill in  address and data anew, in one transaction; then the gate is asked as of any send

A crash leaves the flag: the send is looked up again. A failure is said, and stops nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

import msgspec
import orjson

from homing.core import breaker as breakers
from homing.core import look_ups, people
from homing.core.breaker import Breaker, BreakerState, Signal
from homing.core.effects import SendFlag, WantSend
from homing.core.errors import Unavailable
from homing.core.gate import Refusal
from homing.core.journeys.program import Act
from homing.core.journeys.run import exit_origin, run_of
from homing.core.ledger import CLAIMABLE
from homing.core.mapping import ABSENT
from homing.core.outcomes import Answer, api_message
from homing.core.plans import Send
from homing.core.wire import NotJson, json_bytes
from homing.log import LOOK_UP_FAILED, log
from homing.ports import Attempt
from homing.stages import moves
from homing.stages.asking import Asker, Unanswered
from homing.stages.rate import Rate
from homing.stages.resolve import Packed

if TYPE_CHECKING:
    from homing.core.decide import Rules
    from homing.core.effects import SendRow
    from homing.core.journeys.program import Journey
    from homing.core.people import Person
    from homing.ports import Api, Clock, Store, Tx

LOOKUP: Final = int(SendFlag.LOOKUP)
TIME_LIMIT_S: Final = 2.0
CACHED_S: Final = 60.0
MAX_CACHED: Final = 20_000
# Segment allows 100 a second for the whole space: some are left for others
PER_SECOND: Final = 80.0
MAX_AT_ONCE: Final = 32
# for so long a send that is being looked up is not due; a crash costs as much
LEASE_MS: Final = 3_000
MAX_ANSWER: Final = 1 << 20
TRIES: Final = 2
FAILED: Final = "profile look-up failed"
NOT_SET: Final = "`segment.profiles` is not set"
DOWN: Final = "the Profile API is in trouble: not asked"
LIMITED: Final = "the Profile API's rate limit: not asked"
ALERT: Final = "look_up_failed"
COUNTED: Final = "look_ups:"


class LookUpOutcome(StrEnum):
    """What a look-up came to, as it is counted."""

    FOUND = "found"
    NONE = "none"  # the profile has none of the traits, or there is no such profile
    CACHED = "cached"  # known since a moment ago: not asked
    REFUSED = "refused"
    UNANSWERED = "unanswered"  # nothing, an API in trouble, or what nobody can read
    NOT_ASKED = "not_asked"  # nothing is configured, or the API cannot be asked now


@dataclass(frozen=True, slots=True)
class Source:
    """Where profiles are: one space of an API."""

    api: Api
    space: str


class Question(msgspec.Struct, frozen=True, gc=False):
    """The traits one send lacks."""

    send: int
    person: int
    profile: tuple[str, str]
    keys: tuple[str, ...]


class Found(msgspec.Struct, frozen=True, gc=False):
    """
    Traits by key, those the profile has; or why they could not be had.

    ``outcome`` None: nothing was to be looked up.
    """

    traits: Mapping[str, object] = {}
    failure: str | None = None
    outcome: LookUpOutcome | None = None


@dataclass(slots=True)
class LookUp:
    """
    The look-ups of one destination.

    Args:
        rules: Gives the rules in force, which hold the mappings.

        remember: Is told of a person who was written.

        forget: Is told that what it was told may not have been kept.

        source: None: nothing is asked, and what waits for an answer goes on without.
    """

    store: Store
    clock: Clock
    rules: Callable[[], Rules]
    remember: Callable[[Person], None]
    forget: Callable[[], None]
    source: Source | None = None
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    broken: BaseException | None = None
    rate: Rate = field(init=False)
    _breaker: Breaker = field(default_factory=Breaker)
    _asking: set[int] = field(default_factory=set)
    _cache: dict[tuple[int, str], tuple[float, object]] = field(default_factory=dict)
    _next_slot_ms: float = 0.0
    _is_alerted: bool = True  # one may stand from before

    def __post_init__(self) -> None:
        clock = self.clock
        self.rate = Rate(PER_SECOND, clock.monotonic_s, lambda: clock.now_ms() / 1000)

    def use(self, source: Source | None) -> None:
        """Ask another source from the next question on."""
        self.source, self._breaker = source, Breaker()
        self._cache.clear()

    def divert(
        self, tx: Tx, rows: Iterable[SendRow], *, now: int
    ) -> tuple[list[SendRow], list[Question]]:
        """Part heads that are due into those that may be claimed, and questions to start."""
        others: list[SendRow] = []
        questions: list[Question] = []
        for row in rows:
            if not row.flags & LOOKUP:
                others.append(row)
                continue
            if row.id in self._asking:
                continue
            asked = self._question(tx, row, len(questions))
            if isinstance(asked, Found):
                others += self._going_on(tx, row, asked, now=now)
                continue
            if self._has_room(len(questions)):
                questions.append(asked)
                row.due_at = now + LEASE_MS
            else:
                row.due_at = self._slot(now)
            tx.sends.save(row)
        return others, questions

    def start(self, questions: Iterable[Question], done: Callable[[], None]) -> None:
        """Ask them side by side; *done* is called after each."""
        for question in questions:
            self._asking.add(question.send)
            task = asyncio.create_task(self._answered(question), name="look up")
            self.tasks.add(task)
            task.add_done_callback(self._ended(question, done))

    def _ended(
        self, question: Question, done: Callable[[], None]
    ) -> Callable[[asyncio.Task[None]], None]:
        def ended(task: asyncio.Task[None]) -> None:
            self.tasks.discard(task)
            self._asking.discard(question.send)
            if not task.cancelled() and task.exception() is not None:
                self.broken = task.exception()
            done()

        return ended

    def _going_on(self, tx: Tx, row: SendRow, found: Found, *, now: int) -> list[SendRow]:
        """Fill in a send without a question; it again, if it may still leave."""
        _count(tx, found)
        self._fill_in(tx, row, found, now=now)
        kept = tx.sends.get(row.id)
        return [] if kept is None or kept.state not in CLAIMABLE else [kept]

    def _has_room(self, started: int) -> bool:
        under_way = len(self._asking) + started
        allowed = breakers.allowance(self._breaker, in_flight=under_way, most=MAX_AT_ONCE)
        return allowed > 0 and self.rate.available() > started

    def _slot(self, now: int) -> int:
        """A moment of its own for each that has to wait, so that none comes twice."""
        self._next_slot_ms = max(now, self._next_slot_ms) + 1000 / PER_SECOND
        return int(self._next_slot_ms)

    def _question(self, tx: Tx, row: SendRow, started: int) -> Question | Found:
        """What to ask for a send; or what it goes on with."""
        person, keys = lacking_of(tx, row, self.rules())
        profile = None if person is None else look_ups.profile_of(person)
        if person is None or profile is None:
            return Found()
        known = self._cached(person.id, keys)
        unknown = tuple(key for key in keys if key not in known)
        if not unknown:
            return Found(_present(known), outcome=LookUpOutcome.CACHED if keys else None)
        failure = self._why_not(started)
        if failure is not None:
            return Found(_present(known), failure, LookUpOutcome.NOT_ASKED)
        return Question(row.id, person.id, profile, unknown)

    def _why_not(self, started: int) -> str | None:
        if self.source is None:
            return NOT_SET
        self._turn(Signal.TICKED)
        if self._breaker.state is not BreakerState.CLOSED and not self._has_room(started):
            return DOWN
        return LIMITED if self.rate.wait_s() > TIME_LIMIT_S else None

    async def _answered(self, question: Question) -> None:
        found = await self._asked(question)
        try:
            await self.store.write(lambda tx: self._finish(tx, question, found))
        except Unavailable:
            self.forget()  # nothing was kept: it is looked up again
        except BaseException:
            self.forget()
            raise

    async def _asked(self, question: Question) -> Found:
        source = self.source
        if source is None:
            return Found(failure=NOT_SET, outcome=LookUpOutcome.NOT_ASKED)
        heard = _Heard(source.api)
        path = look_ups.traits_path(source.space, question.profile, question.keys)
        try:
            async with asyncio.timeout(TIME_LIMIT_S):
                answer = await Asker(heard, self.rate, self.clock, tries=TRIES).ask("GET", path)
        except TimeoutError:
            last = heard.last
            self._turn_after(last)
            none = f"no answer within {TIME_LIMIT_S:g} s"
            said = none if last is None else _told(last)
            return Found(failure=said, outcome=LookUpOutcome.UNANSWERED)
        except Unanswered:
            self._turn_after(heard.last)
            return Found(failure=_told(heard.last), outcome=LookUpOutcome.UNANSWERED)
        self._turn_after(answer)
        found = read_traits(answer, question.keys)
        if found.failure is None:
            self._keep(question, found.traits)
        return found

    def _turn_after(self, answer: Answer | None) -> None:
        status = None if answer is None else answer.status
        if status == 429:
            return  # there is someone to throttle us
        if status in {401, 403}:
            self._turn(Signal.REFUSED)
        elif status is None or status >= 500:
            self._turn(Signal.FAILED)
        else:
            self._turn(Signal.SUCCEEDED)

    def _turn(self, signal: Signal) -> None:
        now_ms = int(self.clock.monotonic_s() * 1000)
        self._breaker = breakers.after(self._breaker, signal, now_ms=now_ms)

    def _cached(self, person: int, keys: Iterable[str]) -> dict[str, object]:
        now_s = self.clock.monotonic_s()
        found = {key: self._cache.get((person, key), (0.0, None)) for key in keys}
        return {key: value for key, (until_s, value) in found.items() if until_s > now_s}

    def _keep(self, question: Question, traits: Mapping[str, object]) -> None:
        until_s = self.clock.monotonic_s() + CACHED_S
        for key in question.keys:
            self._cache.pop((question.person, key), None)
            self._cache[(question.person, key)] = until_s, traits.get(key, ABSENT)
        while len(self._cache) > MAX_CACHED:
            del self._cache[next(iter(self._cache))]

    def _finish(self, tx: Tx, question: Question, found: Found) -> None:
        _count(tx, found)
        row = tx.sends.get(question.send)
        if row is None or not row.flags & LOOKUP or row.state not in CLAIMABLE:
            return  # it was cancelled, or erased, meanwhile
        known = _present(self._cached(question.person, lacking_of(tx, row, self.rules())[1]))
        whole = Found({**known, **found.traits}, found.failure)
        self._fill_in(tx, row, whole, now=self.clock.now_ms())
        if found.failure is None and self._is_alerted:
            tx.books.clear_alert(ALERT, "segment")
            self._is_alerted = False

    def _fill_in(self, tx: Tx, row: SendRow, found: Found, *, now: int) -> None:
        """Resolve a send anew, with what was found as its person's oldest traits."""
        person = tx.people.get(row.person)
        if person is not None and found.traits:
            learned = people.with_traits(person, found.traits, 0)
            if learned is not person:
                tx.people.save(learned)
                self.remember(learned)
        row.flags &= ~LOOKUP
        row.due_at = now
        if found.failure is not None:
            self._say(tx, row, found.failure, now=now)
        problem, data = _resolved(tx, row, self.rules())
        tx.sends.fill_in(row, data)
        if problem is not None:
            moves.refuse(tx, row, Refusal("skipped", problem))

    def _say(self, tx: Tx, row: SendRow, failure: str, *, now: int) -> None:
        row.reason = f"{FAILED}: {failure}"
        tx.sends.add_attempt(row.id, Attempt(row.attempt, now, "look-up", row.reason))
        tx.books.alert(ALERT, "segment", row.reason, at=now)
        self._is_alerted = True
        log.warning(LOOK_UP_FAILED, send=row.key, rule=row.rule, reason=failure)


@dataclass(slots=True)
class _Heard:
    """An API whose last answer is kept: a question may run out of time between two tries."""

    api: Api
    last: Answer | None = None

    async def call(self, method: str, path: str, body: bytes | None) -> Answer:
        self.last = await self.api.call(method, path, body)
        return self.last


def want_of(tx: Tx, row: SendRow, rules: Rules) -> WantSend | None:
    """What asked for a send, by the configuration in force; None if that is gone."""
    sends = _of_route(row, rules) if row.origin >= 0 else _of_run(tx, row, rules)
    action = next((send for send in sends if send.email == row.email), None)
    if action is None:
        return None
    return WantSend(
        row.rule, row.email, to=action.to, data=action.data, template=row.template, step=row.step,
        variant=row.variant,
    )  # fmt: skip


def _of_route(row: SendRow, rules: Rules) -> Sequence[Send]:
    routes = (route for route in rules.plans.routes if route.name == row.rule)
    return [action for route in routes for action in route.actions if isinstance(action, Send)]


def _of_run(tx: Tx, row: SendRow, rules: Rules) -> Sequence[Send]:
    number = run_of(row.origin)
    run = None if number is None else tx.runs.get(number)
    journey = None if run is None else rules.programs.of(run)
    if run is None or journey is None:
        return []
    if row.origin == exit_origin(run.id):
        ways = (one for one in journey.exits if one.name == run.reason)
        return [one.send for one in ways if one.send is not None]
    return _at_step(journey, row.step)


def _at_step(journey: Journey, name: str) -> Sequence[Send]:
    place = journey.places.get(name)
    step = None if place is None else journey.steps[place]
    return [step.action] if isinstance(step, Act) and isinstance(step.action, Send) else []


def lacking_of(tx: Tx, row: SendRow, rules: Rules) -> tuple[Person | None, tuple[str, ...]]:
    """Whose send it is, and the traits it lacks, as things are."""
    person, want = tx.people.get(row.person), want_of(tx, row, rules)
    email = rules.plans.emails.get(row.email)
    if person is None or want is None or email is None:
        return person, ()
    variables = (rules.plans.look_ups or {}).get(row.email, ())
    absent = look_ups.absent_of(variables, orjson.loads(tx.sends.data(row.id)))
    found = look_ups.lacking(want, email, person, address=row.address, absent=absent)
    return person, found.keys


def _resolved(tx: Tx, row: SendRow, rules: Rules) -> tuple[str | None, bytes]:
    """The data of a send, and why it cannot be sent with it; its address is set on the row."""
    raw, data = tx.sends.lookup(row.id), tx.sends.data(row.id)
    if raw is None:
        return None, data
    person, packed = tx.people.get(row.person), Packed.of(raw)
    email, want = rules.plans.emails.get(row.email), want_of(tx, row, rules)
    if person is None or want is None or email is None:
        return packed.problem, data  # with what was known when it was reserved
    found = packed.resolved(want, row, person, email=email)
    row.address = found.address
    return found.problem, found.data


def _count(tx: Tx, found: Found) -> None:
    if found.outcome is not None:
        tx.books.count(f"{COUNTED}{found.outcome}")


def _present(known: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in known.items() if value is not ABSENT}


def read_traits(answer: Answer, keys: Iterable[str]) -> Found:
    """
    The traits in an answer, of those that were asked for; an unknown profile has none.

    Source: Segment docs, "Profile API": 404 is an unknown profile.
    """
    if answer.status == 404:
        return Found(outcome=LookUpOutcome.NONE)
    if answer.status != 200:
        return Found(failure=_told(answer), outcome=LookUpOutcome.REFUSED)
    if len(answer.body) > MAX_ANSWER:
        return _unread(f"an answer of over {MAX_ANSWER >> 20} MiB")
    try:
        told: Any = orjson.loads(answer.body)
        traits = told["traits"]
        found = {key: traits[key] for key in keys if traits.get(key) is not None}
        json_bytes([[found]])  # a value that nests too deep would not be kept
    except (orjson.JSONDecodeError, NotJson, KeyError, TypeError, AttributeError):
        return _unread("expected traits in JSON, got something else")
    return Found(found, outcome=LookUpOutcome.FOUND if found else LookUpOutcome.NONE)


def _unread(failure: str) -> Found:
    return Found(failure=failure, outcome=LookUpOutcome.UNANSWERED)


def _told(answer: Answer | None) -> str:
    if answer is None:
        return "no answer"
    if answer.status is None:
        return answer.error or "no answer"
    said = _words(answer.body)
    return f"HTTP {answer.status}{f': {said}' if said else ''}"


def _words(body: bytes) -> str:
    """The API's own words: ``{"error": {"code", "message"}}``, else as any API says them."""
    try:
        error = orjson.loads(body)["error"]
        return str(error["message"])[:200]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return api_message(body)[:200]

"""
What a journey came to, by step and variant: rows in, tables out.

Rows are tallies: equal rows of the store once, with how many there are. A table's numbers are those
of a plain count over the rows; rates and differences are with their 95 % intervals
(``experiments.py``).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Context, Decimal, InvalidOperation
from typing import TYPE_CHECKING, Final

import msgspec

from homing.core.effects import SendFlag
from homing.core.journeys import experiments
from homing.core.journeys.experiments import Interval, Sample
from homing.core.journeys.run import RunState
from homing.core.ledger import EventState, SendState

if TYPE_CHECKING:
    from homing.core.effects import SendRow
    from homing.core.journeys.run import Run

JUST_BEFORE_MS: Final = 600_000
# of a number that is worth something: what has more is no value of anything
_MOST_PLACES: Final = 10_000
OTHERWISE: Final = "otherwise"

# what left, as far as anybody knows
_LEFT: Final = frozenset(
    {
        SendState.IN_FLIGHT,
        SendState.UNKNOWN,
        SendState.PARKED,
        SendState.ACCEPTED,
        SendState.DROPPED,
    }
)
ARRIVED: Final = frozenset(
    {
        EventState.DELIVERED,
        EventState.MACHINE_OPENED,
        EventState.OPENED,
        EventState.CLICKED,
        EventState.UNSUBSCRIBED,
        EventState.SPAM,
    }
)
"""What is heard of a mail that reached its recipient."""
# plain integers: each operation on a flag's own type costs a look-up
_TEST, _OPENED, _CLICKED = int(SendFlag.TEST), int(SendFlag.OPENED), int(SendFlag.CLICKED)


class Flow(msgspec.Struct, frozen=True):
    """How often a line of histories (see `run.Passage`) was written for a step and variant."""

    what: str
    step: str
    name: str
    variant: str
    count: int = 1


class Stand(msgspec.Struct, frozen=True):
    """How many runs are in a state, at the step where they wait or ended."""

    state: str
    step: str
    variant: str
    count: int = 1


class Mailed(msgspec.Struct, frozen=True):
    """How many sends of a step and variant are alike in what became of them."""

    step: str
    variant: str
    state: str
    reason: str | None
    mail: str | None
    flags: int = 0
    delivered: bool = False
    count: int = 1


class Member(msgspec.Struct, frozen=True):
    """
    How many runs that passed a random split by a variant are alike in what came of them.

    ``reached``, ``opened`` and ``clicked`` are of any of their sends, at any step; machine opens
    are none.
    """

    split: str
    variant: str
    converted: bool = False
    value: str | None = None
    reached: bool = False
    opened: bool = False
    clicked: bool = False
    count: int = 1


class Touch(msgspec.Struct, frozen=True):
    """
    One send's part in the conversion of its run.

    ``what``: "first" or "last" that left before it, "late" (left after it, by event time: regret)
    or "just_before" (left at most `JUST_BEFORE_MS` before it). ``value`` is with the last one.
    """

    what: str
    step: str
    variant: str
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """
    What happened at one step; *variant* None: of all.

    Every visit counts, also of one run that comes again. ``entered`` is how many came, those
    without a line of their own left out: who comes to an ``until`` that is over does not wait.
    ``exited`` is by the exit's name, `OTHERWISE` for all other ends but the regular one.
    ``converted`` is how many runs converted while they stood there, or had ended there.
    """

    step: str
    variant: str | None = None
    entered: int = 0
    waiting: int = 0
    branches: Mapping[str, int] = field(default_factory=dict)
    timed_out: int = 0
    restarted: int = 0
    restarts: Mapping[str, int] = field(default_factory=dict)  # by the branch that restarted it
    exited: Mapping[str, int] = field(default_factory=dict)
    completed: int = 0
    effects: int = 0
    sends: Mapping[str, int] = field(default_factory=dict)  # by state
    skipped: Mapping[str, int] = field(default_factory=dict)  # by reason, also what is no send
    delivered: int = 0
    opened: int = 0
    machine_opened: int = 0  # and by nobody
    clicked: int = 0
    unsubscribed: int = 0
    bounced: int = 0
    spam: int = 0
    converted: int = 0
    touches: Mapping[str, int] = field(default_factory=dict)  # by `Touch.what`
    value: Decimal = Decimal(0)  # of the conversions whose last touch was here

    @property
    def sent(self) -> int:
        """How many sends SendGrid took."""
        return self.sends.get(SendState.ACCEPTED, 0)

    @property
    def passed(self) -> int:
        """How many went on from here, or ended here as the journey has it."""
        return max(self.entered - self.waiting - sum(self.exited.values()), 0)

    @property
    def drop_off(self) -> float | None:
        """The share of those who came whose run was ended here; None if nobody came."""
        return min(sum(self.exited.values()) / self.entered, 1.0) if self.entered else None


@dataclass(frozen=True, slots=True)
class Rate:
    """*hits* of *total*, and the difference from the first variant's rate; None of the first."""

    hits: int
    total: int
    rate: Interval
    difference: Interval | None = None


@dataclass(frozen=True, slots=True)
class Arm:
    """
    One variant of a random split, its runs the units of all rates.

    Opens and clicks are of the runs that a mail reached. ``value`` is exact; ``mean`` is per run,
    ``mean_difference`` from the first variant's, None of the first or of fewer than two runs.
    """

    variant: str
    runs: int
    converted: Rate
    opened: Rate
    clicked: Rate
    value: Decimal
    mean: float
    mean_difference: Interval | None = None


@dataclass(frozen=True, slots=True)
class Split:
    """One random split; the first arm is what the others are compared with."""

    step: str
    arms: tuple[Arm, ...]


@dataclass(frozen=True, slots=True)
class Rows:
    """What the tables of a journey's steps are made of."""

    flows: Sequence[Flow] = ()
    stands: Sequence[Stand] = ()
    mails: Sequence[Mailed] = ()
    touches: Sequence[Touch] = ()


def step_tables(
    rows: Rows, order: Iterable[str] = (), varied: Collection[str] | None = None
) -> list[Step]:
    """
    What happened at each step, of all and then of each variant where there are any.

    Args:
        order: The steps that are known, in their order; others follow by name.

        varied: The steps that are told by variant; None: all. Who comes to others has no variant
            yet, or one of an earlier round.
    """
    grouped = _grouped(rows)
    steps = [*dict.fromkeys([*order, *sorted({step for step, _ in grouped})])]
    variants: dict[str, list[str]] = defaultdict(list)
    for step, variant in grouped:
        if variant is not None:
            variants[step].append(variant)
    made = []
    for step in steps:
        named = sorted(variants[step])
        made.append(_step(step, None, grouped.get((step, None), _Rows())))
        # "" alone: nobody came from a split
        if any(named) and (varied is None or step in varied):
            made += [_step(step, name, grouped[step, name]) for name in named]
    return made


def split_tables(members: Iterable[Member], order: Mapping[str, Sequence[str]]) -> list[Split]:
    """
    Compare the variants of each random split.

    Args:
        order: The splits and their variants, in their order; others follow by name. A variant that
            nobody got is an arm of no runs.
    """
    found: dict[str, dict[str, list[Member]]] = {
        split: {name: [] for name in names} for split, names in order.items()
    }
    for member in sorted(members, key=lambda one: (one.split, one.variant)):
        found.setdefault(member.split, {}).setdefault(member.variant, []).append(member)
    return [Split(split, tuple(_arms(arms))) for split, arms in found.items() if arms]


def touches_of(run: Run, sends: Iterable[SendRow]) -> Iterator[Touch]:
    """What each send of a run that converted had to do with that."""
    converted_at = run.converted_at
    if converted_at is None:
        return
    for send in sends:
        variant, touch = send.variant or "", send.step
        if send.id == run.first_touch:
            yield Touch("first", touch, variant)
        if send.id == run.last_touch:
            yield Touch("last", touch, variant, run.value)
        left_at = send.in_flight_at if send.state in _LEFT else None
        if left_at is None or send.flags & _TEST:
            continue
        if left_at >= converted_at:
            yield Touch("late", touch, variant)
        elif converted_at - left_at <= JUST_BEFORE_MS:
            yield Touch("just_before", touch, variant)


def total_of(values: Iterable[str | None]) -> Decimal:
    """The exact sum of decimal numbers as text; what is none counts as nothing."""
    times = Counter(text for text in values if text)
    known = {text: _number(text) for text in times}
    numbers = [(number, times[text]) for text, number in known.items() if number is not None]
    # nothing is ever rounded: room for the places of the longest on either side, and for carries
    places = max((_places(number) for number, _ in numbers), default=1)
    context = Context(prec=2 * places + len(str(times.total())))
    total = Decimal(0)
    for number, count in numbers:
        total = context.fma(number, Decimal(count), total)
    return total


def _number(text: str | None) -> Decimal | None:
    try:
        number = Decimal(text) if text else None
    except InvalidOperation:
        return None
    known = number is not None and number.is_finite() and _places(number) <= _MOST_PLACES
    return number if known else None


def _places(number: Decimal) -> int:
    """At most so many digits stand on either side of its point."""
    _, digits, exponent = number.as_tuple()
    return len(digits) + abs(int(exponent)) + 1


def reason_kind(reason: str | None) -> str:
    """Why something was skipped, without what is said of one event: few enough to be counted."""
    kind, _, detail = (reason or "").partition(": ")
    return f"{kind}: {detail}" if kind in {"suppressed", "exited"} else kind


@dataclass(slots=True)
class _Rows:
    """The rows of one step and variant."""

    flows: list[Flow] = field(default_factory=list)
    stands: list[Stand] = field(default_factory=list)
    mails: list[Mailed] = field(default_factory=list)
    touches: list[Touch] = field(default_factory=list)


def _grouped(rows: Rows) -> dict[tuple[str, str | None], _Rows]:
    """Rows by step and variant, and those of all variants under None; rows of no step go."""
    grouped: dict[tuple[str, str | None], _Rows] = defaultdict(_Rows)
    waiting = (stand for stand in rows.stands if stand.state == RunState.WAITING)
    mails = (mail for mail in rows.mails if not mail.flags & _TEST)
    for part, found in (
        ("flows", rows.flows), ("stands", waiting), ("mails", mails), ("touches", rows.touches),
    ):  # fmt: skip
        for row in (one for one in found if one.step):
            for variant in (None, row.variant):
                getattr(grouped[row.step, variant], part).append(row)
    return grouped


def _step(step: str, variant: str | None, rows: _Rows) -> Step:
    lines: Counter[str] = Counter()
    names: dict[str, Counter[str]] = defaultdict(Counter)
    for flow in rows.flows:
        lines[flow.what] += flow.count
        names[flow.what][flow.name] += flow.count
    waiting = sum(stand.count for stand in rows.stands)
    exited = {name or OTHERWISE: count for name, count in names["exited"].items()}
    # a branch's own name says that a hold started again; without one the whole run did
    left = lines["branch"] + lines["timeout"] + lines["exited"] + names["restarted"][""]
    done = lines["send"] + lines["skipped"] + lines["effect"]
    return Step(
        step=step,
        variant=variant,
        # of what waits each line counts, or each departure and who is still there: a hold that
        # looks back lets pass without a wait, the end of a delay has no line
        entered=max(waiting + left, lines["waiting"]) + done,
        waiting=waiting,
        branches=dict(names["branch"]),
        timed_out=lines["timeout"],
        restarted=lines["restarted"],
        restarts={name: count for name, count in names["restarted"].items() if name},
        exited=exited,
        completed=lines["completed"],
        effects=lines["effect"],
        skipped=_skipped(names["skipped"], rows.mails),
        converted=lines["goal"],
        touches=dict(Counter(touch.what for touch in rows.touches)),
        value=total_of(touch.value for touch in rows.touches),
        **_mail_counts(rows.mails),  # type: ignore[arg-type]  # the names below are its fields
    )


def _mail_counts(mails: Sequence[Mailed]) -> dict[str, object]:
    sends: Counter[str] = Counter()
    for mail in mails:
        sends[mail.state] += mail.count
    counted = {
        name: sum(mail.count for mail in mails if is_one(mail)) for name, is_one in _MAIL.items()
    }
    return {"sends": dict(sends), **counted}


def is_delivered(mail: str | None, *, delivered: bool) -> bool:
    """Whether a mail reached its recipient: it was said, or what was heard since implies it."""
    return delivered or mail in ARRIVED


_MAIL: Final[Mapping[str, Callable[[Mailed], bool]]] = {
    "delivered": lambda one: is_delivered(one.mail, delivered=one.delivered),
    "opened": lambda one: bool(one.flags & _OPENED),
    "machine_opened": lambda one: one.mail == EventState.MACHINE_OPENED and not one.flags & _OPENED,
    "clicked": lambda one: bool(one.flags & _CLICKED),
    "unsubscribed": lambda one: one.mail == EventState.UNSUBSCRIBED,
    "bounced": lambda one: one.mail in {EventState.BOUNCED, EventState.BLOCKED},
    "spam": lambda one: one.mail == EventState.SPAM,
}


def _skipped(noted: Mapping[str, int], mails: Iterable[Mailed]) -> dict[str, int]:
    """
    What was skipped, by reason: sends also after they were reserved.

    The history has what was refused at once, whether a send or not; the ledger has every refused
    send. So of each reason the greater number is all there is.
    """
    refused: Counter[str] = Counter()
    for mail in mails:
        if mail.state == SendState.SKIPPED:
            refused[reason_kind(mail.reason)] += mail.count
    both = [*noted, *(kind for kind in refused if kind not in noted)]
    return {kind: max(noted.get(kind, 0), refused[kind]) for kind in both}


@dataclass(frozen=True, slots=True)
class _Worth:
    """What the comparison of variants needs of one."""

    converted: Rate
    opened: Rate
    clicked: Rate
    sample: Sample


def _arms(arms: Mapping[str, Sequence[Member]]) -> Iterator[Arm]:
    first: _Worth | None = None
    for variant, members in arms.items():
        values = [one.value for one in members if one.value for _ in range(one.count)]
        worth = _worth(members, first)
        versus = None if first is None else experiments.mean_difference(worth.sample, first.sample)
        yield Arm(
            variant=variant,
            runs=worth.converted.total,
            converted=worth.converted,
            opened=worth.opened,
            clicked=worth.clicked,
            value=total_of(values),
            mean=worth.sample.mean,
            mean_difference=versus,
        )
        first = first or worth


def _worth(members: Sequence[Member], first: _Worth | None) -> _Worth:
    runs = sum(one.count for one in members)
    converted = sum(one.count for one in members if one.converted)
    reached = [one for one in members if one.reached]
    mailed = sum(one.count for one in reached)
    opened = sum(one.count for one in reached if one.opened)
    clicked = sum(one.count for one in reached if one.clicked)
    return _Worth(
        _rate(converted, runs, None if first is None else first.converted),
        _rate(opened, mailed, None if first is None else first.opened),
        _rate(clicked, mailed, None if first is None else first.clicked),
        experiments.sample_of(_floats(members), runs),
    )


def _floats(members: Iterable[Member]) -> Iterator[float]:
    for one in members:
        number = _number(one.value)
        if number is not None:
            yield from (float(number) for _ in range(one.count))


def _rate(hits: int, total: int, first: Rate | None) -> Rate:
    rate = experiments.proportion(hits, total)
    versus = None if first is None else experiments.difference(rate, first.rate)
    return Rate(hits, total, rate, versus)

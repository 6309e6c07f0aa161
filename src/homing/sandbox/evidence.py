"""What both sides say at the end, gathered at one moment: the service's books, and the vendors'."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from homing.core.effects import Dest, SendFlag
from homing.core.journeys.run import run_of
from homing.core.ledger import HOLDS_LANE, SendState
from homing.processes.books import books_of
from homing.sandbox.journeys import all_runs
from homing.stages.compose import TEST_ARG

if TYPE_CHECKING:
    from homing.core.effects import SendRow
    from homing.emulators import AcceptedMail
    from homing.ports import Tx
    from homing.processes.books import Books
    from homing.sandbox.asking import AskedRun
    from homing.sandbox.journeys import Ran
    from homing.sandbox.town import Town

PAGE: Final = 500
#: What is due so lately may be just under way.
GRACE_MS: Final = 3_000
CALLED: Final = (Dest.SUPPRESSIONS, Dest.SEGMENT)


@dataclass(frozen=True, slots=True)
class Sent:
    """
    One send of the ledger.

    *unknowns* says how many of its attempts nobody knew the end of; *run* and *step* where in a
    journey it was reserved, if in one; *left_at* when its last attempt began, unix ms.
    """

    key: str
    user: str
    rule: str
    email: str
    state: SendState
    reason: str
    lane: int | None
    due_at: int
    unknowns: int = 0
    number: int = 0
    run: int | None = None
    step: str = ""
    left_at: int | None = None

    @property
    def is_open(self) -> bool:
        """Whether it may still leave, or has left and nobody knows."""
        return self.state in HOLDS_LANE


@dataclass(frozen=True, slots=True)
class Evidence:
    """
    Both sides.

    Args:
        at_ms: When.

        books: The service's counts.

        sends: Its ledger, oldest first; tests by hand are left out.

        copies: How many emails SendGrid took, by ``homing_send``.

        mails: The same by (userId, route); those of journeys are left out.

        steps: The emails of journeys it took, by (``homing_send``, journey, step).

        runs: All runs of journeys, oldest first.

        asked: How many emails the shop's events ask for, by (userId, route).

        asked_runs: Which runs they ask for.

        all_arrived: Whether every event of the shop's was taken, or lost on purpose.

        taken: How many events, copies counted, were posted to the service and answered 2xx.

        late_calls: How many calls to each other destination wait without a reason.

        home, discarded: How many calls Segment published, and threw away.

        is_settled: Whether the service was left to finish.
    """

    at_ms: int
    books: Books
    sends: tuple[Sent, ...]
    copies: Mapping[str, int]
    mails: Mapping[tuple[str, str], int]
    steps: Mapping[tuple[str, str, str], int]
    runs: tuple[Ran, ...]
    asked: Mapping[tuple[str, str], int]
    asked_runs: frozenset[AskedRun]
    all_arrived: bool
    taken: int
    late_calls: Mapping[str, int]
    home: int
    discarded: int
    is_settled: bool


@dataclass(slots=True)
class Copies:
    """Counts the emails that SendGrid takes, also those its mailbox forgets later."""

    by_send: Counter[str] = field(default_factory=Counter)
    by_rule: Counter[tuple[str, str]] = field(default_factory=Counter)
    by_step: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def count(self, mail: AcceptedMail) -> None:
        """Count one."""
        args = mail.custom_args
        if TEST_ARG in args:
            return
        send, rule, step = (args.get(f"homing_{name}", "") for name in ("send", "rule", "step"))
        self.by_send[send] += 1
        if step:
            self.by_step[send, rule, step] += 1
        else:
            self.by_rule[args.get("homing_user", ""), rule] += 1


async def gathered(town: Town, copies: Copies, *, is_settled: bool) -> Evidence:
    """
    Ask everybody, at a moment when nothing flies.

    Args:
        copies: Of every email that SendGrid took.
    """
    sender, head, now = town.sender, town.service.receiver.head, town.now_ms()
    books, sends, runs, late = await town.look(
        lambda tx: (
            books_of(tx, head=head),
            tuple(_sends(tx, copies.by_send)),
            all_runs(tx),
            {dest.value: late_calls(tx, dest, at_ms=now - GRACE_MS) for dest in CALLED},
        )
    )
    return Evidence(
        at_ms=now,
        books=books,
        sends=sends,
        late_calls=late,
        copies=copies.by_send,
        mails=copies.by_rule,
        steps=copies.by_step,
        runs=runs,
        asked=town.asked.emails,
        asked_runs=frozenset(town.asked.runs),
        all_arrived=sender.idle and not sender.refused and not sender.given_up,
        taken=sender.delivered + town.sendgrid.events_taken,
        home=town.segment.received.total,
        discarded=town.segment.discarded.total,
        is_settled=is_settled,
    )


def _sends(tx: Tx, copies: Mapping[str, int]) -> Iterator[Sent]:
    rows: list[SendRow] = []
    before: int | None = None
    while page := tx.sends.newest(state=None, before=before, limit=PAGE):
        rows += page
        before = page[-1].id
    return (_sent(tx, row, copies) for row in reversed(rows) if not row.flags & SendFlag.TEST)


def _sent(tx: Tx, row: SendRow, copies: Mapping[str, int]) -> Sent:
    # The usual send, taken once, is not worth a look at its attempts.
    is_plain = row.state == SendState.ACCEPTED and copies.get(row.key) == 1
    attempts = () if is_plain else tx.sends.attempts(row.id)
    return Sent(
        key=row.key,
        user=row.user,
        rule=row.rule,
        email=row.email,
        state=SendState(row.state),
        reason=row.reason or "",
        lane=row.lane,
        due_at=row.due_at,
        number=row.id,
        run=run_of(row.origin),
        step=row.step,
        left_at=row.in_flight_at,
        unknowns=sum(attempt.outcome == "unknown" for attempt in attempts),
    )


def held_up(sends: Collection[Sent], pauses: Collection[str], *, at_ms: int) -> frozenset[str]:
    """
    The open sends that wait for a reason: a pause, the hour of the next attempt, or another such
    send before them in their lane.

    Args:
        sends: Oldest first.

        pauses: Names of what is paused.

        at_ms: The hour; an attempt due later is waited for.
    """
    held: set[str] = set()
    lanes: set[int] = set()
    for sent in sends:
        if not sent.is_open:
            continue
        is_paused = "mail" in pauses or f"email/{sent.email}" in pauses
        is_later = sent.state is SendState.RETRY and sent.due_at > at_ms
        if is_paused or is_later or sent.lane in lanes:
            held.add(sent.key)
            if sent.lane is not None:
                lanes.add(sent.lane)
    return frozenset(held)


def late_calls(tx: Tx, dest: Dest, *, at_ms: int) -> int:
    """Count the calls that were due before *at_ms* and are the first of their lane."""
    late, after = 0, 0
    lanes: set[int] = set()
    while ready := tx.effects.ready(dest, after=after, limit=PAGE):
        for effect in ready:
            late += effect.due_at <= at_ms and effect.lane not in lanes
            lanes.add(effect.lane)
        after = ready[-1].id
    return late

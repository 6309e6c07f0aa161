"""Whatever is done to them, the stores agree, and lanes are sound."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from tests.contract.conftest import SMALL
from tests.contract.run_rows import run as run_row
from tests.support.rows import NOON, Refused, effect, event, refuse, send, user

from homing.adapters.memory import MemoryState
from homing.adapters.sqlite.state import scratch
from homing.core import people
from homing.core.effects import Dest, SendRow
from homing.core.journeys.run import Passage, RunState
from homing.core.ledger import CLAIMABLE
from homing.ports import Cursor, Definition, Tx

PEOPLE = 4
JOURNEYS = ("cart", "trial")
SOAK = os.environ.get("HOMING_SOAK") == "1"
Step = tuple[str, int, int]


def everything(tx: Tx) -> dict[str, object]:
    """All that can be seen of a store."""
    sends = tx.sends.newest(state=None, before=None, limit=1_000)
    return {
        "sends": sends,
        "claimable": tx.sends.claimable(now=NOON + 50, limit=100),
        "next_due": tx.sends.next_due(),
        "in_flight": tx.sends.in_flight(),
        "apart": tx.sends.aside("order", limit=100),
        "open": [tx.sends.open_of_person(n) for n in range(PEOPLE + 1)],
        "traced": [[r.id for r in tx.sends.by_trace(key, limit=3)] for key in range(3)],
        "by_state": [
            [r.id for r in tx.sends.newest(state=state, before=None, limit=100)]
            for state in ("reserved", "in_flight", "retry", "unknown", "parked", "skipped")
        ],
        "deferred": tx.sends.deferred_due(now=NOON + 40, limit=9),
        "next_deferred": tx.sends.next_deferred(),
        "deferred_of": tx.sends.deferred_of("order-confirmation", limit=9),
        "marketing": [
            tx.sends.marketing_since(number, since=NOON + 20) for number in range(1, PEOPLE + 1)
        ],
        **runs_of(tx),
        "effects": [tx.effects.get(number) for number in range(1, 40)],
        "ready": tx.effects.ready(Dest.SEGMENT, after=0, limit=100),
        "people": tx.people.newest(before=None, limit=100),
        "known": [tx.people.get(number) for number in range(1, PEOPLE + 1)],
        "histories": [
            [row.id for row in tx.events.of_person([number], limit=5)]
            for number in range(1, PEOPLE + 1)
        ],
        "seen": [tx.events.seen(key) for key in range(40)],
        "counts": {name: n for name, n in tx.books.counts().items() if n},
    }


def runs_of(tx: Tx) -> dict[str, object]:
    """All that can be seen of runs."""
    runs = tx.runs.newest(None, before=None, limit=1_000)
    persons = range(1, PEOPLE + 1)
    return {
        "runs": runs,
        "next_run": tx.runs.next_id(),
        "contexts": [tx.runs.context(one.id) for one in runs],
        "passages": [tx.runs.passages(one.id) for one in runs],
        "of_event": [tx.runs.passages_of_event(event, people=[1, 3]) for event in range(5)],
        "watched": [tx.runs.watched_of(number, now=NOON + 20) for number in persons],
        "newest_of": [tx.runs.newest_of(number, limit=3) for number in persons],
        "newest_in": [tx.runs.newest(name, before=30, limit=4) for name in JOURNEYS],
        "due_runs": tx.runs.due(now=NOON + 40, limit=5),
        "next_run_due": tx.runs.next_due(),
        "is_due": [tx.runs.is_due(number, now=NOON + 30) for number in persons],
        "entries": [
            tx.runs.last_entry(number, name, str(key))
            for number in persons for name in JOURNEYS for key in range(2)
        ],
        "over": tx.runs.watched_until(NOON + 40, limit=4),
        "definitions": tx.runs.definitions(),
        "waiting": [tx.runs.waiting_of("cart", f"v{n}", after=n, limit=3) for n in range(3)],
        "stands": [tx.runs.stands(name) for name in JOURNEYS],
    }  # fmt: skip


def assert_lanes_sound(sends: list[SendRow]) -> None:
    """One head a lane, and it is out if any is; no head outside a lane."""
    lanes: dict[int, list[SendRow]] = {}
    for row in sends:
        if row.lane is None:
            assert not row.head, row
        else:
            lanes.setdefault(row.lane, []).append(row)
    for rows in lanes.values():
        (head,) = (row for row in rows if row.head)
        out = [row for row in rows if row.state in ("in_flight", "unknown")]
        assert not out or head in out, rows


def some(rows: list[SendRow], number: int) -> SendRow | None:
    """One of these rows, or none if there are none."""
    return rows[number % len(rows)] if rows else None


def reserve(tx: Tx, a: int, b: int) -> None:
    """Reserve a send for a person who is there."""
    person = tx.people.get(a % PEOPLE + 1)
    number = tx.sends.next_id()
    if person is None:
        return
    new = send(number, origin=b % 20, person=person.id, due_at=NOON + b)
    if tx.sends.reserve(new, lane=person.id * 2 + b % 2):
        tx.sends.add_trace(b % 3, number)
        tx.books.count("reserved")


def claim(tx: Tx, a: int, b: int) -> None:
    """Write intents of what is due."""
    for row in tx.sends.claimable(now=NOON + b, limit=a % 4 + 1):
        tx.sends.intend(row.id, now=NOON + b)


def accept(tx: Tx, a: int, b: int) -> None:
    """One comes back; the row was read at any time before."""
    row = some(tx.sends.in_flight(), a)
    if row is not None:
        stale = structs.replace(row, lane=b % 9, head=b % 2)
        tx.sends.accept({stale.id: str(b)}, now=NOON, silent_due=None)


def lose(tx: Tx, a: int, b: int) -> None:
    """Nobody knows what became of one; or it is to be tried again."""
    row = some(tx.sends.in_flight(), a)
    if row is not None:
        row.state, row.unknown_due = ("unknown", b) if b % 2 else ("retry", None)
        tx.sends.save(row)


def resolve(tx: Tx, a: int, b: int) -> None:
    """An unknown one is resent, or parked."""
    row = some(tx.sends.newest(state="unknown", before=None, limit=50), a)
    if row is not None:
        row.state, row.lane = ("retry", row.lane) if b % 2 else ("parked", None)
        tx.sends.save(row)


def step_aside(tx: Tx, a: int, b: int) -> None:
    """One that waits leaves its lane, for good or not."""
    waiting = tx.sends.newest(state="reserved", before=None, limit=50)
    row = some([row for row in waiting if row.lane is not None], a)
    if row is not None:
        row.state, row.lane = ("skipped" if b % 2 else "reserved"), None
        tx.sends.save(row)


def rejoin(tx: Tx, a: int, b: int) -> None:
    """One that stepped aside comes back."""
    aside = tx.sends.aside("order", limit=50) + tx.sends.newest(
        state="parked", before=None, limit=50
    )
    row = some(aside, a)
    if row is not None:
        row.state = row.state if row.state in CLAIMABLE else "retry"
        tx.sends.rejoin(row, lane=row.person * 2 + b % 2)


def merge(tx: Tx, a: int, b: int) -> None:
    """Two persons become one."""
    winner, loser = tx.people.get(a % PEOPLE + 1), tx.people.get(b % PEOPLE + 1)
    if winner is not None and loser is not None and winner.id != loser.id:
        tx.people.merge(loser.id, people.merge(winner, loser))


def ask(tx: Tx, a: int, b: int) -> None:
    """Ask for an effect."""
    person = tx.people.get(a % PEOPLE + 1)
    if person is not None and len(tx.effects.ready(Dest.SEGMENT, after=0, limit=50)) < 10:
        tx.effects.add(effect(lane=person.id, person=person.id, event=b % 5))


def end(tx: Tx, a: int, b: int) -> None:
    """An effect ends one way or another."""
    number = a % 12
    (
        lambda: tx.effects.done([number, number + 1]),
        lambda: tx.effects.dead(number, "400"),
        lambda: tx.effects.revive(number, now=NOON + b),
        lambda: tx.effects.retry(number, due_at=NOON + b, counts=bool(a % 2), reason="503"),
        lambda: tx.effects.drop(number, "by hand"),
        lambda: tx.effects.rewrite(number, b"%d" % b),
    )[b % 6]()


def defer(tx: Tx, a: int, b: int) -> None:
    """One that waits is put off, or one that was put off is asked of again."""
    waiting = tx.sends.newest(state="reserved", before=None, limit=50)
    row = some([row for row in waiting if row.deferred is None], a)
    if row is not None and b % 3:
        tx.sends.save(structs.replace(row, lane=None, deferred=NOON + b))
    for due in tx.sends.deferred_due(now=NOON + a, limit=b % 3):
        tx.sends.rejoin(due, lane=due.person * 2 + 1)


def mark(tx: Tx, a: int, b: int) -> None:
    """A send of marketing left."""
    row = some(tx.sends.newest(state=None, before=None, limit=50), a)
    if row is not None:
        tx.sends.mark_marketing(row.person, at=NOON + b, send=row.id)


def define(tx: Tx, a: int, b: int) -> None:
    """A version of a journey is loaded, for the first time or again."""
    tx.runs.define(Definition(JOURNEYS[a % 2], f"v{b % 3}", b"%d" % b))


def enter(tx: Tx, a: int, b: int) -> None:
    """Somebody enters a journey."""
    person = tx.people.get(a % PEOPLE + 1)
    if person is None:
        return
    new = run_row(
        tx.runs.next_id(), person=person.id, journey=JOURNEYS[b % 2], version=f"v{a % 3}",
        key=str(b % 2), entered_at=NOON + b, due_at=NOON + b if a % 5 else None,
    )  # fmt: skip
    tx.runs.add(new, b"%d" % a if b % 4 else b"")
    tx.runs.remember_entry(new)
    tx.runs.note([Passage(new.id, NOON, "entered", event=a % 5), Passage(new.id, b, "waiting")])


def tick(tx: Tx, a: int, b: int) -> None:
    """Runs that are due go on, or end, watched for a while or not."""
    for row, _ in tx.runs.due(now=NOON + a, limit=b % 4):
        number, kind = b + row.id, (a + row.id) % 4
        ended: dict[str, Any] = {
            "state": RunState.COMPLETED, "due_at": None, "ended_at": NOON + number,
        }  # fmt: skip
        changes: dict[str, Any] = [
            {"due_at": NOON + number, "step": str(kind)}, {"version": "v0", "due_at": None},
            {**ended, "watch_until": NOON + number}, {**ended, "watch_until": None},
        ][kind]  # fmt: skip
        tx.runs.save(structs.replace(row, **changes), b"%d" % b if b % 3 else None)
        tx.runs.note([Passage(row.id, NOON + a, "timeout", event=b % 5 or None)])


def unwatch(tx: Tx, a: int, b: int) -> None:
    """What ended concerns nobody any longer."""
    for row in tx.runs.watched_until(NOON + a, limit=b % 3):
        tx.runs.save(structs.replace(row, watch_until=None))


def forget(tx: Tx, a: int, b: int) -> None:
    """The runs of somebody are erased: what is told of them is the same, too."""
    if a % 7 == 0:
        waited = tx.runs.erase([b % PEOPLE + 1, a % PEOPLE + 1])
        tx.books.count("waited", sum(row.id for row in waited))


def happen(tx: Tx, a: int, b: int) -> None:
    """An event comes in."""
    cursor = tx.events.cursor()
    number = cursor.next_event
    if tx.events.seen(a % 40) is None:
        tx.events.remember(a % 40, body=b, event=number, at=NOON + number)
    tx.events.add(event(number, person=b % PEOPLE + 1))
    tx.events.move_cursor(Cursor(number, 0, number + 1))


def erase(tx: Tx, a: int, b: int) -> None:
    """A send is struck out."""
    row = some(tx.sends.newest(state=None, before=None, limit=50), a + b)
    if row is not None:
        tx.sends.erase(row.id)


def prune(tx: Tx, a: int, b: int) -> None:
    """Retention takes ended sends and effects, all it may."""
    for _ in range(20):
        tx.sends.prune(NOON + 1, limit=a % 3 + 1)
        tx.effects.prune(NOON + 1, dead_before_ms=NOON + b % 2, limit=50)
    tx.books.count("runs_pruned", tx.runs.prune(NOON + b, limit=a % 6 + 1))


STEPS: dict[str, Callable[[Tx, int, int], None]] = {
    step.__name__: step
    for step in (
        reserve, claim, accept, lose, resolve, step_aside, rejoin, merge, ask, end, happen, erase,
        prune, defer, mark, define, enter, tick, unwatch, forget,
    )
}  # fmt: skip
numbers = st.integers(0, 60)
steps = st.tuples(
    st.sampled_from(["reserve", "reserve", "claim", "enter", "enter", "tick", *STEPS]),
    numbers,
    numbers,
)
# the second of a pair: whether its steps are undone together
transactions = st.lists(st.tuples(st.lists(steps, min_size=1, max_size=5), st.booleans()))


def run(tx: Tx, block: list[Step], *, undone: bool) -> None:
    """Take some steps, and perhaps undo them."""
    with suppress(Refused), tx.savepoint():
        for name, a, b in block:
            STEPS[name](tx, a, b)
        refuse(undone)


class TestSame:
    @given(transactions)
    @settings(max_examples=2_000 if SOAK else 60, deadline=None)
    def test_after_any_history_the_stores_show_the_same_and_lanes_are_sound(
        self, history: list[tuple[list[Step], bool]]
    ) -> None:
        """
        Sends, effects, runs, persons, histories and counts agree; undone steps leave nothing.
        """
        memory = MemoryState()
        with scratch(generations=SMALL) as tx:
            for number in range(PEOPLE):
                tx.people.add((user(f"u{number}"),))
                memory.write_now(lambda tx, n=number: tx.people.add((user(f"u{n}"),)))
            for block, undone in history:
                run(tx, block, undone=undone)
                memory.write_now(lambda tx, b=block, u=undone: run(tx, b, undone=u))
                expected = memory.write_now(everything)
                assert expected == everything(tx)
                assert_lanes_sound(expected["sends"])  # type: ignore[arg-type]

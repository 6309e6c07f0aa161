"""
A store that has been at work for long, made in a minute.

Rows are written through the store's own port, by the calls that the stages make for an event, an
accepted send, a person: the same tables, indexes and filters, in order of arrival, with random
ids. What is left out is the deciding. Log rows of the past hold `PAST_BODY`: the log appends and
reads on from its cursor, so their number matters and their bytes do not. Nothing is synced until
the end.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import orjson
import uvloop

from homing.adapters.sqlite.engine import connect
from homing.adapters.sqlite.log import INSERT, SCHEMA, log_path
from homing.adapters.sqlite.state import SqliteState
from homing.bench.bodies import Kind, body_of, event_body, tag_of, user_of_send
from homing.bench.piped import attend, task_of
from homing.config import load
from homing.core.digests import address_trace
from homing.core.effects import Dest, EventState, NewEffect, NewSend
from homing.core.events import Happened
from homing.core.journeys.contexts import pack
from homing.core.journeys.run import Context, Passage, Run, RunState
from homing.core.marketing.members import ListMember
from homing.core.marketing.works import UPSERT
from homing.core.people import Identity, IdKind
from homing.core.plans import EmailClass
from homing.ports import Cursor, Definition, EventRow

if TYPE_CHECKING:
    from homing.adapters.sqlite.engine import StoreFailed
    from homing.ports import Tx

PAST_BODY = b"{" + b" " * 126 + b"}"
AT_ONCE = 20_000
PAST_MS = 30 * 86_400_000
YEAR_MS = 365 * 86_400_000
HOUR_MS = 3_600_000
# of the members of a list, one in so many is not to be on it, and is
LEFT_EVERY = 200


class StockTask(msgspec.Struct):
    """
    What the store is to hold.

    Args:
        events: Evaluated long ago, one a request.

        sends: How many of them had a send, which was accepted; not more than *events*.

        people: Persons they are about, with a userId and an address.

        waiting: Requests in the log that are still to be evaluated, of `kind`.

        runs: How many runs of a journey wait, one a person, until when (unix ms).

        journey: Of which.

        contacts: How many people are to be written as contacts.

        members: How many people should be on the list "bench", as far as SendGrid was told.
    """

    state: str
    events: int
    sends: int
    people: int
    waiting: int = 0
    kind: Kind = Kind.MIX
    runs: list[tuple[int, int]] = []
    journey: str = "cart"
    contacts: int = 0
    members: int = 0


class Stocked(msgspec.Struct):
    """How long it took, and how large the files are."""

    elapsed_s: float
    state_mib: float
    log_mib: float


async def stock(task: StockTask) -> Stocked:
    """Write everything."""
    started = time.monotonic()
    path = Path(task.state)

    def on_fatal(error: StoreFailed) -> None:
        raise error

    _fill_log(log_path(path), task)
    state = SqliteState(path, on_fatal=on_fatal, synchronous="OFF")
    now_ms = int(time.time_ns() // 1_000_000)
    for first in range(1, task.people + 1, AT_ONCE):
        numbers = range(first, min(first + AT_ONCE, task.people + 1))
        await state.write(lambda tx, numbers=numbers: _add_people(tx, numbers))  # type: ignore[misc]
    for first in range(1, task.events + 1, AT_ONCE):
        numbers = range(first, min(first + AT_ONCE, task.events + 1))
        await state.write(
            lambda tx, numbers=numbers: _add_events(tx, numbers, task, now_ms=now_ms)  # type: ignore[misc]
        )
    await _add_runs(state, task, now_ms=now_ms)
    await state.write(lambda tx: _add_contacts(tx, task, now_ms=now_ms))
    await state.write(lambda tx: _add_members(tx, task))
    await state.close()
    os.sync()
    return Stocked(time.monotonic() - started, _mib(path), _mib(log_path(path)))


def _mib(path: Path) -> float:
    return path.stat().st_size / 2**20


def _fill_log(path: Path, task: StockTask) -> None:
    log = connect(path, synchronous="OFF")
    log.execute(SCHEMA)
    now_ms = int(time.time_ns() // 1_000_000)
    past = (
        (number, now_ms - PAST_MS + number, "segment/default", PAST_BODY)
        for number in range(1, task.events + 1)
    )
    with log:
        log.executemany(INSERT, past)
    with log:
        log.executemany(INSERT, _waiting(task, now_ms))
    log.close()


def _waiting(task: StockTask, now_ms: int) -> Iterator[tuple[int, int, str, bytes]]:
    source = "sendgrid/default" if task.kind is Kind.ENGAGEMENT else "segment/default"
    for number in range(task.waiting):
        body = body_of(task.kind, number, people=task.people, sends=task.sends)
        yield task.events + number + 1, now_ms, source, body


def _add_people(tx: Tx, numbers: range) -> None:
    """Person *n* is user n - 1."""
    for number in numbers:
        user = f"u{number - 1:07d}"
        tx.people.add((Identity(IdKind.USER, user), Identity(IdKind.EMAIL, f"{user}@shop.example")))


def _add_events(tx: Tx, numbers: range, task: StockTask, *, now_ms: int) -> None:
    keys = memoryview(os.urandom(16 * len(numbers))).cast("q")
    every = task.events // task.sends if task.sends else 0
    for place, number in enumerate(numbers):
        key, body = keys[2 * place], keys[2 * place + 1]
        at = now_ms - PAST_MS + number
        tx.events.remember(key, body=body, event=number, at=at)
        person = body % task.people + 1
        if every and number % every == 0 and (send := number // every) <= task.sends:
            _add_send(tx, send, number, people=task.people, at=at)
            person = user_of_send(send, task.people) + 1
        tx.events.add(_event(number, person, at=at, key=key))
    last = numbers[-1]
    tx.events.move_cursor(Cursor(last, 0, last + 1))
    tx.books.count("events:received", len(numbers))
    tx.books.count("events:done", len(numbers))


def _event(number: int, person: int, *, at: int, key: int) -> EventRow:
    return EventRow(
        number, number, 0, "segment/default", "track", "Product Viewed",
        f"ajs-next-{key & 0xFFFF_FFFF_FFFF_FFFF:032x}", person, None, at, at, EventState.DONE,
    )  # fmt: skip


def _add_send(tx: Tx, number: int, event: int, *, people: int, at: int) -> None:
    """Leave what reserving and accepting a send leaves."""
    user = user_of_send(number, people)
    address = f"u{user:07d}@shop.example"
    tx.sends.reserve(_send(number, event, user, address=address, at=at), lane=(user + 1) * 2 + 1)
    tx.sends.add_trace(address_trace(address), number)
    tx.sends.intend(number, now=at)
    if not tx.sends.accept({number: f"bench{number}"}, now=at, silent_due=None):
        msg = f"the stock's send {number} was not taken"
        raise RuntimeError(msg)
    tx.books.count("sends:accepted")


def _send(number: int, event: int, user: int, *, address: str, at: int) -> NewSend:
    return NewSend(
        id=number, tag=tag_of(number), origin=event, rule="r00", step="", variant=None,
        version="bench", event=event, person=user + 1, user=f"u{user:07d}", email="order",
        kind=EmailClass.TRANSACTIONAL, template="d-00000000000000000000000000000001",
        address=address, group_id=None, state="reserved", reason=None, reserved_at=at, due_at=at,
        expires_at=at + YEAR_MS, data=b'{"order_id":"m1","total":12.5}',
    )  # fmt: skip


def _add_contacts(tx: Tx, task: StockTask, *, now_ms: int) -> None:
    """Leave what an identify leaves."""
    for number in range(task.contacts):
        contact = {
            "email": address_of(number), "fields": {"first_name": f"Ann {number}", "city": "Bern"},
            "custom": {},
        }  # fmt: skip
        tx.effects.add(
            NewEffect(
                Dest.CONTACTS, UPSERT, number + 1, orjson.dumps(contact), None, "contacts",
                number + 1, now_ms - HOUR_MS, now_ms,
            )
        )  # fmt: skip
    tx.books.count("effects:contacts:ready", task.contacts)


def _add_members(tx: Tx, task: StockTask) -> None:
    """Of each two hundred one is not wanted on it."""
    for number in range(task.members):
        wanted = number % LEFT_EVERY != 0
        tx.members.save(
            ListMember("bench", address_of(number), number + 1, wanted, 1, None, told=wanted)
        )


def address_of(number: int) -> str:
    """The address of the nth person."""
    return f"u{number:07d}@shop.example"


async def _add_runs(state: SqliteState, task: StockTask, *, now_ms: int) -> None:
    if not task.runs:
        return
    loaded = load(Path(task.state).with_name("homing.toml"), environ=os.environ)
    version = loaded.plans.journeys[task.journey].version
    definition = Definition(task.journey, version, loaded.definitions[task.journey])
    await state.write(lambda tx: tx.runs.define(definition))
    first = 1
    for total, due_at in task.runs:
        for start in range(first, first + total, AT_ONCE):
            numbers = range(start, min(start + AT_ONCE, first + total))
            await state.write(
                lambda tx, numbers=numbers, due_at=due_at: _wait(  # type: ignore[misc]
                    tx, numbers, task, version=version, due_at=due_at, now_ms=now_ms
                )
            )
        first += total


def _wait(
    tx: Tx, numbers: range, task: StockTask, *, version: str, due_at: int, now_ms: int
) -> None:
    """Leave what entering a run leaves: the run, what it knows, two lines of its history."""
    for number in numbers:
        user = number % task.people
        body = event_body(number, people=task.people, name="Product Added")
        event = Happened(number, orjson.loads(body), now_ms, now_ms)
        context = Context(event, event, {"Product Added": event})
        run = Run(
            number, user + 1, task.journey, version, f"c{number}", now_ms, RunState.WAITING,
            "wait", now_ms, due_at, 1,
        )  # fmt: skip
        tx.runs.add(run, pack(context))
        tx.runs.note(
            [
                Passage(number, now_ms, "entered"),
                Passage(number, now_ms, "waiting", "wait", due_at=due_at),
            ]
        )


async def main(task: StockTask) -> None:
    """Write it, and say when it is there."""
    stocked = await stock(task)

    async def nothing(_word: str) -> dict[str, str]:
        return {}

    await attend(stocked, nothing)


if __name__ == "__main__":
    uvloop.run(main(task_of(StockTask)))

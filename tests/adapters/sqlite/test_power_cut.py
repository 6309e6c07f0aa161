"""
A power cut at any moment loses nothing that was acknowledged (promises P1, P2, P6).

The real log and the real state work on a disk that remembers what it was told to sync.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random  # noqa: TID251  seeded

import apsw
import pytest
from tests.support.crash_vfs import CrashDisk, Loss
from tests.support.rows import NOON, event, reserve

from homing.adapters.sqlite.ballast import Ballast
from homing.adapters.sqlite.engine import Disk
from homing.adapters.sqlite.faults import StoreFailed
from homing.adapters.sqlite.generations import Generations
from homing.adapters.sqlite.log import SqliteLog, SqliteLogReader, log_path
from homing.adapters.sqlite.migrate import migrate
from homing.adapters.sqlite.state import SqliteState, reading
from homing.ports import Cursor, Request, Tx

CUTS = 3_000 if "HOMING_SOAK" in os.environ else 300
SMALL = Generations(event=3, trace=3, window=1, words=4)
ROUNDS = 25


def body_of(number: int) -> bytes:
    """A request's body, some of several pages, by which its number can be told."""
    return b"%d;" % number + bytes([number % 251]) * (number * 97 % 6_000)


@dataclass(slots=True)
class Told:
    """What was acknowledged, and how much had been done to the disk by then."""

    requests: list[tuple[int, int]] = field(default_factory=list)
    evaluated: list[tuple[int, int]] = field(default_factory=list)
    intents: list[tuple[int, int]] = field(default_factory=list)
    accepted: list[tuple[int, int]] = field(default_factory=list)
    bodies: dict[int, bytes] = field(default_factory=dict)

    @staticmethod
    def by(acks: list[tuple[int, int]], cut: int) -> int:
        """The highest number acknowledged before the cut; 0 if none was."""
        return max((number for done, number in acks if done <= cut), default=0)


class Service:
    """As much of the path as concerns the disk: receive, evaluate, intend, accept."""

    def __init__(self, folder: Path, disk: CrashDisk, synchronous: str) -> None:
        self.disk = disk
        self.told = Told()
        self._chance = Random(7)  # noqa: S311  the same each time
        state = folder / "homing.db"
        migrate(state)
        none = Ballast(folder, size=0)
        watched = Disk(disk.name, checkpoint_pages=40)
        self.log = SqliteLog(
            log_path(state), on_fatal=self._fail, synchronous=synchronous, ballast=none,
            disk=watched,
        )  # fmt: skip
        self.state = SqliteState(
            state, on_fatal=self._fail, synchronous=synchronous, ballast=none, generations=SMALL,
            disk=watched,
        )  # fmt: skip
        self.reader = SqliteLogReader(log_path(state), disk=watched)
        self._sent = 0

    async def run(self) -> None:
        """Take requests in, in groups of any size, while others are evaluated and delivered."""
        for _ in range(ROUNDS):
            posts = [self._post() for _ in range(self._chance.randrange(1, 12))]
            await asyncio.gather(*posts, self._evaluate(), self._deliver(), return_exceptions=False)
        await self._evaluate()
        self.reader.close()
        await self.state.close()
        await self.log.close()

    async def _post(self) -> None:
        self._sent += 1
        body = body_of(self._sent)
        number = await self.log.append("segment/web", body, NOON)
        self.told.bodies[number] = body
        self.told.requests.append((len(self.disk.operations), number))

    async def _evaluate(self) -> None:
        cursor = await self.state.write(lambda tx: tx.events.cursor())
        requests = self.reader.after(cursor.request, limit=20, max_bytes=1 << 20)
        if requests:
            await self.state.write(lambda tx: self._take(tx, requests))
            self.told.evaluated.append((len(self.disk.operations), requests[-1].seq))

    def _take(self, tx: Tx, requests: list[Request]) -> None:
        for request in requests:
            number = request.seq
            tx.events.add(event(number, person=number % 7))
            tx.events.remember(number, body=number, event=number, at=NOON)
            reserve(tx, number, lane=number * 2)
            tx.sends.add_trace(number % 5, number)
            tx.books.count("events:received")
        last = requests[-1].seq
        tx.events.move_cursor(Cursor(last, 0, last + 1))

    async def _deliver(self) -> None:
        def claim(tx: Tx) -> list[int]:
            rows = tx.sends.claimable(now=NOON, limit=5)
            for row in rows:
                tx.sends.intend(row.id, now=NOON)
            return [row.id for row in rows]

        claimed = await self.state.write(claim)
        done = len(self.disk.operations)
        self.told.intents += [(done, number) for number in claimed]

        def accept(tx: Tx) -> None:
            for row in tx.sends.in_flight():
                tx.sends.accept({row.id: f"m{row.id}"}, now=NOON, silent_due=None)

        await self.state.write(accept)
        done = len(self.disk.operations)
        self.told.accepted += [(done, number) for number in claimed]

    @staticmethod
    def _fail(error: StoreFailed) -> None:
        raise error


def losses(folder: Path, cut: int, told: Told) -> list[str]:
    """What is wrong with the files that a cut left, in words; nothing of a sound store."""
    state = folder / "homing.db"
    wrong = []
    for path in (state, log_path(state)):
        db = apsw.Connection(str(path))
        db.execute("PRAGMA synchronous = off")
        found = db.execute("PRAGMA integrity_check").fetchall()
        db.close()
        if found != [("ok",)]:
            wrong.append(f"{path.name} is not sound")
    if wrong:
        return wrong
    reader = SqliteLogReader.if_made(log_path(state))
    requests = [] if reader is None else reader.after(0, limit=10_000, max_bytes=1 << 40)
    if reader is not None:
        reader.close()
    if [request.seq for request in requests] != list(range(1, len(requests) + 1)):
        wrong.append("the log has gaps")
    if len(requests) < told.by(told.requests, cut):
        wrong.append("an acknowledged request is gone")
    if any(told.bodies.get(one.seq, one.body) != one.body for one in requests):
        wrong.append("a request's bytes are not what was sent")
    with reading(state, generations=SMALL) as tx:
        return wrong + _state_losses(tx, cut, told, head=len(requests))


def _state_losses(tx: Tx, cut: int, told: Told, *, head: int) -> list[str]:
    cursor = tx.events.cursor()
    events = [row.id for row in tx.events.after(0, limit=10_000)]
    wrong = []
    if cursor.request < told.by(told.evaluated, cut):
        wrong.append("what was evaluated is forgotten")
    if cursor.request > head:
        wrong.append("the cursor is ahead of the log")
    if events != list(range(1, cursor.request + 1)):
        wrong.append("events and cursor disagree")
    if tx.books.counts().get("events:received", 0) != len(events):
        wrong.append("the counts and the events disagree")
    if any(tx.events.seen(number) is None for number in events):
        wrong.append("an id that was taken in is not known")
    if tx.events.seen(cursor.request + 1) is not None:
        wrong.append("an id is known that was never taken in")
    return wrong + _ledger_losses(tx, cut, told)


def _ledger_losses(tx: Tx, cut: int, told: Told) -> list[str]:
    wrong = []
    for acks, states in (
        (told.intents, ("in_flight", "accepted")),
        (told.accepted, ("accepted",)),
    ):
        for done, number in acks:
            row = tx.sends.get(number)
            if done <= cut and (row is None or row.state not in states):
                wrong.append(f"of send {number} the store does not know that it was {states[0]}")
    return wrong


def cut_points(disk: CrashDisk, count: int) -> list[int]:
    """Moments of the record, evenly and at random."""
    chance = Random(3)  # noqa: S311  the same each time
    return chance.choices(range(1, len(disk.operations)), k=count)


@pytest.fixture
def disk(request: pytest.FixtureRequest) -> CrashDisk:
    """A disk that is forgotten afterwards."""
    return CrashDisk(f"crash-{request.node.name}")


async def found_after_cuts(
    folder: Path, disk: CrashDisk, synchronous: str, cuts: int
) -> tuple[Counter[str], Counter[Loss]]:
    """Run the service, cut its power again and again; what was wrong, and by which kind of cut."""
    work = folder / "work"
    work.mkdir()
    service = Service(work, disk, synchronous)
    await service.run()
    wrong: Counter[str] = Counter()
    kinds: Counter[Loss] = Counter()
    for cut, loss, images in disk.images(cut_points(disk, cuts), seed=11):
        after = folder / "after"
        after.mkdir(exist_ok=True)
        for old in after.iterdir():
            old.unlink()
        for path, image in images.items():
            (after / Path(path).name).write_bytes(image)
        found = losses(after, cut, service.told)
        wrong.update(found)
        kinds[loss] += bool(found)
    return wrong, kinds


class TestPowerCut:
    async def test_nothing_acknowledged_is_lost_at_any_cut(
        self, tmp_path: Path, disk: CrashDisk
    ) -> None:
        """
        Both files are sound, the acknowledged is there, and the cursor is never ahead of the log.
        """
        wrong, _ = await found_after_cuts(tmp_path, disk, "FULL", CUTS)

        assert {} == dict(wrong)

    async def test_the_same_harness_sees_what_a_lazy_disk_loses(
        self, tmp_path: Path, disk: CrashDisk
    ) -> None:
        """
        With commits that are not synced it must find losses, or it would be blind.
        """
        wrong, kinds = await found_after_cuts(tmp_path, disk, "NORMAL", 60)

        assert wrong["an acknowledged request is gone"] > 0
        assert kinds[Loss.ALL] > 0

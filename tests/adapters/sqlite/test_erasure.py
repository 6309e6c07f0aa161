"""What is erased is not in the files any more: not in free space, not in the write-ahead log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from random import Random  # noqa: TID251  seeded

import pytest
from msgspec import structs
from tests.support.rows import DAY, NOON, effect, event, send
from tests.support.stages import plans_of

from homing.adapters.sqlite.ballast import Ballast
from homing.adapters.sqlite.generations import Generations
from homing.adapters.sqlite.log import SqliteLog, log_path
from homing.adapters.sqlite.state import SqliteState
from homing.core import people
from homing.core.digests import address_trace
from homing.core.erasure import Asked
from homing.core.journeys.run import Passage, Run, RunState
from homing.core.people import Identity, IdKind, Person
from homing.core.suppression import Source, Suppression
from homing.ports import Attempt, Cursor, Tx
from homing.stages.erase import Asking, erase
from homing.stages.identity import Known

SMALL = Generations(event=4, trace=4, window=1, words=4)
PEOPLE = 60


def address(number: int) -> str:
    """A person's address, which no other holds."""
    return f"person-{number:03}.of-{number * 7919:06}@example.com"


def identity(number: int) -> Identity:
    """A person's userId, in which nothing of the address is."""
    return Identity(IdKind.USER, f"user-{number:03}-{number * 104_729:08}")


@dataclass(slots=True)
class Files:
    """Both files of a store at work."""

    path: Path
    state: SqliteState
    log: SqliteLog
    chance: Random

    def bytes(self) -> bytes:
        """All that can be read of them."""
        return b"\0".join(
            one.read_bytes()
            for one in sorted(self.path.parent.iterdir())
            if one.name.startswith("homing.") and not one.name.endswith((".lock", "-shm"))
        )

    async def happen(self, who: int, seq: int) -> None:
        """An event of somebody's, with all that follows from it."""
        padding = "x" * self.chance.choice([0, 50, 900, 3_000, 12_000])
        body = f'{{"userId":"{identity(who).value}","email":"{address(who)}","p":"{padding}"}}'
        number = await self.log.append("segment/web", body.encode(), NOON)
        assert seq == number
        await self.state.write(lambda tx: self._take(tx, who, seq, padding))

    def _take(self, tx: Tx, who: int, seq: int, padding: str) -> None:
        found = tx.people.find(identity(who))
        person = tx.people.get(found) if found is not None else None
        if person is None:
            person = tx.people.add((identity(who), Identity(IdKind.EMAIL, address(who))))
        traits = {"email": address(who), "p": padding, "n": seq}
        tx.people.save(structs.replace(person, traits=traits))
        tx.events.add(event(seq, request=seq, person=person.id, reason=None))
        tx.events.move_cursor(Cursor(seq, 0, seq + 1))
        payload = f'{{"traits":{{"email":"{address(who)}"}},"p":"{padding}"}}'.encode()
        tx.effects.add(effect(lane=person.id, person=person.id, payload=payload))
        self._send(tx, person, who, seq, padding)
        self._run(tx, person, who, seq, padding)
        if seq % 5 == 0:
            record = Suppression("bounce", True, NOON, Source.SENDGRID, f"550 {address(who)}")
            tx.suppressions.save(address(who), record)

    def _send(self, tx: Tx, person: Person, who: int, seq: int, padding: str) -> None:
        state = self.chance.choice(["reserved", "accepted", "rejected", "skipped", "parked"])
        lane = person.id * 2 if state == "reserved" else None
        new = send(
            tx.sends.next_id(), origin=seq, person=person.id, address=address(who), state=state,
            user=identity(who).value, reason=f"said: {address(who)}",
            data=f'{{"to":"{address(who)}","p":"{padding}"}}'.encode(),
        )  # fmt: skip
        tx.sends.reserve(new, lane=lane)
        tx.sends.add_trace(address_trace(address(who)), new.id)
        tx.sends.add_attempt(new.id, Attempt(1, NOON, "reject", f"400: {address(who)}"))

    def _run(self, tx: Tx, person: Person, who: int, seq: int, padding: str) -> None:
        made = Run(
            tx.runs.next_id(), person.id, "cart", "v1", f"cart-of-{address(who)}", NOON,
            RunState.WAITING, "wait", NOON, NOON + seq,
        )  # fmt: skip
        context = f'{{"entry":{{"email":"{address(who)}","p":"{padding}"}}}}'.encode()
        tx.runs.add(made, context)
        tx.runs.remember_entry(made)
        tx.runs.note([Passage(made.id, NOON, "skipped", reason=f"said: {address(who)}")])
        if seq % 3:
            tx.runs.save(structs.replace(made, reason=address(who)), context + padding.encode())

    async def work_on(self) -> None:
        """What else moves rows about: effects that end, merges, retention."""

        def job(tx: Tx) -> None:
            ready = [one.id for one in tx.effects.ready(effect().dest, after=0, limit=40)]
            tx.effects.done(ready[::2])
            for number in ready[1::4]:
                tx.effects.dead(number, "400")
            for run, _ in tx.runs.due(now=NOON + DAY, limit=40):
                ended = {"state": RunState.COMPLETED, "due_at": None, "ended_at": NOON}
                until = NOON if run.id % 2 else None
                tx.runs.save(structs.replace(run, **ended, watch_until=until))
            for row in tx.sends.claimable(now=NOON, limit=9):
                tx.sends.intend(row.id, now=NOON)
                tx.sends.accept({row.id: f"m{row.id}"}, now=NOON, silent_due=None)

        await self.state.write(job)

    async def erase(self, who: int) -> None:
        """Erase a person, and what the log holds of them."""
        asked = Asking(Asked.COMMAND, NOON, NOON, 1 << 40, 0)
        nowhere = plans_of().without_sendgrid("nothing leaves")
        gone = await self.state.write(
            lambda tx: erase(tx, Known(), [identity(who)], asked=asked, plans=nowhere)
        )
        await self.state.write(lambda tx: tx.erasures.searched([gone.number]))
        places = await self.state.write(lambda tx: tx.events.erasures(limit=10_000))
        bodies = {request: b"{}" for request, _ in places}
        await self.log.rewrite(bodies)
        await self.state.write(lambda tx: tx.events.erasure_done(bodies))


@pytest.fixture
async def files(tmp_path: Path) -> AsyncIterator[Files]:
    """An empty store."""

    def fail(error: Exception) -> None:
        raise error

    path, none = tmp_path / "homing.db", Ballast(tmp_path, size=0)
    state = SqliteState(path, on_fatal=fail, synchronous="OFF", ballast=none, generations=SMALL)
    log = SqliteLog(log_path(path), on_fatal=fail, synchronous="OFF", ballast=none)
    yield Files(path, state, log, Random(4))  # noqa: S311  the same each time
    await state.close()
    await log.close()


class TestErasure:
    async def test_nothing_of_the_erased_is_in_either_file(self, files: Files) -> None:
        """
        After months of changes, moves, merges and retention, no byte tells of them; others stay.
        """
        seq = 0
        for turn in range(8):
            for who in range(PEOPLE):
                seq += 1
                await files.happen(who, seq)
            await files.work_on()
            if turn == 3:
                await self.merge(files, 3, 4)
            await files.state.write(lambda tx: tx.sends.prune(NOON - DAY, limit=50))
            await files.state.write(lambda tx: tx.runs.prune(NOON + 1, limit=5))
        await files.log.forget(NOON + DAY, evaluated=seq // 3, limit=10_000)
        erased = [3, 7, 20, 41, 59]
        for who in [*erased, 4]:
            assert address(who).encode() in files.bytes()

        for who in erased:
            await files.erase(who)
        assert await files.state.scrub()
        assert await files.log.scrub()

        left = files.bytes()
        for who in [*erased, 4]:
            assert address(who).encode() not in left, who
            assert identity(who).value.encode() not in left, who
        assert address(5).encode() in left
        assert identity(6).value.encode() in left

    async def merge(self, files: Files, who: int, other: int) -> None:
        """Two people turn out to be one."""

        def job(tx: Tx) -> None:
            winner, loser = (tx.people.get(tx.people.find(identity(n)) or 0) for n in (who, other))
            assert winner is not None
            assert loser is not None
            tx.people.merge(loser.id, people.merge(winner, loser))

        await files.state.write(job)

    async def test_the_files_clean_themselves_soon_after(self, files: Files) -> None:
        """
        Nobody need ask: a second or two later the write-ahead logs are empty, too.
        """
        await files.happen(1, 1)
        await files.erase(1)

        async with asyncio.timeout(10):
            while address(1).encode() in files.bytes():
                await asyncio.sleep(0.05)

    async def test_runs_alone_go_without_a_trace_too(self, files: Files) -> None:
        """
        What a run knew, its key and its history are overwritten, and the log of writes emptied.
        """

        def job(tx: Tx) -> None:
            files._run(tx, Person(1), 1, 1, "x" * 9_000)
            files._run(tx, Person(2), 2, 2, "")

        await files.state.write(job)
        assert address(1).encode() in files.bytes()

        await files.state.write(lambda tx: tx.runs.erase([1]))

        async with asyncio.timeout(10):
            while address(1).encode() in files.bytes():
                await asyncio.sleep(0.05)
        assert address(2).encode() in files.bytes()

    async def test_the_suppression_survives_by_its_keyed_hash(self, files: Files) -> None:
        """
        The address that opted out is still refused, though no file says which it is.
        """
        for seq in range(1, 6):
            await files.happen(1, seq)
        await files.erase(1)

        records = await files.state.write(lambda tx: tx.suppressions.of(address(1)))
        assert records["bounce"].suppressed

"""A store that is older than an erasure is held to it."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.stages.conftest import World
from tests.support.stages import identify, track

from homing.adapters.sqlite.ballast import Ballast
from homing.adapters.sqlite.state import SqliteState
from homing.core.effects import Dest
from homing.core.erasure import Asked, Progress
from homing.core.marketing.works import address_in
from homing.core.suppression import Source, Suppression
from homing.ports import Tx
from homing.stages.erase_again import erase_again
from homing.stages.erasing import Eraser

CONTACTS = """
[contacts]
when = 'type = "identify" and traits.email != null'
"""


@pytest.fixture
def folder(tmp_path: Path, migrated: Path) -> Path:
    """A folder with an empty state."""
    shutil.copy(migrated, tmp_path / "homing.db")
    return tmp_path


@asynccontextmanager
async def living(folder: Path, world: World | None = None) -> AsyncIterator[World]:
    """A shop over the folder's state; with the log and the clock of an earlier one."""

    def on_fatal(error: BaseException) -> None:
        raise error

    state = SqliteState(
        folder / "homing.db", on_fatal=on_fatal, synchronous="OFF", ballast=Ballast(folder, size=0)
    )
    if world is None:
        yield World.over(state, CONTACTS)
    else:
        yield World.over(state, CONTACTS, log=world.log, clock=world.clock)
    await state.close()


def delete(user: str) -> dict[str, object]:
    """Segment's request to delete somebody."""
    return {"type": "delete", "userId": user, "messageId": f"d-{user}"}


async def repeated(world: World) -> int:
    """What a service does as it starts."""
    return await world.tx(lambda tx: erase_again(tx, world.plans, now_ms=world.clock.now_ms()))


async def users(world: World) -> set[str | None]:
    """Who is known."""
    return {
        person.user_id
        for person in await world.tx(lambda tx: tx.people.newest(before=None, limit=99))
    }


class TestEraseAgain:
    async def test_who_was_erased_since_is_erased_again(self, folder: Path) -> None:
        """
        Here and at SendGrid; nobody else, and only once.
        """
        backup = folder / "backup.db"
        async with living(folder) as world:
            await world.take(
                identify("ann", traits={"email": "ann@x.io"}), identify("bob"), track("Ordered")
            )
        shutil.copy(folder / "homing.db", backup)
        async with living(folder, world) as world:
            await world.take(delete("ann"))
            assert 0 == await repeated(world)
        shutil.copy(backup, folder / "homing.db")

        async with living(folder, world) as world:
            assert {"ann", "bob", "u1"} == await users(world)
            assert 1 == await repeated(world)
            assert {"bob", "u1"} == await users(world)
            ready = await world.ready(Dest.CONTACTS)
            assert ["ann@x.io"] == [
                address_in(effect) for effect in ready if effect.kind == "erase"
            ]
            (erasure,) = await world.tx(lambda tx: tx.erasures.newest(before=None, limit=9))
            assert (Asked.RESTORE, Progress.OPEN) == (erasure.by, erasure.progress)
            asked = await world.tx(lambda tx: tx.events.erasures(limit=9))
            assert [(1, 0)] == asked
            assert 0 == await repeated(world)

    async def test_a_crash_between_journal_and_store_loses_no_erasure(self, folder: Path) -> None:
        """
        It is repeated at the start; the `delete`, evaluated again, then finds nobody.
        """
        backup = folder / "backup.db"
        async with living(folder) as world:
            await world.take(identify("ann", traits={"email": "ann@x.io"}))
        shutil.copy(folder / "homing.db", backup)
        async with living(folder, world) as world:
            await world.take(track("Seen", "ann"))
            await world.take(delete("ann"))
        shutil.copy(backup, folder / "homing.db")

        async with living(folder, world) as world:
            assert 1 == await repeated(world)
            await world.evaluated()
            assert set() == await users(world)
            assert [None, "erased: its person has been deleted"] == [
                row.reason for row in (await world.events())[:2]
            ]
            ready = await world.ready(Dest.CONTACTS)
            assert 1 == sum(effect.kind == "erase" for effect in ready)

    async def test_who_came_back_stays(self, folder: Path) -> None:
        """
        A backup made after an erasure knows of it.
        """
        backup = folder / "backup.db"
        async with living(folder) as world:
            await world.take(identify("ann", traits={"email": "ann@x.io"}))
            await world.take(delete("ann"))
            await world.take(identify("ann", traits={"email": "ann@x.io"}, messageId="new"))
        shutil.copy(folder / "homing.db", backup)
        async with living(folder, world) as world:
            await world.take(delete("unknown"))
        shutil.copy(backup, folder / "homing.db")

        async with living(folder, world) as world:
            assert 1 == await repeated(world)
            assert {"ann"} == await users(world)
            eraser = Eraser(world.store, world.log, world.clock)
            while await eraser.turn():
                pass
            places = await world.tx(lambda tx: tx.events.erasures(limit=9))
            await world.tx(lambda tx: tx.events.erasure_done({place[0] for place in places}))
            await eraser.turn()
            newest = await world.tx(lambda tx: tx.erasures.newest(before=None, limit=1))
            assert [Progress.DONE] == [one.progress for one in newest]

    async def test_who_only_shares_the_address_stays(self, folder: Path) -> None:
        """
        As they did when it was asked for by id.
        """
        backup = folder / "backup.db"
        async with living(folder) as world:
            await world.take(identify("bob", traits={"email": "both@x.io"}))
            await world.take(identify("ann", traits={"email": "both@x.io"}))
        shutil.copy(folder / "homing.db", backup)
        async with living(folder, world) as world:
            await world.take(delete("ann"))
        shutil.copy(backup, folder / "homing.db")

        async with living(folder, world) as world:
            await repeated(world)
            assert {"bob"} == await users(world)

    async def test_a_bare_opt_out_is_hidden_again(self, folder: Path) -> None:
        """
        Its address goes; it holds.
        """
        backup = folder / "backup.db"
        record = Suppression("global", True, 1, Source.SENDGRID, "unsubscribe")
        async with living(folder) as world:
            await world.take(identify("ann", traits={"email": "ann@x.io"}))
            await world.tx(lambda tx: tx.suppressions.save("Ann@x.io", record))
        shutil.copy(folder / "homing.db", backup)
        async with living(folder, world) as world:
            await world.take(delete("ann"))
        shutil.copy(backup, folder / "homing.db")

        async with living(folder, world) as world:
            await repeated(world)

            def look(tx: Tx) -> tuple[bool, bool]:
                held = tx.suppressions.of("ann@x.io")["global"].suppressed
                return held, tx.suppressions.is_hidden("ann@x.io")

            assert (True, True) == await world.tx(look)

    async def test_the_log_is_searched_for_what_came_before(self, folder: Path) -> None:
        """
        Not for what came after: the numbers of the log that is no more are given again.
        """
        backup = folder / "backup.db"
        bad = {"type": "nothing", "userId": "ann"}
        async with living(folder) as world:
            await world.take(identify("ann"))
            await world.take(bad)
        shutil.copy(folder / "homing.db", backup)
        async with living(folder, world) as world:
            for number in range(9):
                await world.take(track("Seen", "bob", messageId=str(number)))
            world.clock.forward(1_000)
            await world.take(delete("ann"))
        shutil.copy(backup, folder / "homing.db")
        del world.log.requests[2:]
        world.clock.forward(1_000)

        async with living(folder, world) as world:
            await repeated(world)
            await world.take({**bad, "messageId": "later"})
            eraser = Eraser(world.store, world.log, world.clock)
            while await eraser.turn():
                pass
            asked = await world.tx(lambda tx: tx.events.erasures(limit=9))
            assert [(1, 0), (2, 0)] == asked

"""The stages over a real store, with time and APIs in hand."""

from __future__ import annotations

import asyncio
import itertools
import shutil
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest
from tests.support.stages import OK, FakeApi, FakeLog, FixedClock, at_once, plans_of

from homing.adapters.memory.state import MemoryState
from homing.adapters.sqlite.ballast import Ballast
from homing.adapters.sqlite.migrate import migrate
from homing.adapters.sqlite.state import SqliteState
from homing.core.decide import Rules
from homing.core.effects import Dest, SendRow
from homing.core.mail import Rendered
from homing.core.plans import Plans
from homing.ports import EventRow, Store, Tx
from homing.processes.books import Books, books_of
from homing.stages.deliver import Deliverer, Post
from homing.stages.evaluate import Evaluator
from homing.stages.health import Health
from homing.stages.rate import Rate
from homing.stages.suppress import Suppress
from homing.stages.sweep import Retention, Sweeper
from homing.stages.take import Taker
from homing.stages.write_back import WriteBack

T = TypeVar("T")


class NoRenderer:
    """Emails here have templates of SendGrid's."""

    async def email(self, email: object, data: bytes) -> Rendered:
        """Never asked."""
        raise AssertionError


@dataclass(slots=True)
class World:
    """A store, its stages, and the APIs they call."""

    store: Store
    clock: FixedClock
    log: FakeLog
    sendgrid: FakeApi
    segment: FakeApi
    plans: Plans
    taker: Taker
    evaluate: Evaluator
    health: Health
    deliver: Deliverer
    suppress: Suppress
    write_back: WriteBack
    sweep: Sweeper
    tags: Callable[[], int] = field(default_factory=lambda: itertools.count(1).__next__)

    @classmethod
    def over(
        cls,
        store: Store,
        extra: str = "",
        *,
        clock: FixedClock | None = None,
        log: FakeLog | None = None,
    ) -> World:
        """A world with *extra* configuration."""
        clock, log, plans = clock or FixedClock(), log or FakeLog(), plans_of(extra)
        sendgrid, segment, health = FakeApi(), FakeApi(OK), Health(clock)
        mint = itertools.count(1).__next__
        taker = Taker(clock, Rules(plans), mint)
        evaluate = Evaluator(store, log, clock, taker=taker)
        rate = Rate(10_000, clock.monotonic_s, lambda: clock.now_ms() / 1000)
        deliver = Deliverer(
            store, sendgrid, clock, Post.of(plans), rate, health, NoRenderer(),
            evaluate.caught_up, 16,
        )  # fmt: skip
        retention = Retention(90 * 86_400, 400 * 86_400, 90 * 86_400, 30 * 86_400)
        return cls(
            store, clock, log, sendgrid, segment, plans, taker, evaluate, health, deliver,
            Suppress(store, sendgrid, clock, sleep=at_once),
            WriteBack(store, segment, clock, "wk", sleep=at_once),
            Sweeper(store, clock, health, plans, retention), mint,
        )  # fmt: skip

    def configure(self, extra: str) -> None:
        """Go on with another configuration."""
        self.plans = plans_of(extra)
        self.taker.rules = Rules(self.plans)
        self.deliver.post = Post.of(self.plans)
        self.sweep.plans = self.plans

    async def take(self, *events: Mapping[str, Any], source: str = "segment/default") -> None:
        """Receive one request of these events, and evaluate all there is."""
        body = events[0] if len(events) == 1 else list(events)
        self.log.append(source, body, self.clock.now_ms())
        await self.evaluated()

    async def hear(self, *events: Mapping[str, Any]) -> None:
        """Receive events of SendGrid's."""
        await self.take(*events, source="sendgrid/default")

    async def evaluated(self) -> None:
        """Evaluate until nothing is left."""
        while await self.evaluate.evaluate_batch():
            pass

    async def delivered(self) -> None:
        """Deliver until nothing is due."""
        while await self.deliver.deliver_batch():
            await self.deliver.land()

    async def written(self) -> None:
        """Write home until nothing leaves."""
        while await self.write_back.deliver_batch():
            await self.write_back.land()

    async def suppressed(self) -> None:
        """Call SendGrid's suppression API until nothing is due."""
        while await self.suppress.deliver_batch():
            await self.suppress.land()

    async def tx(self, job: Callable[[Tx], T]) -> T:
        """Run a job in a transaction."""
        return await self.store.write(job)

    async def sends(self) -> list[SendRow]:
        """All sends, oldest first."""
        return (await self.tx(lambda tx: tx.sends.newest(state=None, before=None, limit=10_000)))[
            ::-1
        ]

    async def send(self) -> SendRow:
        """The only send."""
        (row,) = await self.sends()
        return row

    async def events(self) -> list[EventRow]:
        """All events, oldest first."""
        return await self.tx(lambda tx: tx.events.after(0, limit=10_000))

    async def ready(self, dest: Dest) -> list[Any]:
        """Effects that wait, oldest first."""
        return await self.tx(lambda tx: tx.effects.ready(dest, after=0, limit=10_000))

    async def books(self) -> Books:
        """The books."""
        return await self.tx(lambda tx: books_of(tx, head=self.log.head()))

    async def alerts(self) -> dict[tuple[str, str], int]:
        """What stands, with how often."""
        standing = await self.tx(lambda tx: tx.books.alerts())
        return {(alert.kind, alert.subject): alert.count for alert in standing}


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state file of the present schema, to be copied."""
    path = tmp_path_factory.mktemp("migrated") / "homing.db"
    migrate(path)
    return path


@pytest.fixture(params=["memory", "sqlite"])
async def store(
    request: pytest.FixtureRequest, tmp_path: Path, migrated: Path
) -> AsyncIterator[Store]:
    """Every store there is."""
    if request.param == "memory":
        yield MemoryState()
        return
    shutil.copy(migrated, tmp_path / "homing.db")

    def on_fatal(error: BaseException) -> None:
        raise error

    ballast = Ballast(tmp_path / "ballast", size=0)
    state = SqliteState(
        tmp_path / "homing.db", on_fatal=on_fatal, synchronous="OFF", ballast=ballast
    )
    yield state
    await state.close()


@pytest.fixture
async def world(store: Store) -> AsyncIterator[World]:
    """A small shop."""
    made = World.over(store)
    yield made
    await asyncio.gather(made.deliver.land(), made.suppress.land(), made.write_back.land())


@pytest.fixture
async def world_of(store: Store) -> AsyncIterator[Callable[[str], World]]:
    """A small shop with more configuration."""
    made: list[World] = []

    def make(extra: str = "") -> World:
        made.append(World.over(store, extra))
        return made[-1]

    yield make
    for one in made:
        await asyncio.gather(one.deliver.land(), one.suppress.land(), one.write_back.land())

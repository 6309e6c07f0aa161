"""A run of the sandbox, from the first event to the summary."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from homing.core.errors import HomingError
from homing.emulators import Shop
from homing.emulators.clock import wall_clock
from homing.processes.waiting import first_of
from homing.sandbox.evidence import Copies, gathered
from homing.sandbox.happenings import Tell, event_in
from homing.sandbox.settling import hold, mend, settle
from homing.sandbox.summary import Summary, summed_up
from homing.sandbox.town import ANY_PORTS, PACE, PEOPLE, Ports, Town, town
from homing.sandbox.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from homing.emulators import Faults, Pace
    from homing.ports import Pause


class ServiceEnded(HomingError):
    """The service gave up by itself: no sandbox goes on without it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """
    What a run is to be.

    Args:
        folder: Where store and configuration are put.

        for_s: How long the shop is open; None until somebody stops it.

        rate: Events a second.

        seed: Of what the customers and the recipients do.

        pace: How fast mail is delivered, and recipients act.
    """

    folder: Path
    faults: Faults
    for_s: float | None = None
    rate: float = 2.0
    seed: int = 1
    ports: Ports = ANY_PORTS
    pace: Pace = PACE


@dataclass(slots=True)
class Stops:
    """
    How somebody ends a run.

    Args:
        close: The shop closes; what is open is finished.

        leave: Nothing is waited for any more.
    """

    close: asyncio.Event = field(default_factory=asyncio.Event)
    leave: asyncio.Event = field(default_factory=asyncio.Event)

    def stop(self) -> None:
        """End it: the first time in good order, the second at once."""
        (self.leave if self.close.is_set() else self.close).set()

    def both(self) -> None:
        """End it at once."""
        self.close.set()
        self.leave.set()


async def run(
    wanted: Wanted, tell: Tell, stops: Stops, *, opened: Callable[[Town], None]
) -> Summary:
    """
    Run the sandbox.

    Args:
        tell: Called with each thing that happens.

        opened: Called once everything listens.

    Raises:
        ServiceEnded: The service gave up by itself.
    """
    async with town(
        wanted.folder,
        faults=wanted.faults,
        people=replace(PEOPLE, seed=wanted.seed),
        pace=wanted.pace,
        ports=wanted.ports,
    ) as here:
        opened(here)
        copies = Copies()
        watch = Watch(here, tell, copies)
        try:
            async with asyncio.TaskGroup() as tasks:
                beside = [tasks.create_task(watch.run()), tasks.create_task(_guard(here))]
                paused, lasted_s = await _story(here, wanted, tell=tell, stops=stops)
                for task in beside:
                    task.cancel()
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
        await watch.look()
        evidence = await gathered(here, copies, is_settled=not stops.leave.is_set())
        return summed_up(here, evidence, lasted_s=lasted_s, paused=paused)


async def _story(
    here: Town, wanted: Wanted, *, tell: Tell, stops: Stops
) -> tuple[Mapping[str, Pause], float]:
    """Open the shop, close it, let what is open come to its end; what was paused at closing."""
    started = wall_clock()
    await _until(_shop(here, wanted, tell), stops.close)
    stops.close.set()
    paused = await here.look(lambda tx: dict(tx.books.pauses()))
    if not stops.leave.is_set():
        await mend(here)
        await _until(settle(here), stops.leave)
    if stops.leave.is_set():
        await hold(here)
    return paused, wall_clock() - started


async def _shop(here: Town, wanted: Wanted, tell: Tell) -> None:
    def take(event: Mapping[str, Any]) -> None:
        befell = here.send(event)
        tell(event_in(event, at=wall_clock(), lost="drop" in befell))

    await Shop(wanted.seed, rate=wanted.rate).run(take, for_s=wanted.for_s)


async def _until(work: Coroutine[Any, Any, object], stop: asyncio.Event) -> None:
    """Do some work until it is done, or somebody says stop."""
    working, stopped = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    try:
        await first_of(working, stopped)
        if working.done():
            working.result()
    finally:
        working.cancel()
        stopped.cancel()
        await asyncio.gather(working, stopped, return_exceptions=True)


async def _guard(here: Town) -> None:
    """Wait until the service gives up, which it should not."""
    broken = asyncio.ensure_future(here.service.worker.broken())
    try:
        await first_of(broken, here.service.failed, here.service.receiver.failed)
    finally:
        broken.cancel()
    why = broken.result() if broken.done() else "its store failed"
    msg = f"the service ended by itself: {why}"
    raise ServiceEnded(msg)

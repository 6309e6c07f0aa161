"""
The whole path on one page. Read this first.

    receive    verify -> append                    receiver   stages/receive.py
    evaluate   split, many to a transaction        worker     stages/evaluate.py
                 dedupe -> decide -> save                     stages/take.py
                 a Segment event: whose is it?                stages/identity.py
                 a SendGrid event: ledger, suppression        stages/home.py
                 wishes become rows                           stages/reserve.py
                 and what cannot be made, too                 stages/unmade.py
                 the person's runs of journeys                stages/journey.py
    wake       runs whose time is over become ticks  worker   stages/wake.py
    deliver    claim -> intent -> send -> outcome  worker     stages/deliver.py
                 what does it lack? ask Segment               stages/look_up.py
                 may it leave now?                            stages/admit.py
    suppress   opt-outs and opt-ins -> SendGrid    worker     stages/suppress.py
    contacts   people -> Marketing contacts, lists   worker  stages/contacts.py
                 what a decision asks for                     stages/enlist.py
                 written, and confirmed                       stages/contact_jobs.py
                 taken off, and seen to be off                stages/unlist.py
    home       calls -> Segment, in batches        worker     stages/write_back.py
    reconcile  what webhooks missed                worker     stages/reconcile_suppressions.py
                 rows of SendGrid's lists                     stages/listed.py
               who should be on a list, who is            stages/reconcile_lists.py
    sweep      waits for evidence, retention       worker     stages/sweep.py
    fill       the past of a new did()             worker     stages/fill.py
    erase      what an erasure leaves to do        worker   stages/erasing.py
                 what goes at once                            stages/erase.py
    alert      what a person should look at        worker     stages/alert.py

Every arrow is a committed row: a crash anywhere resumes from the store. What a crash left in
flight is made unknown before the first turn (stages/recover.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from homing.stages.alert import Alerter
from homing.stages.contacts import Contacts
from homing.stages.deliver import Deliverer
from homing.stages.erasing import Eraser
from homing.stages.evaluate import Evaluator
from homing.stages.fill import Filler
from homing.stages.loop import Loop
from homing.stages.reconcile_lists import ListReconciler
from homing.stages.reconcile_suppressions import SuppressionReconciler
from homing.stages.suppress import Suppress
from homing.stages.sweep import Sweeper
from homing.stages.wake import Waker
from homing.stages.write_back import WriteBack

Turn = Callable[[], Awaitable[int]]

IDLE_S = 1.0


@dataclass(frozen=True, slots=True)
class Stages:
    """The worker's stages."""

    evaluate: Evaluator
    wake: Waker
    deliver: Deliverer
    suppress: Suppress
    contacts: Contacts
    write_back: WriteBack
    reconcile: SuppressionReconciler
    reconcile_lists: ListReconciler
    sweep: Sweeper
    fill: Filler
    erase: Eraser
    alert: Alerter

    @property
    def delivering(self) -> tuple[Deliverer, Suppress, Contacts, WriteBack]:
        """Those that take what was decided outside."""
        return self.deliver, self.suppress, self.contacts, self.write_back


def loops(
    stages: Stages, *, stopping: asyncio.Event, ticked: Callable[[str], None]
) -> tuple[Loop, ...]:
    """List the background stages in the order a row passes through them."""

    evaluate, wake, sweep = stages.evaluate, stages.wake, stages.sweep

    async def evaluated() -> int:
        done = await evaluate.evaluate_batch()
        if done:
            wake.look_again()
            wake.wake.set()
        return _wake(stages, done)

    async def woken() -> int:
        return _wake(stages, await wake.wake_batch())

    async def swept() -> int:
        return _wake(stages, await sweep.sweep())

    stages.reconcile.on_repaired = lambda: _wake(stages, 1)
    stages.reconcile_lists.on_repaired = lambda: _wake(stages, 1)
    turns: tuple[tuple[str, Turn, asyncio.Event, Callable[[], float]], ...] = (
        ("evaluate", evaluated, evaluate.wake, _long),
        ("wake", woken, wake.wake, wake.idle_s),
        ("deliver", stages.deliver.deliver_batch, stages.deliver.wake, stages.deliver.idle_s),
        ("suppress", stages.suppress.deliver_batch, stages.suppress.wake, _long),
        ("contacts", stages.contacts.deliver_batch, stages.contacts.wake, _long),
        (
            "write back",
            stages.write_back.deliver_batch,
            stages.write_back.wake,
            stages.write_back.wait_s,
        ),
        ("reconcile", stages.reconcile.turn, stages.reconcile.wake, _long),
        ("lists", stages.reconcile_lists.turn, stages.reconcile_lists.wake, _long),
        ("sweep", swept, asyncio.Event(), _long),
        ("fill", stages.fill.fill, stages.fill.wake, _long),
        ("erase", stages.erase.turn, stages.erase.wake, _long),
        ("alert", stages.alert.tell, asyncio.Event(), _long),
    )
    return tuple(Loop(name, turn, wake, idle, ticked, stopping) for name, turn, wake, idle in turns)


def _wake(stages: Stages, done: int) -> int:
    """What was decided may have made work for those who deliver."""
    if done:
        for stage in stages.delivering:
            stage.wake.set()
    return done


def _long() -> float:
    return IDLE_S

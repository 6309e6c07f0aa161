"""The worker's parts put together: the one place where ports meet their adapters."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from homing.adapters.clock import SystemClock
from homing.adapters.render.email import EmailRenderer
from homing.adapters.sqlite.engine import StoreFailed
from homing.adapters.sqlite.log import SqliteLogReader, log_path
from homing.adapters.sqlite.state import SqliteState
from homing.core.decide import Rules
from homing.pipeline import Stages
from homing.processes import list_reconciling, reconciling
from homing.processes.apis import Access, Apis, captured, connections_for
from homing.processes.list_reconciling import list_reconciler_of
from homing.processes.looking_up import look_up_of, looked_up
from homing.processes.pinned import programs_of, renewed
from homing.processes.reconciling import reconciler_of
from homing.processes.tags import Tags
from homing.stages.alert import Alerter
from homing.stages.asking import Asker
from homing.stages.contacts import Contacts
from homing.stages.deliver import Deliverer, Post
from homing.stages.erase_again import erase_again
from homing.stages.erasing import Eraser
from homing.stages.evaluate import Evaluator
from homing.stages.fill import Filler
from homing.stages.health import Health
from homing.stages.rate import Rate
from homing.stages.recover import recover
from homing.stages.suppress import Suppress
from homing.stages.sweep import Retention, Sweeper
from homing.stages.take import Taker
from homing.stages.wake import Waker
from homing.stages.write_back import WriteBack

if TYPE_CHECKING:
    from homing.config import Loaded, Settings
    from homing.core.plans import Plans
    from homing.ports import Tx

NO_API_KEY = "`sendgrid.api_key` is not set: what is for SendGrid waits until it is"
NO_WRITE_KEY = "`segment.write_key` is not set: what is for Segment waits until it is"


@dataclass(slots=True)
class Assembly:
    """Everything the worker runs, and what must be closed when it ends."""

    loaded: Loaded
    store: SqliteState
    reader: SqliteLogReader
    health: Health
    stages: Stages
    apis: Apis
    renderer: EmailRenderer

    async def close(self) -> None:
        """Close connections and files."""
        await self.apis.close()
        self.renderer.close()
        await self.store.close()
        self.reader.close()

    def use(self, loaded: Loaded, environ: Mapping[str, str]) -> None:
        """
        Work by a new configuration from the next batch on.

        Raises:
            HomingError: A secret cannot be had; nothing has changed.
        """
        settings, access = loaded.settings, Access.of(loaded.settings, environ)
        plans, token = looked_up(plans_of(loaded), settings, environ)
        self.loaded = loaded
        self.apis.use(settings, access)
        self._use_plans(plans)
        self._use_rates(settings)
        stages = self.stages
        stages.write_back.write_key = access.write_key
        stages.alert.api = None if access.alert_url is None else self.apis.alerts
        if stages.deliver.look_up is not None:
            stages.deliver.look_up.use(self.apis.source(settings, token))
        _tell_what_lacks(stages, settings)
        for stage in stages.delivering:
            stage.capture = captured(settings)
            stage.resumed()

    def _use_plans(self, plans: Plans) -> None:
        stages, settings = self.stages, self.loaded.settings
        taker = stages.evaluate.taker
        taker.rules = Rules(plans, renewed(taker.rules.programs, self.loaded))
        stages.wake.look_again()
        stages.deliver.post = Post.of(plans)
        stages.contacts.use(plans)
        stages.sweep.plans = plans
        stages.sweep.retention = retention_of(settings)
        reconciling.reconfigure(stages.reconcile, settings, plans)
        list_reconciling.reconfigure(stages.reconcile_lists, settings, plans)

    def _use_rates(self, settings: Settings) -> None:
        deliver, rate = self.stages.deliver, settings.sendgrid.rate
        deliver.connections = connections_for(rate.mail)
        deliver.rate.per_second = rate.mail
        self.stages.contacts.asker.rate.per_second = rate.contacts


async def assemble(
    loaded: Loaded, environ: Mapping[str, str], *, on_fatal: Callable[[StoreFailed], None]
) -> Assembly:
    """
    Open the store, recover it, and put the stages together; nothing runs yet.

    Raises:
        HomingError: The store cannot be had, or a secret cannot.
    """
    clock, settings = SystemClock(), loaded.settings
    access = Access.of(settings, environ)
    plans, token = looked_up(plans_of(loaded), settings, environ)
    store = SqliteState(loaded.store_path, on_fatal=on_fatal)
    reader = await _reader(loaded)
    health, capture = Health(clock), captured(settings)
    await store.write(lambda tx: _recover(tx, health, loaded, now_ms=clock.now_ms()))
    apis, renderer = Apis(settings, access), EmailRenderer()
    programs = await store.write(lambda tx: programs_of(tx, loaded, now_ms=clock.now_ms()))
    taker = Taker(clock, Rules(plans, programs), Tags())
    evaluate = Evaluator(store, reader, clock, taker=taker)
    rate, marketing = settings.sendgrid.rate, apis.marketing
    deliver = Deliverer(
        store, apis.sendgrid, clock, Post.of(plans), _rate(rate.mail, clock), health, renderer,
        evaluate.caught_up, connections_for(rate.mail), capture=capture,
    )  # fmt: skip
    wake = Waker(store, clock, taker, evaluate.caught_up)
    deliver.ticks_late_ms = wake.late_ms
    source = apis.source(settings, token)
    deliver.look_up = look_up_of(store, clock, taker=taker, source=source)
    contacts = Contacts(
        store, Asker(marketing, _rate(rate.contacts, clock), clock), marketing, clock, plans,
        capture=capture,
    )  # fmt: skip
    stages = Stages(
        evaluate,
        wake,
        deliver,
        Suppress(store, apis.sendgrid, clock, capture=capture),
        contacts,
        WriteBack(store, apis.segment, clock, access.write_key, capture=capture),
        reconciler_of(store, marketing, clock, settings=settings, plans=plans),
        list_reconciler_of(
            store, marketing, clock, settings=settings, plans=plans,
            known=contacts.jobs.catalog.known,
        ),
        Sweeper(store, clock, health, plans, retention_of(settings)),
        Filler(store, reader, taker),
        Eraser(store, reader, clock),
        Alerter(store, clock, apis.alerts),
    )  # fmt: skip
    _tell_what_lacks(stages, settings)
    return Assembly(loaded, store, reader, health, stages, apis, renderer)


def _recover(tx: Tx, health: Health, loaded: Loaded, *, now_ms: int) -> None:
    """Mend what a crash, or an older backup in the store's place, left behind."""
    settings = loaded.settings
    wait_ms = int(settings.sendgrid.unknown_after * 1000)
    recover(tx, health, now_ms=now_ms, wait_ms=wait_ms, captured=captured(settings))
    erase_again(tx, plans_of(loaded), now_ms=now_ms)


def _rate(per_second: float, clock: SystemClock) -> Rate:
    return Rate(per_second, clock.monotonic_s, lambda: clock.now_ms() / 1000)


def plans_of(loaded: Loaded) -> Plans:
    """The plans in force: nothing is asked for that would wait for a key that is not there."""
    plans, settings = loaded.plans, loaded.settings
    if settings.segment.write_key is None:
        plans = plans.without_segment()
    if captured(settings):
        return plans.without_sendgrid("mode is capture")
    if settings.sendgrid.api_key is None:
        return plans.without_sendgrid("sendgrid.api_key is not set")
    return plans


def _tell_what_lacks(stages: Stages, settings: Settings) -> None:
    """Without a key, what is there waits, and is not sent to be refused."""
    api_key = NO_API_KEY if settings.sendgrid.api_key is None else None
    write_key = NO_WRITE_KEY if settings.segment.write_key is None else None
    may_leave = not captured(settings)
    stages.deliver.circuit.lacking = api_key if may_leave else None
    stages.suppress.circuit.lacking = api_key if may_leave else None
    stages.contacts.circuit.lacking = api_key if may_leave else None
    stages.write_back.circuit.lacking = write_key if may_leave else None


def retention_of(settings: Settings) -> Retention:
    """How long rows are kept."""
    kept = settings.store.retention
    return Retention(kept.events, kept.sends, kept.dead, settings.store.dedupe)


async def _reader(loaded: Loaded) -> SqliteLogReader:
    """The log, once the receiver has made it."""
    path = log_path(loaded.store_path)
    while True:
        reader = SqliteLogReader.if_made(path)
        if reader is not None:
            return reader
        await asyncio.sleep(0.05)

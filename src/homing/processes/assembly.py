"""The worker's parts put together: the one place where ports meet their adapters."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from homing import __version__
from homing.adapters.api_http import HttpApi
from homing.adapters.clock import SystemClock
from homing.adapters.plain_http import PlainHttpApi
from homing.adapters.render.email import EmailRenderer
from homing.adapters.sqlite.engine import StoreFailed
from homing.adapters.sqlite.log import SqliteLogReader, log_path
from homing.adapters.sqlite.state import SqliteState
from homing.core.decide import Rules
from homing.core.errors import HomingError
from homing.pipeline import Stages
from homing.processes import list_reconciling
from homing.processes.list_reconciling import list_reconciler_of
from homing.processes.looking_up import look_up_of, looked_up, profile_api, source_of
from homing.processes.pinned import programs_of, renewed
from homing.processes.reconciling import reconciler_of, reconfigure
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
from homing.stages.write_back import WriteBack, authorization_of

if TYPE_CHECKING:
    from homing.config import Loaded, Settings
    from homing.config.secrets import SecretRef
    from homing.core.plans import Plans
    from homing.ports import Tx

USER_AGENT = f"Homing/{__version__}"
MAX_CONNECTIONS = 256
MIN_CONNECTIONS = 16
# a call takes about a quarter of a second at worst while all is well
SECONDS_A_CALL = 0.25
NO_API_KEY = "`sendgrid.api_key` is not set: what is for SendGrid waits until it is"
NO_WRITE_KEY = "`segment.write_key` is not set: what is for Segment waits until it is"
# a stage waits for it, and must not seem stuck
ALERT_TOTAL_S = 5.0


@dataclass(slots=True)
class Assembly:
    """Everything the worker runs, and what must be closed when it ends."""

    loaded: Loaded
    store: SqliteState
    reader: SqliteLogReader
    health: Health
    stages: Stages
    sendgrid: HttpApi
    marketing: PlainHttpApi
    segment: HttpApi
    renderer: EmailRenderer
    alerts: HttpApi | None
    profiles: PlainHttpApi

    async def close(self) -> None:
        """Close connections and files."""
        await self.sendgrid.close()
        await self.marketing.close()
        await self.segment.close()
        await self.profiles.close()
        if self.alerts is not None:
            await self.alerts.close()
        self.renderer.close()
        await self.store.close()
        self.reader.close()

    def use(self, loaded: Loaded, environ: Mapping[str, str]) -> None:
        """
        Work by a new configuration from the next batch on.

        Raises:
            HomingError: A secret cannot be had; nothing has changed.
        """
        stages, settings = self.stages, loaded.settings
        plans, token = looked_up(plans_of(loaded), settings, environ)
        write_key = _resolved(settings.segment.write_key, environ)
        bearer, post = bearer_of(settings, environ), Post.of(plans)
        alert_url = _alert_url(settings, environ)
        self.loaded = loaded
        taker = stages.evaluate.taker
        taker.rules = Rules(plans, renewed(taker.rules.programs, loaded))
        stages.wake.look_again()
        stages.deliver.post = post
        stages.deliver.connections = connections_for(settings.sendgrid.rate.mail)
        stages.deliver.rate.per_second = settings.sendgrid.rate.mail
        stages.write_back.write_key = write_key
        for stage in stages.delivering:
            stage.capture = captured(settings)
        self._use_marketing(plans)
        self._use_profiles(token)
        stages.sweep.plans = plans
        stages.sweep.retention = retention_of(settings)
        _tell_what_lacks(stages, settings)
        self._use_alerts(alert_url)
        self.sendgrid.use(settings.sendgrid.endpoint, authorization=bearer)
        self.marketing.use(settings.sendgrid.endpoint, authorization=bearer)
        self.segment.use(settings.segment.endpoint, authorization=authorization_of(write_key))
        for stage in stages.delivering:
            stage.resumed()

    def _use_marketing(self, plans: Plans) -> None:
        stages, settings = self.stages, self.loaded.settings
        stages.contacts.use(plans)
        stages.contacts.asker.rate.per_second = settings.sendgrid.rate.contacts
        reconfigure(stages.reconcile, settings, plans)
        list_reconciling.reconfigure(stages.reconcile_lists, settings, plans)

    def _use_profiles(self, token: str | None) -> None:
        look_up, profiles = self.stages.deliver.look_up, self.loaded.settings.segment.profiles
        if look_up is not None:
            look_up.use(source_of(self.profiles, profiles, token))

    def _use_alerts(self, url: str | None) -> None:
        if self.alerts is None:
            self.alerts = _alerts_to(url)
        elif url is not None:
            self.alerts.use(url, authorization="")
        self.stages.alert.api = None if url is None else self.alerts


async def assemble(
    loaded: Loaded, environ: Mapping[str, str], *, on_fatal: Callable[[StoreFailed], None]
) -> Assembly:
    """
    Open the store, recover it, and put the stages together; nothing runs yet.

    Raises:
        HomingError: The store cannot be had, or a secret cannot.
    """
    clock, settings = SystemClock(), loaded.settings
    write_key = _resolved(settings.segment.write_key, environ)
    bearer, alert_url = bearer_of(settings, environ), _alert_url(settings, environ)
    plans, token = looked_up(plans_of(loaded), settings, environ)
    store = SqliteState(loaded.store_path, on_fatal=on_fatal)
    reader = await _reader(loaded)
    health, capture = Health(clock), captured(settings)
    await store.write(lambda tx: _recover(tx, health, loaded, now_ms=clock.now_ms()))
    connections = connections_for(settings.sendgrid.rate.mail)
    sendgrid = HttpApi(
        settings.sendgrid.endpoint,
        authorization=bearer,
        connections=connections + 8,
        user_agent=USER_AGENT,
    )
    marketing = PlainHttpApi(
        settings.sendgrid.endpoint, authorization=bearer, user_agent=USER_AGENT
    )
    segment = HttpApi(
        settings.segment.endpoint,
        authorization=authorization_of(write_key),
        connections=8,
        user_agent=USER_AGENT,
    )
    renderer, profiles = EmailRenderer(), profile_api(USER_AGENT)
    programs = await store.write(lambda tx: programs_of(tx, loaded, now_ms=clock.now_ms()))
    taker = Taker(clock, Rules(plans, programs), Tags())
    evaluate = Evaluator(store, reader, clock, taker=taker)
    deliver = Deliverer(
        store, sendgrid, clock, Post.of(plans),
        Rate(settings.sendgrid.rate.mail, clock.monotonic_s, lambda: clock.now_ms() / 1000),
        health, renderer, evaluate.caught_up, connections, capture=capture,
    )  # fmt: skip
    wake = Waker(store, clock, taker, evaluate.caught_up)
    deliver.ticks_late_ms = wake.late_ms
    deliver.look_up = look_up_of(
        store,
        clock,
        taker=taker,
        source=source_of(profiles, settings.segment.profiles, token),
    )
    alerts = _alerts_to(alert_url)
    contacts = Contacts(
        store, Asker(marketing, _rate(settings.sendgrid.rate.contacts, clock), clock), marketing,
        clock, plans, capture=capture,
    )  # fmt: skip
    stages = Stages(
        evaluate,
        wake,
        deliver,
        Suppress(store, sendgrid, clock, capture=capture),
        contacts,
        WriteBack(store, segment, clock, write_key, capture=capture),
        reconciler_of(store, marketing, clock, settings=settings, plans=plans),
        list_reconciler_of(
            store,
            marketing,
            clock,
            settings=settings,
            plans=plans,
            known=contacts.jobs.catalog.known,
        ),
        Sweeper(store, clock, health, plans, retention_of(settings)),
        Filler(store, reader, taker),
        Eraser(store, reader, clock),
        Alerter(store, clock, alerts),
    )
    _tell_what_lacks(stages, settings)
    return Assembly(
        loaded,
        store,
        reader,
        health,
        stages,
        sendgrid,
        marketing,
        segment,
        renderer,
        alerts,
        profiles,
    )


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


def captured(settings: Settings) -> bool:
    """Whether nothing may leave."""
    return settings.sendgrid.mode == "capture"


def connections_for(per_second: float) -> int:
    """How many sends may be under way at once to reach a rate."""
    return int(min(MAX_CONNECTIONS, max(MIN_CONNECTIONS, per_second * SECONDS_A_CALL)))


def retention_of(settings: Settings) -> Retention:
    """How long rows are kept."""
    kept = settings.store.retention
    return Retention(kept.events, kept.sends, kept.dead, settings.store.dedupe)


def _alert_url(settings: Settings, environ: Mapping[str, str]) -> str | None:
    """Where alerts are posted; None: nowhere."""
    if settings.alerts.webhook is None:
        return None
    url = settings.alerts.webhook.resolve(environ).strip()
    if not url.startswith(("https://", "http://")):
        raise HomingError("`alerts.webhook` is no URL")
    return url


def _alerts_to(url: str | None) -> HttpApi | None:
    if url is None:
        return None
    return HttpApi(
        url, authorization="", connections=1, user_agent=USER_AGENT, total_s=ALERT_TOTAL_S
    )


async def _reader(loaded: Loaded) -> SqliteLogReader:
    """The log, once the receiver has made it."""
    path = log_path(loaded.store_path)
    while True:
        reader = SqliteLogReader.if_made(path)
        if reader is not None:
            return reader
        await asyncio.sleep(0.05)


def bearer_of(settings: Settings, environ: Mapping[str, str]) -> str:
    """SendGrid's Authorization header."""
    if captured(settings):
        return "Bearer captured"
    return f"Bearer {_resolved(settings.sendgrid.api_key, environ)}"


def _resolved(ref: SecretRef | None, environ: Mapping[str, str]) -> str:
    return "" if ref is None else ref.resolve(environ)

"""The stage that compares lists, made of a configuration, and what commands see of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from homing.processes.reconciling import CAPTURED, NO_API_KEY
from homing.stages.asking import Asker
from homing.stages.catalog import Known
from homing.stages.rate import Rate
from homing.stages.reconcile_lists import ListReconciler, kept_of

if TYPE_CHECKING:
    from homing.adapters.plain_http import PlainHttpApi
    from homing.config import Settings
    from homing.core.plans import Plans
    from homing.ports import Clock, Store, Tx


def list_reconciler_of(
    store: Store,
    api: PlainHttpApi,
    clock: Clock,
    *,
    settings: Settings,
    plans: Plans,
    known: Known | None = None,
) -> ListReconciler:
    """The stage, within its share of the API's rate; *known* is shared with those who write."""
    rate = Rate(1.0, clock.monotonic_s, lambda: clock.now_ms() / 1000)
    stage = ListReconciler(store, Asker(api, rate, clock), api, clock, plans, known or Known())
    reconfigure(stage, settings, plans)
    return stage


def reconfigure(stage: ListReconciler, settings: Settings, plans: Plans) -> None:
    """Go on by another configuration."""
    share = settings.sendgrid.reconcile_share
    stage.plans = plans
    stage.asker.rate.share = share
    stage.asker.rate.per_second = settings.sendgrid.rate.contacts * share
    stage.lacking = None
    if settings.sendgrid.mode == "capture":
        stage.lacking = CAPTURED
    elif settings.sendgrid.api_key is None:
        stage.lacking = NO_API_KEY


async def begin(stage: ListReconciler, asked: Mapping[str, Any]) -> dict[str, object]:
    """
    Compare lists: ``lists`` are names, all without any; ``dry_run``.

    Returns:
        ``lists``, for `look`: it takes as long as the lists are long.
    """
    names = [str(name) for name in asked.get("lists") or ()]
    started = stage.clock.now_ms()
    return {
        "lists": await stage.start(names, dry=bool(asked.get("dry_run"))), "since": started,
    }  # fmt: skip


async def look(stage: ListReconciler, asked: Mapping[str, Any]) -> dict[str, object]:
    """
    How far it is: ``lists`` and ``since``, as `begin` gave them.

    Returns:
        ``state``: "running", "done" or "waiting" (it goes on by itself); ``reports``: of the lists
        that have ended since, what they came to.
    """
    names = [str(name) for name in asked.get("lists") or ()]
    since = int(asked.get("since") or 0)
    is_running = stage.is_running
    reports = await stage.store.write(lambda tx: reports_of(tx, names, since=since))
    state = "running" if is_running else "done" if len(reports) == len(names) else "waiting"
    return {"state": state, "reports": reports}


def reports_of(tx: Tx, names: list[str], *, since: int = 0) -> list[dict[str, Any]]:
    """What the last comparison of each list came to, if it ended since then."""
    last = [kept_of(tx, name).last for name in names]
    return [
        msgspec.to_builtins(report)
        for report in last
        if report is not None and (report.ended_at or 0) >= since
    ]

"""The stage that reads SendGrid's suppression lists, made of a configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from homing.core.readings import rows_of
from homing.stages.asking import Asker
from homing.stages.listed import NAMED
from homing.stages.rate import Rate
from homing.stages.reconcile_suppressions import PER_SECOND, SuppressionReconciler
from homing.stages.reconciliation import kept_of

if TYPE_CHECKING:
    from homing.config import Settings
    from homing.core.plans import Plans
    from homing.core.readings import Reconciliation
    from homing.ports import Api, Clock, Store, Tx

NO_API_KEY = "`sendgrid.api_key` is not set: SendGrid's lists cannot be read"
CAPTURED = '`sendgrid.mode` is "capture": nothing leaves, and no list is read'


def reconciler_of(
    store: Store, api: Api, clock: Clock, *, settings: Settings, plans: Plans
) -> SuppressionReconciler:
    """The stage, within its share of the API's rate."""
    rate = Rate(PER_SECOND, clock.monotonic_s, lambda: clock.now_ms() / 1000)
    stage = SuppressionReconciler(store, Asker(api, rate, clock), clock, plans, every_s=0.0)
    reconfigure(stage, settings, plans)
    return stage


def reconfigure(stage: SuppressionReconciler, settings: Settings, plans: Plans) -> None:
    """Go on by another configuration."""
    share = settings.sendgrid.reconcile_share
    stage.asker.rate.share = share
    stage.asker.rate.per_second = PER_SECOND * share
    stage.reconfigure(plans, every_s=settings.suppression.reconcile, lacking=_lacking(settings))


def _lacking(settings: Settings) -> str | None:
    if settings.sendgrid.mode == "capture":
        return CAPTURED
    return NO_API_KEY if settings.sendgrid.api_key is None else None


async def begin(stage: SuppressionReconciler, asked: Mapping[str, Any]) -> dict[str, object]:
    """
    Start a reconciliation, or join the one under way: ``full``, ``dry_run``.

    Returns:
        ``number``, for `look`: it takes as long as SendGrid's lists are long.
    """
    full, dry = bool(asked.get("full")), bool(asked.get("dry_run"))
    return {"number": await stage.start(full=full, dry=dry)}


async def look(stage: SuppressionReconciler, asked: Mapping[str, Any]) -> dict[str, object]:
    """
    How far a reconciliation is: ``number``.

    Returns:
        ``state``: "running", "waiting" (it goes on by itself; ``error`` says what for) or "done"
        (``lists`` says what it came to); ``list`` and ``pulled``: what is read, and how many rows.
    """
    number = asked.get("number")
    # asked first: one that ends meanwhile is found to be done
    is_running = stage.is_running
    return await stage.store.write(
        lambda tx: _seen(tx, number if type(number) is int else 0, is_running=is_running)
    )


def last_report(tx: Tx) -> list[dict[str, object]]:
    """What the last reconciliation came to, a row a list; nothing before the first."""
    last = kept_of(tx).last
    return [] if last is None else _rows(tx, last)


def _seen(tx: Tx, number: int, *, is_running: bool) -> dict[str, object]:
    one = kept_of(tx).of(number)
    if one is None:
        return {"state": "gone", "error": "the reconciliation was ended by another"}
    if one.ended_ms is not None:
        return {"state": "done", "pulled": one.pulled, "lists": _rows(tx, one)}
    return {
        "state": "running" if is_running else "waiting",
        "list": one.next_list(),
        "pulled": one.pulled,
        "error": one.error,
    }


def _rows(tx: Tx, one: Reconciliation) -> list[dict[str, object]]:
    return list(rows_of(one, tx.suppressions.noted(one.number, limit=NAMED)))

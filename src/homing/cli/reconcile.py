"""``homing reconcile``: compare both sides, and repair what differs."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from homing.cli.main import config_option, json_option
from homing.cli.reach import looking, store_path
from homing.cli.reconcile_lists import lists_command
from homing.cli.show import heading_out, rows_out, text
from homing.cli.standing import LOOK_S, clear, standing_alone

if TYPE_CHECKING:
    from homing.processes.control import Act

SUPPRESSIONS_FIELDS: Final = {
    "list": "unsubscribes, groups, spam_reports, bounces, invalid_emails, blocks",
    "status": "read; refused: SendGrid did not let it be read",
    "pulled": "rows that were read",
    "missing_here": "what SendGrid had and Homing did not know",
    "repaired_here": "recorded now, and told to Segment",
    "missing_there": "what Homing had recorded and SendGrid lacked",
    "repaired_there": "which SendGrid is told now",
    "gone_there": "opt-outs of SendGrid's own that are on its list no more: they stay recorded",
    "unusable": "rows that name no address",
    "unknown_groups": "rows of groups that are not in `sendgrid.groups`, by number: left alone",
    "from, to": "the window that was read; from null: all there was",
    "dry_run": "true: nothing was changed",
    "error": "what could not be done with it, and the cure",
    "named": "the first 1,000 of what was missing over all lists: address, missing (here or "
    "there), change (opt_out or opt_in), at",
}
COLUMNS: Final = (
    "list", "status", "pulled", "missing_here", "repaired_here", "missing_there", "repaired_there",
    "gone_there", "unknown_groups", "error",
)  # fmt: skip

# looks at a service that restarts: ten seconds
PATIENCE: Final = 50


@click.group("reconcile")
def reconcile_command() -> None:
    """Compare both sides, and repair what differs."""


reconcile_command.add_command(lists_command)


@reconcile_command.command("suppressions")
@click.option("--full", is_flag=True, help="Read all there is, not only what came since.")
@click.option("--dry-run", "dry", is_flag=True, help="Say what differs, and change nothing.")
@click.option("--last", is_flag=True, help="Show what the last one found; read nothing.")
@config_option
@json_option
def suppressions_command(
    *, full: bool, dry: bool, last: bool, config: Path | None, as_json: bool
) -> int:
    """
    Read SendGrid's six lists, and repair what webhooks missed, both ways.

    What SendGrid knows and Homing does not is recorded, and told to Segment as the webhook would
    have told it; what Homing recorded and SendGrid lacks is told to SendGrid again. The service
    does the same every `[suppression] reconcile`. What is younger than a minute is left to its
    webhook. Exit code 1 says that a list could not be read.
    """
    if last and (full or dry):
        msg = "--last reads nothing: say it alone"
        raise click.UsageError(msg)
    lists = _last(config) if last else _reconciled(config, full=full, dry=dry)
    _lists_out(lists, as_json=as_json)
    return int(any(row["status"] == "refused" for row in lists))


def _last(config: Path | None) -> list[dict[str, Any]]:
    from homing.processes.reconciling import last_report

    with looking(config) as tx:
        return last_report(tx)


def _reconciled(config: Path | None, *, full: bool, dry: bool) -> list[dict[str, Any]]:
    """Have the running service do it; while none runs, do it to the store."""
    from homing.processes.control import NotRunning, ask, control_path

    path = control_path(store_path(config))
    try:
        begun = ask(path, {"do": "reconcile_suppressions", "full": full, "dry_run": dry})
    except NotRunning:
        return _alone(config, full=full, dry=dry)
    try:
        return _watched_there(path, begun)
    except KeyboardInterrupt:
        click.echo(
            "it goes on in the service: see `homing reconcile suppressions --last`", err=True
        )
        raise


def _watched_there(path: Path, begun: Mapping[str, Any]) -> list[dict[str, Any]]:
    """
    Look at it in the service until it is over; a restart of the service is waited out.

    Raises:
        Unanswered: It does not go on.
    """
    from homing.processes.control import NoAnswer, NotRunning, ask

    idle = {"state": "waiting", "error": "", "list": None, "pulled": 0}
    idle_for = 0
    while True:
        try:
            seen = ask(path, {"do": "reconciliation", **begun})
        except (NotRunning, NoAnswer):
            seen = idle
        is_idle = seen["state"] == "waiting" and not seen["error"]
        idle_for = idle_for + 1 if is_idle else 0
        if idle_for > PATIENCE or not (is_idle or seen["state"] == "running"):
            return _ended(seen)
        _say(seen)
        time.sleep(LOOK_S)


def _ended(seen: Mapping[str, Any]) -> list[dict[str, Any]]:
    """
    What it came to.

    Raises:
        Unanswered: It has not ended.
    """
    from homing.stages.asking import Unanswered

    clear()
    if seen["state"] == "done":
        lists: list[dict[str, Any]] = seen["lists"]
        return lists
    msg = f"{seen['error'] or 'it was interrupted'}; it goes on where it was"
    raise Unanswered(msg)


def _alone(config: Path | None, *, full: bool, dry: bool) -> list[dict[str, Any]]:
    import asyncio

    from homing import log as logs

    logs.set_up(level="critical")
    return asyncio.run(_done_alone(config, full=full, dry=dry))


async def _done_alone(config: Path | None, *, full: bool, dry: bool) -> list[dict[str, Any]]:
    from functools import partial

    from homing.adapters.clock import SystemClock
    from homing.processes.assembly import plans_of
    from homing.processes.reconciling import begin, look, reconciler_of

    async with standing_alone(config) as (store, api, loaded):
        stage = reconciler_of(
            store, api, SystemClock(), settings=loaded.settings, plans=plans_of(loaded)
        )
        begun = await begin(stage, {"full": full, "dry_run": dry})
        try:
            return await _watched(partial(look, stage), begun)
        finally:
            await stage.stop()


async def _watched(look: Act, begun: Mapping[str, Any]) -> list[dict[str, Any]]:
    import asyncio

    while True:
        seen: Any = await look(begun)
        if seen["state"] != "running":
            return _ended(seen)
        _say(seen)
        await asyncio.sleep(LOOK_S)


def _say(seen: Mapping[str, Any]) -> None:
    """Tell a person at a terminal what takes so long."""
    if sys.stderr.isatty():
        what = text(seen["list"]) or "comparing"
        click.echo(f"\r\x1b[K{what}: {seen['pulled']:,} rows …", err=True, nl=False)


def _lists_out(lists: Iterable[Mapping[str, Any]], *, as_json: bool) -> None:
    lists = list(lists)
    rows_out(lists, as_json=as_json, columns=COLUMNS)
    named = [{"list": row["list"], **one} for row in lists for one in row["named"]]
    if named and not as_json:
        heading_out("what was missing")
        rows_out(named, as_json=False)

"""``homing reconcile lists``: who should be on a list, and who is."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from homing.cli.main import config_option, json_option
from homing.cli.reach import loaded_config, looking, store_path
from homing.cli.show import rows_out, time_text
from homing.cli.standing import LOOK_S, clear, standing_alone

LISTS_FIELDS: Final = {
    "list, name": "its [list.*], and its name in SendGrid",
    "status": "done; refused: `error` says why, and the cure",
    "began_at, ended_at": "when",
    "members": "who should be on it",
    "on_list": "who was on it, as SendGrid's export says",
    "missing": "who should be on it and was not: SendGrid is told",
    "extra": "who was on it and should not be: SendGrid is told",
    "strangers": "who was on it and was never added by Homing: left alone, unless `exclusive`",
    "young": "changed too lately to be judged by the export",
    "refused": "who should be on it, and SendGrid has refused: `homing dead list` says why",
    "written": "changes that SendGrid is told of",
    "calls": "API calls that comparing took",
    "dry_run": "true: nothing was changed",
    "error": "why it was refused, and the cure",
}
LISTS_COLUMNS: Final = (
    "list", "status", "members", "on_list", "missing", "extra", "strangers", "young", "refused",
    "written", "calls", "error",
)  # fmt: skip


@click.command("lists")
@click.argument("names", nargs=-1)
@click.option("--dry-run", "dry", is_flag=True, help="Say what differs, and change nothing.")
@click.option("--last", is_flag=True, help="Show what the last ones found; read nothing.")
@config_option
@json_option
def lists_command(
    *, names: tuple[str, ...], dry: bool, last: bool, config: Path | None, as_json: bool
) -> int:
    """
    Compare who should be on lists with who is, and write the difference.

    NAMES are those of `[list.*]`; without any, all. Members that Homing never added stay, unless
    the list is `exclusive`. The service does the same every `reconcile` of the list. Exit code 1
    says that a list could not be compared.
    """
    if last and dry:
        msg = "--last reads nothing: say it alone"
        raise click.UsageError(msg)
    reports = _last_of_lists(config, names) if last else _lists(config, names, dry=dry)
    rows_out([_view(row) for row in reports], as_json=as_json, columns=LISTS_COLUMNS)
    return int(any(row["status"] == "refused" for row in reports))


def _view(report: Mapping[str, Any]) -> dict[str, object]:
    times = {name: time_text(report[name]) for name in ("began_at", "ended_at")}
    return {**report, **times}


def _last_of_lists(config: Path | None, names: tuple[str, ...]) -> list[dict[str, Any]]:
    from homing.processes.list_reconciling import reports_of

    chosen = list(names) or list(loaded_config(config).plans.lists)
    with looking(config) as tx:
        return reports_of(tx, chosen)


def _lists(config: Path | None, names: tuple[str, ...], *, dry: bool) -> list[dict[str, Any]]:
    """Have the running service do it; while none runs, do it to the store."""
    from homing.processes.control import NotRunning, ask, control_path

    path = control_path(store_path(config))
    try:
        begun = ask(path, {"do": "reconcile_lists", "lists": list(names), "dry_run": dry})
    except NotRunning:
        return _lists_alone(config, names, dry=dry)
    while True:
        seen = ask(path, {"do": "list_reconciliation", **begun})
        if seen["state"] != "running":
            return _lists_ended(seen)
        _say_lists(seen, begun)
        time.sleep(LOOK_S)


def _lists_ended(seen: Mapping[str, Any]) -> list[dict[str, Any]]:
    from homing.stages.asking import Unanswered

    clear()
    if seen["state"] != "done":
        msg = "SendGrid did not answer: the service goes on by itself; see its log"
        raise Unanswered(msg)
    reports: list[dict[str, Any]] = seen["reports"]
    return reports


def _lists_alone(config: Path | None, names: tuple[str, ...], *, dry: bool) -> list[dict[str, Any]]:
    import asyncio

    from homing import log as logs

    logs.set_up(level="critical")
    return asyncio.run(_lists_done_alone(config, names, dry=dry))


async def _lists_done_alone(
    config: Path | None, names: tuple[str, ...], *, dry: bool
) -> list[dict[str, Any]]:
    import asyncio

    from homing.adapters.clock import SystemClock
    from homing.processes.assembly import plans_of
    from homing.processes.list_reconciling import begin, list_reconciler_of, look

    async with standing_alone(config) as (store, api, loaded):
        stage = list_reconciler_of(
            store, api, SystemClock(), settings=loaded.settings, plans=plans_of(loaded)
        )
        begun = await begin(stage, {"lists": names, "dry_run": dry})
        try:
            while True:
                seen: Any = await look(stage, begun)
                if seen["state"] != "running":
                    return _lists_ended(seen)
                _say_lists(seen, begun)
                await asyncio.sleep(LOOK_S)
        finally:
            await stage.stop()


def _say_lists(seen: Mapping[str, Any], begun: Mapping[str, Any]) -> None:
    if sys.stderr.isatty():
        done, total = len(seen["reports"]), len(begun["lists"])
        click.echo(f"\r\x1b[K{done} of {total} lists compared …", err=True, nl=False)

"""``homing backup`` and ``homing restore``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import click

from homing.cli.main import config_option, json_option
from homing.cli.reach import store_path
from homing.cli.show import rows_out, time_text

BACKUP_FIELDS: Final = {
    "folder": "",
    "made_at": "",
    "bytes": "of all files",
    "requests": "in the log",
    "events": "",
    "people": "",
    "sends": "",
    "status": "backed_up",
}
RESTORE_FIELDS: Final = {
    "store": "the state file",
    "made_at": "when the backup was made",
    "may_have_left": "sends that were open then: they may have been sent since",
    "aside": "the files that were there before, under their new names; they name whom they named",
    "erased_again": "erasures repeated; null when the service repeats them as it starts",
    "status": "restored",
}


@click.command("backup")
@click.argument("folder", type=click.Path(path_type=Path))
@config_option
@json_option
def backup_command(folder: Path, *, config: Path | None, as_json: bool) -> None:
    """
    Copy the store to FOLDER, beside a running service.

    The copy is of one moment, is checked, and appears only when it is whole. It holds what the
    store holds: addresses, traits, events. FOLDER must not exist, or be empty.
    """
    from homing.adapters.clock import SystemClock
    from homing.adapters.sqlite.backup import back_up

    _say("copying …")
    made = back_up(store_path(config), folder, now_ms=SystemClock().now_ms())
    row = {
        "folder": str(folder),
        "made_at": time_text(made.made_at_ms),
        "bytes": sum(file.bytes for file in made.files.values()),
        **{name: made.counts.get(name, 0) for name in ("requests", "events", "people", "sends")},
        "status": "backed_up",
    }
    rows_out([row], as_json=as_json)


@click.command("restore")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Move the store that is there aside.")
@config_option
@json_option
def restore_command(folder: Path, *, force: bool, config: Path | None, as_json: bool) -> None:
    """
    Put a backup in the store's place, with mail paused.

    The service must be stopped. What was about to be sent when the backup was made may have been
    sent since: look at `homing sends --state reserved`, then `homing resume mail`. Who was erased
    since, by the journal beside the store, is erased again.
    """
    from homing.adapters.clock import SystemClock
    from homing.adapters.sqlite.backup import restore

    _say("copying …")
    state = store_path(config)
    put = restore(folder, state, now_ms=SystemClock().now_ms(), force=force)
    row = {
        "store": str(state),
        "made_at": time_text(put.manifest.made_at_ms),
        "may_have_left": put.may_have_left,
        "aside": [str(path) for path in put.aside],
        "erased_again": _erased_again(config),
        "status": "restored",
    }
    rows_out([row], as_json=as_json)
    click.echo(
        f"mail is paused: {put.may_have_left} sends were open when the backup was made and may"
        " have left since. `homing resume mail` lets them go.", err=True,
    )  # fmt: skip


def _erased_again(option: Path | None) -> int | None:
    """Repeat what the journal of erasures has; None if the configuration does not load."""
    import asyncio

    from homing import log as logs
    from homing.adapters.clock import SystemClock
    from homing.adapters.sqlite.state import SqliteState
    from homing.cli.reach import loaded_config
    from homing.core.errors import HomingError
    from homing.processes.assembly import plans_of
    from homing.stages.erase_again import erase_again

    logs.set_up(level="error")

    async def repeated(path: Path) -> int:
        store = SqliteState(path, on_fatal=lambda _: None)
        try:
            now_ms = SystemClock().now_ms()
            return await store.write(lambda tx: erase_again(tx, plans, now_ms=now_ms))
        finally:
            await store.close()

    try:
        plans = plans_of(loaded_config(option))
    except HomingError:
        return None
    return asyncio.run(repeated(store_path(option)))


def _say(words: str) -> None:
    if sys.stderr.isatty():
        click.echo(words, err=True)

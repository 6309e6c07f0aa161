"""The commands that look: ``stats``, ``events``, ``people``, ``sends``, ``tail``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from homing.cli.main import config_option, config_path, json_option
from homing.cli.show import rows_out

if TYPE_CHECKING:
    from homing.adapters.sqlite.state import SqliteTx
    from homing.config import Loaded


def loaded_config(option: Path | None) -> Loaded:
    """The configuration a command runs by."""
    from homing.config import load

    return load(config_path(option).resolve(), environ=os.environ)


@contextmanager
def looking(loaded: Loaded) -> Iterator[SqliteTx]:
    """The state file, read beside a running daemon or without one."""
    from homing.adapters.sqlite.state import reading

    with reading(loaded.store_path) as tx:
        yield tx


@click.command("stats")
@config_option
@json_option
def stats_command(config: Path | None, *, as_json: bool) -> None:
    """The books: what came in and what became of it."""
    from homing.adapters.sqlite.log import SqliteLogReader, log_path
    from homing.processes.books import books_of

    loaded = loaded_config(config)
    reader = SqliteLogReader.if_made(log_path(loaded.store_path))
    with looking(loaded) as tx:
        # the log is read second: every request before the cursor is in it
        books = books_of(tx, head=0 if reader is None else reader.head())
    tables = books.tables()
    if as_json:
        rows_out([tables], as_json=True)
        return
    flat: list[dict[str, object]] = []
    for group, table in tables.items():
        for name, value in table.items():
            entries = value.items() if isinstance(value, dict) else [("", value)]
            flat += [
                {"book": group, "what": f"{name} {state}".strip(), "count": count}
                for state, count in entries
            ]
    rows_out(flat, as_json=False)

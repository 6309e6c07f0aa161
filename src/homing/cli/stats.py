"""``homing stats``: the books."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import click

from homing.cli.main import config_option, json_option
from homing.cli.reach import looking, store_path
from homing.cli.show import json_out, rows_out

FIELDS: Final = {
    "requests": "received, pending (not yet split into events)",
    "events": "received, duplicates, and pending, done, filtered, quarantined, dead: "
    "received is the sum of these five",
    "effects": "per destination: ready, done, dead, dropped",
    "sends": "by state",
    "unknown": "sends of which nobody knew: total, and how they were resolved",
}


@click.command("stats")
@config_option
@json_option
def stats_command(config: Path | None, *, as_json: bool) -> None:
    """The books: what came in and what became of it."""
    from homing.adapters.sqlite.log import SqliteLogReader, log_path
    from homing.processes.books import books_of

    reader = SqliteLogReader.if_made(log_path(store_path(config)))
    with looking(config) as tx:
        # the log is read second: every request before the cursor is in it
        books = books_of(tx, head=0 if reader is None else reader.head())
    tables = books.tables()
    if as_json:
        json_out(tables)
    else:
        rows_out(_flat(tables), as_json=False)


def _flat(tables: Mapping[str, Mapping[str, object]]) -> Iterator[dict[str, object]]:
    for book, table in tables.items():
        for name, value in table.items():
            counts = value.items() if isinstance(value, dict) else [("", value)]
            for state, count in counts:
                yield {"book": book, "what": f"{name} {state}".strip(), "count": count}

"""``homing db``: the store, looked into on a snapshot."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from homing.cli.main import BadInput, config_option, json_option
from homing.cli.reach import store_path
from homing.cli.show import json_out, rows_out

if TYPE_CHECKING:
    from sqlite_utils import Database

QUERY_FIELDS: Final = {
    "…": "the columns of the query; bytes are text, or hex digits if they are none"
}
TABLES_FIELDS: Final = {"table": "", "rows": ""}
CHECK_FIELDS: Final = {
    "check": "what was looked at",
    "ok": "true or false",
    "found": "what is wrong",
}

# what must hold of every state file, as a query for rows that break it
INVARIANTS: Final = {
    "each lane has one head": "SELECT lane FROM send WHERE lane IS NOT NULL"
    " GROUP BY lane HAVING sum(head) <> 1",
    "no send that ended is in a lane": "SELECT id FROM send WHERE lane IS NOT NULL"
    " AND state NOT IN ('reserved', 'retry', 'in_flight', 'unknown')",
    "every name leads to a person": "SELECT kind, value FROM identity"
    " WHERE person NOT IN (SELECT id FROM person)",
    "every waiting effect has a payload": "SELECT id FROM effect"
    " WHERE state = 'ready' AND id NOT IN (SELECT effect FROM effect_data)",
    "what waits by a rule may still leave, and is in no lane": "SELECT id FROM send"
    " WHERE deferred IS NOT NULL AND (lane IS NOT NULL OR state NOT IN ('reserved', 'retry'))",
    "every run that is watched knows its events": "SELECT id FROM run"
    " WHERE watch_until IS NOT NULL AND id NOT IN (SELECT run FROM run_context)",
    "every run that waits has a version": "SELECT id FROM run WHERE state = 'waiting'"
    " AND NOT EXISTS (SELECT 1 FROM journey_version AS known"
    " WHERE known.journey = run.journey AND known.version = run.version)",
}

log_option = click.option("--log", is_flag=True, help="The log of raw requests, not the state.")


@click.group("db")
def db_command() -> None:
    """
    Look into the store with SQL, on a snapshot.

    The running service is not disturbed, and nothing that is written is kept.
    """


@db_command.command("query")
@click.argument("sql")
@log_option
@config_option
@json_option
def query_db(sql: str, *, log: bool, config: Path | None, as_json: bool) -> None:
    """Run one query. Tables: `homing db schema`."""
    with _copied(config, log=log) as database:
        try:
            rows = (_readable(row) for row in database.query(sql))
            rows_out(rows, as_json=as_json)
        except (sqlite3.Error, ValueError) as error:
            msg = f"{error}"
            raise BadInput(msg) from error


@db_command.command("schema")
@log_option
@config_option
def schema_db(*, log: bool, config: Path | None) -> None:
    """Print the tables and indexes as SQL."""
    with _copied(config, log=log) as database:
        click.echo(database.schema)


@db_command.command("tables")
@log_option
@config_option
@json_option
def tables_db(*, log: bool, config: Path | None, as_json: bool) -> None:
    """List the tables and how many rows each has."""
    with _copied(config, log=log) as database:
        rows = [{"table": table.name, "rows": table.count} for table in database.tables]
    rows_out(rows, as_json=as_json)


@db_command.command("check")
@config_option
@json_option
def check_db(*, config: Path | None, as_json: bool) -> int:
    """Look through both files for damage, and for rows that cannot be; exits with 65 if any."""
    from homing.processes import exits

    found = [*_damage(config), *_impossible(config)]
    if as_json:
        for row in found:
            json_out(row)
    else:
        rows_out(found, as_json=False)
    return exits.EX_OK if all(row["ok"] for row in found) else exits.EX_DATAERR


def _damage(config: Path | None) -> Iterator[dict[str, object]]:
    from homing.adapters.sqlite.backup import snapshot
    from homing.adapters.sqlite.engine import StoreCorrupt
    from homing.adapters.sqlite.log import log_path

    state = _existing(store_path(config))
    for path in filter(Path.exists, (state, log_path(state))):
        with tempfile.TemporaryDirectory(prefix="homing-") as folder:
            try:
                snapshot(path, Path(folder, "copy.db"))
            except StoreCorrupt as error:
                yield {"check": f"{path.name} is sound", "ok": False, "found": str(error)}
            else:
                yield {"check": f"{path.name} is sound", "ok": True, "found": None}


def _impossible(config: Path | None) -> Iterator[dict[str, object]]:
    from homing.adapters.sqlite.engine import StoreCorrupt

    try:
        with _copied(config, log=False) as database:
            for check, sql in INVARIANTS.items():
                broken = [list(row.values()) for row in database.query(f"{sql} LIMIT 10")]
                yield {"check": check, "ok": not broken, "found": broken or None}
    except StoreCorrupt:
        return  # said already


@contextmanager
def _copied(config: Path | None, *, log: bool) -> Iterator[Database]:
    """A snapshot, opened by sqlite-utils: the interpreter's SQLite never touches the live file."""
    from sqlite_utils import Database

    from homing.adapters.sqlite.backup import snapshot
    from homing.adapters.sqlite.log import log_path

    state = store_path(config)
    source = _existing(log_path(state) if log else state)
    with tempfile.TemporaryDirectory(prefix="homing-") as folder:
        copy = Path(folder, "copy.db")
        snapshot(source, copy)
        database = Database(copy)
        database.execute("PRAGMA query_only = on")
        try:
            yield database
        finally:
            database.close()


def _existing(path: Path) -> Path:
    from homing.adapters.sqlite.state import NoStore

    if not path.exists():
        msg = f"no store at {path}: `homing serve` makes it"
        raise NoStore(msg)
    return path


def _readable(row: Mapping[str, object]) -> dict[str, object]:
    return {name: _text(value) for name, value in row.items()}


def _text(value: object) -> object:
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.hex()

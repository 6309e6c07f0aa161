"""
The state file's numbered migrations, applied by sqlite-utils before apsw opens the file.

sqlite-utils uses the interpreter's own SQLite. Two SQLites in one process must not have a file
open at once: POSIX locks are per process, and closing one handle drops the other's.
"""

from __future__ import annotations

import sqlite3
from importlib.resources import files
from pathlib import Path

import apsw

from homing.adapters.sqlite.engine import PATIENCE_MS
from homing.adapters.sqlite.faults import (
    NewerSchema,
    StoreCorrupt,
    StoreFailed,
    StoreFull,
    certain_fault_of,
)
from homing.core.errors import Unavailable

__all__ = ["FOLDER", "NewerSchema", "migrate", "migrations", "statements"]

FOLDER = files(__package__).joinpath("migrations")


def migrations() -> list[str]:
    """The names of all migrations, in order: "0001_state", …"""
    return sorted(entry.name.removesuffix(".sql") for entry in FOLDER.iterdir() if _is_sql(entry))


def migrate(path: Path) -> list[str]:
    """
    Bring a state file up to date; returns the names of what was applied.

    Each migration is one transaction: a crash leaves the file as it was before it or after.

    Raises:
        NewerSchema: The file is of a newer version than this program.
        StoreFull, StoreFailed, StoreCorrupt: The disk or the file does not let it.
    """
    names = migrations()
    found = _version(path)
    if found > len(names):
        msg = f"{path} has schema {found}, this Homing knows up to {len(names)}"
        raise NewerSchema(msg)
    if found < len(names):
        try:
            _apply(path, names)
        except sqlite3.Error as error:
            raise _fault_of(error, path) from error
    return names[found:]


def _version(path: Path) -> int:
    if not path.exists():
        return 0
    try:
        db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            db.set_busy_timeout(PATIENCE_MS)
            return int(db.execute("PRAGMA user_version").get)
        finally:
            db.close()
    except apsw.Error as error:
        raise certain_fault_of(error, path) from error


def _apply(path: Path, names: list[str]) -> None:
    # imported when there is something to do: a running daemon need not carry it
    from sqlite_utils import Database
    from sqlite_utils.migrations import Migrations

    steps = Migrations("homing")
    for number, name in enumerate(names, 1):
        script = FOLDER.joinpath(f"{name}.sql").read_text()

        def step(db: Database, script: str = script, number: int = number) -> None:
            for statement in statements(script):
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {number}")

        steps(name=name)(step)
    database = Database(path)
    try:
        database.execute("PRAGMA journal_mode = wal")
        steps.apply(database)
    finally:
        database.close()


def statements(script: str) -> list[str]:
    """The statements of a migration: ended by ``;`` at the end of a line."""
    lines = [line for line in script.splitlines() if not line.lstrip().startswith("--")]
    return [part.strip() for part in "\n".join(lines).split(";\n") if part.strip()]


def _fault_of(error: sqlite3.Error, path: Path) -> Unavailable:
    match error.sqlite_errorcode & 0xFF:
        case sqlite3.SQLITE_FULL:
            return StoreFull(f"no room for {path}: {error}")
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return StoreCorrupt(f"{path} is not a sound database: {error}")
        case _:
            return StoreFailed(f"{path} failed: {error}")


def _is_sql(entry: object) -> bool:
    return str(getattr(entry, "name", "")).endswith(".sql")

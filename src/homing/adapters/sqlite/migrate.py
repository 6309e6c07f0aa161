"""
The state file's numbered migrations, applied by sqlite-utils before apsw opens the file.

sqlite-utils uses the interpreter's own SQLite. Two SQLites in one process must not have a file
open at once: POSIX locks are per process, and closing one handle drops the other's.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import apsw

from homing.adapters.sqlite.engine import StoreCorrupt
from homing.core.errors import HomingError

FOLDER = files(__package__).joinpath("migrations")


class NewerSchema(HomingError):
    """A newer Homing wrote this file: run that one, or restore a backup."""


def migrations() -> list[str]:
    """The names of all migrations, in order: "0001_state", …"""
    return sorted(entry.name.removesuffix(".sql") for entry in FOLDER.iterdir() if _is_sql(entry))


def migrate(path: Path) -> list[str]:
    """
    Bring a state file up to date; returns the names of what was applied.

    Raises:
        NewerSchema: The file is of a newer version than this program.
        StoreCorrupt: It is no database.
    """
    names = migrations()
    found = _version(path)
    if found > len(names):
        msg = f"{path} has schema {found}, this Homing knows up to {len(names)}"
        raise NewerSchema(msg)
    if found < len(names):
        _apply(path, names)
    return names[found:]


def _version(path: Path) -> int:
    if not path.exists():
        return 0
    try:
        db = apsw.Connection(str(path))
        try:
            return int(db.execute("PRAGMA user_version").get)
        finally:
            db.close()
    except (apsw.NotADBError, apsw.CorruptError) as error:
        msg = f"{path} is not a sound database: {error}"
        raise StoreCorrupt(msg) from error


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


def _is_sql(entry: object) -> bool:
    return str(getattr(entry, "name", "")).endswith(".sql")

"""The state file's schema: made once, never half, never older than the file."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import apsw
import pytest

from homing.adapters.sqlite import migrate as module
from homing.adapters.sqlite.faults import NewerSchema, StoreCorrupt, StoreFailed
from homing.adapters.sqlite.migrate import migrate, migrations, statements


def tables(path: Path) -> set[str]:
    """The tables there are."""
    db = apsw.Connection(str(path))
    found = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    db.close()
    return found


class TestMigrate:
    def test_a_new_file_gets_everything_and_an_up_to_date_one_nothing(self, tmp_path: Path) -> None:
        """
        The second time there is nothing to do.
        """
        path = tmp_path / "homing.db"

        assert migrations() == migrate(path)
        assert [] == migrate(path)
        assert {"event", "send", "effect", "person", "seen", "cursor"} <= tables(path)

    def test_a_newer_file_is_left_alone(self, tmp_path: Path) -> None:
        """
        An older program does not touch what it does not know.
        """
        path = tmp_path / "homing.db"
        migrate(path)
        db = apsw.Connection(str(path))
        db.execute("PRAGMA user_version = 99")
        db.close()

        with pytest.raises(NewerSchema, match="schema 99"):
            migrate(path)

    def test_who_holds_the_file_for_a_moment_is_waited_for(self, tmp_path: Path) -> None:
        """
        After a crash a look from the command line may be the first to come, and mend the file.
        """
        path = tmp_path / "homing.db"
        migrate(path)
        other = apsw.Connection(str(path))
        other.execute("PRAGMA journal_mode = wal; PRAGMA locking_mode = exclusive").fetchall()
        other.execute("PRAGMA user_version = 1")
        letting_go = threading.Timer(0.1, other.close)
        letting_go.start()
        try:
            assert [] == migrate(path)
        finally:
            letting_go.join()

    def test_what_is_no_database_is_not_made_one(self, tmp_path: Path) -> None:
        """
        A file that happens to have the name is refused.
        """
        path = tmp_path / "homing.db"
        path.write_text("not a database, but long enough to be looked at" * 100)

        with pytest.raises(StoreCorrupt):
            migrate(path)

    def test_a_folder_that_is_not_there_says_so(self, tmp_path: Path) -> None:
        """
        The error is ours, with the path.
        """
        with pytest.raises(StoreFailed, match="nowhere"):
            migrate(tmp_path / "nowhere" / "homing.db")

    def test_a_migration_that_fails_leaves_nothing_of_itself(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        Half a schema would be neither old nor new: the next start begins anew.
        """
        folder = tmp_path / "migrations"
        folder.mkdir()
        good = "CREATE TABLE one (a);\nCREATE TABLE two (a);\n"
        (folder / "0001_state.sql").write_text(good + "CREATE TABLE one (a);\n")
        monkeypatch.setattr(module, "FOLDER", folder)
        path = tmp_path / "homing.db"

        with pytest.raises(StoreFailed, match="already exists"):
            migrate(path)
        assert not {"one", "two"} & tables(path)

        (folder / "0001_state.sql").write_text(good)
        assert ["0001_state"] == migrate(path)
        assert {"one", "two"} <= tables(path)


class TestStatements:
    def test_comments_and_semicolons_within_lines(self) -> None:
        """
        A statement ends with a semicolon at the end of a line.
        """
        script = (
            "-- one; two\nCREATE TABLE a (b TEXT DEFAULT ';x');\n\n  -- c\nCREATE TABLE d\n(e);\n"
        )

        assert ["CREATE TABLE a (b TEXT DEFAULT ';x')", "CREATE TABLE d\n(e)"] == [
            one.removesuffix(";") for one in statements(script)
        ]

    def test_every_migration_runs_on_the_oldest_sqlite_in_use(self) -> None:
        """
        Migrations are run by the interpreter's own SQLite.
        """
        db = sqlite3.connect(":memory:")
        for name in migrations():
            for statement in statements(module.FOLDER.joinpath(f"{name}.sql").read_text()):
                db.execute(statement)
        db.close()

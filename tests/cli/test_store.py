"""``homing backup``, ``homing restore`` and ``homing db``, beside a service that does not run."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest
from tests.cli.conftest import Command

from homing.cli import backup as backups
from homing.cli import db


class TestBackup:
    def test_there_and_back(self, copy: Path, act: Command, tmp_path: Path) -> None:
        """What it was then it is again, but for who was erased since; and mail is held."""
        made = act("backup", tmp_path / "kept", "--json").row
        act("erase", "--user", "u1", "--yes")
        refused = act("restore", tmp_path / "kept")
        put = act("restore", tmp_path / "kept", "--force", "--json").row

        assert set(backups.BACKUP_FIELDS) == set(made)
        assert made["requests"] >= 8
        assert (11, 3, 3) == tuple(made[name] for name in ("events", "people", "sends"))
        assert 1 == refused.code
        assert set(backups.RESTORE_FIELDS) == set(put)
        assert str(copy / "homing.db") == put["store"]
        assert 1 == put["erased_again"]
        assert 1 == act("people", "u1").code
        assert "u2" == act("people", "u2", "--json").row["person"]["user_id"]
        may_get = act("why", "u2", "--json").row["may_get"]
        assert any("paused: mail: restored" in str(one["refused"]) for one in may_get)
        assert "mail" == act("resume", "mail", "--json").row["name"]

    @pytest.mark.parametrize("folder", ["nowhere", "."])
    def test_what_is_no_backup_is_65(self, act: Command, folder: str) -> None:
        """Nothing is touched."""
        assert 65 == act("restore", folder, "--force").code
        assert 0 == act("stats").code

    def test_a_folder_in_the_way_is_1(self, act: Command) -> None:
        """The configuration's own, for one."""
        assert 1 == act("backup", ".").code


class TestDb:
    def test_query(self, act: Command) -> None:
        """On the state, or on the log."""
        query = "SELECT state, count(*) AS n FROM event GROUP BY state ORDER BY n DESC"

        assert [{"state": "done", "n": 10}, {"state": "quarantined", "n": 1}] == act(
            "db", "query", query, "--json"
        ).rows
        in_log = act("db", "query", "SELECT count(*) AS n FROM request", "--log", "--json").row
        assert in_log["n"] >= 8

    def test_bytes_are_text_or_hex_digits(self, act: Command) -> None:
        """JSON has no bytes."""
        query = "SELECT facts, x'ff00' AS odd FROM person WHERE user_id = 'u2'"

        row = act("db", "query", query, "--json").row

        assert "ff00" == row["odd"]
        assert "u2@example.com" in row["facts"]

    @pytest.mark.parametrize(
        "sql",
        ["nonsense", "SELECT * FROM nowhere", "DELETE FROM send", "UPDATE send SET state = 1", ""],
    )
    def test_what_is_no_query_is_65(self, act: Command, sql: str) -> None:
        """Nothing can be written, not even to the snapshot."""
        done = act("db", "query", sql)

        assert 65 == done.code
        assert "Traceback" not in done.err

    def test_schema_and_tables(self, act: Command) -> None:
        """To know what to ask."""
        tables = act("db", "tables", "--json").rows

        assert "CREATE TABLE send" in act("db", "schema").out
        assert set(db.TABLES_FIELDS) == set(tables[0])
        assert {"table": "send", "rows": 3} in tables
        assert "request" in {row["table"] for row in act("db", "tables", "--log", "--json").rows}

    def test_a_sound_store(self, act: Command) -> None:
        """Every check holds: exit 0."""
        done = act("db", "check", "--json")

        assert 0 == done.code
        assert set(db.CHECK_FIELDS) == set(done.rows[0])
        assert all(row["ok"] for row in done.rows)
        assert 2 + len(db.INVARIANTS) == len(done.rows)

    def test_rows_that_cannot_be(self, copy: Path, act: Command) -> None:
        """A lane without a head never sends again: exit 65."""
        connection = apsw.Connection(str(copy / "homing.db"))
        connection.execute("UPDATE send SET lane = 99, head = 0, state = 'reserved' WHERE id = 1")
        connection.close()

        done = act("db", "check", "--json")

        assert 65 == done.code
        assert ["each lane has one head"] == [r["check"] for r in done.rows if not r["ok"]]

    def test_damage(self, copy: Path, act: Command) -> None:
        """Said, not raised: exit 65."""
        log = copy / "homing.log.db"
        connection = apsw.Connection(str(log))
        connection.execute("PRAGMA journal_mode = delete")  # all of it in the one file
        connection.close()
        raw = bytearray(log.read_bytes())
        raw[4096:] = b"\xff" * (len(raw) - 4096)
        log.write_bytes(bytes(raw))

        done = act("db", "check", "--json")

        assert 65 == done.code
        assert [False] == [row["ok"] for row in done.rows if row["check"].startswith("homing.log")]

"""Every statement finds its rows by an index: nothing slows down as a store grows."""

from __future__ import annotations

import re
from collections.abc import Iterator

import apsw
import pytest

from homing.adapters.sqlite.log import SCHEMA
from homing.adapters.sqlite.migrate import FOLDER, migrations, statements
from homing.adapters.sqlite.sql import load
from homing.core.effects import SendRow
from homing.core.journeys.run import Passage, Run

NAMESPACES = (
    "books", "effects", "erasures", "events", "log", "people", "runs", "sends", "suppressions",
)  # fmt: skip
# one row, or few by nature
SMALL = {
    "cursor",
    "json_each",  # what the caller gave
    "pause",
    "alert",
    "erasing_name",  # until the log has been searched
    "repair",  # of the last readings
    "counter",
    "erasure",
    "seen_filter",
    "CONSTANT",
    "sqlite_master",
    "sqlite_sequence",
    "one",  # a journey's version, and another
    "newer",
    "journey_version",
    "journey_watched",
}
# what a person asks for, of all that is out at the moment
BY_HAND = {("events", "names"), ("sends", "newest_out"), ("sends", "in_flight")}
# what a restored backup is held to the journal of erasures with
RESTORED = {("erasures", "entries"), ("erasures", "all_names"), ("erasures", "all_addresses")}
# by an index of those that are under way
UNDER_WAY = {("erasures", "open")}
# pages that go back from a number, of rows nearly all of which are shown
PAGES = {
    ("events", "after"), ("events", "newest"), ("events", "newest_done"), ("events", "oldest"),
    ("events", "newest_before"),
    ("events", "from_on"),
    ("people", "newest"),
    ("sends", "newest"),
    ("log", "after"),
    ("sends", "newest_accepted"), ("sends", "oldest"), ("effects", "oldest"), ("log", "forget"),
    ("runs", "newest"), ("runs", "passages_after"), ("erasures", "newest"),
}  # fmt: skip
ALL = [(space, name) for space in NAMESPACES for name, _ in load(space)]


@pytest.fixture
def db() -> Iterator[apsw.Connection]:
    """Both files' tables, empty: the plans do not depend on what is in them."""
    made = apsw.Connection(":memory:")
    made.execute(SCHEMA)
    for name in migrations():
        for statement in statements(FOLDER.joinpath(f"{name}.sql").read_text()):
            made.execute(statement)
    yield made
    made.close()


def plan(db: apsw.Connection, sql: str) -> list[str]:
    """How a statement would be carried out, a line a step."""
    numbered = [int(number) for number in re.findall(r"\?(\d+)", sql)]
    values = [None] * max([sql.count("?") - len(numbered), *numbered])
    return [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {sql}", values)]


class TestPlans:
    @pytest.mark.parametrize(("space", "name"), ALL, ids="/".join)
    def test_no_statement_reads_a_growing_table_from_end_to_end(
        self, db: apsw.Connection, space: str, name: str
    ) -> None:
        """
        A scan is allowed of what is small by nature, and where a person asks.
        """
        steps = plan(db, getattr(load(space), name))
        scanned = {
            words[1] for words in (step.split() for step in steps)
            if words[0] == "SCAN" and not words[1].startswith("(")
        }  # fmt: skip

        assert (space, name) in BY_HAND | RESTORED | UNDER_WAY or scanned <= SMALL, steps

    @pytest.mark.parametrize(("space", "name"), ALL, ids="/".join)
    def test_no_statement_walks_a_table_by_number_to_find_few_rows(
        self, db: apsw.Connection, space: str, name: str
    ) -> None:
        """
        Beyond or before a number is a scan in disguise, unless nearly every row counts.
        """
        steps = plan(db, getattr(load(space), name))
        walked = any("(rowid<?" in step or "(rowid>?" in step for step in steps)

        assert (space, name) in PAGES or not walked, steps

    def test_the_undone_are_found_by_their_own_index(self, db: apsw.Connection) -> None:
        """
        A few quarantined among millions of events that are done.
        """
        assert ["SEARCH event USING INDEX event_undone (state=? AND id<?)"] == plan(
            db, load("events").newest_undone
        )

    @pytest.mark.parametrize(
        ("space", "name", "step"),
        [
            ("runs", "watched_of", "run USING INDEX run_watched (person=?)"),
            ("runs", "is_due", "run USING INDEX run_watched (person=?)"),
            ("runs", "due", "run USING INDEX run_due (due_at>? AND due_at<?)"),
            ("runs", "next_due", "run USING COVERING INDEX run_due (due_at>?)"),
            ("runs", "waiting_of", "run USING INDEX run_waiting (journey=? AND rowid>?)"),
            ("runs", "oldest_ended", "run USING INDEX run_ended (ended_at<?)"),
            ("runs", "passages", "passage USING INDEX passage_run (run=?)"),
            ("runs", "passages_of_event", "passage USING INDEX passage_event (event=?)"),
            ("sends", "aside", "send USING INDEX send_aside (email=?)"),
            ("sends", "deferred_of", "send USING INDEX send_deferred_rule (rule=?)"),
            ("sends", "of_run", "send USING INDEX send_once (origin>? AND origin<?)"),
            (
                "sends", "deferred_due",
                "send USING INDEX send_deferred (deferred>? AND deferred<?)",
            ),
            (
                "sends", "marketing_since",
                "marketing USING COVERING INDEX marketing_person (person=? AND at>?)",
            ),
        ],
    )  # fmt: skip
    def test_few_among_many_are_found_by_an_index_of_their_own(
        self, db: apsw.Connection, space: str, name: str, step: str
    ) -> None:
        """
        What waits, what is put off, what happened: never by way of all there is.
        """
        assert f"SEARCH {step}" in plan(db, getattr(load(space), name))

    def test_no_automatic_index_and_no_sorting_where_it_is_hot(self, db: apsw.Connection) -> None:
        """
        What each event and each send does is found in the order it is needed.
        """
        hot = {
            "events": ("add", "add_history", "seen_in", "remember", "history"),
            "sends": ("reserve", "claimable", "next_due", "intend", "place", "accept", "promote",
                      "by_trace", "add_trace", "data", "last", "aside", "deferred_due",
                      "next_deferred", "mark_marketing"),
            "effects": ("add", "add_data", "ready", "done", "drop_data"),
            "people": ("find", "get", "save"),
            "runs": ("add", "save", "get", "save_settled", "watched_of", "due", "next_due",
                     "is_due", "context", "save_context", "drop_context", "last_entry",
                     "remember_entry", "note", "count_watched", "watched_until", "oldest_ended",
                     "waiting_of"),
            "log": ("add", "after", "head"),
        }  # fmt: skip
        for space, names in hot.items():
            for name in names:
                steps = plan(db, getattr(load(space), name))
                assert not [s for s in steps if "TEMP" in s or "AUTOMATIC" in s], (name, steps)


class TestColumns:
    def test_a_row_of_the_ledger_has_the_columns_in_the_order_of_its_type(
        self, db: apsw.Connection
    ) -> None:
        """
        Rows are read as they lie: a migration that adds a column adds a field.
        """
        columns = [row[1] for row in db.execute("PRAGMA table_info(send)")]

        assert list(SendRow.__struct_fields__) == columns

    def test_a_row_of_a_run_has_the_columns_in_the_order_of_its_type(
        self, db: apsw.Connection
    ) -> None:
        """
        Rows are read and added as they lie.
        """
        columns = [row[1] for row in db.execute("PRAGMA table_info(run)")]

        assert list(Run.__struct_fields__) == columns

    def test_a_line_of_a_history_has_the_columns_in_the_order_of_its_type(
        self, db: apsw.Connection
    ) -> None:
        """
        Behind the number that only the store knows.
        """
        columns = [row[1] for row in db.execute("PRAGMA table_info(passage)")]

        assert ["id", *Passage.__struct_fields__] == columns

"""One reading of the counts."""

from __future__ import annotations

from collections.abc import Mapping

from homing.adapters.memory.state import MemoryState
from homing.ports import Cursor, Tx
from homing.processes.books import Books, books_of


async def read(counts: Mapping[str, int], *, head: int = 0, evaluated: int = 0) -> Books:
    """The books of a store with these counts."""

    def job(tx: Tx) -> Books:
        for name, n in counts.items():
            tx.books.count(name, n)
        tx.events.move_cursor(Cursor(evaluated, 0, 1))
        return books_of(tx, head=head)

    return await MemoryState().write(job)


class TestBooksOf:
    async def test_an_empty_store_has_all_names_at_zero(self):
        """
        A stable contract: no key comes and goes.
        """
        tables = (await read({})).tables()

        assert {"received": 0, "pending": 0} == tables["requests"]
        assert dict.fromkeys(
            ("received", "duplicates", "pending", "done", "filtered", "quarantined", "dead"), 0
        ) == tables["events"]  # fmt: skip
        assert {"contacts", "suppressions", "segment"} == set(tables["effects"])
        assert {"ready", "sent", "done", "dead", "dropped"} == set(tables["effects"]["segment"])  # type: ignore[call-overload]
        assert {
            "reserved", "in_flight", "retry", "unknown", "parked", "accepted", "rejected",
            "skipped", "expired", "dropped",
        } == set(tables["sends"])  # fmt: skip
        assert {"total", "proved", "resent", "parked", "dropped", "by_hand"} == set(
            tables["unknown"]
        )

    async def test_counts_are_read_by_name(self):
        """
        As the stages write them.
        """
        books = await read(
            {
                "events:received": 3, "events:done": 2, "events:filtered": 1,
                "events:duplicates": 5, "sends:accepted": 4, "effects:segment:ready": 6,
                "unknown:proved": 7,
            }
        )  # fmt: skip

        assert (3, 2, 1, 5) == tuple(
            books.events[name] for name in ("received", "done", "filtered", "duplicates")
        )
        assert (4, 6, 7) == (
            books.sends["accepted"], books.effects["segment"]["ready"], books.unknown["proved"],
        )  # fmt: skip

    async def test_pending_is_what_is_not_yet_split(self):
        """
        The log's head, less what was evaluated.
        """
        assert {"received": 9, "pending": 4} == (await read({}, head=9, evaluated=5)).requests

    async def test_a_head_not_heard_of_yet_is_no_deficit(self):
        """
        Just after a start the worker knows only how far it came.
        """
        assert {"received": 5, "pending": 0} == (await read({}, head=0, evaluated=5)).requests

"""Prometheus metrics."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace

from prometheus_client.parser import text_string_to_metric_families
from tests.support.stages import FixedClock

from homing.adapters.memory.state import MemoryState
from homing.core.effects import Dest
from homing.core.outcomes import Paused
from homing.ports import Pause, Tx
from homing.processes.books import Books, books_of
from homing.processes.metrics import exposition
from homing.stages.circuit import Circuit
from homing.stages.run_counts import counter

REQUESTS: Counter[tuple[str, int, str]] = Counter(
    {("segment", 200, "accepted"): 5, ("segment", 401, "wrong"): 1, ("segment", 401, "none"): 2}
)


def worker_of(*down: Dest) -> SimpleNamespace:
    """A worker with its stages' circuits; those of *down* are open."""
    stages = {}
    for name, dest in (
        ("deliver", Dest.MAIL), ("suppress", Dest.SUPPRESSIONS), ("contacts", Dest.CONTACTS),
        ("write_back", Dest.SEGMENT),
    ):  # fmt: skip
        circuit = Circuit(dest, FixedClock())
        if dest in down:
            circuit.heed(Paused("key"))
        stages[name] = SimpleNamespace(circuit=circuit, flying={1, 2})
    stages["delivering"] = tuple(stages.values())
    stages["wake"] = SimpleNamespace(late_ms=lambda: 1_500)
    health = SimpleNamespace(is_up=lambda: True)
    assembly = SimpleNamespace(health=health, stages=SimpleNamespace(**stages))
    return SimpleNamespace(requests=REQUESTS, assembly=assembly)


async def samples(*down: Dest) -> dict[tuple[str, tuple[str, ...]], float]:
    """Every sample of a scrape by name and label values."""

    def job(tx: Tx) -> Books:
        for name, n in (
            ("events:received", 4), ("events:done", 3), ("events:filtered", 1),
            ("events:duplicates", 2), ("sends:accepted", 7), ("sends_silent", 1),
            ("effects:segment:ready", 6), ("unknown:total", 9), ("unknown:proved", 8),
            ("look_ups:found", 5), ("look_ups:cached", 2),
            (counter(("cart", "branch", "wait", "changed", "")), 2),
            (counter(("cart", "branch", "wait", "left", "plain")), 3),
        ):  # fmt: skip
            tx.books.count(name, n)
        tx.books.pause("mail", Pause(1, "HTTP 401", "homing"))
        tx.books.alert("paused", "mail", "HTTP 401", at=1)
        return books_of(tx, head=3)

    text = exposition(await MemoryState().write(job), worker_of(*down))  # type: ignore[arg-type]
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


class TestExposition:
    async def test_the_books_are_there_under_the_names_of_the_manual(self):
        """
        As `homing stats` has them.
        """
        found = await samples()

        for name, labels, value in (
            ("homing_events_received_total", (), 4),
            ("homing_events_duplicate_total", (), 2),
            ("homing_events", ("done",), 3),
            ("homing_events", ("quarantined",), 0),
            ("homing_requests_pending", (), 3),
            ("homing_effects", ("segment", "ready"), 6),
            ("homing_sends", ("accepted",), 7),
            ("homing_sends_unknown_total", ("proved",), 8),
            ("homing_sends_silent", (), 1),
            ("homing_receiver_up", (), 1),
            ("homing_sends_in_flight", (), 2),
            ("homing_destination_paused", ("mail",), 1),
            ("homing_alerts", (), 1),
            ("homing_journey_passages_total", ("cart", "branch"), 5),
            ("homing_timers_late_seconds", (), 1.5),
            ("homing_profile_look_ups_total", ("found",), 5),
            ("homing_profile_look_ups_total", ("cached",), 2),
            ("homing_profile_look_ups_total", ("refused",), 0),
        ):
            assert value == found[name, labels], name
        assert ("homing_sends_unknown_total", ("total",)) not in found

    async def test_the_books_balance_in_it(self):
        """
        Received is the sum over the states.
        """
        found = await samples()
        states = [value for (name, labels), value in found.items() if name == "homing_events"]

        assert found["homing_events_received_total", ()] == sum(states)

    async def test_posts_are_counted_by_path_and_answer(self):
        """
        Reasons are no label: their values would not be bounded.
        """
        found = await samples()

        assert (5, 3) == (
            found["homing_ingest_requests_total", ("200", "segment")],
            found["homing_ingest_requests_total", ("401", "segment")],
        )

    async def test_each_destination_tells_whether_calls_are_held_back(self):
        """
        By its breaker.
        """
        found = await samples(Dest.MAIL, Dest.SUPPRESSIONS)

        assert [1, 1, 0, 0] == [
            found["homing_breaker_open", (dest,)]
            for dest in ("mail", "suppressions", "contacts", "segment")
        ]

    async def test_the_process_is_described(self):
        """
        Version, memory, open files.
        """
        names = {name for name, _ in await samples()}

        assert {"homing_build_info", "process_open_fds", "process_resident_memory_bytes"} <= names

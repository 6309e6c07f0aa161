"""Prometheus metrics, with labels whose values cannot grow without bound."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.process_collector import ProcessCollector

from homing import __version__
from homing.stages.look_up import COUNTED, LookUpOutcome
from homing.stages.run_counts import counted

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

    from homing.processes.books import Books
    from homing.processes.worker import Worker


def exposition(books: Books, worker: Worker) -> bytes:
    """The text of one scrape."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(_Reading(books, worker))
    return generate_latest(registry)


class _Reading:
    def __init__(self, books: Books, worker: Worker) -> None:
        self._books = books
        self._worker = worker

    def collect(self) -> Iterable[Metric]:
        """Every family of one reading."""
        yield _gauge(
            "homing_build_info", "Version of this program.", {(__version__,): 1}, "version"
        )
        yield from self._of_events()
        yield from self._of_effects()
        yield from self._of_journeys()
        yield _counter("homing_profile_look_ups", "Profile API look-ups by what they came to.",
                       {(one.value,): self._books.counts.get(f"{COUNTED}{one}", 0)
                        for one in LookUpOutcome}, "outcome")  # fmt: skip
        yield from self._of_receiver()
        yield from self._of_destinations()

    def _of_events(self) -> Iterable[Metric]:
        events = self._books.events
        yield _counter("homing_events_received", "Events taken in, duplicates left out.",
                       {(): events["received"]})  # fmt: skip
        yield _counter("homing_events_duplicate", "Events that were taken in before.",
                       {(): events["duplicates"]})  # fmt: skip
        states = {(s,): n for s, n in events.items() if s not in ("received", "duplicates")}
        yield _gauge("homing_events", "Events by what became of them.", states, "state")
        yield _gauge("homing_requests_pending", "Requests not yet split into events.",
                     {(): self._books.requests["pending"]})  # fmt: skip

    def _of_effects(self) -> Iterable[Metric]:
        effects = {
            (kind, state): n for kind, states in self._books.effects.items()
            for state, n in states.items()
        }  # fmt: skip
        yield _gauge(
            "homing_effects", "Effects by destination and state.", effects, "kind", "state"
        )
        sends = {(state,): n for state, n in self._books.sends.items()}
        yield _gauge("homing_sends", "Sends by state.", sends, "state")
        unknown = {(word,): n for word, n in self._books.unknown.items() if word != "total"}
        yield _counter("homing_sends_unknown", "Unknown sends by how they were resolved.",
                       unknown, "resolution")  # fmt: skip
        yield _gauge("homing_sends_silent", "Accepted sends that nothing was heard of in time.",
                     {(): self._books.counts.get("sends_silent", 0)})  # fmt: skip

    def _of_journeys(self) -> Iterable[Metric]:
        passed: dict[tuple[str, ...], int] = {}
        for (journey, what, *_), n in counted(self._books.counts):
            passed[journey, what] = passed.get((journey, what), 0) + n
        yield _counter("homing_journey_passages", "What happened to runs of journeys.",
                       passed, "journey", "what")  # fmt: skip
        wake = self._worker.assembly.stages.wake
        yield _gauge("homing_timers_late_seconds", "For how long the next timer has been due.",
                     {(): wake.late_ms() / 1_000})  # fmt: skip

    def _of_receiver(self) -> Iterable[Metric]:
        requests: dict[tuple[str, ...], int] = {}
        for (kind, status, _), n in self._worker.requests.items():
            key = (kind, str(status))
            requests[key] = requests.get(key, 0) + n
        yield _counter("homing_ingest_requests", "Posts by path and answer.",
                       requests, "source", "code")  # fmt: skip
        yield _gauge("homing_receiver_up", "Whether the receiver was heard lately.",
                     {(): int(self._worker.assembly.health.is_up())})  # fmt: skip

    def _of_destinations(self) -> Iterable[Metric]:
        paused = {(name,): 1 for name in self._books.pauses}
        yield _gauge("homing_destination_paused", "What is paused.", paused, "destination")
        stages = self._worker.assembly.stages
        open_ = {
            (stage.circuit.dest.value,): int(stage.circuit.is_down) for stage in stages.delivering
        }
        yield _gauge("homing_breaker_open", "Whether calls are held back.", open_, "destination")
        yield _gauge("homing_sends_in_flight", "Sends under way.",
                     {(): len(stages.deliver.flying)})  # fmt: skip
        yield _gauge("homing_alerts", "Alerts that stand.", {(): len(self._books.alerts)})


_Values: TypeAlias = Mapping[Any, float]  # label values -> reading


def _gauge(name: str, text: str, values: _Values, *labels: str) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family


def _counter(name: str, text: str, values: _Values, *labels: str) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family

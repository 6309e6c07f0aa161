"""Tests of homing.bench.running: each measure, in numbers too small to be worth anything."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import orjson
import pytest

from homing.bench.figures import Figure
from homing.bench.running import MEASURES, machine_of, measured
from homing.bench.scale import TINY
from homing.core.wire import json_bytes

NAMES = {
    "ceiling": ["ceiling.32", "ceiling.256"],
    "receive": ["receive.single.32", "receive.single.256"],
    "busy": ["receive.busy.32"],
    "batches": ["receive.segment_batch", "receive.sendgrid_batch"],
    "evaluate": ["evaluate.segment", "evaluate.sendgrid"],
    "deliver": ["deliver.sends"],
    "path": ["path.sustained", "path.calm"],
    "write_back": ["write_back.stage", "write_back.whole"],
    "reconcile": ["reconcile.first", "reconcile.again"],
    "contacts": ["marketing.contacts"],
    "lists": ["marketing.compare", "marketing.repair", "marketing.calls"],
    "journeys": ["journeys.enter", "journeys.ticks", "journeys.sends"],
    "timers": [
        "timers.disk",
        "timers.memory",
        "timers.lateness",
        "timers.burst",
        "timers.burst_ingest",
        "timers.all",
        "timers.all_ingest",
    ],
    "simulate": ["simulate.week"],
    "growth": ["grown.receive", "grown.evaluate"],
    "footprint": ["footprint.memory", "footprint.start"],
}
REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "benchmark.md"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short name: the service's control socket lies beside its store."""
    with tempfile.TemporaryDirectory(prefix="hb") as made:
        yield Path(made)


class TestMeasured:
    @pytest.mark.parametrize("name", MEASURES)
    async def test_each_figure_has_its_reference_and_all_that_was_sent_was_kept(
        self, name: str, folder: Path
    ) -> None:
        """How fast it was is nobody's business here; and no store is left behind."""
        heard: list[Figure] = []

        report = await measured(TINY, folder, only=[name], on_figure=heard.append)

        assert NAMES[name] == [figure.name for figure in report.figures]
        assert list(report.figures) == heard
        for figure in report.figures:
            assert figure.sent == figure.kept
            assert figure.measured.value > 0
            assert ("ceiling" == name) == (figure.reference is None)
            assert figure.reference is None or figure.reference.value > 0
        assert not any(folder.iterdir())

    async def test_the_report_is_plain_json(self, tmp_path: Path) -> None:
        """What ``--out`` writes: the machine, the figures, how long it took."""
        report = await measured(TINY, tmp_path, only=["ceiling"])

        written = orjson.loads(json_bytes(report.table()))

        assert ["machine", "elapsed_s", "figures"] == list(written)
        assert NAMES["ceiling"] == [figure["name"] for figure in written["figures"]]

    def test_every_measure_is_tested(self) -> None:
        """None can be added without its figures being named here."""
        assert set(MEASURES) == set(NAMES)


class TestMachineOf:
    def test_it_says_what_figures_depend_on(self, tmp_path: Path) -> None:
        """Versions, cores, and how fast the disk keeps a page."""
        machine = machine_of(tmp_path)

        assert {"homing", "python", "aiohttp", "sqlite", "cores", "fsync_ms"} <= set(machine)
        assert float(str(machine["fsync_ms"])) > 0


class TestReference:
    @pytest.mark.parametrize("name", [*MEASURES, *chain(*NAMES.values())])
    def test_every_part_and_every_figure_is_explained(self, name: str) -> None:
        """In docs/reference/benchmark.md."""
        assert f"`{name}`" in REFERENCE.read_text()

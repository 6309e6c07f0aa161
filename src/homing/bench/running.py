"""The benchmark from its first measure to its last."""

from __future__ import annotations

import os
import platform
import tempfile
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

import aiohttp
import apsw
from cryptography.hazmat.primitives.asymmetric import ec

from homing import __version__
from homing.bench.bench import Bench
from homing.bench.measures import (
    deliver,
    evaluate,
    footprint,
    growth,
    journeys,
    marketing,
    path,
    receive,
    reconcile,
    write_back,
)

if TYPE_CHECKING:
    from homing.bench.figures import Figure
    from homing.bench.scale import Scale

Measure = Callable[[Bench], Awaitable[list["Figure"]]]

MEASURES: Final[Mapping[str, tuple[str, Measure]]] = {
    "ceiling": ("the load generator itself", receive.ceiling),
    "receive": ("webhooks of one event", receive.singles),
    "busy": ("webhooks of one event, the worker busy", receive.busy),
    "batches": ("webhooks of 100 events", receive.batches),
    "evaluate": ("evaluating", evaluate.events),
    "deliver": ("delivering", deliver.sends),
    "path": ("the whole path", path.whole),
    "write_back": ("writing home", write_back.home),
    "reconcile": ("reading SendGrid's lists", reconcile.suppressions),
    "contacts": ("writing contacts", marketing.written),
    "lists": ("comparing a list", marketing.compared),
    "journeys": ("entering runs, and timers", journeys.stages),
    "timers": ("a million runs that wait", journeys.timers),
    "simulate": ("simulating", journeys.simulated),
    "growth": ("a large store", growth.grown),
    "footprint": ("memory and start", footprint.footprint),
}


@dataclass(frozen=True, slots=True)
class Report:
    """All figures, and what they were measured on."""

    machine: Mapping[str, object]
    figures: tuple[Figure, ...]
    elapsed_s: float

    def table(self) -> dict[str, object]:
        """As plain JSON: what ``--out`` writes."""
        return {
            "machine": dict(self.machine),
            "elapsed_s": round(self.elapsed_s, 1),
            "figures": [figure.table() for figure in self.figures],
        }


async def measured(
    scale: Scale,
    folder: Path,
    *,
    only: Collection[str] = (),
    say: Callable[[str], None] = lambda _: None,
    on_figure: Callable[[Figure], None] = lambda _: None,
) -> Report:
    """
    Do the measures, one after the other.

    Args:
        folder: Stores are made in a temporary folder below it.

        only: Names of `MEASURES`; none means all.

        say: Told what is being done.

        on_figure: Told each figure as soon as it is there.

    Raises:
        BenchFailed: Something sent was not found again, or a process ended.
    """
    started = time.monotonic()
    machine = machine_of(folder)
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="bench-", dir=folder) as temporary:
        bench = Bench(scale, Path(temporary), ec.generate_private_key(ec.SECP256R1()), say)
        for name, (title, measure) in MEASURES.items():
            if only and name not in only:
                continue
            say(title)
            for figure in await measure(replace(bench, say=partial(_told, say, title))):
                figures.append(figure)
                on_figure(figure)
    return Report(machine, tuple(figures), time.monotonic() - started)


def _told(say: Callable[[str], None], title: str, what: str) -> None:
    say(f"{title}: {what}")


def machine_of(folder: Path) -> dict[str, object]:
    """What the figures depend on, and are worth nothing without."""
    return {
        "homing": __version__,
        "python": platform.python_version(),
        "aiohttp": aiohttp.__version__,
        "sqlite": apsw.sqlite_lib_version(),
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "cores": os.cpu_count() or 0,
        "fsync_ms": round(fsync_ms(folder), 3),
        "load_average": round(os.getloadavg()[0], 2),
    }


def fsync_ms(folder: Path) -> float:
    """How long the disk takes to keep 4 KiB: the median of 50."""
    took = []
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        for _ in range(50):
            started = time.monotonic()
            os.write(file.fileno(), bytes(4_096))
            os.fdatasync(file.fileno())
            took.append(time.monotonic() - started)
    return median(took) * 1000


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor())

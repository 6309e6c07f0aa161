"""What was measured: figures beside their references, and how they are written down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Run:
    """One of several runs: the value, and latencies in ms where requests were timed."""

    value: float
    p50_ms: float | None = None
    p99_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """The runs of one thing; each number is the median of its runs."""

    title: str
    runs: Sequence[Run]

    @property
    def value(self) -> float:
        """The value."""
        return median(run.value for run in self.runs)

    @property
    def p50_ms(self) -> float | None:
        """Latency that half of the requests kept within."""
        return _median([run.p50_ms for run in self.runs])

    @property
    def p99_ms(self) -> float | None:
        """Latency that 99 of 100 requests kept within."""
        return _median([run.p99_ms for run in self.runs])

    def table(self) -> dict[str, object]:
        """As plain JSON."""
        plain: dict[str, object] = {"title": self.title, "value": _rounded(self.value)}
        if self.p50_ms is not None:
            plain |= {"p50_ms": _rounded(self.p50_ms), "p99_ms": _rounded(self.p99_ms or 0.0)}
        return plain | {"runs": [_rounded(run.value) for run in self.runs]}


@dataclass(frozen=True, slots=True)
class Figure:
    """
    One figure.

    Args:
        name: What `--only` and readers of the JSON find it by: "receive.32".

        unit: Of both values.

        reference: What it stands beside; None of what is itself a bound of the others.

        note: What a reader must know to read it rightly.

        sent: How many requests, events or sends went in over all runs of *measured*.

        kept: How many of them were found in the files afterwards; the same, or the run failed.
    """

    name: str
    unit: str
    measured: Series
    reference: Series | None
    note: str = ""
    sent: int = 0
    kept: int = 0

    @property
    def ratio(self) -> float:
        """The measured value as a share of the reference's; 0.0 without one."""
        if self.reference is None or not self.reference.value:
            return 0.0
        return self.measured.value / self.reference.value

    def table(self) -> dict[str, object]:
        """As plain JSON: one object."""
        return {
            "name": self.name,
            "unit": self.unit,
            "measured": self.measured.table(),
            "reference": None if self.reference is None else self.reference.table(),
            "ratio": round(self.ratio, 3),
            "sent": self.sent,
            "kept": self.kept,
            "note": self.note,
        }


def percentile(ascending: Sequence[float], share: float) -> float:
    """The value that *share* of them do not exceed; 0.0 of none."""
    if not ascending:
        return 0.0
    return ascending[min(len(ascending) - 1, int(len(ascending) * share))]


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _rounded(value: float) -> float:
    """Four digits say more than this machine can repeat."""
    return float(f"{value:.4g}") if abs(value) < 10_000 else float(round(value))

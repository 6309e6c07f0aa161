"""``homing bench``: measure this machine."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from homing.cli.main import json_option
from homing.cli.show import heading_out, json_out, rows_out

if TYPE_CHECKING:
    from homing.bench.figures import Figure
    from homing.bench.running import Report


@click.command("bench")
@click.option(
    "--out",
    # opened before a quarter of an hour of work, not after
    type=click.File("wb", lazy=False),
    metavar="FILE",
    help="Write everything as JSON.",
)
@click.option("--only", multiple=True, metavar="NAME", help="Only this part; may be repeated.")
@click.option("--quick", is_flag=True, help="Smaller runs: rougher figures in a minute or so.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False, exists=True, writable=True),
    default=Path(),
    help="Make the stores here: on the disk that is to be measured [default: here].",
)
@json_option
def bench_command(
    *, out: BinaryIO | None, only: tuple[str, ...], quick: bool, folder: Path, as_json: bool
) -> None:
    """
    Measure this machine: each figure beside a reference taken in the same run.

    Takes about a quarter of an hour, and some gigabytes of disk while it runs. The machine should
    have nothing else to do.
    """
    from homing.bench.running import MEASURES, measured
    from homing.bench.scale import FULL, QUICK
    from homing.core.wire import json_bytes

    unknown = [name for name in only if name not in MEASURES]
    if unknown:
        msg = f"no part {unknown[0]!r}: expected one of {', '.join(MEASURES)}"
        raise click.UsageError(msg)

    def on_figure(figure: Figure) -> None:
        if as_json:
            json_out(figure.table())

    scale = QUICK if quick else FULL
    # however it ends, the services it started end, and their stores are removed
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    report = asyncio.run(
        measured(scale, folder.resolve(), only=only, say=_say, on_figure=on_figure)
    )
    if out is not None:
        out.write(json_bytes(report.table()) + b"\n")
    if not as_json:
        _show(report)


def _say(what: str) -> None:
    """Tell a person at a terminal what takes so long."""
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K{what} …", err=True, nl=False)


def _show(report: Report) -> None:
    if sys.stderr.isatty():
        click.echo("\r\x1b[K", err=True, nl=False)
    rows_out([row_of(figure) for figure in report.figures], as_json=False)
    heading_out("what is what")
    for figure in report.figures:
        for line in _said(figure):
            click.echo(line)
    heading_out("this machine")
    for name, value in report.machine.items():
        click.echo(f"{name:<14}{value}")


def row_of(figure: Figure) -> dict[str, object]:
    """One line of the table."""
    row: dict[str, object] = {
        "figure": figure.name, "unit": figure.unit, "measured": amount(figure.measured.value),
        "p50 ms": amount(figure.measured.p50_ms), "p99 ms": amount(figure.measured.p99_ms),
        "reference": "", "its p99": "", "ratio": "",
    }  # fmt: skip
    if figure.reference is not None:
        row["reference"] = amount(figure.reference.value)
        row["its p99"] = amount(figure.reference.p99_ms)
        row["ratio"] = f"{figure.ratio:.2f}"
    return row


def _said(figure: Figure) -> list[str]:
    lines = [f"{figure.name}: {figure.measured.title}."]
    if figure.reference is not None:
        lines.append(f"    Reference: {figure.reference.title}.")
    if figure.note:
        lines.append(f"    {figure.note[0].upper()}{figure.note[1:]}.")
    return lines


def amount(value: float | None) -> str:
    """A number as people read it; nothing of None."""
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"

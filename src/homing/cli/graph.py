"""``homing graph``: a journey as a picture."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from homing.cli.main import config_option
from homing.cli.reach import loaded_config, looking

if TYPE_CHECKING:
    from collections.abc import Mapping

    from homing.core.journeys.program import Journey

FORMATS: Final = ("mermaid", "svg")


@click.command("graph")
@click.argument("journey")
@click.option("--format", "form", type=click.Choice(FORMATS), default="mermaid", show_default=True,
              help="Text for documents, or a picture for pages.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write it there.")
@click.option("--counts/--no-counts", default=True, show_default=True,
              help="With how many entered and wait, where there is a store.")  # fmt: skip
@config_option
def graph_command(
    journey: str, *, form: str, out: Path | None, counts: bool, config: Path | None
) -> None:
    """
    Draw a journey of the configuration, with how many runs wait at each step.

    Runs on older versions count at the steps that this one still has.
    """
    from homing.core.journeys import graph

    drawn = _named(journey, config)
    numbers = _counts(drawn, config) if counts else None
    picture = graph.svg(drawn, numbers) if form == "svg" else graph.mermaid(drawn, numbers)
    if out is None:
        click.echo(picture, nl=False)
    else:
        out.write_text(picture, encoding="utf-8")


def _named(name: str, config: Path | None) -> Journey:
    from homing.cli.main import BadInput
    from homing.config.problems import guess

    journeys = loaded_config(config).plans.journeys
    if name not in journeys:
        msg = f"no [journey.{name}]{guess(name, journeys) or ' in the configuration'}"
        raise BadInput(msg)
    return journeys[name]


def _counts(journey: Journey, config: Path | None) -> Mapping[str, int] | None:
    """How many wait at each step, and under "" how many entered; None without a store."""
    from homing.adapters.sqlite.state import NoStore
    from homing.cli.reach import NoSqlite
    from homing.processes.journey_stats import flows_in

    waiting: Counter[str] = Counter()
    try:
        with looking(config) as tx:
            for (_, step), count in tx.runs.stands(journey.name).items():
                waiting[step] += count
            flows = flows_in(tx.books.counts()).get(journey.name, [])
    except (NoStore, NoSqlite):
        return None
    return {**waiting, "": sum(flow.count for flow in flows if flow.what == "entered")}

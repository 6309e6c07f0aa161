"""``homing simulate``: what events would do, on a clock of their own and without a network."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from homing.cli.main import BadInput, config_option, json_option
from homing.cli.reach import loaded_config, read_bytes
from homing.cli.show import rows_out

if TYPE_CHECKING:
    from homing.simulation import Happening, SimLine

FIELDS: Final = {
    "at": "when, ISO-8601 in UTC",
    "person": "the userId, else the anonymousId, else the address",
    "what": "entered, waiting, branch, restarted, timeout, send, skipped, effect, exited, "
    "completed, goal",
    "journey, key, step, branch, variant, exit": "of a run, where they apply",
    "rule": "the route's or journey's name",
    "email, to, template_id, data": "of a send",
    "effect": "of an effect: what is done",
    "reason": "why it was skipped, waits, or was exited",
    "until": "of a wait: until when",
    "value": "of a goal",
}


@click.command("simulate")
@click.argument("events", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--until", metavar="WHEN", help="A time, or a duration after the first event.")
@click.option("--seed", default="", help="Moves the chance of random splits.")
@config_option
@json_option
def simulate_command(
    events: Path, *, until: str | None, seed: str, config: Path | None, as_json: bool
) -> None:
    """
    Play events through the configuration, on a virtual clock.

    EVENTS holds one event a line, as JSON; - is standard input. They are played in the order of
    `receivedAt`, else `timestamp`, and then time runs on until no timer is left, or to --until.
    Nothing leaves, and nothing is kept. The same input gives the same lines, to the byte.
    """
    from homing.core.journeys.programs import Programs
    from homing.simulation import Simulation, read_happenings
    from homing.simulation.source import lines_of

    loaded = loaded_config(config)
    happenings = read_happenings(lines_of(read_bytes(events)), name=str(events))
    simulation = Simulation(loaded.plans, Programs(loaded.plans.journeys), seed=seed)
    lines = simulation.play(happenings, until_ms=_until(until, happenings))
    _out(lines, as_json=as_json)


def _out(lines: Iterable[SimLine], *, as_json: bool) -> None:
    rows_out(
        (line.view() for line in lines), as_json=as_json,
        columns=("at", "person", "what", "rule", "key", "step", "branch", "email", "reason"),
    )  # fmt: skip


def _until(text: str | None, happenings: list[Happening]) -> int | None:
    from homing.core.durations import parse_duration
    from homing.core.events import time_ms

    if text is None:
        return None
    at_ms = time_ms(text)
    if at_ms is not None:
        return at_ms
    first = happenings[0].at_ms if happenings else 0
    try:
        return first + round(parse_duration(text) * 1_000)
    except ValueError as error:
        msg = f"--until: expected a time like 2026-01-31T12:00:00Z or a duration: {error}"
        raise BadInput(msg) from None

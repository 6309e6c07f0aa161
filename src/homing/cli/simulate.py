"""``homing simulate``: what events would do, on a clock of their own and without a network."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from homing.cli.main import BadInput, config_option, json_option
from homing.cli.reach import loaded_config, read_bytes
from homing.cli.show import rows_out, text

if TYPE_CHECKING:
    from homing.config import Loaded
    from homing.simulation import Happening, SimLine, Simulation

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
SHOWN: Final = 5
COLUMNS: Final = ("at", "person", "what", "rule", "key", "step", "name", "why")


@click.command("simulate")
@click.argument("events", required=False, type=click.Path(path_type=Path, allow_dash=True))
@click.option("--from-store", is_flag=True, help="The events that the service has recorded.")
@click.option("--since", metavar="DURATION", help="With --from-store: only the newest, like 7d.")
@click.option("--until", metavar="WHEN", help="A time, or a duration after the first event.")
@click.option("--seed", default="", help="Moves the chance of random splits.")
@config_option
@json_option
def simulate_command(  # noqa: PLR0913  one an option
    events: Path | None,
    *,
    from_store: bool,
    since: str | None,
    until: str | None,
    seed: str,
    config: Path | None,
    as_json: bool,
) -> None:
    """
    Play events through the configuration, on a virtual clock.

    EVENTS holds one event a line, as JSON; - is standard input. They are played in the order of
    `receivedAt`, else `timestamp`, and then time runs on until no timer is left, or to --until.
    Nothing leaves, and nothing is kept. The same input gives the same lines, to the byte.
    """
    from homing.core.journeys.programs import Programs
    from homing.simulation import Simulation

    if from_store == (events is not None) or (since is not None and not from_store):
        msg = "say which: EVENTS, or --from-store (and then --since, if not all)"
        raise click.UsageError(msg)
    quietly()
    loaded = loaded_config(config)
    happenings = _read(events) if events is not None else recorded(loaded, since)
    simulation = Simulation(loaded.plans, Programs(loaded.plans.journeys), seed=seed)
    lines = simulation.play(happenings, until_ms=_until(until, happenings))
    _out(lines, as_json=as_json)
    _tell_unused(simulation)
    _tell_refused(simulation)


def _tell_unused(simulation: Simulation) -> None:
    """What the service would quarantine is not passed over in silence."""
    from homing.core.events import iso_time

    for happening, reason in simulation.unused[:SHOWN]:
        said = f"not used: the event of {iso_time(happening.at_ms)}: {reason}"
        click.echo(text(said), err=True)
    more = len(simulation.unused) - SHOWN
    if more > 0:
        click.echo(f"not used: {more:,} more", err=True)


def quietly() -> None:
    """What the stages log of a simulation is told by its lines."""
    from homing import log as logs

    logs.set_up(level="critical")


def _tell_refused(simulation: Simulation) -> None:
    """Entries that matched, and started nothing: the first thing that a slip in a key does."""
    for journey, reason, count in simulation.not_entered():
        click.echo(text(f"did not enter {journey}: {reason}: {count:,}"), err=True)


def _read(events: Path) -> list[Happening]:
    from homing.simulation import read_happenings
    from homing.simulation.source import lines_of

    return read_happenings(lines_of(read_bytes(events)), name=str(events))


def recorded(loaded: Loaded, since: str | None) -> list[Happening]:
    """
    The events that the service of a configuration has recorded.

    Args:
        since: Only those received so long before now, as a duration.

    Raises:
        BadInput: There is no log, or *since* is no duration.
    """
    from homing.adapters.clock import SystemClock
    from homing.adapters.sqlite.log import SqliteLogReader, log_path
    from homing.simulation import from_log

    path = log_path(loaded.store_path)
    reader = SqliteLogReader.if_made(path)
    if reader is None:
        msg = f"no log at {path}: `homing serve` makes it"
        raise BadInput(msg)
    since_ms = 0
    if since is not None:
        since_ms = SystemClock().now_ms() - _duration_ms(since, "--since")
    try:
        return list(from_log(reader, since_ms=since_ms))
    finally:
        reader.close()


def _out(lines: Iterable[SimLine], *, as_json: bool) -> None:
    if as_json:
        rows_out((line.view() for line in lines), as_json=True)
    else:
        rows_out(map(_row, lines), as_json=False, columns=COLUMNS)


def _row(line: SimLine) -> dict[str, object]:
    """A line of the table: one column for what is named, whatever it is."""
    from homing.core.numbers import number_text

    name = line.branch or line.exit or line.effect or line.email
    until = None if line.until is None else f"until {line.until}"
    value = None if line.value is None else number_text(line.value)
    why = ", ".join(word for word in (line.reason, until, value) if word)
    return {**line.view(), "name": name, "why": why}


def _until(when: str | None, happenings: list[Happening]) -> int | None:
    from homing.core.events import time_ms

    if when is None:
        return None
    at_ms = time_ms(when)
    if at_ms is not None:
        return at_ms
    first = happenings[0].at_ms if happenings else 0
    return first + _duration_ms(when, "--until")


def _duration_ms(given: str, option: str) -> int:
    from homing.core.durations import parse_duration

    try:
        return round(parse_duration(given) * 1_000)
    except ValueError as error:
        also = " or a time like 2026-01-31T12:00:00Z" if option == "--until" else ""
        hint = str(error).replace(", got", f"{also}, got", 1)
        raise click.BadParameter(hint, param_hint=option) from None

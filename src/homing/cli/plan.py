"""``homing plan``: what taking a changed configuration would do, before it is taken."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from homing.cli.main import config_option, json_option
from homing.cli.reach import loaded_config, looking
from homing.cli.show import heading_out, json_out, rows_out, text

if TYPE_CHECKING:
    from homing.config import Loaded
    from homing.simulation.compare import Difference

FIELDS: Final = {
    "part": "structure, runs, behaviour",
    "section, name, change": "structure: what is added, removed or changed; of a journey, policy "
    "is a change of status, priority, hours or lateness alone",
    "steps": "structure, of a changed journey: ids added, removed, and of another kind",
    "journey, version, step, waiting": "runs: where runs of a changed or removed journey wait",
    "drain, migrate, archive": "runs: what each way of reloading does with them: they stay on "
    "their version, move, are blocked (the step is gone: they stay), or end",
    "email, old, new, more, fewer, moved, other": "behaviour: sends of the recorded events by the "
    "configuration in force and by the new one; moved: at another time; other: to another address, "
    "by another template, with other data",
    "examples": "behaviour: what, person, key, old and new: at, rule, step, variant",
}


@click.command("plan")
@click.argument("new", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--since",
    metavar="DURATION",
    default="7d",
    show_default=True,
    help="Recorded events to play through both, the newest.",
)
@click.option("--no-behaviour", is_flag=True, help="Play no events: structure and runs only.")
@config_option
@json_option
def plan_command(
    new: Path, *, since: str, no_behaviour: bool, config: Path | None, as_json: bool
) -> None:
    """
    What reloading NEW, a changed configuration file, would do.

    Structure: what is added, changed, removed. Runs: where people wait in changed journeys, and
    what `homing reload --drain`, `--migrate` and `--archive` would do with them. Behaviour: the
    events that the service recorded, played through both configurations. Nothing is changed.
    """
    from homing.config import load

    old_loaded = loaded_config(config)
    new_loaded = load(new, environ=os.environ)
    if new_loaded.path.resolve() == old_loaded.path.resolve():
        old_loaded = _as_it_was(old_loaded, config)
        click.echo(SAME_FILE, err=True)
    rows = [*_structure(old_loaded, new_loaded), *_runs(old_loaded, new_loaded, config)]
    if not no_behaviour:
        rows += _behaviour(old_loaded, new_loaded, since)
    if as_json:
        for row in rows:
            json_out(row)
    else:
        _out(rows, no_behaviour=no_behaviour)


def _as_it_was(loaded: Loaded, config: Path | None) -> Loaded:
    """A configuration that was changed in its place, with the journeys that the store knows."""
    from dataclasses import replace

    from homing.config.pinned import program_of, with_policy

    if not loaded.store_path.exists():
        return loaded
    with looking(config) as tx:
        newest = {kept.journey: kept for kept in tx.runs.definitions()}
    current = loaded.plans.journeys
    known = {
        name: with_policy(program_of(name, kept.text, kept.version), current.get(name))
        for name, kept in newest.items()
    }
    return replace(loaded, plans=replace(loaded.plans, journeys=known))


def _structure(old: Loaded, new: Loaded) -> Iterator[dict[str, Any]]:
    from homing.config.changes import changes, steps_changed

    for change in changes(old, new):
        row: dict[str, Any] = {
            "part": "structure", "section": change.section, "name": change.name,
            "change": change.change,
        }  # fmt: skip
        if change.section == "journey" and change.change == "changed":
            before, after = old.plans.journeys[change.name], new.plans.journeys[change.name]
            row["steps"] = steps_changed(before, after)
        yield row


def _runs(old: Loaded, new: Loaded, config: Path | None) -> Iterator[dict[str, Any]]:
    """Where runs wait that are on versions which would be in force no more."""
    if not old.store_path.exists():
        return
    with looking(config) as tx:
        names = dict.fromkeys(kept.journey for kept in tx.runs.definitions())
        stands = [(name, tx.runs.stands(name)) for name in names]
    for name, by_place in stands:
        after = new.plans.journeys.get(name)
        for (version, step), waiting in sorted(by_place.items()):
            if after is None or after.version != version:
                can_move = after is not None and after.waits_in(step)
                yield {
                    "part": "runs", "journey": name, "version": version, "step": step,
                    "waiting": waiting, "drain": "stay",
                    "migrate": "move" if can_move else "blocked", "archive": "end",
                }  # fmt: skip


def _behaviour(old: Loaded, new: Loaded, since: str) -> Iterator[dict[str, Any]]:
    from homing.adapters.sqlite.log import log_path
    from homing.cli.simulate import quietly, recorded
    from homing.core.journeys.programs import Programs
    from homing.simulation import Simulation
    from homing.simulation.compare import differences

    quietly()
    if not log_path(old.store_path).exists():
        click.echo("note: there are no recorded events: `homing serve` records them", err=True)
        return
    happenings = recorded(old, since)
    played = [
        list(Simulation(one.plans, Programs(one.plans.journeys)).play(happenings))
        for one in (old, new)
    ]
    yield from (_difference(one) for one in differences(*played))


def _difference(one: Difference) -> dict[str, Any]:
    return {
        "part": "behaviour", "email": one.email, "old": one.old, "new": one.new, "more": one.more,
        "fewer": one.fewer, "moved": one.moved, "other": one.other, "examples": one.examples,
    }  # fmt: skip


def _out(rows: list[dict[str, Any]], *, no_behaviour: bool) -> None:
    parts = {"structure": ("section", "name", "change"),
             "runs": ("journey", "step", "waiting", "drain", "migrate", "archive"),
             "behaviour": ("email", "old", "new", "more", "fewer", "moved", "other")}  # fmt: skip
    for part, columns in parts.items():
        if part == "behaviour" and no_behaviour:
            continue
        heading_out(part)
        found = [row for row in rows if row["part"] == part]
        if found:
            rows_out(found, as_json=False, columns=columns)
        else:
            click.echo(_NOTHING[part])
        for example in (one for row in found for one in row.get("examples", ())):
            click.echo(text(f"  {_example_words(example)}"))


def _example_words(example: dict[str, Any]) -> str:
    key = f" {example['key']}" if "key" in example else ""
    places = [f"{name} {example[name]['at']}" for name in ("old", "new") if name in example]
    return f"{example['what']}: {example['person']}{key}: {', '.join(places)}"


SAME_FILE: Final = (
    "note: this is the configuration file itself: its journeys are compared with those that the"
    " store knows, all else cannot be; to see all, change a copy"
)
_NOTHING: Final = {
    "structure": "nothing is changed",
    "runs": "no run waits on a version that would be in force no more",
    "behaviour": "the recorded events send no email",
}

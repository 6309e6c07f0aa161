"""``homing journeys``: what they are, who is in them, and what each run went through."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from homing.cli.listing import PAGE, Listing, first, limit_option, newest
from homing.cli.main import config_option, json_option
from homing.cli.reach import loaded_config, looking
from homing.cli.show import heading_out, json_out, pairs_out, rows_out, text

if TYPE_CHECKING:
    from homing.core.journeys.program import Journey
    from homing.core.journeys.programs import Programs
    from homing.core.journeys.run import Run
    from homing.ports import Tx
    from homing.processes.journey_stats import Totals

FIELDS: Final = {
    "name": "",
    "status": "live, draft, paused, or gone: in the store and no longer in the configuration",
    "version": "of its definition in force",
    "entered": "how many runs there ever were",
    "waiting": "how many wait now",
    "completed": "how many came to an end of it",
    "exited": "how many were ended otherwise: by an exit above all",
    "converted": "how many reached the goal",
    "not_entered": "how many events matched and started nothing, by reason",
}
SHOW_FIELDS: Final = {
    "journey": "as `journeys list` has it",
    "description": "",
    "entry": "when, key, reentry, repeat",
    "exits": "name, when",
    "goal": "when; null without one",
    "versions": "version, in_force, waiting: those that anybody waits on, and the one in force",
    "steps": "step, does (null of a step of older versions only), and of all versions: waiting "
    "(now), entered, passed, branches (by name: to, taken), exited (by exit), skipped (by reason)",
}
RUN_FIELDS: Final = {
    "run": "as `journeys runs` has it",
    "waits_for": "of a run that waits: what ends the wait: name, when (null: its time), to",
    "history": "at, what, step, name (of the branch, variant, exit, email or effect), reason, "
    "due_at, event, send, value: oldest first",
    "sends": "those it reserved, as `sends list` has them",
}
COLUMNS: Final = tuple(name for name in FIELDS if name != "not_entered")
RUN_COLUMNS: Final = (
    "id", "entered_at", "person", "key", "state", "step", "due_at", "variant", "reason",
    "converted_at", "value",
)  # fmt: skip
HISTORY: Final = ("at", "what", "step", "name", "reason", "due_at", "event", "send", "value")
STATES: Final = (
    "waiting", "completed", "exited", "looped", "merged", "failed", "archived",
)  # fmt: skip


@click.group("journeys", cls=Listing)
def journeys_command() -> None:
    """
    List journeys, or show one, its runs, or one run.

    `homing journeys` lists, `homing journeys NAME` shows one.
    """


@journeys_command.command("list")
@config_option
@json_option
def list_journeys(config: Path | None, *, as_json: bool) -> None:
    """List journeys: those of the configuration, then those the store knows besides."""
    from homing.processes.journey_stats import totals_of

    current = loaded_config(config).plans.journeys
    with looking(config) as tx:
        totals = totals_of(tx, tx.books.counts())
    names = [*current, *(name for name in totals if name not in current)]
    rows = [_journey_view(name, current.get(name), totals.get(name)) for name in names]
    rows_out(rows, as_json=as_json, columns=COLUMNS)


def _journey_view(name: str, journey: Journey | None, totals: Totals | None) -> dict[str, Any]:
    counted = ("entered", "waiting", "completed", "exited", "converted")
    return {
        "name": name,
        "status": "gone" if journey is None else journey.status.value,
        "version": None if journey is None else journey.version,
        **{one: 0 if totals is None else getattr(totals, one) for one in counted},
        "not_entered": {} if totals is None else dict(totals.not_entered),
    }


@journeys_command.command("show")
@click.argument("journey")
@config_option
@json_option
def show_journey(journey: str, *, config: Path | None, as_json: bool) -> None:
    """Show one journey: what each step does, who waits there, and which way they went."""
    from homing.cli.programs import programs_in

    loaded = loaded_config(config)
    with looking(config) as tx:
        shown = story_of(tx, programs_in(tx, loaded), journey)
    if as_json:
        json_out(shown)
    else:
        _story_out(shown)


def story_of(tx: Tx, programs: Programs, name: str) -> dict[str, Any]:
    """
    One journey and what happened in it.

    Raises:
        BadInput: There is none of that name.
    """
    from homing.cli.programs import newest_program, no_journey
    from homing.processes.journey_stats import flows_in, totals_of

    counts = tx.books.counts()
    totals = totals_of(tx, counts)
    journey = newest_program(programs, name)
    if journey is None and name not in totals:
        raise no_journey(name, [*programs.current, *totals])
    stands = tx.runs.stands(name)
    in_force = programs.current.get(name)
    return {
        "journey": _journey_view(name, in_force, totals.get(name)),
        **_rules(journey),
        "versions": _versions(stands, in_force),
        "steps": list(_steps(journey, stands, flows_in(counts).get(name, []))),
    }


def _rules(journey: Journey | None) -> dict[str, Any]:
    if journey is None:
        return {"description": "", "entry": None, "exits": [], "goal": None}
    entry, goal = journey.entry, journey.goal
    return {
        "description": journey.description,
        "entry": {
            "when": entry.when.text,
            "key": None if entry.key is None else entry.key.text,
            "reentry": reentry_text(entry.reentry),
            "repeat": entry.repeat.value,
        },
        "exits": [{"name": one.name, "when": one.when.text} for one in journey.exits],
        "goal": None if goal is None else {"when": goal.when.text},
    }


def reentry_text(reentry: str | int) -> str:
    """When somebody may enter again, as the configuration has it."""
    from homing.core.durations import duration_text

    return str(reentry) if isinstance(reentry, str) else duration_text(reentry / 1000)


def _versions(
    stands: Mapping[tuple[str, str], int], in_force: Journey | None
) -> list[dict[str, Any]]:
    waiting: dict[str, int] = {} if in_force is None else {in_force.version: 0}
    for (version, _), count in stands.items():
        waiting[version] = waiting.get(version, 0) + count
    return [
        {
            "version": version,
            "in_force": in_force is not None and version == in_force.version,
            "waiting": count,
        }
        for version, count in waiting.items()
    ]


def _steps(
    journey: Journey | None, stands: Mapping[tuple[str, str], int], flows: Iterable[Any]
) -> Iterator[dict[str, Any]]:
    from homing.core.journeys.statistics import Rows, Stand, step_tables

    known = () if journey is None else tuple(journey.places)
    waits = [Stand("waiting", step, "", count) for (_, step), count in stands.items()]
    tables = step_tables(Rows(tuple(flows), waits), known)
    does = {} if journey is None else _described(journey)
    for table in (one for one in tables if one.variant is None):
        words, ways = does.get(table.step, (None, {}))
        timed_out = {"timeout": table.timed_out} if table.timed_out else {}
        taken = {**table.branches, **table.restarts, **timed_out}
        yield {
            "step": table.step,
            "does": words,
            "waiting": table.waiting,
            "entered": table.entered,
            "passed": table.passed,
            "branches": {
                name: {"to": ways.get(name), "taken": taken.get(name, 0)}
                for name in dict.fromkeys([*ways, *taken])
            },
            "exited": dict(table.exited),
            "skipped": dict(table.skipped),
        }


def _described(journey: Journey) -> dict[str, tuple[str, dict[str, str]]]:
    """What each step does in words, and where its branches lead."""
    from homing.core.journeys.graph import chart_of

    chart = chart_of(journey)
    lines = {node.id: " ".join(node.lines[1:]) for node in chart.nodes}
    return {
        step.id: (lines[f"step{number}"], dict(ways_of(journey, number)))
        for number, step in enumerate(journey.steps)
    }


def ways_of(journey: Journey, number: int) -> Iterator[tuple[str, str]]:
    """The branches of a step by name, each with the step it leads to, "end" or "restart"."""
    from homing.core.journeys.program import END, RESTART, Hold, Random, Split

    def place(target: int) -> str:
        names = {END: "end", RESTART: "restart"}
        return names.get(target) or journey.steps[target].id

    match journey.steps[number]:
        case Hold() as hold:
            yield from ((one.name, place(one.then)) for one in hold.on)
            yield "timeout", place(hold.timeout)
        case Split() as split:
            yield from ((one.name, place(one.then)) for one in split.branches)
            yield "else", place(split.otherwise)
        case Random() as random:
            yield from ((one.name, place(one.then)) for one in random.variants)
        case _:
            return


def _story_out(shown: Mapping[str, Any]) -> None:
    entry = shown["entry"] or {}
    pairs_out(
        {
            **shown["journey"],
            "description": shown["description"],
            **{f"entry {name}": value for name, value in entry.items()},
            **{f"exit {one['name']}": one["when"] for one in shown["exits"]},
            "goal": (shown["goal"] or {}).get("when"),
        }
    )
    for name in ("versions", "steps"):
        if shown[name]:
            heading_out(name)
            rows_out(map(_flat, shown[name]), as_json=False)


def _flat(row: Mapping[str, Any]) -> dict[str, object]:
    """A row for a table: what is by name in words."""
    words: dict[str, object] = {}
    for name, value in row.items():
        words[name] = counted_text(value) if isinstance(value, Mapping) else value
    return words


def counted_text(counts: Mapping[str, Any]) -> str:
    """Counts by name in words; of branches also where they lead."""
    parts = []
    for name, value in counts.items():
        if isinstance(value, Mapping):
            to = f" -> {value['to']}" if value["to"] else ""
            parts.append(f"{name}{to}: {value['taken']}")
        else:
            parts.append(f"{name}: {value}")
    return ", ".join(parts)


@journeys_command.command("runs")
@click.argument("journey", required=False)
@click.option("--person", metavar="WHO", help="Only of one person: userId, anonymousId, address.")
@click.option("--state", type=click.Choice(STATES), help="Only those in this state.")
@click.option("--step", metavar="ID", help="Only those that wait, or ended, at this step.")
@click.option("--before", metavar="RUN", help="Only runs before this one.")
@limit_option
@config_option
@json_option
def list_runs(  # noqa: PLR0913  one a filter
    journey: str | None,
    *,
    person: str | None,
    state: str | None,
    step: str | None,
    before: str | None,
    limit: int,
    config: Path | None,
    as_json: bool,
) -> None:
    """List runs of a JOURNEY, or of all, newest first."""
    from homing.cli.finding import person_named, run_named
    from homing.cli.views import run_view

    with looking(config) as tx:
        start = None if before is None else run_named(tx, before).id
        runs: Iterable[Run]
        if person is not None:
            runs = tx.runs.newest_of(person_named(tx, person).id, limit=100_000)
        else:
            runs = newest(
                lambda at: tx.runs.newest(journey, before=at, limit=PAGE), lambda run: run.id,
                before=start,
            )  # fmt: skip
        chosen = first(
            runs, limit,
            lambda run: journey is None or run.journey == journey,
            lambda run: state is None or run.state.value == state,
            lambda run: step is None or run.step == step,
            lambda run: start is None or run.id < start,
        )  # fmt: skip
        views = [run_view(tx, run) for run in chosen]
    columns = RUN_COLUMNS if journey is not None else ("id", "journey", *RUN_COLUMNS[1:])
    rows_out(views, as_json=as_json, columns=columns)


@journeys_command.command("run")
@click.argument("run")
@config_option
@json_option
def show_run(run: str, *, config: Path | None, as_json: bool) -> None:
    """Show one run: RUN is its number (r12), or the id of a send it reserved."""
    from homing.cli.finding import run_named
    from homing.cli.programs import programs_in
    from homing.cli.run_stories import run_story

    loaded = loaded_config(config)
    with looking(config) as tx:
        shown = run_story(tx, run_named(tx, run), programs_in(tx, loaded))
    if as_json:
        json_out(shown)
    else:
        run_out(shown)


def run_out(shown: Mapping[str, Any]) -> None:
    """Write what `run_story` tells for people."""
    from homing.cli import sends

    pairs_out(shown["run"])
    if shown["waits_for"]:
        heading_out("waits for")
        for one in shown["waits_for"]:
            when = "its time" if one["when"] is None else one["when"]
            click.echo(text(f"{one['name']} -> {one['to']}: {when}"))
    for name, columns in (("history", HISTORY), ("sends", sends.COLUMNS)):
        if shown[name]:
            heading_out(name)
            rows_out(shown[name], as_json=False, columns=columns)

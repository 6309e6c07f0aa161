"""``homing stats``: the books; and what a journey came to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from homing.cli.main import config_option, json_option
from homing.cli.reach import loaded_config, looking, store_path
from homing.cli.show import heading_out, json_out, pairs_out, rows_out

if TYPE_CHECKING:
    from homing.core.journeys.experiments import Interval
    from homing.core.journeys.statistics import Arm, Rate, Step
    from homing.ports import Tx
    from homing.processes.journey_stats import JourneyStats

FIELDS: Final = {
    "requests": "received, pending (not yet split into events)",
    "events": "received, duplicates, and pending, done, filtered, quarantined, dead: "
    "received is the sum of these five",
    "effects": "per destination: ready, sent (an API works on it), done, dead, dropped",
    "sends": "by state",
    "unknown": "sends of which nobody knew: total, and how they were resolved",
    "journeys": "by name: entered, waiting, completed, exited, converted",
    "audiences": "by key: how many are in it",
    "lists": "by name: members (who should be on it), untold (of whom SendGrid is to be told)",
}
JOURNEY_FIELDS: Final = {
    "journey": "with --journey: its name",
    "entered, completed, exited, converted": "runs since the store was made",
    "waiting": "runs that wait now",
    "not_entered": "events that matched and started nothing, by reason",
    "kept": "runs that are kept, by state: what follows, but the steps' own counts, is of these",
    "conversions": "hits, total, rate, low, high: 95 % interval",
    "value": "of all conversions, a decimal number as text: exact",
    "touches": "sends by what they had to do with a conversion: first and last before it, late "
    "(left after it, by event time: regret), just_before (left at most 10 minutes before it)",
    "steps": 'one a step and variant (null: all; "": none): entered, waiting, passed, branches, '
    "timed_out, restarted, exited, completed, drop_off (share of those who came whose run was "
    "ended there), effects, sends (by state), sent, skipped (by reason), delivered, opened, "
    "machine_opened (and by nobody), clicked, unsubscribed, bounced, spam, converted (while "
    "there, or ended there), touches, value (of conversions whose last touch it was)",
    "splits": "one a random split: step, and variants: variant, runs, converted, opened, clicked "
    "(of runs that a mail reached), each with hits, total, rate, low, high, and its difference "
    "from the first variant with low, high; value, mean (per run), mean_difference",
}
STEP_COLUMNS: Final = (
    "step", "variant", "entered", "waiting", "branches", "timed_out", "drop_off", "exited", "sent",
    "skipped", "delivered", "opened", "machine_opened", "clicked", "unsubscribed", "converted",
    "value",
)  # fmt: skip


PAGE: Final = 2_000


@click.command("stats")
@click.option("--journey", metavar="NAME", help="What this journey came to, step by step.")
@config_option
@json_option
def stats_command(journey: str | None, *, config: Path | None, as_json: bool) -> None:
    """
    The books: what came in and what became of it.

    With --journey the funnel of one journey: what happened at each step, how its random splits
    compare, and what was sent in vain. Runs are the units of all rates; differences are from the
    first variant. A million runs take some seconds.
    """
    if journey is not None:
        _journey_out(_stats_of(journey, config), as_json=as_json)
        return
    tables = _books(config)
    if as_json:
        json_out(tables)
    else:
        rows_out(_flat(tables), as_json=False)


def _books(config: Path | None) -> dict[str, Any]:
    from homing.adapters.sqlite.log import SqliteLogReader, log_path
    from homing.processes.books import books_of
    from homing.processes.journey_stats import totals_of

    reader = SqliteLogReader.if_made(log_path(store_path(config)))
    with looking(config) as tx:
        # the log is read second: every request before the cursor is in it
        books = books_of(tx, head=0 if reader is None else reader.head())
        totals = totals_of(tx, books.counts)
        audiences = dict(tx.members.audiences())
        lists = {name: _list_view(tx, name) for name in _lists(config)}
    counted = ("entered", "waiting", "completed", "exited", "converted")
    journeys = {
        name: {one: getattr(total, one) for one in counted} for name, total in totals.items()
    }
    return {**books.tables(), "journeys": journeys, "audiences": audiences, "lists": lists}


def _lists(config: Path | None) -> Iterable[str]:
    return loaded_config(config).plans.lists


def _list_view(tx: Tx, name: str) -> dict[str, int]:
    """How many should be on a list, and of how many SendGrid is still to be told."""
    members, untold, after = 0, 0, ""
    while rows := tx.members.of_list(name, after=after, limit=PAGE):
        members += sum(row.wanted for row in rows)
        untold += sum(row.is_open and (row.wanted or row.told is not None) for row in rows)
        after = rows[-1].address
    return {"members": members, "untold": untold}


def _flat(tables: Mapping[str, Mapping[str, object]]) -> Iterator[dict[str, object]]:
    for book, table in tables.items():
        for name, value in table.items():
            counts = value.items() if isinstance(value, dict) else [("", value)]
            for state, count in counts:
                yield {"book": book, "what": f"{name} {state}".strip(), "count": count}


def _stats_of(journey: str, config: Path | None) -> dict[str, Any]:
    """
    What a journey came to, as printed.

    Raises:
        BadInput: The store knows none of that name.
    """
    from homing.cli.main import BadInput
    from homing.config.problems import guess
    from homing.processes.journey_stats import stats_of, totals_of

    with looking(config) as tx:
        totals = totals_of(tx, tx.books.counts())
        if journey not in totals:
            hint = guess(journey, totals) or ""
            msg = f"the store knows of no journey {journey!r}{hint}"
            raise BadInput(msg)
        return journey_view(stats_of(tx, journey))


def journey_view(stats: JourneyStats) -> dict[str, Any]:
    """What a journey came to, as one object."""
    totals = stats.totals
    return {
        "journey": stats.journey,
        "entered": totals.entered,
        "completed": totals.completed,
        "exited": totals.exited,
        "converted": totals.converted,
        "waiting": totals.waiting,
        "not_entered": dict(totals.not_entered),
        "kept": dict(stats.runs),
        "conversions": {
            "hits": stats.converted, "total": sum(stats.runs.values()), **_bounds(stats.rate),
        },
        "value": format(stats.value, "f"),
        "touches": dict(stats.touches),
        "steps": [_step_view(step) for step in stats.steps],
        "splits": [
            {"step": split.step, "variants": [_arm_view(arm) for arm in split.arms]}
            for split in stats.splits
        ],
    }  # fmt: skip


def _step_view(step: Step) -> dict[str, Any]:
    plain = (
        "step", "variant", "entered", "waiting", "passed", "branches", "timed_out", "restarted",
        "exited", "completed", "drop_off", "effects", "sends", "sent", "skipped", "delivered",
        "opened", "machine_opened", "clicked", "unsubscribed", "bounced", "spam", "converted",
        "touches",
    )  # fmt: skip
    return {**{name: getattr(step, name) for name in plain}, "value": format(step.value, "f")}


def _arm_view(arm: Arm) -> dict[str, Any]:
    return {
        "variant": arm.variant,
        "runs": arm.runs,
        "converted": _rate_view(arm.converted),
        "opened": _rate_view(arm.opened),
        "clicked": _rate_view(arm.clicked),
        "value": format(arm.value, "f"),
        "mean": arm.mean,
        "mean_difference": _difference_view(arm.mean_difference),
    }


def _rate_view(rate: Rate) -> dict[str, Any]:
    return {
        "hits": rate.hits,
        "total": rate.total,
        **_bounds(rate.rate),
        "difference": _difference_view(rate.difference),
    }


def _bounds(rate: Interval) -> dict[str, float]:
    return {"rate": rate.value, "low": rate.low, "high": rate.high}


def _difference_view(found: Interval | None) -> dict[str, float] | None:
    if found is None:
        return None
    return {"value": found.value, "low": found.low, "high": found.high}


def _journey_out(shown: Mapping[str, Any], *, as_json: bool) -> None:
    from homing.cli.journeys import counted_text

    if as_json:
        json_out(shown)
        return
    plain = {name: value for name, value in shown.items() if name not in {"steps", "splits"}}
    plain |= {name: counted_text(plain[name]) for name in ("not_entered", "kept", "touches")}
    plain["conversions"] = _rate_text(shown["conversions"])
    pairs_out(plain)
    if shown["steps"]:
        heading_out("steps")
        rows_out([_step_line(step) for step in shown["steps"]], as_json=False, columns=STEP_COLUMNS)
    for split in shown["splits"]:
        heading_out(f"split {split['step']}")
        rows_out([_arm_line(arm) for arm in split["variants"]], as_json=False)


def _step_line(step: Mapping[str, Any]) -> dict[str, object]:
    from homing.cli.journeys import counted_text

    words = {name: counted_text(step[name]) for name in ("branches", "exited", "skipped")}
    drop = step["drop_off"]
    shown = {name: value or None for name, value in step.items()}  # a table of zeros is no table
    shown["variant"] = "(none)" if step["variant"] == "" else step["variant"]
    return {**shown, **words, "drop_off": f"{drop:.1%}" if drop else None, "value": step["value"]}


def _arm_line(arm: Mapping[str, Any]) -> dict[str, object]:
    rates = {name: _rate_text(arm[name]) for name in ("converted", "opened", "clicked")}
    versus = arm["mean_difference"]
    difference = (
        f"{versus['value']:+.2f} ({versus['low']:+.2f} to {versus['high']:+.2f})" if versus else ""
    )
    return {
        "variant": arm["variant"], "runs": arm["runs"], **rates, "value": arm["value"],
        "mean": f"{arm['mean']:.2f}", "difference": difference,
    }  # fmt: skip


def _rate_text(rate: Mapping[str, Any]) -> str:
    """A rate with its interval, and its difference from the first variant's with its own."""
    if not rate["total"]:
        return "of none"
    known = f"{rate['hits']} of {rate['total']}: {rate['rate']:.1%}"
    known += f" ({rate['low']:.1%} to {rate['high']:.1%})"
    versus = rate.get("difference")
    if versus is None:
        return known
    return f"{known}, {versus['value']:+.1%} ({versus['low']:+.1%} to {versus['high']:+.1%})"

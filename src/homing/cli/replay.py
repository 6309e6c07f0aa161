"""``homing replay``: evaluate kept events again."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from homing.cli.listing import PAGE, newest
from homing.cli.main import config_option, json_option, yes_option
from homing.cli.reach import acting, looking
from homing.cli.show import confirm, progress, rows_out

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from homing.ports import EventRow, Tx

FIELDS: Final = {
    "id": "the event",
    "status": 'the state it has now; "gone" once its bytes are, "erased" if an erasure took them; '
    "of --dry-run: the state it has",
}
AT_ONCE = 50
MOST = 1_000_000


@click.command("replay")
@click.argument("events", nargs=-1, metavar="[EVENT]...")
@click.option("--since", metavar="DURATION", help='Received within, e.g. "2h".')
@click.option("--state", type=click.Choice(("done", "filtered", "quarantined", "dead")),
              help="Only those in this state.")  # fmt: skip
@click.option("--name", help="Only track events of this name.")
@click.option("--reason", metavar="TEXT", help="Only with this in the reason.")
@click.option("--dry-run", is_flag=True, help="Say which, and do nothing.")
@yes_option
@config_option
@json_option
def replay_command(  # noqa: PLR0913  one an option
    *,
    events: tuple[str, ...],
    since: str | None,
    state: str | None,
    name: str | None,
    reason: str | None,
    dry_run: bool,
    yes: bool,
    config: Path | None,
    as_json: bool,
) -> None:
    """
    Evaluate kept events again, under their own ids, by the configuration in force.

    EVENT is a number (e12) or a messageId; without any, --since, --state, --name and --reason
    choose. What an event already reserved is not reserved again: no second email. The events run
    oldest first.
    """
    choice = (since, state, name, reason)
    if bool(events) == any(choice):
        msg = "say which: EVENT..., or --since, --state, --name, --reason"
        raise click.UsageError(msg)
    with looking(config) as tx:
        rows = list(_named(tx, events) if events else _chosen(tx, *choice))
    rows.sort(key=lambda row: row.id)
    if dry_run:
        rows_out([_said(row.id, row.state.value) for row in rows], as_json=as_json)
        return
    if not events:
        confirm(f"replay {len(rows):,} events?", yes=yes or not rows)
    batches = [rows[start : start + AT_ONCE] for start in range(0, len(rows), AT_ONCE)]
    with acting(config) as ask, progress("replay", batches) as going:
        done = [
            _said(int(number), status)
            for batch in going
            for number, status in ask({"do": "replay", "events": [row.id for row in batch]})[
                "events"
            ].items()
        ]
    rows_out(done, as_json=as_json)


def _said(number: int, status: str) -> dict[str, object]:
    return {"id": f"e{number}", "status": status}


def _named(tx: Tx, names: Iterable[str]) -> Iterator[EventRow]:
    from homing.cli.finding import event_named

    return (event_named(tx, name) for name in dict.fromkeys(names))


def _chosen(tx: Tx, since: str | None, *filters: str | None) -> Iterator[EventRow]:
    state, name, reason = filters
    from homing.core.effects import EventState

    wanted = None if state is None else EventState(state)
    after = _after_ms(since)
    rows = newest(
        lambda at: tx.events.newest(state=wanted, before=at, limit=PAGE), lambda row: row.id
    )
    for row in islice(rows, MOST):
        if row.received_at < after:
            return
        if _is_chosen(row, state, name=name, reason=reason):
            yield row


def _is_chosen(row: EventRow, state: str | None, *, name: str | None, reason: str | None) -> bool:
    return (
        (state is None or row.state.value == state)
        and (name is None or row.name == name)
        and (reason is None or reason.lower() in (row.reason or "").lower())
    )


def _after_ms(since: str | None) -> int:
    from homing.adapters.clock import SystemClock
    from homing.core.durations import parse_duration

    if since is None:
        return 0
    try:
        return SystemClock().now_ms() - int(parse_duration(since) * 1000)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--since") from error

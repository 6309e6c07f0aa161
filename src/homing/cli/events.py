"""``homing events``: what came in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from homing.cli.listing import PAGE, Listing, first, limit_option, newest
from homing.cli.main import config_option, json_option
from homing.cli.reach import looking, store_path
from homing.cli.show import heading_out, json_out, pairs_out, rows_out, text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from homing.ports import EventRow, Tx

COLUMNS: Final = ("id", "received_at", "source", "type", "name", "person", "state", "reason")
SHOW_FIELDS: Final = {
    "event": "as `events list` has it",
    "raw": "its bytes as they were received; null once they are gone",
    "sends": "the sends it caused, as `sends list` has them",
}
STATES: Final = ("done", "filtered", "quarantined", "dead")


@click.group("events", cls=Listing)
def events_command() -> None:
    """
    List events, or show one.

    `homing events [OPTIONS]` lists, `homing events ID` shows one.
    """


@events_command.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only those in this state.")
@click.option("--name", help="Only track events of this name.")
@click.option("--person", metavar="WHO", help="Only of one person: userId, anonymousId, address.")
@click.option("--before", metavar="ID", help="Only events before this one.")
@limit_option
@config_option
@json_option
def list_events(  # noqa: PLR0913  one a filter
    *,
    state: str | None,
    name: str | None,
    person: str | None,
    before: str | None,
    limit: int,
    config: Path | None,
    as_json: bool,
) -> None:
    """List events, newest first."""
    from homing.cli.finding import event_named, numbers_of, person_named
    from homing.cli.views import event_view

    with looking(config) as tx:
        start = None if before is None else event_named(tx, before).id
        who = None if person is None else person_named(tx, person)
        rows: Iterable[EventRow]
        if who is None:
            rows = newest(lambda at: _page(tx, state, at), lambda row: row.id, before=start)
        else:
            rows = tx.events.of_person(numbers_of(who), limit=100_000)
        chosen = first(
            rows, limit,
            lambda row: name is None or row.name == name,
            lambda row: state is None or row.state.value == state,
            lambda row: start is None or row.id < start,
        )  # fmt: skip
        label = None if who is None else who.label
        views = [event_view(tx, row, label=label) for row in chosen]
    rows_out(views, as_json=as_json, columns=COLUMNS)


def _page(tx: Tx, state: str | None, before: int | None) -> list[EventRow]:
    from homing.core.effects import EventState

    wanted = None if state is None else EventState(state)
    return tx.events.newest(state=wanted, before=before, limit=PAGE)


@events_command.command("show")
@click.argument("event")
@config_option
@json_option
def show_event(event: str, *, config: Path | None, as_json: bool) -> None:
    """Show one event: EVENT is its number (e12) or its messageId."""
    from homing.adapters.sqlite.log import SqliteLogReader, log_path
    from homing.cli import sends
    from homing.cli.finding import event_bytes, event_named
    from homing.cli.views import event_view, send_view

    reader = SqliteLogReader.if_made(log_path(store_path(config)))
    with looking(config) as tx:
        row = event_named(tx, event)
        found = event_bytes(reader, row)
        view = event_view(tx, row)
        caused = [send_view(send) for send in tx.sends.of_event(row.id)]
    raw = None if found is None else found[0].decode("utf-8", "replace")
    if as_json:
        json_out({"event": view, "raw": raw, "sends": caused})
        return
    pairs_out(view)
    heading_out("as received")
    click.echo(text(raw) if raw is not None else "gone: retention or an erasure took it")
    if caused:
        heading_out("sends")
        rows_out(caused, as_json=False, columns=sends.COLUMNS)

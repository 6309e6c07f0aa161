"""``homing sends``: the ledger."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from homing.cli.listing import PAGE, Listing, first, limit_option, newest
from homing.cli.main import config_option, json_option
from homing.cli.reach import loaded_config, looking
from homing.cli.show import heading_out, json_out, pairs_out, rows_out, text, time_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from homing.config import Loaded
    from homing.core.effects import SendRow
    from homing.core.mail import Rendered
    from homing.ports import Attempt, EventRow, Tx

COLUMNS: Final = ("id", "reserved_at", "email", "to", "person", "state", "mail", "rule", "reason")
STATES: Final = (
    "reserved", "in_flight", "retry", "unknown", "parked", "accepted", "rejected", "skipped",
    "expired", "dropped",
)  # fmt: skip
SHOW_FIELDS: Final = {
    "send": "as `sends list` has it",
    "timeline": "at, what: in order of time",
    "attempts": "number, at, outcome, detail: what every attempt but a plain acceptance came to",
    "events": "SendGrid's events of it, as `events list` has them",
    "data": "the template data; null once it is gone",
    "body": "the body of mail/send it has, or would have now; null once the data is gone",
    "rendered": "subject, html, text: of an email that Homing renders; else null",
}


_PARTS: Final = {
    "timeline": ("at", "what"),
    "attempts": ("number", "at", "outcome", "detail"),
    "events": ("id", "at", "type", "state", "reason"),
}


@click.group("sends", cls=Listing)
def sends_command() -> None:
    """
    List sends, or show one with all that became of it.

    `homing sends [OPTIONS]` lists, `homing sends ID` shows one.
    """


@sends_command.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only those in this state.")
@click.option("--email", metavar="NAME", help="Only of this [email.NAME].")
@click.option("--rule", metavar="NAME", help="Only of this route.")
@click.option("--person", metavar="WHO", help="Only of one person: userId, anonymousId, address.")
@click.option("--before", metavar="ID", help="Only sends before this one.")
@limit_option
@config_option
@json_option
def list_sends(  # noqa: PLR0913  one a filter
    *,
    state: str | None,
    email: str | None,
    rule: str | None,
    person: str | None,
    before: str | None,
    limit: int,
    config: Path | None,
    as_json: bool,
) -> None:
    """List sends, newest first."""
    from homing.cli.finding import person_named, sends_of
    from homing.cli.views import send_view
    from homing.stages.act import find_send

    with looking(config) as tx:
        start = None if before is None else find_send(tx, before).id
        rows: Iterable[SendRow]
        if person is not None:
            rows = sends_of(tx, person_named(tx, person), limit=100_000)
        else:
            rows = newest(
                lambda at: tx.sends.newest(state=state, before=at, limit=PAGE),
                lambda row: row.id, before=start,
            )  # fmt: skip
        chosen = first(
            rows, limit,
            lambda row: state is None or row.state == state,
            lambda row: email is None or row.email == email,
            lambda row: rule is None or row.rule == rule,
            lambda row: start is None or row.id < start,
        )  # fmt: skip
    rows_out(map(send_view, chosen), as_json=as_json, columns=COLUMNS)


@sends_command.command("show")
@click.argument("send")
@click.option("--html", "html_file", type=click.Path(path_type=Path), help="Write the HTML there.")
@config_option
@json_option
def show_send(send: str, *, html_file: Path | None, config: Path | None, as_json: bool) -> None:
    """Show one send: its timeline, attempts and events, its data and the mail itself."""
    from homing.stages.act import find_send

    with looking(config) as tx:
        row = find_send(tx, send)
        shown = story_of(tx, row)
        shown |= _mail_of(tx, row, _loaded(config))
    if html_file is not None:
        _write_html(html_file, shown["rendered"])
    if as_json:
        json_out(shown)
    else:
        _story_out(shown)


def story_of(tx: Tx, row: SendRow) -> dict[str, Any]:
    """What became of a send."""
    from homing.cli.views import attempt_view, event_view, send_view

    events, attempts = _events_of(tx, row), tx.sends.attempts(row.id)
    return {
        "send": send_view(row),
        "timeline": _timeline(row, attempts, events),
        "attempts": [attempt_view(attempt) for attempt in attempts],
        "events": [event_view(tx, event) for event in events],
    }


def _events_of(tx: Tx, row: SendRow) -> list[EventRow]:
    """SendGrid's events of a send, oldest first: they are in its person's history."""
    from homing.cli.finding import numbers_of

    person = tx.people.get(row.person)
    if person is None:
        return []
    found = tx.events.of_person(numbers_of(person), limit=10_000)
    return [event for event in reversed(found) if event.send == row.id]


def _timeline(
    row: SendRow, attempts: list[Attempt], events: list[EventRow]
) -> list[dict[str, object]]:
    lines: list[tuple[int | None, str]] = [
        (row.reserved_at, f"reserved by {row.rule}"),
        (row.in_flight_at, f"attempt {row.attempt} began"),
        *((a.at, f"attempt {a.number}: {a.outcome}: {a.detail}") for a in attempts),
        (row.accepted_at, f"accepted: {row.message_id or 'by evidence, or by hand'}"),
    ]
    known = [(at, at, what) for at, what in lines if at is not None]
    # SendGrid's times are whole seconds: within one, its word comes after ours
    known += [(e.at + 999, e.at, f"{e.type} (e{e.id})") for e in events]
    return [{"at": time_text(at), "what": what} for _, at, what in sorted(known, key=_first)]


def _first(line: tuple[int, int, str]) -> int:
    return line[0]


def _loaded(config: Path | None) -> Loaded | None:
    from homing.config import ConfigError

    try:
        return loaded_config(config)
    except ConfigError:
        return None  # what became of a send can be told without


def _mail_of(tx: Tx, row: SendRow, loaded: Loaded | None) -> dict[str, Any]:
    """The mail as the code that sends would make it now, from the data that was kept."""
    from homing.cli.views import json_in

    raw = tx.sends.data(row.id)
    email = None if loaded is None else loaded.plans.emails.get(row.email)
    gone: dict[str, Any] = {"data": json_in(raw), "body": None, "rendered": None}
    if email is None or row.address is None:
        return gone
    from homing.adapters.render import HandlebarsRenderer, RenderError
    from homing.cli.mailing import Draft, Templates
    from homing.stages.compose import claimed_of

    draft = Draft(row, claimed_of(row, email, tx.suppressions.of(row.address), data=raw), email)
    templates = Templates.of(email)
    rendered = None
    try:
        if templates is not None:
            rendered = templates.rendered(HandlebarsRenderer(), draft.data)
    except RenderError as error:
        return {**gone, "rendered": {"error": str(error)}}
    return {
        **gone,
        "body": json_in(draft.body(rendered)),
        "rendered": rendered and _parts(rendered),
    }


def _parts(rendered: Rendered) -> dict[str, str | None]:
    return {"subject": rendered.subject, "html": rendered.html, "text": rendered.text}


def _write_html(path: Path, rendered: Mapping[str, str | None] | None) -> None:
    from homing.cli.main import BadInput

    html = rendered and rendered.get("html")
    if not html:
        raise BadInput("there is no HTML: SendGrid has the template, or the data is gone")
    path.write_text(html)


def _story_out(shown: dict[str, Any]) -> None:
    import orjson

    pairs_out(shown["send"])
    for name in _PARTS:
        if shown[name]:
            heading_out(name)
            rows_out(shown[name], as_json=False, columns=_PARTS[name])
    for name in ("data", "body"):
        if shown[name]:
            heading_out("api body" if name == "body" else name)
            click.echo(text(orjson.dumps(shown[name], option=orjson.OPT_INDENT_2).decode()))
    if shown["rendered"]:
        mail_out(shown["rendered"])


def mail_out(rendered: Mapping[str, str | None]) -> None:
    """Write a mail for people: its subject, and its parts."""
    for name in ("error", "subject", "text", "html"):
        part = rendered.get(name)
        if part:
            heading_out(name)
            click.echo(text(part))

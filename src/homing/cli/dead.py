"""``homing dead``: what failed for good, and waits for a person."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from homing.cli.listing import PAGE, Listing, limit_option, newest
from homing.cli.main import config_option, json_option, yes_option
from homing.cli.reach import acting, looking
from homing.cli.show import confirm, json_out, pairs_out, progress, rows_out, time_text

if TYPE_CHECKING:
    from homing.ports import Tx

COLUMNS: Final = ("id", "kind", "what", "at", "state", "reason")
KINDS: Final = ("send", "event", "effect")
FIELDS: Final = {
    "id": "a send's id, e12 an event, x12 an effect",
    "kind": "send, event or effect",
    "what": "the email; the event's name or type; the destination and call",
    "at": "since when",
    "state": "of a send: rejected, expired or parked; quarantined; dead",
    "reason": "what went wrong, in the words of who said so",
}
DONE_FIELDS: Final = {
    "id": "as in the list",
    "status": "the state it has now",
    "error": "instead: why it was refused",
}
SEND_STATES: Final = ("rejected", "expired", "parked")

kind_option = click.option("--kind", type=click.Choice(KINDS), help="Only of this kind.")
reason_option = click.option("--reason", metavar="TEXT", help="Only with this in the reason.")


@click.group("dead", cls=Listing)
def dead_command() -> None:
    """
    List, show, retry or give up what failed for good.

    Three kinds: sends that SendGrid or the clock refused, or that were parked; events that could
    not be used (quarantined); calls that Segment or SendGrid refused, or that a rule asked for and
    that could not be made.
    """


@dead_command.command("list")
@kind_option
@reason_option
@limit_option
@config_option
@json_option
def list_dead(
    *, kind: str | None, reason: str | None, limit: int, config: Path | None, as_json: bool
) -> None:
    """List what is dead, newest first within each kind."""
    with looking(config) as tx:
        rows = list(islice(_dead(tx, kind, reason), limit))
    rows_out(rows, as_json=as_json, columns=COLUMNS)


@dead_command.command("show")
@click.argument("id_", metavar="ID")
@config_option
@json_option
def show_dead(id_: str, *, config: Path | None, as_json: bool) -> None:
    """Show one: ID is as in the list. Of an effect, with the call that was refused."""
    from homing.cli import events, sends
    from homing.cli.finding import event_named

    if id_[:1] == "x":
        with looking(config) as tx:
            view = _effect(tx, id_)
        (json_out if as_json else pairs_out)(view)
        return
    with looking(config) as tx:
        is_event = id_[:1] == "e" and event_named(tx, id_) is not None
    show, name = (events.show_event, "event") if is_event else (sends.show_send, "send")
    click.get_current_context().invoke(show, **{name: id_}, config=config, as_json=as_json)


@dead_command.command("retry")
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--all", "every", is_flag=True, help="All of the list, as filtered.")
@kind_option
@reason_option
@yes_option
@config_option
@json_option
def retry_dead(*, ids: tuple[str, ...], **options: Any) -> int:  # noqa: ANN401  see _each
    """Try again: a send is sent, a call is made, an event is evaluated again."""
    return _each("retry", ids, **options)


@dead_command.command("drop")
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--all", "every", is_flag=True, help="All of the list, as filtered.")
@kind_option
@reason_option
@yes_option
@config_option
@json_option
def drop_dead(*, ids: tuple[str, ...], **options: Any) -> int:  # noqa: ANN401  see _each
    """Give up: the row stays until retention takes it, and nothing more is tried."""
    return _each("drop", ids, **options)


def _each(  # noqa: PLR0913  one an option
    word: str,
    ids: tuple[str, ...],
    *,
    every: bool,
    kind: str | None,
    reason: str | None,
    yes: bool,
    config: Path | None,
    as_json: bool,
) -> int:
    """Ask for each; what is refused does not stop the others, and is the exit code."""
    from homing.core.errors import HomingError

    if every == bool(ids):
        msg = "say which: ID..., or --all"
        raise click.UsageError(msg)
    if every:
        with looking(config) as tx:
            ids = tuple(str(row["id"]) for row in _dead(tx, kind, reason))
        confirm(f"{word} {len(ids):,}?", yes=yes or not ids)
    done: list[dict[str, object]] = []
    with acting(config) as ask, progress(word, ids) as going:
        for key in going:
            try:
                done.append(ask({"do": word, "id": key}))
            except HomingError as error:
                if not _is_about_one(error):
                    raise
                done.append({"id": key, "status": None, "error": str(error)})
    rows_out(done, as_json=as_json, columns=("id", "status", "error"))
    # an event that is evaluated again and cannot be used, again, is not done
    return int(any(row.get("error") or row.get("status") == "quarantined" for row in done))


def _is_about_one(error: Exception) -> bool:
    """Whether the next of the list may fare better."""
    names = {getattr(error, "kind", type(error).__name__), type(error).__name__}
    return bool(names & {"NotThere", "NotPossible", "IllegalTransition"})


def _dead(tx: Tx, kind: str | None, reason: str | None) -> Iterator[dict[str, object]]:
    parts = {"send": _sends, "event": _events, "effect": _effects}
    for name, part in parts.items():
        if kind in (None, name):
            for row in part(tx):
                if reason is None or reason.lower() in str(row["reason"] or "").lower():
                    yield row


def _sends(tx: Tx) -> Iterator[dict[str, object]]:
    for state in SEND_STATES:
        page = _send_page(tx, state)
        for row in newest(page, lambda row: row.id):
            yield _row(row.key, row.email, row.reserved_at, said=(row.state, row.reason))


def _send_page(tx: Tx, state: str) -> Any:  # noqa: ANN401  a page of rows
    return lambda at: tx.sends.newest(state=state, before=at, limit=PAGE)


def _events(tx: Tx) -> Iterator[dict[str, object]]:
    from homing.core.effects import EventState

    wanted = EventState.QUARANTINED
    rows = newest(
        lambda at: tx.events.newest(state=wanted, before=at, limit=PAGE), lambda row: row.id
    )
    for row in rows:
        what = row.name or row.type or row.source
        said = (row.state.value, row.reason)
        yield _row(f"e{row.id}", what, row.received_at, said=said)


def _effects(tx: Tx) -> Iterator[dict[str, object]]:
    rows = newest(
        lambda at: list(tx.effects.dead_newest(before=at, limit=PAGE)), lambda row: _int(row["id"])
    )
    for row in rows:
        what = f"{row['dest']} {row['kind']}"
        said = ("dead", None if row["reason"] is None else str(row["reason"]))
        yield _row(f"x{row['id']}", what, _int(row["made_at"]), said=said)


def _row(key: str, what: str, at: int, *, said: tuple[str, str | None]) -> dict[str, object]:
    state, reason = said
    kind = {"e": "event", "x": "effect"}.get(key[0], "send")
    return {
        "id": key, "kind": kind, "what": what, "at": time_text(at), "state": state,
        "reason": reason,
    }  # fmt: skip


def _int(value: object) -> int:
    return value if isinstance(value, int) else 0


def _effect(tx: Tx, key: str) -> dict[str, object]:
    from homing.cli.views import effect_view, json_in
    from homing.stages.act import NotThere

    number = key[1:]
    found = tx.effects.get(int(number)) if number.isascii() and number.isdigit() else None
    if found is None:
        msg = f"no effect {key}"
        raise NotThere(msg)
    payload = found["payload"]
    return {
        **effect_view(found),
        "payload": json_in(payload if isinstance(payload, bytes) else None),
    }

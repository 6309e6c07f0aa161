"""``homing people``: who is known."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from homing.cli.listing import PAGE, Listing, first, limit_option, newest
from homing.cli.main import config_option, json_option
from homing.cli.reach import looking
from homing.cli.show import heading_out, json_out, pairs_out, rows_out

if TYPE_CHECKING:
    from homing.core.people import Person
    from homing.ports import Tx

COLUMNS: Final = ("id", "user_id", "anonymous_id", "email", "zone", "traits")
SHOW_FIELDS: Final = {
    "person": "as `people list` has it",
    "names": "every name: kind (user, anonymous, email) and value",
    "suppressions": "address, scope, suppressed, source, reason, at",
    "lists": "list, address, wanted (whether it should be on it), told (what SendGrid was told; "
    "null: nothing), at, event",
    "events": "the newest, as `events list` has them",
    "sends": "the newest, as `sends list` has them",
    "others": "who else has the address that was asked for: id, user_id, anonymous_id",
}


@click.group("people", cls=Listing)
def people_command() -> None:
    """
    List people, or show one.

    `homing people [OPTIONS]` lists, `homing people WHO` shows one.
    """


@people_command.command("list")
@click.option("--before", metavar="NUMBER", type=int, help="Only people before this number.")
@click.option("--audience", metavar="KEY", help="Only members of this audience.")
@limit_option
@config_option
@json_option
def list_people(
    *, before: int | None, audience: str | None, limit: int, config: Path | None, as_json: bool
) -> None:
    """
    List people, newest first.

    With `--audience` those who are in it, in order of number, each with since when and by which
    event; `homing stats` has how many there are.
    """
    from homing.cli.views import person_view

    if audience is not None:
        _list_members(audience, limit=limit, config=config, as_json=as_json)
        return
    with looking(config) as tx:
        people = newest(
            lambda at: tx.people.newest(before=at, limit=PAGE), lambda one: one.id, before=before
        )
        views = [person_view(person) for person in first(people, limit)]
    rows_out(views, as_json=as_json, columns=COLUMNS)


def _list_members(audience: str, *, limit: int, config: Path | None, as_json: bool) -> None:
    from homing.cli.views import member_view

    with looking(config) as tx:
        members = tx.members.of_audience(audience, after=0, limit=limit)
        known = [(member, tx.people.get(member.person)) for member in members]
        views = [member_view(member, person) for member, person in known if person is not None]
    rows_out(views, as_json=as_json, columns=(*COLUMNS[:4], "since", "event"))


@people_command.command("show")
@click.argument("who")
@limit_option
@config_option
@json_option
def show_person(who: str, *, limit: int, config: Path | None, as_json: bool) -> None:
    """
    Show one person: WHO is a userId, an anonymousId or an address.

    Of several people with one address the one who goes by it is shown, else the newest, and the
    others are listed: ask for them by userId or anonymousId.
    """
    from homing.cli.finding import people_named
    from homing.cli.views import only, person_view

    with looking(config) as tx:
        person, *others = people_named(tx, who)
        shown = about(tx, person, limit=limit)
    views = only(map(person_view, others), "id", "user_id", "anonymous_id")
    if as_json:
        json_out({**shown, "others": views})
        return
    about_out(shown)
    if views:
        heading_out("others with this address")
        rows_out(views, as_json=False)
        click.echo("one of them: homing people show USER_ID")


def about(tx: Tx, person: Person, *, limit: int) -> dict[str, object]:
    """All that is known of a person."""
    from homing.cli.finding import addresses_of, numbers_of, sends_of
    from homing.cli.views import event_view, list_view, person_view, send_view, suppression_view

    return {
        "person": person_view(person),
        "names": [
            {"kind": name.kind.name.lower(), "value": name.value}
            for name in tx.people.identities(person.id)
        ],
        "suppressions": [
            suppression_view(address, record)
            for address in addresses_of(tx, person)
            for record in tx.suppressions.of(address).values()
        ],
        "lists": [list_view(row) for row in tx.members.of_person(person.id)],
        "events": [
            event_view(tx, row, label=person.label)
            for row in tx.events.of_person(numbers_of(person), limit=limit)
        ],
        "sends": [send_view(row) for row in sends_of(tx, person, limit=limit)],
    }


def about_out(shown: dict[str, object]) -> None:
    """Write what `about` says for people."""
    from homing.cli import events, sends

    person, names = shown["person"], shown["names"]
    assert isinstance(person, dict) and isinstance(names, list)  # noqa: S101, PT018  as made above
    if person["consent"] == {}:
        person = {**person, "consent": "to nothing"}
    pairs_out({**person, "names": ", ".join(f"{n['kind']} {n['value']}" for n in names)})
    parts = (
        ("suppressions", ("address", "scope", "suppressed", "source", "at", "reason")),
        ("lists", ("list", "address", "wanted", "told", "at", "event")),
        ("events", events.COLUMNS),
        ("sends", sends.COLUMNS),
    )
    for name, columns in parts:
        rows = shown[name]
        if isinstance(rows, list) and rows:
            heading_out(name)
            rows_out(rows, as_json=False, columns=columns)

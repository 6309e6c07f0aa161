"""``homing erase``: a person wants to be forgotten."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from homing.cli.main import config_option, json_option, yes_option
from homing.cli.reach import acting, looking
from homing.cli.show import confirm, rows_out, text

if TYPE_CHECKING:
    from homing.core.people import Person

FIELDS: Final = {
    "people": "how many persons went",
    "sends": "sends that no longer say to whom",
    "events": "events whose bytes go from the log",
    "status": "erased; nobody when nobody goes by that name",
}


@click.command("erase")
@click.option("--user", metavar="ID", help="By userId or anonymousId.")
@click.option("--email", metavar="ADDRESS", help="By address.")
@yes_option
@config_option
@json_option
def erase_command(
    *, user: str | None, email: str | None, yes: bool, config: Path | None, as_json: bool
) -> None:
    """
    Erase a person, and everything stored of them; by address, everybody who has it.

    Their pending sends are cancelled, their traits, names and template data deleted, their events
    taken out of the log. Sends that were made stay in the books without an address, and only a
    keyed hash stays of the address, so that an opt-out survives. This erases here, not at
    SendGrid and not at Segment.
    """
    if (user is None) == (email is None):
        msg = "say who: --user ID or --email ADDRESS"
        raise click.UsageError(msg)
    persons = _found(user, email, config)
    if persons:
        labels = ", ".join(text(person.label) for person in persons)
        confirm(f"erase {labels} and everything stored of them?", yes=yes)
    names: list[dict[str, str | None]] = [{"user": user, "email": email}]
    # an address may be but a trait of theirs: then they go by another name
    names += [{"user": person.user_id or person.anonymous_id} for person in persons]
    with acting(config) as ask:
        gone = [ask({"do": "erase", **name}) for name in names if any(name.values())]
    total = {part: sum(one[part] for one in gone) for part in ("people", "sends", "events")}
    status = "erased" if total["people"] else "nobody"
    rows_out([{**total, "status": status}], as_json=as_json)


def _found(user: str | None, email: str | None, config: Path | None) -> list[Person]:
    from homing.cli.finding import find_person, people_at

    with looking(config) as tx:
        if email is not None:
            return list(people_at(tx, email))
        person = find_person(tx, user or "")
    return [] if person is None else [person]

"""``homing erase``: a person wants to be forgotten."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from homing.cli.main import config_option, json_option, yes_option
from homing.cli.reach import acting, looking
from homing.cli.show import confirm, rows_out

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
    Erase a person, and everything stored of them.

    Their pending sends are cancelled, their traits, names and template data deleted, their events
    taken out of the log. Sends that were made stay in the books without an address, and only a
    keyed hash stays of the address, so that an opt-out survives. This erases here, not at
    SendGrid and not at Segment.
    """
    if (user is None) == (email is None):
        msg = "say who: --user ID or --email ADDRESS"
        raise click.UsageError(msg)
    person = _found(user, email, config)
    if person is not None:
        confirm(f"erase {person.label} and everything stored of them?", yes=yes)
    with acting(config) as ask:
        gone = ask({"do": "erase", "user": user, "email": email})
    status = "erased" if gone["people"] else "nobody"
    rows_out([{**gone, "status": status}], as_json=as_json)


def _found(user: str | None, email: str | None, config: Path | None) -> Person | None:
    from homing.cli.finding import find_person

    with looking(config) as tx:
        return find_person(tx, user or email or "")

"""``homing erase``: a person wants to be forgotten."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from homing.cli.main import BadInput, config_option, json_option, yes_option
from homing.cli.reach import acting, looking
from homing.cli.show import confirm, heading_out, json_out, pairs_out, rows_out, text, time_text

if TYPE_CHECKING:
    from homing.core.erasure import Done, Erasure
    from homing.core.people import Person
    from homing.ports import Tx

FIELDS: Final = {
    "erasures": "the number of its record, for `--status`",
    "people": "how many persons went",
    "sends": "sends that no longer say to whom",
    "events": "events whose bytes go from the log",
    "addresses": "addresses whose opt-outs are kept under a keyed hash alone",
    "under_way": "what is not over yet: `log`, `sendgrid`, `files`; the service sees to it",
    "sendgrid": "why nothing is erased at SendGrid; null: it is",
    "status": "erased; nobody when nobody goes by that name; repeated when nothing was found that "
    "was not erased already",
}
RECORD_FIELDS: Final = {
    "erasure": "its number",
    "at": "up to when what was known of them is erased",
    "by": "what asked: segment (a `delete` event), command, restore (of an older backup)",
    "named": "by what: userId, anonymousId or address; never whom",
    "progress": "open, done, or failed when a person gave a part of it up",
    "people": "how many persons went; of sends, events, runs, addresses and effects the same",
    "repeats": "the erasure that had done it all before",
    "under_way": "what is not over yet: `log`, `sendgrid`, `files`",
    "skipped": "why nothing is erased at SendGrid",
    "steps": "each step with its time and counts, in order: asked, local, searched, log, contacts,"
    " erase_job, sendgrid, failed, done",
}
SHOWN: Final = 50
COUNTS: Final = ("people", "sends", "events", "runs", "addresses", "effects", "repeats")


@click.command("erase")
@click.option("--user", metavar="ID", help="By userId or anonymousId.")
@click.option("--email", metavar="ADDRESS", help="By address.")
@click.option("--list", "as_list", is_flag=True, help="Show the newest erasures.")
@click.option("--status", type=int, metavar="N", help="Show how far an erasure came.")
@yes_option
@config_option
@json_option
def erase_command(  # noqa: PLR0913  options
    *,
    user: str | None,
    email: str | None,
    as_list: bool,
    status: int | None,
    yes: bool,
    config: Path | None,
    as_json: bool,
) -> None:
    """
    Erase a person, and everything stored of them; by address, everybody who has it.

    Their pending sends and runs are cancelled, their traits, names and template data deleted,
    their events taken out of the log, their SendGrid contacts deleted, and SendGrid asked to erase
    what it keeps of mail to their addresses. Sends that were made stay in the books without an
    address, and only a keyed hash stays of the address, so that an opt-out survives. This does not
    erase at Segment.
    """
    if [user is not None, email is not None, as_list, status is not None].count(True) != 1:
        msg = "say who: --user ID or --email ADDRESS; or what to show: --list or --status N"
        raise click.UsageError(msg)
    if as_list or status is not None:
        _show(status, config, as_json=as_json)
        return
    persons = _found(user, email, config)
    if persons:
        labels = ", ".join(text(person.label) for person in persons)
        confirm(f"erase {labels} and everything stored of them?", yes=yes)
    # an address may be but a trait of theirs: then they go by another name
    ids = (person.user_id or person.anonymous_id for person in persons)
    also = [one for one in ids if one]
    with acting(config) as ask:
        gone = ask({"do": "erase", "user": user, "email": email, "also": also})
    _told(gone, config, as_json=as_json)


def _told(gone: Mapping[str, Any], config: Path | None, *, as_json: bool) -> None:
    number, repeats = gone["erasure"], gone["repeats"]
    with looking(config) as tx:
        erasure = tx.erasures.get(number)
        record: Mapping[str, Any] = {} if erasure is None else _record(tx, erasure)
    row = {
        "erasures": [number],
        **{part: gone[part] for part in ("people", "sends", "events", "addresses")},
        "under_way": sorted(record.get("under_way", ())),
        "sendgrid": record.get("skipped"),
        "status": "erased" if gone["people"] else "nobody" if repeats is None else "repeated",
    }
    rows_out([row], as_json=as_json)
    if repeats is not None and not as_json:
        said = f"nothing was found that erasure {repeats} had not erased already"
        click.echo(said, err=True)


def _show(number: int | None, config: Path | None, *, as_json: bool) -> None:
    with looking(config) as tx:
        if number is None:
            rows = [_record(tx, one) for one in tx.erasures.newest(before=None, limit=SHOWN)]
            columns = ("erasure", "at", "by", "named", "progress", "people", "under_way")
            rows_out(rows, as_json=as_json, columns=columns)
            return
        erasure = tx.erasures.get(number)
        if erasure is None:
            msg = f"no erasure {number}: see `homing erase --list`"
            raise BadInput(msg)
        row = _record(tx, erasure)
    if as_json:
        json_out(row)
        return
    steps = row.pop("steps")
    pairs_out(row)
    heading_out("steps")
    for step in steps:
        detail = {name: value for name, value in step.items() if name not in ("at", "step")}
        said = ", ".join(f"{name} {value}" for name, value in detail.items())
        click.echo(f"{step['at']}  {step['step']}{'  ' + text(said) if said else ''}")


def _record(tx: Tx, erasure: Erasure) -> dict[str, Any]:
    steps = tx.erasures.steps(erasure.number)
    said = {name: value for done in steps for name, value in done.detail.items()}
    reached = {done.step.value for done in steps}
    waits = [part for part in ("log", "sendgrid") if part not in reached]
    return {
        "erasure": erasure.number,
        "at": time_text(erasure.at),
        "by": erasure.by.value,
        "named": said.get("named"),
        "progress": erasure.progress.value,
        **_counts(steps),
        "under_way": waits + ([] if "done" in reached else ["files"]),
        "skipped": said.get("skipped"),
        "steps": [
            {"step": done.step.value, "at": time_text(done.at), **done.detail} for done in steps
        ],
    }


def _counts(steps: Sequence[Done]) -> dict[str, object]:
    found = (done.detail for done in steps if done.step == "local")
    local: Mapping[str, object] = next(found, {})
    return {name: local.get(name) for name in COUNTS}


def _found(user: str | None, email: str | None, config: Path | None) -> list[Person]:
    from homing.cli.finding import find_person, people_at

    with looking(config) as tx:
        if email is not None:
            return list(people_at(tx, email))
        person = find_person(tx, user or "")
    return [] if person is None else [person]

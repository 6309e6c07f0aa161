"""The commands that act on a running service, or on its store while none runs."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from homing.cli.main import BadInput, config_option, json_option
from homing.cli.reach import acting, loaded_config
from homing.cli.show import rows_out
from homing.core.effects import Dest

PAUSE_FIELDS: Final = {"name": "the destination, or email/NAME", "status": "paused"}
RESUME_FIELDS: Final = {
    "name": "the destination, or email/NAME",
    "status": "running",
    "sends": "how many sends of a paused email are back in their lanes",
}
RESOLVE_FIELDS: Final = {"send": "the send's id", "status": "the state it has now"}
RELOAD_FIELDS: Final = {
    "version": "of the new configuration",
    "moved, archived, stay": "with --migrate or --archive: what became of the runs that waited on "
    "versions of journeys that are in force no more",
    "status": "reloaded",
}


@click.command("pause")
@click.argument("destination", required=False)
@click.option("--reason", default="by hand", show_default=True, help="Shown wherever it is paused.")
@config_option
@json_option
def pause_command(
    destination: str | None, *, reason: str, config: Path | None, as_json: bool
) -> None:
    """
    Stop what leaves, until `homing resume`.

    DESTINATION is mail, contacts, suppressions, segment, or email/NAME for the sends of one
    email; without one, everything is paused. What comes in is still taken in and decided. The
    time within which an email must leave (`deliver_within`) goes on: what is older then expires.
    Of a journey with `status = "paused"` nothing expires.
    """
    _check_email(destination, config)
    with acting(config) as ask:
        done = [
            ask({"do": "pause", "name": name, "reason": reason})
            for name in _named(destination, tuple(Dest))
        ]
    rows_out(done, as_json=as_json)


@click.command("resume")
@click.argument("destination", required=False)
@config_option
@json_option
def resume_command(destination: str | None, *, config: Path | None, as_json: bool) -> None:
    """
    Let it leave again; without DESTINATION, everything that is paused.

    This is also how mail is let go after `homing restore`.
    """
    from homing.cli.reach import looking

    with looking(config) as tx:
        paused = tuple(tx.books.pauses())
    with acting(config) as ask:
        done = [ask({"do": "resume", "name": name}) for name in _named(destination, paused)]
    rows_out(done, as_json=as_json)


@click.command("resolve")
@click.argument("send")
@click.option("--as", "as_", required=True, type=click.Choice(("sent", "resend", "drop")),
              help="It was sent; send it again; give it up.")  # fmt: skip
@config_option
@json_option
def resolve_command(send: str, *, as_: str, config: Path | None, as_json: bool) -> None:
    """
    Decide of a send whose outcome nobody knows.

    SEND is an id of `homing sends --state unknown` or `--state parked`. Look at the recipient's
    mailbox, or at SendGrid's activity, before you send again: it may have been delivered.
    """
    with acting(config) as ask:
        rows_out([ask({"do": "resolve", "send": send, "as": as_})], as_json=as_json)


@click.command("reload")
@click.option("--drain", is_flag=True, help="Runs end on the version they entered (default).")
@click.option("--migrate", is_flag=True, help="Runs go on in the new version, if it can be.")
@click.option("--archive", is_flag=True, help="Runs on older versions end now.")
@config_option
@json_option
def reload_command(
    *, drain: bool, migrate: bool, archive: bool, config: Path | None, as_json: bool
) -> None:
    """
    Have the running service take the changed configuration.

    An invalid one is refused (exit 78), and the one in force stays. Runs of journeys stay on the
    version they entered, unless you say otherwise: with --migrate they go on in the new one if it
    has the step where they wait, and the wait under way ends when it would have ended; with
    --archive they end, and send nothing more. What a reload would do is shown by `homing plan`.
    """
    if drain + migrate + archive > 1:
        msg = "say one of --drain, --migrate, --archive"
        raise click.UsageError(msg)
    loaded_config(config)
    runs = "migrate" if migrate else "archive" if archive else "drain"
    with acting(config) as ask:
        done = {**ask({"do": "reload", "runs": runs}), "status": "reloaded"}
        rows_out([done], as_json=as_json)


def _named(destination: str | None, every: tuple[str, ...]) -> tuple[str, ...]:
    return every if destination is None else (destination,)


def _check_email(destination: str | None, config: Path | None) -> None:
    """A slip in an email's name must not look like a pause."""
    from homing.config import ConfigError
    from homing.config.problems import guess

    if destination is None or not destination.startswith("email/"):
        return
    try:
        emails = loaded_config(config).plans.emails
    except ConfigError:
        return
    name = destination.removeprefix("email/")
    if name not in emails:
        msg = f"no [email.{name}]{guess(name, emails) or ' in the configuration'}"
        raise BadInput(msg)

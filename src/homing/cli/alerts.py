"""``homing alerts``: what a person should look at."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from homing.cli.listing import Listing
from homing.cli.main import config_option, json_option
from homing.cli.reach import acting, looking
from homing.cli.show import rows_out, time_text

FIELDS: Final = {
    "kind": "paused, refused, silent, reconciled, run_failed, …",
    "subject": "what it is about",
    "text": "in words",
    "first_at, last_at": "when it was raised first, and last",
    "count": "how often",
}
CLEARED_FIELDS: Final = {"kind": "", "subject": "", "status": "cleared"}


@click.group("alerts", cls=Listing)
def alerts_command() -> None:
    """
    List what a person should look at, or clear it.

    An alert whose cause is gone mostly goes by itself; one that only tells of the past (posts that
    were refused, drift that was repaired) stands until it is cleared.
    """


@alerts_command.command("list")
@config_option
@json_option
def list_alerts(*, config: Path | None, as_json: bool) -> None:
    """List what stands, newest first."""
    with looking(config) as tx:
        views = [
            {
                "kind": one.kind, "subject": one.subject, "text": one.text,
                "first_at": time_text(one.first_at), "last_at": time_text(one.last_at),
                "count": one.count,
            }
            for one in tx.books.alerts()
        ]  # fmt: skip
    rows_out(views, as_json=as_json, columns=("last_at", "kind", "subject", "count", "text"))


@alerts_command.command("clear")
@click.argument("kind", required=False)
@click.argument("subject", required=False)
@click.option("--all", "everything", is_flag=True, help="All that stand.")
@config_option
@json_option
def clear_alerts(
    kind: str | None,
    subject: str | None,
    *,
    everything: bool,
    config: Path | None,
    as_json: bool,
) -> None:
    """
    Clear alerts of a KIND, or the one of a KIND and SUBJECT.

    What is still so is raised again when it next happens.
    """
    if everything is (kind is not None):
        msg = "say a kind, or --all"
        raise click.UsageError(msg)
    asked = {"do": "clear_alerts", "kind": kind, "subject": subject}
    with acting(config) as ask:
        rows_out(ask(asked)["cleared"], as_json=as_json)

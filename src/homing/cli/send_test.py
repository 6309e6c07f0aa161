"""``homing send-test``: one real email, marked as a test."""

from __future__ import annotations

import asyncio
import os
import secrets
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from homing import __version__
from homing.cli.main import config_option, json_option, yes_option
from homing.cli.reach import loaded_config, read_object, store_path
from homing.cli.show import confirm, rows_out
from homing.core.errors import HomingError
from homing.processes import exits

if TYPE_CHECKING:
    from homing.cli.mailing import Draft
    from homing.config import Loaded
    from homing.core.mail import Rendered
    from homing.core.outcomes import Outcome
    from homing.core.suppression import Records


class NoKey(HomingError):
    """There is no account to send with."""


FIELDS: Final = {
    "test": "what `homing_test` says",
    "email": "the [email.*]",
    "to": "the address",
    "status": "accepted, captured, skipped, rejected, retry, unknown or paused",
    "message_id": "SendGrid's X-Message-Id",
    "reason": "why it was not accepted",
}


@click.command("send-test")
@click.argument("email")
@click.option("--to", required=True, metavar="ADDRESS", help="Who gets it.")
@click.option("--event", required=True, type=click.Path(path_type=Path),
              help="A file with one event as JSON.")  # fmt: skip
@click.option("--profile", type=click.Path(path_type=Path), help="The person's traits, as JSON.")
@click.option("--route", metavar="NAME", help="By the action of this route.")
@yes_option
@config_option
@json_option
def send_test_command(  # noqa: PLR0913  one an option
    email: str,
    *,
    to: str,
    event: Path,
    profile: Path | None,
    route: str | None,
    yes: bool,
    config: Path | None,
    as_json: bool,
) -> int:
    """
    Send one real email, marked as a test.

    It is made by the code that sends, goes to ADDRESS alone (no cc, no bcc), and carries
    `homing_test`: its events come home as filtered and count nowhere. Who is suppressed gets none.
    In capture mode nothing leaves. Exits with 1 when it was not accepted, 69 when SendGrid could
    not be reached.
    """
    loaded = loaded_config(config)
    traits = {} if profile is None else read_object(profile)
    draft = _draft(loaded, email, to, event=read_object(event), traits=traits, route=route,
                   records=_records(config, to))  # fmt: skip
    row = draft.row
    said: dict[str, object] = {
        **dict.fromkeys(FIELDS), "test": row.key, "email": email, "to": row.address,
    }  # fmt: skip
    if row.state != "reserved":
        rows_out([{**said, "status": row.state, "reason": row.reason}], as_json=as_json)
        return exits.EX_FAILURE
    rendered = _rendered(draft)
    if loaded.settings.sendgrid.mode == "capture":
        reason = "capture mode: nothing left"
        rows_out([{**said, "status": "captured", "reason": reason}], as_json=as_json)
        return exits.EX_OK
    confirm(f"send {email} to {row.address}?", yes=yes)
    outcome = asyncio.run(_sent(loaded, draft.body(rendered)))
    status, result = _told(outcome)
    rows_out([{**said, "status": status, **result}], as_json=as_json)
    if status == "accepted":
        return exits.EX_OK
    return exits.EX_UNAVAILABLE if status in ("retry", "unknown") else exits.EX_FAILURE


def _draft(  # noqa: PLR0913  what an email is made of
    loaded: Loaded,
    email: str,
    to: str,
    *,
    event: dict[str, Any],
    traits: dict[str, Any],
    route: str | None,
    records: Records,
) -> Draft:
    from homing.adapters.clock import SystemClock
    from homing.cli.mailing import Wanted, draft, email_named, route_for, route_named
    from homing.core.effects import SendFlag

    plans = loaded.plans
    found = route_for(plans, email, event) if route is None else route_named(plans, route, email)
    wanted = Wanted(
        plans, replace(email_named(plans, email), cc=(), bcc=()), event,
        profile=traits, route=found, to=to, records=records, flags=SendFlag.TEST,
    )  # fmt: skip
    return draft(wanted, now_ms=SystemClock().now_ms(), tag=secrets.randbits(40))


def _records(config: Path | None, to: str) -> Records:
    """What the store knows of the address; nothing where there is none yet."""
    from homing.adapters.sqlite.state import reading

    path = store_path(config)
    if not path.exists():
        return {}
    with reading(path) as tx:
        return tx.suppressions.of(to)


def _rendered(draft: Draft) -> Rendered | None:
    from homing.adapters.render import HandlebarsRenderer
    from homing.cli.mailing import Templates

    templates = Templates.of(draft.email)
    return None if templates is None else templates.rendered(HandlebarsRenderer(), draft.data)


async def _sent(loaded: Loaded, body: bytes) -> Outcome:
    from homing.adapters.api_http import HttpApi
    from homing.adapters.clock import SystemClock
    from homing.core.outcomes import outcome_of
    from homing.stages.deliver import MAIL_PATH

    api = HttpApi(
        loaded.settings.sendgrid.endpoint, authorization=f"Bearer {_key(loaded)}",
        connections=1, user_agent=f"Homing/{__version__}",
    )  # fmt: skip
    try:
        answer = await api.call("POST", MAIL_PATH, body)
    finally:
        await api.close()
    return outcome_of(answer, now_ms=SystemClock().now_ms())


def _key(loaded: Loaded) -> str:
    ref = loaded.settings.sendgrid.api_key
    if ref is None:
        raise NoKey("expected `sendgrid.api_key` to be set: a test is a real email")
    return ref.resolve(os.environ)


def _told(outcome: Outcome) -> tuple[str, dict[str, object]]:
    from homing.core.outcomes import Delivered, Paused, Rejected, RetryLater, Unknown

    match outcome:
        case Delivered(message_id=message_id):
            return "accepted", {"message_id": message_id or None}
        case RetryLater(reason=reason):
            return "retry", {"reason": reason}
        case Rejected(reason=reason):
            return "rejected", {"reason": reason}
        case Unknown(reason=reason):
            return "unknown", {"reason": reason}
        case Paused(reason=reason):
            return "paused", {"reason": reason}

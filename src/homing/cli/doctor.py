"""``homing doctor``: asks the live accounts, and finds what is wrong before a customer does."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from homing.cli.main import BadInput, config_option, json_option
from homing.cli.show import json_out, text
from homing.processes import exits

if TYPE_CHECKING:
    from homing.config import ConfigError, Loaded
    from homing.doctor.case import Case
    from homing.doctor.checks import Check
    from homing.doctor.fetching import Accounts
    from homing.doctor.findings import Finding
    from homing.ports import Clock

FIELDS: Final = {
    "id": "of the check",
    "status": "ok, skipped, warn or error",
    "about": "what it is of; empty: the account or this machine as a whole",
    "found": "what was found, in words",
    "cure": "what to do, in a sentence; empty where there is nothing",
    "detail": "a unified diff; empty of all but edits",
}
FIX: Final = "fix"
EDITS: Final = "edits"
_COLOURS: Final = {"ok": "green", "warn": "yellow", "error": "red", "skipped": "dim"}


@click.command("doctor")
@click.option("--only", metavar="ID,…", multiple=True, help="Only these checks.")
@click.option("--fix", is_flag=True,
              help="Make or repair the event webhook to --url, and its signing.")  # fmt: skip
@click.option("--url", metavar="URL", help="Where SendGrid reaches us: https://HOST/sendgrid.")
@config_option
@json_option
def doctor_command(
    only: tuple[str, ...], *, fix: bool, url: str | None, config: Path | None, as_json: bool
) -> int:
    """
    Ask the live accounts, and find what is wrong before a customer does.

    Each check tells what it found and what to do. Nothing is changed without --fix, but for notes
    of our own: what each template looked like, beside the store. Works beside a running service
    and without one. Exits with 1 if anything is an error.

    With --fix the event webhook to --url is made, or repaired: on, every event, signed. Its public
    key is written to a file beside the configuration, SendGrid is asked for its test, and whether
    the running service took it is told.
    """
    ids = _ids(only)
    if fix and url is None:
        raise click.UsageError("say where SendGrid reaches us: --url https://HOST/sendgrid")
    from homing.config import ConfigError
    from homing.doctor.checks import has_error

    try:
        loaded = _loaded(config)
    except ConfigError as error:
        findings = _of_bad_config(error)
    else:
        if url is not None:
            _check_url(url, loaded)
        findings = _without_secrets(asyncio.run(_examined(loaded, ids, url=url, fix=fix)), loaded)
    _out(findings, as_json=as_json)
    return exits.EX_FAILURE if has_error(findings) else exits.EX_OK


def _ids(only: tuple[str, ...]) -> tuple[str, ...]:
    """The checks of ``--only``."""
    from homing.config.problems import guess
    from homing.doctor.checks import IDS

    ids = tuple(filter(None, (one.strip() for one in ",".join(only).split(","))))
    for one in ids:
        if one not in IDS:
            msg = f"no check {one!r}{guess(one, IDS)}; there are {', '.join(IDS)}"
            raise click.UsageError(msg)
    return ids


def _loaded(config: Path | None) -> Loaded:
    from homing.cli.reach import loaded_config

    return loaded_config(config)


def _check_url(url: str, loaded: Loaded) -> None:
    """
    Whether SendGrid could post there, to a door of ours.

    Raises:
        BadInput: It could not.
    """
    from urllib.parse import urlsplit

    from homing.config.problems import guess
    from homing.config.values import is_loopback
    from homing.doctor.webhooks import DEFAULT, door_of

    door = door_of(url)
    parts = urlsplit(url if door else "")
    is_secure = parts.scheme == "https" or is_loopback(parts.hostname or "")
    if not parts.hostname or not is_secure or door is None:
        msg = f"expected --url to be like https://HOST/sendgrid or …/sendgrid/NAME, got {url!r}"
        raise BadInput(msg)
    known = loaded.settings.sendgrid.webhook
    if door != DEFAULT and door not in known:
        msg = f"no [sendgrid.webhook.{door}]{guess(door, known) or ' in the configuration'}"
        raise BadInput(msg)


async def _examined(
    loaded: Loaded, ids: Sequence[str], *, url: str | None, fix: bool
) -> list[Finding]:
    from homing.adapters.clock import SystemClock
    from homing.doctor import kept
    from homing.doctor.checks import chosen, found
    from homing.doctor.fetching import accounts, fetched
    from homing.doctor.opening import opened

    clock = SystemClock()
    checks = chosen(ids)
    asked = {name for check in checks for name in check.asks}
    case = opened(loaded, os.environ, asked=asked, url=url, now_ms=clock.now_ms())
    findings: list[Finding] = []
    async with accounts(case, clock) as among:
        if fix:
            findings += await _repaired(case, among, clock=clock)
            case = opened(loaded, os.environ, asked=asked, url=url, now_ms=clock.now_ms())
        facts = await fetched(case, asked, among)
    case = replace(case, facts=facts)
    findings += found(case, checks)
    return findings + _kept(case, checks, kept.templates_path(loaded.store_path))


async def _repaired(case: Case, among: Accounts, *, clock: Clock) -> list[Finding]:
    from homing.doctor.findings import error
    from homing.doctor.repair import Repair, repaired
    from homing.processes.control import ask, control_path

    if among.sendgrid is None:
        cure = "set `sendgrid.api_key`"
        return [replace(error("there is no API key to do it with", cure), check=FIX)]

    def reload() -> object:
        return ask(control_path(case.loaded.store_path), {"do": "reload"})

    repair = Repair(case, among.sendgrid, clock, case.url or "", reload)
    return [replace(finding, check=FIX) async for finding in repaired(repair)]


def _kept(case: Case, checks: Sequence[Check], path: Path) -> list[Finding]:
    """Note what the templates look like now, once their edits were told."""
    from homing.doctor import kept
    from homing.doctor.findings import warn

    seen = any(check.id == EDITS for check in checks) and case.facts.templates
    why_not = kept.keep(path, case) if seen else None
    if why_not is None:
        return []
    cure = "run this as a user who may write there: else later edits cannot be told"
    return [replace(warn(f"not noted: {why_not}", cure), check=EDITS)]


def _of_bad_config(error: ConfigError) -> list[Finding]:
    """Its problems; nothing else can be looked at."""
    from homing.doctor.findings import error as wrong

    cure = "correct it: `homing check` tells the same, with warnings"
    return [replace(wrong(str(problem), cure), check="config") for problem in error.problems]


def _without_secrets(findings: Iterable[Finding], loaded: Loaded) -> list[Finding]:
    """Whatever an API repeats in its words, no secret is shown."""
    secrets = sorted(filter(_is_long, loaded.secret_values(os.environ)), key=len, reverse=True)

    def hidden(words: str) -> str:
        for secret in secrets:
            words = words.replace(secret, "***")
        return words

    return [
        replace(
            one,
            about=hidden(one.about),
            found=hidden(one.found),
            cure=hidden(one.cure),
            detail=hidden(one.detail),
        )
        for one in findings
    ]


def _is_long(secret: str) -> bool:
    return len(secret) >= 6


def _out(findings: Sequence[Finding], *, as_json: bool) -> None:
    if as_json:
        for finding in findings:
            json_out(_row(finding))
        return
    if sys.stdout.isatty():
        _table_out(findings)
    else:
        width = max((len(finding.check) for finding in findings), default=0)
        for finding in findings:
            _line_out(finding, width)
    click.echo(_summary(findings))


def _row(finding: Finding) -> Mapping[str, object]:
    return {
        "id": finding.check,
        "status": finding.status.value,
        "about": finding.about,
        "found": finding.found,
        "cure": finding.cure,
        "detail": finding.detail,
    }


def _line_out(finding: Finding, width: int) -> None:
    """A line, the cure below it, and what there is to show."""
    margin = " " * (len("skipped") + 2 + width + 2)
    first, *more = _words(finding)
    click.echo(f"{finding.status.value:7}  {finding.check:{width}}  {first}")
    for line in more:
        click.echo(f"{margin}{line}")


def _words(finding: Finding) -> Iterator[str]:
    about = f"{finding.about}: " if finding.about else ""
    yield text(about + finding.found).replace("\n", " ")
    if finding.cure:
        yield f"→ {text(finding.cure)}".replace("\n", " ")
    yield from (f"  {text(line)}" for line in finding.detail.splitlines())


def _table_out(findings: Sequence[Finding]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("STATUS", "CHECK", "FOUND"):
        table.add_column(name, overflow="fold")
    for finding in findings:
        status = Text(finding.status.value, style=_COLOURS[finding.status.value])
        words = Text("\n".join(_words(finding)))
        table.add_row(status, Text(finding.check), words)
    Console(highlight=False, markup=False, emoji=False).print(table)


def _summary(findings: Sequence[Finding]) -> str:
    counts = [(word, sum(one.status.value == word for one in findings)) for word in _COLOURS]
    return ", ".join(f"{n} {word}" for word, n in counts if n)

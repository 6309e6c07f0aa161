"""``homing check``: what is wrong with a configuration, and what is probably not meant."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from homing.cli.main import config_option, config_path, json_option
from homing.cli.show import json_out, text
from homing.processes import exits

if TYPE_CHECKING:
    from homing.config import Loaded, Problem
    from homing.config.problems import Finding
    from homing.core.plans import Email

FIELDS: Final = {
    "level": "error or warning",
    "file": "",
    "line": "from 1; null when it is of the file as a whole",
    "key": "dotted; empty for a file as a whole",
    "message": "names the key, what was expected, what was found",
}


@click.command("check")
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@config_option
@json_option
def check_command(file: Path | None, *, config: Path | None, as_json: bool) -> int:
    """
    Check a configuration: every error and every warning at once.

    FILE is the configuration. Errors are written to standard error and exit with 78. When its
    store exists, what conditions, keys of journeys and emails ask of events is looked for in those
    that came.
    """
    from homing.config import ConfigError, load

    path = config_path(file or config).resolve()
    try:
        loaded = load(path, environ=os.environ)
    except ConfigError as error:
        _out((), error.problems, as_json=as_json)
        return exits.EX_CONFIG
    found = (*loaded.warnings, *loaded.placed(_of_templates(loaded)), *_of_events(loaded))
    _out(found, (), as_json=as_json)
    if not as_json:
        click.echo(_summary(loaded, len(found)))
    return exits.EX_OK


def _summary(loaded: Loaded, warnings: int) -> str:
    plans = loaded.plans
    counts = [("email", len(plans.emails)), ("route", len(plans.routes))]
    counts += [("journey", len(plans.journeys))] if plans.journeys else []
    counts += [("warning", warnings)]
    said = ", ".join(f"{n} {word}{'' if n == 1 else 's'}" for word, n in counts)
    is_refused = bool(loaded.refusals(os.environ))
    verdict = "valid, but serve would refuse it here" if is_refused else "can be run"
    return f"{loaded.path}: {verdict}: {said}; version {plans.version}"


def _out(warnings: Iterable[Problem], errors: Iterable[Problem], *, as_json: bool) -> None:
    for level, problems in (("warning", tuple(warnings)), ("error", tuple(errors))):
        if as_json:
            for problem in problems:
                json_out(_row(level, problem))
        elif problems:
            to_err = level == "error"
            click.echo(f"{level}s:", err=to_err)
            for problem in problems:
                click.echo(text(str(problem)), err=to_err)


def _row(level: str, problem: Problem) -> dict[str, object]:
    return {
        "level": level,
        "file": str(problem.file),
        "line": problem.line,
        "key": problem.key,
        "message": problem.message,
    }


def _of_templates(loaded: Loaded) -> Iterator[Finding]:
    """What is wrong with the templates that Homing renders."""
    from homing.config.problems import KEY, Finding

    for name, email in loaded.plans.emails.items():
        if email.template is None:
            for key, warning in _template_warnings(email):
                yield Finding(("email", name, key), f"`{KEY}`: {warning}")


def _template_warnings(email: Email) -> Iterator[tuple[str, str]]:
    from homing.adapters.render import HandlebarsRenderer, RenderError

    renderer = HandlebarsRenderer()
    parts = (("subject", email.subject), ("html_file", email.html), ("text_file", email.text))
    for key, template in parts:
        if template:
            try:
                yield from ((key, warning) for warning in renderer.warnings(template))
            except RenderError as error:
                yield key, f"cannot be rendered: {error}"


def _of_events(loaded: Loaded) -> tuple[Problem, ...]:
    """What is asked of events and no recorded one has; nothing where there is no store."""
    from homing.adapters.sqlite.log import SqliteLogReader, log_path
    from homing.adapters.sqlite.state import reading
    from homing.cli import recorded
    from homing.core.errors import HomingError

    if loaded.settings.store.url.scheme != "sqlite" or not loaded.store_path.exists():
        return ()
    try:
        with reading(loaded.store_path) as tx:
            reader = SqliteLogReader.if_made(log_path(loaded.store_path))
            return loaded.placed(list(recorded.findings_of(loaded, tx, reader)))
    except HomingError as error:
        click.echo(f"the store was not looked at: {error}", err=True)
        return ()

"""Writes the pages of docs/reference that are made from the code: ``make docs``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import click

from homing.cli import (
    act,
    alerts,
    backup,
    check,
    db,
    dead,
    doctor,
    erase,
    events,
    expressions,
    journeys,
    people,
    plan,
    preview,
    reconcile,
    reconcile_lists,
    replay,
    send_test,
    sends,
    simulate,
    stats,
    tail,
    views,
    why,
)
from homing.cli.main import homing

REFERENCE: Final = Path(__file__).parents[2] / "docs" / "reference"
WIDTH: Final = 96

Fields = Mapping[str, str]

BENCH: Final[Fields] = {
    "name": "of the figure",
    "unit": "of both values",
    "measured": "the value, and how far the runs lay apart",
    "reference": "the same of what it stands beside; null of what bounds the others",
    "ratio": "measured as a share of the reference",
    "sent": "how many requests, events or sends went in",
    "kept": "how many of them were found afterwards: the same, or the run failed",
    "note": "what must be known to read it rightly",
}

SANDBOX: Final[Fields] = {
    "what": "what happened; the first line is `opened` with the addresses, the last the summary",
    "at": "when",
    "who": "",
    "name": "of the event or the email",
    "detail": "in words",
    "…": "the ids it goes by",
}

# what `--json` prints, by command; several tables where the answer has several forms
FIELDS: Final[Mapping[str, tuple[Fields, ...]]] = {
    "check": (check.FIELDS,),
    "doctor": (doctor.FIELDS,),
    "try": (expressions.FIELDS,),
    "simulate": (simulate.FIELDS,),
    "plan": (plan.FIELDS,),
    "preview": (preview.FIELDS,),
    "send-test": (send_test.FIELDS,),
    "tail": (tail.FIELDS,),
    "events list": (views.EVENT,),
    "events show": (events.SHOW_FIELDS,),
    "people list": (views.MEMBER,),
    "people show": (people.SHOW_FIELDS,),
    "sends list": (views.SEND,),
    "sends show": (sends.SHOW_FIELDS,),
    "journeys list": (journeys.FIELDS,),
    "journeys show": (journeys.SHOW_FIELDS,),
    "journeys runs": (views.RUN,),
    "journeys run": (journeys.RUN_FIELDS,),
    "stats": (stats.FIELDS, stats.JOURNEY_FIELDS),
    "alerts list": (alerts.FIELDS,),
    "alerts clear": (alerts.CLEARED_FIELDS,),
    "why": (why.EVENT_FIELDS, why.PERSON_FIELDS, why.NOT_FIELDS, why.SEND_FIELDS),
    "dead list": (dead.FIELDS,),
    "dead show": ({**views.EFFECT, "payload": "what would be written"},),
    "dead retry": (dead.DONE_FIELDS,),
    "dead drop": (dead.DONE_FIELDS,),
    "replay": (replay.FIELDS,),
    "resolve": (act.RESOLVE_FIELDS,),
    "pause": (act.PAUSE_FIELDS,),
    "resume": (act.RESUME_FIELDS,),
    "reload": (act.RELOAD_FIELDS,),
    "reconcile suppressions": (reconcile.SUPPRESSIONS_FIELDS,),
    "reconcile lists": (reconcile_lists.LISTS_FIELDS,),
    "erase": (erase.FIELDS, erase.RECORD_FIELDS),
    "backup": (backup.BACKUP_FIELDS,),
    "restore": (backup.RESTORE_FIELDS,),
    "bench": (BENCH,),
    "sandbox": (SANDBOX,),
    "db query": (db.QUERY_FIELDS,),
    "db tables": (db.TABLES_FIELDS,),
    "db check": (db.CHECK_FIELDS,),
}

HEAD: Final = """# Commands

<!-- Written by `make docs` from the commands themselves. -->

`homing COMMAND --help` says the same. On a terminal, rows are a table; `--json` prints one JSON
object a line, with the fields listed here (new ones may come). Times are RFC 3339 in UTC. Errors go
to standard error. `NO_COLOR` is honoured, and what is no terminal gets no colour.

Every command finds its configuration by `--config FILE`, else `$HOMING_CONFIG`, else
`./homing.toml`. Commands that look, look at a snapshot beside a running service. Commands that act
ask the running service; while none runs, they do the same to the store.

| exit code | |
|---|---|
| 0 | done |
| 1 | refused, or not all of it done |
| 2 | the command line is wrong |
| 65 | a file, an expression or the store's contents are wrong |
| 69 | no service runs, there is no store yet, or an API could not be reached |
| 74 | reading or writing failed |
| 75 | busy: another process has the store |
| 78 | the configuration is wrong |
| 130 | interrupted |
"""


def commands_page() -> str:
    """The page of all commands."""
    parts = [HEAD]
    for path, command in walk():
        marks = "#" * (path.count(" ") + 2)
        parts.append(f"{marks} `homing {path}`\n\n```\n{help_of(path, command)}\n```\n")
        parts += [_table(fields) for fields in FIELDS.get(path, ())]
    return "\n".join(parts)


def walk(group: click.Group = homing, before: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command with its path: "sends", "sends list", …"""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None:
            continue
        path = f"{before}{name}"
        yield path, command
        if isinstance(command, click.Group):
            yield from walk(command, f"{path} ")


def help_of(path: str, command: click.Command) -> str:
    """What ``--help`` prints, as wide as the page."""
    context = click.Context(
        command,
        info_name=f"homing {path}",
        terminal_width=WIDTH,
        max_content_width=WIDTH,
        help_option_names=["-h", "--help"],
    )
    return command.get_help(context).strip()


def _table(fields: Fields) -> str:
    rows = (f"| `{name}` | {meaning} |" for name, meaning in fields.items())
    return "\n".join(["| `--json` | |", "|---|---|", *rows, ""])


PAGES: Final[Mapping[str, Callable[[], str]]] = {"commands.md": commands_page}


def write_pages() -> None:
    """Write every page anew."""
    for name, page in PAGES.items():
        (REFERENCE / name).write_text(page())


if __name__ == "__main__":
    write_pages()

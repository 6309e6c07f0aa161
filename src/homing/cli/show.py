"""How rows are shown: a table for people, one JSON object a line for programs."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import click

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

T = TypeVar("T")

Row: TypeAlias = Mapping[str, object]

MAX_CELL = 120
LAST_MS = 253_402_300_800_000  # the year 10000, which no calendar here knows

_COLOURS = {
    **dict.fromkeys(("done", "accepted", "delivered", "clicked", "running", "ready"), "green"),
    **dict.fromkeys(("retry", "unknown", "parked", "expired", "paused", "deferred"), "yellow"),
    **dict.fromkeys(("rejected", "quarantined", "dead", "dropped", "bounced", "spam"), "red"),
    **dict.fromkeys(("skipped", "filtered"), "dim"),
}


def rows_out(rows: Iterable[Row], *, as_json: bool, columns: Sequence[str] | None = None) -> None:
    """Write rows to standard output; a table shows *columns*, by default those of the first row."""
    if as_json:
        for row in rows:
            json_out(row)
        return
    table = list(rows)
    if not table:
        click.echo("nothing", err=True)
        return
    names = list(columns or table[0])
    cells = [[cell(row.get(name)) for name in names] for row in table]
    if sys.stdout.isatty():
        _table_out(names, cells)
    else:
        _columns_out(names, cells)


def json_out(row: Row) -> None:
    """Write one JSON object as one line, at once."""
    from homing.core.wire import json_bytes

    sys.stdout.buffer.write(json_bytes(row) + b"\n")
    sys.stdout.buffer.flush()


def pairs_out(row: Row) -> None:
    """Write one row as a name and a value a line; what is absent is left out."""
    shown = {name: value for name, value in row.items() if value not in (None, "", [], {})}
    width = max(map(len, shown), default=0)
    for name, value in shown.items():
        first, *more = text(value).split("\n")
        click.echo(f"{name.ljust(width)}  {first}")
        for line in more:
            click.echo(f"{'':{width}}  {line}")


def heading_out(words: str) -> None:
    """Write a heading between parts."""
    click.echo()
    click.secho(text(words).upper(), bold=sys.stdout.isatty() and colours())


def colours() -> bool:
    """Whether colour may be used: on a terminal, and nobody said no."""
    import os

    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def cell(value: object) -> str:
    """One cell: one line, not too long."""
    return text(value).replace("\n", " ")[:MAX_CELL]


def text(value: object) -> str:
    """A value for people: hostile text cannot move the cursor."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    plain = value if isinstance(value, str) else _compact(value)
    return "".join(char if char.isprintable() or char == "\n" else "�" for char in plain)


def _compact(value: object) -> str:
    if isinstance(value, Mapping | list | tuple):
        from homing.core.wire import json_bytes

        return json_bytes(value).decode()
    return str(value)


def time_text(at_ms: object) -> str | None:
    """RFC 3339 in UTC; None of None, and of what no calendar knows."""
    if not isinstance(at_ms, int) or not 0 <= at_ms < LAST_MS:
        return None
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")


def confirm(question: str, *, yes: bool) -> None:
    """
    Ask before what cannot be undone.

    Raises:
        click.UsageError: Nobody is there to ask.
        click.Abort: The answer is no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        msg = f"{question} Nobody is there to ask: say --yes."
        raise click.UsageError(msg)
    click.confirm(question, abort=True, err=True)


@contextmanager
def progress(what: str, items: Sequence[T]) -> Iterator[Iterable[T]]:
    """Go through *items*; on a terminal, with a bar."""
    if not sys.stderr.isatty() or len(items) < 2:
        yield items
        return
    with click.progressbar(items, label=what, file=sys.stderr) as bar:
        yield bar


def _columns_out(names: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    widths = [max(len(name), *(len(row[i]) for row in cells)) for i, name in enumerate(names)]
    for line in ([name.upper() for name in names], *cells):
        padded = (word.ljust(width) for word, width in zip(line, widths, strict=True))
        click.echo("  ".join(padded).rstrip())


def _table_out(names: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in names:
        table.add_column(name.upper(), overflow="fold")
    for row in cells:
        table.add_row(*map(_coloured, row))
    _console().print(table)


def _coloured(word: str) -> Text:
    from rich.text import Text

    return Text(word, style=_COLOURS.get(word, ""))


def _console() -> Console:
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False)

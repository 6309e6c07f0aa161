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
# columns that say something: they are shown whole
PROSE = frozenset({"reason", "error", "detail", "text", "why", "refused", "note"})
MIN_PROSE = 24
LAST_MS = 253_402_300_800_000  # the year 10000, which no calendar here knows

_COLOURS = {
    **dict.fromkeys(("done", "accepted", "delivered", "clicked", "running", "ready"), "green"),
    "captured": "cyan",
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
    table = [named(row) for row in rows]
    if not table:
        click.echo("nothing", err=True)
        return
    names = list(columns or table[0])
    if sys.stdout.isatty():
        longest = {name: None if name in PROSE else MAX_CELL for name in names}
        _table_out(names, [[cell(row.get(n), longest[n]) for n in names] for row in table])
    else:
        _columns_out(names, [[cell(row.get(name), None) for name in names] for row in table])


def json_out(row: Row) -> None:
    """Write one JSON object as one line, at once."""
    from homing.core.wire import json_bytes

    sys.stdout.buffer.write(json_bytes(row) + b"\n")
    sys.stdout.buffer.flush()


def pairs_out(row: Row) -> None:
    """Write one row as a name and a value a line; what is absent is left out."""
    shown = {name: value for name, value in named(row).items() if value not in (None, "", [], {})}
    width = max(map(len, shown), default=0)
    for name, value in shown.items():
        first, *more = text(value).split("\n")
        click.echo(f"{name.ljust(width)}  {first}")
        for line in more:
            click.echo(f"{'':{width}}  {line}")


def named(row: Row) -> Row:
    """A row as people are to read it: a send that was captured was accepted by nobody."""
    message_id = row.get("message_id")
    if row.get("state") != "accepted" or not isinstance(message_id, str):
        return row
    from homing.core.effects import CAPTURED

    return {**row, "state": "captured"} if message_id.startswith(CAPTURED) else row


def heading_out(words: str) -> None:
    """Write a heading between parts."""
    click.echo()
    click.secho(text(words).upper(), bold=sys.stdout.isatty() and colours())


def colours() -> bool:
    """Whether colour may be used: on a terminal, and nobody said no."""
    import os

    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def cell(value: object, longest: int | None = MAX_CELL) -> str:
    """One cell: one line, cut at *longest* characters if that is a number."""
    return text(value).replace("\n", " ")[:longest]


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
    # what is longer is not cut, and stands out of its column
    widths = [min(max(MAX_CELL, len(names[i])), width) for i, width in _widths(names, cells)]
    for line in ([name.upper() for name in names], *cells):
        padded = (word.ljust(width) for word, width in zip(line, widths, strict=True))
        click.echo("  ".join(padded).rstrip())


def _table_out(names: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    from rich.table import Table

    console, table = _console(), Table(box=None, pad_edge=False, header_style="bold")
    # the prose gets what the others leave, if that is enough to be read
    taken = sum(1 + width for i, width in _widths(names, cells) if names[i] not in PROSE)
    has_room = console.width - taken >= MIN_PROSE
    for name in names:
        table.add_column(name.upper(), overflow="fold", no_wrap=has_room and name not in PROSE)
    for row in cells:
        table.add_row(*map(_coloured, row))
    console.print(table)


def _widths(names: Sequence[str], cells: Sequence[Sequence[str]]) -> Iterator[tuple[int, int]]:
    """Of each column, how wide its widest cell is."""
    for i, name in enumerate(names):
        yield i, max(len(name), *(len(row[i]) for row in cells))


def _coloured(word: str) -> Text:
    from rich.text import Text

    return Text(word, style=_COLOURS.get(word, ""))


def _console() -> Console:
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False)

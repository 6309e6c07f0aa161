"""How rows are shown: a table for people, one JSON object a line for programs."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

import click
import orjson


def rows_out(
    rows: Iterable[Mapping[str, object]], *, as_json: bool, columns: Sequence[str] | None = None
) -> None:
    """Write rows to standard output; a table shows *columns*, by default those of the first row."""
    if as_json:
        for row in rows:
            sys.stdout.buffer.write(orjson.dumps(row, default=str) + b"\n")
            sys.stdout.buffer.flush()
        return
    table = list(rows)
    if not table:
        click.echo("nothing", err=True)
        return
    names = list(columns or table[0])
    cells = [[_cell(row.get(name)) for name in names] for row in table]
    widths = [max(len(name), *(len(row[i]) for row in cells)) for i, name in enumerate(names)]
    for line in ([name.upper() for name in names], *cells):
        padded = (text.ljust(width) for text, width in zip(line, widths, strict=True))
        click.echo("  ".join(padded).rstrip())


def _cell(value: object) -> str:
    """One cell: hostile text cannot move the cursor or break the line."""
    text = "" if value is None else str(value)
    return "".join(char if char.isprintable() else "�" for char in text)[:120]


def time_text(at_ms: object) -> str | None:
    """RFC 3339 in UTC; None of None."""
    if not isinstance(at_ms, int):
        return None
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")

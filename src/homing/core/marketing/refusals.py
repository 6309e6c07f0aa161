"""
What an import job says went wrong: the file behind its ``errors_url``.

Its columns are not documented: each row that holds one of our addresses says why, with what else
is in it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator, Mapping

import orjson

MAX_REASON_CHARS = 500


def refusals_in(raw: bytes, addresses: Collection[str]) -> dict[str, str]:
    """
    Why rows of a job were refused, by address.

    Args:
        raw: CSV, or JSON: an object a line, or a list of them. Anything else refuses nobody.

        addresses: Those of the job, lower-cased.
    """
    text = raw.decode("utf-8-sig", "replace")
    rows = _json_rows(text) if text.lstrip()[:1] in ("{", "[") else _csv_rows(text)
    found: dict[str, str] = {}
    for cells in rows:
        words = [cell.strip() for cell in cells]
        named = next((word.lower() for word in words if word.lower() in addresses), None)
        if named is not None:
            reason = ", ".join(word for word in words if word and word.lower() != named)
            found[named] = f"import job: {reason or 'refused'}"[:MAX_REASON_CHARS]
    return found


def _csv_rows(text: str) -> Iterator[list[str]]:
    rows = csv.reader(io.StringIO(text))
    while True:
        try:
            yield next(rows)
        except StopIteration:
            return
        except csv.Error:
            continue  # a row that is none


def _json_rows(text: str) -> Iterator[list[str]]:
    for row in _json_values(text):
        yield [str(value) for value in row.values() if isinstance(value, str | int)]


def _json_values(text: str) -> Iterator[Mapping[str, object]]:
    for part in (text, *text.splitlines()):
        try:
            value = orjson.loads(part)
        except orjson.JSONDecodeError:
            continue
        rows = value if isinstance(value, list) else [value]
        yield from (row for row in rows if isinstance(row, dict))

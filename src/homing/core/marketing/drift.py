"""What differs between who should be on a list and who is."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Container, Iterator
from enum import StrEnum
from typing import IO

import msgspec

from homing.core.errors import HomingError
from homing.core.marketing.members import ListMember

# what was written, or told, so short a time before an export began may not show in it
LAG_MS = 120_000
_GZIP = b"\x1f\x8b"


class UnreadableExport(HomingError):
    """SendGrid's file is not what it should be."""


class Verdict(StrEnum):
    """What a reconciliation makes of one address."""

    AGREED = "agreed"
    MISSING = "missing"  # should be on the list, and is not
    EXTRA = "extra"  # should not be, and is
    YOUNG = "young"  # changed too lately to be judged by this export
    UNTOLD = "untold"  # as it should be, though we had not heard that it is
    REFUSED = (
        "refused"  # should be on the list, and SendGrid has refused it: a dead effect says why
    )


class Report(msgspec.Struct):
    """
    What a reconciliation of one list came to; times are unix ms.

    ``status``: "done", "refused" (``error`` says why, and the cure) or "running".
    """

    list: str
    name: str
    status: str = "running"
    began_at: int = 0
    ended_at: int | None = None
    members: int = 0
    on_list: int = 0
    missing: int = 0
    extra: int = 0
    strangers: int = 0
    young: int = 0
    refused: int = 0
    written: int = 0
    calls: int = 0
    dry_run: bool = False
    error: str = ""


def verdict_of(row: ListMember, *, is_on: bool, began_at: int, busy: Container[str]) -> Verdict:
    """
    Judge one address by an export that was asked for at *began_at*.

    Args:
        is_on: Whether the export has it.

        busy: Addresses that SendGrid is being told of.
    """
    if row.changed_at > began_at - LAG_MS or row.address in busy:
        return Verdict.YOUNG
    if row.wanted and not is_on:
        return Verdict.REFUSED if row.told is False else Verdict.MISSING
    if is_on and not row.wanted:
        return Verdict.EXTRA
    return Verdict.AGREED if row.told is is_on else Verdict.UNTOLD


def members_in(file: IO[bytes]) -> Iterator[tuple[str, str]]:
    """
    Read an export: lower-cased address and contact id of each row that has both.

    The file may be gzipped. Columns are found by their heading, whatever its case.

    Raises:
        UnreadableExport: It has no such columns, or is cut off.
    """
    start = file.read(2)
    file.seek(0)
    raw = gzip.GzipFile(fileobj=file, mode="rb") if start == _GZIP else file
    try:
        rows = csv.reader(io.TextIOWrapper(raw, encoding="utf-8-sig", newline=""))
        heading = [cell.strip().upper() for cell in next(rows, [])]
        if not heading:
            return
        at_email, at_id = heading.index("EMAIL"), heading.index("CONTACT_ID")
        for row in rows:
            if len(row) > max(at_email, at_id) and row[at_email] and row[at_id]:
                yield row[at_email].lower(), row[at_id]
    except (ValueError, EOFError, OSError, zlib.error, csv.Error) as error:
        msg = f"an export without EMAIL and CONTACT_ID, or cut off: {error}"
        raise UnreadableExport(msg) from error

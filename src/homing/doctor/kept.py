"""
Templates as they were when they were last looked at: ``homing.db.templates`` beside the state file.

A file of its own, replaced as a whole: so it can be written beside a running service that holds
the store, and by whoever may write to that folder. Losing it loses one diff.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from homing.doctor.answers import Got
from homing.doctor.case import Seen
from homing.doctor.templates import digest_of

if TYPE_CHECKING:
    from homing.doctor.case import Case

MAX_PART_CHARS: Final = 1_000_000
MAX_FILE_BYTES: Final = 64 * 2**20


class _Row(msgspec.Struct):
    version: str
    at_ms: int
    digest: str
    parts: dict[str, str] | None = None


_DECODER: Final = msgspec.json.Decoder(dict[str, _Row])


def templates_path(state: Path) -> Path:
    """The file beside a state file."""
    return state.with_name(state.name + ".templates")


def read(path: Path) -> Mapping[str, Seen]:
    """What was kept; nothing of a file that is not there, or is not ours."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            return {}
        rows = _DECODER.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError, ValueError):
        return {}
    return {key: Seen(row.version, row.at_ms, row.digest, row.parts) for key, row in rows.items()}


def keep(path: Path, case: Case) -> str | None:
    """
    Keep what was seen this time; what was not seen stays as it was.

    Returns:
        Why it could not be kept; None: it was.
    """
    rows = {key: _row(seen) for key, seen in case.seen.items()}
    for template_id, look in case.facts.templates.items():
        version = look.value.active if isinstance(look, Got) else None
        if version is None:
            continue
        parts = dict(version.parts)
        fits = sum(map(len, parts.values())) <= MAX_PART_CHARS
        kept = parts if fits else None
        rows[template_id] = _Row(version.id, case.now_ms, digest_of(version), kept)
    try:
        _write(path, msgspec.json.encode(rows))
    except (OSError, UnicodeError) as error:
        return f"{path} cannot be written: {error}"
    return None


def _row(seen: Seen) -> _Row:
    parts = None if seen.parts is None else dict(seen.parts)
    return _Row(seen.version, seen.at_ms, seen.digest, parts)


def _write(path: Path, content: bytes) -> None:
    """Replace a file as a whole: a crash leaves the old one."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)

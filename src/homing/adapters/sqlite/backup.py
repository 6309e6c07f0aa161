"""
Copies of the store: made beside a running service, put back with mail paused.

A backup is a folder of ``homing.db``, ``homing.log.db`` and ``manifest.json``. The state is copied
before the log, so that every event after the state's cursor is in the log's copy.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import apsw
import msgspec

from homing import __version__
from homing.adapters.sqlite.books import SqliteBooks
from homing.adapters.sqlite.engine import connect
from homing.adapters.sqlite.faults import (
    NewerSchema,
    NoStore,
    StoreBusy,
    StoreCorrupt,
    certain_fault_of,
)
from homing.adapters.sqlite.lock import hold
from homing.adapters.sqlite.log import log_path
from homing.adapters.sqlite.migrate import migrations
from homing.core.errors import HomingError
from homing.core.events import iso_time
from homing.ports import Pause

STATE: Final = "homing.db"
LOG: Final = "homing.log.db"
MANIFEST: Final = "manifest.json"
PAUSED_BY: Final = "restore"

_STATE_COUNTS: Final = {
    "cursor": "SELECT request FROM cursor",
    "events": "SELECT count(*) FROM event",
    "people": "SELECT count(*) FROM person",
    "sends": "SELECT count(*) FROM send",
}
_LOG_COUNTS: Final = {
    "head": "SELECT coalesce(max(seq), 0) FROM request",
    "requests": "SELECT count(*) FROM request",
}
_MAY_HAVE_LEFT: Final = (
    "SELECT count(*) FROM send WHERE state IN ('reserved', 'retry', 'in_flight', 'unknown')"
)


class BadBackup(HomingError):
    """The folder holds no whole backup."""


class InTheWay(HomingError):
    """Something is where the copy would be put."""


@dataclass(frozen=True, slots=True)
class File:
    """One file of a backup."""

    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """
    What a backup holds.

    ``counts`` has the rows by table, and ``cursor`` and ``head``: how far the log was evaluated,
    and its newest request.
    """

    made_at_ms: int
    homing: str
    schema: int
    files: dict[str, File]
    counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class Restored:
    """
    What was put in place.

    ``may_have_left`` counts the sends that were open when the backup was made: they may have been
    sent since. ``aside`` are the files that were there before.
    """

    manifest: Manifest
    may_have_left: int
    aside: tuple[Path, ...]


def back_up(state: Path, folder: Path, *, now_ms: int) -> Manifest:
    """
    Copy the store to *folder*, which appears only when it is whole.

    Raises:
        InTheWay: *folder* exists and is not empty.
        NoStore: There is nothing to copy.
        StoreCorrupt, StoreFull, StoreFailed: See `snapshot`.
    """
    if not state.exists():
        msg = f"no store at {state}: `homing serve` makes it"
        raise NoStore(msg)
    _check_free(folder)
    making = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        manifest = _copied(state, making, now_ms)
        (making / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest)))
        _sync(making / MANIFEST)
        _sync(making)
        making.rename(folder)
        _sync(folder.parent)
    except BaseException:
        shutil.rmtree(making, ignore_errors=True)
        raise
    return manifest


def restore(folder: Path, state: Path, *, now_ms: int, force: bool = False) -> Restored:
    """
    Put a backup in the store's place; mail stays paused until somebody resumes it.

    What is there already is moved aside, never deleted.

    Raises:
        BadBackup: The folder holds no whole backup.
        InTheWay: There is a store, and nobody said *force*.
        StoreBusy: Somebody uses it.
        NewerSchema: A newer Homing made the backup.
    """
    manifest = read_manifest(folder)
    with closing(hold(state)), closing(hold(log_path(state))):
        try:
            return _restored(folder, state, manifest, now_ms=now_ms, force=force)
        finally:
            for _, path in _places(state):
                _beside(path).unlink(missing_ok=True)


def _restored(
    folder: Path, state: Path, manifest: Manifest, *, now_ms: int, force: bool
) -> Restored:
    there = [path for _, path in _places(state) if path.exists()]
    if there and not force:
        msg = f"there is a store at {state}: --force moves it aside"
        raise InTheWay(msg)
    for path in there:
        _check_unused(path)
    new = {path: _fetched(folder / name, path, manifest) for name, path in _places(state)}
    may_have_left = _pause(new[state], manifest, now_ms)
    aside = tuple(old for path in new for old in _moved_aside(path, now_ms))
    # the state first: until the log is there, its pause already holds every email
    for path, fetched in new.items():
        if fetched is not None:
            fetched.replace(path)
    _give_to_owner(state.parent, [*new, *(path.with_name(f"{path.name}.lock") for path in new)])
    _sync(state.parent)
    return Restored(manifest, may_have_left, aside)


def read_manifest(folder: Path) -> Manifest:
    """
    What a backup says of itself.

    Raises:
        BadBackup: It says nothing of the kind.
        NewerSchema: A newer Homing made it.
    """
    try:
        found = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except (OSError, msgspec.DecodeError) as error:
        msg = f"{folder} holds no backup: {error}"
        raise BadBackup(msg) from error
    if found.schema > len(migrations()):
        msg = f"{folder} has schema {found.schema}, this Homing knows up to {len(migrations())}"
        raise NewerSchema(msg)
    return found


def snapshot(source: Path, target: Path) -> None:
    """
    Copy one database file as it is at this moment, beside its writer.

    One step for the whole file: in several, every commit of the writer would begin it anew.

    Raises:
        StoreCorrupt: What was copied is not sound.
        StoreFull, StoreFailed: It cannot be read or written.
    """
    with _translated(source), closing(connect(source, readonly=True)) as reading:
        with closing(apsw.Connection(str(target))) as writing:
            target.chmod(0o600)
            with writing.backup("main", reading, "main") as copying:
                while not copying.done:
                    copying.step(-1)
            # one file, without a WAL of its own beside it
            writing.execute("PRAGMA journal_mode = delete")
        check_sound(target)
    _sync(target)


def check_sound(path: Path) -> None:
    """
    Look through a database file that nobody else uses.

    Raises:
        StoreCorrupt: It is not sound.
        StoreFailed: It cannot be read.
    """
    with _translated(path), closing(apsw.Connection(str(path))) as db:
        found = [str(row[0]) for row in db.execute("PRAGMA quick_check(10)")]
    if found != ["ok"]:
        msg = f"{path} is not sound: {'; '.join(found)}"
        raise StoreCorrupt(msg)


def _copied(state: Path, folder: Path, now_ms: int) -> Manifest:
    counts: dict[str, int] = {}
    files: dict[str, File] = {}
    schema = 0
    for name, source in _places(state):
        if not source.exists():
            continue
        target = folder / name
        snapshot(source, target)
        counts |= _counted(target, _STATE_COUNTS if name == STATE else _LOG_COUNTS)
        if name == STATE:
            schema = _counted(target, {"schema": "PRAGMA user_version"})["schema"]
        files[name] = File(target.stat().st_size, _digest(target))
    return Manifest(now_ms, __version__, schema, files, counts)


def _places(state: Path) -> tuple[tuple[str, Path], ...]:
    return (STATE, state), (LOG, log_path(state))


def _counted(path: Path, queries: Mapping[str, str]) -> dict[str, int]:
    with _translated(path), closing(apsw.Connection(str(path))) as db:
        return {name: int(db.execute(sql).get) for name, sql in queries.items()}


def _fetched(source: Path, target: Path, manifest: Manifest) -> Path | None:
    """A file of a backup, checked, beside the place it will have; None if there was none."""
    said = manifest.files.get(source.name)
    if said is None:
        return None
    fetched = _beside(target)
    try:
        shutil.copyfile(source, fetched)
    except FileNotFoundError as error:
        msg = f"{source.parent} holds no whole backup: {error}"
        raise BadBackup(msg) from error
    if _digest(fetched) != said.sha256:
        msg = f"{source} is not what was backed up"
        raise BadBackup(msg)
    fetched.chmod(0o600)
    check_sound(fetched)
    _sync(fetched)
    return fetched


def _beside(target: Path) -> Path:
    return target.with_name(f"{target.name}.restoring")


def _pause(state: Path | None, manifest: Manifest, now_ms: int) -> int:
    """Hold all mail of a store that is about to be put in place; how many sends were open."""
    if state is None:
        raise BadBackup("the backup holds no state")
    reason = f"restored from a backup of {iso_time(manifest.made_at_ms)}: what was to be sent then"
    reason += " may have been sent since; `homing resume mail` lets it go"
    with _translated(state), closing(apsw.Connection(str(state))) as db:
        with db:
            books = SqliteBooks(db)
            books.pause("mail", Pause(now_ms, reason, PAUSED_BY))
            books.alert("paused", "mail", reason, at=now_ms)
            books.set("restored_at", now_ms)
        may_have_left = int(db.execute(_MAY_HAVE_LEFT).get)
    _sync(state)
    return may_have_left


def _give_to_owner(folder: Path, paths: Iterable[Path]) -> None:
    """What root puts in place must be the service's to open: the folder's owner gets it."""
    if os.geteuid() != 0:
        return
    owner = folder.stat()
    for path in paths:
        if path.exists():
            os.chown(path, owner.st_uid, owner.st_gid)


def _check_free(folder: Path) -> None:
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        msg = f"{folder} is in the way"
        raise InTheWay(msg)
    if folder.exists() and any(folder.iterdir()):
        msg = f"{folder} is not empty"
        raise InTheWay(msg)


def _check_unused(path: Path) -> None:
    """
    Those who only look hold no lock of ours, and must not have the file either.

    SQLite leaves WAL mode only for the one connection there is; what a crash left in the WAL
    comes into the file with it.

    Raises:
        StoreBusy: Somebody has it open.
    """
    try:
        with closing(apsw.Connection(str(path))) as db:
            db.execute("PRAGMA journal_mode = delete")
    except (apsw.BusyError, apsw.LockedError) as error:
        msg = f"somebody uses {path}: stop `homing serve` first"
        raise StoreBusy(msg) from error
    except apsw.Error:
        return  # that it is damaged is why it is replaced


def _moved_aside(path: Path, now_ms: int) -> Iterator[Path]:
    for ending in ("", "-wal", "-shm"):
        old = path.with_name(path.name + ending)
        if old.exists():
            new = path.with_name(f"{path.name}.replaced-{now_ms}{ending}")
            old.rename(new)
            yield new


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """The engine's errors in our words."""
    try:
        yield
    except apsw.Error as error:
        raise certain_fault_of(error, path) from error


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    """Have a file, or a folder's entries, on the disk."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)

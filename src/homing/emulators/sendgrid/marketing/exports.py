"""Exports: contacts as files, made some time after they were asked for."""

import csv
import gzip
import io
import uuid
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Final, Literal, TypeAlias

import orjson

from homing.emulators.clock import utc_seconds_text
from homing.emulators.later import Later
from homing.emulators.sendgrid.marketing.contacts import IDENTIFIERS, TEXTS, Contact
from homing.emulators.sendgrid.marketing.marketing import Marketing

FileType: TypeAlias = Literal["csv", "json"]
Status: TypeAlias = Literal["pending", "ready", "failure"]

FILE_TYPES: Final[tuple[FileType, ...]] = ("csv", "json")
FATES: Final = ("ok", "failure")
MEGABYTE: Final = 1_000_000

#: Columns before those of the custom fields, which have the fields' own names.
_COLUMNS: Final = (
    *IDENTIFIERS,
    *TEXTS,
    "alternate_emails",
    "created_at",
    "updated_at",
    "contact_id",
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """
    What an export was asked to hold.

    Args:
        list_ids: Whose members; none of them: all contacts.

        most_bytes: A file at most, before it is compressed.
    """

    list_ids: Sequence[str]
    file_type: FileType
    most_bytes: int


@dataclass(slots=True)
class Export:
    """
    One export.

    Args:
        paths: Of its files.
    """

    id: str
    wanted: Wanted
    created_at: float
    updated_at: float
    expires_at: float
    status: Status = "pending"
    paths: list[str] = field(default_factory=list)
    contact_count: int = 0
    message: str = ""

    def as_json(self, origin: str) -> dict[str, object]:
        """Show it as the API does; `origin` is where its files are."""
        shown: dict[str, object] = {
            "id": self.id,
            "status": self.status,
            "created_at": utc_seconds_text(self.created_at),
            "updated_at": utc_seconds_text(self.updated_at),
            "expires_at": utc_seconds_text(self.expires_at),
            "urls": [origin + path for path in self.paths],
            "_metadata": {"self": f"{origin}/v3/marketing/contacts/exports/{self.id}"},
        }
        if self.status == "failure":
            shown["message"] = self.message
        elif self.status == "ready":
            shown["completed_at"] = utc_seconds_text(self.updated_at)
            shown["contact_count"] = self.contact_count
        return shown


class Exports:
    """
    The account's exports.

    Args:
        later: Where they wait.

        keep: How many of the newest are kept.
    """

    def __init__(self, marketing: Marketing, later: Later, keep: int) -> None:
        self._marketing = marketing
        self._later = later
        self._keep = keep
        self._by_id: dict[str, Export] = {}
        self._fates: deque[str] = deque()

    @property
    def held(self) -> bool:
        """Whether exports stay pending for now; may be switched at any time."""
        return self._later.held

    @held.setter
    def held(self, is_held: bool) -> None:
        self._later.held = is_held

    @property
    def idle(self) -> bool:
        """Whether no export is pending."""
        return self._later.idle

    def script(self, fates: Iterable[str]) -> None:
        """
        Say what becomes of the next exports: ``"failure"``, or ``"ok"``.

        Raises:
            ValueError: An unknown fate.
        """
        fresh = list(fates)
        for fate in fresh:
            if fate not in FATES:
                msg = f'unknown fate "{fate}" of an export. Known: {", ".join(FATES)}'
                raise ValueError(msg)
        self._fates.extend(fresh)

    def start(self, wanted: Wanted) -> Export:
        """Take an export in; its files hold what there is when they are made."""
        now = self._marketing.clock()
        expires_at = now + self._marketing.downloads.expires_s
        export = Export(str(uuid.uuid4()), wanted, now, now, expires_at)
        self._by_id[export.id] = export
        if len(self._by_id) > self._keep:
            del self._by_id[next(iter(self._by_id))]
        fate = self._fates.popleft() if self._fates else "ok"
        self._later.add(lambda: self._finish(export, fate))
        return export

    def find(self, export_id: str) -> Export | None:
        """Find an export by its id."""
        return self._by_id.get(export_id)

    def close(self) -> None:
        """Let no export end any more."""
        self._later.close()

    def _finish(self, export: Export, fate: str) -> None:
        export.updated_at = self._marketing.clock()
        if fate == "failure":
            export.status, export.message = "failure", "the export could not be made"
            return
        contacts = list(self._meant(export.wanted.list_ids))
        export.paths = [self._put(export, number, rows) for number, rows in self._files(
            export.wanted, contacts
        )]  # fmt: skip
        export.contact_count = len(contacts)
        export.status = "ready"

    def _meant(self, list_ids: Sequence[str]) -> Iterator[Contact]:
        marketing = self._marketing
        known = (marketing.lists.find(list_id) for list_id in list_ids)
        members = chain.from_iterable(which.members.values() for which in known if which)
        # Who is on several of the lists is there once.
        everybody = dict.fromkeys(members) if list_ids else marketing.contacts
        return (contact for contact in everybody if marketing.is_seen(contact))

    def _files(
        self, wanted: Wanted, contacts: Sequence[Contact]
    ) -> Iterator[tuple[int, list[bytes]]]:
        """Cut the rows into files; every file begins with the header."""
        as_rows = self._csv_rows if wanted.file_type == "csv" else self._json_rows
        rows = as_rows(contacts)
        header = next(rows)
        file, size, number = [header], len(header), 0
        most_rows = self._marketing.settings.export_file_rows
        for row in rows:
            if len(file) > most_rows or (size + len(row) > wanted.most_bytes and len(file) > 1):
                yield number, file
                file, size, number = [header], len(header), number + 1
            file.append(row)
            size += len(row)
        yield number, file

    def _csv_rows(self, contacts: Sequence[Contact]) -> Iterator[bytes]:
        fields = list(self._marketing.fields)
        line = io.StringIO()
        writer = csv.writer(line)

        def written(cells: Iterable[object]) -> bytes:
            line.seek(0)
            line.truncate()
            writer.writerow(cells)
            return line.getvalue().encode()

        yield written((*(name.upper() for name in _COLUMNS), *(field.name for field in fields)))
        for contact in contacts:
            custom = (contact.custom.get(field.id, "") for field in fields)
            yield written((*_cells(contact), *custom))

    def _json_rows(self, contacts: Sequence[Contact]) -> Iterator[bytes]:
        # One object a line, and no array around them.
        yield b""
        for contact in contacts:
            given = {name: value for name, value in contact.fields.items() if value}
            own = {
                "contact_id": contact.id,
                "created_at": utc_seconds_text(contact.created_at),
                "updated_at": utc_seconds_text(contact.updated_at),
                "custom_fields": self._marketing.fields.shown(contact.custom),
            }
            yield orjson.dumps(given | own) + b"\n"

    def _put(self, export: Export, number: int, rows: list[bytes]) -> str:
        packing, file_type = self._marketing.settings.export_packing, export.wanted.file_type
        plain_type = "text/csv" if file_type == "csv" else "application/json"
        body = b"".join(rows)
        name = f"{export.id}-{number}.{file_type}"
        downloads = self._marketing.downloads
        if packing == "plain":
            return downloads.put(name, body, plain_type)
        packed = gzip.compress(body, compresslevel=1)
        if packing == "gzip-encoding":
            return downloads.put(name, packed, plain_type, encoding="gzip")
        return downloads.put(name + ".gzip", packed, "application/gzip")

    def __iter__(self) -> Iterator[Export]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)


def _cells(contact: Contact) -> Iterator[str]:
    """Walk over a contact's cells, in the order of `_COLUMNS`."""
    fields = contact.fields
    for name in (*IDENTIFIERS, *TEXTS):
        yield fields.get(name, "")
    yield ",".join(fields.get("alternate_emails", ()))
    yield utc_seconds_text(contact.created_at)
    yield utc_seconds_text(contact.updated_at)
    yield contact.id

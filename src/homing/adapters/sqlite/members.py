"""Audiences, lists, and what SendGrid works on: answers ``ports.Members`` and ``ports.Jobs``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec.structs import astuple, replace

from homing.adapters.sqlite.sql import executing, load
from homing.core.marketing.jobs import Job
from homing.core.marketing.members import ListMember, together
from homing.ports import AudienceMember

if TYPE_CHECKING:
    import apsw

SQL = load("members")
# what lets audiences and addresses of one person be another's: (winner, loser)
MERGE: Final = (SQL.join_lists, SQL.leave_lists, SQL.join_audiences, SQL.leave_audiences)


class SqliteMembers:
    """
    See `homing.ports.Members`.

    Args:
        on_delete: See `SqlitePeople`.
    """

    def __init__(
        self, db: apsw.Connection, *, on_delete: Callable[[], None] = lambda: None
    ) -> None:
        self._db = db
        self._execute = executing(db)
        self._on_delete = on_delete

    def enter(self, audience: str, member: AudienceMember) -> None:
        """Somebody is in an audience; of one who was, the newest event is kept."""
        self._execute(SQL.enter, (audience, *astuple(member)))

    def leave(self, audience: str, person: int) -> None:
        """Somebody is out of an audience."""
        self._execute(SQL.leave, (audience, person))

    def count(self, audience: str) -> int:
        """How many are in an audience."""
        return int(self._execute(SQL.count, (audience,)).get)

    def audiences(self) -> dict[str, int]:
        """How many are in each audience that has anybody."""
        return dict(self._execute(SQL.audiences).fetchall())

    def of_audience(self, audience: str, *, after: int, limit: int) -> list[AudienceMember]:
        """Who is in an audience, in order of person, from beyond *after*."""
        rows = self._execute(SQL.of_audience, (audience, after, limit)).fetchall()
        return [AudienceMember(*row) for row in rows]

    def get(self, list_name: str, address: str) -> ListMember | None:
        """What is wanted of a list and an address, by all who share it together."""
        return together(self.of_address(list_name, address))

    def of_address(self, list_name: str, address: str) -> list[ListMember]:
        """What each who shares an address wants of a list, in order of person."""
        rows = self._execute(SQL.of_address, (list_name, address)).fetchall()
        return [_member(row) for row in rows]

    def save(self, member: ListMember) -> None:
        """Write what is wanted of a list, an address and a person."""
        self._execute(SQL.save, astuple(member))

    def tell(self, list_name: str, addresses: Iterable[str], *, told: bool | None, at: int) -> None:
        """Keep what SendGrid may have been told, by *at*, of addresses that are known."""
        rows = [(told, at, list_name, address) for address in addresses]
        self._db.executemany(SQL.tell, rows)

    def of_person(self, person: int) -> list[ListMember]:
        """What is wanted of a person's addresses."""
        return [_member(row) for row in self._execute(SQL.of_person, (person,)).fetchall()]

    def of_list(self, list_name: str, *, after: str, limit: int) -> list[ListMember]:
        """What is wanted of a list, a row an address, in order, from beyond *after*."""
        found = self._execute(SQL.of_list, (list_name, after, limit)).fetchall()
        rows = [_member(row) for row in found]
        if len(rows) == limit:
            # there may be more who share the last address
            last = rows[-1].address
            rows = [row for row in rows if row.address != last]
            rows += self.of_address(list_name, last)
        shared = (together(of_one) for _, of_one in groupby(rows, key=attrgetter("address")))
        return [row for row in shared if row is not None]

    def merge(self, loser: int, winner: int) -> None:
        """Let audiences and addresses of one person be another's."""
        for sql in MERGE:
            self._execute(sql, (winner, loser))

    def erase(self, people: Sequence[int]) -> None:
        """Delete what is known of persons, soon without a trace."""
        for sql in (SQL.erase_audiences, SQL.erase_members):
            self._db.executemany(sql, [(person,) for person in people])
        self._on_delete()


class SqliteJobs:
    """See `homing.ports.Jobs`."""

    def __init__(self, db: apsw.Connection) -> None:
        self._execute = executing(db)

    def add(self, job: Job) -> Job:
        """Keep a job under a number of its own: it has that."""
        number = int(self._execute(SQL.add_job, (msgspec.json.encode(job),)).get)
        return replace(job, number=number)

    def save(self, job: Job) -> None:
        """Write a changed job."""
        self._execute(SQL.save_job, (msgspec.json.encode(job), job.number))

    def drop(self, number: int) -> None:
        """It is over."""
        self._execute(SQL.drop_job, (number,))

    def all(self) -> list[Job]:
        """Every job, oldest first."""
        rows = self._execute(SQL.jobs).fetchall()
        return [replace(_JOB.decode(data), number=number) for number, data in rows]


_JOB: Final = msgspec.json.Decoder(Job)


def _member(row: tuple[Any, ...]) -> ListMember:
    list_name, address, person, wanted, at, event, told, changed_at = row
    was_told = None if told is None else bool(told)
    return ListMember(list_name, address, person, bool(wanted), at, event, was_told, changed_at)

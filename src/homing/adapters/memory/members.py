"""Audiences, lists, and what SendGrid works on: answers ``ports.Members`` and ``ports.Jobs``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from homing.adapters.memory.table import Journal, Table
from homing.core.marketing.jobs import Job
from homing.core.marketing.members import ListMember, together
from homing.ports import AudienceMember


class MemoryMembers:
    """See `homing.ports.Members`."""

    def __init__(self, journal: Journal) -> None:
        self._audiences: Table[tuple[str, int], AudienceMember] = Table(journal)
        # by list and address, in order of person: all who share it
        self._lists: Table[tuple[str, str], tuple[ListMember, ...]] = Table(journal)

    def enter(self, audience: str, member: AudienceMember) -> None:
        """Somebody is in an audience; of one who was, the newest event is kept."""
        known = self._audiences.get((audience, member.person))
        if known is None or member.at >= known.at:
            self._audiences[audience, member.person] = member

    def leave(self, audience: str, person: int) -> None:
        """Somebody is out of an audience."""
        self._audiences.drop((audience, person))

    def count(self, audience: str) -> int:
        """How many are in an audience."""
        return self.audiences().get(audience, 0)

    def audiences(self) -> dict[str, int]:
        """How many are in each audience that has anybody."""
        return dict(sorted(Counter(audience for audience, _ in self._audiences).items()))

    def of_audience(self, audience: str, *, after: int, limit: int) -> list[AudienceMember]:
        """Who is in an audience, in order of person, from beyond *after*."""
        rows = (row for (name, _), row in self._audiences.items() if name == audience)
        return sorted((row for row in rows if row.person > after), key=_person)[:limit]

    def get(self, list_name: str, address: str) -> ListMember | None:
        """What is wanted of a list and an address, by all who share it together."""
        return together(self.of_address(list_name, address))

    def of_address(self, list_name: str, address: str) -> list[ListMember]:
        """What each who shares an address wants of a list, in order of person."""
        return list(self._lists.get((list_name, address)) or ())

    def save(self, member: ListMember) -> None:
        """Write what is wanted of a list, an address and a person."""
        rows = self.of_address(member.list_name, member.address)
        others = [row for row in rows if row.person != member.person]
        self._keep(member.list_name, member.address, [*others, member])

    def tell(self, list_name: str, addresses: Iterable[str], *, told: bool | None, at: int) -> None:
        """Keep what SendGrid may have been told, by *at*, of addresses that are known."""
        for address in addresses:
            for member in self.of_address(list_name, address):
                self.save(replace(member, told=told, changed_at=at))

    def of_person(self, person: int) -> list[ListMember]:
        """What is wanted of a person's addresses."""
        found = (row for rows in self._lists.values() for row in rows if row.person == person)
        return sorted(found, key=lambda row: (row.list_name, row.address))

    def of_list(self, list_name: str, *, after: str, limit: int) -> list[ListMember]:
        """What is wanted of a list, a row an address, in order, from beyond *after*."""
        found = sorted(one for name, one in self._lists if name == list_name and one > after)
        rows = (self.get(list_name, address) for address in found[:limit])
        return [row for row in rows if row is not None]

    def merge(self, loser: int, winner: int) -> None:
        """Let audiences and addresses of one person be another's."""
        for member in self.of_person(loser):
            rows = self.of_address(member.list_name, member.address)
            others = [row for row in rows if row.person not in (loser, winner)]
            both = [row for row in rows if row.person in (loser, winner)]
            # as of one moment the winner's own stays
            newest = max(both, key=lambda row: (row.at, row.person == winner))
            joined = [*others, replace(newest, person=winner)]
            self._keep(member.list_name, member.address, joined)
        for (audience, person), row in self._audiences.items():
            if person == loser:
                known = self._audiences.get((audience, winner))
                if known is None or row.at > known.at:
                    self._audiences[audience, winner] = replace(row, person=winner)
                self._audiences.drop((audience, loser))

    def erase(self, people: Sequence[int]) -> None:
        """Delete what is known of persons."""
        for (list_name, address), rows in self._lists.items():
            self._keep(list_name, address, [row for row in rows if row.person not in people])
        for audience_key in list(self._audiences):
            if audience_key[1] in people:
                self._audiences.drop(audience_key)

    def _keep(self, list_name: str, address: str, rows: Sequence[ListMember]) -> None:
        if not rows:
            self._lists.drop((list_name, address))
            return
        self._lists[list_name, address] = tuple(sorted(rows, key=lambda row: row.person))


class MemoryJobs:
    """See `homing.ports.Jobs`."""

    def __init__(self, journal: Journal) -> None:
        self._rows: Table[int, Job] = Table(journal)
        self._last: Table[None, int] = Table(journal)

    def add(self, job: Job) -> Job:
        """Keep a job under a number of its own: it has that."""
        number = (self._last.get(None) or 0) + 1
        self._last[None] = number
        self._rows[number] = replace(job, number=number)
        return self._rows[number]

    def save(self, job: Job) -> None:
        """Write a changed job."""
        if job.number in self._rows:
            self._rows[job.number] = job

    def drop(self, number: int) -> None:
        """It is over."""
        self._rows.drop(number)

    def all(self) -> list[Job]:
        """Every job, oldest first."""
        return [self._rows[number] for number in sorted(self._rows)]


def _person(member: AudienceMember) -> int:
    return member.person

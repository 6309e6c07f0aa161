"""Audiences, lists, and what SendGrid works on: answers ``ports.Members`` and ``ports.Jobs``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from homing.adapters.memory.table import Journal, Table
from homing.core.marketing.jobs import Job
from homing.core.marketing.members import ListMember
from homing.ports import AudienceMember


class MemoryMembers:
    """See `homing.ports.Members`."""

    def __init__(self, journal: Journal) -> None:
        self._audiences: Table[tuple[str, int], AudienceMember] = Table(journal)
        self._lists: Table[tuple[str, str], ListMember] = Table(journal)

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
        """What is wanted of a list and an address."""
        return self._lists.get((list_name, address))

    def save(self, member: ListMember) -> None:
        """Write it."""
        self._lists[member.list_name, member.address] = member

    def tell(self, list_name: str, addresses: Iterable[str], *, told: bool | None, at: int) -> None:
        """Keep what SendGrid may have been told, by *at*, of addresses that are known."""
        for address in addresses:
            member = self._lists.get((list_name, address))
            if member is not None:
                self.save(replace(member, told=told, changed_at=at))

    def of_person(self, person: int) -> list[ListMember]:
        """What is wanted of a person's addresses."""
        found = (member for member in self._lists.values() if member.person == person)
        return sorted(found, key=lambda member: (member.list_name, member.address))

    def of_list(self, list_name: str, *, after: str, limit: int) -> list[ListMember]:
        """What is wanted of a list, in order of address, from beyond *after*."""
        rows = (member for (name, _), member in self._lists.items() if name == list_name)
        found = (member for member in rows if member.address > after)
        return sorted(found, key=lambda member: member.address)[:limit]

    def merge(self, loser: int, winner: int) -> None:
        """Let audiences and addresses of one person be another's."""
        for member in self.of_person(loser):
            self.save(replace(member, person=winner))
        for (audience, person), row in self._audiences.items():
            if person == loser:
                known = self._audiences.get((audience, winner))
                if known is None or row.at > known.at:
                    self._audiences[audience, winner] = replace(row, person=winner)
                self._audiences.drop((audience, loser))

    def erase(self, people: Sequence[int]) -> None:
        """Delete what is known of persons."""
        for list_key, member in self._lists.items():
            if member.person in people:
                self._lists.drop(list_key)
        for audience_key in list(self._audiences):
            if audience_key[1] in people:
                self._audiences.drop(audience_key)


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

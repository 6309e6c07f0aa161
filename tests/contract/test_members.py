"""What every store promises of audiences, lists, and what SendGrid works on."""

from __future__ import annotations

import contextlib

from msgspec.structs import replace
from tests.support.rows import NOON, effect

from homing.core.effects import Dest
from homing.core.marketing.jobs import Job, JobKind
from homing.core.marketing.members import ListMember
from homing.core.people import Identity, IdKind
from homing.ports import AudienceMember, Store, Tx


def row(address: str, *, person: int = 1, wanted: bool = True, on: str = "vip") -> ListMember:
    """A row of a list."""
    return ListMember(on, address, person, wanted, NOON, 7, None, NOON)


JOB = Job(0, JobKind.UPSERT, NOON, NOON, (1, 2), ("a", "b"), (5,), ("vip",), "remote")


class TestAudiences:
    async def test_the_newest_event_of_a_member_is_kept(self, store: Store) -> None:
        """Entering again, or late, changes nothing but that."""

        def job(tx: Tx) -> None:
            for at in (5, 9, 7):
                tx.members.enter("vip", AudienceMember(1, at, at * 10))
            tx.members.enter("vip", AudienceMember(2, 1, None))
            tx.members.enter("big", AudienceMember(2, 1, None))

        await store.write(job)

        assert {"big": 1, "vip": 2} == await store.write(lambda tx: dict(tx.members.audiences()))
        page = await store.write(lambda tx: tx.members.of_audience("vip", after=0, limit=1))
        assert [AudienceMember(1, 9, 90)] == page
        page = await store.write(lambda tx: tx.members.of_audience("vip", after=1, limit=9))
        assert [AudienceMember(2, 1, None)] == page

        await store.write(lambda tx: tx.members.leave("vip", 1))
        assert 1 == await store.write(lambda tx: tx.members.count("vip"))


class TestLists:
    async def test_a_row_is_found_by_list_and_address_person_and_page(self, store: Store) -> None:
        """In order of address."""
        rows = [row("b"), row("a", person=2), row("c"), row("a", on="trial")]

        def job(tx: Tx) -> None:
            for one in rows:
                tx.members.save(one)

        await store.write(job)

        assert rows[0] == await store.write(lambda tx: tx.members.get("vip", "b"))
        assert await store.write(lambda tx: tx.members.get("trial", "b")) is None
        assert [rows[3], rows[0], rows[2]] == await store.write(lambda tx: tx.members.of_person(1))
        page = await store.write(lambda tx: tx.members.of_list("vip", after="a", limit=1))
        assert [rows[0]] == page

    async def test_who_shares_an_address_has_a_row_each(self, store: Store) -> None:
        """Together they are one row, also where a page ends; what is told is told of all."""
        rows = [
            row("a", wanted=False), row("a", person=2), row("a", person=3, wanted=False),
            row("b", person=2), row("b", person=1),
        ]  # fmt: skip

        def job(tx: Tx) -> None:
            for one in rows:
                tx.members.save(one)

        await store.write(job)

        assert rows[:3] == await store.write(lambda tx: tx.members.of_address("vip", "a"))
        assert rows[1] == await store.write(lambda tx: tx.members.get("vip", "a"))
        for limit, expected in ((1, ["a"]), (2, ["a", "b"]), (4, ["a", "b"]), (9, ["a", "b"])):
            page = await store.write(
                lambda tx, n=limit: tx.members.of_list("vip", after="", limit=n)
            )
            found = [one.address for one in page]
            assert expected[: len(found)] == found
            assert found
        page = await store.write(lambda tx: tx.members.of_list("vip", after="a", limit=9))
        assert ["b"] == [one.address for one in page]

        await store.write(lambda tx: tx.members.tell("vip", ["a"], told=True, at=NOON))
        told = await store.write(lambda tx: tx.members.of_address("vip", "a"))
        assert [True] * 3 == [one.told for one in told]

        await store.write(lambda tx: tx.members.erase([2]))
        left = await store.write(lambda tx: tx.members.get("vip", "a"))
        assert left is not None
        assert not left.wanted

    async def test_telling_touches_only_what_is_known(self, store: Store) -> None:
        """True, False, or unknown again."""

        def job(tx: Tx) -> list[bool | None]:
            tx.members.save(row("a"))
            found = []
            for told in (True, False, None):
                tx.members.tell("vip", ["a", "stranger"], told=told, at=NOON + 5)
                known = tx.members.get("vip", "a")
                assert known is not None
                assert NOON + 5 == known.changed_at
                found.append(known.told)
            assert tx.members.get("vip", "stranger") is None
            return found

        assert [True, False, None] == await store.write(job)

    async def test_what_is_undone_was_never_there(self, store: Store) -> None:
        """A savepoint undoes rows, audiences and jobs."""

        def job(tx: Tx) -> None:
            tx.members.save(row("a"))
            kept = tx.jobs.add(JOB)
            with contextlib.suppress(KeyError), tx.savepoint():
                tx.members.save(row("a", wanted=False))
                tx.members.enter("vip", AudienceMember(1, 1, None))
                tx.jobs.drop(kept.number)
                tx.jobs.add(JOB)
                raise KeyError

        await store.write(job)

        assert row("a") == await store.write(lambda tx: tx.members.get("vip", "a"))
        assert 0 == await store.write(lambda tx: tx.members.count("vip"))
        assert 1 == len(await store.write(lambda tx: tx.jobs.all()))


class TestMerge:
    async def test_all_that_was_ones_is_the_others(self, store: Store) -> None:
        """Rows move; of two memberships the newer stays; what is open changes its lane."""

        def job(tx: Tx) -> tuple[int, int]:
            loser = tx.people.add([Identity(IdKind.ANONYMOUS, "a")])
            winner = tx.people.add([Identity(IdKind.USER, "u")])
            tx.members.save(row("a", person=loser.id))
            tx.members.enter("vip", AudienceMember(loser.id, 9, 90))
            tx.members.enter("vip", AudienceMember(winner.id, 5, 50))
            tx.members.enter("big", AudienceMember(loser.id, 1, 10))
            for _ in range(3):
                tx.effects.add(effect(dest=Dest.CONTACTS, lane=loser.id, person=loser.id))
            tx.effects.sent([1])
            tx.effects.done([3])
            tx.people.merge(loser.id, winner)
            return loser.id, winner.id

        loser, winner = await store.write(job)

        assert [] == await store.write(lambda tx: tx.members.of_person(loser))
        assert [row("a", person=winner)] == await store.write(
            lambda tx: tx.members.of_person(winner)
        )
        found = await store.write(lambda tx: tx.members.of_audience("vip", after=0, limit=9))
        assert [AudienceMember(winner, 9, 90)] == found
        assert 1 == await store.write(lambda tx: tx.members.count("big"))
        open_ = await store.write(lambda tx: tx.effects.many([1, 2, 3]))
        assert [(1, winner), (2, winner)] == [(one.id, one.lane) for one in open_]

    async def test_of_an_address_both_had_the_newest_word_stays(self, store: Store) -> None:
        """Whoever of the two said it; others who share it keep their own."""
        older, newer = row("a", person=1), replace(row("a", wanted=False), at=NOON + 1)

        def job(tx: Tx) -> None:
            for address, loser, winner in (("a", older, newer), ("b", newer, older)):
                tx.members.save(replace(loser, address=address, person=1))
                tx.members.save(replace(winner, address=address, person=2))
                tx.members.save(row(address, person=3))
            tx.members.merge(1, 2)

        await store.write(job)

        for address in ("a", "b"):
            rows = await store.write(lambda tx, one=address: tx.members.of_address("vip", one))
            assert [(2, False, NOON + 1), (3, True, NOON)] == [
                (one.person, one.wanted, one.at) for one in rows
            ]


class TestErase:
    async def test_nothing_of_a_person_stays(self, store: Store) -> None:
        """Others stay."""

        def job(tx: Tx) -> None:
            for person in (1, 2):
                tx.members.save(row(f"a{person}", person=person))
                tx.members.enter("vip", AudienceMember(person, 1, None))
            tx.members.erase([1])

        await store.write(job)

        assert ["a2"] == [
            one.address
            for one in await store.write(lambda tx: tx.members.of_list("vip", after="", limit=9))
        ]
        assert 1 == await store.write(lambda tx: tx.members.count("vip"))


class TestJobs:
    async def test_a_job_keeps_its_number_and_no_number_comes_twice(self, store: Store) -> None:
        """Also after the last was dropped."""

        def job(tx: Tx) -> list[int]:
            first, second = tx.jobs.add(JOB), tx.jobs.add(JOB)
            tx.jobs.drop(second.number)
            third = tx.jobs.add(JOB)
            return [first.number, second.number, third.number]

        numbers = await store.write(job)

        assert 3 == len(set(numbers))
        jobs = await store.write(lambda tx: tx.jobs.all())
        assert [numbers[0], numbers[2]] == [one.number for one in jobs]
        assert "remote" == jobs[0].remote

    async def test_saving_what_is_over_does_not_bring_it_back(self, store: Store) -> None:
        """Somebody else ended it in the meantime."""

        def job(tx: Tx) -> None:
            kept = tx.jobs.add(JOB)
            tx.jobs.drop(kept.number)
            tx.jobs.save(kept)

        await store.write(job)
        assert [] == await store.write(lambda tx: tx.jobs.all())


class TestSentEffects:
    async def test_what_is_sent_is_not_ready_until_it_is_over(self, store: Store) -> None:
        """It counts once; back at its place if it is to be tried again; dead, revived, done."""

        def job(tx: Tx) -> None:
            for lane in (1, 2, 3):
                tx.effects.add(effect(dest=Dest.CONTACTS, lane=lane))
            assert (2, 0) == (tx.effects.sent([1, 2, 99]), tx.effects.sent([1]))
            assert [3] == [one.id for one in tx.effects.ready(Dest.CONTACTS, after=0, limit=9)]
            assert [1, 2, 3] == [one.id for one in tx.effects.many([1, 2, 3, 99])]
            assert (1, 0) == (tx.effects.unsent([1]), tx.effects.unsent([3]))
            assert [1, 3] == [one.id for one in tx.effects.ready(Dest.CONTACTS, after=0, limit=9)]
            assert tx.effects.dead(2, "refused")
            assert not tx.effects.dead(2, "again")
            assert tx.effects.revive(2, now=NOON)
            assert 2 == tx.effects.sent([1, 2])
            assert (2, 0) == (tx.effects.done([1, 2]), tx.effects.done([1]))
            assert [3] == [one.id for one in tx.effects.many([1, 2, 3])]

        await store.write(job)

    async def test_retention_takes_what_is_done_and_leaves_what_is_sent(self, store: Store) -> None:
        """However old it is: SendGrid still works on it."""

        def job(tx: Tx) -> None:
            for lane in (1, 2, 3):
                tx.effects.add(effect(dest=Dest.CONTACTS, lane=lane))
            tx.effects.sent([1])
            tx.effects.done([2])
            later = NOON * 2
            tx.effects.prune(later, dead_before_ms=later, limit=9)
            assert [1, 3] == [one.id for one in tx.effects.many([1, 2, 3])]
            assert tx.effects.get(2) is None

        await store.write(job)

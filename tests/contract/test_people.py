"""What every store promises of persons: names, merges, deletion."""

from __future__ import annotations

from msgspec.structs import replace
from tests.support.rows import NOON, anonymous, effect, email, event, heads, reserve, user

from homing.core import people
from homing.core.effects import Dest
from homing.core.people import Person
from homing.ports import Cursor, Store, Tx

FULL = Person(
    0, "u1", "a1", "ann@example.com",
    traits={"plan": "pro", "age": 41, "tags": ["x"], "deep": {"a": None}},
    trait_at={"plan": 5, "gone": 6},
    did={"Viewed\x1f3": (1, 2, 3)},
    audiences={"vip": (True, 9)},
    zone="Europe/Berlin",
    consent={"marketing": True, "ads": False},
    consent_at=10,
    merged=(7, 8),
)  # fmt: skip


class TestAdd:
    async def test_a_new_person_goes_by_all_its_names(self, store: Store) -> None:
        """
        Every name given leads to the person, and the person has them.
        """
        names = (user("u1"), anonymous("a1"), email("ann@example.com"))

        person = await store.write(lambda tx: tx.people.add(names))

        assert ("u1", "a1", "ann@example.com") == (
            person.user_id, person.anonymous_id, person.email,
        )  # fmt: skip
        assert [person.id] * 3 == await store.write(lambda tx: [tx.people.find(n) for n in names])
        assert person == await store.write(lambda tx: tx.people.get(person.id))
        assert await store.write(lambda tx: tx.people.find(user("a1"))) is None

    async def test_a_number_is_never_given_twice(self, store: Store) -> None:
        """
        Whoever comes after a deleted or merged person is not taken for them.
        """

        def job(tx: Tx) -> list[int]:
            first, second = (tx.people.add((user(name),)) for name in ("u1", "u2"))
            tx.people.delete([second.id], last_event=1)
            third = tx.people.add((user("u3"),))
            tx.people.merge(third.id, people.merge(first, third))
            return [first.id, second.id, third.id, tx.people.add((user("u4"),)).id]

        numbers = await store.write(job)

        assert 4 == len(set(numbers))
        assert sorted(numbers) == numbers


class TestSave:
    async def test_all_that_is_known_comes_back(self, store: Store) -> None:
        """
        Traits of any JSON type, times, audiences, zone and merged ids are kept.
        """
        added = await store.write(lambda tx: tx.people.add((user("u1"),)))
        full = replace(FULL, id=added.id)

        await store.write(lambda tx: tx.people.save(full))

        assert full == await store.write(lambda tx: tx.people.get(added.id))

    async def test_who_agreed_to_nothing_is_not_somebody_unknown(self, store: Store) -> None:
        """
        Empty preferences refuse everything; none say nothing.
        """

        def job(tx: Tx) -> list[object]:
            person = tx.people.add((user("u1"),))
            tx.people.save(replace(person, consent={}, consent_at=5))
            return [tx.people.add((user("u2"),)).consent, tx.people.get(person.id)]

        nothing, refusing = await store.write(job)

        assert nothing is None
        assert isinstance(refusing, Person)
        assert ({}, 5) == (refusing.consent, refusing.consent_at)


class TestLink:
    async def test_a_name_leads_to_whoever_it_was_given_last(self, store: Store) -> None:
        """
        A device goes to the last user, and is no longer the first one's name.
        """

        def job(tx: Tx) -> tuple[object, ...]:
            one, two = tx.people.add((user("u1"), anonymous("a"))), tx.people.add((user("u2"),))
            tx.people.link(anonymous("a"), two.id)
            return (
                tx.people.find(anonymous("a")) == two.id,
                tx.people.identities(one.id),
                tx.people.identities(two.id),
            )

        assert (True, [user("u1")], [user("u2"), anonymous("a")]) == await store.write(job)


class TestNewest:
    async def test_pages_go_back(self, store: Store) -> None:
        """
        The newest persons first, then those before a number.
        """
        added = [
            await store.write(lambda tx, n=n: tx.people.add((user(f"u{n}"),))) for n in range(5)
        ]

        page = await store.write(lambda tx: tx.people.newest(before=None, limit=2))
        assert [added[4], added[3]] == page
        rest = await store.write(lambda tx: tx.people.newest(before=added[3].id, limit=9))
        assert added[2::-1] == rest


class Pair:
    """Two persons, of whom the first stays."""

    def __init__(self, tx: Tx) -> None:
        self.winner = tx.people.add((user("w"),))
        self.loser = tx.people.add((anonymous("l"), email("l@example.com")))

    def merge(self, tx: Tx) -> None:
        """Let the loser become the winner."""
        tx.people.merge(self.loser.id, people.merge(self.winner, self.loser))


class TestMerge:
    async def test_names_lead_to_the_winner_and_so_does_the_old_number(self, store: Store) -> None:
        """
        What still holds the loser's number, as a send made long ago does, finds the winner.
        """

        def job(tx: Tx) -> tuple[object, ...]:
            pair = Pair(tx)
            pair.merge(tx)
            last = tx.people.add((user("z"),))
            tx.people.merge(pair.winner.id, people.merge(last, people.merge(*_both(pair))))
            kept = tx.people.get(pair.loser.id)
            return (
                [tx.people.find(name) == last.id for name in (user("w"), anonymous("l"))],
                kept is not None and kept.id == last.id,
                kept is not None and {pair.loser.id, pair.winner.id} == set(kept.merged),
                len(tx.people.identities(last.id)),
                tx.people.newest(before=None, limit=9) == [kept],
            )

        assert ([True, True], True, True, 4, True) == await store.write(job)

    async def test_lanes_join_and_the_lowest_number_is_the_head(self, store: Store) -> None:
        """
        Open sends of both leave in one order afterwards, class by class.
        """

        def job(tx: Tx) -> list[int]:
            pair = Pair(tx)
            for number, person, kind in (
                (1, pair.loser, 0), (2, pair.winner, 0), (3, pair.loser, 1), (4, pair.loser, 0),
                (5, pair.winner, 1),
            ):  # fmt: skip
                reserve(tx, number, lane=person.id * 2 + kind)
            assert [1, 2, 3, 5] == heads(tx)
            pair.merge(tx)
            order = [heads(tx)]
            while order[-1]:
                row = tx.sends.get(order[-1][0])
                assert row is not None
                assert row.person == pair.winner.id
                tx.sends.intend(row.id, now=NOON)
                tx.sends.accept({row.id: None}, now=NOON, silent_due=None)
                order.append(heads(tx))
            return order

        assert [[1, 3], [2, 3], [3, 4], [4, 5], [5], []] == await store.write(job)

    async def test_what_is_in_flight_stays_the_head(self, store: Store) -> None:
        """
        Lanes join behind what is under way, whoever's it was.
        """

        def job(tx: Tx) -> list[object]:
            pair = Pair(tx)
            reserve(tx, 1, lane=pair.winner.id * 2)
            reserve(tx, 2, lane=pair.loser.id * 2)
            tx.sends.intend(2, now=NOON)
            pair.merge(tx)
            seen: list[object] = [heads(tx)]
            seen.append(tx.sends.accept({2: "m"}, now=NOON, silent_due=None))
            seen.append(heads(tx))
            return seen

        assert [[], {2}, [1]] == await store.write(job)

    async def test_two_in_flight_hold_the_lane_until_both_are_back(self, store: Store) -> None:
        """
        Neither the first answer, nor a retry, lets anything of the lane leave beside the other.
        """

        def job(tx: Tx) -> list[object]:
            pair = Pair(tx)
            reserve(tx, 1, lane=pair.winner.id * 2)
            reserve(tx, 2, lane=pair.loser.id * 2)
            reserve(tx, 3, lane=pair.loser.id * 2)
            one, two = tx.sends.claimable(now=NOON, limit=9)
            for row in (one, two):
                tx.sends.intend(row.id, now=NOON)
            pair.merge(tx)
            seen: list[object] = [heads(tx)]
            again = tx.sends.get(1)
            assert again is not None
            again.state = "retry"
            tx.sends.save(again)
            seen.append(heads(tx))
            tx.sends.accept({two.id: None}, now=NOON, silent_due=None)
            seen.append(heads(tx))
            return seen

        assert [[], [], [1]] == await store.write(job)

    async def test_what_stepped_aside_becomes_the_winner_s_too(self, store: Store) -> None:
        """
        A paused or parked send of the loser comes back into the winner's lane.
        """

        def job(tx: Tx) -> list[tuple[int, int, int | None]]:
            pair = Pair(tx)
            for number, state in ((1, "reserved"), (2, "parked"), (3, "accepted")):
                reserve(tx, number, lane=None, person=pair.loser.id, state=state)
            pair.merge(tx)
            return [
                (row.id, row.person, row.lane) for row in tx.sends.open_of_person(pair.winner.id)
            ]

        found = await store.write(job)
        assert [1, 2] == [number for number, _, _ in found]
        assert 1 == len({person for _, person, _ in found})

    async def test_open_effects_become_the_winner_s_in_order(self, store: Store) -> None:
        """
        Calls still to be made for the loser leave in the winner's lane, by number.
        """

        def job(tx: Tx) -> tuple[object, ...]:
            pair = Pair(tx)
            for person in (pair.loser, pair.winner, pair.loser, pair.loser):
                tx.effects.add(effect(lane=person.id, person=person.id))
            numbers = [one.id for one in tx.effects.ready(Dest.SEGMENT, after=0, limit=9)]
            tx.effects.dead(numbers[2], "400")
            pair.merge(tx)
            tx.effects.revive(numbers[2], now=NOON)
            ready = tx.effects.ready(Dest.SEGMENT, after=0, limit=9)
            return (
                [one.id for one in ready] == numbers,
                {(one.lane, one.person) for one in ready} == {(pair.winner.id, pair.winner.id)},
            )

        assert (True, True) == await store.write(job)


def _both(pair: Pair) -> tuple[Person, Person]:
    return pair.winner, pair.loser


class TestDelete:
    async def test_a_person_goes_with_names_and_history(self, store: Store) -> None:
        """
        Nothing leads to the deleted any more, over all generations, and others stay.
        """

        def job(tx: Tx) -> tuple[object, ...]:
            pair = Pair(tx)
            other = tx.people.add((user("o"),))
            for number in range(1, 31):
                whose = (pair.loser, pair.winner, other)[number % 3]
                tx.events.add(event(number, person=whose.id))
                tx.events.move_cursor(Cursor(number, 0, number + 1))
            pair.merge(tx)
            both = (pair.winner.id, pair.loser.id)
            tx.people.delete(both, last_event=30)
            return (
                [tx.people.find(name) for name in (user("w"), anonymous("l"))],
                [tx.people.get(number) for number in both],
                [tx.people.identities(number) for number in both],
                tx.events.of_person(both, limit=99),
                len(tx.events.of_person([other.id], limit=99)),
                tx.people.get(other.id) == other,
            )

        expected = ([None, None], [None, None], [[], []], [], 10, True)
        assert expected == await store.write(job)

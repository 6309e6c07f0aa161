"""What every store promises of events: ids taken in, histories, erasure, retention."""

from __future__ import annotations

from contextlib import suppress
from random import Random  # noqa: TID251  seeded

from msgspec.structs import replace
from tests.support.rows import DAY, HOUR, NOON, Refused, event, refuse

from homing.core.effects import EventState
from homing.ports import Cursor, Seen, Store, Tx

FAR = 1 << 60


def ids(tx: Tx) -> list[int]:
    """All events there are, by number."""
    return [row.id for row in tx.events.after(0, limit=10_000)]


class TestCursor:
    async def test_it_begins_before_the_first_request(self, store: Store) -> None:
        """
        An empty store has evaluated nothing, and its first event is number 1.
        """
        assert Cursor(0, 0, 1) == await store.write(lambda tx: tx.events.cursor())

        await store.write(lambda tx: tx.events.move_cursor(Cursor(7, 3, 42)))

        assert Cursor(7, 3, 42) == await store.write(lambda tx: tx.events.cursor())


class TestAdd:
    async def test_every_column_comes_back(self, store: Store) -> None:
        """
        A row is read as it was written, with and without what may be missing.
        """
        full = event(1, person=5, send=6, state=EventState.QUARANTINED, reason="no type")
        bare = event(2, type=None, name=None, message_id=None)
        await store.write(lambda tx: (tx.events.add(full), tx.events.add(bare)))

        assert full == await store.write(lambda tx: tx.events.get(1))
        assert bare == await store.write(lambda tx: tx.events.get(2))
        assert await store.write(lambda tx: tx.events.get(3)) is None


class TestReplace:
    async def test_what_an_evaluation_decides_is_written_and_the_place_stays(
        self, store: Store
    ) -> None:
        """
        An event evaluated again keeps its place in the log and the time it came.
        """
        before = event(1, person=5, state=EventState.QUARANTINED, reason="poison")
        again = replace(
            before, request=99, item=9, received_at=1, source="x", type="identify", name="n",
            message_id="m", person=5, send=3, at=NOON - HOUR, state=EventState.DONE, reason=None,
        )  # fmt: skip
        await store.write(lambda tx: tx.events.add(before))

        await store.write(lambda tx: tx.events.replace(again))

        expected = replace(
            again, request=before.request, item=0, received_at=before.received_at,
            source=before.source,
        )  # fmt: skip
        assert expected == await store.write(lambda tx: tx.events.get(1))

    async def test_it_moves_to_the_history_of_whose_it_is_now(self, store: Store) -> None:
        """
        An event that turns out to be somebody else's is in one history only.
        """
        await store.write(lambda tx: tx.events.add(event(1, person=5)))

        await store.write(lambda tx: tx.events.replace(event(1, person=6)))

        assert [] == await store.write(lambda tx: tx.events.of_person([5], limit=9))
        assert [1] == [
            row.id for row in await store.write(lambda tx: tx.events.of_person([6], limit=9))
        ]

    async def test_what_is_not_there_is_not_made(self, store: Store) -> None:
        """
        Retention may have taken the row meanwhile.
        """
        await store.write(lambda tx: tx.events.replace(event(1, person=5)))

        assert await store.write(lambda tx: tx.events.get(1)) is None
        assert [] == await store.write(lambda tx: tx.events.of_person([5], limit=9))


class TestSeen:
    async def test_ids_are_found_over_many_generations_and_others_are_not(
        self, store: Store
    ) -> None:
        """
        An id taken in is known with its event and body, however long ago; no other ever is.
        """
        source = Random(1)  # noqa: S311  the same each time
        keys = [source.getrandbits(64) - (1 << 63) for _ in range(200)]
        others = [source.getrandbits(64) - (1 << 63) for _ in range(200)]

        def remember(tx: Tx) -> None:
            for number, key in enumerate(keys, 1):
                assert tx.events.seen(key) is None
                tx.events.remember(key, body=key ^ 5, event=number, at=NOON + number)

        await store.write(remember)

        found = await store.write(lambda tx: [tx.events.seen(key) for key in keys])
        assert [Seen(number, key ^ 5) for number, key in enumerate(keys, 1)] == found
        assert {None} == set(await store.write(lambda tx: [tx.events.seen(k) for k in others]))

    async def test_the_first_body_of_an_id_stays(self, store: Store) -> None:
        """
        Taken in twice, an id still leads to the first event.
        """
        for event_ in (1, 2):
            await store.write(lambda tx, n=event_: tx.events.remember(-1, body=n, event=n, at=NOON))

        assert Seen(1, 1) == await store.write(lambda tx: tx.events.seen(-1))

    async def test_an_event_may_have_two_ids(self, store: Store) -> None:
        """
        SendGrid's events go by their print and by their id.
        """

        def remember(tx: Tx) -> None:
            for key in (11, 12):
                tx.events.remember(key, body=1, event=1, at=NOON)

        await store.write(remember)

        assert [Seen(1, 1)] * 2 == await store.write(
            lambda tx: [tx.events.seen(key) for key in (11, 12)]
        )

    async def test_an_id_undone_is_not_known(self, store: Store) -> None:
        """
        What a savepoint undid comes again as new, also where it had opened a generation.
        """

        def job(tx: Tx) -> None:
            for number in range(1, 41):
                with suppress(Refused), tx.savepoint():
                    tx.events.remember(number, body=0, event=number, at=NOON)
                    refuse(number % 8 in (0, 1))

        await store.write(job)

        known = await store.write(
            lambda tx: [n for n in range(1, 41) if tx.events.seen(n) is not None]
        )
        assert [n for n in range(1, 41) if n % 8 not in (0, 1)] == known


class TestForgetSeen:
    async def test_no_id_goes_before_its_time_and_old_ones_go(self, store: Store) -> None:
        """
        Within the window every id is known; far outside none is.
        """

        def remember(tx: Tx) -> None:
            for number in range(1, 101):
                tx.events.remember(-number, body=0, event=number, at=NOON + number * HOUR)

        await store.write(remember)

        rounds = 0
        while await store.write(lambda tx: tx.events.forget_seen(NOON + 50 * HOUR, limit=7)):
            rounds += 1

        known = await store.write(
            lambda tx: [n for n in range(1, 101) if tx.events.seen(-n) is not None]
        )
        assert set(range(50, 101)) <= set(known)
        assert not set(known) & set(range(1, 40))
        assert 5 <= rounds <= 20

    async def test_what_went_may_come_again(self, store: Store) -> None:
        """
        An id that was forgotten is taken in as new.
        """
        for number in range(1, 60):
            await store.write(
                lambda tx, n=number: tx.events.remember(-n, body=0, event=n, at=NOON + n * HOUR)
            )
        while await store.write(lambda tx: tx.events.forget_seen(FAR, limit=100)):
            pass

        await store.write(lambda tx: tx.events.remember(-1, body=9, event=60, at=NOON + DAY))

        assert Seen(60, 9) == await store.write(lambda tx: tx.events.seen(-1))


class TestOfPerson:
    async def test_the_newest_of_all_a_person_s_ids_come_first(self, store: Store) -> None:
        """
        A merged person has the events of both, over generations, newest first, up to the limit.
        """

        def add(tx: Tx) -> None:
            for number in range(1, 41):
                tx.events.add(event(number, person=number % 3))
                tx.events.move_cursor(Cursor(number, 0, number + 1))

        await store.write(add)

        one = await store.write(lambda tx: tx.events.of_person([1], limit=100))
        assert [n for n in range(40, 0, -1) if n % 3 == 1] == [row.id for row in one]
        both = await store.write(lambda tx: tx.events.of_person([1, 2], limit=5))
        assert [40, 38, 37, 35, 34] == [row.id for row in both]
        assert [] == await store.write(lambda tx: tx.events.of_person([], limit=5))
        assert [] == await store.write(lambda tx: tx.events.of_person([77], limit=5))

    async def test_an_anonymous_event_is_in_nobody_s_history(self, store: Store) -> None:
        """
        An event without a person is kept all the same.
        """
        await store.write(lambda tx: tx.events.add(event(1)))

        assert [1] == await store.write(ids)


class TestNewest:
    async def test_by_state_and_before_a_number(self, store: Store) -> None:
        """
        Pages go back in time; a state shows its own rows only.
        """
        states = [EventState.DONE, EventState.QUARANTINED, EventState.FILTERED]

        def add(tx: Tx) -> None:
            for number in range(1, 13):
                tx.events.add(event(number, state=states[number % 3]))

        await store.write(add)

        async def page(state: EventState | None, before: int | None, limit: int) -> list[int]:
            rows = await store.write(
                lambda tx: tx.events.newest(state=state, before=before, limit=limit)
            )
            return [row.id for row in rows]

        assert [12, 11, 10] == await page(None, None, 3)
        assert [3, 2, 1] == await page(None, 4, 10)
        assert [12, 9, 6, 3] == await page(EventState.DONE, None, 10)
        assert [10, 7] == await page(EventState.QUARANTINED, None, 2)
        assert [5, 2] == await page(EventState.FILTERED, 8, 10)
        assert [] == await page(EventState.DEAD, None, 10)
        assert [] == await page(None, 0, 10)


class TestNames:
    async def test_names_of_track_events_are_counted(self, store: Store) -> None:
        """
        A page's or a person's name is no event's.
        """
        rows = [("track", "A"), ("page", "P"), ("track", "B"), ("track", "A"), ("identify", None)]

        def add(tx: Tx) -> None:
            for number, (kind, name) in enumerate(rows, 1):
                tx.events.add(event(number, type=kind, name=name))

        await store.write(add)

        assert {"A": 2, "B": 1} == await store.write(lambda tx: dict(tx.events.names(limit=10)))
        assert {"A": 1} == await store.write(lambda tx: dict(tx.events.names(limit=1)))


class TestSetState:
    async def test_a_person_s_decision_is_kept_with_its_reason(self, store: Store) -> None:
        """
        A quarantined event may be given up.
        """
        await store.write(lambda tx: tx.events.add(event(1, state=EventState.QUARANTINED)))

        await store.write(lambda tx: tx.events.set_state(1, EventState.DEAD, "given up"))

        row = await store.write(lambda tx: tx.events.get(1))
        assert row is not None
        assert (EventState.DEAD, "given up") == (row.state, row.reason)


class TestErasures:
    async def test_what_is_asked_stays_until_it_is_done(self, store: Store) -> None:
        """
        Elements are told in order until the log's writer says that it erased them.
        """
        await store.write(lambda tx: tx.events.ask_erasure([(2, 1), (1, 0), (2, 0), (1, 0)]))

        assert [(1, 0), (2, 0)] == await store.write(lambda tx: tx.events.erasures(limit=2))
        await store.write(lambda tx: tx.events.erasure_done([1]))
        assert [(2, 0), (2, 1)] == await store.write(lambda tx: tx.events.erasures(limit=9))
        await store.write(lambda tx: tx.events.erasure_done([2, 77]))
        assert [] == await store.write(lambda tx: tx.events.erasures(limit=9))

    async def test_what_is_asked_meanwhile_is_not_lost(self, store: Store) -> None:
        """
        A second element of a request, asked for after the first was told, is told later.
        """
        await store.write(lambda tx: tx.events.ask_erasure([(1, 0)]))
        await store.write(lambda tx: tx.events.erasures(limit=9))
        await store.write(lambda tx: tx.events.ask_erasure([(1, 1)]))

        await store.write(lambda tx: tx.events.erasure_done([1]))

        assert [(1, 1)] == await store.write(lambda tx: tx.events.erasures(limit=9))

    async def test_an_anonymous_event_tells_of_nobody(self, store: Store) -> None:
        """
        That something came stays; whose it was and under which id does not.
        """
        await store.write(lambda tx: tx.events.add(event(1, person=5)))

        await store.write(lambda tx: tx.events.anonymise(1))

        row = await store.write(lambda tx: tx.events.get(1))
        assert row is not None
        assert (None, None) == (row.person, row.message_id)


class TestPrune:
    async def prune_all(self, store: Store, before: int, dead_before: int, limit: int = 3) -> None:
        """Let retention take all it may."""
        for _ in range(200):
            if not await store.write(
                lambda tx: tx.events.prune(before, dead_before_ms=dead_before, limit=limit)
            ):
                return
        raise AssertionError("retention never ends")

    async def test_old_events_go_and_the_quarantined_have_their_own_time(
        self, store: Store
    ) -> None:
        """
        Done and filtered ones go by one date, quarantined and dead ones by another.
        """
        states = list(EventState)[1:]

        def add(tx: Tx) -> None:
            for number in range(1, 41):
                tx.events.add(event(number, state=states[number % 4], person=1))
                tx.events.move_cursor(Cursor(number, 0, number + 1))

        await store.write(add)

        await self.prune_all(store, NOON + 21, NOON + 9)

        def stays(number: int) -> bool:
            settled = states[number % 4] in (EventState.DONE, EventState.FILTERED)
            return number >= (21 if settled else 9)

        assert [n for n in range(1, 41) if stays(n)] == await store.write(ids)

    async def test_the_quarantined_may_go_first(self, store: Store) -> None:
        """
        A shorter time for the dead does not wait for the longer one of the others.
        """

        def add(tx: Tx) -> None:
            for number in range(1, 21):
                quarantined = number % 2 == 0
                state = EventState.QUARANTINED if quarantined else EventState.DONE
                tx.events.add(event(number, state=state))

        await store.write(add)

        await self.prune_all(store, NOON, NOON + 15)

        assert [n for n in range(1, 21) if n % 2 or n >= 15] == await store.write(ids)

    async def test_many_that_stay_do_not_hide_the_old_behind_them(self, store: Store) -> None:
        """
        A thousand quarantined rows at the front stop nothing.
        """

        def add(tx: Tx) -> None:
            for number in range(1, 201):
                tx.events.add(event(number, state=EventState.QUARANTINED))
            for number in range(201, 211):
                tx.events.add(event(number))

        await store.write(add)

        gone = 0
        for _ in range(20):
            gone += await store.write(
                lambda tx: tx.events.prune(NOON + 206, dead_before_ms=NOON, limit=3)
            )

        assert 5 == gone
        assert [*range(1, 201), *range(206, 211)] == await store.write(ids)

    async def test_a_history_shrinks_with_its_events(self, store: Store) -> None:
        """
        What is gone is in nobody's history; what stays is.
        """

        def add(tx: Tx) -> None:
            for number in range(1, 41):
                tx.events.add(event(number, person=1))
                tx.events.move_cursor(Cursor(number, 0, number + 1))

        await store.write(add)

        await self.prune_all(store, NOON + 30, NOON)

        rows = await store.write(lambda tx: tx.events.of_person([1], limit=100))
        assert list(range(40, 29, -1)) == [row.id for row in rows]

    async def test_nothing_old_means_nothing_to_do(self, store: Store) -> None:
        """
        A second turn finds nothing.
        """
        await store.write(lambda tx: tx.events.add(event(1)))

        assert 0 == await store.write(
            lambda tx: tx.events.prune(NOON, dead_before_ms=NOON, limit=5)
        )
        assert [1] == await store.write(ids)

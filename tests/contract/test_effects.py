"""What every store promises of effects: order, one ending each, retention, erasure."""

from __future__ import annotations

from tests.support.rows import HOUR, NOON, effect

from homing.core.effects import Dest, Effect, EffectState
from homing.ports import Store, Tx


def ready(tx: Tx, dest: Dest = Dest.SEGMENT) -> list[int]:
    """The numbers of what waits."""
    return [one.id for one in tx.effects.ready(dest, after=0, limit=1_000)]


def state(tx: Tx, number: int) -> object:
    """The state of an effect; None if it is gone."""
    row = tx.effects.get(number)
    return None if row is None else row["state"]


def end(tx: Tx, number: int) -> None:
    """End an effect in the way its number says; every fourth stays."""
    if number % 4 == 1:
        tx.effects.done([number])
    elif number % 4 > 1:
        tx.effects.dead(number, "400")
    if number % 4 == 3:
        tx.effects.drop(number, "given up")


async def add(store: Store, count: int, **columns: object) -> list[int]:
    """Ask for effects of Segment's; their numbers."""

    def job(tx: Tx) -> list[int]:
        before = set(ready(tx))
        for _ in range(count):
            tx.effects.add(effect(**columns))
        return [number for number in ready(tx) if number not in before]

    return await store.write(job)


class TestReady:
    async def test_they_come_in_order_by_destination_in_pages(self, store: Store) -> None:
        """
        A page begins beyond a number; other destinations do not show.
        """

        def job(tx: Tx) -> None:
            for lane in range(1, 7):
                dest = Dest.SEGMENT if lane % 2 else Dest.SUPPRESSIONS
                tx.effects.add(effect(dest=dest, lane=lane, payload=b"%d" % lane))

        await store.write(job)

        page = await store.write(lambda tx: tx.effects.ready(Dest.SEGMENT, after=0, limit=2))
        assert [1, 3] == [one.lane for one in page]
        rest = await store.write(
            lambda tx: tx.effects.ready(Dest.SEGMENT, after=page[-1].id, limit=9)
        )
        assert [
            Effect(rest[0].id, "track", 5, NOON, 0, 1, 1, NOON, b"5"),
        ] == rest
        assert [2, 4, 6] == [
            one.lane
            for one in await store.write(
                lambda tx: tx.effects.ready(Dest.SUPPRESSIONS, after=0, limit=9)
            )
        ]
        assert [] == await store.write(lambda tx: tx.effects.ready(Dest.CONTACTS, after=0, limit=9))

    async def test_what_is_not_due_yet_comes_too(self, store: Store) -> None:
        """
        Who is due the stage decides: a lane waits for its first, due or not.
        """
        (number,) = await add(store, 1, due_at=NOON + HOUR)

        assert [number] == await store.write(ready)


class TestDone:
    async def test_each_is_done_once_and_its_payload_goes(self, store: Store) -> None:
        """
        Twice done counts once; what is unknown or dead is left alone.
        """
        one, two, three = await add(store, 3)

        def job(tx: Tx) -> tuple[object, ...]:
            tx.effects.dead(three, "400")
            first = tx.effects.done([one, two, three, 99])
            again = tx.effects.done(iter([one, two]))
            row = tx.effects.get(one)
            assert row is not None
            return first, again, row["payload"], row["attempt"], state(tx, three), ready(tx)

        assert (2, 0, None, 1, "dead", []) == await store.write(job)

    async def test_many_are_done_at_once(self, store: Store) -> None:
        """
        A whole batch ends in one call; none at all is no error.
        """
        numbers = await add(store, 250)

        assert 250 == await store.write(lambda tx: tx.effects.done(numbers))
        assert 0 == await store.write(lambda tx: tx.effects.done([]))
        assert [] == await store.write(ready)


class TestRetry:
    async def test_only_what_counts_is_an_attempt(self, store: Store) -> None:
        """
        The next time and the reason are kept; a shutdown does not count.
        """
        (number,) = await add(store, 1)

        def job(tx: Tx) -> Effect:
            tx.effects.retry(number, due_at=NOON + 5, counts=True, reason="503")
            tx.effects.retry(number, due_at=NOON + 9, counts=False, reason="429")
            (one,) = tx.effects.ready(Dest.SEGMENT, after=0, limit=9)
            row = tx.effects.get(number)
            assert row is not None
            assert "429" == row["reason"]
            return one

        one = await store.write(job)
        assert (NOON + 9, 1) == (one.due_at, one.attempt)

    async def test_what_has_ended_is_not_tried_again(self, store: Store) -> None:
        """
        A late failure of an attempt does not wake what an erasure dropped.
        """
        (number,) = await add(store, 1)

        def job(tx: Tx) -> tuple[object, ...]:
            tx.effects.erase([1])
            tx.effects.retry(number, due_at=NOON, counts=True, reason="503")
            return state(tx, number), tx.effects.dead(number, "400"), ready(tx)

        assert ("dropped", False, []) == await store.write(job)


class TestDead:
    async def test_dead_and_back_and_dropped(self, store: Store) -> None:
        """
        Only a dead one can be revived or dropped; revived it has its lane and payload.
        """
        one, two = await add(store, 2, lane=5, person=1)

        def job(tx: Tx) -> tuple[object, ...]:
            before = tx.effects.revive(one, now=NOON), tx.effects.drop(one, "x")
            died = tx.effects.dead(one, "400: bad"), tx.effects.dead(one, "again")
            tx.effects.dead(two, "401")
            shown = [row["reason"] for row in tx.effects.dead_newest(before=None, limit=9)]
            older = [row["id"] for row in tx.effects.dead_newest(before=two, limit=9)]
            back = tx.effects.revive(one, now=NOON + 7)
            (again,) = tx.effects.ready(Dest.SEGMENT, after=0, limit=9)
            gone = tx.effects.drop(two, "given up")
            return (
                before, died, shown, older == [one], back, (again.lane, again.due_at),
                again.payload == effect().payload, gone, state(tx, two),
            )  # fmt: skip

        expected = (
            (False, False), (True, False), ["401", "400: bad"], True, True, (5, NOON + 7), True,
            True, "dropped",
        )  # fmt: skip
        assert expected == await store.write(job)


class TestRewrite:
    async def test_what_is_not_over_gets_another_payload(self, store: Store) -> None:
        """What is done has none."""
        open_, dead, done = await add(store, 3)

        def job(tx: Tx) -> list[object]:
            tx.effects.dead(dead, "400")
            tx.effects.done([done])
            for number in (open_, dead, done, 99):
                tx.effects.rewrite(number, b"new")
            rows = [tx.effects.get(number) for number in (open_, dead, done)]
            return [None if row is None else row["payload"] for row in rows]

        assert [b"new", b"new", None] == await store.write(job)


class TestGet:
    async def test_all_columns_are_named(self, store: Store) -> None:
        """
        What a person is shown of an effect has the same names in every store.
        """
        (number,) = await add(store, 1, lane=5, person=6)

        row = await store.write(lambda tx: tx.effects.get(number))

        assert {
            "id": number, "dest": "segment", "lane": 5, "due_at": NOON, "kind": "track",
            "state": "ready", "attempt": 0, "event": 1, "rule": "r1", "person": 6,
            "made_at": NOON, "reason": None, "payload": effect().payload,
        } == row  # fmt: skip
        assert await store.write(lambda tx: tx.effects.get(99)) is None

    async def test_an_event_s_effects_are_found(self, store: Store) -> None:
        """
        What an event asked for comes oldest first, also what is done.
        """
        one, two = await add(store, 2, event=7)
        await add(store, 1, event=8)
        await store.write(lambda tx: tx.effects.done([one]))

        rows = await store.write(lambda tx: tx.effects.of_event(7))

        assert [(one, "done"), (two, "ready")] == [(row["id"], row["state"]) for row in rows]


class TestErase:
    async def test_what_is_not_done_is_dropped_and_counted(self, store: Store) -> None:
        """
        Of an erased person no payload stays but an opt-out that SendGrid has still to hear of.
        """

        def job(tx: Tx) -> tuple[object, ...]:
            for _ in range(3):
                tx.effects.add(effect(lane=1, person=1))
            for _ in range(2):
                tx.effects.add(effect(dest=Dest.SUPPRESSIONS, lane=2, person=2))
            tx.effects.add(effect(lane=3, person=3))
            one, two, _, other = ready(tx)
            opt_out, dead_opt_out = ready(tx, Dest.SUPPRESSIONS)
            tx.effects.dead(dead_opt_out, "400: ann@example.com")
            tx.effects.done([one])
            tx.effects.dead(two, "400: ann@example.com")
            were = dict(tx.effects.erase([1, 2]))
            row = tx.effects.get(two)
            assert row is not None
            return (
                were, ready(tx) == [other], ready(tx, Dest.SUPPRESSIONS) == [opt_out],
                (row["state"], row["reason"], row["person"], row["payload"]), state(tx, one),
            )  # fmt: skip

        were = {
            (Dest.SEGMENT, EffectState.DEAD): 1,
            (Dest.SEGMENT, EffectState.READY): 1,
            (Dest.SUPPRESSIONS, EffectState.DEAD): 1,
        }
        expected = were, True, True, ("dropped", "erased", None, None), "done"
        assert expected == await store.write(job)


class TestPrune:
    async def test_each_ending_has_its_time_and_what_is_ready_stays(self, store: Store) -> None:
        """
        Done ones go by one date, dead and dropped ones by another, ready ones by none.
        """

        def job(tx: Tx) -> None:
            for number in range(40):
                tx.effects.add(effect(made_at=NOON + number))
            for number in ready(tx)[:-1]:
                end(tx, number)

        await store.write(job)

        for _ in range(50):
            await store.write(
                lambda tx: tx.effects.prune(NOON + 30, dead_before_ms=NOON + 10, limit=3)
            )

        def stays(number: int) -> bool:
            # the first is of noon
            return number % 4 == 0 or number - 1 >= (30 if number % 4 == 1 else 10)

        left = await store.write(
            lambda tx: [n for n in range(1, 41) if tx.effects.get(n) is not None]
        )
        assert [n for n in range(1, 41) if stays(n)] == left

    async def test_no_number_is_given_twice(self, store: Store) -> None:
        """
        When retention has taken all it may, the next effect still has a new number.
        """
        numbers = await add(store, 3)
        await store.write(lambda tx: tx.effects.done(numbers))
        for _ in range(5):
            await store.write(
                lambda tx: tx.effects.prune(NOON + HOUR, dead_before_ms=NOON + HOUR, limit=9)
            )

        (after,) = await add(store, 1)

        assert after > max(numbers)

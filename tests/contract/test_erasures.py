"""What every store promises of erasures."""

from __future__ import annotations

import pytest
from tests.support.rows import NOON, Refused, effect, event, refuse

from homing.core.effects import Dest, EventState
from homing.core.erasure import Asked, Done, NewErasure, Progress, Step
from homing.core.people import Identity, IdKind
from homing.ports import Pause, Store, Tx

ANN = Identity(IdKind.USER, "ann")
MAIL = Identity(IdKind.EMAIL, "ann@x.io")
BOB = Identity(IdKind.USER, "bob")


def new(*names: Identity, people: tuple[int, ...] = (7,), request: int = 5) -> NewErasure:
    """An erasure that a command asked for."""
    return NewErasure(NOON, Asked.COMMAND, names, people, request, 2)


class TestErasures:
    async def test_one_is_kept_and_shown_newest_first(self, store: Store) -> None:
        """
        Under a number of its own, open until it is over.
        """
        first = await store.write(lambda tx: tx.erasures.add(new(ANN, MAIL)))
        second = await store.write(lambda tx: tx.erasures.add(new(people=())))
        await store.write(lambda tx: tx.erasures.end(first, Progress.DONE))

        def look(tx: Tx) -> tuple[list[int], list[int], object]:
            newest = tx.erasures.newest(before=None, limit=9)
            still = tx.erasures.open(after=0, limit=9)
            return [one.number for one in newest], [one.number for one in still], newest[-1]

        numbers, still, kept = await store.write(look)
        assert ([second, first], [second]) == (numbers, still)
        assert (NOON, Asked.COMMAND, Progress.DONE, (7,), 5, 2) == (
            kept.at, kept.by, kept.progress, kept.people, kept.request, kept.item,
        )  # fmt: skip
        assert await store.write(lambda tx: tx.erasures.get(99)) is None
        assert [first] == [
            one.number
            for one in await store.write(lambda tx: tx.erasures.newest(before=second, limit=9))
        ]

    async def test_names_are_kept_until_the_log_has_been_searched(self, store: Store) -> None:
        """
        In order, and no longer.
        """

        def add(tx: Tx) -> tuple[int, int]:
            return tx.erasures.add(new(ANN, MAIL)), tx.erasures.add(new(BOB))

        first, second = await store.write(add)
        found = await store.write(lambda tx: tx.erasures.unsearched(limit=9))
        await store.write(lambda tx: tx.erasures.searched([first]))
        left = await store.write(lambda tx: tx.erasures.unsearched(limit=9))

        assert [(first, {ANN, MAIL}), (second, {BOB})] == [
            (erasure.number, set(names)) for erasure, names in found
        ]
        assert [second] == [erasure.number for erasure, _ in left]

    async def test_a_name_is_known_by_its_hash_alone(self, store: Store) -> None:
        """
        For what was received before; not for what came later, nor for other names.
        """
        number = await store.write(lambda tx: tx.erasures.add(new(ANN, MAIL)))
        await store.write(lambda tx: tx.erasures.searched([number]))

        def asked(tx: Tx) -> list[bool]:
            return [
                tx.erasures.is_erased(name, request=request, received_ms=at)
                for name, request, at in [
                    (ANN, 4, NOON), (MAIL, 4, NOON), (BOB, 4, NOON), (ANN, 5, NOON),
                    (ANN, 4, NOON + 1),
                ]
            ]  # fmt: skip

        assert [True, True, False, False, False] == await store.write(asked)
        assert number == await store.write(lambda tx: tx.erasures.earlier(ANN))
        assert await store.write(lambda tx: tx.erasures.earlier(BOB)) is None
        assert 5 == await store.write(lambda tx: tx.erasures.until)

    async def test_steps_are_kept_in_order(self, store: Store) -> None:
        """
        By number, or by the people whose erasure it was.
        """

        def note(tx: Tx) -> int:
            number = tx.erasures.add(new(ANN))
            tx.erasures.add(new(BOB, people=(8,)))
            tx.erasures.note(number, Done(Step.LOCAL, NOON, {"people": 1}))
            tx.erasures.note_of((7, 7), Done(Step.CONTACTS, NOON + 1, {"by": "x"}))
            return number

        number = await store.write(note)
        assert [
            Done(Step.LOCAL, NOON, {"people": 1}), Done(Step.CONTACTS, NOON + 1, {"by": "x"}),
        ] == await store.write(lambda tx: tx.erasures.steps(number))  # fmt: skip
        assert [] == await store.write(lambda tx: tx.erasures.steps(number + 1))

    async def test_of_nobody_known_steps_are_noted_by_its_lane(self, store: Store) -> None:
        """
        An address that is nobody's is erased at SendGrid, too.
        """
        number = await store.write(lambda tx: tx.erasures.add(new(MAIL, people=())))
        erasure = await store.write(lambda tx: tx.erasures.get(number))
        assert erasure is not None
        done = Done(Step.ERASE_JOB, NOON, {})
        await store.write(lambda tx: tx.erasures.note_of(erasure.lanes, done))

        assert [done] == await store.write(lambda tx: tx.erasures.steps(number))

    async def test_what_is_undone_was_never_erased(self, store: Store) -> None:
        """
        With its keys and names.
        """

        def job(tx: Tx) -> None:
            try:
                with tx.savepoint():
                    tx.erasures.add(new(ANN))
                    refuse(True)
            except Refused:
                pass

        await store.write(job)
        assert [] == await store.write(lambda tx: tx.erasures.newest(before=None, limit=9))
        assert await store.write(lambda tx: tx.erasures.earlier(ANN)) is None
        assert [] == await store.write(lambda tx: tx.erasures.to_repeat())

    async def test_nothing_of_a_store_s_own_is_to_be_repeated(self, store: Store) -> None:
        """
        What it carried out it knows.
        """
        await store.write(lambda tx: tx.erasures.add(new(ANN)))

        assert [] == await store.write(lambda tx: tx.erasures.to_repeat())
        assert await store.scrub()


class TestPlaces:
    async def test_an_event_is_found_by_its_place_in_the_log(self, store: Store) -> None:
        """
        Also with gaps between numbers, where duplicates were.
        """
        places = [(1, 0), (1, 1), (3, 0), (3, 5), (9, 0)]

        def add(tx: Tx) -> None:
            for number, (request, item) in zip((1, 2, 4, 9, 10), places, strict=True):
                tx.events.add(event(number, request=request, item=item))

        assert await store.write(lambda tx: tx.events.at_place(1, 0)) is None
        await store.write(add)
        for place in places:
            row = await store.write(lambda tx, place=place: tx.events.at_place(*place))
            assert row is not None
            assert place == (row.request, row.item)
        for place in [(0, 0), (1, 2), (2, 0), (9, 1), (99, 0)]:
            assert await store.write(lambda tx, place=place: tx.events.at_place(*place)) is None

    async def test_the_first_that_is_to_go_is_told(self, store: Store) -> None:
        """
        Until it has gone.
        """
        assert await store.write(lambda tx: tx.events.first_erasure()) is None
        await store.write(lambda tx: tx.events.ask_erasure([(7, 0), (4, 1)]))
        assert 4 == await store.write(lambda tx: tx.events.first_erasure())


class TestEffects:
    async def test_what_is_open_and_what_ended_of_somebody_is_told(self, store: Store) -> None:
        """
        By person, in order; of one destination, or of all.
        """

        def add(tx: Tx) -> None:
            tx.effects.add(effect(lane=1, dest=Dest.CONTACTS))
            tx.effects.add(effect(lane=1))
            tx.effects.add(effect(lane=2))
            tx.effects.add(effect(lane=1, dest=Dest.CONTACTS))
            tx.effects.add(effect(lane=1))
            tx.effects.sent([1])
            tx.effects.dead(4, "refused")
            tx.effects.done([5])

        await store.write(add)
        every = await store.write(lambda tx: tx.effects.open_of((1,)))
        contacts = await store.write(lambda tx: tx.effects.open_of((1, 2), dest=Dest.CONTACTS))
        dead = await store.write(lambda tx: tx.effects.dead_of((1,)))

        assert ([1, 2], [1]) == ([one.id for one in every], [one.id for one in contacts])
        assert [(4, "refused")] == [(row["id"], row["reason"]) for row in dead]


class TestStrike:
    async def test_alerts_and_pauses_name_nobody(self, store: Store) -> None:
        """
        What else they say stays; one that is about the name itself goes.
        """

        def job(tx: Tx) -> None:
            tx.books.alert("failed", "route", "no field for Ann@x.io", at=NOON)
            tx.books.alert("failed", "ann@x.io", "it", at=NOON)
            tx.books.alert("other", "it", "stays", at=NOON)
            tx.books.pause("mail", Pause(NOON, "403: from ann@x.io", "homing"))
            tx.books.strike(["ann@x.io"])

        await store.write(job)
        alerts = await store.write(lambda tx: tx.books.alerts())
        pauses = await store.write(lambda tx: tx.books.pauses())

        assert {("route", "no field for …"), ("it", "stays")} == {
            (alert.subject, alert.text) for alert in alerts
        }
        assert "403: from …" == pauses["mail"].reason


@pytest.mark.parametrize("state", [EventState.DONE])
async def test_a_done_effect_keeps_no_reason(store: Store, state: EventState) -> None:
    """
    What an API said of an attempt may quote an address.
    """

    def job(tx: Tx) -> dict[str, object]:
        tx.effects.add(effect(lane=1))
        tx.effects.retry(1, due_at=NOON, counts=True, reason="busy with ann@x.io")
        tx.effects.done([1])
        return dict(tx.effects.get(1) or {})

    row = await store.write(job)
    assert (state, None) == (row["state"], row["reason"])

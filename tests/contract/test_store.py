"""What every store promises of transactions, books and suppressions."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace

import pytest
from tests.support.rows import HOUR, NOON, Refused, effect, event, refuse, reserve, user

from homing.core.effects import Dest, EventState
from homing.core.reconcile_suppressions import ListName, Repair, Side
from homing.core.suppression import Source, Suppression
from homing.ports import Alert, Cursor, Pause, Store, Tx


class TestWrite:
    async def test_a_job_s_result_comes_back(self, store: Store) -> None:
        """
        `write` returns what the function returned.
        """
        assert 5 == await store.write(lambda _: 5)

    async def test_a_job_that_raises_undoes_itself_and_nobody_else(self, store: Store) -> None:
        """
        Jobs that share a commit do not share a failure.
        """

        def good(tx: Tx) -> None:
            tx.books.count("good")
            tx.people.add((user("good"),))

        def bad(tx: Tx) -> None:
            tx.books.count("bad")
            tx.people.add((user("bad"),))
            raise Refused

        jobs = [good, bad, good, bad, good]
        results = await asyncio.gather(*(store.write(job) for job in jobs), return_exceptions=True)

        assert [None, Refused, None, Refused, None] == [r and type(r) for r in results]
        assert {"good": 3} == await store.write(lambda tx: dict(tx.books.counts()))
        assert await store.write(lambda tx: tx.people.find(user("bad"))) is None

    async def test_a_job_alone_that_raises_leaves_nothing(self, store: Store) -> None:
        """
        The same without company: the next job finds the store as it was.
        """

        def bad(tx: Tx) -> None:
            tx.books.count("bad")
            tx.events.move_cursor(Cursor(9, 9, 9))
            reserve(tx, 1, lane=2)
            raise Refused

        with pytest.raises(Refused):
            await store.write(bad)

        assert {} == await store.write(lambda tx: dict(tx.books.counts()))
        assert Cursor(0, 0, 1) == await store.write(lambda tx: tx.events.cursor())
        assert await store.write(lambda tx: tx.sends.get(1)) is None


class TestSavepoint:
    async def test_a_block_that_raises_is_undone_with_its_counts(self, store: Store) -> None:
        """
        A poison event takes nothing of its neighbours with it.
        """

        def job(tx: Tx) -> None:
            for number in (1, 2, 3):
                try:
                    with tx.savepoint():
                        tx.events.add(event(number, person=number))
                        tx.events.remember(number, body=1, event=number, at=NOON)
                        tx.books.count("taken")
                        tx.effects.add(effect(lane=number))
                        reserve(tx, number, lane=number * 2)
                        refuse(number == 2)
                except Refused:
                    tx.books.count("poison")

        await store.write(job)

        def seen(tx: Tx) -> tuple[object, ...]:
            return (
                dict(tx.books.counts()),
                [row.id for row in tx.events.after(0, limit=10)],
                [tx.events.seen(key) is not None for key in (1, 2, 3)],
                [one.lane for one in tx.effects.ready(Dest.SEGMENT, after=0, limit=10)],
                [row.id for row in tx.sends.claimable(now=NOON, limit=10)],
                tx.events.of_person([2], limit=5),
            )

        found = await store.write(seen)
        assert (
            {"taken": 2, "poison": 1}, [1, 3], [True, False, True], [1, 3], [1, 3], []
        ) == found  # fmt: skip

    async def test_blocks_nest(self, store: Store) -> None:
        """
        The outer block undoes what the inner one kept.
        """

        def job(tx: Tx) -> None:
            with suppress(Refused), tx.savepoint():
                tx.books.count("outer")
                with tx.savepoint():
                    tx.books.count("inner")
                with suppress(Refused), tx.savepoint():
                    tx.books.count("undone")
                    refuse(True)
                assert {"outer": 1, "inner": 1} == dict(tx.books.counts())
                refuse(True)
            tx.books.count("after")

        await store.write(job)

        assert {"after": 1} == await store.write(lambda tx: dict(tx.books.counts()))


class TestCounts:
    async def test_counts_add_up_and_are_seen_at_once(self, store: Store) -> None:
        """
        A transaction sees its own counts; a count may go down.
        """

        def first(tx: Tx) -> dict[str, int]:
            tx.books.count("a", 3)
            tx.books.count("b")
            tx.books.count("b", -1)
            return dict(tx.books.counts())

        def second(tx: Tx) -> int:
            tx.books.count("a", -1)
            return tx.books.counts()["a"]

        assert 3 == (await store.write(first))["a"]
        assert 2 == await store.write(second)
        assert 0 == (await store.write(lambda tx: tx.books.counts())).get("b", 0)


class TestSettings:
    @pytest.mark.parametrize("value", ["text", 12, 1 << 62, b"\x00\xff", ""])
    async def test_a_setting_keeps_its_type(self, store: Store, value: str | int | bytes) -> None:
        """
        Text, integers and bytes come back as they were; the last write wins.
        """
        await store.write(lambda tx: tx.books.set("k", "before"))
        await store.write(lambda tx: tx.books.set("k", value))

        assert value == await store.write(lambda tx: tx.books.get("k"))
        assert await store.write(lambda tx: tx.books.get("other")) is None


class TestPauses:
    async def test_a_pause_stands_until_it_is_ended(self, store: Store) -> None:
        """
        A second pause of the same name replaces the first; ending none is no error.
        """
        mail, order = Pause(NOON, "401", "homing"), Pause(NOON, "typo", "operator")

        def pause(tx: Tx) -> None:
            tx.books.pause("mail", Pause(1, "x", "y"))
            tx.books.pause("mail", mail)
            tx.books.pause("email/order", order)
            tx.books.resume("segment")

        await store.write(pause)
        assert {"mail": mail, "email/order": order} == await store.write(
            lambda tx: dict(tx.books.pauses())
        )

        await store.write(lambda tx: tx.books.resume("mail"))
        assert {"email/order": order} == await store.write(lambda tx: dict(tx.books.pauses()))


class TestAlerts:
    async def test_the_same_alert_counts_up_and_the_newest_comes_first(self, store: Store) -> None:
        """
        An alert keeps its first time, takes the last text, and goes when it is cleared.
        """

        def raise_them(tx: Tx) -> None:
            tx.books.alert("refused", "segment", "401: old", at=NOON)
            tx.books.alert("silent", "d-1", "no event", at=NOON + HOUR)
            tx.books.alert("refused", "segment", "401: new", at=NOON + 2 * HOUR, n=4)

        await store.write(raise_them)
        refused = Alert("refused", "segment", "401: new", NOON, NOON + 2 * HOUR, 5)
        silent = Alert("silent", "d-1", "no event", NOON + HOUR, NOON + HOUR, 1)
        assert [refused, silent] == await store.write(lambda tx: tx.books.alerts())

        await store.write(lambda tx: tx.books.clear_alert("refused", "segment"))
        assert [silent] == await store.write(lambda tx: tx.books.alerts())


BOUNCE = Suppression("bounce", True, NOON, Source.SENDGRID, "550 unknown user")
OPT_IN = Suppression("group:news", False, NOON, Source.SEGMENT, "suppression.opt_in.0")


class TestSuppressions:
    async def test_records_are_by_address_and_scope_whatever_the_case(self, store: Store) -> None:
        """
        An address is found in any case; a scope has one record, the last written.
        """

        def save(tx: Tx) -> None:
            tx.suppressions.save("Ann@Example.com", Suppression("bounce", False, 1, Source.HOMING))
            tx.suppressions.save("ann@example.com", BOUNCE)
            tx.suppressions.save("ann@example.com ", OPT_IN)

        await store.write(save)

        assert {"bounce": BOUNCE, "group:news": OPT_IN} == await store.write(
            lambda tx: dict(tx.suppressions.of("ANN@example.com"))
        )
        assert {} == await store.write(lambda tx: dict(tx.suppressions.of("bob@example.com")))

    async def test_a_hidden_record_still_suppresses_and_says_nothing(self, store: Store) -> None:
        """
        Of an erased person the scope stays, not the bounce message with the address in it.
        """
        await store.write(lambda tx: tx.suppressions.save("ann@example.com", BOUNCE))

        await store.write(lambda tx: tx.suppressions.hide("Ann@example.com"))

        records = await store.write(lambda tx: tx.suppressions.of("ann@example.com"))
        assert Suppression("bounce", True, NOON, Source.SENDGRID, "") == records["bounce"]


class TestReadings:
    async def test_what_no_reading_met_since_is_found_until_it_is_marked(
        self, store: Store
    ) -> None:
        """
        Opt-outs of one scope, with their addresses; not opt-ins, and not what is hidden.
        """
        out = Suppression("global", True, NOON, Source.SEGMENT, "r")

        def save(tx: Tx) -> None:
            for name in ("Ann", "bob", "cyd"):
                tx.suppressions.save(f"{name}@example.com", out)
            tx.suppressions.save("ann@example.com", BOUNCE)
            tx.suppressions.save("dan@example.com", OPT_IN)
            tx.suppressions.save("eve@example.com", Suppression("global", False, 1, Source.HOMING))
            tx.suppressions.hide("cyd@example.com")
            tx.suppressions.mark("nobody@example.com", "global", reading=4)

        def unmarked(tx: Tx, reading: int = 4, limit: int = 10) -> dict[str, Suppression]:
            return dict(tx.suppressions.unmarked("global", reading=reading, limit=limit))

        await store.write(save)
        assert {"ann@example.com": out, "bob@example.com": out} == await store.write(unmarked)
        assert 1 == len(await store.write(lambda tx: unmarked(tx, limit=1)))

        await store.write(lambda tx: tx.suppressions.mark("BOB@example.com", "global", reading=4))
        assert {"ann@example.com"} == set(await store.write(unmarked))
        assert {"ann@example.com", "bob@example.com"} == set(
            await store.write(lambda tx: unmarked(tx, 5))
        )

        # written again, it has been met all the same
        newer = Suppression("global", True, NOON + 1, Source.SENDGRID, "r")
        await store.write(lambda tx: tx.suppressions.save("bob@example.com", newer))
        assert {"ann@example.com"} == set(await store.write(unmarked))

    async def test_what_was_noted_comes_back_in_order_until_it_is_forgotten(
        self, store: Store
    ) -> None:
        """
        Each reading's own; who is erased is not named any more, by any reading.
        """
        first = Repair(ListName.BOUNCES, "ann@example.com", Side.HERE, True, NOON)
        second = Repair(ListName.GROUPS, "bob@example.com", Side.THERE, False, NOON + 1)

        def note(tx: Tx) -> None:
            tx.suppressions.note(first, reading=1)
            for reading in (2, 3):
                tx.suppressions.note(replace(first, address="Ann@example.com"), reading=reading)
                tx.suppressions.note(second, reading=reading)

        def noted(tx: Tx) -> list[list[Repair]]:
            return [tx.suppressions.noted(reading, limit=10) for reading in (1, 2, 3)]

        await store.write(note)
        assert [[first], [first, second], [first, second]] == await store.write(noted)
        assert [first] == await store.write(lambda tx: tx.suppressions.noted(2, limit=1))

        await store.write(lambda tx: tx.suppressions.forget_noted(keep=2))
        assert [[], [first, second], []] == await store.write(noted)

        await store.write(lambda tx: tx.suppressions.hide("ANN@example.com"))
        assert [[], [second], []] == await store.write(noted)

    async def test_hidden_is_who_was_erased(self, store: Store) -> None:
        """
        Until something is recorded of the address anew.
        """

        def is_hidden(tx: Tx) -> bool:
            return tx.suppressions.is_hidden("Ann@example.com")

        assert not await store.write(is_hidden)
        await store.write(lambda tx: tx.suppressions.save("ann@example.com", BOUNCE))
        assert not await store.write(is_hidden)
        await store.write(lambda tx: tx.suppressions.hide("ann@example.com"))
        assert await store.write(is_hidden)
        await store.write(lambda tx: tx.suppressions.save("ann@example.com", BOUNCE))
        assert not await store.write(is_hidden)


class TestStates:
    async def test_states_come_back_as_their_own_type(self, store: Store) -> None:
        """
        A row's state is a member of its enumeration, not just its text.
        """
        await store.write(lambda tx: tx.events.add(event(1, state=EventState.FILTERED)))

        row = await store.write(lambda tx: tx.events.get(1))

        assert row is not None
        assert EventState.FILTERED is row.state

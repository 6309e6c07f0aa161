"""Sends in the hands of one evaluating transaction."""

from __future__ import annotations

import pytest
from tests.stages.conftest import World
from tests.support.stages import NOON, engagement, identify, track

from homing.core.digests import smtp_trace
from homing.core.effects import SendFlag, SendRow
from homing.stages.ledger import Ledger

BY_OPEN = "[route.opened]\nwhen = 'event = \"Email Opened\"'\nsend = 'receipt'\n"


@pytest.fixture
async def sent(world: World) -> World:
    """One receipt, accepted."""
    await world.take(track("Ordered"))
    await world.delivered()
    return world


class TestLedger:
    async def test_a_send_is_one_row_however_it_is_found(self, sent):
        """
        By number or by a trace: what one event says of it the next one sees.
        """

        def job(tx):
            ledger = Ledger()
            row = ledger.get(tx, 1)
            return row is ledger.get(tx, 1) is ledger.held(tx.sends.get(1))

        assert await sent.tx(job)

    async def test_one_that_is_not_there_is_none(self, sent):
        """
        Whoever names it is asked of the store each time.
        """
        assert (None, None) == await sent.tx(
            lambda tx: (Ledger().get(tx, 9), Ledger().get(tx, 10**18))
        )

    async def test_what_was_heard_is_written_once_all_is_heard(self, sent):
        """
        Not before; and afterwards everything is read again.
        """

        def job(tx) -> tuple[SendRow, SendRow, SendRow]:
            ledger = Ledger()
            row = ledger.get(tx, 1)
            row.mail = "opened"
            ledger.hear(row)
            before = tx.sends.get(1)
            ledger.write(tx)
            tx.sends.erase(1)
            return before, tx.sends.get(1), ledger.get(tx, 1)

        before, after, again = await sent.tx(job)
        assert (None, "opened", None) == (before.mail, after.mail, again.address)

    async def test_what_is_forgotten_is_not_written(self, sent):
        """
        The transaction was undone.
        """

        def job(tx) -> SendRow:
            ledger = Ledger()
            row = ledger.get(tx, 1)
            row.mail = "opened"
            ledger.hear(row)
            ledger.forget()
            ledger.write(tx)
            return tx.sends.get(1)

        assert (await sent.tx(job)).mail is None

    async def test_an_smtp_id_leads_to_each_send_that_had_it(self, sent):
        """
        Said twice it is written once; of two sends it leads to both.
        """
        await sent.take(track("Ordered", properties={"n": 2}))

        def job(tx) -> list[int]:
            ledger = Ledger()
            rows = [ledger.get(tx, 1), ledger.get(tx, 2)]
            for row in (rows[0], rows[0], rows[1]):
                ledger.trace(tx, row, "<a@b>")
            return [row.id for row in tx.sends.by_trace(smtp_trace("<a@b>"), limit=9)]

        assert [2, 1] == await sent.tx(job)

    async def test_a_cause_is_called_by_its_message_id(self, sent):
        """
        Or by its number; once it is gone, by nothing.
        """

        def job(tx) -> tuple[str, str]:
            row, ledger = tx.sends.get(1), Ledger()
            named = ledger.cause(tx, row)
            row.event = 99
            return named, ledger.cause(tx, row)

        named, gone = await sent.tx(job)
        assert (True, "") == ('"Ordered"' in named, gone)


class TestOneRequest:
    async def test_posted_together_they_say_what_they_say_apart(self, world):
        """
        Processed, delivered, opened, clicked: the row is the same.
        """
        kinds = ("processed", "delivered", "open", "click")
        await world.take(track("Ordered"), track("Ordered", "u2"))
        await world.delivered()
        one, other = await world.sends()
        await world.hear(*(engagement(kind, homing_send=one.key) for kind in kinds))
        for kind in kinds:
            await world.hear(engagement(kind, "u2@x.io", homing_send=other.key))

        rows = [
            (row.state, row.mail, row.flags, row.delivered_at, row.last_event_at, row.silent_due)
            for row in await world.sends()
        ]
        flags = SendFlag.OPENED | SendFlag.CLICKED
        assert ("accepted", "clicked", flags, NOON, NOON, None) == rows[0] == rows[1]

    async def test_a_poison_event_between_undoes_nothing_of_its_send(self, world_of):
        """
        What its neighbours say of the same send stays; it says nothing itself.
        """
        world = world_of(BY_OPEN)
        await world.take(track("Ordered"))
        await world.delivered()
        key, mint = (await world.send()).key, world.taker.mint

        def failing() -> int:
            raise ValueError("odd")

        world.taker.mint = failing
        await world.hear(
            engagement("processed", homing_send=key),
            engagement("delivered", homing_send=key),
            engagement("open", homing_send=key),
            engagement("click", homing_send=key),
        )
        world.taker.mint = mint

        states = [row.state for row in await world.events()][1:]
        assert ["done", "done", "quarantined", "done"] == states
        row = await world.send()
        assert ("clicked", NOON) == (row.mail, row.delivered_at)
        counts = (await world.books()).events
        assert (5, 4, 1) == (counts["received"], counts["done"], counts["quarantined"])

    async def test_who_is_deleted_in_the_same_request_leaves_no_address(self, sent):
        """
        What was heard of the send before is in the row that the erasure strikes out.
        """
        key = (await sent.send()).key
        sent.log.append("sendgrid/default", [dict(engagement("open", homing_send=key))], NOON)
        sent.log.append("segment/default", {"type": "delete", "userId": "u1"}, NOON)
        sent.log.append("sendgrid/default", [dict(engagement("click", homing_send=key))], NOON)
        sent.log.append("segment/default", identify("u2", traits={"email": "u2@x.io"}), NOON)
        await sent.evaluated()

        row = await sent.send()
        assert (None, "", "opened") == (row.address, row.user, row.mail)
        assert ["done", "done", "done", "filtered", "done"] == [
            event.state for event in await sent.events()
        ]

"""The story of an order: an event in, an email out, what became of it home."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.support.service import track, world

ORDERS = 200


class TestOrders:
    async def test_each_order_is_one_email_and_its_events_come_home(self, tmp_path: Path) -> None:
        """200 orders in, 200 emails out, all events home; everything twice adds nothing."""
        orders = [
            track(n, "Order Completed", {"total": n + 1, "order_id": f"o{n}"}, user=f"u{n}")
            for n in range(ORDERS)
        ]
        async with world(tmp_path) as w:
            for _ in range(2):
                await asyncio.gather(*(w.sender.deliver(order) for order in orders))
            await w.sendgrid.until(lambda: len(w.sendgrid.accepted) >= ORDERS, 30)
            await w.sendgrid.settle()
            await w.segment.until(lambda: len(w.segment.received) >= ORDERS, 30)
            await w.settled(lambda s: s["effects"]["segment"]["ready"] == 0)
            stats = await w.service.stats()

            mails = {mail.to: mail for mail in w.sendgrid.accepted}
            assert ORDERS == len(w.sendgrid.accepted) == len(mails)
            assert {f"u{n}@example.com" for n in range(ORDERS)} == set(mails)
            home = {
                (m["userId"], m["context"]["traits"]["email"])
                for m in map(dict, w.segment.received)
            }
            assert {(f"u{n}", f"u{n}@example.com") for n in range(ORDERS)} == home
            assert ORDERS == stats["events"]["duplicates"]
            assert ORDERS == stats["sends"]["accepted"]
            assert not w.segment.discarded

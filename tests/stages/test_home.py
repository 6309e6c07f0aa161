"""What SendGrid says happened: to the ledger, to routes, home to Segment."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.stages.conftest import World
from tests.support.stages import (
    DAY,
    HOUR,
    MINUTE,
    NO_ANSWER,
    NOON,
    answer,
    engagement,
    plans_of,
    track,
)

from homing.adapters.memory.state import MemoryState
from homing.core.decide import Rules
from homing.core.effects import Dest, SendFlag, SendRow

LATER = NOON // 1000 + 60


@pytest.fixture
async def sent(world: World) -> World:
    """One receipt, accepted by SendGrid as "mid.one"."""
    world.sendgrid.answers.append(answer(202, X_Message_Id="mid.one"))
    await world.take(track("Ordered"))
    await world.delivered()
    return world


async def calls(world: World) -> list[dict[str, Any]]:
    """The calls that wait to be written home."""
    return [orjson.loads(effect.payload) for effect in await world.ready(Dest.SEGMENT)]


async def heard_of(world: World, event: Mapping[str, Any]) -> tuple[int | None, str]:
    """To which send an event was given, and how it was found."""
    await world.hear(event)
    call = next(call for call in reversed(await calls(world)) if call["type"] == "track")
    return (await world.events())[-1].send, call["properties"]["correlation"]


class TestCorrelate:
    async def test_by_our_id(self, sent):
        """
        First of all.
        """
        key = (await sent.send()).key
        assert (1, "send") == await heard_of(sent, engagement("open", homing_send=key))

    async def test_by_message_id_and_address(self, sent):
        """
        The id is all up to one of the dots, not to the first.
        """
        event = engagement("open", sg_message_id="mid.one.recvd-5f-abc-1.0")
        assert (1, "message-id") == await heard_of(sent, event)

    async def test_by_smtp_id(self, sent):
        """
        The message id at a host, or what an earlier event of the send had.
        """
        assert (1, "smtp-id") == await heard_of(
            sent, engagement("open", **{"smtp-id": "<mid.one@ismtpd-1>"})
        )
        other = {"smtp-id": "<20260105.abc@mx.example>"}
        key = (await sent.send()).key
        await sent.hear(engagement("processed", homing_send=key, **other))
        assert (1, "smtp-id") == await heard_of(
            sent, engagement("bounce", type="bounce", sg_message_id="", **other)
        )

    async def test_by_address_as_a_last_resort(self, sent):
        """
        Flagged; and the ledger does not believe it.
        """
        assert (1, "address") == await heard_of(sent, engagement("spamreport"))
        assert (await sent.send()).mail is None

    async def test_evaluated_again_it_stays_the_one_it_was_given_to(self, sent):
        """
        Also if something was sent to the same address just after it.
        """
        await sent.hear(engagement("spamreport"))
        (event,) = [row for row in await sent.events() if row.source == "sendgrid/default"]
        await sent.take(track("Ordered", "u2", context={"traits": {"email": "u1@x.io"}}))
        await sent.tx(lambda tx: tx.sends.intend(2, now=event.at + 1_000))

        await sent.evaluate.replay([event.id])

        assert [1] == [row.send for row in await sent.events() if row.id == event.id]

    @pytest.mark.parametrize(
        "event",
        [
            engagement("open", "other@x.io"),
            engagement("open", timestamp=(NOON + 8 * DAY) // 1000),
            engagement("open", timestamp=(NOON - 2 * MINUTE) // 1000),
        ],
    )
    async def test_what_fits_no_send_belongs_to_none(self, sent, event):
        """
        Another address, too late, or before anything had left; it is written home all the same.
        """
        await sent.hear(event)

        assert (await sent.events())[-1].send is None
        (call,) = await calls(sent)
        assert "none" == call["properties"]["correlation"]

    @pytest.mark.parametrize("key", ["1-00000000ff", "1", "x", "999-0000000001", "-1-0000000001"])
    async def test_an_id_that_is_not_ours_is_not_believed(self, sent, key):
        """
        The tag keeps sends of another store apart.
        """
        event = engagement("open", "else@x.io", homing_send=key)
        await sent.hear(event)

        assert (await sent.events())[-1].send is None

    async def test_two_emails_of_one_request_are_told_apart_by_address(self, world):
        """
        X-Message-Id is one a request.
        """
        await world.take(track("Ordered", "u1"), track("Ordered", "u2"))
        await world.delivered()

        assert (2, "message-id") == await heard_of(
            world, engagement("open", "u2@x.io", sg_message_id="mid.recvd-1")
        )


class TestLedger:
    @pytest.mark.parametrize(
        "kinds",
        list(itertools.permutations(["processed", "delivered", "open", "click"], 4))[::5],
    )
    async def test_event_states_only_move_forward(self, sent, kinds):
        """
        Whatever the order of arrival.
        """
        key = (await sent.send()).key
        for kind in kinds:
            await sent.hear(engagement(kind, homing_send=key))

        row = await sent.send()
        assert ("accepted", "clicked") == (row.state, row.mail)
        assert SendFlag.OPENED | SendFlag.CLICKED == row.flags
        assert NOON == row.delivered_at
        assert row.silent_due is None

    async def test_an_event_that_carries_our_id_proves_the_send(self, world):
        """
        Nobody knew whether it was taken: now it is known, and the lane goes on.
        """
        world.sendgrid.answers.append(NO_ANSWER)
        await world.take(track("Ordered"))
        await world.take(track("Ordered", properties={"n": 2}))
        await world.deliver.deliver_batch()
        await world.deliver.land()
        assert ["unknown", "reserved"] == [row.state for row in await world.sends()]

        await world.hear(engagement("processed", homing_send=(await world.sends())[0].key))
        await world.delivered()

        assert ["accepted", "accepted"] == [row.state for row in await world.sends()]
        assert 1 == (await world.books()).unknown["proved"]
        assert 2 == len(world.sendgrid.calls)

    async def test_evidence_may_come_before_the_answer(self, world):
        """
        And the late answer changes nothing.
        """
        await world.take(track("Ordered"))
        world.sendgrid.gate = asyncio.Event()
        await world.deliver.deliver_batch()
        key = (await world.send()).key
        assert "in_flight" == (await world.send()).state
        await world.hear(engagement("delivered", homing_send=key))
        world.sendgrid.gate.set()
        await world.deliver.land()

        row = await world.send()
        assert ("accepted", "delivered", "mid") == (row.state, row.mail, row.message_id)
        assert row.silent_due is None
        assert 1 == (await world.books()).sends["accepted"]

    async def test_a_send_of_a_time_after_the_backup_is_proved(self, world):
        """
        Restored as reserved, it had left: no second email.
        """
        await world.take(track("Ordered"))
        await world.hear(engagement("processed", homing_send=(await world.send()).key))
        await world.delivered()

        assert "accepted" == (await world.send()).state
        assert [] == world.sendgrid.calls

    async def test_who_is_in_copy_tells_nothing_of_the_recipient(self, sent):
        """
        Their bounce is not the send's, and their profile is not the recipient's.
        """
        key = (await sent.send()).key
        event = engagement("bounce", "boss@x.io", type="bounce", homing_send=key)
        await sent.hear(event)

        assert (await sent.send()).mail is None
        assert 2 == (await sent.events())[-1].person
        assert {None} == {call.get("userId") for call in await calls(sent)}

    async def test_a_send_heard_of_is_no_longer_silent(self, sent):
        """
        The flag and its count go.
        """
        sent.clock.forward(HOUR)
        await sent.sweep.sweep()
        assert SendFlag.SILENT == (await sent.send()).flags

        await sent.hear(engagement("delivered", homing_send=(await sent.send()).key))

        assert SendFlag(0) == (await sent.send()).flags
        assert 0 == (await sent.books()).counts["sends_silent"]


KINDS = st.sampled_from(
    ["processed", "deferred", "delivered", "open", "click", "bounce", "dropped"]
)


class TestOrder:
    @settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow], deadline=None)
    @given(st.lists(st.tuples(KINDS, st.integers(0, 3)), max_size=6), st.permutations(range(6)))
    async def test_no_order_of_arrival_changes_the_ledger(self, heard, order):
        """
        Any events, in any order, each as often as you like: the row is the same.
        """
        rows: list[SendRow] = []
        for places in (range(len(heard)), [n for n in order if n < len(heard)] * 2):
            world = World.over(MemoryState())
            await world.take(track("Ordered"))
            await world.delivered()
            key = (await world.send()).key
            for kind, later in (heard[n] for n in places):
                await world.hear(
                    engagement(kind, timestamp=NOON // 1000 + later, homing_send=key, type="bounce")
                )
            rows.append(await world.send())

        assert rows[0] == rows[1]


class TestWrittenHome:
    async def test_an_open_is_a_track_call_of_the_sends_person(self, sent):
        """
        With what is known of the send, at the event's own time.
        """
        event = engagement(
            "open", timestamp=LATER, homing_send=(await sent.send()).key,
            useragent="UA", ip="1.2.3.4", sg_message_id="mid.one.x",
        )  # fmt: skip
        await sent.hear(event)

        (call,) = await calls(sent)
        assert ("u1", "Email Opened") == (call["userId"], call["event"])
        assert call["timestamp"].startswith("2026-01-05T12:01:00")
        assert {"email": "u1@x.io"} == call["context"]["traits"]
        assert "UA" == call["context"]["userAgent"] == call["context"]["user_agent"]
        facts = call["properties"]
        assert ("1-0000000001", "receipt", "send") == (
            facts["send_id"], facts["route"], facts["correlation"],
        )  # fmt: skip

    async def test_only_configured_events_are_written_but_routes_see_all(self, world_of):
        """
        Under the name they would be written with.
        """
        world = world_of(
            '[writeback]\nevents = ["click"]\n'
            "[route.bounced]\nwhen = 'event = \"Email Bounced\"'\nsend = 'receipt'\n"
        )
        await world.hear(engagement("bounce", type="blocked"))

        assert [] == await calls(world)
        assert ["bounced"] == [row.rule for row in await world.sends()]

    async def test_what_is_not_written_and_nobody_asks_about_has_its_name_all_the_same(self, sent):
        """
        A person reads it in the list of events.
        """
        await sent.hear(engagement("processed", homing_send=(await sent.send()).key))

        row = (await sent.events())[-1]
        assert ("processed", "Email Processed", 1) == (row.type, row.name, row.send)
        assert [] == await calls(sent)

    async def test_a_rule_may_ask_about_what_is_not_written(self, world_of):
        """
        Also a did() alone.
        """
        world = world_of(
            "[route.soft]\n"
            'when = \'event = "Email Deferred" and properties.reason = "later"\'\n'
            "send = 'receipt'\n"
            "[route.twice]\n"
            'when = \'event = "Asked" and did("Email Processed", 2)\'\n'
            "send = 'receipt'\n"
        )
        await world.hear(
            engagement("deferred", response="later"),
            engagement("processed", sg_message_id="a"),
            engagement("processed", sg_message_id="b"),
        )
        await world.take(track("Asked", None, properties={"email": "u1@x.io"}))

        assert ["soft", "twice"] == [row.rule for row in await world.sends()]

    async def test_redelivered_it_is_the_same_call(self, sent):
        """
        Also after a replay: Segment dedupes by messageId.
        """
        await sent.hear(engagement("open", homing_send=(await sent.send()).key))
        await sent.evaluate.replay([2])

        assert 1 == len({call["messageId"] for call in await calls(sent)})

    async def test_who_is_known_by_address_only_has_a_hash_for_an_id(self, world):
        """
        And becomes a person of that address.
        """
        await world.hear(engagement("open", "new@x.io"))

        (call,) = await calls(world)
        assert 64 == len(call["anonymousId"])
        (person,) = await world.tx(lambda tx: tx.people.newest(before=None, limit=9))
        assert "new@x.io" == person.email

    async def test_calls_of_one_person_share_a_lane(self, sent):
        """
        They leave in order.
        """
        key = (await sent.send()).key
        await sent.hear(engagement("delivered", homing_send=key), engagement("spamreport"))

        assert {1} == {effect.lane for effect in await sent.ready(Dest.SEGMENT)}

    async def test_nothing_piles_up_without_a_write_key(self, sent):
        """
        The ledger and suppressions are kept all the same.
        """
        sent.taker.rules = Rules(plans_of().without_segment())
        await sent.hear(engagement("spamreport", homing_send=(await sent.send()).key))

        assert [] == await calls(sent)
        assert "spam" == (await sent.send()).mail
        assert "Email Marked as Spam" == (await sent.events())[-1].name

    async def test_an_event_about_no_email_is_kept(self, world):
        """
        An account's status; nobody is made of it.
        """
        await world.hear({"event": "account_status_change", "type": "x", "sg_event_id": "e"})

        (row,) = await world.events()
        assert ("done", None) == (row.state, row.person)


class TestSurroundings:
    async def test_a_scanner_is_suspected_and_nothing_is_dropped(self, sent):
        """
        It clicks every link the moment the mail arrives.
        """
        key = (await sent.send()).key
        await sent.hear(engagement("delivered", homing_send=key))
        await sent.hear(
            *(engagement("click", homing_send=key, url=f"https://x.io/{n}") for n in range(4))
        )

        clicks = [call for call in await calls(sent) if call["event"] == "Email Link Clicked"]
        assert 4 == len(clicks)
        assert clicks[-1]["properties"]["suspected_bot"] is True

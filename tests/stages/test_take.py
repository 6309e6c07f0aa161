"""One event taken in: known or new, usable or not, decided once."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.stages.conftest import World
from tests.support.stages import NOON, SECOND, engagement, identify, track

from homing.adapters.memory.state import MemoryState
from homing.core.effects import Dest, EventState
from homing.core.errors import Unavailable
from homing.core.segment_calls import Cause, Who, track_call
from homing.core.splitting import blanked
from homing.ports import Tx

KEYS = [
    "type", "event", "userId", "anonymousId", "previousId", "messageId", "traits", "context",
    "properties", "timestamp", "email", "personas", "computation_key", "computation_class",
    "timezone", "name", "sg_event_id", "sg_message_id", "smtp-id", "homing_send", "homing_test",
    "category", "asm_group_id", "url", "url_offset", "reason", "ip", "useragent",
    "sg_machine_open", "integration",
]  # fmt: skip
EVERYTHING = """
[suppression]
opt_out = [{ when = "traits.email = null or properties.name = 'x'" }]
opt_in = [{ when = "did('a', 2, '1d')", group = "newsletter" }]
[route.all]
when = "all"
send = { email = "receipt", data = { name = "$.properties.name", all = "$.traits" } }
track = { event = "Seen", properties = { of = "$.context", p = "$.profile" } }
identify = { traits = { last = "$.event" } }
suppress = "newsletter"
"""


class TestDedupe:
    async def test_the_same_event_again_is_counted_and_no_more(self, world):
        """
        In the same request, in a later one, in another order.
        """
        one, other = track("Ordered"), track("Ordered", "u2")
        await world.take(one, other, one)
        await world.take(other, one)

        assert 2 == len(await world.events()) == len(await world.sends())
        events = (await world.books()).events
        assert (2, 3, 2) == (events["received"], events["duplicates"], events["done"])

    async def test_an_id_with_another_body_is_a_conflict(self, world):
        """
        The first wins; the second is kept for a person to look at.
        """
        await world.take(track("Ordered", messageId="m"), track("Ordered", "u2", messageId="m"))

        first, second = await world.events()
        assert ("done", "quarantined") == (first.state, second.state)
        assert ("m", True) == (second.message_id, second.reason.startswith("conflict"))
        assert 1 == len(await world.sends())

    async def test_an_event_without_id_is_known_by_its_bytes(self, world):
        """
        Two with the same bytes are one.
        """
        event = {"type": "track", "event": "Ordered", "userId": "u1"}
        await world.take(event, event, {**event, "userId": "u2"})

        assert 2 == len(await world.events())

    async def test_sendgrid_redelivers_under_another_id(self, world):
        """
        All else equal, it is the same event.
        """
        event = engagement("delivered", sg_message_id="m.1", sg_event_id="a")
        await world.hear(event, {**event, "sg_event_id": "b"}, {**event, "extra": 1})

        assert 1 == len(await world.events())
        assert 2 == (await world.books()).events["duplicates"]

    async def test_two_clicks_are_two(self, world):
        """
        Another link, or another moment.
        """
        click = {"url": "https://x.io/1", "sg_message_id": "m.1"}
        await world.hear(
            engagement("click", **click),
            engagement("click", **{**click, "url": "https://x.io/2"}),
            engagement("click", timestamp=NOON // 1000 + 1, **click),
        )

        assert 3 == len(await world.events())

    async def test_a_message_id_of_segments_is_not_one_of_sendgrids(self, world):
        """
        They are counted apart.
        """
        await world.take(track("A", messageId="same"))
        await world.hear(engagement("open", sg_event_id="same"))

        assert ["done", "done"] == [row.state for row in await world.events()]


class TestUnusable:
    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            (b"not json", "not JSON"),
            (b'"text"', "expected an object, got a text"),
            (b"{}", "no type"),
            (b'{"type": "explode"}', "unknown type 'explode'"),
            (b'{"type": "track", "event": "A"}', "no userId"),
            (b'{"type": "delete"}', "no userId"),
            (b'{"type": "track", "userId": NaN}', "not JSON"),
            (b'{"a":' * 65 + b"1" + b"}" * 65, "nested deeper than 64"),
        ],
    )
    async def test_it_is_kept_with_its_reason(self, world, body, reason):
        """
        Nothing authentic is dropped.
        """
        await world.take(body)

        (row,) = await world.events()
        assert "quarantined" == row.state
        assert row.reason.startswith(reason)

    @pytest.mark.parametrize(
        ("event", "reason"),
        [
            ({"email": "a@x.io"}, ""),
            ({"event": "levitated", "email": "a@x.io"}, "unknown SendGrid event 'levitated'"),
        ],
    )
    async def test_sendgrids_too(self, world, event, reason):
        """
        An unknown type is stored, and nobody is made of it.
        """
        await world.hear(event)

        (row,) = await world.events()
        assert "quarantined" == row.state
        assert reason in row.reason
        assert [] == await world.tx(lambda tx: tx.people.newest(before=None, limit=9))

    async def test_one_bad_event_costs_its_neighbours_nothing(self, world):
        """
        In an array, each stands for itself.
        """
        await world.take(track("Ordered"), {"type": 7}, track("Ordered", "u2"))

        assert ["done", "quarantined", "done"] == [row.state for row in await world.events()]
        assert 2 == len(await world.sends())

    async def test_an_empty_request_holds_nothing(self, world):
        """
        And evaluation goes on after it.
        """
        await world.take(b"[]")
        await world.take(track("Ordered"))

        assert 1 == len(await world.events())


def poisoned_by(world: World, error: Exception) -> list[bool]:
    """Have minting a send's tag raise as long as the list says so."""
    mint, broken = world.taker.mint, [True]

    def failing() -> int:
        if broken:
            raise error
        return mint()

    world.taker.mint = failing
    return broken


class TestPoison:
    async def test_what_cannot_be_evaluated_undoes_nothing_but_itself(self, world):
        """
        Its person's change is undone with it; its row says what went wrong.
        """
        broken = poisoned_by(world, ValueError("odd"))
        await world.take(
            identify("u1", traits={"plan": "pro"}),
            track("Ordered", "u1", context={"traits": {"plan": "free"}}),
            identify("u2"),
        )
        broken.clear()

        rows = await world.events()
        assert ["done", "quarantined", "done"] == [row.state for row in rows]
        assert "could not be evaluated: ValueError: odd" == rows[1].reason
        (person,) = [
            p for p in await world.tx(lambda tx: tx.people.newest(before=None, limit=9))
            if p.user_id == "u1"
        ]  # fmt: skip
        assert {"plan": "pro"} == person.traits

    async def test_a_poison_event_that_comes_again_is_the_same_event(self, world):
        """
        Replayed meanwhile, it must not be decided a second time under another number.
        """
        broken = poisoned_by(world, ValueError("odd"))
        await world.take(track("Ordered"))
        broken.clear()
        assert {"1": "done"} == await world.evaluate.replay([1])

        await world.take(track("Ordered"))

        assert 1 == len(await world.sends()) == len(await world.events())

    async def test_the_stores_trouble_is_not_the_events(self, world):
        """
        Nothing is kept, and the event is evaluated once the store is well.
        """
        broken = poisoned_by(world, Unavailable("disk full"))
        with pytest.raises(Unavailable):
            await world.take(track("Ordered"))
        broken.clear()
        assert [] == await world.events()

        await world.evaluated()

        assert ["done"] == [row.state for row in await world.events()]
        assert 1 == len(await world.sends())


class TestEcho:
    @pytest.mark.parametrize("by_id", [True, False])
    async def test_our_own_calls_coming_back_are_filtered(self, world, by_id):
        """
        Known by their messageId, or by the integration's name.
        """
        call = track_call(Cause("m", "r"), Who("u1"), event="Ordered", properties={}, at_ms=NOON)
        if not by_id:
            call["messageId"] = "renamed"
        await world.take(call)

        (row,) = await world.events()
        assert ("filtered", True) == (row.state, row.reason.startswith("echo"))
        assert [] == await world.sends()


class TestReplay:
    async def test_it_keeps_ids_and_reserves_nothing_twice(self, world):
        """
        Neither a send nor a row nor a count is added.
        """
        await world.take(track("Ordered"), track("Ordered", "u2"))
        before = await world.books()

        states = await world.evaluate.replay([1, 2, 1])

        assert {"1": "done", "2": "done"} == states
        assert 2 == len(await world.sends()) == len(await world.events())
        assert before == await world.books()

    async def test_a_quarantined_event_may_be_done_now(self, world_of):
        """
        Under its own number, by the rules of now.
        """
        world = world_of()
        broken = poisoned_by(world, ValueError("odd"))
        await world.take(track("Ordered"))
        broken.clear()

        assert {"1": "done"} == await world.evaluate.replay([1])

        events = (await world.books()).events
        assert (1, 1, 0) == (events["received"], events["done"], events["quarantined"])
        (row,) = await world.events()
        assert ("Ordered", 1) == (row.name, row.person)
        assert 1 == (await world.send()).origin

    async def test_it_counts_no_did_twice(self, world_of):
        """
        "The second order" is not the first one, evaluated again.
        """
        world = world_of("[route.again]\nwhen = 'did(\"Ordered\", 2)'\nsend = 'digest'\n")
        await world.take(track("Ordered"))

        await world.evaluate.replay([1, 1])

        assert ["receipt"] == [row.email for row in await world.sends()]

    async def test_what_is_gone_is_said_to_be(self, world):
        """
        No such event; or the log has forgotten its request.
        """
        await world.take(track("Ordered"))
        await world.take(track("Ordered", "u2"))
        world.log.requests[0] = None

        assert {"1": "gone", "9": "gone"} == await world.evaluate.replay([1, 9])
        assert ["done", "done"] == [row.state for row in await world.events()]

    async def test_what_was_erased_is_said_to_be(self, world):
        """
        Neither before nor after its bytes go anything changes, done or quarantined.
        """
        odd = {"type": "odd", "userId": "u1", "messageId": "m"}
        await world.take(odd, track("Ordered"), {})
        await world.hear({**engagement("open"), "event": ""})
        await world.tx(lambda tx: tx.events.ask_erasure([(1, 0), (1, 1), (2, 0)]))
        before = await world.books(), await world.events()
        assert "quarantined" == before[1][3].state

        for is_gone in (False, True):
            if is_gone:
                world.log.requests = [
                    replace(one, body=blanked(one.body, items))
                    for one, items in zip(world.log.requests, ([0, 1], [0]), strict=True)
                ]
                await world.tx(lambda tx: tx.events.erasure_done([1, 2]))
            states = await world.evaluate.replay([1, 2, 3, 4])
            assert {"1": "erased", "2": "erased", "3": "quarantined", "4": "erased"} == states
            assert before == (await world.books(), await world.events())


class TestOfATest:
    async def test_events_of_a_test_email_are_filtered(self, world):
        """
        But who unsubscribes with it has unsubscribed.
        """
        await world.hear(engagement("unsubscribe", homing_test="1-0000000001"))

        (row,) = await world.events()
        assert "filtered" == row.state
        assert await world.tx(lambda tx: tx.suppressions.of("u1@x.io")["global"].suppressed)
        assert [] == await world.ready(Dest.SEGMENT)


class TestBooks:
    async def test_received_is_the_sum_of_the_rest(self, world):
        """
        Promise P5, over one of each kind.
        """
        await world.take(
            track("Ordered"),
            track("Ordered"),
            {"type": 7},
            track("Mine", messageId="homing-1:t"),
            track("A", messageId="m"),
            track("B", messageId="m"),
        )

        events = dict((await world.books()).events)
        received, duplicates = events.pop("received"), events.pop("duplicates")
        assert (5, 1) == (received, duplicates)
        assert received == sum(events.values()) == len(await world.events())
        assert {state.value for state in EventState} == set(events)

    async def test_an_event_keeps_its_times(self, world):
        """
        When it happened, and when it came.
        """
        await world.take(
            track("A", timestamp="2026-01-05T11:59:59.000Z"), track("B", timestamp="?")
        )

        rows = await world.events()
        assert [NOON - SECOND, NOON] == [row.at for row in rows]
        assert [NOON, NOON] == [row.received_at for row in rows]


class TestErased:
    async def test_what_sendgrid_still_says_of_an_erased_person_makes_nobody(self, world):
        """
        It is filtered, its bytes are to be erased; but an opt-out is heard.
        """
        await world.take(track("Ordered"))
        await world.delivered()
        key = (await world.send()).key
        await world.take({"type": "delete", "userId": "u1", "messageId": "d"})

        await world.hear(
            engagement("open", homing_send=key), engagement("unsubscribe", homing_send=key)
        )

        def facts(tx: Tx) -> tuple[int, bool, int]:
            return (
                len(tx.people.newest(before=None, limit=9)),
                tx.suppressions.of("u1@x.io")["global"].suppressed,
                len(tx.events.erasures(limit=9)),
            )

        assert (0, True, 4) == await world.tx(facts)
        assert ["filtered", "filtered"] == [row.state for row in (await world.events())[-2:]]
        assert [] == await world.ready(Dest.SEGMENT)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=4), inner, max_size=5)
    ),
    max_leaves=12,
)


class TestAnything:
    @settings(max_examples=150, deadline=None)
    @given(
        st.lists(st.dictionaries(st.sampled_from(KEYS), JSON, max_size=9), min_size=1, max_size=3),
        st.sampled_from(["segment/default", "sendgrid/default"]),
    )
    async def test_every_event_is_a_row_or_a_duplicate(self, events, source):
        """
        Whatever stands where; none is lost, none stops the others, none is "could not".
        """
        world = World.over(MemoryState(), EVERYTHING)
        await world.take(*events, source=source)

        rows = await world.events()
        books = (await world.books()).events
        assert len(events) == books["received"] + books["duplicates"]
        assert books["received"] == len(rows)
        assert not [row.reason for row in rows if "could not" in (row.reason or "")]

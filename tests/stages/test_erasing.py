"""An erasure is seen through: log, SendGrid, files; each step is written down, and names nobody."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace as changed

import pytest
from msgspec.structs import replace
from tests.stages.conftest import World
from tests.support.stages import DAY, engagement, identify, track

from homing.core.decide import Rules
from homing.core.effects import Dest, EventState
from homing.core.erasure import Asked, Done, Erasure, NewErasure, Progress, Step
from homing.core.marketing.works import ERASE, address_in
from homing.core.people import Identity, IdKind
from homing.core.splitting import blanked
from homing.ports import Cursor, Tx
from homing.stages.erasing import Eraser

CONTACTS = """
[contacts]
when = 'type = "identify" and traits.email != null'
[list.vip]
audience = "vip"
"""


def delete(user: str = "u1", **changes: object) -> dict[str, object]:
    """Segment's request to delete somebody."""
    return {"type": "delete", "userId": user, "messageId": f"d-{user}", **changes}


async def log_written(world: World) -> None:
    """What the receiver does: bytes that are to go are gone."""

    def asked(tx: Tx) -> list[tuple[int, int]]:
        return tx.events.erasures(limit=999)

    places = await world.tx(asked)
    for number, item in places:
        request = world.log.requests[number - 1]
        assert request is not None
        blank = replace(request, body=blanked(request.body, [item]))
        world.log.requests[number - 1] = blank
    await world.tx(lambda tx: tx.events.erasure_done({number for number, _ in places}))


async def sendgrid_told(world: World) -> None:
    """What the stage of contacts does."""
    ready = await world.ready(Dest.CONTACTS)
    await world.tx(lambda tx: tx.effects.done([effect.id for effect in ready]))


async def turned(eraser: Eraser) -> None:
    """Turn until nothing is left to do."""
    while await eraser.turn():
        pass


async def record(world: World, number: int = 1) -> tuple[Erasure, list[Step]]:
    """A record and its steps."""

    def look(tx: Tx) -> tuple[Erasure | None, list[Done]]:
        return tx.erasures.get(number), tx.erasures.steps(number)

    erasure, steps = await world.tx(look)
    assert erasure is not None
    return erasure, [done.step for done in steps]


@pytest.fixture
def shop(world_of: Callable[[str], World]) -> World:
    """A shop with contacts."""
    return world_of(CONTACTS)


class TestEraser:
    async def test_it_is_done_once_every_part_is(self, shop: World) -> None:
        """
        In order: the log's bytes, SendGrid's answer, no trace in the files.
        """
        eraser = Eraser(shop.store, shop.log, shop.clock)
        await shop.take(identify(traits={"email": "u1@x.io"}))
        await shop.take(delete())
        await turned(eraser)
        erasure, steps = await record(shop)
        assert (Progress.OPEN, Asked.SEGMENT) == (erasure.progress, erasure.by)
        assert [Step.ASKED, Step.LOCAL, Step.SEARCHED] == steps

        await log_written(shop)
        await turned(eraser)
        assert (await record(shop))[1][3:] == [Step.LOG]
        await sendgrid_told(shop)
        await turned(eraser)

        erasure, steps = await record(shop)
        assert Progress.DONE is erasure.progress
        assert [Step.LOG, Step.SENDGRID, Step.DONE] == steps[3:]
        assert 0 == await eraser.turn()

    async def test_what_no_row_leads_to_is_found_in_the_log(self, shop: World) -> None:
        """
        Events that could not be used, a delivery that came twice, one of nobody's.
        """
        first = identify(traits={"email": "u1@x.io"})
        await shop.take(first)
        await shop.take(first)
        await shop.take({"type": "track", "userId": "u1", "event": {"to": "U1@x.io"}})
        await shop.take({"type": "u1@x.io", "userId": "u1"}, track("Seen", "u2"))
        shop.log.append("segment/default", b'{"userId": "u1", "email"', 1)
        await shop.evaluated()
        await shop.hear({"event": "u1@x.io", "email": "u1@x.io", "timestamp": 1})
        await shop.take(track("Seen", "u2", properties={"friend": "u1@x.io"}))
        await shop.take(delete())
        eraser = Eraser(shop.store, shop.log, shop.clock)
        await turned(eraser)
        await log_written(shop)

        bodies = [request.body for request in shop.log.requests if request is not None]
        left = [body for body in bodies if b"u1" in body.lower()]
        assert [shop.log.requests[6].body] == left  # what somebody else did
        assert b'"u2"' in bodies[3]
        rows = await shop.events()
        assert not [row for row in rows if "u1@x.io" in f"{row.name} {row.reason}".lower()]
        assert 3 <= sum(row.state is EventState.QUARANTINED for row in rows)

    async def test_what_comes_again_after_it_is_not_kept(self, shop: World) -> None:
        """
        A late redelivery is a duplicate; its bytes go, too.
        """
        first = identify(traits={"email": "u1@x.io"})
        await shop.take(first)
        await shop.take(delete())
        await shop.take(first)

        asked = await shop.tx(lambda tx: tx.events.erasures(limit=99))
        assert [(1, 0), (2, 0), (3, 0)] == asked

    async def test_who_comes_back_is_not_searched_for(self, shop: World) -> None:
        """
        What came after the erasure is somebody new's.
        """
        await shop.take(identify(traits={"email": "u1@x.io"}))
        await shop.take(delete(), {"type": "u1@x.io", "userId": "u1"})
        await shop.take({"type": "nothing", "userId": "u1"})
        await turned(Eraser(shop.store, shop.log, shop.clock))

        asked = await shop.tx(lambda tx: tx.events.erasures(limit=99))
        assert [(1, 0), (2, 0)] == asked

    async def test_what_sendgrid_refuses_is_told_until_somebody_mends_it(self, shop: World) -> None:
        """
        The alert goes when it is tried again and done.
        """
        eraser = Eraser(shop.store, shop.log, shop.clock)
        await shop.take(identify(traits={"email": "u1@x.io"}))
        await shop.take(delete())
        (effect,) = await shop.ready(Dest.CONTACTS)
        await shop.tx(lambda tx: tx.effects.dead(effect.id, "HTTP 400: u1@x.io"))
        await turned(eraser)
        await log_written(shop)
        await turned(eraser)
        await turned(eraser)
        assert {("erasure_failed", "erasure 1"): 1} == await shop.alerts()
        assert Progress.OPEN is (await record(shop))[0].progress

        await shop.tx(lambda tx: tx.effects.revive(effect.id, now=1))
        await sendgrid_told(shop)
        await turned(eraser)
        assert {} == await shop.alerts()
        assert Progress.DONE is (await record(shop))[0].progress

    async def test_what_a_person_gives_up_is_not_done_but_names_nobody(self, shop: World) -> None:
        """
        The record says that it failed.
        """
        eraser = Eraser(shop.store, shop.log, shop.clock)
        await shop.take(identify(traits={"email": "u1@x.io"}))
        await shop.take(delete())
        (effect,) = await shop.ready(Dest.CONTACTS)
        await shop.tx(lambda tx: tx.effects.dead(effect.id, "HTTP 400: u1@x.io"))
        await shop.tx(lambda tx: tx.effects.drop(effect.id, "by hand"))
        await turned(eraser)
        await log_written(shop)
        await turned(eraser)

        row = await shop.tx(lambda tx: tx.effects.get(effect.id))
        assert row is not None
        assert (None, "erased") == (row["payload"], row["reason"])
        assert Progress.FAILED is (await record(shop))[0].progress

    async def test_a_thousand_are_searched_for_a_few_at_a_time(self, shop: World) -> None:
        """
        Each is found; the log is read once for twenty.
        """
        users = [f"user{number}" for number in range(50)]
        await shop.take(*({"type": "nothing", "userId": user} for user in users))
        await shop.take(*(delete(user) for user in users))
        await turned(Eraser(shop.store, shop.log, shop.clock))

        asked = await shop.tx(lambda tx: tx.events.erasures(limit=999))
        assert [(1, item) for item in range(50)] == [place for place in asked if place[0] == 1]


class TestTellingSendGrid:
    async def test_every_address_is_told_and_nothing_else_of_theirs(self, shop: World) -> None:
        """
        Names, traits, lists, what was about to be written.
        """
        await shop.take(identify(traits={"email": "old@x.io", "vip": True}))
        await shop.take(identify(traits={"email": "New@x.io"}))
        await shop.take(identify("u2", traits={"email": "u2@x.io"}))
        await shop.take(delete())

        ready = await shop.ready(Dest.CONTACTS)
        of_u1 = [effect for effect in ready if effect.kind == ERASE]
        assert {"old@x.io", "new@x.io"} == {address_in(effect) for effect in of_u1}
        assert {"u2@x.io"} == {address_in(one) for one in ready if one not in of_u1}
        effects = (await shop.books()).effects["contacts"]
        assert (len(ready), 2) == (effects["ready"], effects["dropped"])

    async def test_what_is_no_address_there_is_not_told(self, shop: World) -> None:
        """
        It would be refused, with all that is told in the same call.
        """
        await shop.take(identify(traits={"email": "not an address@"}))
        await shop.take(delete())

        assert [] == await shop.ready(Dest.CONTACTS)

    async def test_where_nothing_may_leave_the_record_says_so(self, shop: World) -> None:
        """
        And nothing waits.
        """
        shop.taker.rules = Rules(shop.plans.without_sendgrid("capture"))
        await shop.take(identify(traits={"email": "u1@x.io"}))
        await shop.take(delete())

        assert [] == await shop.ready(Dest.CONTACTS)
        steps = await shop.tx(lambda tx: tx.erasures.steps(1))
        assert [{"skipped": "capture", "addresses": 1}] == [
            dict(done.detail) for done in steps if done.step is Step.SENDGRID
        ]

    async def test_twice_is_once_and_says_so(self, shop: World) -> None:
        """
        One `delete` comes for each source; of somebody unknown, it is kept that it was asked.
        """
        await shop.take(identify(traits={"email": "u1@x.io"}))
        await shop.take(delete(), delete(messageId="d-again"), delete("unknown"))

        details = [
            {**done.detail}
            for number in (1, 2, 3)
            for done in await shop.tx(lambda tx, number=number: tx.erasures.steps(number))
            if done.step is Step.LOCAL
        ]
        assert [(1, None), (0, 1), (0, None)] == [
            (detail["people"], detail.get("repeats")) for detail in details
        ]
        assert 1 == len(await shop.ready(Dest.CONTACTS))
        row = (await shop.events())[2]
        assert (EventState.DONE, "erased before: erasure 1") == (row.state, row.reason)

    async def test_who_has_nothing_but_the_address_goes_too(self, shop: World) -> None:
        """
        Somebody anonymous who gave it; not somebody with a userId of their own.
        """
        said = {"email": "u1@x.io"}
        await shop.take(identify(None, anonymousId="a1", traits=said))
        await shop.take(identify(traits=said), identify("u2", traits=said))
        await shop.take(delete())

        left = await shop.tx(lambda tx: tx.people.newest(before=None, limit=9))
        assert ["u2"] == [person.user_id for person in left]

    async def test_the_record_tells_of_nobody(self, shop: World) -> None:
        """
        Not even of whom it was asked.
        """
        await shop.take(identify(traits={"email": "u1@x.io"}))
        await shop.take(delete())
        erasure, _ = await record(shop)
        steps = await shop.tx(lambda tx: tx.erasures.steps(1))

        assert "u1" not in json.dumps([str(erasure), *(str(done) for done in steps)])


class TestARestoredLog:
    async def test_what_it_still_has_of_the_erased_is_not_taken_in_again(self, shop: World) -> None:
        """
        Nor is SendGrid's; what is heard of them later is.
        """
        await shop.take(identify(traits={"email": "u1@x.io"}))
        await shop.take(delete())
        await shop.tx(lambda tx: tx.events.move_cursor(at_the_start(tx)))
        later = shop.clock.now_ms() + DAY
        again = [
            ("segment/default", identify(traits={"email": "U1@x.io"}, messageId="n1"), 1),
            ("sendgrid/default", [engagement("open", "u1@x.io")], 1),
            ("segment/default", track("Seen", "u1", messageId="n2"), later),
        ]
        shop.log.requests.clear()
        for source, body, at in again:
            shop.log.append(source, body, at)
        fresh = World.over(shop.store, CONTACTS, log=shop.log, clock=shop.clock)
        await fresh.tx(erased_far_ahead)
        await fresh.evaluated()

        rows = (await fresh.events())[-3:]
        assert [EventState.FILTERED, EventState.FILTERED, EventState.DONE] == [
            row.state for row in rows
        ]
        assert (
            "u1" == (await fresh.tx(lambda tx: tx.people.newest(before=None, limit=9)))[0].user_id
        )


def at_the_start(tx: Tx) -> Cursor:
    """The cursor, before the first request of a log."""
    return changed(tx.events.cursor(), request=0, item=0)


def erased_far_ahead(tx: Tx) -> None:
    """An erasure of the same person, in a log that is no more and was longer."""
    names = (Identity(IdKind.USER, "u1"), Identity(IdKind.EMAIL, "u1@x.io"))
    at = max(done.at for done in tx.erasures.steps(1))
    tx.erasures.add(NewErasure(at, Asked.RESTORE, names, (), 99, 0))

"""What is stored of a person goes."""

from __future__ import annotations

import asyncio

import pytest
from tests.stages.conftest import World
from tests.support.stages import HOUR, NO_ANSWER, answer, engagement, identify, track

from homing.core.effects import Dest
from homing.ports import Tx


def delete(user: str = "u1", **changes: object) -> dict[str, object]:
    """Segment's request to delete somebody."""
    return {"type": "delete", "userId": user, "messageId": f"d-{user}", **changes}


@pytest.fixture
async def known(world: World) -> World:
    """Somebody of whom much is stored, beside somebody else."""
    await world.take(
        identify(traits={"email": "u1@x.io", "name": "Ada"}),
        identify("u2", traits={"email": "u2@x.io"}),
        track("Ordered"),
        track("Ordered", "u2"),
    )
    await world.delivered()
    await world.hear(engagement("unsubscribe", homing_send=(await world.sends())[0].key))
    return world


class TestErase:
    async def test_person_names_and_history_go(self, known):
        """
        Of nobody else.
        """
        await known.take(delete())

        def left(tx: Tx) -> list[str | None]:
            return [person.user_id for person in tx.people.newest(before=None, limit=9)]

        assert ["u2"] == await known.tx(left)
        people = [row.person for row in await known.events()]
        assert {None, 2} == set(people)
        assert 2 == sum(person is not None for person in people)

    async def test_the_logs_bytes_are_to_be_erased(self, known):
        """
        Every event of theirs, SendGrid's too, and the request itself.
        """
        await known.take(delete())

        asked = await known.tx(lambda tx: tx.events.erasures(limit=99))
        assert [(1, 0), (1, 2), (2, 0), (3, 0)] == asked

    async def test_sends_stay_in_the_books_without_saying_to_whom(self, known):
        """
        That they were made stays.
        """
        await known.take(delete())

        row, other = await known.sends()
        assert (None, "", "accepted") == (row.address, row.user, row.state)
        assert b"{}" == await known.tx(lambda tx: tx.sends.data(row.id))
        assert ("u2@x.io", "u2") == (other.address, other.user)

    async def test_a_suppression_survives_under_its_hash(self, known):
        """
        Whoever comes again with that address is still not mailed.
        """
        await known.take(delete())
        await known.take(track("Digest Due", "u9", context={"traits": {"email": "U1@x.io"}}))

        assert "suppressed: global" == (await known.sends())[-1].reason

    async def test_what_was_to_be_written_is_dropped_and_the_books_balance(self, known):
        """
        Of them only.
        """
        ready = len(await known.ready(Dest.SEGMENT))
        await known.take(delete())

        effects = (await known.books()).effects["segment"]
        assert (0, ready) == (effects["ready"], effects["dropped"])

    async def test_pending_sends_are_cancelled(self, world):
        """
        By name; those of others leave.
        """
        world.sendgrid.answers.append(NO_ANSWER)
        await world.take(track("Ordered"))
        await world.deliver.deliver_batch()
        await world.deliver.land()
        await world.take(track("Ordered", properties={"n": 2}), track("Ordered", "u2"))
        await world.take(delete())
        await world.delivered()

        assert [("skipped", "erased"), ("skipped", "erased"), ("accepted", None)] == [
            (row.state, row.reason) for row in await world.sends()
        ]
        sends = (await world.books()).sends
        assert (2, 1, 0) == (sends["skipped"], sends["accepted"], sends["unknown"])

    @pytest.mark.parametrize("status", [202, 500])
    async def test_one_in_flight_lands_and_never_leaves_again(self, world, status):
        """
        Its address is struck out already.
        """
        world.sendgrid.gate = asyncio.Event()
        world.sendgrid.answers.append(answer(status))
        await world.take(track("Ordered"))
        await world.deliver.deliver_batch()
        await world.take(delete())
        world.sendgrid.gate.set()
        await world.deliver.land()
        world.clock.forward(HOUR)
        await world.delivered()

        row = await world.send()
        expected = ("accepted", None) if status == 202 else ("skipped", "no_email")
        assert expected == (row.state, row.reason)
        assert row.address is None
        assert 1 == len(world.sendgrid.calls)

    async def test_what_is_said_of_one_in_flight_names_nobody(self, world):
        """
        SendGrid quotes what it refuses.
        """
        world.sendgrid.gate = asyncio.Event()
        said = {"errors": [{"message": "u1@x.io is no address"}]}
        world.sendgrid.answers.append(answer(400, said))
        await world.take(track("Ordered"))
        await world.deliver.deliver_batch()
        await world.take(delete())
        world.sendgrid.gate.set()
        await world.deliver.land()

        row = await world.send()
        assert ("rejected", "erased") == (row.state, row.reason)
        attempts = await world.tx(lambda tx: tx.sends.attempts(row.id))
        assert not [one for one in attempts if "u1" in one.detail]

    async def test_it_never_falls_silent(self, known):
        """
        What is heard of it is not taken to it any more.
        """
        await known.take(track("Ordered", properties={"n": 9}))
        await known.delivered()
        known.clock.forward(HOUR)
        await known.sweep.sweep()
        silent = (await known.books()).counts["sends_silent"]
        await known.take(delete(), track("Ordered", "u3"))

        assert silent - 1 == (await known.books()).counts["sends_silent"]

    async def test_all_names_of_merged_people_go(self, world):
        """
        Who was two is erased as one.
        """
        await world.take(
            track("Seen", None, anonymousId="a1"),
            identify("u1"),
            identify("u1", anonymousId="a1"),
            delete(),
        )

        assert {None} == {row.person for row in await world.events()}
        await world.take(track("Seen", None, anonymousId="a1", properties={"n": 2}))
        (person,) = await world.tx(lambda tx: tx.people.newest(before=None, limit=9))
        assert person.user_id is None

    async def test_who_shares_the_address_stays(self, world):
        """
        A deletion names its person by userId.
        """
        await world.take(
            identify("u1", traits={"email": "shared@x.io"}),
            identify("u2", traits={"email": "shared@x.io"}),
            delete("u2"),
        )

        (person,) = await world.tx(lambda tx: tx.people.newest(before=None, limit=9))
        assert "u1" == person.user_id

    async def test_of_nobody_known_nothing_goes(self, world):
        """
        And twice is once.
        """
        await world.take(identify("u1"), delete("u9"), delete("u1"))
        await world.take(delete("u1", messageId="again"))

        assert ["done"] * 4 == [row.state for row in await world.events()]
        assert 1 == (await world.books()).counts["people:erased"]

    async def test_who_comes_again_begins_anew(self, known):
        """
        Nothing is remembered, not even in the process.
        """
        await known.take(delete(), track("Seen"))

        person = (await known.tx(lambda tx: tx.people.newest(before=None, limit=9)))[0]
        assert ({"email": "u1@x.io"}, "u1") == (person.traits, person.user_id)

"""Contacts come off lists, seen to be off."""

from __future__ import annotations

import pytest
from tests.support.marketing import LISTS, LISTS_ALONE, FakeMarketing, Place, engaged, identify
from tests.support.stages import answer

from homing.core.outcomes import Answer
from homing.ports import Store
from homing.stages.unlist import MAX_LOOKS, REMOVE_AGAIN, STILL_LISTED


@pytest.fixture
async def place(store: Store) -> Place:
    """Somebody is on the list."""
    place = Place(store, extra=LISTS_ALONE)
    await place.take(engaged("a", 1, member=True))
    await place.told()
    place.sendgrid.calls.clear()
    return place


def removals(place: Place) -> list[str]:
    """The removals called."""
    return [path for method, path, _ in place.sendgrid.calls if method == "DELETE"]


class TestUnlist:
    async def test_it_is_looked_up_removed_and_looked_up_again(self, place: Place) -> None:
        """One removal, by the contact's own id."""
        await place.take(engaged("a", 2, member=False))
        await place.told()

        methods = [method for method, _, _ in place.sendgrid.calls]
        assert ["POST", "DELETE", "POST"] == methods
        assert set() == place.sendgrid.on("VIP")
        row = await place.store.write(lambda tx: tx.members.get("vip", "a@x.io"))
        assert row is not None
        assert (False, False) == (row.wanted, row.told)

    async def test_it_waits_until_the_contact_is_visible(self, store: Store) -> None:
        """Somebody who enters and exits at once is off in the end."""
        place = Place(store, FakeMarketing(unseen=30))
        await place.take(engaged("a", 1, member=True))
        await place.turn()
        await place.take(engaged("a", 2, member=False))
        await place.told()

        assert "a@x.io" in place.sendgrid.contacts
        assert set() == place.sendgrid.on("VIP")

    async def test_an_index_that_does_not_show_the_list_yet_hides_nobody(
        self, place: Place
    ) -> None:
        """What we have put on a list is taken off it, whatever a search shows."""
        contact = place.sendgrid.contacts["a@x.io"]
        shown = {"a@x.io": {"contact": {"id": contact.id, "email": "a@x.io", "list_ids": []}}}
        place.sendgrid.override = lambda _, path, __: (
            answer(200, {"result": shown}) if "search" in path else None
        )
        await place.take(engaged("a", 2, member=False))
        await place.told()

        assert set() == place.sendgrid.on("VIP")

    async def test_a_removal_is_not_called_at_every_look(self, place: Place) -> None:
        """It takes its time; only after many looks it is called once more, and that is counted."""
        place.sendgrid.override = lambda method, *_: (
            answer(202, {"job_id": "never"}) if method == "DELETE" else None
        )
        await place.take(engaged("a", 2, member=False))
        for _ in range(REMOVE_AGAIN + 2):
            await place.turn(61_000)
        assert 2 == len(removals(place))
        assert 1 == (await place.counts())["contacts:calls_repeated"]

        place.sendgrid.override = lambda *_: None
        await place.told(800)
        assert set() == place.sendgrid.on("VIP")

    async def test_what_never_leaves_is_dead_with_its_reason(self, place: Place) -> None:
        """After about an hour of looking, however long the API was away before."""
        await place.take(engaged("a", 2, member=False))
        place.sendgrid.override = lambda *_: answer(503)
        for _ in range(10):
            await place.turn(3_600_000)
        place.sendgrid.override = lambda method, *_: answer(202) if method == "DELETE" else None
        for _ in range(MAX_LOOKS + 10):
            await place.turn(61_000)

        assert [STILL_LISTED] == await place.dead()

    async def test_anothers_contact_with_this_as_an_alternate_address_stays(
        self, place: Place
    ) -> None:
        """A search finds it by any of its addresses."""
        place.sendgrid.add("new@x.io", "VIP")
        shown = {"id": place.sendgrid.contacts["new@x.io"].id, "email": "new@x.io"}
        shown["list_ids"] = list(place.sendgrid.lists)  # type: ignore[assignment]
        place.sendgrid.override = lambda _, path, __: (
            answer(200, {"result": {"a@x.io": {"contact": shown}}}) if "search" in path else None
        )
        await place.take(engaged("a", 2, member=False))
        await place.turn()

        assert [] == removals(place)

    async def test_an_address_that_sendgrid_does_not_know_as_one_is_on_no_list(
        self, place: Place
    ) -> None:
        """It would refuse the whole question, for everybody."""
        place.sendgrid.invalid.add("odd@x.io")
        await place.take(
            engaged("a", 2, member=False),
            engaged("b", 2, member=False, email="odd@x.io"),
            engaged("c", 2, member=False, email="no@address@x.io"),
        )
        await place.told()

        assert ([], set()) == (await place.dead(), place.sendgrid.on("VIP"))

    async def test_a_removal_that_is_refused_is_dead_alone(self, place: Place) -> None:
        """One odd contact stops nobody."""
        await place.take(*(engaged(user, 1, member=True) for user in "bcd"))
        await place.told()
        poison = place.sendgrid.contacts["c@x.io"].id
        place.sendgrid.override = lambda method, path, _: (
            answer(400, {"errors": [{"message": "odd"}]})
            if method == "DELETE" and poison in path
            else None
        )
        await place.take(*(engaged(user, 2, member=False) for user in "abcd"))
        await place.told()

        assert {"c@x.io"} == place.sendgrid.on("VIP")
        assert ["HTTP 400: odd"] == await place.dead()

    async def test_from_a_list_that_was_deleted_there_all_are_off(self, place: Place) -> None:
        """It is not made to be left."""
        place.sendgrid.lists.clear()
        place.begin()
        await place.take(engaged("a", 2, member=False))
        await place.told()

        assert ({}, []) == (place.sendgrid.lists, await place.dead())


class TestErase:
    @pytest.mark.parametrize("unseen", [0, 2, 5])
    async def test_a_contact_that_was_just_written_is_waited_for(
        self, store: Store, unseen: int
    ) -> None:
        """Until it is visible; what was never written is not looked for so long."""
        place = Place(store, FakeMarketing(unseen=unseen), extra=LISTS)
        contacts = place.sendgrid.contacts

        def erasing(method: str, path: str, _: object) -> Answer | None:
            if method == "DELETE":
                gone = [key for key, one in contacts.items() if f"ids={one.id}" in path]
                for key in gone:
                    del contacts[key]
                return answer(202, {"job_id": "d"})
            return answer(202, {"job_id": "e"}) if path.endswith("erasejob") else None

        place.sendgrid.override = erasing
        await place.take(identify("a"))
        await place.told()
        await place.take(
            {"type": "track", "userId": "a", "event": "X", "messageId": "x",
             "context": {"traits": {"email": "never@x.io"}}},
            {"type": "delete", "userId": "a", "messageId": "d"},
        )  # fmt: skip
        await place.told()

        assert {} == contacts
        erased = [body["email_addresses"] for _, path, body in place.sendgrid.calls
                  if path.endswith("erasejob")]  # fmt: skip
        assert ["a@x.io", "never@x.io"] == sorted(one for lot in erased for one in lot)

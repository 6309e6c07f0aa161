"""What failed for good is written as it is known by the time it is tried again."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.marketing import FakeMarketing, Place, engaged, identify
from tests.support.stages import answer

from homing.adapters.memory.state import MemoryState
from homing.stages import act

OWN = """
[contacts]
when   = 'type = "identify"'
custom = { plan = "$.traits.plan" }
[route.own]
when = 'event = "Bought"'
upsert_contact = { custom = { bought = "$.properties.what" } }
add_to_list = "all"
[route.gone]
when = 'event = "Gone"'
remove_from_list = "all"
[list.all]
[list.vip]
audience = "vip"
name     = "VIP"
"""

FIELDS = {"plan": ("f1", "Text"), "bought": ("f2", "Text")}


@pytest.fixture
def place() -> Place:
    """A Marketing API that refuses every write at first, and has the fields."""
    place = Place(MemoryState(), FakeMarketing(fields=FIELDS), extra=OWN)
    place.sendgrid.override = lambda method, *_: (
        answer(400, {"errors": [{"message": "odd"}]}) if method == "PUT" else None
    )
    return place


async def retried(place: Place) -> None:
    """SendGrid takes what comes; somebody has all that is dead tried again."""
    place.sendgrid.override = lambda *_: None
    for row in await place.store.write(lambda tx: tx.effects.dead_newest(before=None, limit=99)):
        await place.store.write(
            lambda tx, key=f"x{row['id']}": act.of_dead(
                tx, key, "retry", plans=place.contacts.plans, now_ms=place.clock.now_ms()
            )
        )
    await place.told()


def written(place: Place, address: str) -> dict[str, Any]:
    """The custom fields of a contact."""
    found = place.sendgrid.contacts[address].custom
    return {name: found[number] for name, (number, _) in FIELDS.items() if number in found}


class TestRenew:
    async def test_old_values_never_go_over_newer_ones(self, place: Place) -> None:
        """Of a contact, and of what gets somebody onto a list."""
        await place.take(identify("a", 1, plan="old"), engaged("a", 2, member=True))
        await place.told()
        assert await place.dead()
        place.sendgrid.override = lambda *_: None
        await place.take(identify("a", 3, plan="new"))
        await place.told()
        assert {"plan": "new"} == written(place, "a@x.io")

        await retried(place)

        assert {"plan": "new"} == written(place, "a@x.io")
        assert {"a@x.io"} == place.sendgrid.on("VIP")
        assert [] == await place.dead()

    async def test_what_only_an_action_writes_stays_as_it_was(self, place: Place) -> None:
        """Nothing newer is known of it."""
        await place.take(
            identify("a", 1, plan="gold"),
            {"type": "track", "event": "Bought", "userId": "a", "messageId": "b",
             "timestamp": "2026-01-04T00:00:02Z", "properties": {"what": "Tea"}},
        )  # fmt: skip
        await place.told()
        await retried(place)

        assert {"plan": "gold", "bought": "Tea"} == written(place, "a@x.io")

    async def test_what_the_configuration_names_no_more_is_left_out(self, place: Place) -> None:
        """It may be why it failed."""
        await place.take(identify("a", 1, plan="gold"))
        await place.told()
        place.configure(OWN.replace('custom = { plan = "$.traits.plan" }', ""))
        await retried(place)

        assert {} == written(place, "a@x.io")

    async def test_who_has_an_address_by_now_is_written_by_it(self, place: Place) -> None:
        """A row that was dead for want of one."""
        await place.take(
            {"type": "track", "event": "Bought", "userId": "a", "messageId": "b",
             "timestamp": "2026-01-04T00:00:02Z", "properties": {"what": "Tea"}},
        )  # fmt: skip
        assert ["no_email: nobody can be a contact without an address"] * 2 == await place.dead()
        await place.take(identify("a", 3, plan="gold"))
        await place.told()
        await retried(place)

        assert {"plan": "gold", "bought": "Tea"} == written(place, "a@x.io")
        assert {"a@x.io"} == place.sendgrid.on("all") == await place.wanted("all")

    async def test_who_still_has_none_is_not_tried_again(self, place: Place) -> None:
        """It stays dead, and says why."""
        await place.take(
            {"type": "track", "event": "Bought", "userId": "a", "messageId": "b",
             "timestamp": "2026-01-04T00:00:02Z", "properties": {"what": "Tea"}},
        )  # fmt: skip
        with pytest.raises(act.NotPossible, match="still has no address"):
            await retried(place)
        assert 2 == len(await place.dead())

    async def test_a_place_on_a_list_is_wanted_as_of_its_event(self, place: Place) -> None:
        """Not of when the row was made: what was said since is newer."""
        await place.take(
            {"type": "track", "event": "Bought", "userId": "a", "messageId": "b",
             "timestamp": "2026-01-04T00:00:02Z", "properties": {"what": "Tea"}},
        )  # fmt: skip
        await place.take(identify("a", 3, plan="gold"))
        await place.take(
            {"type": "track", "event": "Gone", "userId": "a", "messageId": "c",
             "timestamp": "2026-01-04T00:00:05Z"},
        )  # fmt: skip
        await place.told()
        await retried(place)

        assert set() == await place.wanted("all") == place.sendgrid.on("all")

    async def test_somebody_who_is_not_known_any_more_is_written_as_before(
        self, place: Place
    ) -> None:
        """There is nothing newer."""
        await place.take(identify("a", 1, plan="gold"))
        await place.told()
        await place.store.write(lambda tx: tx.people.delete((1,), last_event=1))
        await retried(place)

        assert {"plan": "gold"} == written(place, "a@x.io")

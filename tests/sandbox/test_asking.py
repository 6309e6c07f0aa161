"""What the shop's events ask for, reckoned apart from the service."""

from __future__ import annotations

import itertools

from homing.emulators import Shop
from homing.sandbox.asking import Asked, entries_of, routes_of

NOTHING = frozenset()


def events(number):
    return itertools.islice(Shop(start=1_767_607_200.0).events(), number)


class TestRoutesOf:
    def test_every_route_of_the_shop_is_taken(self):
        """By some event of its customers; most ask for nothing."""
        routes = [routes_of(event) for event in events(500)]

        assert {
            ("welcome",), ("order-confirmation", "recommendation"), ("newsletter",), ()
        } == set(routes)  # fmt: skip
        assert routes.count(()) > 250


class TestEntriesOf:
    def test_every_journey_of_the_shop_is_entered(self):
        """A cart under its id, the onboarding once a person."""
        entries = [entry for event in events(500) for entry in entries_of(event)]

        assert {"cart", "onboarding"} == {journey for journey, _ in entries}
        assert all(bool(key) == (journey == "cart") for journey, key in entries)


class TestAsked:
    def test_a_person_is_welcomed_once(self):
        """Each customer introduces themselves once."""
        asked = Asked()
        for event in events(1000):
            asked.take(event, NOTHING)

        assert 1000 == asked.events
        assert {1} == {n for (_, route), n in asked.emails.items() if route == "welcome"}

    def test_what_befalls_an_event_counts(self):
        """A dropped one asks for nothing; a copy under a new id asks again, a repeated one not."""
        identify = {"type": "identify", "userId": "u1"}
        asked = Asked()
        for befell in ({"drop"}, {"drop", "new-id"}, {"duplicate"}, {"new-id", "shuffle"}):
            asked.take(identify, frozenset(befell))

        assert {("u1", "welcome"): 3} == asked.emails

    def test_a_run_is_asked_for_once(self):
        """However often its event is posted; not by one that is lost."""
        added = {
            "type": "track", "userId": "u1",
            "event": "Product Added", "properties": {"cart_id": "c1"},
        }  # fmt: skip
        lost = added | {"properties": {"cart_id": "c2"}}
        asked = Asked()
        for event, befell in ((added, {"duplicate"}), (added, {"new-id"}), (lost, {"drop"})):
            asked.take(event, frozenset(befell))

        assert {("u1", "cart", "c1")} == asked.runs

"""The shop: the same events for the same seed, and events that make sense."""

import itertools
from collections import Counter

import pytest

from homing.emulators import Shop
from homing.emulators.clock import unix_s_of
from homing.emulators.segment.tracking_rules import discard_code

START = 1_767_607_200.0


def events(number, **options):
    return list(itertools.islice(Shop(**{"start": START, **options}).events(), number))


class TestEvents:
    def test_the_seed_decides_everything(self):
        """Two shops agree to the byte; another seed differs."""
        assert events(500, seed=3) == events(500, seed=3)
        assert events(500, seed=3) != events(500, seed=4)

    def test_segment_would_publish_them(self):
        """Each passes the rules and has an id of its own."""
        made = events(2000)

        assert {None} == {discard_code(event) for event in made}
        assert 2000 == len({event["messageId"] for event in made})

    def test_a_person_says_who_they_are_first(self):
        """An identify comes before anything else."""
        seen = set()
        for event in events(1000):
            if event["userId"] not in seen:
                assert "identify" == event["type"]
                assert event["traits"]["email"] == event["context"]["traits"]["email"]
            seen.add(event["userId"])

    def test_every_kind_of_event_happens(self):
        """Views, carts, orders, sign-ups, the newsletter, and some carts are abandoned."""
        names = Counter(event.get("event", event["type"]) for event in events(3000))

        assert {
            "identify", "Product Viewed", "Product Added", "Cart Modified", "Order Completed",
            "Newsletter Joined", "Newsletter Left", "Signed Up", "Product Saved",
        } == set(names)  # fmt: skip
        assert 0.3 < names["Order Completed"] / names["Product Added"] < 0.8

    def test_a_person_signs_up_once_and_saves_a_product_once_or_never(self):
        """Right after they said who they are; some save one soon, some only much later."""
        made = events(400)
        by_name = {
            name: [event["userId"] for event in made if event.get("event", event["type"]) == name]
            for name in ("identify", "Signed Up", "Product Saved")
        }
        signed_up, saved = by_name["Signed Up"], by_name["Product Saved"]

        assert set(by_name["identify"]) == set(signed_up) > set(saved) > set()
        assert len(set(signed_up)) == len(signed_up)
        assert len(set(saved)) == len(saved)

    def test_what_follows_follows_soon(self):
        """Few customers are in the shop at once: most have done something in the last seconds."""
        last, gaps = {}, []
        for event in events(1000, rate=2.0):
            at, user = unix_s_of(event["timestamp"]), event["userId"]
            if event.get("event") in {"Cart Modified", "Order Completed"}:
                gaps.append(at - last[user])
            last[user] = at

        assert 0.6 < sum(gap < 4 for gap in gaps) / len(gaps) < 0.95

    def test_few_customers_are_a_shop_too(self):
        """One comes again and again."""
        assert {"u_0001"} == {event["userId"] for event in events(200, customers=1)}

    def test_sums_are_right(self):
        """An order's total is its products and the shipping; its cart was filled before."""
        carts = set()
        for event in events(3000):
            properties = event.get("properties", {})
            if event.get("event") == "Product Added":
                carts.add(properties["cart_id"])
            if event.get("event") == "Order Completed":
                lines = sum(round(p["price"] * 100) * p["quantity"] for p in properties["products"])
                assert lines == round(properties["revenue"] * 100)
                assert lines + 490 == round(properties["total"] * 100)
                assert properties["cart_id"] in carts

    def test_times_follow_the_rate(self):
        """Events come in order, about as many a second as set."""
        times = [unix_s_of(event["timestamp"]) for event in events(2000, rate=10.0)]

        assert START == times[0]
        assert times == sorted(times)
        assert 170 < times[-1] - times[0] < 230

    def test_some_addresses_meet_a_fate(self):
        """One customer in five has an address the SendGrid emulator knows."""
        addresses = {event["context"]["traits"]["email"] for event in events(2000, customers=40)}

        assert 8 == sum("+" in address for address in addresses)
        assert any(address.startswith("bounce+") for address in addresses)
        assert all(address.isascii() for address in addresses)

    @pytest.mark.parametrize(
        "options",
        [
            {"customers": 0},
            {"rate": 0},
            {"rate": -1.0},
            {"rate": float("nan")},
            {"rate": float("inf")},
        ],
    )
    def test_a_shop_needs_customers_and_a_rate(self, options):
        """Nonsense is refused."""
        with pytest.raises(ValueError, match="above 0"):
            Shop(**options)


class TestRun:
    async def test_it_gives_events_in_time(self):
        """As many as are due, stamped with the present."""
        taken = []

        made = await Shop(rate=500.0).run(taken.append, for_s=0.2)

        assert made == len(taken)
        assert 50 < made < 200

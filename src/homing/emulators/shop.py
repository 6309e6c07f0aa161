"""
A small shop whose customers make events.

Everything follows from the seed and the start: two shops with the same make
the same events, with the same ids and times.
"""

import asyncio
import math
import random  # noqa: TID251 - a seeded generator of our own: the shop must repeat itself
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from homing.emulators.catalogue import CITIES, FATES, FIRST_NAMES, LAST_NAMES, PRODUCTS, Product
from homing.emulators.clock import Clock, utc_text, wall_clock

Event: TypeAlias = dict[str, Any]

#: One customer in so many has an address with a fate (`FATES`), in turn.
FATED_EVERY: Final = 5
#: So many customers are in the shop at once: what one of them does follows soon on what they did.
PRESENT: Final = 4
CHANGES: Final = 0.35
BUYS: Final = 0.5
#: How many save a product to their list before they look around, and later in a visit.
SAVES: Final = (0.15, 0.25)
JOINS: Final = 0.3
LEAVES: Final = 0.08
SHIPPING_CENTS: Final = 490


@dataclass(slots=True)
class _Cart:
    id: str
    lines: dict[Product, int] = field(default_factory=dict)

    def products(self) -> list[Event]:
        return [product.as_json(quantity) for product, quantity in self.lines.items()]

    def cents(self) -> int:
        return sum(product.price_cents * quantity for product, quantity in self.lines.items())


class Shop:
    """
    Make events for ever.

    Args:
        seed: Of all chance.

        customers: How many people come, again and again.

        rate: Events a second, on average the same for the times they carry.

        start: Unix time of the first event; None is now, for a shop that `run`s.
    """

    def __init__(
        self,
        seed: int = 1,
        *,
        customers: int = 25,
        rate: float = 2.0,
        start: float | None = None,
        clock: Clock = wall_clock,
    ) -> None:
        if customers < 1 or not 0 < rate < math.inf:
            msg = f"expected customers and a rate above 0, got {customers} and {rate:g}"
            raise ValueError(msg)
        self._seed = seed
        self._customers = customers
        self._rate = rate
        self._start = start
        self._clock = clock

    def events(self) -> Iterator[Event]:
        """Make the events from the first on, each with its ``timestamp``; without end."""
        start = self._clock() if self._start is None else self._start
        return (event for _, event in self._timed(start))

    async def run(self, take: Callable[[Event], object], *, for_s: float | None = None) -> int:
        """
        Give each event to `take` when its time has come.

        Args:
            take: Called in the event loop; must not block.

            for_s: Stop after this many seconds; None goes on until cancelled.

        Returns:
            How many events were made.
        """
        start, made = self._clock(), 0
        ends = math.inf if for_s is None else start + for_s
        for due_s, event in self._timed(start):
            await asyncio.sleep(max(0.0, min(due_s, ends) - self._clock()))
            # Behind time when it cannot keep up with the rate: it closes all the same.
            if due_s >= ends or self._clock() >= ends:
                break
            take(event)
            made += 1
        return made

    def _timed(self, start: float) -> Iterator[tuple[float, Event]]:
        chance = random.Random(self._seed)  # noqa: S311 - customers' moods, not secrets
        people = [_Customer(number, chance) for number in range(1, self._customers + 1)]
        due_s = start
        for number, event in enumerate(_crowd(people, chance), 1):
            moment = utc_text(due_s)
            yield (
                due_s,
                {
                    **event,
                    "messageId": f"shop-{self._seed}-{int(start * 1000)}-{number}",
                    "timestamp": moment,
                    "originalTimestamp": moment,
                    "sentAt": moment,
                    "receivedAt": moment,
                },
            )
            due_s += chance.expovariate(self._rate)


def _crowd(people: list["_Customer"], chance: random.Random) -> Iterator[Event]:
    """Let a few customers at a time visit the shop; whoever leaves may come again."""
    away = [*people]
    present: list[tuple[_Customer, Iterator[Event]]] = []
    while True:
        while away and len(present) < PRESENT:
            comes = away.pop(chance.randrange(len(away)))
            present.append((comes, comes.visit()))
        place = chance.randrange(len(present))
        person, visit = present[place]
        event = next(visit, None)
        if event is None:
            del present[place]
            away.append(person)
        else:
            yield event


class _Customer:
    """One person: who they are, and what they do next."""

    def __init__(self, number: int, chance: random.Random) -> None:
        self._chance = chance
        self._user_id = f"u_{number:04d}"
        self._anonymous_id = f"a_{chance.getrandbits(64):016x}"
        first, last = chance.choice(FIRST_NAMES), chance.choice(LAST_NAMES)
        city, self._zone = chance.choice(CITIES)
        self._email = _address(first, last, number)
        self._traits = {
            "email": self._email,
            "first_name": first,
            "last_name": last,
            "address": {"city": city},
            "plan": chance.choice(("free", "plus", "pro")),
            "timezone": self._zone,
            "email_opt_out": False,
        }
        self._carts = 0
        self._has_saved = False
        self._in_newsletter = False

    def visit(self) -> Iterator[Event]:
        """Come, look, put into the cart, buy or not; whoever comes first signs up first."""
        if not self._carts:
            yield self._event("identify", traits=self._traits)
            yield self._track("Signed Up", {"plan": self._traits["plan"]})
        yield from self._save(SAVES[0])
        if not self._in_newsletter and self._chance.random() < JOINS:
            self._in_newsletter = True
            yield self._track("Newsletter Joined", {"list": "newsletter"})
        yield from self._shop()
        if self._in_newsletter and self._chance.random() < LEAVES:
            self._in_newsletter = False
            yield self._track("Newsletter Left", {"list": "newsletter"})

    def _save(self, share: float) -> Iterator[Event]:
        if not self._has_saved and self._chance.random() < share:
            self._has_saved = True
            yield self._track("Product Saved", self._chance.choice(PRODUCTS).as_json())

    def _shop(self) -> Iterator[Event]:
        self._carts += 1
        cart = _Cart(f"{self._user_id}-cart-{self._carts}")
        viewed = self._chance.sample(PRODUCTS, self._chance.randint(1, 2))
        for product in viewed:
            yield self._track("Product Viewed", product.as_json())
        yield from self._save(SAVES[1])
        yield self._add(cart, viewed[-1])
        while self._chance.random() < CHANGES:
            yield self._change(cart)
        if self._chance.random() < BUYS:
            yield self._track("Order Completed", _order(cart))

    def _add(self, cart: _Cart, product: Product) -> Event:
        cart.lines[product] = self._chance.randint(1, 2)
        added = product.as_json(cart.lines[product])
        return self._track("Product Added", {"cart_id": cart.id, **added})

    def _change(self, cart: _Cart) -> Event:
        product = self._chance.choice(PRODUCTS)
        cart.lines[product] = cart.lines.get(product, 0) + 1
        changed = {"cart_id": cart.id, "total": cart.cents() / 100, "products": cart.products()}
        return self._track("Cart Modified", changed)

    def _track(self, name: str, properties: Mapping[str, Any]) -> Event:
        return self._event("track", event=name, properties=dict(properties))

    def _event(self, kind: str, **members: object) -> Event:
        return {
            "type": kind,
            **members,
            "userId": self._user_id,
            "anonymousId": self._anonymous_id,
            "context": {
                "traits": {"email": self._email},
                "timezone": self._zone,
                "locale": "en",
                "ip": "203.0.113.80",
                "userAgent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101",
                "page": {"url": "https://shop.example/", "title": "Acme"},
                "library": {"name": "analytics.js", "version": "next-1.70.0"},
                "consent": {"categoryPreferences": {"marketing": True}},
            },
            "integrations": {},
            "channel": "browser",
            "version": 2,
        }


def _order(cart: _Cart) -> Event:
    cents = cart.cents()
    return {
        "order_id": cart.id.replace("-cart-", "-order-"),
        "cart_id": cart.id,
        "currency": "EUR",
        "revenue": cents / 100,
        "shipping": SHIPPING_CENTS / 100,
        "total": (cents + SHIPPING_CENTS) / 100,
        "products": cart.products(),
    }


def _address(first: str, last: str, number: int) -> str:
    if number % FATED_EVERY == 0:
        fate = FATES[(number // FATED_EVERY - 1) % len(FATES)]
        return f"{fate}+{number}@shop.example"
    name = unicodedata.normalize("NFKD", f"{first}.{last}".lower())
    # "buyer" in front: no name may be read as a fate.
    return f"buyer.{name.encode('ascii', 'ignore').decode()}.{number}@shop.example"

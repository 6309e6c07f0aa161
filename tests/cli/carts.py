"""A store in which people went through journeys: real stages, time in hand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tests.support.journeys import Life
from tests.support.process import Outside, Process
from tests.support.stages import HEAD, HOUR, NOON, OK, FakeApi, FakeLog, FixedClock, engagement

from homing.adapters.sqlite.ballast import Ballast
from homing.adapters.sqlite.faults import StoreFailed
from homing.adapters.sqlite.log import SqliteLog, log_path
from homing.adapters.sqlite.state import SqliteState
from homing.config import load
from homing.core.events import iso_time
from homing.core.journeys.programs import Programs

CONFIG: Final = (
    HEAD
    + """
[suppression]
opt_out = [{ when = 'type = "identify" and traits.email_opt_out = true' }]

[caps]
marketing = [{ max = 1, per = "7d" }]

[email.reminder]
template = "d-00000000000000000000000000000003"
group = "newsletter"
data = { total = "$.properties.total" }

[email.welcome]
template = "d-00000000000000000000000000000004"
class = "transactional"

[email.spare]
template = "d-00000000000000000000000000000005"

[journey.cart]
description = "What is left in a cart"
entry = { when = 'event = "Added" and properties.total > 0', key = "$.properties.cart_id" }
exit = [{ name = "bought", when = 'event = "Bought"' }]
goal = { when = 'event = "Bought"', within = "7d", value = "$.properties.total" }

[[journey.cart.step]]
id = "wait"
hold = "2h"
on = [{ name = "changed", when = 'event = "Changed"', then = "restart" }]

[[journey.cart.step]]
id = "size"
split = [{ name = "big", when = 'properties.total > 100', then = "remind" }]

[[journey.cart.step]]
id = "which"
random = [
    { name = "mail", weight = 50, then = "remind" },
    { name = "none", weight = 50, then = "end" },
]

[[journey.cart.step]]
id = "remind"
send = { email = "reminder", data = { code = "B10", first = "$.journey.entry.properties.total" } }

[journey.welcome]
entry = { when = 'event = "Signed Up"' }

[[journey.welcome.step]]
id = "who"
split = [{ name = "pro", when = 'properties.plan = "pro"', then = "later" }]
else = "end"

[[journey.welcome.step]]
id = "later"
delay = "1d"

[[journey.welcome.step]]
id = "greet"
send = "welcome"
"""
)


def no_fault(error: StoreFailed) -> None:
    """No disk fails here."""
    raise error


def event(name: str, user: str, **properties: object) -> dict[str, Any]:
    """A track event of somebody with an address."""
    return {
        "type": "track", "event": name, "userId": user, "properties": properties,
        "context": {"traits": {"email": f"{user}@x.io"}},
    }  # fmt: skip


def cart(user: str, number: str, total: object, name: str = "Added") -> dict[str, Any]:
    """Something in a cart."""
    return event(name, user, cart_id=number, total=total)


async def fill(folder: Path) -> None:
    """Write configuration, log and state of a service that ran and was stopped."""
    config = folder / "homing.toml"
    config.write_text(CONFIG)
    loaded = load(config, environ={})
    ballast = Ballast(folder, size=0)
    store = SqliteState(folder / "homing.db", on_fatal=no_fault, ballast=ballast)
    clock, log, sendgrid = FixedClock(), FakeLog(), FakeApi()
    outside = Outside(store, log, sendgrid, FakeApi(OK), clock, loaded.plans)
    programs = Programs(loaded.plans.journeys, {}, loaded.definitions)
    await _live(Life(Process(outside, programs=programs), clock, log, sendgrid))
    await store.close()
    kept = SqliteLog(log_path(folder / "homing.db"), on_fatal=no_fault, ballast=ballast)
    for request in log.requests:
        assert request is not None
        await kept.append(request.source, request.body, request.received_ms)
    await kept.close()


async def _live(life: Life) -> None:
    """
    In order, an event a number: e1 to e4 four people fill a cart; e5 one without a number and e6
    one that is worth nothing; e7 one adds to the cart they have; e8 one is late by two days.

    An hour on (e9) u2 buys and (e10) u3 opts out, (e11) u4 changes the cart and (e12) u7 signs up.
    With them come u8 with a second cart (e13), of which the cap will keep the mail back, v1 and v2
    (e14, e15), to whom chance gives none, and u9 (e16), whom the welcome is not for. Then time goes
    on until u1, u3, u8, v1 and v2 are through. u4 comes back (e17), and is not through; of mails is
    heard (e18 to e21); u8, who was mailed, buys the first cart (e22). w1 and w2
    (e23, e24) live at one address; u9 (e25) signs up again.
    """
    old = {**cart("u6", "c6", 5), "timestamp": iso_time(NOON - 48 * HOUR)}
    await life.come(cart("u1", "c1", 50), cart("u2", "c2", 60), cart("u3", "c3", 150),
                    cart("u8", "c8", 500))  # fmt: skip
    await life.come(event("Added", "u5", total=5), cart("u5", "c5", 0), cart("u1", "c1", 51), old)
    await life.go_on(HOUR)
    opt_out = {"type": "identify", "userId": "u3", "traits": {"email_opt_out": True}}
    await life.come(cart("u2", "c2", "$60.10", "Bought"), opt_out)
    await life.come(cart("u4", "c4", 70), event("Signed Up", "u7", plan="pro"))
    await life.come(cart("u8", "d8", 200), cart("v1", "e1", 20), cart("v2", "e2", 30),
                    event("Signed Up", "u9", plan="free"))  # fmt: skip
    await life.go_on(90 * 60_000)
    await life.come(cart("u4", "c4", 80, "Changed"))
    await life.go_on(45 * 60_000)
    await _hear(life)
    home = {"context": {"traits": {"email": "home@x.io"}}}
    await life.come(cart("u8", "c8", "500.05", "Bought"))
    await life.come(*({**event("Looked", user), **home} for user in ("w1", "w2")))
    await life.come(event("Signed Up", "u9", plan="pro"))


async def _hear(life: Life) -> None:
    """Say of every mail that it arrived and was opened."""
    for row in await life.sends():
        if row.state == "accepted":
            about: Mapping[str, object] = {
                "homing_send": row.key, "timestamp": life.clock.now_ms() // 1000,
            }  # fmt: skip
            address = row.address or ""
            await life.hear(engagement("delivered", address, **about))
            await life.hear(engagement("open", address, **about))

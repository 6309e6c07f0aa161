"""Traits that an email lacks are asked of Segment before the send; a failure stops nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import TypeVar

import pytest
from tests.stages.conftest import World
from tests.support.stages import (
    HOUR,
    NO_CONNECTION,
    SECOND,
    FakeApi,
    answer,
    identify,
    plans_of,
    track,
)

from homing.core.decide import Rules
from homing.core.effects import SendFlag
from homing.core.errors import Unavailable
from homing.core.mail import Rendered
from homing.core.outcomes import Answer
from homing.core.plans import Plans
from homing.ports import Tx
from homing.stages.deliver import Post
from homing.stages.look_up import (
    COUNTED,
    LEASE_MS,
    MAX_AT_ONCE,
    PER_SECOND,
    LookUp,
    Source,
    read_traits,
)
from homing.stages.rate import Rate

T = TypeVar("T")

HELLO = """
[email.hello]
template = "d-00000000000000000000000000000003"
data = { name = "$.profile.name", total = "$.properties.total" }
[route.hello]
when = 'event = "Hello"'
send = "hello"
"""
JOURNEY = (
    HELLO
    + """
[journey.j]
entry = { when = 'event = "Start"' }
exit = [{ name = "left", when = 'event = "Left"' }]
[[journey.j.step]]
id = "now"
send = { email = "hello", data = { start = "$.journey.entry.event" } }
"""
)


OWN = f"""
[email.own]
subject = "Hi"
text_file = "{__file__}"
[route.own]
when = 'event = "Own"'
send = "own"
"""


class Echo:
    """A renderer whose subject is what the template would say."""

    async def email(self, email: object, data: bytes) -> Rendered:
        """Render."""
        known = json.loads(data)
        subject = f"{known['name']} {known['email']} {known['order']['total']}"
        return Rendered(subject, None, "text")


class NoRoom:
    """A store on a full disk."""

    async def write(self, job: Callable[[Tx], T]) -> T:
        """Keep nothing."""
        raise Unavailable(job.__name__)


def profile(**traits: object) -> Answer:
    """The Profile API's answer."""
    return answer(200, {"traits": traits, "cursor": {"has_more": False}})


def looking(world: World, api: FakeApi, extra: str = HELLO) -> LookUp:
    """Let a world look traits up at *api*."""
    plans: Plans = plans_of(extra).with_look_ups({})
    programs = world.taker.rules.programs
    world.taker.rules = Rules(plans, type(programs)(plans.journeys))
    world.deliver.post = Post.of(plans)
    taker = world.taker
    source = Source(api, "spa_1")
    found = LookUp(
        world.store, world.clock, lambda: taker.rules, taker.remember, taker.forget_people, source
    )
    world.deliver.look_up = found
    return found


def nobody_s(name: str, user: str = "u1", **changes: object) -> dict[str, object]:
    """An event of somebody whose address is not told."""
    return track(name, user, context={}, **changes)


def bodies(world: World) -> list[tuple[str, object]]:
    """To whom mail went, and with which data."""
    blocks = [call.body["personalizations"][0] for call in world.sendgrid.calls]
    return [(one["to"][0]["email"], one.get("dynamic_template_data", {})) for one in blocks]


class TestLookUp:
    async def test_what_was_found_is_sent_with_and_becomes_the_oldest_of_traits(
        self, world: World
    ) -> None:
        """
        Any event wins over it; what events said, and cleared, is not asked for.
        """
        api = FakeApi(profile(name="Ada", email="ada@x.io", other="no"))
        looking(world, api)
        await world.take(nobody_s("Hello", properties={"total": 5}))
        (row,) = await world.sends()
        assert ("reserved", None, SendFlag.LOOKUP) == (row.state, row.address, row.flags)
        await world.delivered()

        assert [("ada@x.io", {"name": "Ada", "total": 5})] == bodies(world)
        path = "/v1/spaces/spa_1/collections/users/profiles/user_id:u1/traits"
        assert [("GET", f"{path}?include=email,name&limit=200")] == [
            (call.method, call.path) for call in api.calls
        ]
        row = await world.send()
        assert ("accepted", 0) == (row.state, row.flags)
        assert await world.tx(lambda tx: tx.sends.lookup(row.id)) is None
        person = await world.tx(lambda tx: tx.people.get(row.person))
        assert person is not None
        assert {"name": "Ada", "email": "ada@x.io"} == person.traits
        await world.take(identify(traits={"name": None}, timestamp="1971-01-01T00:00:00Z"))
        await world.take(nobody_s("Hello", properties={"total": 6}))
        await world.delivered()
        assert 1 == len(api.calls)
        assert ("ada@x.io", {"total": 6}) == bodies(world)[-1]

    async def test_who_lacks_nothing_is_not_asked_for(self, world: World) -> None:
        """
        Nor is somebody who is but an address: it would stand in the logs on the way.
        """
        api = FakeApi(profile())
        looking(world, api)
        await world.take(identify(traits={"name": "Ada", "email": "ada@x.io"}))
        await world.take(nobody_s("Hello"))
        await world.take(
            {"type": "track", "event": "Hello", "messageId": "x", "properties": {"email": "b@x.io"}}
        )
        await world.delivered()

        assert [] == api.calls
        assert ["ada@x.io", "b@x.io"] == [to for to, _ in bodies(world)]

    async def test_a_minute_long_nobody_is_asked_of_twice(self, world: World) -> None:
        """
        Nor for what the profile does not have; then it may have it.
        """
        api = FakeApi(answer(404, {"error": {"code": "not_found", "message": "no"}}))
        looking(world, api)
        for number, after_s in enumerate((0, 59, 2)):
            world.clock.forward(after_s * SECOND)
            await world.take(track("Hello", properties={"total": number}))
            await world.delivered()

        assert 2 == len(api.calls)
        assert [("u1@x.io", {"total": n}) for n in range(3)] == bodies(world)

    async def test_in_a_journey_the_context_of_its_run_is_seen_again(self, world: World) -> None:
        """
        The step's own mapping and the run's events give the data, after the look-up.
        """
        api = FakeApi(profile(name="Ada", email="ada@x.io"))
        looking(world, api, JOURNEY)
        await world.take(nobody_s("Start"))
        await world.delivered()

        assert [("ada@x.io", {"name": "Ada", "start": "Start"})] == bodies(world)

    @pytest.mark.parametrize(
        ("given", "counted"),
        [
            (profile(name="Ada"), {"found": 1}),  # it is a trait now
            (profile(), {"none": 1, "cached": 1}),
            (answer(404), {"none": 1, "cached": 1}),
            (answer(403), {"refused": 1, "not_asked": 1}),
            (answer(400), {"refused": 2}),
            (answer(503), {"unanswered": 2}),
            (NO_CONNECTION, {"unanswered": 2}),
            (answer(200, []), {"unanswered": 2}),
        ],
    )
    async def test_each_is_counted_by_what_it_came_to(
        self, world: World, given: Answer, counted: dict[str, int]
    ) -> None:
        """
        A second one at once; who lacks nothing is not looked up.
        """
        looking(world, FakeApi(given))
        for number in range(2):
            await world.take(track("Hello", properties={"n": number}), identify("u9"))
            await world.delivered()

        found = (await world.books()).counts
        assert counted == {
            name.removeprefix(COUNTED): n for name, n in found.items() if name.startswith(COUNTED)
        }

    @pytest.mark.parametrize(
        ("given", "words"),
        [
            (answer(500, {"error": {"message": "down"}}), "HTTP 500: down"),
            (answer(401, {"error": {"message": "bad token"}}), "HTTP 401: bad token"),
            (NO_CONNECTION, "refused"),
            (answer(200, []), "expected traits in JSON, got something else"),
            (answer(200, {"traits": None}), "expected traits in JSON, got something else"),
            (Answer(headers_sent=True, status=200, body=b"\xff"), "expected traits in JSON"),
        ],
    )
    async def test_a_failure_goes_on_with_what_is_known(
        self, world: World, given: Answer, words: str
    ) -> None:
        """
        It is an attempt's row, and an alert until a look-up succeeds.
        """
        api = FakeApi(given)
        looking(world, api)
        await world.take(track("Hello"), nobody_s("Hello", "u2"))
        await world.delivered()

        assert [("u1@x.io", {})] == bodies(world)
        first, second = await world.sends()
        assert ("accepted", "skipped", "no_email") == (first.state, second.state, second.reason)
        for row in (first, second):
            attempts = await world.tx(lambda tx, row=row: tx.sends.attempts(row.id))  # type: ignore[misc]
            assert ["look-up"] == [one.outcome for one in attempts]
            assert attempts[0].detail.startswith("profile look-up failed: ")
        assert words in attempts[0].detail or "not asked" in attempts[0].detail
        assert ("look_up_failed", "segment") in await world.alerts()

    async def test_a_slow_api_holds_up_nobody_else(self, world: World) -> None:
        """
        While one is asked for, others leave; beyond what is asked at once, each has its moment.
        """
        api = FakeApi(profile(name="x"), gate=asyncio.Event())
        look_up = looking(world, api)
        clock = world.clock
        look_up.rate = Rate(10_000, clock.monotonic_s, lambda: clock.now_ms() / 1000)
        users = [f"u{n}" for n in range(MAX_AT_ONCE + 8)]
        await world.take(*(track("Hello", user) for user in users))
        await world.take(track("Ordered", "zed"))
        while await world.deliver.deliver_batch():
            pass

        async with asyncio.timeout(5):
            while not world.sendgrid.calls:
                await asyncio.sleep(0)
        assert ["zed@x.io"] == [
            call.body["personalizations"][0]["to"][0]["email"] for call in world.sendgrid.calls
        ]
        assert MAX_AT_ONCE == len(look_up.tasks)
        later = [row.due_at - world.clock.now_ms() for row in await world.sends()][MAX_AT_ONCE:-1]
        assert sorted(later) == later
        assert 8 * 1000 / PER_SECOND == later[-1]
        assert api.gate is not None
        api.gate.set()
        await world.deliver.land()
        world.clock.forward(SECOND)
        await world.delivered()
        assert {"accepted"} == {row.state for row in await world.sends()}

    async def test_an_api_in_trouble_is_left_alone(self, world: World) -> None:
        """
        After a refusal of the token nobody waits for the next one.
        """
        api = FakeApi(answer(403, {"error": {"message": "no"}}))
        looking(world, api)
        for number in range(5):
            await world.take(track("Hello", f"u{number}"))
            await world.delivered()

        assert 1 == len(api.calls)
        assert {"accepted"} == {row.state for row in await world.sends()}

    async def test_an_api_that_is_well_again_is_asked_again(self, world: World) -> None:
        """
        One probe first; while it ramps up the others wait for their turn, and none goes without.
        """
        api = FakeApi(answer(403, {"error": {"message": "no"}}))
        looking(world, api)
        await world.take(track("Hello", "u0"))
        await world.delivered()
        world.clock.forward(2 * SECOND)
        api.usual = profile(name="Ada")
        await world.take(track("Hello", "u1"))
        await world.delivered()
        await world.take(*(track("Hello", f"v{number}") for number in range(9)))
        for _ in range(9):
            await world.delivered()
            world.clock.forward(SECOND)

        assert [{}] + [{"name": "Ada"}] * 10 == [data for _, data in bodies(world)]
        assert 11 == len(api.calls)
        assert ("look_up_failed", "segment") not in await world.alerts()

    async def test_while_it_is_probed_the_others_do_not_wait(self, world: World) -> None:
        """
        Of those that are due together one asks.
        """
        api = FakeApi(answer(403, {"error": {"message": "no"}}))
        looking(world, api)
        await world.take(track("Hello", "u0"))
        await world.delivered()
        world.clock.forward(2 * SECOND)
        await world.take(*(track("Hello", f"v{number}") for number in range(9)))
        await world.delivered()

        assert 2 == len(api.calls)
        assert {"accepted"} == {row.state for row in await world.sends()}

    async def test_variables_of_our_own_templates_are_looked_up(self, world: World) -> None:
        """
        Where neither the event nor the person has them.
        """
        api = FakeApi(profile(name="Ada", email="ada@x.io"))
        looking(world, api, OWN)
        plans = world.taker.rules.plans.with_look_ups({"own": ("name", "order.total", "email")})
        world.taker.rules = Rules(plans)
        world.deliver.renderer = Echo()
        await world.take(nobody_s("Own", properties={"order": {"total": 3}}))
        await world.delivered()

        (call,) = world.sendgrid.calls
        assert "Ada ada@x.io 3" == call.body["subject"]
        assert api.calls[0].path.endswith("?include=email,name&limit=200")

    async def test_what_could_not_be_written_is_looked_up_again(self, world: World) -> None:
        """
        The store had no room: the flag stays, and nothing is broken.
        """
        api = FakeApi(profile(name="Ada"), gate=asyncio.Event())
        look_up = looking(world, api)
        await world.take(track("Hello"))
        await world.deliver.deliver_batch()
        look_up.store, store = NoRoom(), look_up.store
        assert api.gate is not None
        api.gate.set()
        await world.deliver.land()
        look_up.store = store
        await world.delivered()
        assert [] == world.sendgrid.calls
        world.clock.forward(LEASE_MS)
        await world.delivered()

        assert [("u1@x.io", {"name": "Ada"})] == bodies(world)

    async def test_what_is_cancelled_meanwhile_does_not_leave(self, world: World) -> None:
        """
        An exit ends the send while its question is under way.
        """
        api = FakeApi(profile(name="x", email="x@x.io"), gate=asyncio.Event())
        looking(world, api, JOURNEY)
        await world.take(nobody_s("Start"))
        await world.deliver.deliver_batch()
        await world.take(nobody_s("Left"))
        assert api.gate is not None
        api.gate.set()
        await world.deliver.land()
        await world.delivered()

        row = await world.send()
        assert ("skipped", "exited: left", 0) == (row.state, row.reason, row.flags)
        assert [] == world.sendgrid.calls
        assert await world.tx(lambda tx: tx.sends.lookup(row.id)) is None

    async def test_who_was_erased_meanwhile_stays_erased(self, world: World) -> None:
        """
        Nothing of the answer is kept.
        """
        api = FakeApi(profile(name="x", email="x@x.io"), gate=asyncio.Event())
        looking(world, api)
        await world.take(nobody_s("Hello"))
        await world.deliver.deliver_batch()
        await world.take({"type": "delete", "userId": "u1", "messageId": "d"})
        assert api.gate is not None
        api.gate.set()
        await world.deliver.land()
        await world.delivered()

        row = await world.send()
        assert ("skipped", "erased", None) == (row.state, row.reason, row.address)
        assert [] == world.sendgrid.calls

    async def test_suppression_is_asked_of_the_address_that_was_found(self, world: World) -> None:
        """
        P3: the gate is asked anew.
        """
        await world.hear({"event": "unsubscribe", "email": "x@x.io", "timestamp": 1,
                          "sg_event_id": "e"})  # fmt: skip
        looking(world, FakeApi(profile(email="X@x.io")))
        await world.take(nobody_s("Hello"))
        await world.delivered()

        row = await world.send()
        assert ("skipped", "suppressed: global") == (row.state, row.reason)

    async def test_without_the_api_what_waited_goes_on(self, world: World) -> None:
        """
        A reload took the section away: it is said, and the send leaves.
        """
        look_up = looking(world, FakeApi(profile()))
        await world.take(track("Hello"))
        look_up.use(None)
        await world.delivered()

        assert [("u1@x.io", {})] == bodies(world)
        attempts = await world.tx(lambda tx: tx.sends.attempts(1))
        assert ["profile look-up failed: `segment.profiles` is not set"] == [
            one.detail for one in attempts
        ]

    async def test_a_throttled_api_is_asked_again_when_it_says(self, world: World) -> None:
        """
        Until then nobody is asked for, and nobody waits.
        """
        throttled = answer(429, {"error": {"message": "slow down"}}, Retry_After="60")
        api = FakeApi(throttled)
        looking(world, api)
        await world.take(track("Hello"))
        world.deliver.look_up.rate.listen(throttled, now_ms=world.clock.now_ms())  # type: ignore[union-attr]
        await world.delivered()

        assert [] == api.calls
        assert [("u1@x.io", {})] == bodies(world)
        world.clock.forward(HOUR)
        api.usual = profile(name="Ada")
        await world.take(track("Hello", properties={"total": 1}))
        await world.delivered()
        assert ("u1@x.io", {"name": "Ada", "total": 1}) == bodies(world)[-1]


class TestReadTraits:
    @pytest.mark.parametrize(
        ("given", "traits"),
        [
            (profile(a=1, b=None, c="no"), {"a": 1}),
            (profile(), {}),
            (answer(404), {}),
            (profile(a={"deep": [1, {"x": True}]}), {"a": {"deep": [1, {"x": True}]}}),
        ],
    )
    def test_only_what_was_asked_for_and_is_there(
        self, given: Answer, traits: dict[str, object]
    ) -> None:
        """
        Null is nothing known; an unknown profile has nothing.
        """
        found = read_traits(given, ("a", "b"))

        assert (traits, None) == (found.traits, found.failure)

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"[]",
            b"null",
            b'{"traits":[]}',
            b'{"traits":{"a":' + b"[" * 300 + b"]" * 300 + b"}}",
            b'{"traits":{"a":"' + b"x" * (1 << 20) + b'"}}',
        ],
        ids=range(6),
    )
    def test_what_cannot_be_kept_is_a_failure(self, body: bytes) -> None:
        """
        No object, too deep, too large.
        """
        given = Answer(headers_sent=True, status=200, body=body)

        assert read_traits(given, ("a",)).failure is not None

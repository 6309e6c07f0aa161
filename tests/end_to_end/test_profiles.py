"""Look-ups in Segment's Profile API before a send: found, unknown, slow, throttled."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.service import World, world

from homing.emulators import Faults
from homing.emulators.ledger import RecordedRequest

EXTRA = """
[email.hello]
template = "d-00000000000000000000000000000004"
class = "transactional"
data = { first_name = "$.profile.first_name", n = "$.properties.n" }

[route.hello]
when = 'event = "Hello Due"'
send = "hello"
"""
TOKEN = 'token = "${SEGMENT_PROFILE_TOKEN}"'


@pytest.fixture
async def w(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path, faults=Faults(), extra=EXTRA, start=False) as place:
        segment = place.segment
        line = f'profiles = {{ space = "{segment.space}", {TOKEN}, endpoint = "{segment.url}" }}'
        place.service.edit("[segment]\n", f"[segment]\n{line}\n")
        place.service.environ["SEGMENT_PROFILE_TOKEN"] = segment.token
        await place.service.start()
        yield place


def due(number: int, user: str, email: str | None = None) -> dict[str, object]:
    """The event that asks for the email; of somebody whose address may not be told."""
    event: dict[str, object] = {
        "type": "track", "messageId": f"h-{number}", "userId": user, "event": "Hello Due",
        "properties": {"n": number}, "timestamp": "2026-11-22T10:00:00.000Z",
    }  # fmt: skip
    if email is not None:
        event["context"] = {"traits": {"email": email}}
    return event


def is_of_profile(request: RecordedRequest) -> bool:
    return "/profiles/" in request.path


def asked(w: World) -> list[str]:
    """The questions that reached the Profile API."""
    return [one.path for one in w.segment.requests if is_of_profile(one)]


async def take(w: World, *events: dict[str, object]) -> None:
    """Receive events, and wait until there is nothing to do."""
    assert 200 == (await w.sender.deliver(*events)).status
    await w.evaluated()
    await w.at_rest()


def mailed(w: World) -> list[tuple[str, object]]:
    """To whom mail went, and with which data."""
    bodies = [json.loads(one.body) for one in w.sendgrid.requests.to("/v3/mail/send")]
    blocks = [body["personalizations"][0] for body in bodies]
    return [(one["to"][0]["email"], one["dynamic_template_data"]) for one in blocks]


class TestLookUp:
    async def test_what_an_email_lacks_is_looked_up_before_it_leaves(self, w: World) -> None:
        """Address and name, in one question; then they are known, and nobody is asked again."""
        w.segment.profiles.put(
            "user_id", "ada+1", {"email": "ada@example.com", "first_name": "Ada", "plan": "pro"}
        )
        await take(w, due(1, "Ada+1"))
        await take(w, due(2, "Ada+1"))

        assert [
            ("ada@example.com", {"first_name": "Ada", "n": 1}),
            ("ada@example.com", {"first_name": "Ada", "n": 2}),
        ] == mailed(w)
        (path,) = asked(w)
        assert path == (
            f"/v1/spaces/{w.segment.space}/collections/users/profiles/user_id:ada%2B1/traits"
            "?include=email,first%5Fname&limit=200"
        )
        person = json.loads(await w.service.command("people", "show", "Ada+1", "--json"))
        assert {"email": "ada@example.com", "first_name": "Ada"} == person["person"]["traits"]

    async def test_of_an_unknown_profile_the_email_leaves_with_what_is_known(
        self, w: World
    ) -> None:
        """404 is an answer, kept for a minute; without an address nothing leaves."""
        await take(w, due(1, "bob", "bob@example.com"), due(2, "cay"))
        await take(w, due(3, "bob"))

        assert [("bob@example.com", {"n": 1}), ("bob@example.com", {"n": 3})] == mailed(w)
        reasons = [(row.user, row.state, row.reason) for row in w.sends()]
        left = ("bob", "accepted", None)
        assert [left, ("cay", "skipped", "no_email"), left] == reasons
        assert 2 == len(asked(w))

    @pytest.mark.parametrize(
        ("fault", "words"),
        [("hang", "no answer within 2 s"), ("429", "HTTP 429"), ("500", "HTTP 500")],
    )
    async def test_a_failure_is_said_and_stops_nothing(
        self, w: World, fault: str, words: str
    ) -> None:
        """It goes on with what is known; nobody else waits; without an address it is skipped."""
        plan = w.segment.faults
        plan.when(fault, is_of_profile)
        await take(w, due(1, "dan", "dan@example.com"), due(2, "eve"))
        failed = f"profile look-up failed: {words}"

        assert [("dan@example.com", {"n": 1})] == mailed(w)
        first, second = w.sends()
        assert ("accepted", "skipped", "no_email") == (first.state, second.state, second.reason)
        for row in (first, second):
            assert failed in await w.service.command("sends", "show", row.key)
            assert failed in await w.service.command("why", row.key)
        plan.clear()
        w.segment.end_faults()

    async def test_a_crash_in_the_midst_of_a_look_up_asks_again(self, w: World) -> None:
        """The send waits in the ledger, unsent; after the restart it is looked up and leaves."""
        w.segment.profiles.put("user_id", "fay", {"email": "fay@example.com"})
        w.segment.faults.when("hang", is_of_profile, times=1)
        assert 200 == (await w.sender.deliver(due(1, "fay"))).status
        await w.segment.until(lambda: len(asked(w)) == 1)
        await w.service.kill()
        w.segment.end_faults()
        await w.service.start()
        await w.at_rest()

        assert [("fay@example.com", {"n": 1})] == mailed(w)
        assert 2 == len(asked(w))

    async def test_a_reload_turns_look_ups_on_and_off(self, w: World) -> None:
        """From the next event on; without the section nobody is asked for."""
        w.segment.profiles.put("user_id", "gil", {"email": "gil@example.com"})
        line = next(one for one in w.service.config.read_text().split("\n") if "profiles" in one)
        w.service.edit(f"{line}\n", "")
        await w.service.command("reload")
        await take(w, due(1, "gil"))
        assert ["skipped"] == [row.state for row in w.sends()]
        w.service.edit("[segment]\n", f"[segment]\n{line}\n")
        await w.service.command("reload")
        await take(w, due(2, "gil"))

        assert [("gil@example.com", {"n": 2})] == mailed(w)
        assert 1 == len(asked(w))

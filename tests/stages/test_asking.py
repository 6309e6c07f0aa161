"""Questions are asked again while another moment may change the answer."""

from __future__ import annotations

from collections import deque

import pytest
from tests.support.marketing import ERROR, LOST, LOST_AFTER, OK, THROTTLED, Place
from tests.support.stages import answer

from homing.adapters.memory.state import MemoryState
from homing.core.outcomes import Answer
from homing.stages.asking import Asker, Refused, Throttled, Unanswered

PATH = "/v3/marketing/lists"


@pytest.fixture
def place() -> Place:
    """An account."""
    return Place(MemoryState())


@pytest.fixture
def asker(place: Place) -> Asker:
    """Asks it; waiting moves the clock."""
    return place.asker()


class TestAsk:
    async def test_faults_pass(self, place: Place, asker: Asker) -> None:
        """Until there is an answer; what was repeated is counted."""
        place.sendgrid.fates = deque([ERROR, THROTTLED, LOST, LOST_AFTER, OK])
        assert 200 == (await asker.ask("GET", PATH)).status
        assert (5, 4) == (asker.calls, asker.repeats)

    async def test_a_refusal_is_an_answer(self, place: Place, asker: Asker) -> None:
        """It is not asked again."""
        place.sendgrid.override = lambda *_: answer(403)
        assert 403 == (await asker.ask("GET", PATH)).status
        assert (1, 0) == (asker.calls, asker.repeats)

    async def test_what_never_answers_says_what_came_last(self, place: Place, asker: Asker) -> None:
        """Without what a path may say of a person."""
        place.sendgrid.override = lambda *_: answer(500, {"errors": [{"message": "no"}]})
        with pytest.raises(Unanswered, match=r"GET /v3/…: HTTP 500: no") as caught:
            await asker.ask("GET", "/v3/ann%40x.io?email=ann@x.io")
        assert asker.calls == asker.tries
        assert caught.value.answer is not None
        assert 500 == caught.value.answer.status

    async def test_a_wait_that_is_told_is_kept(self, place: Place, asker: Asker) -> None:
        """As long as a 429 says, also by questions of others."""
        place.sendgrid.override = lambda *_: (
            answer(429, None, Retry_After="600") if asker.calls == 1 else None
        )
        before = place.clock.at_ms
        await asker.ask("GET", PATH)
        assert 600_000 <= place.clock.at_ms - before < 640_000

    async def test_who_has_no_patience_is_told_how_long(self, place: Place, asker: Asker) -> None:
        """Instead of a wait that nobody can end; so is the next to ask."""
        asker.patience_s = 5.0
        place.sendgrid.override = lambda *_: answer(429, None, Retry_After="600")
        before = place.clock.at_ms
        for _ in range(2):
            with pytest.raises(Throttled) as caught:
                await asker.ask("GET", PATH)
            assert caught.value.after_s > 590
        assert 1 == asker.calls
        assert place.clock.at_ms - before < 5_000


class TestJson:
    async def test_a_refusal_is_raised_in_the_apis_words(self, place: Place, asker: Asker) -> None:
        """With its status."""
        place.sendgrid.override = lambda *_: answer(400, {"errors": [{"message": "bad"}]})
        with pytest.raises(Refused, match=r"POST /v3/marketing/lists: HTTP 400: bad") as caught:
            await asker.json("POST", PATH, {"name": ""})
        assert (400, "bad") == (caught.value.status, caught.value.said)

    async def test_what_is_no_json_is_refused(self, place: Place, asker: Asker) -> None:
        """No body is no value."""
        place.sendgrid.override = lambda *_: Answer(headers_sent=True, status=200, body=b"<html>")
        with pytest.raises(Refused, match="expected JSON"):
            await asker.json("GET", PATH)
        place.sendgrid.override = lambda *_: answer(204)
        assert await asker.json("GET", PATH) is None


class TestObject:
    @pytest.mark.parametrize("body", [[], None, "text", 5])
    async def test_nothing_else_will_do(self, place: Place, asker: Asker, body: object) -> None:
        """A list, nothing, a text."""
        place.sendgrid.override = lambda *_: answer(200, body)
        with pytest.raises(Refused, match="expected a JSON object"):
            await asker.object("GET", PATH)

"""What stands as an alert is told."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs
from tests.stages.conftest import World
from tests.support.stages import HOUR, MINUTE, NO_CONNECTION, NOON, FakeApi, answer

from homing.stages.alert import Alerter


@pytest.fixture
def webhook() -> FakeApi:
    """Takes every post."""
    return FakeApi(answer(204))


@pytest.fixture
def alerter(world: World, webhook: FakeApi) -> Alerter:
    """Tells of the world's alerts."""
    return Alerter(world.store, world.clock, webhook)


async def alert(world: World, subject: str = "mail") -> None:
    """Have something go wrong, now."""
    now = world.clock.now_ms()
    await world.tx(lambda tx: tx.books.alert("paused", subject, "HTTP 401", at=now))


async def told(alerter: Alerter) -> None:
    """Tell until all is told."""
    while await alerter.tell():
        pass


class TestTell:
    async def test_a_new_alert_is_posted_and_logged(self, world, alerter, webhook):
        """
        Kind, subject, text, count and times.
        """
        await alert(world)
        with capture_logs() as lines:
            await told(alerter)

        (post,) = webhook.calls
        assert {
            "kind": "paused",
            "subject": "mail",
            "text": "HTTP 401",
            "count": 1,
            "first_at": "2026-01-05T12:00:00.000Z",
            "last_at": "2026-01-05T12:00:00.000Z",
        } == post.body
        assert ["alert.raised"] == [line["event"] for line in lines]

    async def test_each_is_told_once_an_hour_at_most_and_only_while_it_goes_on(
        self, world, alerter, webhook
    ):
        """
        However often it happens; one that has stopped happening is not repeated.
        """
        for _ in range(150):
            await alert(world)
            await told(alerter)
            world.clock.forward(MINUTE)
        assert 3 == len(webhook.calls)

        world.clock.forward(5 * HOUR)
        await told(alerter)
        assert 4 == len(webhook.calls)
        world.clock.forward(5 * HOUR)
        await told(alerter)
        assert 4 == len(webhook.calls)

    async def test_two_alerts_are_told_apart(self, world, alerter, webhook):
        """
        By kind and subject; one a turn, since a post takes a while.
        """
        await alert(world)
        await alert(world, "email/old")
        assert [1, 1, 0] == [await alerter.tell() for _ in range(3)]

        assert {"mail", "email/old"} == {post.body["subject"] for post in webhook.calls}

    async def test_what_comes_again_after_it_was_cleared_is_new(self, world, alerter, webhook):
        """
        A second outage is news.
        """
        await alert(world)
        await told(alerter)
        await world.tx(lambda tx: tx.books.clear_alert("paused", "mail"))
        await told(alerter)
        await alert(world)
        await told(alerter)

        assert 2 == len(webhook.calls)

    @pytest.mark.parametrize("refusal", [NO_CONNECTION, answer(500), answer(302)])
    async def test_a_webhook_that_does_not_take_it_is_asked_again(
        self, world, alerter, webhook, refusal
    ):
        """
        A minute later, also if nothing happened since; logged it is once.
        """
        webhook.answers.extend([refusal] * 2)
        await alert(world)
        with capture_logs() as lines:
            for _ in range(5):
                await told(alerter)
                world.clock.forward(MINUTE)

        assert 3 == len(webhook.calls)
        assert 1 == len(lines)

    async def test_without_a_webhook_it_is_logged(self, world):
        """
        And stands in the books.
        """
        await alert(world)
        with capture_logs() as lines:
            await told(Alerter(world.store, world.clock, None))

        assert [("alert.raised", "mail")] == [(line["event"], line["subject"]) for line in lines]
        assert NOON == world.clock.now_ms()

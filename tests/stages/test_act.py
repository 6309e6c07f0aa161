"""What a person may do to rows."""

from __future__ import annotations

import pytest
from tests.stages.conftest import World
from tests.support.journeys import Life
from tests.support.stages import HOUR, NO_ANSWER, NOON, answer, track

from homing.core.effects import Dest, NewEffect
from homing.ports import Tx
from homing.stages import act
from homing.stages.act import NotPossible, NotThere

QUIET = """
[quiet_hours]
from = "17:00"
to = "20:00"
[journey.j]
entry = { when = 'event = "Start"' }
exit  = [{ name = "bought", when = 'event = "Bought"' }]
step  = [{ id = "m", send = "digest" }]
"""


async def did(world: World, what: str, *args: object, **more: object) -> object:
    """Do one of `act`'s in a transaction of its own."""
    now_ms = world.clock.now_ms()
    wants_plans = what in ("resolve", "retry_send", "of_dead")
    if wants_plans:
        more["plans"] = world.plans
    return await world.tx(lambda tx: getattr(act, what)(tx, *args, now_ms=now_ms, **more))


@pytest.fixture
async def lost(world: World) -> World:
    """One send that nobody knows of, and one behind it."""
    world.sendgrid.answers.append(NO_ANSWER)
    await world.take(track("Ordered"), track("Ordered", properties={"n": 2}))
    await world.deliver.deliver_batch()
    await world.deliver.land()
    return world


async def states(world: World) -> list[str]:
    """Of all sends."""
    return [row.state for row in await world.sends()]


class TestFindSend:
    async def test_by_its_id_or_its_number(self, lost):
        """
        As it is shown, or bare.
        """
        row = (await lost.sends())[0]
        for key in (row.key, "1"):
            assert row.id == (await lost.tx(lambda tx, key=key: act.find_send(tx, key))).id

    @pytest.mark.parametrize(
        "key", ["", "0", "9", "x", "²", "-1", "1-00000000ff", "1-x", "9" * 30, "9" * 5_000, "1 "]
    )
    async def test_anything_else_is_not_there(self, lost, key):
        """
        And raises nothing but that.
        """
        with pytest.raises(NotThere):
            await lost.tx(lambda tx: act.find_send(tx, key))


class TestEventNumber:
    @pytest.mark.parametrize(
        ("key", "number"),
        [("e12", 12), ("12", None), ("x12", None), ("e", None), ("e²", None), ("e-1", None)],
    )
    def test_it_is_read_as_it_is_shown(self, key, number):
        """
        "e12"; other texts are no events.
        """
        assert number == act.event_number(key)


class TestResolve:
    @pytest.mark.parametrize(
        ("word", "state", "resolution"),
        [
            ("sent", "accepted", "by_hand"),
            ("resend", "retry", "resent"),
            ("drop", "dropped", "dropped"),
        ],
    )
    async def test_a_persons_word_ends_the_wait(self, lost, word, state, resolution):
        """
        Counted as what it is; the lane goes on.
        """
        assert state == await did(lost, "resolve", "1", word)
        assert 1 == (await lost.books()).unknown[resolution]

        await lost.delivered()

        expected = {"sent": "accepted", "resend": "accepted", "drop": "dropped"}[word]
        assert [expected, "accepted"] == await states(lost)
        assert (2 if word != "resend" else 3) == len(lost.sendgrid.calls)

    async def test_sent_again_it_has_time_again(self, lost):
        """
        Somebody asks for it now.
        """
        lost.clock.forward(5 * HOUR)
        await did(lost, "resolve", "1", "resend")
        await lost.delivered()

        assert ["accepted", "expired"] == await states(lost)

    async def test_a_parked_one_too(self, lost):
        """
        It joins its lane again.
        """
        await did(lost, "resolve", "1", "drop")
        with pytest.raises(NotPossible, match="is dropped"):
            await did(lost, "resolve", "1", "resend")


class TestRetrySend:
    async def test_a_rejected_one_is_sent_again(self, world):
        """
        With time of its own.
        """
        world.sendgrid.answers.append(answer(400))
        await world.take(track("Ordered"))
        await world.delivered()
        world.clock.forward(5 * HOUR)

        assert "retry" == await did(world, "retry_send", "1")
        await world.delivered()

        assert ["accepted"] == await states(world)

    async def test_an_exit_of_its_run_stops_it_still(self, store):
        """
        However long ago the run ended: what waits anew is watched anew.
        """
        life = Life.over(store, QUIET)
        life.sendgrid.answers.append(answer(400))
        await life.come(track("Start"))
        await life.go_on(30 * HOUR)
        plans, now = life.process.outside.plans, life.clock.now_ms()
        (send,) = await life.sends()
        assert "rejected" == send.state
        await life.process.tx(lambda tx: act.retry_send(tx, send.key, plans=plans, now_ms=now))
        await life.process.live()
        assert ["quiet hours in UTC"] == [one.reason for one in await life.sends()]

        await life.come(track("Bought"))
        await life.go_on(5 * HOUR)

        assert [("skipped", "exited: bought")] == [
            (one.state, one.reason) for one in await life.sends()
        ]

    async def test_an_unknown_one_is_resolved(self, lost):
        """
        Its lane is not stuck behind itself.
        """
        assert "retry" == await did(lost, "retry_send", "1")
        await lost.delivered()

        assert ["accepted", "accepted"] == await states(lost)
        assert 1 == (await lost.books()).unknown["resent"]

    async def test_what_was_sent_is_not_sent_again(self, world):
        """
        Nor what our own gate refused.
        """
        await world.take(track("Ordered"), track("Ordered", "u2", context={}))
        await world.delivered()

        for key in ("1", "2"):
            with pytest.raises(NotPossible, match="cannot be sent again"):
                await did(world, "retry_send", key)


class TestOfDead:
    async def test_what_was_never_made_is_not_tried_again(self, world_of):
        """
        There is nothing to be tried; its event is, once the rule is mended.
        """
        big = "track = { event = 'Big', properties = { t = '$.properties.text' } }"
        world = world_of(f"[route.big]\nwhen = 'all'\n{big}")
        await world.take(track("Large", properties={"text": "x" * 40_000}))

        with pytest.raises(NotPossible, match="mend its rule, then `homing replay e1`"):
            await did(world, "of_dead", "x1", "retry")

        assert 1 == (await world.books()).effects["segment"]["dead"]
        assert "dropped" == await did(world, "of_dead", "x1", "drop")

    async def test_an_effect_is_tried_again_or_given_up(self, world):
        """
        By "x" and its number; the books follow.
        """

        def two_dead(tx: Tx) -> None:
            for lane in (1, 2):
                tx.effects.add(
                    NewEffect(Dest.SEGMENT, "track", lane, b"{}", None, None, lane, NOON, NOON)
                )
                tx.effects.dead(lane, "refused")
                tx.books.count("effects:segment:dead")

        await world.tx(two_dead)
        assert "ready" == await did(world, "of_dead", "x1", "retry")
        assert "dropped" == await did(world, "of_dead", "x2", "drop")

        assert {"ready": 1, "sent": 0, "done": 0, "dead": 0, "dropped": 1} == (
            await world.books()
        ).effects["segment"]
        for key in ("x1", "x2"):
            with pytest.raises(NotPossible):
                await did(world, "of_dead", key, "drop")

    async def test_an_event_is_given_up(self, world):
        """
        Quarantined no more, and still in the books.
        """
        await world.take({"type": "?"}, track("A"))
        assert "dead" == await did(world, "of_dead", "e1", "drop")

        events = (await world.books()).events
        assert (2, 0, 1, 1) == (
            events["received"], events["quarantined"], events["dead"], events["done"],
        )  # fmt: skip
        with pytest.raises(NotPossible, match="only quarantined"):
            await did(world, "of_dead", "e2", "drop")

    @pytest.mark.parametrize("key", ["x9", "e9", "9", "x", "e", "x²", "", "x" + "9" * 40])
    async def test_what_is_not_there(self, world, key):
        """
        Whatever is asked for.
        """
        with pytest.raises(NotThere):
            await did(world, "of_dead", key, "retry")

    async def test_an_unknown_send_is_dropped_by_its_own_command(self, lost):
        """
        Which asks what became of it.
        """
        with pytest.raises(NotPossible, match="homing resolve"):
            await did(lost, "of_dead", "1", "drop")


class TestPause:
    async def test_what_leaves_for_a_destination_stops_until_it_is_resumed(self, world):
        """
        Nothing is lost meanwhile.
        """
        await did(world, "pause", "mail", reason="holiday")
        await world.take(track("Ordered"))
        await world.delivered()
        assert ["reserved"] == await states(world)

        assert 0 == await did(world, "resume", "mail")
        await world.delivered()
        assert ["accepted"] == await states(world)

    async def test_one_email_can_be_paused(self, world):
        """
        Its sends step out of their lanes and come back.
        """
        await did(world, "pause", "email/receipt", reason="typo")
        await world.take(track("Ordered"), track("Digest Due"))
        await world.delivered()
        assert ["reserved", "accepted"] == await states(world)
        assert "paused: email receipt" == (await world.sends())[0].reason

        assert 1 == await did(world, "resume", "email/receipt")
        await world.delivered()
        assert ["accepted", "accepted"] == await states(world)

    @pytest.mark.parametrize("name", ["", "post", "email", "Mail"])
    async def test_only_what_is_there_can_be_paused(self, world, name):
        """
        A slip is said.
        """
        for word in ("pause", "resume"):
            with pytest.raises(NotThere, match="expected one of mail, contacts"):
                await did(world, word, name, **({"reason": ""} if word == "pause" else {}))


class TestClearAlerts:
    async def test_those_of_a_kind_or_a_subject(self, world):
        """
        The others stay.
        """

        def raised(tx: Tx) -> None:
            for kind, subject in (("refused", "segment"), ("refused", "sendgrid"), ("silent", "a")):
                tx.books.alert(kind, subject, "x", at=NOON)

        await world.tx(raised)
        wanted = {"kind": "refused", "subject": "segment"}
        one = await world.tx(lambda tx: act.clear_alerts(tx, wanted))
        rest = await world.tx(lambda tx: act.clear_alerts(tx, {"kind": "refused"}))

        assert [{**wanted, "status": "cleared"}] == one
        assert ["sendgrid"] == [row["subject"] for row in rest]
        assert {("silent", "a"): 1} == await world.alerts()

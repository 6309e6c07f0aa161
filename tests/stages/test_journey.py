"""Journeys in the store: what an event, a merge, an erasure and a pause do to runs."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from tests.support.journeys import Life
from tests.support.stages import DAY, HOUR, MINUTE, NOON, engagement, identify, track

from homing.core.events import iso_time
from homing.core.journeys.run import FOREVER, RunState, origin_of
from homing.core.outcomes import Answer
from homing.ports import Store
from homing.stages import run_counts

CART = """
[journey.cart]
entry = { when = 'event = "Added"', key = "$.properties.cart" }
exit = [{ name = "bought", when = 'event = "Bought"' }]
goal = { when = 'event = "Bought"', within = "7d", value = "$.properties.total" }
[[journey.cart.step]]
id = "wait"
hold = "2h"
on = [{ name = "changed", when = 'event = "Changed"', then = "restart" }]
[[journey.cart.step]]
id = "remind"
send = "digest"
[[journey.cart.step]]
id = "later"
delay = "1d"
[[journey.cart.step]]
id = "again"
send = "digest"
"""
AT_ONCE = """
[journey.j]
entry = { when = 'event = "Start"', reentry = "always" }
exit = [{ name = "bought", when = 'event = "Bought"' }]
STATUS
[[journey.j.step]]
id = "now"
send = "digest"
"""
PAUSED = AT_ONCE.replace("STATUS", 'status = "paused"')
DRAFT = AT_ONCE.replace("STATUS", 'status = "draft"')
LIVE = AT_ONCE.replace("STATUS", "")
QUIET = """
[quiet_hours]
from = "11:00"
to = "13:00"
"""


def added(cart: str, user: str = "u1", **changes: object) -> Mapping[str, object]:
    return event("Added", user, properties={"cart": cart}, **changes)


def event(name: str, user: str = "u1", **changes: object) -> Mapping[str, object]:
    made = track(name, user, **changes)
    del made["messageId"]
    return made


def bought(cart: str, total: object = None) -> Mapping[str, object]:
    return event("Bought", properties={"cart": cart, "total": total})


class TestHear:
    async def test_three_carts_are_three_runs_and_one_bought_ends_one(self, store: Store) -> None:
        """
        The others go on; a person's events find the runs of their keys.
        """
        life = Life.over(store, CART)
        await life.come(added("a"), added("b"), added("c"))
        await life.go_on(HOUR)
        await life.come(bought("b", "$55.34"), event("Changed", properties={"cart": "c"}))
        await life.go_on(70 * MINUTE)

        runs = await life.runs()
        assert [("a", "waiting", "later"), ("b", "exited", "wait"), ("c", "waiting", "wait")] == [
            (run.key, run.state, run.step) for run in runs
        ]
        assert "55.34" == runs[1].value
        assert ["entered", "waiting wait", "exited wait bought", "goal wait"] == (
            await life.story(runs[1])
        )
        assert [("accepted", None)] == await life.states()
        await life.go_on(2 * DAY)
        assert 4 == len(await life.sends()) == len(life.sendgrid.calls)

    async def test_a_redelivered_event_moves_nothing(self, store: Store) -> None:
        """
        P2: once evaluated, it is known.
        """
        life = Life.over(store, CART)
        same = {**added("a"), "messageId": "same"}
        await life.come(same, same)
        await life.come(same)

        assert ["entered", "waiting wait"] == await life.story(await life.run())

    async def test_a_replayed_event_does_not_enter_twice(self, store: Store) -> None:
        """
        Nor is a run moved by it again.
        """
        life = Life.over(store, CART)
        await life.come(added("a"), bought("a"))
        await life.process.evaluate.replay([1, 2])

        assert 1 == len(await life.runs())

    async def test_refusals_are_counted_by_name(self, store: Store) -> None:
        """
        No run, no row, one count.
        """
        life = Life.over(store, CART)
        old = added("b", timestamp=iso_time(NOON - 2 * DAY))
        await life.come(added("a"), added("a"), event("Added"), old)

        assert 1 == len(await life.runs())
        counted = await life.counted()
        for reason in ("alive", "missing_key", "too_old"):
            assert 1 == counted["cart", "not_entered", "", reason, ""]

    async def test_what_is_skipped_is_counted_without_what_events_say(self, store: Store) -> None:
        """
        There would be no end of counts, and they would hold addresses.
        """
        life = Life.over(store, LIVE)
        for number in range(3):
            traits = {"traits": {"email": f"no one {number}@x@y"}}
            await life.come(event("Start", f"u{number}", context=traits))

        names = {name for name in await life.counted() if name[1] == "skipped"}
        assert {("j", "skipped", "now", "bad_address", "")} == names

    async def test_the_touches_before_a_conversion_are_kept(self, store: Store) -> None:
        """
        First and last send that had left.
        """
        life = Life.over(store, CART)
        await life.come(added("a"))
        await life.go_on(2 * DAY)
        first, last = await life.sends()
        await life.come(bought("a", 3))

        run = await life.run()
        assert (RunState.COMPLETED, "3", first.id, last.id) == (
            run.state, run.value, run.first_touch, run.last_touch,
        )  # fmt: skip

    async def test_a_journey_without_a_key_has_one_run_a_person(self, store: Store) -> None:
        """
        And by default one for ever.
        """
        text = LIVE.replace(', reentry = "always"', "")
        life = Life.over(store, text)
        await life.come(event("Start"), event("Start"), event("Start", "u2"))

        assert [1, 2] == [run.person for run in await life.runs()]
        assert 1 == (await life.counted())["j", "not_entered", "", "once", ""]

    async def test_repeat_starts_a_run_over(self, store: Store) -> None:
        """
        The same run, its timer anew.
        """
        text = CART.replace('cart" }', 'cart", repeat = "restart" }', 1)
        life = Life.over(store, text)
        await life.come(added("a"))
        await life.go_on(HOUR)
        await life.come(added("a"))

        run = await life.run()
        assert (NOON, NOON + 3 * HOUR) == (run.entered_at, run.due_at)
        assert ["entered", "waiting wait", "restarted wait", "waiting wait"] == (
            await life.story(run)
        )

    async def test_one_event_may_end_a_run_and_start_another(self, store: Store) -> None:
        """
        The exit first.
        """
        text = LIVE.replace('"always"', '"after-exit"').replace('"Bought"', '"Start"')
        life = Life.over(store, text + "[[journey.j.step]]\nid = 'w'\ndelay = '1h'\n")
        await life.come(event("Start"))
        await life.come(event("Start"))

        assert ["exited", "waiting"] == [run.state for run in await life.runs()]

    async def test_sends_say_where_they_come_from(self, store: Store) -> None:
        """
        Rule, step and variant go with the mail.
        """
        text = LIVE.replace(
            "[[journey",
            """[[journey.j.step]]
id = "dice"
random = [{ name = "only", weight = 1, then = "next" }]
[[journey""",
            1,
        )
        life = Life.over(store, text)
        await life.come(event("Start"))

        args = life.sendgrid.calls[0].body["personalizations"][0]["custom_args"]
        assert ("j", "now", "only") == (
            args["homing_rule"], args["homing_step"], args["homing_variant"],
        )  # fmt: skip

    async def test_a_run_stays_on_its_version(self, store: Store) -> None:
        """
        Whoever enters after a change is on the new one.
        """
        life = Life.over(store, CART)
        await life.come(added("old"))
        life.configure(CART.replace('hold = "2h"', 'hold = "1h"'))
        await life.come(added("new"))

        old, new = await life.runs()
        assert (NOON + 2 * HOUR, NOON + HOUR) == (old.due_at, new.due_at)
        assert old.version != new.version
        await life.go_on(2 * HOUR)
        assert 2 == len(life.sendgrid.calls)


EMAILS = """
[journey.opened]
entry = { when = 'event = "Email Opened"', reentry = "always" }
[[journey.opened.step]]
id = "w"
hold = "1h"
on = [{ name = "clicked", when = 'event = "Email Link Clicked"', then = "end" }]
[journey.until-click]
entry = { when = 'event = "Start"', reentry = "always" }
exit = [{ name = "clicked", when = 'event = "Email Link Clicked"' }]
[[journey.until-click.step]]
id = "mail"
send = "digest"
[[journey.until-click.step]]
id = "w"
delay = "1d"
"""


class TestEmailEvents:
    async def test_they_enter_branch_and_exit(self, store: Store) -> None:
        """
        At once, without the round trip, under the names they have at home.
        """
        life = Life.over(store, EMAILS)
        await life.come(event("Start"))
        args = life.sendgrid.calls[0].body["personalizations"][0]["custom_args"]
        await life.hear(engagement("open", sg_machine_open=False, **args))
        await life.hear(engagement("click", url="https://x.io", **args))

        until, opened = await life.runs()
        assert ["entered", "send mail digest", "waiting w", "exited w clicked"] == (
            await life.story(until)
        )
        assert ["entered", "waiting w", "branch w clicked", "completed w"] == (
            await life.story(opened)
        )

    async def test_a_machine_opens_nothing(self, store: Store) -> None:
        """
        By default its opens have a name of their own.
        """
        life = Life.over(store, EMAILS)
        await life.come(event("Start"))
        args = life.sendgrid.calls[0].body["personalizations"][0]["custom_args"]
        await life.hear(engagement("open", sg_machine_open=True, **args))

        assert 1 == len(await life.runs())


class TestMerged:
    def _identified(self) -> Mapping[str, object]:
        return identify("u1", anonymousId="device", messageId="i")

    async def test_of_two_runs_of_a_key_the_older_stays(self, store: Store) -> None:
        """
        What the other reserved does not leave.
        """
        text = CART.replace("[[journey", "[[journey.cart.step]]\nid = 'hi'\nsend = 'digest'\n"
                            "[[journey", 1)  # fmt: skip
        life = Life.over(store, text + QUIET)
        await life.come(added("a"), added("b"))
        await life.sleep(MINUTE)
        device = {**added("a"), "userId": None, "anonymousId": "device"}
        await life.come(device, {**device, "properties": {"cart": "c"}})
        await life.come({"type": "alias", "userId": "u1", "previousId": "device"})

        runs = await life.runs()
        assert [("a", "waiting"), ("b", "waiting"), ("a", "merged"), ("c", "waiting")] == [
            (run.key, run.state) for run in runs
        ]
        assert {runs[0].person} == {run.person for run in runs}
        assert "exited wait" == (await life.story(runs[2]))[-1]
        await life.go_on(HOUR)
        sends = {row.origin: (row.state, row.reason) for row in await life.sends()}
        assert ("skipped", "merged") == sends[journey_origin(runs[2].id)]
        assert 3 == len(life.sendgrid.calls)

    async def test_the_older_stays_whoever_had_it(self, store: Store) -> None:
        """
        Also that of the person who is merged away.
        """
        life = Life.over(store, CART)
        device = {**added("a"), "userId": None, "anonymousId": "device"}
        await life.come(device)
        await life.sleep(MINUTE)
        await life.come(added("a"))
        await life.come({"type": "alias", "userId": "u1", "previousId": "device"})
        await life.come(bought("a"))

        assert ["exited", "merged"] == [run.state for run in await life.runs()]

    async def test_who_may_enter_again_is_asked_of_the_run_that_stayed(self, store: Store) -> None:
        """
        It was exited: its person may.
        """
        text = LIVE.replace('"always"', '"after-exit"')
        life = Life.over(store, text + "[[journey.j.step]]\nid = 'w'\ndelay = '1h'\n")
        await life.come(event("Start"))
        await life.sleep(MINUTE)
        await life.come({**event("Start"), "userId": None, "anonymousId": "device"})
        await life.come({"type": "alias", "userId": "u1", "previousId": "device"})
        await life.come(event("Bought"))
        await life.come(event("Start"))

        assert ["exited", "merged", "waiting"] == [run.state for run in await life.runs()]


def journey_origin(run: int) -> int:
    return origin_of(run, 1)


class TestErased:
    async def test_nothing_is_left_of_a_persons_runs(self, store: Store) -> None:
        """
        Whether they wait or have ended; and what they reserved does not leave.
        """
        life = Life.over(store, CART + QUIET + LIVE)
        await life.come(added("a"), added("b"), event("Start"), event("Start", "u2"))
        await life.come(bought("b"))
        await life.come({"type": "delete", "userId": "u1"})

        assert [2] == [run.person for run in await life.runs()]
        await life.go_on(3 * DAY)
        assert [("skipped", "erased"), ("accepted", None)] == await life.states()
        for number in (1, 2, 3):
            assert b"" == await life.process.tx(lambda tx, n=number: tx.runs.context(n))
            assert [] == await life.process.tx(lambda tx, n=number: tx.runs.passages(n))

    async def test_addresses_of_others_go_with_the_runs_that_wrote_there(
        self, store: Store
    ) -> None:
        """
        A send may have gone where no name of the person leads.
        """
        text = LIVE.replace(
            'send = "digest"', 'send = { email = "digest", to = "$.properties.at" }'
        )
        life = Life.over(store, text)
        await life.come(event("Start", properties={"at": "work@y.io"}))
        await life.come({"type": "delete", "userId": "u1"})

        (row,) = await life.sends()
        assert ("accepted", None, "") == (row.state, row.address, row.user)
        assert b"{}" == (await life.process.tx(lambda tx: tx.sends.data(row.id)) or b"{}")


class TestDraft:
    async def test_it_runs_and_nothing_leaves(self, store: Store) -> None:
        """
        Each send and call is a row or a line that says so.
        """
        more = """[[journey.j.step]]
id = "t"
track = { event = "T" }
[[journey.j.step]]
id = "s"
suppress = "global"
[[journey.j.step]]
id = "in"
add_to_audience = "vip"
"""
        life = Life.over(store, DRAFT + more)
        await life.come(event("Start"))

        assert [("skipped", run_counts.DRAFT)] == await life.states()
        assert [
            "entered", "skipped now digest", "skipped t track T", "skipped s suppress global",
            "effect in add_to_audience vip", "completed in",
        ] == await life.story(await life.run())  # fmt: skip
        assert [] == life.sendgrid.calls


class TestPaused:
    async def test_runs_go_on_and_sends_wait(self, store: Store) -> None:
        """
        Holds, branches and exits as ever; nothing grows old; then all leaves.
        """
        life = Life.over(store, PAUSED)
        await life.come(event("Start"), event("Start", "u2"))
        await life.go_on(10 * DAY)

        assert [("reserved", "paused: journey j")] * 2 == await life.states()
        assert ["completed", "completed"] == [run.state for run in await life.runs()]
        life.configure(LIVE)
        await life.process.live()
        assert [("accepted", None)] * 2 == await life.states()

    async def test_they_are_asked_once_more_before_they_leave(self, store: Store) -> None:
        """
        Who left meanwhile is not mailed.
        """
        life = Life.over(store, PAUSED)
        await life.come(event("Start"), event("Start", "u2"))
        await life.hear(engagement("unsubscribe", "u2@x.io"))
        life.configure(LIVE)
        await life.process.live()

        assert [("accepted", None), ("skipped", "suppressed: global")] == await life.states()

    @pytest.mark.parametrize("after", [MINUTE, 23 * HOUR, 5 * DAY, 300 * DAY])
    async def test_a_conversion_during_the_pause_cancels(self, store: Store, after: int) -> None:
        """
        However long it is paused.
        """
        life = Life.over(store, PAUSED)
        await life.come(event("Start"))
        await life.go_on(after)
        await life.come(event("Bought"))
        life.configure(LIVE)
        await life.process.live()

        assert [("skipped", "exited: bought")] == await life.states()
        assert [] == life.sendgrid.calls

    async def test_after_the_pause_what_waits_is_watched_and_then_no_more(
        self, store: Store
    ) -> None:
        """
        A conversion counts as long as the send may leave.
        """
        life = Life.over(store, PAUSED)
        await life.come(event("Start"))
        await life.go_on(5 * DAY)
        assert FOREVER - 1 == (await life.run()).watch_until
        life.configure(LIVE + QUIET)
        await life.process.live()
        assert NOON + 6 * DAY == (await life.run()).watch_until
        await life.come(event("Bought"))

        assert [("skipped", "exited: bought")] == await life.states()
        assert None is (await life.run()).watch_until

    async def test_a_journey_that_is_gone_is_not_paused(self, store: Store) -> None:
        """
        What it reserved leaves.
        """
        life = Life.over(store, PAUSED)
        await life.come(event("Start"))
        life.configure("")
        await life.process.live()

        assert [("accepted", None)] == await life.states()


class TestCancelled:
    async def test_a_conversion_after_the_end_cancels_what_waits(self, store: Store) -> None:
        """
        Quiet hours held it; it does not leave when they are over.
        """
        life = Life.over(store, LIVE + QUIET)
        await life.come(event("Start"))
        assert ["completed"] == [run.state for run in await life.runs()]
        await life.go_on(MINUTE)
        await life.come(event("Bought"))
        await life.go_on(DAY)

        assert [("skipped", "exited: bought")] == await life.states()

    async def test_what_is_tried_again_is_asked_again(self, store: Store) -> None:
        """
        Its person converted between two attempts.
        """
        life = Life.over(store, LIVE)
        life.sendgrid.answers.append(Answer(headers_sent=True, status=500))
        await life.come(event("Start"))
        assert "retry" == (await life.sends())[0].state
        await life.come(event("Bought"))
        await life.go_on(HOUR)

        assert [("skipped", "exited: bought")] == await life.states()
        assert 1 == len(life.sendgrid.calls)

    async def test_what_has_left_stays_so(self, store: Store) -> None:
        """
        And a run that is over and has nothing out is not touched.
        """
        life = Life.over(store, LIVE)
        await life.come(event("Start"))
        await life.come(event("Bought"))

        assert [("accepted", None)] == await life.states()


class TestPoison:
    async def test_an_event_that_breaks_a_run_undoes_nothing_else(self, store: Store) -> None:
        """
        It is quarantined with its reason; its neighbours are done.
        """
        life = Life.over(store, CART)
        await life.come(added("a"), added("b", "u2"))
        await life.process.tx(lambda tx: tx.runs.save(tx.runs.get(1), b"damaged"))
        await life.come(bought("a"), event("Bought", "u2", properties={"cart": "b"}))

        events = await life.process.tx(lambda tx: tx.events.after(0, limit=10))
        assert ["done", "done", "quarantined", "done"] == [row.state for row in events]
        assert ["waiting", "exited"] == [run.state for run in await life.runs()]

"""What waits by a rule: caps and who goes first, quiet hours, pauses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.stages.test_journey import event
from tests.support.journeys import Life
from tests.support.stages import DAY, HOUR, MINUTE, NOON, SECOND, engagement, identify

from homing.core.effects import SendRow
from homing.core.outcomes import Answer
from homing.core.plans import Cap
from homing.ports import Store
from homing.stages.admit import Wait, wait_of
from homing.stages.journey import SUPERSEDED

ONE = """
[caps]
marketing = [{ max = 1, per = "1h" }]
"""
QUIET = """
[quiet_hours]
from = "11:00"
to = "13:00"
zone = "UTC"
"""


def simple(name: str, more: str = "", email: str = "digest") -> str:
    """A journey that sends at once when `Go` comes, and when NAME comes."""
    return f"""
[journey.{name}]
entry = {{ when = 'event = "Go" or event = "{name}"', reentry = "always" }}
{more}
[[journey.{name}.step]]
id = "now"
send = "{email}"
"""


def timed(name: str, more: str = "") -> str:
    """The same, an hour later."""
    wait = f'[[journey.{name}.step]]\nid = "w"\ndelay = "1h"\n'
    return simple(name, more).replace("[[", wait + "[[", 1)


async def left(life: Life) -> list[str]:
    """The rules whose sends left, in order."""
    args = (call.body["personalizations"][0]["custom_args"] for call in life.sendgrid.calls)
    return [one["homing_rule"] for one in args]


class TestCaps:
    @pytest.mark.parametrize("first", ["low", "high"])
    async def test_of_one_instant_the_higher_priority_is_sent(
        self, store: Store, first: str
    ) -> None:
        """
        Whichever was reserved first; the loser waits, by name, and is sent when the cap frees.
        """
        journeys = {"low": simple("low"), "high": simple("high", "priority = 5")}
        second = "high" if first == "low" else "low"
        life = Life.over(store, ONE + journeys[first] + journeys[second])
        await life.come(event("Go"))

        assert [first, second] == [row.rule for row in await life.sends()]
        assert ["high"] == await left(life)
        (loser,) = [row for row in await life.sends() if row.rule == "low"]
        assert ("reserved", NOON + HOUR) == (loser.state, loser.deferred)
        assert loser.reason in {
            "cap 1 per 1h: journey high goes first", "cap 1 per 1h: reached by journey high",
        }  # fmt: skip
        await life.go_on(HOUR - 1)
        assert ["high"] == await left(life)
        await life.go_on(1)
        assert ["high", "low"] == await left(life)

    @pytest.mark.parametrize("first", ["low", "high"])
    async def test_ticks_of_one_instant_are_asked_together(self, store: Store, first: str) -> None:
        """
        Both runs are due before any of their sends leaves.
        """
        journeys = {"low": timed("low"), "high": timed("high", "priority = 5")}
        second = "high" if first == "low" else "low"
        life = Life.over(store, ONE + journeys[first] + journeys[second])
        await life.come(event("Go"))
        await life.go_on(HOUR)

        assert ["high"] == await left(life)

    async def test_a_send_waits_for_the_ticks_of_its_person(self, store: Store) -> None:
        """
        Delivery is turned before they fired: what they reserve may have to go first.
        """
        life = Life.over(store, ONE + simple("low") + timed("high", "priority = 5"))
        await life.come(event("high"))
        life.clock.forward(HOUR)
        life.log.append("segment/default", {**event("low"), "messageId": "x"}, life.clock.now_ms())
        await life.process.evaluated()
        await life.process.all_delivered()
        assert [] == await left(life)
        await life.process.live()

        assert ["high"] == await left(life)

    async def test_of_equals_the_older_goes(self, store: Store) -> None:
        """
        In the order in which they were reserved.
        """
        life = Life.over(store, ONE + simple("a") + simple("b"))
        await life.come(event("Go"))

        assert ["a"] == await left(life)
        assert "cap 1 per 1h: reached by journey a" == (await life.sends())[1].reason

    async def test_the_loser_expires_when_the_cap_does_not_free_in_time(self, store: Store) -> None:
        """
        By name.
        """
        life = Life.over(store, ONE.replace("1h", "7d") + simple("a") + simple("b"))
        await life.come(event("Go"))
        await life.go_on(2 * DAY)

        assert [("accepted", None), ("expired", "deliver_within is over")] == await life.states()

    async def test_routes_count_too(self, store: Store) -> None:
        """
        A route's mail goes by the priority of its email.
        """
        life = Life.over(store, ONE + simple("j", "priority = 5"))
        await life.come(event("Digest Due"))
        await life.go_on(MINUTE)
        await life.come(event("j"))

        assert "cap 1 per 1h: reached by route digest" == (await life.sends())[1].reason

    async def test_transactional_mail_is_never_capped(self, store: Store) -> None:
        """
        Nor does it use up the cap.
        """
        life = Life.over(store, ONE + simple("j"))
        for number in range(4):
            await life.come(event("Ordered", properties={"n": number}))
        await life.come(event("j"))

        assert ["receipt"] * 4 + ["j"] == await left(life)

    async def test_each_person_has_a_cap_of_their_own(self, store: Store) -> None:
        """
        Others' mail does not count.
        """
        life = Life.over(store, ONE + simple("j"))
        await life.come(event("j"), event("j", "u2"), event("j", "u3"))

        assert ["j"] * 3 == await left(life)

    async def test_every_cap_holds(self, store: Store) -> None:
        """
        One a minute, two an hour.
        """
        caps = '\n[caps]\nmarketing = [{ max = 1, per = "1m" }, { max = 2, per = "1h" }]\n'
        life = Life.over(store, caps + simple("j"))
        for _ in range(4):
            await life.come(event("j"))
        counts = []
        for ms in (0, MINUTE, HOUR - MINUTE, MINUTE):
            await life.go_on(ms)
            counts.append(len(life.sendgrid.calls))

        assert [1, 2, 3, 4] == counts

    @pytest.mark.parametrize(
        "more", ['status = "paused"', 'quiet_hours = { from = "11:00", to = "13:00" }']
    )
    async def test_who_is_kept_back_otherwise_leaves_its_room_to_others(
        self, store: Store, more: str
    ) -> None:
        """
        What goes first by rank must be able to go at all.
        """
        life = Life.over(store, ONE + simple("low") + simple("high", f"priority = 9\n{more}"))
        await life.come(event("Go"))

        assert ["low"] == await left(life)

    async def test_who_is_refused_by_now_leaves_its_room_too(self, store: Store) -> None:
        """
        Its address bounced while both waited.
        """
        high = simple("high", "priority = 9")
        high = high.replace('"digest"', '{ email = "digest", to = "gone@x.io" }')
        life = Life.over(store, QUIET + ONE + simple("low") + high)
        await life.come(event("Go"))
        await life.hear(engagement("bounce", "gone@x.io", type="bounce", reason="550"))
        await life.go_on(HOUR)

        assert ["low"] == await left(life)

    async def test_a_paused_email_leaves_its_room_too(self, store: Store) -> None:
        """
        Until somebody mends it.
        """
        vip = '\n[email.vip]\ntemplate = "d-00000000000000000000000000000009"\n'
        text = ONE + vip + simple("low") + simple("high", "priority = 9", email="vip")
        life = Life.over(store, text)
        refused = Answer(
            headers_sent=True, status=403,
            body=b'{"errors": [{"message": "The from address", "field": "from"}]}',
        )  # fmt: skip
        life.sendgrid.answers.append(refused)
        await life.come(event("high", "u9"))
        life.sendgrid.calls.clear()
        await life.come(event("Go"))

        assert ["low"] == [one for one in await left(life) if one == "low"]

    async def test_what_was_refused_does_not_use_up_the_cap(self, store: Store) -> None:
        """
        Nor does what only waited.
        """
        life = Life.over(store, ONE + simple("j"))
        life.sendgrid.answers.append(Answer(headers_sent=True, status=400))
        await life.come(event("j"))
        await life.come(event("j"))

        assert ["rejected", "accepted"] == [row.state for row in await life.sends()]

    async def test_an_unknown_send_may_have_arrived(self, store: Store) -> None:
        """
        So it counts.
        """
        life = Life.over(store, ONE + simple("j") + simple("k", email="receipt"))
        life.sendgrid.answers.append(Answer(headers_sent=True, error="reset"))
        await life.come(event("j"))
        await life.come(event("j"))

        assert ["unknown", "reserved"] == [row.state for row in await life.sends()]

    async def test_a_second_attempt_is_not_capped_by_the_first(self, store: Store) -> None:
        """
        It is the same mail.
        """
        life = Life.over(store, ONE + simple("j"))
        life.sendgrid.answers.append(Answer(headers_sent=True, status=500))
        await life.come(event("j"))
        await life.go_on(MINUTE)

        assert [("accepted", None)] == await life.states()

    async def test_merged_people_share_what_they_had(self, store: Store) -> None:
        """
        Caps are united.
        """
        life = Life.over(store, ONE + simple("j"))
        device = {**event("j"), "userId": None, "anonymousId": "device"}
        await life.come(device)
        await life.come({"type": "alias", "userId": "u1", "previousId": "device"})
        await life.come(event("j"))

        assert ["accepted", "reserved"] == [row.state for row in await life.sends()]


class TestWaitOf:
    @given(
        st.integers(1, 4),
        st.integers(1, 100),
        st.lists(st.integers(0, 300), max_size=8).map(sorted),
        st.integers(0, 5),
        st.integers(100, 400),
    )
    def test_it_waits_until_there_is_room_and_no_longer(
        self, most: int, per: int, times: list[int], rivals: int, now: int
    ) -> None:
        """
        Counted again at that moment, had all rivals left now.
        """
        cap = Cap(most, per)
        before = [(at, row()) for at in times if at <= now]
        wait = wait_of(cap, before, [row()] * rivals, now=now)

        within = sum(at > now - per for at, _ in before)
        room = max(0, most - within)
        assert (wait is None) is (rivals < room)
        if wait is not None:
            assert now < wait.until_ms <= now + per
            gone = [at for at, _ in before] + [now] * min(room, rivals)
            at_last = sum(at > wait.until_ms - per for at in gone)
            assert at_last < most or len(times) > most

    def test_it_names_who_is_in_the_way(self) -> None:
        """
        So that a marketer can read it.
        """
        cap = Cap(1, HOUR)

        assert Wait(NOON + HOUR - 5, "cap 1 per 1h: reached by route r") == wait_of(
            cap, [(NOON - 5, row())], [], now=NOON
        )
        assert Wait(NOON + HOUR, "cap 1 per 1h: route r goes first") == wait_of(
            cap, [], [row()], now=NOON
        )


def row() -> SendRow:
    columns: dict[str, Any] = dict.fromkeys(SendRow.__struct_fields__)
    return SendRow(**columns | {"rule": "r", "origin": 1})


class TestQuietHours:
    async def test_marketing_waits_until_they_end(self, store: Store) -> None:
        """
        To the minute; transactional mail does not.
        """
        life = Life.over(store, QUIET + simple("j"))
        await life.come(event("j"), event("Ordered"))

        assert ["receipt"] == await left(life)
        assert "quiet hours in UTC" == (await life.sends())[0].reason
        await life.go_on(HOUR - 1)
        assert ["receipt"] == await left(life)
        await life.go_on(1)
        assert ["receipt", "j"] == await left(life)

    @pytest.mark.parametrize(
        ("traits", "context", "hours"),
        [
            ({}, {}, 1),
            ({"timezone": "Asia/Tokyo"}, {}, None),  # 21:00
            ({}, {"timezone": "Europe/Berlin"}, None),  # 13:00
            ({"timezone": "Atlantic/Azores"}, {"timezone": "Asia/Tokyo"}, 2),  # 11:00
            ({"timezone": "Mars/Olympus"}, {"timezone": "Atlantic/Azores"}, 2),
            ({"timezone": 5}, {}, 1),
        ],
    )
    async def test_they_are_the_persons_own(
        self,
        store: Store,
        traits: Mapping[str, object],
        context: Mapping[str, object],
        hours: int | None,
    ) -> None:
        """
        By the trait, else by the zone last seen, else by the file's.
        """
        life = Life.over(store, QUIET + simple("j"))
        await life.come(identify("u1", traits={**traits, "email": "u1@x.io"}, context=context))
        await life.come(event("j"))

        (send,) = await life.sends()
        assert (None if hours is None else NOON + hours * HOUR) == send.deferred

    async def test_a_journey_may_have_its_own_or_none(self, store: Store) -> None:
        """
        `false` is none.
        """
        own = 'quiet_hours = { from = "11:00", to = "12:30" }'
        life = Life.over(
            store, QUIET + simple("a", own) + simple("b", "quiet_hours = false") + simple("c")
        )
        await life.come(event("a"), event("b"), event("c"))

        assert ["b"] == await left(life)
        await life.go_on(31 * MINUTE)
        assert ["b", "a"] == await left(life)

    async def test_the_time_to_deliver_goes_on(self, store: Store) -> None:
        """
        What is too old when they end is not sent.
        """
        short = '\n[email.short]\ntemplate = "d-00000000000000000000000000000009"\n'
        short += 'deliver_within = "30m"\n'
        life = Life.over(store, QUIET + short + simple("j", email="short"))
        await life.come(event("j"))
        await life.go_on(2 * HOUR)

        assert [("expired", "deliver_within is over")] == await life.states()

    async def test_they_are_no_lateness(self, store: Store) -> None:
        """
        Deferred is not late.
        """
        text = QUIET.replace('"13:00"', '"10:00"') + simple("j", 'max_lateness = "1m"')
        life = Life.over(store, text)
        await life.come(event("j"))
        await life.go_on(DAY - 2 * HOUR)

        assert [("accepted", None)] == await life.states()

    async def test_quiet_and_capped_is_asked_anew(self, store: Store) -> None:
        """
        When the hours end the cap leaves room for one.
        """
        life = Life.over(store, QUIET + ONE + simple("a") + simple("b", "priority = 1"))
        await life.come(event("Go"))
        await life.go_on(HOUR)

        assert ["b"] == await left(life)
        await life.go_on(HOUR)
        assert ["b", "a"] == await left(life)

    @pytest.mark.parametrize(
        ("key", "expected"),
        [(', key = "$.properties.k"', ["skipped", "accepted"]), ("", ["accepted", "accepted"])],
    )
    async def test_who_enters_again_under_a_key_gets_one_email(
        self, store: Store, key: str, expected: list[str]
    ) -> None:
        """
        With the newer words: two reminders of one cart would leave in the same second.
        """
        journey = simple("j").replace(', reentry = "always"', f', reentry = "always"{key}')
        life = Life.over(store, QUIET + journey)
        await life.come(event("j", properties={"k": "c1", "n": 1}))
        await life.go_on(MINUTE)
        await life.come(event("j", properties={"k": "c1", "n": 2}))
        await life.go_on(HOUR)

        rows = await life.sends()
        assert expected == [row.state for row in rows]
        assert key == "" or SUPERSEDED == rows[0].reason
        bodies = [call.body["personalizations"][0] for call in life.sendgrid.calls]
        assert 2 == bodies[-1]["dynamic_template_data"]["n"]

    async def test_another_keys_email_still_leaves(self, store: Store) -> None:
        """
        Two carts are two reminders.
        """
        journey = simple("j").replace(", reentry", ', key = "$.properties.k", reentry')
        life = Life.over(store, QUIET + journey)
        await life.come(*(event("j", properties={"k": key}) for key in ("c1", "c2")))
        await life.go_on(HOUR)

        assert ["accepted", "accepted"] == [row.state for row in await life.sends()]

    async def test_what_waits_holds_up_nobody(self, store: Store) -> None:
        """
        It leaves its lane: a journey without quiet hours overtakes.
        """
        life = Life.over(store, QUIET + simple("a") + simple("b", "quiet_hours = false"))
        await life.come(event("a"))
        await life.go_on(SECOND)
        await life.come(event("b"))

        assert ["b"] == await left(life)

    async def test_a_restart_forgets_nothing(self, store: Store) -> None:
        """
        What waited is still due when the hours end.
        """
        life = Life.over(store, QUIET + simple("j"))
        await life.come(event("j"))
        life.restart()
        await life.go_on(HOUR)

        assert ["j"] == await left(life)


class TestPaused:
    async def test_transactional_mail_of_a_paused_journey_waits_too(self, store: Store) -> None:
        """
        Paused is paused.
        """
        text = simple("j", 'status = "paused"', email="receipt")
        life = Life.over(store, text)
        await life.come(event("j"), event("Digest Due"))

        assert ["digest"] == await left(life)
        life.restart()
        await life.go_on(DAY)
        life.configure(simple("j", email="receipt"))
        await life.process.live()
        assert ["digest", "j"] == await left(life)

    async def test_a_route_of_the_same_name_is_not_paused(self, store: Store) -> None:
        """
        They are told apart.
        """
        life = Life.over(store, simple("digest", 'status = "paused"'))
        await life.come(event("Digest Due"))

        assert [("accepted", None)] == await life.states()

    async def test_resumed_at_night_it_waits_for_the_day(self, store: Store) -> None:
        """
        Every rule is asked again.
        """
        life = Life.over(store, simple("j", 'status = "paused"'))
        await life.come(event("j"))
        life.configure(QUIET + simple("j"))
        await life.process.live()
        assert "quiet hours in UTC" == (await life.sends())[0].reason
        await life.go_on(HOUR)

        assert ["j"] == await left(life)

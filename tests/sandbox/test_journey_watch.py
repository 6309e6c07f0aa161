"""What is told of runs: a line for what one decision did to one of them."""

from __future__ import annotations

import pytest
from tests.contract.run_rows import ENDED, change, enter, passage
from tests.support.rows import NOON, reserve, user

from homing.adapters.memory import MemoryState
from homing.core.journeys.run import RunState, origin_of
from homing.sandbox.happenings import What
from homing.sandbox.journey_watch import JourneyWatch

LATER = {"due_at": NOON + 4_000}


@pytest.fixture
def store():
    """A store in which u_1 waits in a cart journey."""
    state = MemoryState()
    state.write_now(lambda tx: enter(tx, person=tx.people.add([user("u_1")]).id, key="c1"))
    return state


def told(store, watch, *passages):
    """What is told of a run once this has happened to it."""

    def job(tx):
        tx.runs.note([passage(1, **columns) for columns in passages])
        return watch.news(tx)

    return store.write_now(job)


class TestNews:
    def test_it_says_who_and_which(self, store):
        """The userId, the journey; run and key for programs; when it was decided."""
        (happening,) = told(store, JourneyWatch(), {"what": "entered"})

        assert (What.JOURNEY, "u_1", "cart", "entered") == (
            happening.what, happening.who, happening.name, happening.detail,
        )  # fmt: skip
        assert {"run": "1", "key": "c1"} == happening.ids
        assert NOON / 1000 == happening.at

    @pytest.mark.parametrize(
        ("columns", "words"),
        [
            ({"what": "waiting", **LATER}, "waits 4 s"),
            ({"what": "waiting", "due_at": NOON + 1_500}, "waits 1.5 s"),
            ({"what": "waiting", "due_at": NOON + 7_200_000}, "waits 2h"),
            ({"what": "waiting"}, ""),
            ({"what": "restarted", "name": "changed", **LATER}, "restarted: changed, waits 4 s"),
            ({"what": "restarted"}, "restarted"),
            ({"what": "timeout"}, "time is up"),
            ({"what": "branch", "step": "which", "name": "plain"}, "which: plain"),
            (
                {"what": "branch", "step": "try", "name": "saved", "reason": "looked back"},
                "try: saved (looked back)",
            ),
            ({"what": "send", "name": "nudge", "send": 7}, "sends nudge"),
            ({"what": "skipped", "name": "nudge", "send": 7, "reason": "cap"}, "skips nudge"),
            ({"what": "skipped", "name": "nudge", "reason": "draft"}, "skips nudge: draft"),
            ({"what": "effect", "name": "track Won"}, "effect track Won"),
            ({"what": "completed"}, "completed"),
            ({"what": "goal"}, "goal"),
            ({"what": "goal", "value": "25.5"}, "goal 25.50"),
            ({"what": "exited", "reason": "failed: x"}, "exited: failed: x, no mail goes out"),
        ],
    )
    def test_each_thing_has_its_words(self, store, columns, words):
        """As a person would say it, and until when the run waits."""
        (happening,) = told(store, JourneyWatch(), columns)

        assert words == happening.detail

    def test_what_was_decided_together_is_one_line(self, store):
        """By one event, or one timer; what another event did is another line."""
        happenings = told(
            store,
            JourneyWatch(),
            {"what": "entered", "event": 1},
            {"what": "waiting", "event": 1, **LATER},
            {"what": "restarted", "name": "changed", "event": 2, **LATER},
            {"what": "timeout", "at": NOON + 4_000},
            {"what": "completed", "at": NOON + 4_000},
        )

        assert [
            "entered, waits 4 s", "restarted: changed, waits 4 s", "time is up, completed"
        ] == [happening.detail for happening in happenings]  # fmt: skip

    def test_nothing_is_told_twice(self, store):
        """The next look begins where the last one ended."""
        watch = JourneyWatch()

        assert ["entered"] == [one.detail for one in told(store, watch, {"what": "entered"})]
        assert [] == told(store, watch)
        assert ["goal"] == [one.detail for one in told(store, watch, {"what": "goal"})]

    def test_a_run_that_is_gone_is_not_told_of(self, store):
        """Somebody who was erased in the meantime."""
        store.write_now(lambda tx: tx.runs.note([passage(9)]))

        assert [] == told(store, JourneyWatch())

    @pytest.mark.parametrize(
        ("columns", "words"),
        [
            ({"state": "skipped", "reason": "exited: bought"}, "the mail is cancelled"),
            ({"state": "skipped", "reason": "suppressed: global"}, "no further mail goes out"),
            ({"state": "accepted"}, "no further mail goes out"),
        ],
    )
    def test_an_exit_says_what_becomes_of_the_mail(self, store, columns, words):
        """Cancelled if one was reserved and had not left."""

        def exit_(tx):
            change(tx, 1, **ENDED | {"state": RunState.EXITED, "reason": "bought"})
            reserve(tx, 1, lane=None, origin=origin_of(1, 1), **columns)

        store.write_now(exit_)
        (happening,) = told(store, JourneyWatch(), {"what": "exited", "name": "bought"})

        assert f"exited: bought, {words}" == happening.detail

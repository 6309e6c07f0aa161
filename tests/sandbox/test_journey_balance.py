"""The balance of journeys: what each rule lets pass, and what it catches."""

from __future__ import annotations

from typing import Any

import pytest
from tests.sandbox.conftest import NOW, books, ran, sent

from homing.core.journeys.run import RunState
from homing.core.ledger import SendState
from homing.sandbox.balance import imbalances
from homing.sandbox.evidence import Sent

K1 = frozenset({("u1", "cart", "k1")})
OVER: dict[str, Any] = {"due_at": None, "ended_at": NOW - 60_000}
EXITED: dict[str, Any] = OVER | {"state": RunState.EXITED}
COMPLETED: dict[str, Any] = OVER | {"state": RunState.COMPLETED}
FAILED: dict[str, Any] = OVER | {"state": RunState.FAILED, "reason": "no zone"}


def of_run(number: int = 7, state: SendState = SendState.ACCEPTED, **columns: object) -> Sent:
    """A send that run 1 reserved in a step."""
    whole = {"run": 1, "rule": "cart", "step": "remind", "left_at": NOW - 70_000}
    return sent(number, state, **(whole | columns))


@pytest.fixture
def problems(evidence):
    """Ask what does not add up of runs, and of their sends, each taken by SendGrid once."""

    def problems(*runs, sends=(), **changes):
        copies = {one.key: 1 for one in sends if one.state is SendState.ACCEPTED}
        steps = {(one.key, one.rule, one.step): 1 for one in sends if one.key in copies}
        whole = {
            "runs": runs, "asked_runs": K1 if runs else frozenset(), "sends": sends,
            "copies": copies, "steps": steps, "asked": {}, "mails": {},
        }  # fmt: skip
        return imbalances(evidence(**(whole | changes)))

    return problems


class TestOfRuns:
    @pytest.mark.parametrize(
        ("whats", "columns", "problem"),
        [
            (["entered", "waiting"], {}, None),
            (["entered", "waiting", "restarted", "timeout", "completed"], COMPLETED, None),
            (["entered", "waiting", "exited", "goal"], EXITED, None),
            (["waiting"], {}, "was entered 0 times"),
            (["entered", "entered"], {}, "was entered 2 times"),
            (["entered", "waiting"], EXITED, "is exited, and ended 0 times"),
            (["entered", "exited"], {}, "is waiting, and ended 1 times"),
            (["entered", "exited", "completed"], EXITED, "is exited, and ended 2 times"),
            (["entered", "exited", "goal", "effect"], EXITED, "after its end: goal, effect"),
            (["entered", "exited"], FAILED, "is failed: no zone"),
            (["entered", "waiting"], {"due_at": NOW - 60_000}, "waits, and its time is over"),
            (["entered", "waiting"], {"due_at": None}, "waits, and its time is over"),
        ],
    )
    def test_a_run_waits_or_has_ended_once(self, problems, whats, columns, problem):
        """It entered once, before all else; after its end nothing happens but its goal."""
        found = problems(ran(*whats, **columns))

        assert (problem is not None) == len(found)
        assert all(problem in one and "run 1 (cart of u1, k1)" in one for one in found)

    def test_nobody_is_late_who_was_given_no_time(self, problems):
        """Told twice to stop, a sandbox leaves at once."""
        late = ran("entered", "waiting", due_at=NOW - 60_000)

        assert [] == problems(late, is_settled=False)


class TestOfEntries:
    def test_an_event_enters_one_run(self, problems):
        """However often it was posted."""
        one, two = (ran("entered", number=number) for number in (1, 2))

        assert ["cart of u1 k1: 2 runs, and no event asks for so many"] == problems(one, two)

    def test_a_run_that_no_event_asks_for_is_seen(self, problems):
        """Whoever it is of."""
        found = problems(ran("entered"), ran("entered", number=2, journey="onboarding", key=""))

        assert ["onboarding of u1: 1 runs, and no event asks for so many"] == found

    def test_a_run_that_is_missing_is_seen(self, problems):
        """Once every event has arrived and was evaluated."""
        missing = {"asked_runs": K1}
        lying = books(requests={"received": 2, "pending": 1})

        assert ["cart of u1 k1: an event asks for a run, there is none"] == problems(**missing)
        assert [] == problems(**missing, all_arrived=False)
        assert [] == problems(**missing, books=lying, is_settled=False)


class TestOfTheSendsOfRuns:
    def test_a_send_is_told_of_once_and_in_the_ledger_once(self, problems):
        """As that run's."""
        run = ran("entered", "send 7", "skipped 8", "completed", **COMPLETED)

        assert [] == problems(run, sends=(of_run(7), of_run(8, SendState.SKIPPED)))
        assert ["run 1 tells of send 8 more often than the ledger has it"] == problems(
            run, sends=(of_run(7),)
        )

    def test_a_send_of_which_its_run_knows_nothing_is_seen(self, problems):
        """Also one that another run tells of."""
        run = ran("entered", "completed", **COMPLETED)

        assert ["the ledger has send 7 of run 1, which tells nothing of it"] == problems(
            run, sends=(of_run(7),)
        )

    def test_routes_have_sends_of_their_own(self, problems):
        """What no run reserved is asked of the routes."""
        one = sent()

        assert [] == problems(
            sends=(one,), steps={}, mails={("u1", "welcome"): 1}, asked={("u1", "welcome"): 1}
        )


class TestOfExits:
    @pytest.mark.parametrize(
        ("columns", "problem"),
        [
            ({}, None),
            ({"state": SendState.SKIPPED, "left_at": None, "reason": "exited: bought"}, None),
            ({"left_at": NOW - 59_000}, None),
            ({"left_at": NOW - 50_000}, "left after the exit of run 1"),
            ({"state": SendState.RETRY, "due_at": NOW + 60_000}, "has exited, its send 7-"),
        ],
    )
    def test_no_mail_leaves_after_an_exit(self, problems, columns, problem):
        """But for one that was about to, while the event was on its way into the log."""
        run = ran("entered", "send 7", "exited", **EXITED)

        found = problems(run, sends=(of_run(**columns),))

        assert (problem is not None) == len(found)
        assert all(problem in one for one in found)

    def test_a_run_that_completed_may_send_on(self, problems):
        """Its mail may wait longer than it."""
        run = ran("entered", "send 7", "completed", **COMPLETED)

        assert [] == problems(run, sends=(of_run(left_at=NOW - 1_000),))


class TestOfTheMailsOfRuns:
    def test_an_email_says_what_the_ledger_says(self, problems):
        """Journey and step, of each copy."""
        run = ran("entered", "send 7", "completed", **COMPLETED)
        one = of_run()

        assert [
            f"SendGrid took 1 emails of send {one.key} (cart, other) more than the ledger says",
            f"SendGrid took 1 emails of send {one.key} (cart, remind) fewer than the ledger says",
        ] == problems(run, sends=(one,), steps={(one.key, "cart", "other"): 1})

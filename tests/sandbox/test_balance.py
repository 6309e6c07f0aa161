"""The balance: what each rule lets pass, and what it catches."""

from __future__ import annotations

import pytest
from tests.sandbox.conftest import NOW, PAUSED, books, sent

from homing.core.ledger import SendState
from homing.sandbox.balance import imbalances

ZERO = {"ready": 0, "done": 0, "dead": 0, "dropped": 0}


class TestImbalances:
    def test_one_event_one_email_balances(self, evidence):
        """Asked for once, sent once, taken once."""
        assert [] == imbalances(evidence())

    def test_every_event_has_one_state(self, evidence):
        """What was received is done, filtered, quarantined, dead or pending."""
        lost = {**books().events, "received": 2}

        (problem,) = imbalances(evidence(books=books(events=lost)))

        assert "2 events were received, 1 are accounted for" == problem

    def test_an_answer_200_is_a_promise(self, evidence):
        """An event answered 2xx that is not in the books is lost."""
        (problem,) = imbalances(evidence(taken=2))

        assert "2 events were answered 2xx, 1 are in the books" == problem

    def test_a_request_left_lying_is_seen(self, evidence):
        """Once there was time, every request was evaluated."""
        lying = books(requests={"received": 2, "pending": 1})

        assert ["1 requests were not evaluated"] == imbalances(evidence(books=lying))
        assert [] == imbalances(evidence(books=lying, is_settled=False))


class TestOfSends:
    def test_a_second_copy_needs_an_unknown_outcome(self, evidence):
        """Of that very send: another's does not excuse it."""
        one, other = sent(1), sent(2, user="u2", unknowns=1)
        twice = {one.key: 2, other.key: 1}
        asked = {("u1", "welcome"): 1, ("u2", "welcome"): 1}

        (problem,) = imbalances(evidence(sends=(one, other), copies=twice, asked=asked, mails={}))
        excused = sent(1, unknowns=1)

        assert f"send {one.key} (welcome to u1) is accepted with 0 unknown outcomes" in problem
        assert [] == imbalances(
            evidence(sends=(excused, other), copies=twice, asked=asked, mails={})
        )

    @pytest.mark.parametrize(
        ("state", "unknowns", "copies", "balances"),
        [
            (SendState.ACCEPTED, 0, 0, False),
            (SendState.SKIPPED, 0, 0, True),
            (SendState.SKIPPED, 0, 1, False),
            (SendState.SKIPPED, 1, 1, True),
            (SendState.REJECTED, 0, 1, False),
            (SendState.EXPIRED, 1, 2, False),
            (SendState.PARKED, 1, 1, True),
            (SendState.PARKED, 1, 0, True),
            (SendState.DROPPED, 2, 2, True),
            (SendState.ACCEPTED, 2, 3, True),
            (SendState.ACCEPTED, 2, 4, False),
        ],
    )
    def test_a_state_allows_so_many_copies(self, evidence, state, unknowns, copies, balances):
        """One if it was taken, and one for each attempt that nobody knows the end of."""
        one = sent(state=state, unknowns=unknowns)

        problems = imbalances(
            evidence(sends=(one,), copies={one.key: copies} if copies else {}, mails={})
        )

        assert balances == (not problems)

    def test_an_email_of_no_send_is_seen(self, evidence):
        """Whatever it says it belongs to."""
        (problem,) = imbalances(evidence(copies={sent().key: 1, "9-ffffffffff": 1}))

        assert "send 9-ffffffffff, which the ledger does not know" in problem


class TestOfWhatWasAsked:
    def test_an_event_that_caused_nothing_is_seen(self, evidence):
        """Though the service's own books agree with themselves."""
        asked = {("u1", "welcome"): 1, ("u2", "welcome"): 1}

        (problem,) = imbalances(evidence(asked=asked))

        assert "welcome to u2: 1 events ask for it, only 0 sends were reserved" == problem
        assert [] == imbalances(evidence(asked=asked, all_arrived=False))

    def test_an_event_that_caused_two_sends_is_seen(self, evidence):
        """Each under an id of its own."""
        one, two = sent(1), sent(2)

        problems = imbalances(
            evidence(
                sends=(one, two),
                copies={one.key: 1, two.key: 1},
                mails={("u1", "welcome"): 2},
            )
        )

        assert [
            "welcome to u1: 1 events ask for it, 2 sends were reserved",
            "welcome to u1: 1 emails at most were due, SendGrid took 2",
        ] == problems


class TestOfHome:
    @pytest.mark.parametrize(
        ("done", "ready", "home", "balances"),
        [(3, 0, 3, True), (3, 0, 2, False), (3, 0, 4, False), (3, 1, 4, True), (3, 1, 5, False)],
    )
    def test_what_was_written_home_is_there(self, evidence, done, ready, home, balances):
        """Once; a call on its way may be there or not."""
        effects = {"segment": {**ZERO, "done": done, "ready": ready}, "suppressions": ZERO}

        assert balances == (not imbalances(evidence(books=books(effects=effects), home=home)))

    def test_nothing_is_thrown_away(self, evidence):
        """Segment answers 200 and discards: nobody else would tell."""
        assert ["Segment discarded 1 calls"] == imbalances(evidence(discarded=1))


class TestOfTheUnfinished:
    @pytest.mark.parametrize(
        ("columns", "pauses", "balances"),
        [
            ({"state": SendState.RESERVED}, {}, False),
            ({"state": SendState.UNKNOWN, "unknowns": 1}, {}, False),
            ({"state": SendState.RETRY}, {}, False),
            ({"state": SendState.RETRY, "due_at": NOW + 60_000}, {}, True),
            ({"state": SendState.RESERVED}, {"mail": PAUSED}, True),
            ({"state": SendState.RETRY}, {"email/welcome": PAUSED}, True),
            ({"state": SendState.RETRY}, {"email/other": PAUSED}, False),
        ],
    )
    def test_what_waits_has_a_reason(self, evidence, columns, pauses, balances):
        """A pause, or the hour of the next attempt."""
        one = sent(**columns)
        waits = evidence(sends=(one,), copies={}, mails={}, books=books(pauses=pauses))

        assert balances == (not imbalances(waits))

    def test_one_behind_another_waits_with_it(self, evidence):
        """A lane leaves in order; another lane has no such excuse."""
        first = sent(1, SendState.RETRY, due_at=NOW + 60_000, lane=7)
        behind, elsewhere = (sent(n, SendState.RESERVED, lane=n + 5) for n in (2, 3))
        asked = {("u1", "welcome"): 3}

        problems = imbalances(
            evidence(sends=(first, behind, elsewhere), copies={}, mails={}, asked=asked)
        )

        assert ["1 sends are still reserved, and nothing keeps them"] == problems

    def test_calls_that_are_late_are_seen(self, evidence):
        """Unless their destination is paused; nothing is late when nobody waited."""
        late = {"segment": 2}

        assert ["2 calls to segment still wait, and nothing keeps them"] == imbalances(
            evidence(late_calls=late)
        )
        assert [] == imbalances(evidence(late_calls=late, books=books(pauses={"segment": PAUSED})))
        assert [] == imbalances(evidence(late_calls=late, is_settled=False))

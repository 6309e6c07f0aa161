"""The life of a send."""

from __future__ import annotations

from functools import reduce
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.core.ledger import (
    CLAIMABLE,
    FINAL,
    HOLDS_LANE,
    TRANSITIONS,
    EventState,
    IllegalTransition,
    SendSignal,
    SendState,
    after,
    join,
    state_of,
)
from homing.core.sendgrid import parse_event

MAYBE = st.none() | st.sampled_from(EventState)


class TestAfter:
    @pytest.mark.parametrize(
        ("signals", "expected"),
        [
            ("claim accept", "accepted"),
            ("claim reject", "rejected"),
            ("claim postpone claim accept", "accepted"),
            ("claim lose prove", "accepted"),
            ("claim lose resend claim accept", "accepted"),
            ("claim lose park drop", "dropped"),
            ("claim lose park resend claim accept", "accepted"),
            ("claim lose drop prove", "accepted"),
            ("claim postpone expire", "expired"),
            ("skip", "skipped"),
            # the event was faster than the answer, which then never came
            ("claim prove lose", "accepted"),
            ("claim prove accept", "accepted"),
            # evidence of the first attempt, while the second is refused
            ("claim lose resend claim prove reject", "accepted"),
        ],
    )
    def test_tells_the_stories_of_a_send(self, signals: str, expected: str) -> None:
        """Every path that design and faults bring about."""
        state = reduce(after, map(SendSignal, signals.split()), SendState.RESERVED)

        assert expected == state

    def test_every_pair_is_either_in_the_table_or_refused(self) -> None:
        """Nothing moves but by the table."""
        for state, signal in product(SendState, SendSignal):
            if signal in TRANSITIONS[state]:
                assert TRANSITIONS[state][signal] is after(state, signal)
            else:
                with pytest.raises(IllegalTransition, match=f"{state} cannot {signal}"):
                    after(state, signal)

    def test_a_send_with_an_open_intent_is_never_claimed(self) -> None:
        """No second email by accident: only RESEND, on purpose, leads back."""
        for state, moves in TRANSITIONS.items():
            assert (SendSignal.CLAIM in moves) == (state in CLAIMABLE)
        back = {
            signal
            for state in (SendState.IN_FLIGHT, SendState.UNKNOWN, SendState.PARKED)
            for signal, to in TRANSITIONS[state].items()
            if to in CLAIMABLE
        }
        # POSTPONE says that nothing was taken.
        assert {SendSignal.RESEND, SendSignal.POSTPONE} == back

    def test_once_accepted_always_accepted(self) -> None:
        """No answer takes back what was taken."""
        assert {SendState.ACCEPTED} == set(TRANSITIONS[SendState.ACCEPTED].values())

    def test_evidence_is_heard_in_every_state(self) -> None:
        """A late event corrects what was given up, an early one what a restored backup forgot."""
        assert all(moves[SendSignal.PROVE] == "accepted" for moves in TRANSITIONS.values())

    def test_every_state_can_be_reached_and_has_a_row(self) -> None:
        """The table has no dead names."""
        reached = {to for moves in TRANSITIONS.values() for to in moves.values()}

        assert set(SendState) == set(TRANSITIONS) == reached | {SendState.RESERVED}
        assert set(SendSignal) == {signal for moves in TRANSITIONS.values() for signal in moves}

    def test_an_unknown_send_holds_its_lane_and_a_parked_one_frees_it(self) -> None:
        """The person's next email waits for evidence, not for a decision."""
        assert {"reserved", "retry", "in_flight", "unknown"} == HOLDS_LANE
        assert not HOLDS_LANE & FINAL


class TestJoin:
    @given(MAYBE, MAYBE, MAYBE)
    def test_is_a_semilattice(
        self, a: EventState | None, b: EventState | None, c: EventState | None
    ) -> None:
        """Associative, commutative, idempotent, with nothing as its bottom."""
        assert join(a, join(b, c)) is join(join(a, b), c)
        assert join(a, b) is join(b, a)
        assert join(a, a) is a
        assert join(a, None) is a

    @given(st.lists(st.sampled_from(EventState)), st.randoms(use_true_random=False))
    def test_order_and_repetition_do_not_matter(
        self, states: list[EventState], random: object
    ) -> None:
        """Events come shuffled and many times over."""
        shuffled = states * 2
        random.shuffle(shuffled)  # type: ignore[attr-defined]
        start: EventState | None = None

        assert reduce(join, states, start) is reduce(join, shuffled, start)

    @pytest.mark.parametrize(
        ("events", "expected"),
        [
            (["open", "delivered", "processed"], "opened"),
            (["delivered", "deferred"], "delivered"),
            (["delivered", "bounce"], "bounced"),
            (["click", "open", "spamreport"], "spam"),
            (["unsubscribe", "click"], "unsubscribed"),
            (["processed", "dropped"], "dropped"),
        ],
    )
    def test_keeps_the_most_severe(self, events: list[str], expected: str) -> None:
        """What matters most to the sender is shown."""
        states = [state_of(parse_event({"event": kind})) for kind in events]

        assert expected == reduce(join, states)


class TestStateOf:
    @pytest.mark.parametrize(
        ("raw", "expected"),
        [
            ({"event": "open", "sg_machine_open": True}, "machine_opened"),
            ({"event": "open"}, "opened"),
            ({"event": "bounce", "type": "bounce"}, "bounced"),
            ({"event": "bounce", "type": "blocked"}, "blocked"),
            ({"event": "group_unsubscribe"}, "unsubscribed"),
            ({"event": "group_resubscribe"}, None),
            ({"event": "account_status_change"}, None),
            ({"event": "received"}, None),
        ],
    )
    def test_reads_what_an_event_says(self, raw: dict[str, object], expected: str | None) -> None:
        """A machine is not a reader, and a block not a bounce."""
        assert expected == state_of(parse_event(raw))

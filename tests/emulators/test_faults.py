"""What goes wrong, and how it is asked for."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from homing.emulators.faults import FAULTS, Answer, BadFault, FaultPlan, parse_faults
from homing.emulators.ledger import RecordedRequest


def request(path: str = "/v3/mail/send") -> RecordedRequest:
    return RecordedRequest(1, 0.0, "POST", path, CIMultiDictProxy(CIMultiDict()), b"")


def read(spec):
    try:
        parse_faults([spec])
    except BadFault:
        return "an error"
    return "faults"


class TestParseFaults:
    def test_the_options_of_the_manual_are_read(self):
        """Shares are read as written, and are 1 when left out."""
        faults = parse_faults(
            ["sendgrid=timeout-after-accept:0.05,429:0.1", "webhook=duplicate:0.2,shuffle"]
        )

        assert {"timeout-after-accept": 0.05, "429": 0.1} == dict(faults.sendgrid.shares)
        assert {"duplicate": 0.2, "shuffle": 1.0} == dict(faults.webhook.shares)
        assert {} == dict(faults.segment.shares)

    @pytest.mark.parametrize("target", FAULTS)
    def test_every_listed_name_is_known(self, target):
        """Each fault of a target can be asked for."""
        faults = parse_faults([f"{target}=" + ",".join(FAULTS[target])])

        assert set(FAULTS[target]) == set(getattr(faults, target).shares)

    @pytest.mark.parametrize(
        ("spec", "says"),
        [
            ("sengrid=500", 'unknown target "sengrid". Did you mean "sendgrid"?'),
            ("sendgrid=time-out", "faults of sendgrid"),
            ("segment=502", "Known: 429, 500, hang, slow"),
            ("sendgrid=500:2", 'share of "500" to be between 0 and 1, got "2"'),
            ("sendgrid=500:-0.1", "between 0 and 1"),
            ("sendgrid=500:nan", "between 0 and 1"),
            ("sendgrid=500:half", 'got "half"'),
            ("sendgrid=500:", "between 0 and 1"),
            ("sendgrid", 'expected a fault like "sendgrid=429:0.1,500", got "sendgrid"'),
            ("sendgrid=", "expected a fault like"),
            ("sendgrid=500,,429", 'unknown fault ""'),
            ("=500", 'unknown target ""'),
        ],
    )
    def test_a_mistake_is_told_with_what_is_known(self, spec, says):
        """The message names what was found and what could stand there."""
        with pytest.raises(BadFault, match=re.escape(says)):
            parse_faults([spec])

    @given(st.text())
    def test_no_text_makes_it_fail_otherwise(self, text):
        """Whatever the option, the error is one of ours."""
        assert read(text) in {"faults", "an error"}


class TestFaultPlan:
    def test_a_script_is_followed_step_by_step(self):
        """Each request takes one step; after the last all goes well."""
        plan = FaultPlan("sendgrid")
        answer = Answer(429, headers={"Retry-After": "1"})

        plan.script(["500", "ok", answer])

        assert ["500", None, answer, None] == [plan.next_fault(request()) for _ in range(4)]

    def test_a_script_refuses_an_unknown_step(self):
        """A typo in a test must not make it pass."""
        with pytest.raises(BadFault):
            FaultPlan("segment").script(["ok", "502"])

    def test_a_rule_picks_its_requests(self):
        """A fault befalls what the predicate picks, as often as it says."""
        plan = FaultPlan("sendgrid")
        plan.when("hang", lambda row: row.path == "/v3/scopes", times=1)

        faults = [plan.next_fault(request(path)) for path in ("/v3/mail/send", "/v3/scopes")]

        assert [None, "hang"] == faults
        assert plan.next_fault(request("/v3/scopes")) is None

    def test_a_share_of_one_befalls_every_request(self):
        """1 means always."""
        plan = FaultPlan("sendgrid", {"502": 1.0})

        assert {"502"} == {plan.next_fault(request()) for _ in range(100)}

    def test_shares_come_out_about_right(self):
        """A thousand draws are near their shares."""
        plan = FaultPlan("sendgrid", {"429": 0.2, "500": 0.1}, seed=3)

        drawn = [plan.next_fault(request()) for _ in range(1000)]

        assert 150 < drawn.count("429") < 250
        assert 60 < drawn.count("500") < 140

    def test_the_same_seed_draws_the_same(self):
        """A run with faults can be repeated."""
        first, second = (FaultPlan("sendgrid", {"429": 0.5}, seed=9) for _ in range(2))

        assert [first.next_fault(request()) for _ in range(50)] == [
            second.next_fault(request()) for _ in range(50)
        ]

    def test_shares_beyond_one_are_scaled_down(self):
        """Then every request has a fault, in proportion."""
        plan = FaultPlan("sendgrid", {"429": 1.0, "500": 1.0})

        assert {"429", "500"} == {plan.next_fault(request()) for _ in range(200)}

    def test_a_plan_can_be_switched_off_and_cleared(self):
        """Faults end when the test says so."""
        plan = FaultPlan("webhook", {"drop": 1.0})

        plan.enabled = False
        assert frozenset() == plan.next_faults()
        plan.enabled = True
        assert {"drop"} == plan.next_faults()
        plan.clear()
        assert frozenset() == plan.next_faults()

    def test_what_was_played_is_counted(self):
        """On a webhook's plan together with that of its forks."""
        plan = FaultPlan("webhook", {"drop": 1.0, "delay": 0.0})

        plan.next_faults()
        plan.fork(1).next_faults()

        assert {"drop": 2} == plan.played

    def test_a_shuffle_keeps_every_event(self):
        """Order is lost, events are not."""
        events = [{"n": n} for n in range(20)]

        shuffled = FaultPlan("webhook").shuffled(events)

        assert events != shuffled
        assert events == sorted(shuffled, key=lambda event: event["n"])

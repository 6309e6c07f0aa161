"""``homing why``: the decisions are recomputed by the code that made them (promise P7)."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.conftest import Command

from homing.cli import why


class TestEvent:
    @pytest.mark.parametrize("name", ["e2", "m-1", "2"])
    def test_what_each_rule_made_of_it(self, look: Command, name: str) -> None:
        """Which held, which did not, and by which clause."""
        row = look("why", name, "--json").row

        assert set(why.EVENT_FIELDS) == set(row)
        rules = {decision["rule"]: decision for decision in row["decisions"]}
        assert rules["order-confirmation"]["held"]
        assert not rules["digest"]["held"]
        assert not rules["digest"]["concerned"]
        assert 'false: event = "Digest Due"' in rules["digest"]["explanation"]
        assert ["accepted"] == [send["state"] for send in row["sends"]]

    def test_a_clause_that_was_false_is_shown_with_its_value(self, look: Command) -> None:
        """u0's order was worth nothing."""
        said = look("why", "e1").out

        assert "order-confirmation: does not hold (send order-confirmation)" in said
        assert "false: properties.total > 0 (properties.total is 0)" in said

    def test_the_id_of_a_send_leads_to_its_event(self, look: Command) -> None:
        """And the refusal of the gate is in the row."""
        key = look("sends", "--json", "--state", "skipped").row["id"]

        row = look("why", key, "--json").row

        assert "e6" == row["event"]["id"]
        assert ["suppressed: global"] == [send["reason"] for send in row["sends"]]

    def test_an_event_of_sendgrids_is_asked_as_the_rules_saw_it(self, look: Command) -> None:
        """As the track call that it is written home as."""
        event = next(r for r in look("events", "--json").rows if r["type"] == "delivered")

        row = look("why", event["id"], "--json").row

        assert row["note"] is None
        route = next(d for d in row["decisions"] if d["rule"] == "digest")
        assert 'event is "Email Delivered"' in route["explanation"]
        assert ["segment"] == [effect["dest"] for effect in row["effects"]]

    def test_what_was_quarantined_was_asked_of_no_rule(self, look: Command) -> None:
        """The reason is told instead."""
        row = look("why", "e7", "--json").row

        assert [] == row["decisions"]
        assert "quarantined: no type" in row["note"]

    def test_traits_that_changed_since_are_named(self, look: Command) -> None:
        """The person is as they are now; `plan` is read by a rule, `name` by none."""
        assert "changed_since" in look("why", "e2", "--json").row

    def test_bytes_that_are_gone_are_said(self, copy: Path, act: Command) -> None:
        """No rule can be asked."""
        (copy / "homing.log.db").unlink()

        assert "took the event's bytes" in act("why", "e2", "--json").row["note"]


class TestPerson:
    @pytest.mark.parametrize("name", ["u1", "u1@example.com"])
    def test_what_happened_and_what_would_be_refused(self, look: Command, name: str) -> None:
        """Suppressions, events, sends, and the gate's word on every email."""
        row = look("why", name, "--json").row

        assert set(why.PERSON_FIELDS) == set(row)
        refused = {one["email"]: one["refused"] for one in row["may_get"]}
        assert "suppressed: global" == refused["digest"]
        assert refused["order-confirmation"] is None

    def test_nobody_is_said(self, look: Command) -> None:
        """Exit 1."""
        done = look("why", "somebody")

        assert (1, "") == (done.code, done.out)


class TestNot:
    def test_the_clause_that_was_false(self, look: Command) -> None:
        """u1 is on the free plan."""
        row = look("why", "--not", "own", "u1", "--json").row

        assert set(why.NOT_FIELDS) == set(row)
        (route,) = row["routes"]
        (event,) = route["events"]
        assert "e5" == event["event"]
        assert 'false: profile.plan = "pro" (profile.plan is "free")' in event["explanation"]

    def test_the_gate_s_refusal(self, look: Command) -> None:
        """The route held, and the send was skipped."""
        row = look("why", "--not", "digest", "u1", "--json").row

        (event,) = row["routes"][0]["events"]
        assert ("skipped", "suppressed: global") == (event["state"], event["reason"])
        assert event["held"]
        assert "suppressed: global" == row["refused"]

    def test_somebody_of_whom_no_such_event_came(self, look: Command) -> None:
        """Said in words."""
        said = look("why", "--not", "digest", "u2").out

        assert "none of the person's newest events is one for which it could hold" in said

    def test_an_email_that_is_not_configured(self, look: Command) -> None:
        """With a guess at what was meant."""
        done = look("why", "--not", "digst", "u1")

        assert 65 == done.code
        assert 'did you mean "digest"?' in done.err

    def test_an_earlier_route_that_stopped(self, copy: Path, act: Command) -> None:
        """By the configuration in force."""
        config = copy / "homing.toml"
        text = config.read_text().replace("[route.order-confirmation]", "[route.first]", 1)
        start = text.index("[route.first]")
        first = text[start : text.index("[route.digest]")]
        again = first.replace("[route.first]", "[route.order-confirmation]")
        text = text.replace(first, f"{first.rstrip()}\nstop = true\n\n{again}")
        config.write_text(text)

        row = act("why", "--not", "order-confirmation", "u1", "--json").row

        stopped = {route["rule"]: route["events"][0]["stopped_by"] for route in row["routes"]}
        assert {"first": None, "order-confirmation": "first"} == stopped

    def test_a_pause_is_a_reason_too(self, copy: Path, act: Command) -> None:
        """Somebody holds the mail."""
        act("pause", "mail", "--reason", "checking")

        row = act("why", "--not", "order-confirmation", "u2", "--json").row

        assert "paused: mail: checking" == row["refused"]

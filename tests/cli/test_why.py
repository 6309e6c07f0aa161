"""``homing why``: the decisions are recomputed by the code that made them (promise P7)."""

from __future__ import annotations

import shutil
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


class TestEventInJourneys:
    @pytest.mark.parametrize(
        ("name", "outcome", "words"),
        [
            ("e1", "entered", "entered: r1"),
            ("e5", "missing_key", "the event has no value at $.properties.cart_id"),
            ("e6", "not_held", "its condition does not hold"),
            ("e7", "alive", "a run of key c1 was under way since 2026-01-05T12:00:00.000+00:00: "
             "r1 at wait"),
            ("e8", "too_old", "it was 2d old when it came: max_age is 1d"),
        ],
    )  # fmt: skip
    def test_whether_it_entered_and_why_not(
        self, shop: Command, name: str, outcome: str, words: str
    ) -> None:
        """With the values, and the condition's explanation."""
        row = shop("why", name, "--json").row

        assert set(why.EVENT_FIELDS) == set(row)
        (entry,) = row["entries"]
        assert ("cart", outcome, words) == (entry["journey"], entry["outcome"], entry["words"])
        assert entry["held"] == (outcome != "not_held")
        assert "properties.total is" in entry["explanation"]

    def test_what_it_did_to_runs_and_what_was_asked_of_them(self, shop: Command) -> None:
        """u2 bought what was in the cart."""
        row = shop("why", "e9", "--json").row

        assert [("r2", "exited", "bought"), ("r2", "goal", None)] == [
            (line["run"], line["what"], line["name"]) for line in row["runs"]
        ]
        assert [("exit bought", True), ("goal", True)] == [
            (rule["rule"], rule["held"]) for rule in row["rules_of_runs"]
        ]

    def test_a_rule_of_another_key_s_run_did_not_hold(self, shop: Command) -> None:
        """u8 bought one cart of two."""
        rules = shop("why", "e22", "--json").row["rules_of_runs"]

        assert {("r4", "goal", True), ("r7", "goal", False)} == {
            (rule["run"], rule["rule"], rule["held"]) for rule in rules
        }
        assert "of key c8, the run's is d8" in shop("why", "e22").out

    def test_a_hold_is_asked_where_the_run_stood(self, shop: Command) -> None:
        """u4's timer started again."""
        row = shop("why", "e17", "--json").row

        assert [("wait: changed", True)] == [(r["rule"], r["held"]) for r in row["rules_of_runs"]]
        assert [("restarted", "changed")] == [(r["what"], r["name"]) for r in row["runs"]]

    @pytest.mark.parametrize(
        ("reentry", "outcome", "words"),
        [
            ("once", "once", "nobody enters twice"),
            ("after-exit", "not_exited", "that run is completed, and no exit ended it"),
            ("1w", "too_soon", "again after 7d, from 2026-01-12T13:00:00.000+00:00 on"),
            ("always", "none", "holds now, and started nothing then: configuration or person "
             "have changed"),
        ],
    )  # fmt: skip
    def test_a_second_entry_is_refused_with_when_the_first_was(
        self, carts: Path, tmp_path: Path, inside: Command, reentry: str, outcome: str, words: str
    ) -> None:
        """By the configuration in force, whatever it was then."""
        folder = Path(shutil.copytree(carts, tmp_path / "again"))
        config = folder / "homing.toml"
        when = """when = 'event = "Signed Up"'"""
        config.write_text(config.read_text().replace(when, f'{when}, reentry = "{reentry}"'))

        (entry,) = inside(folder, "why", "e25", "--json").row["entries"]

        first = "entered before, at 2026-01-05T13:00:00.000+00:00 (r10): "
        assert (outcome, ("" if outcome == "none" else first) + words) == (
            entry["outcome"], entry["words"],
        )  # fmt: skip

    def test_what_did_enter_is_told_whatever_the_configuration_says_now(
        self, carts: Path, tmp_path: Path, inside: Command
    ) -> None:
        """Its history says so."""
        folder = Path(shutil.copytree(carts, tmp_path / "other"))
        config = folder / "homing.toml"
        config.write_text(config.read_text().replace("properties.total > 0", "false = true"))

        (entry,) = inside(folder, "why", "e13", "--json").row["entries"]

        assert ("entered", "r7", False) == (entry["outcome"], entry["run"], entry["held"])


class TestSendOfAJourney:
    def test_its_run_is_told(self, shop: Command) -> None:
        """u3 opted out."""
        key = shop("sends", "--json", "--state", "skipped").row["id"]

        row = shop("why", key, "--json").row

        assert set(row) == {name for names in why.SEND_FIELDS for name in names.split(", ")}
        assert ("r3", "suppressed: global") == (row["run"]["id"], row["send"]["reason"])
        assert "skipped" in {line["what"] for line in row["history"]}
        assert "RUN OF CART" in shop("why", key).out


class TestPersonInJourneys:
    def test_where_they_are_and_what_they_wait_for(self, shop: Command) -> None:
        """And what happened in each run."""
        row = shop("why", "u4", "--json").row

        assert set(why.PERSON_FIELDS) == set(row)
        (run,) = row["runs"]
        assert ("waiting", "wait") == (run["run"]["state"], run["run"]["step"])
        assert "changed" == run["waits_for"][0]["name"]
        assert "restarted" in {line["what"] for line in run["history"]}

    def test_transactional_mail_leaves_in_spite_of_an_opt_out(self, shop: Command) -> None:
        """u3 opted out of all that is marketing."""
        may_get = {one["email"]: one for one in shop("why", "u3", "--json").row["may_get"]}

        assert "transactional: leaves in spite of the opt-out" == may_get["welcome"]["note"]
        assert ("suppressed: global", None) == (
            may_get["reminder"]["refused"], may_get["reminder"]["note"],
        )  # fmt: skip

    def test_everybody_of_an_address_is_told_of(self, shop: Command) -> None:
        """Two people share one: people are not merged by address."""
        rows = shop("why", "home@x.io", "--json").rows

        assert {"w1", "w2"} == {row["person"]["user_id"] for row in rows}
        assert "WHO HAS THE SAME ADDRESS" in shop("why", "home@x.io").out
        assert 2 == len(shop("why", "--not", "reminder", "home@x.io", "--json").rows)


class TestNotByAJourney:
    @pytest.mark.parametrize(
        ("email", "who", "reason"),
        [
            ("reminder", "u2", "ended before it by exit bought at wait, "
             "2026-01-05T13:00:00.000+00:00 (e9)"),
            ("reminder", "u3", "is skipped: suppressed: global"),
            ("reminder", "u4", "waits at wait until 2026-01-05T16:30:00.000+00:00, or for: "
             "changed, exit bought"),
            ("reminder", "u8", "is reserved: cap 1 per 7d: reached by journey cart, asked again "
             "at 2026-01-06T15:00:00.000+00:00"),
            ("reminder", "v1", "by chance went none at which, not mail"),
            ("welcome", "u7", "waits at later until 2026-01-06T13:00:00.000+00:00"),
            ("welcome", "u9", "went else at who, and not pro"),
        ],
    )  # fmt: skip
    def test_the_reason_in_words(self, shop: Command, email: str, who: str, reason: str) -> None:
        """Of the newest run."""
        row = shop("why", "--not", email, who, "--json").row

        assert set(why.NOT_FIELDS) == set(row)
        (journey,) = row["journeys"]
        assert reason in " ".join(one["reason"] for one in journey["runs"][0]["reasons"])
        assert reason in shop("why", "--not", email, who).out

    def test_the_way_not_taken_is_explained(self, shop: Command) -> None:
        """By the event that the run had taken, and its values."""
        row = shop("why", "--not", "welcome", "u9", "--json").row

        (way,) = [x for x in row["journeys"][0]["runs"][0]["reasons"] if x["explanation"]]
        assert 'properties.plan is "free"' in way["explanation"]

    def test_who_never_entered_and_the_events_that_could_have(self, shop: Command) -> None:
        """Each with why it did not."""
        row = shop("why", "--not", "reminder", "u5", "--json").row

        (journey,) = row["journeys"]
        assert [] == journey["runs"]
        assert [("e6", "not_held"), ("e5", "missing_key")] == [
            (entry["event"], entry["outcome"]) for entry in journey["entries"]
        ]
        assert "never entered" in shop("why", "--not", "reminder", "u5").out

    def test_an_email_that_nobody_sends(self, shop: Command) -> None:
        """Is said."""
        assert "no route and no journey sends" in str(
            shop("why", "--not", "spare", "u1", "--json").row["note"]
        )

    def test_a_journey_that_is_gone_goes_on_for_those_in_it(
        self, carts: Path, tmp_path: Path, inside: Command
    ) -> None:
        """By the version that they entered."""
        folder = Path(shutil.copytree(carts, tmp_path / "gone"))
        config = folder / "homing.toml"
        config.write_text(config.read_text().replace("journey.cart", "journey.carts"))

        rows = inside(folder, "why", "--not", "reminder", "u4", "--json").row["journeys"]

        carts_, cart = rows
        assert ("carts", "live", []) == (carts_["journey"], carts_["status"], carts_["runs"])
        assert ("cart", "gone", []) == (cart["journey"], cart["status"], cart["entries"])
        assert "waits at wait until" in cart["runs"][0]["reasons"][0]["reason"]

    def test_a_draft_sends_nothing(self, carts: Path, tmp_path: Path, inside: Command) -> None:
        """By the configuration in force."""
        folder = Path(shutil.copytree(carts, tmp_path / "draft"))
        config = folder / "homing.toml"
        named = "[journey.cart]"
        config.write_text(config.read_text().replace(named, f'{named}\nstatus = "draft"'))

        said = inside(folder, "why", "--not", "reminder", "u1").out

        assert "draft: it sends nothing" in said

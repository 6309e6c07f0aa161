"""
What must be seen in the examples: said from the design, not taken from what was printed.
"""

from __future__ import annotations

from typing import Any

import pytest
from tests.examples.generate import lines


def of(name: str, person: str, what: str, **fields: object) -> list[dict[str, Any]]:
    """The lines of one person, of one kind, that have these fields."""
    wanted = {"person": person, "what": what, **fields}
    return [line for line in lines(name) if wanted.items() <= line.items()]


def mails(name: str, person: str) -> list[tuple[str, str]]:
    """The emails that left for a person: when, and which."""
    return [(line["at"], line["email"]) for line in of(name, person, "send")]


def refusals(name: str, person: str) -> list[str]:
    """Why emails did not leave for a person."""
    return [line["reason"] for line in of(name, person, "skipped")]


class TestOrderConfirmation:
    NAME = "order-confirmation"

    def test_a_cart_is_confirmed_once(self) -> None:
        """However often the event is delivered, and though the shop says it twice."""
        assert [("2026-03-02T10:00:00.000Z", self.NAME)] == mails(self.NAME, "ada")

    def test_two_carts_are_confirmed_apart(self) -> None:
        """Each with its own items and total."""
        sent = of(self.NAME, "ben", "send")

        assert [("c-101", "$55.34"), ("c-102", "$25.00")] == [
            (line["data"]["cart"], line["data"]["total"]) for line in sent
        ]

    def test_it_is_transactional(self) -> None:
        """An unsubscribe does not stop it; a bounce and a missing address do."""
        assert 1 == len(mails(self.NAME, "cleo"))
        assert ["suppressed: bounce"] == refusals(self.NAME, "gus")
        assert ["no_email"] == refusals(self.NAME, "dan_no_address")

    def test_an_old_order_replayed_starts_nothing(self) -> None:
        """Eve has no line at all."""
        assert "eve" not in {line["person"] for line in lines(self.NAME)}

    def test_a_guest_is_written_to_by_the_address_of_the_event(self) -> None:
        """No profile, and no name: the email says "there"."""
        (sent,) = of(self.NAME, "anon_finn", "send")

        assert ("finn@people.example", "there") == (sent["to"], sent["data"]["name"])


class TestApplicationAbandonment:
    NAME = "application-abandonment"

    @pytest.mark.parametrize(
        ("person", "emails"),
        [pytest.param("ada", 0, id="1 ms before"), pytest.param("ben", 0, id="in that ms"),
         pytest.param("cleo", 1, id="1 ms after")],
    )  # fmt: skip
    def test_the_deadline_is_exact(self, person: str, emails: int) -> None:
        """Completed up to the deadline: no email; after it: the email. Each counts as converted."""
        assert emails == len(mails(self.NAME, person))
        assert 1 == len(of(self.NAME, person, "goal"))

    def test_two_applications_one_completed_one_nudge(self) -> None:
        """It is about the one that is open."""
        (sent,) = of(self.NAME, "dan", "send")

        assert ("D-2", "D-2") == (sent["key"], sent["data"]["application"])
        assert ["D-1"] == [line["key"] for line in of(self.NAME, "dan", "exited")]

    def test_nothing_comes_twice_late_or_against_a_wish(self) -> None:
        """A duplicate and a restart: one nudge; an old replay and a key spelt otherwise: no run."""
        assert 1 == len(mails(self.NAME, "eve"))
        assert [] == [*of(self.NAME, "finn", "entered"), *of(self.NAME, "hana", "entered")]
        assert ["suppressed: global"] == refusals(self.NAME, "gus")


class TestCartViewed:
    NAME = "cart-viewed"

    def test_the_deadline_is_exact(self) -> None:
        """Checked out 1 ms before the hour is over: no email; 1 ms after: the email."""
        assert [] == mails(self.NAME, "ada")
        assert [("2026-03-02T11:00:00.000Z", "your-cart")] == mails(self.NAME, "cleo")

    def test_three_carts_are_three_runs(self) -> None:
        """Buying one ends one; the two others are reminded of, each with its own items."""
        assert 3 == len(of(self.NAME, "dan", "entered"))
        sent = {
            line["key"]: [item["name"] for item in line["data"]["items"]]
            for line in of(self.NAME, "dan", "send")
        }
        assert {"c-31": ["Cup"], "c-33": ["Cup", "Lamp"]} == sent

    def test_one_cart_is_reminded_of_once_a_week(self) -> None:
        """Not for a second look in the hour, nor two days later; but eight days later."""
        days = [at[:10] for at, _ in mails(self.NAME, "eve")]

        assert ["2026-03-02", "2026-03-10"] == days

    def test_a_price_as_text_is_a_number(self) -> None:
        """The value of a conversion is counted, not spelt."""
        assert [55.34] == [line["value"] for line in of(self.NAME, "cleo", "goal")]

    def test_who_left_the_group_is_not_reminded(self) -> None:
        """The refusal says of which group."""
        assert ["suppressed: group:reminders"] == refusals(self.NAME, "gus")


class TestCartModified:
    NAME = "cart-modified"

    def test_a_change_starts_the_timer_again(self) -> None:
        """Changed at 1 h 59 min: the email leaves at 3 h 59 min, with the newest cart."""
        (entered,) = of(self.NAME, "ada", "entered")
        (restarted,) = of(self.NAME, "ada", "restarted")
        (sent,) = of(self.NAME, "ada", "send")

        assert ("2026-03-02T10:00:00.000Z", "2026-03-02T11:59:00.000Z") == (
            entered["at"], restarted["at"],
        )  # fmt: skip
        assert "2026-03-02T13:59:00.000Z" == sent["at"]
        assert ["Cup", "Lamp"] == [item["name"] for item in sent["data"]["items"]]
        assert ["Cup"] == [item["name"] for item in sent["data"]["first"]]

    def test_a_restart_is_no_branch_and_no_entry(self) -> None:
        """One line says it, of the branch by its name."""
        assert ["changed"] == [line["branch"] for line in of(self.NAME, "ada", "restarted")]
        assert 1 == len(of(self.NAME, "ada", "entered"))
        assert [] == of(self.NAME, "ada", "branch")

    def test_the_deadline_is_exact(self) -> None:
        """Bought 1 ms before it: no email; 1 ms after: the email."""
        assert [] == mails(self.NAME, "ben")
        assert ["bought"] == [line["exit"] for line in of(self.NAME, "ben", "exited")]
        assert 1 == len(mails(self.NAME, "cleo"))

    def test_one_bought_cart_of_three_ends_one_run(self) -> None:
        """The others go on by themselves: one was changed, and waits longer."""
        assert ["c-42"] == [line["key"] for line in of(self.NAME, "dan", "exited")]
        assert [("c-43", "2026-03-02T12:02:00.000Z"), ("c-41", "2026-03-02T12:30:00.000Z")] == [
            (line["key"], line["at"]) for line in of(self.NAME, "dan", "send")
        ]

    def test_an_event_counts_before_the_timer_of_the_same_instant(self) -> None:
        """A change in the very millisecond; the change that came twice counted once."""
        assert ["2026-03-02T10:30:00.000Z", "2026-03-02T12:30:00.000Z"] == [
            line["at"] for line in of(self.NAME, "eve", "restarted")
        ]
        assert ["2026-03-02T14:30:00.000Z"] == [at for at, _ in mails(self.NAME, "eve")]

    def test_who_is_identified_in_time_gets_it(self) -> None:
        """The run moves from the anonymous one to the person."""
        assert ["finn@people.example"] == [line["to"] for line in of(self.NAME, "finn", "send")]

    def test_an_opt_out_and_an_old_replay_get_none(self) -> None:
        """One is refused by name, the other never began."""
        assert ["suppressed: global"] == refusals(self.NAME, "gus")
        assert [] == of(self.NAME, "hana", "entered")


class TestBrowseAbandonment:
    NAME = "browse-abandonment"

    def test_the_deadline_is_exact(self) -> None:
        """Added 1 ms before it: no email; 1 ms after: the email."""
        assert [] == mails(self.NAME, "ada")
        assert 1 == len(mails(self.NAME, "ben"))

    def test_the_last_product_counts(self) -> None:
        """Half an hour after it, and it is what the email shows."""
        (sent,) = of(self.NAME, "cleo", "send")

        assert ("2026-03-02T10:59:00.000Z", "Lamp") == (sent["at"], sent["data"]["product"])

    def test_one_product_added_ends_every_session(self) -> None:
        """It carries no session, and needs none."""
        assert ["s-51", "s-52"] == sorted(line["key"] for line in of(self.NAME, "eve", "exited"))

    def test_a_second_email_in_three_days_waits_and_expires(self) -> None:
        """After a day, by name."""
        assert ["s-41"] == [line["key"] for line in of(self.NAME, "dan", "send")]
        assert ["deliver_within is over"] == refusals(self.NAME, "dan")
        (waits,) = of(self.NAME, "dan", "waiting", key="s-42", step="remind")
        assert waits["reason"].startswith("cap 1 per 3d")

    def test_nothing_leaves_at_night(self) -> None:
        """It leaves at 08:00 in New York, 13:00 in UTC in winter."""
        assert ["2026-03-03T13:00:00.000Z"] == [at for at, _ in mails(self.NAME, "ines")]

    def test_what_waits_for_the_morning_can_be_stopped(self) -> None:
        """The product was added in the night: the email is skipped, and says by which exit."""
        (line,) = of(self.NAME, "ines", "skipped")

        assert ("2026-03-09T04:10:00.000Z", "exited: added") == (line["at"], line["reason"])

    def test_an_address_is_needed_and_an_opt_out_heard(self) -> None:
        """Who was identified in time has one."""
        assert ["finn@people.example"] == [line["to"] for line in of(self.NAME, "finn", "send")]
        assert ["no_email"] == refusals(self.NAME, "anon_gus")
        assert ["suppressed: global"] == refusals(self.NAME, "jan")


class TestTrialReengagement:
    NAME = "trial-reengagement"

    def test_the_deadline_is_exact(self) -> None:
        """Subscribed 1 ms before it: no email; 1 ms after: the email."""
        assert [] == mails(self.NAME, "ada")
        assert [("2026-03-19T10:00:00.000Z", "come-back")] == mails(self.NAME, "ben")

    def test_a_subscription_during_the_trial_is_seen_by_the_later_hold(self) -> None:
        """As soon as the run comes there: it looked back."""
        (branch,) = of(self.NAME, "cleo", "branch", step="grace")

        assert ("subscribed", "looked back") == (branch["branch"], branch["reason"])
        assert [] == mails(self.NAME, "cleo")
        assert [1055.34] == [line["value"] for line in of(self.NAME, "cleo", "goal")]

    def test_accounts_are_told_apart_under_both_names(self) -> None:
        """The one that subscribed as `accountID` is the one that began as `Account_ID`."""
        assert ["acc-41"] == [line["key"] for line in of(self.NAME, "dan", "send")]
        assert ["acc-42"] == [line["key"] for line in of(self.NAME, "dan", "goal")]

    def test_no_trial_no_email(self) -> None:
        """One that does not end, an old one, an end without a start; and an opt-out."""
        nobody = [mails(self.NAME, person) for person in ("eve", "finn", "hana", "gus")]

        assert [[], [], [], []] == nobody
        assert 1 == len(of(self.NAME, "gus", "entered"))


class TestFunnel:
    NAME = "funnel"

    def test_who_goes_all_the_way_gets_no_email(self) -> None:
        """And is worth what the text says."""
        assert [] == mails(self.NAME, "ada")
        assert [55.34] == [line["value"] for line in of(self.NAME, "ada", "goal")]

    def test_each_stage_has_its_email(self) -> None:
        """To the address of an identify: the events know only the user."""
        sent = of(self.NAME, "cleo", "send")

        assert ["create-account", "add-payment", "start-trial", "subscribe"] == [
            line["email"] for line in sent
        ]
        assert {"cleo@people.example"} == {line["to"] for line in sent}
        assert ["acc-3"] * 3 == [line["data"]["account"] for line in sent[1:]]

    def test_what_came_during_an_earlier_step_is_seen_by_the_later_hold(self) -> None:
        """A payment method before the account, a subscription during the trial."""
        seen = [
            (line["step"], line["at"])
            for line in of(self.NAME, "dan", "branch", reason="looked back")
        ]

        assert [
            ("payment", "2026-03-03T09:59:59.999Z"),
            ("subscription", "2026-03-17T10:00:00.000Z"),
        ] == seen
        assert [] == mails(self.NAME, "dan")

    def test_nobody_is_asked_for_the_next_stage_before_this_one(self) -> None:
        """Without an account one email, and the end."""
        assert ["create-account"] == [email for _, email in mails(self.NAME, "ben")]
        assert ["add-payment"] == [email for _, email in mails(self.NAME, "eve")]
        assert [] == mails(self.NAME, "gus") + mails(self.NAME, "finn")


class TestOnboarding:
    NAME = "onboarding"

    def test_the_hello_leaves_at_once(self) -> None:
        """To everybody who enters, whatever they want of the rest."""
        hello = [line["person"] for line in lines(self.NAME) if line.get("email") == "hello"]

        assert ["ada", "ben", "cleo", "dan", "eve", "finn", "gus", "ivo"] == hello

    def test_a_persona_has_its_own_first_step(self) -> None:
        """A hint only to those who have not taken it in three days, to the millisecond."""
        assert [("2026-03-05T10:00:00.000Z", "first-key")] == mails(self.NAME, "ben")[1:2]
        assert "first-campaign" not in [email for _, email in mails(self.NAME, "cleo")]
        assert "first-campaign" in [email for _, email in mails(self.NAME, "dan")]

    def test_the_plan_is_read_when_it_is_needed(self) -> None:
        """Dan had another when he entered."""
        assert "book-a-call" in [email for _, email in mails(self.NAME, "dan")]

    def test_an_exit_ends_it_wherever_it_is(self) -> None:
        """Done, or gone: nothing follows."""
        ends = {who: of(self.NAME, who, "exited")[0]["exit"] for who in ("eve", "finn")}

        assert {"eve": "done", "finn": "left"} == ends
        assert [1, 1] == [len(mails(self.NAME, who)) for who in ("eve", "finn")]

    def test_what_was_done_before_it_was_asked_for_counts(self) -> None:
        """The later hold looks back."""
        assert ["looked back"] == [
            line["reason"] for line in of(self.NAME, "ivo", "branch", step="team")
        ]


class TestHighIntent:
    NAME = "high-intent"

    @pytest.mark.parametrize(
        ("person", "enters"),
        [pytest.param("ben", 1, id="third exactly 7 days after the first"),
         pytest.param("cleo", 0, id="1 ms later"), pytest.param("dan", 0, id="2 and a duplicate"),
         pytest.param("hana", 0, id="3 of last month, replayed")],
    )  # fmt: skip
    def test_the_third_view_in_seven_days_enters(self, person: str, enters: int) -> None:
        """Counted by event time, both ends included, each event once."""
        assert enters == len(of(self.NAME, person, "entered"))

    def test_the_email_leaves_on_a_working_morning_where_the_person_lives(self) -> None:
        """From Friday 17:30 to Monday 09:00 in New York, which is 13:00 in UTC in summer."""
        assert [("2026-03-09T13:00:00.000Z", "talk-to-us")] == mails(self.NAME, "ada")

    def test_segment_is_told_at_once(self) -> None:
        """In the instant of the entry, and once."""
        (effect,) = of(self.NAME, "ada", "effect")

        assert ("identify", "2026-03-06T22:30:00.000Z") == (effect["effect"], effect["at"])

    def test_the_deadline_is_exact(self) -> None:
        """A demo asked for 1 ms before nine: no email; 1 ms after: the email."""
        assert [] == mails(self.NAME, "eve")
        assert [("2026-03-04T08:00:00.000Z", "talk-to-us")] == mails(self.NAME, "finn")


class TestWinBack:
    NAME = "win-back"

    def test_ninety_days_count_from_the_last_open_or_click(self) -> None:
        """An open that came twice counted once."""
        assert ["2026-02-04", "2026-02-19"] == [
            line["at"][:10] for line in of(self.NAME, "ada", "restarted")
        ]
        assert [("2026-05-20T10:00:00.000Z", "win-back")] == mails(self.NAME, "ada")

    def test_opens_by_machines_do_not_count(self) -> None:
        """Neither before the question nor as its answer."""
        asked = [("2026-04-05T10:00:00.000Z", "win-back")]

        assert (asked, asked) == (mails(self.NAME, "ben"), mails(self.NAME, "eve"))
        assert [] == of(self.NAME, "eve", "branch")

    def test_the_last_second_counts(self) -> None:
        """One before: not asked yet; one after: asked, and back."""
        assert ["2026-07-04"] == [at[:10] for at, _ in mails(self.NAME, "cleo")]
        assert ["back"] == [line["branch"] for line in of(self.NAME, "dan", "branch")]
        assert 2 == len(of(self.NAME, "dan", "entered"))

    def test_who_does_not_answer_is_let_go(self) -> None:
        """After two weeks, of the newsletter only."""
        (effect,) = of(self.NAME, "ben", "effect")

        assert "2026-04-19T10:00:00.000Z" == effect["at"]
        assert effect["effect"].startswith("suppress")
        assert effect["effect"].endswith("newsletter")

    def test_who_unsubscribes_is_asked_nothing(self) -> None:
        """It is an exit."""
        assert ["left"] == [line["exit"] for line in of(self.NAME, "finn", "exited")]
        assert [] == mails(self.NAME, "finn")


class TestWelcome:
    NAME = "welcome"

    def test_each_variant_has_its_subject(self) -> None:
        """The first email of everybody in it, and of nobody else."""
        subjects = {
            (line["variant"], line["data"]["subject"])
            for line in lines(self.NAME)
            if line.get("email") == "welcome"
        }

        assert {
            ("plain", "Welcome to Acme"), ("question", "What would you like to make first?"),
        } == subjects  # fmt: skip

    def test_the_hold_out_gets_no_email_and_converts(self) -> None:
        """Up to the last instant of the thirty days."""
        (goal,) = of(self.NAME, "uma", "goal")

        assert [] == mails(self.NAME, "uma")
        assert ("hold-out", 12.5) == (goal["variant"], goal["value"])

    def test_a_conversion_after_its_time_does_not_count(self) -> None:
        """1 ms too late."""
        assert [] == of(self.NAME, "ivo", "goal")

    def test_the_series_keeps_its_times_and_its_variant(self) -> None:
        """At once, after three days, after a week; entered once, though signed up three times."""
        assert [
            ("2026-03-02T10:00:00.000Z", "welcome"),
            ("2026-03-05T10:00:00.000Z", "first-steps"),
            ("2026-03-09T10:00:00.000Z", "what-others-made"),
        ] == mails(self.NAME, "ada")
        assert {"plain"} == {line["variant"] for line in of(self.NAME, "ada", "send")}
        assert 1 == len(of(self.NAME, "ada", "entered"))

    def test_an_opt_out_ends_it(self) -> None:
        """1 ms before the second email: one email; 1 ms after: two."""
        assert [1, 2] == [len(mails(self.NAME, who)) for who in ("cleo", "gus")]

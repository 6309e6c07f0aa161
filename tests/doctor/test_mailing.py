"""Senders, groups, unsubscribing, tracking."""

import pytest
from tests.doctor.conftest import BASE, EMAIL, statuses

from homing.doctor import mailing
from homing.doctor.answers import Domain, Failed, Got, Group, Sender, Switch

FORBIDDEN = Failed(403, "access forbidden")
MARKETING = """
[email.digest]
template = "d-00000000000000000000000000000002"
[route.digest]
when = 'event = "Digest"'
send = "digest"
"""
WAITS = """
[journey.nudge]
entry = { when = 'event = "Signed Up"' }
[[journey.nudge.step]]
id = "wait"
hold = "2d"
on = [{ name = "read", when = 'event = "Email Opened"', then = "end" }]
[[journey.nudge.step]]
id = "again"
send = "receipt"
"""


def domains(*rows):
    return Got(tuple(Domain(domain=name, subdomain="em1", valid=valid) for name, valid in rows))


def senders(*rows):
    return Got(tuple(Sender(from_email=name, verified=valid) for name, valid in rows))


NONE, NO_DOMAINS = senders(), domains()


class TestSenders:
    @pytest.mark.parametrize(
        ("of_domains", "of_senders", "expected", "says"),
        [
            (domains(("acme.example", True)), NONE, "ok", "authenticated"),
            (domains(("ACME.example", True)), NONE, "ok", "authenticated"),
            (domains(("acme.example", False)), NONE, "error", "DNS"),
            (domains(("acme.example", False), ("acme.example", True)), NONE, "ok", ""),
            (NO_DOMAINS, senders(("Hello@acme.example", True)), "ok", "single sender"),
            (NO_DOMAINS, senders(("hello@acme.example", False)), "error", "not verified yet"),
            (NO_DOMAINS, senders(("other@acme.example", True)), "error", "neither"),
            (domains(("example", True)), NONE, "warn", "may refuse"),
            (domains(("me.example", True)), NONE, "error", "neither"),
            (FORBIDDEN, FORBIDDEN, "skipped", "may not see"),
            (FORBIDDEN, senders(("hello@acme.example", True)), "ok", ""),
            (domains(("acme.example", True)), FORBIDDEN, "ok", ""),
            (FORBIDDEN, NONE, "skipped", "may not see"),
        ],
    )
    def test_an_address_is_of_an_authenticated_domain_or_verified(
        self, case, of_domains, of_senders, expected, says
    ):
        """What cannot be seen is not held against anybody."""
        (finding,) = mailing.of_senders(case(EMAIL, domains=of_domains, senders=of_senders))

        assert expected == finding.status.value
        assert says in finding.found

    def test_each_address_is_told_once_with_its_emails(self, case):
        """Of several emails from one address there is one line."""
        other = MARKETING.replace("template", 'from = "b@b.example"\ntemplate', 1)
        two = MARKETING.replace("digest", "weekly")
        made = case(EMAIL + other + two, domains=domains(("acme.example", True)), senders=NONE)

        findings = list(mailing.of_senders(made))

        assert ["from hello@acme.example (receipt, weekly)", "from b@b.example (digest)"] == [
            one.about for one in findings
        ]

    def test_mail_from_the_branded_subdomain_is_of_the_domain(self, case):
        """SendGrid's own subdomain is authenticated with it."""
        text = EMAIL.replace("template", 'from = "x@em1.acme.example"\ntemplate')
        (finding,) = mailing.of_senders(
            case(text, domains=domains(("acme.example", True)), senders=NONE)
        )

        assert "ok" == finding.status.value


class TestGroups:
    @pytest.mark.parametrize(
        ("rows", "expected"),
        [
            ([(12345, "Newsletter")], "ok"),
            ([(12345, "Weekly newsletter")], "ok"),
            ([(12345, "news")], "ok"),
            ([(12345, "Invoices")], "warn"),
            ([(1, "Newsletter")], "error"),
            ([], "error"),
        ],
    )
    def test_a_group_exists_and_is_the_one_that_is_meant(self, case, rows, expected):
        """An id that is not there would make global unsubscribes."""
        groups = Got(tuple(Group(id=number, name=name) for number, name in rows))
        (finding,) = mailing.of_groups(case(groups=groups))

        assert expected == finding.status.value

    def test_the_cure_names_the_groups_that_are_there(self, case):
        """So that the right id can be copied."""
        groups = Got((Group(id=7, name="News"),))
        (finding,) = mailing.of_groups(case(groups=groups))

        assert "News = 7" in finding.cure

    def test_groups_that_cannot_be_seen_or_are_not_set_are_skipped(self, case):
        """With the scope that lacks."""
        (unseen,) = mailing.of_groups(case(groups=FORBIDDEN))
        (none,) = mailing.of_groups(case(base=BASE.replace("newsletter = 12345", "")))

        assert ["skipped", "skipped"] == statuses([unseen, none])
        assert "asm.groups.read" in unseen.cure


class TestUnsubscribing:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            (EMAIL, "ok"),
            (MARKETING, "warn"),
            (MARKETING.replace("template", 'group = "newsletter"\ntemplate', 1), "ok"),
            ("", "ok"),
        ],
    )
    def test_marketing_has_a_group(self, case, text, expected):
        """Transactional mail needs none."""
        (finding,) = mailing.of_unsubscribing(case(text))

        assert expected == finding.status.value


class TestTracking:
    ON, OFF = Got(Switch(enabled=True)), Got(Switch(enabled=False))
    OWN = EMAIL.replace("data", "tracking = { opens = true, clicks = true }\ndata")
    NOT_HOME = BASE.replace('write_key = "${WRITE_KEY}"', "")

    @pytest.mark.parametrize(
        ("text", "base", "opens", "clicks", "expected"),
        [
            (EMAIL, BASE, ON, ON, ["ok", "ok"]),
            (EMAIL, BASE, OFF, ON, ["warn", "ok"]),
            (EMAIL + WAITS, BASE, OFF, OFF, ["error", "warn"]),
            (EMAIL + WAITS, NOT_HOME, OFF, OFF, ["error", "skipped"]),
            (EMAIL, NOT_HOME, OFF, OFF, ["skipped", "skipped"]),
            (OWN + WAITS, BASE, OFF, OFF, ["ok", "ok"]),
            (EMAIL, BASE, FORBIDDEN, FORBIDDEN, ["skipped", "skipped"]),
        ],
    )
    def test_what_is_waited_for_is_tracked(self, case, text, base, opens, clicks, expected):
        """By the account, or by every email itself; what is only written home is a warning."""
        made = case(text, base=base, opens=opens, clicks=clicks)

        assert expected == statuses(mailing.of_tracking(made))

    def test_who_waits_is_named(self, case):
        """By its place in the configuration."""
        (opens, _) = mailing.of_tracking(case(EMAIL + WAITS, opens=self.OFF, clicks=self.ON))

        assert "journey.nudge.step.0.on.0.when" in opens.found

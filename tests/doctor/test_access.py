"""Configuration, key, scopes, region, clock."""

from dataclasses import replace

import pytest
from tests.doctor.conftest import BASE, EMAIL, key, statuses

from homing.config import ConfigError, Problem
from homing.doctor import access
from homing.doctor.answers import Failed

OPT_OUT = """
[suppression]
opt_out = [{ when = 'event = "Left"' }, { when = 'event = "No News"', group = "newsletter" }]
"""
CONTACTS = """
[contacts]
when = 'type = "identify"'
"""
SENDING = ["mail.send", "templates.read", "user.webhooks.event.settings.read", "suppression.read",
           "asm.groups.read", "asm.groups.suppressions.read",
           "recipients.erasejob.create"]  # fmt: skip
OPTING = [f"asm.{of}.{verb}" for of in ("suppressions.global", "groups.suppressions")
          for verb in ("create", "delete")]  # fmt: skip


class TestConfig:
    def test_what_keeps_serve_from_starting_is_an_error(self, case):
        """A secret that is not there is named with its place."""
        made = case(EMAIL)
        refused = case(EMAIL, refusals=made.loaded.refusals({"WRITE_KEY": "k", "PUBLIC": "p"}))

        findings = list(access.of_config(refused))

        assert ["error", "error"] == statuses(findings)
        keys = ["sendgrid.api_key", "sendgrid.webhook.default.public_keys[0]"]
        assert all(key in one.found for key, one in zip(keys, findings, strict=True))

    def test_warnings_are_counted_and_none_is_well(self, case):
        """What they are, `homing check` tells."""
        plain = case(EMAIL)
        well = replace(plain, loaded=replace(plain.loaded, warnings=()))
        problem = ConfigError([Problem(well.loaded.path, "a.b", None, "odd")]).problems
        odd = replace(plain, loaded=replace(plain.loaded, warnings=problem))

        found = [next(access.of_config(one)) for one in (well, odd)]

        assert ["ok", "warn"] == statuses(found)
        assert "with 1 warning" in found[1].found


class TestKey:
    @pytest.mark.parametrize(
        ("look", "status", "says"),
        [
            (key("mail.send"), "ok", "takes it: 1 scopes"),
            (Failed(401, "authorization required"), "error", "refuses the key"),
            (Failed(403, "access forbidden"), "error", "refuses the key"),
            (Failed(None, "ConnectionError"), "error", "did not answer"),
            (Failed(503, "down"), "error", "did not answer"),
        ],
    )
    def test_it_is_taken_or_not(self, case, look, status, says):
        """And if not, it says whether the key or the way is at fault."""
        (finding,) = access.of_key(case(key=look))

        assert status == finding.status.value
        assert says in finding.found
        assert (status == "ok") == (not finding.cure)

    def test_a_wrong_key_may_be_of_the_other_region(self, case):
        """The cure names the EU's host."""
        (finding,) = access.of_key(case(key=Failed(401, "")))

        assert "api.eu.sendgrid.com" in finding.cure

    def test_no_key_is_an_error_but_for_capture_without_one(self, case):
        """Nothing leaves there."""
        live = case(base="", environ={})
        capture = case(base='[sendgrid]\nmode = "capture"\n', environ={})
        unset = case(environ={})

        found = [next(access.of_key(one)).status.value for one in (live, capture, unset)]
        assert ["error", "skipped", "error"] == found


class TestScopes:
    @pytest.mark.parametrize(
        ("text", "scopes", "expected"),
        [
            ("", [], ["warn"]),
            (EMAIL, SENDING, ["ok"]),
            (EMAIL, SENDING[1:], ["error"]),
            (EMAIL, SENDING[:1], ["warn"]),
            (EMAIL, [], ["error", "warn"]),
            (EMAIL + OPT_OUT, SENDING, ["error"]),
            (EMAIL + OPT_OUT, SENDING + OPTING, ["ok"]),
            (EMAIL + CONTACTS, SENDING, ["error"]),
            (EMAIL + CONTACTS, [*SENDING, "marketing.read"], ["ok"]),
            (EMAIL, [*SENDING, "api_keys.create"], ["warn"]),
        ],
    )
    def test_what_is_needed_must_be_there_and_not_everything(self, case, text, scopes, expected):
        """What sending needs is an error, what only looking needs a warning."""
        findings = list(access.of_scopes(case(text, key=key(*scopes))))

        assert expected == statuses(findings)

    def test_what_lacks_is_named_with_its_use(self, case):
        """So that somebody can grant it."""
        (finding,) = access.of_scopes(case(EMAIL, key=key(*SENDING[1:])))

        assert "mail.send" in finding.found
        assert "sending" in finding.found

    def test_capture_needs_no_leave_to_send(self, case):
        """Nothing leaves."""
        base = BASE.replace("[sendgrid]", '[sendgrid]\nmode = "capture"')
        findings = list(access.of_scopes(case(EMAIL, base=base, key=key(*SENDING[1:]))))

        assert ["warn"] == statuses(findings)

    def test_without_a_key_nothing_is_said_of_scopes(self, case):
        """One cause is told once."""
        (finding,) = access.of_scopes(case(EMAIL, key=Failed(401, "no")))

        assert "skipped" == finding.status.value


class TestRegion:
    EU = BASE.replace("[sendgrid]", '[sendgrid]\nendpoint = "https://api.eu.sendgrid.com"')

    @pytest.mark.parametrize(
        ("base", "text", "expected"),
        [
            (BASE, EMAIL + CONTACTS, "ok"),
            (EU, EMAIL, "ok"),
            (EU, EMAIL + CONTACTS, "error"),
            (EU, EMAIL + '[list.vip]\naudience = "vip"\n', "error"),
        ],
    )
    def test_the_eu_has_no_marketing(self, case, base, text, expected):
        """Contacts and lists need the global host."""
        (finding,) = access.of_region(case(text, base=base))

        assert expected == finding.status.value


class TestClock:
    @pytest.mark.parametrize(
        ("ahead_s", "expected"),
        [(0.0, "ok"), (29.0, "ok"), (-29.0, "ok"), (31.0, "warn"), (-31.0, "warn"),
         (299.0, "warn"), (-301.0, "error"), (301.0, "warn"), (None, "skipped")],
    )  # fmt: skip
    def test_a_clock_that_is_behind_sees_posts_from_the_future(self, case, ahead_s, expected):
        """Over `max_ahead` they are refused; ahead, only waits are wrong."""
        (finding,) = access.of_clock(case(key=key(ahead_s=ahead_s)))

        assert expected == finding.status.value


class TestUnseen:
    @pytest.mark.parametrize(
        ("look", "cure"),
        [
            (Failed(401, "no"), "see the check key"),
            (Failed(403, "no"), "grant the key x.read, or look at it by hand"),
            (Failed(503, "no"), "run this again; status.sendgrid.com tells of outages"),
            (Failed(None, "no"), ""),
        ],
    )
    def test_it_says_what_would_let_us_see(self, look, cure):
        """By what was answered."""
        assert cure == access.unseen(look, "it", "x.read").cure

"""The way home."""

import pytest
from tests.doctor.conftest import BASE, EMAIL, statuses

from homing.doctor import webhooks
from homing.doctor.answers import (
    Failed,
    Filters,
    Got,
    Integration,
    Integrations,
    Properties,
    Webhook,
    Webhooks,
)

URL = "https://homing.example/sendgrid"


def webhook(url=URL, **changes):
    known = {"id": "w1", "enabled": True, "public_key": "pk"} | dict.fromkeys(webhooks.FLAGS, True)
    return Webhook(**(known | {"url": url} | changes))


def account(*hooks):
    return Got(Webhooks(max_allowed=5, webhooks=hooks or (Webhook(),)))


class TestDoorOf:
    @pytest.mark.parametrize(
        ("url", "door"),
        [
            (URL, "default"),
            (URL + "/", "default"),
            ("https://x.example/behind/a/proxy/sendgrid", "default"),
            (URL + "/shop", "shop"),
            (URL + "?a=b", "default"),
            ("https://x.example/segment", None),
            ("https://x.example/", None),
            ("https://x.example", None),
            ("https://x.example/sendgrid/a/b", None),
            ("https://sendgrid/", None),
            ("", None),
            ("http://[bad/sendgrid", None),
        ],
    )
    def test_a_path_of_ours_leads_to_a_door(self, url, door):
        """Whatever stands before it: a proxy may have cut it off."""
        assert door == webhooks.door_of(url)


class TestWebhooks:
    @pytest.mark.parametrize(
        ("hooks", "expected"),
        [
            ([webhook()], ["ok"]),
            ([], ["error"]),
            ([webhook("https://x.example/elsewhere")], ["error"]),
            ([webhook(enabled=False)], ["error"]),
            ([webhook(public_key="")], ["error"]),
            ([webhook(public_key="other")], ["error"]),
            ([webhook(bounce=False)], ["error"]),
            ([webhook(open=False)], ["error"]),
            ([webhook(processed=False)], ["warn"]),
            ([webhook(enabled=False, delivered=False, public_key="")], ["error"] * 3),
            # a staging installation of the same account is none of our business
            ([webhook("https://staging.example/sendgrid", public_key="x"), webhook()], ["ok"]),
        ],
    )
    def test_one_posts_to_us_everything_signed_with_a_key_we_know(self, case, hooks, expected):
        """Whatever is wrong is told apart."""
        assert expected == statuses(webhooks.of_webhooks(case(EMAIL, webhooks=account(*hooks))))

    def test_opens_are_vital_only_where_they_are_written_home(self, case):
        """Else the ledger tells less, and no more."""
        text = EMAIL + '[writeback]\nevents = ["bounce"]\n'
        (finding,) = webhooks.of_webhooks(case(text, webhooks=account(webhook(open=False))))

        assert "warn" == finding.status.value

    def test_the_cure_is_a_command_with_the_url(self, case):
        """Copied, it repairs."""
        (finding,) = webhooks.of_webhooks(case(webhooks=account(webhook(enabled=False))))

        assert f"`homing doctor --fix --url {URL}`" == finding.cure

    def test_each_configured_webhook_is_looked_for(self, case):
        """By its name in the path."""
        base = BASE + '[sendgrid.webhook.shop]\npublic_keys = ["${PUBLIC}"]\n'
        found = list(webhooks.of_webhooks(case(base=base, webhooks=account(webhook()))))

        assert [("ok", "webhook default"), ("error", "webhook shop")] == [
            (one.status.value, one.about) for one in found
        ]

    def test_with_a_url_only_that_one_counts(self, case):
        """Whatever else posts to a path like ours."""
        made = case(webhooks=account(webhook()), url="https://other.example/sendgrid")
        (finding,) = webhooks.of_webhooks(made)

        assert "error" == finding.status.value
        assert "https://other.example/sendgrid" in finding.found

    def test_without_a_key_of_ours_posts_are_refused(self, case):
        """503 where no key is configured at all."""
        base = BASE.partition("[sendgrid.webhook")[0]
        (finding,) = webhooks.of_webhooks(case(base=base, webhooks=account(webhook())))

        assert "(503)" in finding.found

    def test_what_may_not_be_seen_is_skipped(self, case):
        """With the scope that lacks."""
        (finding,) = webhooks.of_webhooks(case(webhooks=Failed(403, "no")))

        assert ("skipped", True) == (
            finding.status.value, "user.webhooks.event.settings.read" in finding.cure
        )  # fmt: skip


class TestForwarding:
    @pytest.mark.parametrize(
        ("events", "write_key", "expected"),
        [
            (["open", "click"], "write-key", "error"),
            (["open", "click"], "another", "warn"),
            (["drop"], "write-key", "error"),
            (["machine_opened"], "write-key", "error"),
            (["deferred", "processed"], "write-key", "ok"),
            ([], "write-key", "ok"),
        ],
    )
    def test_what_sendgrid_forwards_itself_counts_twice(self, case, events, write_key, expected):
        """Into the same source it is an error, into another a warning."""
        one = Integration(
            destination="Segment",
            filters=Filters(email_events=tuple(events)),
            properties=Properties(write_key=write_key, destination_region="US"),
        )
        look = Got(Integrations(result=(one,)))
        (finding,) = webhooks.of_forwarding(case(integrations=look))

        assert expected == finding.status.value
        assert "write-key" not in finding.found

    def test_none_is_well_and_what_is_not_written_or_seen_is_skipped(self, case):
        """Without a write key nothing can count twice."""
        none = case(integrations=Got(Integrations()))
        unseen = case(integrations=Failed(403, "no"))
        silent = case("[writeback]\nevents = []\n", integrations=Got(Integrations()))

        found = [next(webhooks.of_forwarding(one)) for one in (none, unseen, silent)]
        assert ["ok", "skipped", "skipped"] == statuses(found)

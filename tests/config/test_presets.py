"""Names of written-back events: whole for every preset, overridable one by one."""

from __future__ import annotations

import pytest

from homing.config.presets import EVENT_TYPES, MACHINE_OPEN, PRESETS, names_of
from homing.config.values import Unfit
from homing.core.sendgrid import KNOWN_TYPES

# Segment docs, "Email spec": the six events it has.
EMAIL_SPEC = {
    "delivered": "Email Delivered",
    "bounce": "Email Bounced",
    "open": "Email Opened",
    "click": "Email Link Clicked",
    "spamreport": "Email Marked as Spam",
    "unsubscribe": "Unsubscribed",
}
# Segment docs, "SendGrid Marketing Campaigns source": all that it lists.
MARKETING_CAMPAIGNS = {
    *("Email Processed", "Email Delivered", "Email Opened", "Email Machine Opened"),
    *("Email Link Clicked", "Email Dropped", "Email Bounced", "Unsubscribed"),
    *("Unsubscribed From Group", "Resubscribed To Group", "Email Marked as Spam"),
}
# Segment docs, "Engage events source": those about one email.
ENGAGE = {
    *("Email Processed", "Email Deferred", "Email Delivered", "Email Opened"),
    *("Email Link Clicked", "Email Bounced", "Email Dropped", "Email Marked as Spam"),
    *("Email Machine Opened", "Email Unsubscribed", "Email Group Unsubscribed"),
    *("Email Group Subscribed",),
}


class TestPresets:
    @pytest.mark.parametrize("name", PRESETS)
    def test_each_names_every_event_about_an_email(self, name):
        """
        No event is left without a name.
        """
        assert {*EVENT_TYPES, MACHINE_OPEN} == set(PRESETS[name])
        assert {*EVENT_TYPES, "account_status_change"} == KNOWN_TYPES

    def test_email_spec_keeps_to_the_spec(self):
        """
        Where the spec has a name, that is the one.
        """
        assert EMAIL_SPEC.items() <= PRESETS["email-spec"].items()

    def test_segment_sendgrid_has_the_names_of_that_source(self):
        """
        Deferred events are not among them, and get a name all the same.
        """
        names = set(PRESETS["segment-sendgrid"].values())

        assert MARKETING_CAMPAIGNS == names - {"Email Deferred"}

    def test_engage_has_engages_names(self):
        """
        Audiences that were built on Engage's events go on working.
        """
        assert ENGAGE == set(PRESETS["engage"].values())


class TestNamesOf:
    def test_a_table_changes_single_names(self):
        """
        The others stay those of the Email spec.
        """
        names = names_of({"open": "Seen"})

        assert ("Seen", "Email Bounced") == (names["open"], names["bounce"])
        assert "Email Opened" == PRESETS["email-spec"]["open"]

    @pytest.mark.parametrize(
        "value", ["", "Email-Spec", 1, None, [], {"opened": "x"}, {"open": ""}, {"open": 1}]
    )
    def test_anything_else_does_not_fit(self, value):
        """
        Unknown presets and events, and names that are none.
        """
        with pytest.raises(Unfit):
            names_of(value)

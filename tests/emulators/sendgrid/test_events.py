"""The fields of every event type, against the table of the vendor's documentation."""

import base64
import json
from dataclasses import replace

import pytest
from tests.support.sendgrid_mail import mail

from homing.emulators.sendgrid import events
from homing.emulators.sendgrid.mail import mails_of
from homing.emulators.sendgrid.mail_body import decode_mail_body

AT = 1_700_000_000.7
COMMON = {"email", "timestamp", "event", "sg_event_id", "sg_message_id", "homing_send", "category"}
ENGAGED = {"useragent", "ip"}


def accepted(**changes):
    body = decode_mail_body(
        json.dumps(mail(custom_args={"homing_send": "s1"}, categories=["cart"], **changes)).encode()
    )
    (one,) = mails_of(
        body, "LRzXl_NHStOGhQ4kofSm_A", sequence=1, first_id=1, at=AT, read=lambda m: m.content
    )
    return one


ALL = [
    (events.processed, {}, COMMON | {"smtp-id", "send_at"}),
    (events.dropped, {"reason": "Invalid"}, COMMON | {"smtp-id", "reason"}),
    (events.delivered, {}, COMMON | {"smtp-id", "response", "ip", "tls"}),
    (
        events.deferred,
        {"attempt": 1},
        COMMON | {"smtp-id", "response", "attempt", "ip", "tls", "domain", "from"},
    ),
    (
        events.bounce,
        {},
        COMMON | {"smtp-id", "reason", "status", "type", "bounce_classification", "ip", "tls"},
    ),
    (
        events.blocked,
        {},
        COMMON | {"smtp-id", "reason", "status", "type", "bounce_classification", "ip", "tls"},
    ),
    (
        events.opened,
        {"machine": False},
        COMMON | ENGAGED | {"sg_machine_open", "sg_content_type"},
    ),
    (events.clicked, {"url": "https://a.b/", "index": 0}, COMMON | ENGAGED | {"url", "url_offset"}),
    (events.unsubscribed, {}, COMMON | ENGAGED),
    (
        events.group_changed,
        {"group_id": 17, "leaves": True},
        COMMON | ENGAGED | {"asm_group_id", "url", "smtp-id"},
    ),
]


class TestFields:
    @pytest.mark.parametrize(("make", "options", "fields"), ALL)
    def test_an_event_has_the_fields_of_its_type(self, make, options, fields):
        """Nothing is missing, nothing is there that SendGrid does not send."""
        assert fields == set(make(accepted(), AT, **options))

    @pytest.mark.parametrize(("make", "options", "fields"), ALL)
    def test_types_are_sendgrids(self, make, options, fields):
        """Seconds are whole; ids are base64url without padding, at most 100 characters."""
        event = make(accepted(), AT, **options)

        assert 1_700_000_000 == event["timestamp"]
        assert isinstance(event["timestamp"], int)
        assert event["sg_event_id"].isascii()
        assert 22 <= len(event["sg_event_id"]) <= 100
        assert not set(event["sg_event_id"]) & set("+/=")
        assert isinstance(event.get("attempt", ""), str)

    def test_the_message_id_begins_with_the_answers(self):
        """``sg_message_id`` is X-Message-Id, a dot, ``recvd-`` and more."""
        event = events.processed(accepted(), AT)

        assert event["sg_message_id"].startswith("LRzXl_NHStOGhQ4kofSm_A.recvd-")
        assert event["smtp-id"].startswith("<LRzXl_NHStOGhQ4kofSm_A@ismtpd")

    def test_ids_of_the_way_are_the_same_on_redelivery(self):
        """They decode to text that names the message, as real ones do."""
        first, second = (events.bounce(accepted(), at)["sg_event_id"] for at in (AT, AT + 9))

        assert first == second
        assert base64.urlsafe_b64decode(first + "==").startswith(b"bounce-0-")

    def test_ids_of_engagement_are_random(self):
        """Two opens are two events."""
        mail_ = accepted()

        assert (
            events.opened(mail_, AT, machine=False)["sg_event_id"]
            != events.opened(mail_, AT, machine=False)["sg_event_id"]
        )

    def test_every_attempt_of_a_deferral_has_its_own_id(self):
        """Attempts are numbered from 0, as text."""
        first, second = (events.deferred(accepted(), AT, attempt=n) for n in (0, 1))

        assert ("0", "1") == (first["attempt"], second["attempt"])
        assert first["sg_event_id"] != second["sg_event_id"]

    @pytest.mark.parametrize(
        ("categories", "shape"), [([], None), (["a"], "a"), (["a", "b"], ["a", "b"])]
    )
    def test_category_is_text_list_or_absent(self, categories, shape):
        """One category is a text, several a list."""
        one = accepted()
        one.body.categories = categories

        assert shape == events.processed(one, AT).get("category")

    def test_a_late_bounce_names_nothing_but_the_address(self):
        """An empty message id, no ``smtp-id``, no custom arguments."""
        event = events.late_bounce(accepted(), AT)

        assert "" == event["sg_message_id"]
        assert not {"smtp-id", "homing_send", "category"} & event.keys()
        assert ("bounce", "ada@example.com") == (event["type"], event["email"])

    def test_a_spam_report_has_ids_but_no_custom_arguments(self):
        """Who joins it to a mail needs the ``smtp-id``."""
        event = events.spamreport(accepted(), AT)

        assert (COMMON | {"smtp-id"}) - {"homing_send"} == set(event)

    def test_sendgrids_own_keys_win_a_clash(self):
        """A custom argument called ``event`` or ``email`` is lost without a word."""
        one = replace(accepted(), custom_args={"event": "mine", "email": "mine", "mine": "1"})

        event = events.processed(one, AT)

        assert ("processed", "ada@example.com", "1") == (
            event["event"], event["email"], event["mine"]
        )  # fmt: skip

    def test_a_group_is_named_by_its_events(self):
        """Mail with a group says so on its way and when opened; leaving everything names none."""
        one = accepted(asm={"group_id": 17})

        assert 17 == events.delivered(one, AT)["asm_group_id"]
        assert 17 == events.opened(one, AT, machine=True)["asm_group_id"]
        assert "asm_group_id" not in events.unsubscribed(one, AT)
        assert (
            "group_resubscribe"
            == (events.group_changed(one, AT, group_id=17, leaves=False)["event"])
        )

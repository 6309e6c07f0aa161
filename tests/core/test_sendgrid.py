"""SendGrid's events in every shape they arrive in."""

from __future__ import annotations

import hashlib

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.core.sendgrid import (
    KNOWN_TYPES,
    Campaign,
    DropReason,
    EmailEvent,
    UnusableEvent,
    UrlOffset,
    drop_reason_of,
    fingerprint,
    identity_key,
    parse_event,
)

# SendGrid docs, "Event Webhook reference", sample events (shortened texts).
DELIVERED = {
    "email": "example@test.com",
    "timestamp": 1513299569,
    "smtp-id": "<14c5d75ce93.dfd.64b469@ismtpd-555>",
    "event": "delivered",
    "category": ["cat facts"],
    "sg_event_id": "rWVYmVk90MjZJ9iohOBa3w==",
    "sg_message_id": "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0",
    "response": "250 OK",
}
CLICK = {
    "email": "example@test.com",
    "timestamp": 1513299569,
    "ip": "255.255.255.255",
    "sg_event_id": "kCAi1KttyQdEKHhdC-nuEA==",
    "sg_message_id": "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0",
    "useragent": "Mozilla/4.0 (compatible; MSIE 6.1; Windows XP)",
    "event": "click",
    "url": "http://www.sendgrid.com/",
    "url_offset": {"index": 0, "type": "html"},
    "category": "cat facts",
    "asm_group_id": 10,
}
DEFERRED = {
    "email": "example@test.com",
    "timestamp": 1513299569,
    "event": "deferred",
    "response": "400 try again later",
    "attempt": "5",
}
ASYNC_BOUNCE = {
    "email": "example@test.com",
    "timestamp": 1513299569,
    "event": "bounce",
    "type": "bounce",
    "sg_message_id": "",
    "reason": "500 unknown recipient",
    "bounce_classification": "Invalid Address",
}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
FIELDS = [
    *("email", "timestamp", "sg_event_id", "sg_message_id", "smtp-id", "category"),
    *("asm_group_id", "sg_machine_open", "type", "bounce_classification", "reason", "status"),
    *("response", "attempt", "ip", "useragent", "url", "url_offset", "template_id"),
    *("singlesend_id", "marketing_campaign_id", "homing_send", "homing_user"),
]


class TestParseEvent:
    def test_reads_the_documented_delivered_event(self) -> None:
        """Every documented field of a delivery arrives."""
        event = parse_event(DELIVERED)

        assert (
            EmailEvent(
                type="delivered",
                email="example@test.com",
                at_ms=1_513_299_569_000,
                timed=True,
                sg_event_id="rWVYmVk90MjZJ9iohOBa3w==",
                sg_message_id="14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0",
                smtp_id="<14c5d75ce93.dfd.64b469@ismtpd-555>",
                categories=("cat facts",),
                response="250 OK",
            )
            == event
        )

    def test_reads_the_documented_click(self) -> None:
        """A click has its link, its place in the mail, and its group."""
        event = parse_event(CLICK)

        assert ("http://www.sendgrid.com/", UrlOffset(0, "html"), 10, "255.255.255.255") == (
            event.url,
            event.url_offset,
            event.group_id,
            event.ip,
        )

    def test_reads_an_asynchronous_bounce(self) -> None:
        """A bounce that comes days later has no ids at all, and is hard."""
        event = parse_event(ASYNC_BOUNCE)

        assert ("", "", True) == (event.sg_message_id, event.smtp_id, event.hard_bounce)

    @pytest.mark.parametrize(
        ("raw", "expected"),
        [
            (1513299569, 1_513_299_569_000),
            ("1513299569", 1_513_299_569_000),
            (1513299569123, 1_513_299_569_123),
            ("1513299569123", 1_513_299_569_123),
            (1513299569.5, 1_513_299_569_500),
            ("1513299569.5", 1_513_299_569_500),
            (" 1513299569 ", 1_513_299_569_000),
        ],
    )
    def test_a_timestamp_may_be_text_and_milliseconds(self, raw: object, expected: int) -> None:
        """SendGrid's own samples hold all of these."""
        event = parse_event({"event": "open", "timestamp": raw}, received_ms=7)

        assert (expected, True) == (event.at_ms, event.timed)

    @pytest.mark.parametrize(
        "raw",
        [
            *(None, True, "", "yesterday", -1, 0, float("nan"), float("inf"), 10**400, [], {}),
            *("9" * 5000, "0x10", 253_402_300_800_000, 999_999_999_999),
        ],
    )
    def test_without_a_usable_timestamp_it_happened_when_it_came(self, raw: object) -> None:
        """A time that no calendar has counts as none."""
        event = parse_event({"event": "open", "timestamp": raw}, received_ms=7)

        assert (7, False) == (event.at_ms, event.timed)

    @pytest.mark.parametrize(
        ("raw", "expected"),
        [
            ("cart", ("cart",)),
            (["cart", "vip"], ("cart", "vip")),
            ([], ()),
            (None, ()),
            ([1, None, "", {"a": 1}, "x"], ("1", "x")),
            ({}, ()),
        ],
    )
    def test_categories_are_always_a_tuple(self, raw: object, expected: tuple[str, ...]) -> None:
        """One text, a list, an empty list and nothing are all normal."""
        assert expected == parse_event({"event": "open", "category": raw}).categories

    @pytest.mark.parametrize(
        ("raw", "expected"),
        [("5", 5), (0, 0), ("0", 0), (-1, None), ("x", None), (True, None), (10**30, None)],
    )
    def test_attempts_are_digits_or_numbers(self, raw: object, expected: int | None) -> None:
        """The number of an attempt is zero-based, often text."""
        assert expected == parse_event({"event": "deferred", "attempt": raw}).attempt

    @pytest.mark.parametrize(
        ("raw", "expected"),
        [(True, True), ("true", True), (False, False), (None, False), (1, False)],
    )
    def test_an_absent_machine_flag_is_a_person(self, raw: object, expected: bool) -> None:
        """SendGrid leaves the flag out when it is false."""
        event = parse_event({"event": "open", "sg_machine_open": raw})

        assert expected == event.machine_open

    @pytest.mark.parametrize("raw", [0, -3, "", "x", True, None, 2**70])
    def test_a_group_is_a_positive_number_or_none(self, raw: object) -> None:
        """Nothing else may name a group."""
        assert parse_event({"event": "click", "asm_group_id": raw}).group_id is None

    def test_addresses_are_lower_cased_and_may_be_absent(self) -> None:
        """Account events and some drops have no address."""
        assert (
            "ada@example.com" == parse_event({"event": "open", "email": " Ada@Example.COM "}).email
        )
        assert "" == parse_event({"event": "dropped"}).email

    def test_only_our_own_arguments_are_kept(self) -> None:
        """Other custom arguments and reserved keys are not ours."""
        raw = {
            "event": "open",
            "homing_send": "s1",
            "homing_step": 3,
            "homing_x": None,
            "other": "y",
        }

        assert {"homing_send": "s1", "homing_step": "3"} == parse_event(raw).homing

    @pytest.mark.parametrize(
        ("raw", "expected"),
        [
            ({"singlesend_id": "s", "singlesend_name": "May"}, Campaign("singlesend", "s", "May")),
            ({"mc_auto_id": "a", "mc_auto_name": "Hi"}, Campaign("automation", "a", "Hi")),
            ({"automation_id": "a"}, Campaign("automation", "a", "")),
            (
                {"marketing_campaign_id": 12345, "marketing_campaign_name": "Old"},
                Campaign("campaign", "12345", "Old"),
            ),
            ({"mc_stats": "singlesend"}, None),
        ],
    )
    def test_campaigns_of_three_generations_are_named(
        self, raw: dict[str, object], expected: Campaign | None
    ) -> None:
        """Single Sends, automations and legacy campaigns spell their ids differently."""
        assert expected == parse_event({"event": "open", **raw}).campaign

    def test_a_template_has_two_spellings(self) -> None:
        """The id of the message goes before the id that SendGrid adds."""
        both = {"template_id": "d-1", "sg_template_id": "d-2", "sg_template_name": "Cart"}

        assert "d-1" == parse_event({"event": "open", **both}).template_id
        assert "d-2" == parse_event({"event": "open", "sg_template_id": "d-2"}).template_id
        assert "Cart" == parse_event({"event": "open", **both}).template_name

    def test_the_type_of_an_account_event_is_its_status(self) -> None:
        """``type`` means something else in each kind of event."""
        event = parse_event({"event": "account_status_change", "type": "compliance_suspend"})

        assert ("compliance_suspend", "") == (event.account_status, event.bounce_type)

    @pytest.mark.parametrize("kind", ["blocked", "Blocked", "expired", "new_kind"])
    def test_only_a_bounce_of_type_bounce_is_hard(self, kind: str) -> None:
        """Blocks and expiries do not condemn the address."""
        assert not parse_event({"event": "bounce", "type": kind}).hard_bounce

    def test_unknown_types_are_parsed_too(self) -> None:
        """A type that SendGrid invents tomorrow is kept, and known to be unknown."""
        assert not parse_event({"event": "received"}).known
        assert all(parse_event({"event": kind}).known for kind in KNOWN_TYPES)

    @pytest.mark.parametrize(
        "raw",
        [{}, {"event": None}, {"event": ""}, {"event": " "}, {"event": ["open"]}, [], "x", None, 3],
    )
    def test_without_an_event_it_is_unusable(self, raw: object) -> None:
        """Nothing but a missing type makes an event unusable."""
        with pytest.raises(UnusableEvent):
            parse_event(raw)

    @given(st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=8), JSON))
    def test_no_field_but_the_type_can_make_it_fail(self, raw: dict[str, object]) -> None:
        """Whatever the other fields hold, the event is parsed, hashed, and can be written out."""
        event = parse_event({**raw, "event": "click"})

        assert 16 == len(fingerprint(event))
        assert orjson.dumps([event.email, event.url, event.categories, event.homing])

    def test_a_lone_surrogate_is_mended(self) -> None:
        """Text that could not be written out again does not get in."""
        event = parse_event({"event": "click", "url": "https://x.example/\ud800"})

        assert "https://x.example/?" == event.url


class TestFingerprint:
    def test_a_redelivery_with_a_new_id_has_the_same(self) -> None:
        """SendGrid redelivers events under another ``sg_event_id``."""
        again = {**CLICK, "sg_event_id": "other", "timestamp": "1513299569"}

        assert fingerprint(parse_event(CLICK)) == fingerprint(parse_event(again))

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("event", "open"),
            ("email", "other@test.com"),
            ("timestamp", 1513299570),
            ("sg_message_id", "x"),
            ("smtp-id", "x"),
            ("url", "http://other.example/"),
            ("url_offset", {"index": 1, "type": "html"}),
            ("asm_group_id", 11),
            ("attempt", 1),
            ("ip", "1.2.3.4"),
            ("useragent", "x"),
        ],
    )
    def test_another_event_has_another(self, field: str, value: object) -> None:
        """A second click, on another link or at another time, is another event."""
        other = parse_event({**CLICK, field: value})

        assert fingerprint(parse_event(CLICK)) != fingerprint(other)

    def test_the_time_of_arrival_has_no_part_in_it(self) -> None:
        """An event without a time is the same whenever it comes."""
        raw = {"event": "unsubscribe", "email": "a@test.com"}

        assert fingerprint(parse_event(raw, 1)) == fingerprint(parse_event(raw, 2))

    def test_is_stable_over_releases(self) -> None:
        """Stored digests must still match after an upgrade: the recipe is pinned here."""
        text = (
            "('click', 'example@test.com', 1513299569000, "
            "'14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0', '', "
            "'http://www.sendgrid.com/', (0, 'html'), 10, None, '255.255.255.255', "
            "'Mozilla/4.0 (compatible; MSIE 6.1; Windows XP)')"
        )
        expected = hashlib.blake2b(text.encode(), digest_size=16, person=b"fingerprint").digest()

        assert expected == fingerprint(parse_event(CLICK))


class TestIdentityKey:
    def test_is_of_the_id_and_the_type(self) -> None:
        """The same id under another type is another event."""
        other = parse_event({**CLICK, "event": "open"})

        assert identity_key(parse_event(CLICK)) == identity_key(parse_event(dict(CLICK)))
        assert identity_key(parse_event(CLICK)) != identity_key(other)

    def test_an_event_without_an_id_has_none(self) -> None:
        """The id is missing on some unsubscribe events."""
        assert identity_key(parse_event(DEFERRED)) is None


class TestDropReasonOf:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("Bounced Address", DropReason.BOUNCED),
            ("Unsubscribed Address", DropReason.UNSUBSCRIBED),
            ("UNSUBSCRIBED FROM GROUP", DropReason.UNSUBSCRIBED),
            ("Spam Reporting Address", DropReason.SPAM_REPORTED),
            ("Invalid", DropReason.INVALID_ADDRESS),
            ("Invalid SMTPAPI header", DropReason.INVALID_HEADER),
            ("Spam Content (if spam checker app enabled)", DropReason.SPAM_CONTENT),
            ("Recipient List over Package Quota", DropReason.OVER_QUOTA),
            ("Duplicate message", DropReason.DUPLICATE),
            ("Message expired", DropReason.EXPIRED),
            ("Error rendering template: unsubscribed_url is missing", DropReason.OTHER),
            ("Invalid template", DropReason.OTHER),
            ("", DropReason.OTHER),
        ],
    )
    def test_names_the_documented_texts(self, text: str, expected: DropReason) -> None:
        """The documented texts have a name each; a render error never passes for an opt-out."""
        assert expected == drop_reason_of(text)

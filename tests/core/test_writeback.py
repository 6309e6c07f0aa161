"""What SendGrid says, as Segment calls."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace as with_fields

from homing.core.plans import MachineOpens, Writeback
from homing.core.segment_calls import CallRefused, Who, is_echo
from homing.core.sendgrid import KNOWN_TYPES, fingerprint, parse_event
from homing.core.suppression import GLOBAL, Source, Suppression, group_scope
from homing.core.writeback import (
    TRAITS,
    Recipient,
    SentFacts,
    calls_of,
    is_written,
    name_of,
    suppression_call,
    suppression_traits,
    who_of,
)

GROUPS = {17: "newsletter"}
# Segment docs, "Email" spec; the last three: "SendGrid Marketing Campaigns" source.
NAMES = {
    "delivered": "Email Delivered",
    "open": "Email Opened",
    "click": "Email Link Clicked",
    "bounce": "Email Bounced",
    "spamreport": "Email Marked as Spam",
    "unsubscribe": "Unsubscribed",
    "machine_open": "Email Machine Opened",
    "group_unsubscribe": "Unsubscribed From Group",
    "group_resubscribe": "Resubscribed To Group",
}
PLAN = Writeback(events=KNOWN_TYPES, names=NAMES)
SEND = SentFacts(
    send_id="s1",
    address="ada@example.com",
    email="cart-reminder",
    subject="Your cart",
    template_id="d-1",
    template_version="v3",
    journey="cart",
    step="remind",
    variant="plain",
    sent_at_ms=1_700_000_000_000,
    triggered_by="evt-1",
    user_id="u1",
)
RAW = {
    "email": "ada@example.com",
    "timestamp": 1_700_000_060,
    "event": "click",
    "sg_message_id": "m1",
    "category": ["cart"],
    "asm_group_id": 17,
    "ip": "203.0.113.7",
    "useragent": "Mozilla/5.0",
    "url": "https://shop.example/cart",
    "url_offset": {"index": 2, "type": "html"},
}
UNKNOWN = Recipient()


def calls(
    raw: dict[str, object],
    *,
    send: SentFacts | None = SEND,
    person: Recipient = UNKNOWN,
    plan: Writeback = PLAN,
) -> list[dict[str, Any]]:
    """Turn one raw event into calls."""
    event = parse_event({**RAW, **raw})
    return [*calls_of(event, send=send, person=person, plan=plan, groups=GROUPS)]


class TestCallsOf:
    def test_a_click_is_the_specs_event_with_all_we_know(self) -> None:
        """Properties, context and identity of one click, whole."""
        (call,) = calls({})

        assert {
            "email_id": "m1",
            "email_subject": "Your cart",
            "campaign_id": "cart",
            "campaign_name": "cart",
            "link_url": "https://shop.example/cart",
            "link_id": "html-2",
            "template_id": "d-1",
            "template_version": "v3",
            "journey": "cart",
            "step": "remind",
            "variant": "plain",
            "send_id": "s1",
            "sent_at": "2023-11-14T22:13:20.000Z",
            "triggered_by": "evt-1",
            "categories": ["cart"],
            "unsubscribe_group": "newsletter",
            "suspected_bot": False,
            "correlation": "send",
        } == call["properties"]
        del call["context"]["library"]
        assert {
            "traits": {"email": "ada@example.com"},
            "ip": "203.0.113.7",
            "userAgent": "Mozilla/5.0",
            "user_agent": "Mozilla/5.0",
            "integration": {"name": "Homing"},
            "campaign": {
                "name": "cart",
                "source": "sendgrid",
                "medium": "email",
                "content": "plain",
            },
        } == call["context"]
        assert ("track", "Email Link Clicked", "u1", "2023-11-14T22:14:20.000+00:00") == (
            call["type"],
            call["event"],
            call["userId"],
            call["timestamp"],
        )

    def test_the_id_is_the_fingerprints(self) -> None:
        """A redelivery under another ``sg_event_id`` is the same call."""
        (call,) = calls({"sg_event_id": "a"})
        (again,) = calls({"sg_event_id": "b"})

        expected = f"homing-{fingerprint(parse_event(RAW)).hex()}:t"
        assert expected == call["messageId"] == again["messageId"]
        assert call == again

    def test_an_unsubscribe_is_a_track_and_an_identify(self) -> None:
        """With different ids: Segment would drop the second of two alike."""
        track, identify = calls({"event": "unsubscribe"})

        assert ("track", "Unsubscribed") == (track["type"], track["event"])
        assert {
            "email_subscription_status": "unsubscribed",
            "email_suppressed": True,
            "email_suppressed_reason": "unsubscribe",
            "email_suppressed_at": "2023-11-14T22:14:20.000Z",
            "email_groups_unsubscribed": [],
        } == identify["traits"]
        assert track["messageId"][:-1] == identify["messageId"][:-1]
        assert (":t", ":i") == (track["messageId"][-2:], identify["messageId"][-2:])
        assert "ada@example.com" == identify["context"]["traits"]["email"]

    @pytest.mark.parametrize(
        ("raw", "expected"),
        [
            ({"event": "unsubscribe"}, ("unsubscribed", True, "unsubscribe", [])),
            ({"event": "spamreport"}, ("unsubscribed", True, "spamreport", [])),
            ({"event": "bounce", "type": "bounce"}, ("subscribed", True, "bounce", [])),
            ({"event": "dropped", "reason": "Invalid"}, ("subscribed", True, "invalid", [])),
            (
                {"event": "dropped", "reason": "Unsubscribed Address"},
                ("unsubscribed", True, "unsubscribe", []),
            ),
            ({"event": "group_unsubscribe"}, ("subscribed", False, None, ["newsletter"])),
            ({"event": "group_resubscribe"}, ("subscribed", False, None, [])),
        ],
    )
    def test_each_suppression_writes_its_traits(
        self, raw: dict[str, object], expected: tuple[object, ...]
    ) -> None:
        """Status, suppressed, reason and groups after the event."""
        traits = calls(raw)[-1]["traits"]

        assert expected == (
            traits["email_subscription_status"],
            traits["email_suppressed"],
            traits["email_suppressed_reason"],
            traits["email_groups_unsubscribed"],
        )

    @pytest.mark.parametrize(
        "raw",
        [
            {"event": "bounce", "type": "blocked"},
            {"event": "group_unsubscribe", "asm_group_id": 99},
            {"event": "dropped", "reason": "Spam Content"},
            {"event": "delivered"},
        ],
    )
    def test_what_suppresses_nothing_writes_no_traits(self, raw: dict[str, object]) -> None:
        """A block, a group nobody configured, a delivery."""
        assert ["track"] == [call["type"] for call in calls(raw)]

    def test_what_was_known_before_counts_into_the_traits(self) -> None:
        """Whether or not the records already hold the event's change."""
        other = Suppression(group_scope("offers"), suppressed=True, at_ms=1, source=Source.SENDGRID)
        person = Recipient(records={other.scope: other})
        after = Recipient(
            records={
                other.scope: other,
                GLOBAL: Suppression(
                    GLOBAL, True, 1_700_000_060_000, Source.SENDGRID, "unsubscribe"
                ),
            }
        )

        first = calls({"event": "unsubscribe"}, person=person)
        second = calls({"event": "unsubscribe"}, person=after)

        assert ["offers"] == first[1]["traits"]["email_groups_unsubscribed"]
        assert first == second

    def test_traits_have_the_names_of_the_configuration(self) -> None:
        """Audiences may be built on other names."""
        plan = replace(PLAN, trait_names={"email_suppressed": "mail_off"})

        traits = calls({"event": "unsubscribe"}, plan=plan)[1]["traits"]

        assert {*TRAITS} - {"email_suppressed"} | {"mail_off"} == traits.keys()

    def test_traits_can_be_turned_off(self) -> None:
        """``[suppression] to_segment = false``."""
        plan = replace(PLAN, suppression_to_segment=False)

        assert 1 == len(calls({"event": "unsubscribe"}, plan=plan))

    def test_traits_do_not_need_the_track_call(self) -> None:
        """``[writeback] events`` is about track calls only."""
        plan = replace(PLAN, events=frozenset())

        assert ["identify"] == [call["type"] for call in calls({"event": "unsubscribe"}, plan=plan)]
        assert [] == calls({"event": "click"}, plan=plan)

    @pytest.mark.parametrize(
        ("raw", "expected"),
        [
            ({"event": "group_resubscribe"}, {"list_id": "17", "list_name": "newsletter"}),
            ({"event": "group_resubscribe", "asm_group_id": 99}, {"list_id": "99"}),
            (
                {"event": "group_unsubscribe", "asm_group_id": 99},
                {"list_id": "99", "suspected_bot": False},
            ),
            (
                {
                    "event": "bounce",
                    "type": "blocked",
                    "bounce_classification": "Content",
                    "reason": "no",
                },
                {"bounce_type": "blocked", "bounce_classification": "Content", "reason": "no"},
            ),
            ({"event": "dropped", "reason": "Spam Content"}, {"reason": "Spam Content"}),
            ({"event": "deferred", "response": "later"}, {"reason": "later"}),
            ({"event": "open"}, {"machine_open": False, "suspected_bot": False}),
            (
                {"event": "click", "url_offset": None},
                {"link_url": "https://shop.example/cart", "suspected_bot": False},
            ),
        ],
    )
    def test_each_kind_has_its_own_properties(
        self, raw: dict[str, object], expected: dict[str, object]
    ) -> None:
        """Beside what all have."""
        common = calls({"event": "delivered"})[0]["properties"]
        own = calls(raw)[0]["properties"]

        assert expected == {name: own[name] for name in own if name not in common}

    def test_a_suspected_bot_is_tagged_not_dropped(self) -> None:
        """The marketer decides."""
        event = parse_event(RAW)

        (call,) = calls_of(
            event, send=SEND, person=UNKNOWN, plan=PLAN, groups=GROUPS, suspected_bot=True
        )

        assert call["properties"]["suspected_bot"] is True  # type: ignore[index]

    def test_without_the_ledger_the_event_says_what_it_can(self) -> None:
        """A row that retention deleted still has its arguments in the event."""
        args = {"homing_send": "s9", "homing_rule": "cart", "homing_step": "remind"}
        (call,) = calls({**args, "homing_variant": "b"}, send=None)

        assert ("s9", "cart", "remind", "b", "none", "cart") == tuple(
            call["properties"][name]
            for name in ("send_id", "journey", "step", "variant", "correlation", "campaign_id")
        )

    def test_campaigns_of_sendgrids_own_are_named(self) -> None:
        """A Single Send's events are written home as well."""
        (call,) = calls({"singlesend_id": "ss", "singlesend_name": "May news"}, send=None)

        assert ("ss", "May news") == (
            call["properties"]["campaign_id"],
            call["properties"]["campaign_name"],
        )
        assert "May news" == call["context"]["campaign"]["name"]

    @pytest.mark.parametrize("raw", [{"event": "account_status_change", "email": None}])
    def test_what_is_about_nobody_is_not_written(self, raw: dict[str, object]) -> None:
        """Segment would discard it: no id, no address."""
        assert [] == calls(raw, send=None)

    def test_a_drop_without_an_address_is_the_sends(self) -> None:
        """Template errors are dropped events with an empty address."""
        (call,) = calls({"event": "dropped", "email": "", "reason": "template"})

        assert ("u1", "ada@example.com") == (call["userId"], call["context"]["traits"]["email"])

    def test_long_texts_are_cut_before_anything_is_refused(self) -> None:
        """32 KB a call: the reason and the link first."""
        (call,) = calls({"event": "dropped", "reason": "x" * 100_000, "useragent": "y" * 50_000})

        assert 1_000 == len(call["properties"]["reason"])
        assert 32_768 > len(json.dumps(call))

    def test_texts_are_whole_while_they_fit(self) -> None:
        """Nothing is cut without need."""
        (call,) = calls({"url": "https://x.example/?" + "q" * 5_000})

        assert 5_019 == len(call["properties"]["link_url"])

    def test_what_cannot_fit_is_refused_with_a_reason(self) -> None:
        """Ten thousand categories are nobody's email."""
        with pytest.raises(CallRefused, match="32 KB"):
            calls({"category": ["c" * 90] * 10_000})

    @given(
        st.sampled_from(sorted(KNOWN_TYPES | {"received"})),
        st.dictionaries(
            st.sampled_from([*RAW, "reason", "type", "singlesend_id", "homing_rule"]),
            st.none()
            | st.integers()
            | st.text(st.characters(), max_size=9)
            | st.just([])
            | st.just({}),
        ),
    )
    def test_every_call_is_fit_for_segment(self, kind: str, raw: dict[str, object]) -> None:
        """An id of text, a name, JSON, at most 100 characters of messageId, and known as ours."""
        for call in calls({**raw, "event": kind}, send=None):
            assert call["userId"] or call["anonymousId"]
            assert 100 >= len(call["messageId"])
            assert call["type"] == "identify" or call["event"]
            assert is_echo(json.loads(json.dumps(call)))


class TestNameOf:
    def test_is_the_name_of_the_table(self) -> None:
        """A type without a name keeps SendGrid's own."""
        plan = replace(PLAN, names={"open": "Opened"})

        assert "Opened" == name_of(parse_event({"event": "open"}), plan)
        assert "bounce" == name_of(parse_event({"event": "bounce"}), plan)

    @pytest.mark.parametrize(
        ("policy", "name", "written"),
        [
            (MachineOpens.SEPARATE, "Email Machine Opened", True),
            (MachineOpens.FOLD, "Email Opened", True),
            (MachineOpens.DROP, "Email Opened", False),
        ],
    )
    def test_machine_opens_follow_the_policy(
        self, policy: MachineOpens, name: str, written: bool
    ) -> None:
        """Apart, folded in with a mark, or not written; a person's open is always one."""
        plan = replace(PLAN, machine_opens=policy)
        machine = parse_event({"event": "open", "sg_machine_open": True})
        person = parse_event({"event": "open"})

        assert (name, written) == (name_of(machine, plan), is_written(machine, plan))
        assert ("Email Opened", True) == (name_of(person, plan), is_written(person, plan))

    def test_a_folded_machine_open_says_what_it_is(self) -> None:
        """``machine_open`` is true in the properties."""
        plan = replace(PLAN, machine_opens=MachineOpens.FOLD)

        (call,) = calls({"event": "open", "sg_machine_open": True}, plan=plan)

        assert ("Email Opened", True) == (call["event"], call["properties"]["machine_open"])


class TestWhoOf:
    @pytest.mark.parametrize(
        ("send", "person", "expected"),
        [
            (SEND, Recipient("u2", "a2"), "u1"),
            (with_fields(SEND, user_id=None, anonymous_id="a1"), Recipient("u2", "a2"), "u2"),
            (with_fields(SEND, user_id=None, anonymous_id="a1"), UNKNOWN, "a1"),
            (with_fields(SEND, user_id=None), Recipient("u2", "a2"), "u2"),
            (with_fields(SEND, user_id=None), Recipient(None, "a2"), "a2"),
            (None, Recipient("u2", "a2"), "u2"),
            (None, UNKNOWN, hashlib.sha256(b"ada@example.com").hexdigest()),
        ],
    )
    def test_the_sends_person_then_the_addresss_then_its_hash(
        self, send: SentFacts | None, person: Recipient, expected: str
    ) -> None:
        """The chain of identities."""
        (call,) = calls({}, send=send, person=person)

        assert expected == (call["userId"] or call["anonymousId"])

    def test_a_copys_event_is_not_the_persons(self) -> None:
        """The boss in cc who opens must not be merged with the customer."""
        event = parse_event({**RAW, "email": "boss@example.com"})

        assert Who(None, None, "boss@example.com") == who_of(event, SEND, UNKNOWN)
        assert Who("u9", None, "boss@example.com") == who_of(event, SEND, Recipient("u9"))

    @pytest.mark.parametrize(
        ("sent_to", "came_as"),
        [
            ("Ada@Example.com", "ada@example.com"),
            ("ada@ex\u00e4mple.de", "ada@xn--exmple-cua.de"),
            ("ada@ex\u00e4mple.de", "ada@ex\u00e4mple.de"),
        ],
    )
    def test_spelling_makes_no_copy(self, sent_to: str, came_as: str) -> None:
        """Case and ``xn--`` are the same address."""
        event = parse_event({**RAW, "email": came_as})

        assert "u1" == who_of(event, with_fields(SEND, address=sent_to), UNKNOWN).user_id


class TestSuppressionTraits:
    def test_nothing_known_is_subscribed(self) -> None:
        """Nulls clear what an earlier suppression wrote."""
        assert {
            "email_subscription_status": "subscribed",
            "email_suppressed": False,
            "email_suppressed_reason": None,
            "email_suppressed_at": None,
            "email_groups_unsubscribed": [],
        } == suppression_traits({}, PLAN)


class TestSuppressionCall:
    def test_the_same_change_has_the_same_id(self) -> None:
        """A reconciliation that finds it again changes nothing."""
        change = Suppression(GLOBAL, suppressed=True, at_ms=5, source=Source.SENDGRID)
        who = Who("u1", None, "ada@example.com")

        first = suppression_call(who, change, records={GLOBAL: change}, plan=PLAN)
        again = suppression_call(who, change, records={GLOBAL: change}, plan=PLAN)
        newer = replace(change, at_ms=6)
        other = suppression_call(who, newer, records={GLOBAL: newer}, plan=PLAN)

        assert first == again
        assert first["messageId"] != other["messageId"]
        assert ("identify", "u1") == (first["type"], first["userId"])

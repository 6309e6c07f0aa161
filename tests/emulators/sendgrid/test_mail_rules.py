"""What mail/send takes, and in which words it refuses."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.sendgrid_mail import TEMPLATE, block, mail

from homing.emulators.sendgrid.errors import Refused
from homing.emulators.sendgrid.mail_rules import MOST_ERRORS, Known, read_mail

NOW = 1_700_000_000.0
KNOWN = Known(groups={17: "News"}, templates=None, now=NOW)


def refusals(body, known=KNOWN):
    with pytest.raises(Refused) as caught:
        read_mail(json.dumps(body).encode(), known)
    assert 400 == caught.value.status
    return [(error.field, error.message) for error in caught.value.errors]


def verdict(body):
    try:
        read_mail(json.dumps(body).encode(), KNOWN)
    except Refused as refusal:
        return refusal.status
    return None


class TestReadMail:
    @pytest.mark.parametrize(
        "body",
        [
            mail(),
            mail(subject=None, personalizations=[block(subject="Own")]),
            mail(subject=None, content=None, template_id=TEMPLATE),
            mail(template_id="13b8f94f-bcae-4ec6-b752-70d6cb59f932"),
            mail(personalizations=[block(cc=[{"email": "b@example.com", "name": "B"}])]),
            mail(asm={"group_id": 17, "groups_to_display": [17]}),
            mail(custom_args={"a": "x"}, categories=["a", "b"]),
            mail(personalizations=[block(send_at=int(NOW) + 72 * 3600)]),
            mail(send_at=1),
            mail(reply_to={"email": "r@example.com"}),
            mail(reply_to_list=[{"email": "r@example.com"}, {"email": "s@example.com"}]),
            mail(personalizations=[block(**{"from": {"email": "x@EXAMPLE.com"}})]),
            mail(mail_settings={"bypass_list_management": {"enable": True}}),
            mail(mail_settings={"footer": {"enable": True, "text": "t", "html": "h"}}),
            mail(attachments=[{"content": "aGk=", "filename": "a.txt", "disposition": "inline"}]),
            mail(ip_pool_name="ab", headers={"X-Mine": "1"}),
            mail(nonsense=1),
        ],
    )
    def test_a_valid_body_is_read(self, body):
        """The documented shapes pass; unknown keys are ignored."""
        assert read_mail(json.dumps(body).encode(), KNOWN).from_.email == "shop@example.com"

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            (mail(personalizations=None), "personalizations"),
            (mail(personalizations=[]), "personalizations"),
            (mail(personalizations=[{}]), "personalizations.0.to"),
            (mail(personalizations=[block(), {"to": []}]), "personalizations.1.to"),
            (mail(personalizations=[block(to="nope")]), "personalizations.0.to.0.email"),
            (mail(personalizations=[block(to="a@b")]), "personalizations.0.to.0.email"),
            (mail(personalizations=[block(to="ä@example.com")]), "personalizations.0.to.0.email"),
            (mail(personalizations=[block(to=" a@example.com")]), "personalizations.0.to.0.email"),
            (mail(personalizations=[block(to="a@b.co\n")]), "personalizations.0.to.0.email"),
            (mail(personalizations=[block(to=".a@example.com")]), "personalizations.0.to.0.email"),
            (mail(personalizations=[{"to": [{"name": "A"}]}]), "personalizations.0.to.0.email"),
            (mail(personalizations=[block(cc=[{"email": "x"}])]), "personalizations.0.cc.0.email"),
            (mail(personalizations=[block(bcc=[{"email": ""}])]), "personalizations.0.bcc.0.email"),
            (
                mail(personalizations=[block(cc=[{"email": "ADA@example.com"}])]),
                "personalizations.0",
            ),
            (mail(personalizations=[block(subject="")]), "personalizations.0.subject"),
            (
                mail(personalizations=[block(custom_args={"n": 1})]),
                "personalizations.0.custom_args",
            ),
            (mail(custom_args={"n": None}), "custom_args"),
            (mail(custom_args={"x": "y" * 10_001}), "personalizations.0.custom_args"),
            (
                mail(
                    custom_args={"x": "y" * 6000},
                    personalizations=[block(custom_args={"z": "y" * 6000})],
                ),
                "personalizations.0.custom_args",
            ),
            (
                mail(personalizations=[block(send_at=int(NOW) + 72 * 3600 + 2)]),
                "personalizations.0.send_at",
            ),
            (mail(send_at=int(NOW) + 10**9), "send_at"),
            (mail(personalizations=[block(headers={"to": "x"})]), "personalizations.0.headers.to"),
            (mail(headers={"X-SG-EID": "x"}), "headers.X-SG-EID"),
            (mail(headers={"X-N": 1}), "headers"),
            (mail(headers={"X N": "1"}), "headers"),
            (
                mail(personalizations=[block(substitutions={"-a-": 1})]),
                "personalizations.0.substitutions",
            ),
            (
                mail(template_id=TEMPLATE, personalizations=[block(substitutions={"-a-": "1"})]),
                "personalizations.0.substitutions",
            ),
            (
                mail(personalizations=[block(**{"from": {"email": "x@other.example"}})]),
                "personalizations.0.from",
            ),
            (mail(**{"from": None}), "from.email"),
            (mail(**{"from": {"email": "x"}}), "from.email"),
            (mail(reply_to={"email": "x"}), "reply_to.email"),
            (
                mail(reply_to={"email": "a@b.co"}, reply_to_list=[{"email": "c@b.co"}]),
                "reply_to_list",
            ),
            (mail(reply_to_list=[{"email": "c@b.co"}, {"email": "C@b.co"}]), "reply_to_list"),
            (mail(subject=""), "subject"),
            (mail(subject=None), "subject"),
            (mail(content=None), "content"),
            (mail(content=[{"type": "text/html", "value": ""}]), "content.0.value"),
            (mail(content=[{"value": "x"}]), "content.0.type"),
            (mail(content=[{"type": "text/html; x", "value": "x"}]), "content.0.type"),
            (
                mail(
                    content=[
                        {"type": "text/html", "value": "x"},
                        {"type": "text/plain", "value": "x"},
                    ]
                ),
                "content",
            ),
            (mail(content=[{"type": "text/html", "value": "x"}] * 2), "content"),
            (mail(template_id="d-1"), "template_id"),
            (
                mail(attachments=[{"content": "no base64!", "filename": "a"}]),
                "attachments.0.content",
            ),
            (mail(attachments=[{"content": "", "filename": "a"}]), "attachments.0.content"),
            (mail(attachments=[{"content": "aGk="}]), "attachments.0.filename"),
            (
                mail(attachments=[{"content": "aGk=", "filename": "a", "disposition": "x"}]),
                "attachments.0.disposition",
            ),
            (mail(categories=[str(n) for n in range(11)]), "categories"),
            (mail(categories=["a", "a"]), "categories.1"),
            (mail(categories=["é"]), "categories.0"),
            (mail(categories=["a" * 256]), "categories.0"),
            (mail(asm={"group_id": 18}), "asm.group_id"),
            (mail(asm={}), "asm.group_id"),
            (mail(asm={"group_id": 17, "groups_to_display": [99]}), "asm.groups_to_display"),
            (mail(asm={"group_id": 17, "groups_to_display": [17] * 26}), "asm.groups_to_display"),
            (mail(ip_pool_name="a"), "ip_pool_name"),
            (
                mail(
                    mail_settings={
                        "bypass_list_management": {"enable": True},
                        "bypass_spam_management": {"enable": True},
                    }
                ),
                "mail_settings.bypass_list_management",
            ),
        ],
    )
    def test_a_wrong_field_is_named(self, body, field):
        """Each documented rule refuses, and the error says where."""
        fields = [found for found, _ in refusals(body)]

        assert field in fields

    @pytest.mark.parametrize(
        "body",
        [
            mail(send_at="soon"),
            mail(asm={"group_id": True}),
            mail(asm={"group_id": "17"}),
            mail(categories=[1]),
            mail(personalizations={"to": "x"}),
            mail(personalizations=[block(dynamic_template_data=[1])]),
            mail(mail_settings={"sandbox_mode": {"enable": "true"}}),
            mail(subject=1),
            [],
            "mail",
            None,
        ],
    )
    def test_a_wrong_type_is_a_bad_request(self, body):
        """A shape the API cannot read gets its shortest answer."""
        assert [(None, "Bad Request")] == refusals(body)

    @pytest.mark.parametrize(
        ("raw", "says"),
        [
            (b"", "Bad Request"),
            (b"{", "Bad Request"),
            (b'{"from": NaN}', "Bad Request"),
            (b"[" * 100_000, "Bad Request"),
            (b'{"subject": "\xff"}', "Invalid UTF8 in request."),
        ],
    )
    def test_bytes_that_are_no_json_are_a_bad_request(self, raw, says):
        """Nothing that is sent makes the emulator stumble."""
        with pytest.raises(Refused) as caught:
            read_mail(raw, KNOWN)

        assert says == caught.value.errors[0].message

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            (
                mail(personalizations=[block()] * 1001),
                "The personalization block is limited to 1000 personalizations per API request. You"
                " have provided 1001 personalizations. Please consider splitting this into multiple"
                " requests and resending your request.",
            ),
            (
                mail(personalizations=[{"to": [{"email": f"a{n}@b.co"} for n in range(1001)]}]),
                "There is a limit of 1000 total recipients (to + cc + bcc) per request.",
            ),
            (
                mail(personalizations=[block(), {}]),
                "The to array is required for all personalization objects, and must have at least"
                " one email object with a valid email address.",
            ),
            (
                mail(personalizations=[block(cc=[{"email": "Ada@example.com"}])]),
                "Each email address in the personalization block should be unique between to, cc,"
                " and bcc. We found the first duplicate instance of [ada@example.com] in the"
                " personalizations.0.cc field.",
            ),
            (mail(template_id="x"), "The template_id must be a valid GUID, you provided 'x'."),
            (
                mail(content=[{"type": "text/plain", "value": ""}]),
                "The content value must be a string at least one character in length.",
            ),
            (mail(custom_args={"n": 1}), "All values of custom arguments object must be strings"),
        ],
    )
    def test_the_words_are_the_vendors(self, body, message):
        """Known texts are those that SendGrid's page of errors and its users quote."""
        assert message in [text for _, text in refusals(body)]

    def test_a_thousand_recipients_pass(self):
        """The limit itself is allowed."""
        blocks = [block(to=f"a{n}@b.co") for n in range(1000)]

        body = read_mail(json.dumps(mail(personalizations=blocks)).encode(), KNOWN)

        assert 1000 == len(body.personalizations)

    def test_an_unknown_template_is_refused_when_only_known_ones_are_taken(self):
        """The account's own templates pass, others do not."""
        known = Known(groups=(), templates={TEMPLATE}, now=NOW)
        other = "d-" + "f" * 32

        assert read_mail(json.dumps(mail(template_id=TEMPLATE)).encode(), known)
        assert ["template_id"] == [field for field, _ in refusals(mail(template_id=other), known)]

    def test_errors_are_counted_out(self):
        """A body that is wrong everywhere gets an answer of bounded size."""
        blocks = [block(to="x", cc=[{"email": "y"}]) for _ in range(400)]

        assert MOST_ERRORS == len(refusals(mail(personalizations=blocks)))

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        ),
        st.sampled_from(
            sorted({*mail(), "asm", "categories", "custom_args", "headers", "send_at"})
        ),
    )
    def test_anything_in_a_field_is_read_or_refused(self, value, key):
        """No JSON value makes it fail in another way."""
        assert verdict(mail(**{key: value})) in {None, 400}

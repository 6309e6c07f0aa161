"""The body of mail/send, against what SendGrid's own library builds."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sendgrid.helpers import mail as official

from homing.core.mail import (
    Letter,
    Rendered,
    args_of,
    body_of,
    header_text,
    letterhead_of,
    message_of,
)
from homing.core.plans import Address, Email

TEMPLATE = "d-00000000000000000000000000000001"
SENDER = Address("hello@acme.example", "Acme")
ADA = Address("ada@example.com", "Ada")
PLAIN = Email("order", SENDER, template=TEMPLATE)

NAMES = st.none() | st.text(st.sampled_from("Aa \u00e4,\"'<>"), min_size=1).map(str.strip).filter(
    bool
)
ADDRESSES = st.builds(
    Address, st.sampled_from(["ada@example.com", "Bob@example.com", "eve@x.example"]), NAMES
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=10)
PRINTABLE = st.text(st.sampled_from("abcXYZ-"), min_size=1, max_size=8)
EMAILS = st.builds(
    Email,
    name=st.just("e"),
    sender=ADDRESSES,
    template=st.just(TEMPLATE),
    group_id=st.none() | st.integers(1, 10**6),
    reply_to=st.none() | ADDRESSES,
    cc=st.lists(ADDRESSES, max_size=3).map(tuple),
    headers=st.dictionaries(PRINTABLE, PRINTABLE, max_size=2),
    categories=st.lists(PRINTABLE, max_size=3, unique=True).map(tuple),
    custom_args=st.dictionaries(PRINTABLE, TEXTS, max_size=2),
    ip_pool=st.none() | st.just("pool"),
    tracking=st.fixed_dictionaries({}, optional={"opens": st.booleans(), "clicks": st.booleans()}),
)
LETTERS = st.builds(
    Letter,
    to=ADDRESSES,
    args=st.dictionaries(PRINTABLE.map("homing_{}".format), TEXTS, max_size=3),
    data=st.dictionaries(
        TEXTS, TEXTS | st.integers(-9, 9) | st.lists(TEXTS, max_size=2), max_size=3
    ),
    bypass_unsubscribes=st.booleans(),
)


def official_person(email: Email, letter: Letter) -> official.Personalization:
    """Build the recipient's part with SendGrid's library."""
    person = official.Personalization()
    person.add_to(official.To(letter.to.email, letter.to.name))
    for copy in email.cc:
        if copy.email.lower() != letter.to.email.lower():
            person.add_cc(official.Cc(copy.email, copy.name))
    assert isinstance(letter.data, Mapping)
    person.dynamic_template_data = dict(letter.data)
    for name, value in letter.args.items():
        person.add_custom_arg(official.CustomArg(name, value))
    return person


def officially(email: Email, letter: Letter) -> dict[str, object]:
    """Build the same body wholly with SendGrid's library."""
    mail = official.Mail(from_email=official.From(email.sender.email, email.sender.name))
    mail.add_personalization(official_person(email, letter))
    mail.template_id = email.template
    mail.reply_to = email.reply_to and official.ReplyTo(email.reply_to.email, email.reply_to.name)
    mail.asm = email.group_id and official.Asm(email.group_id)
    mail.ip_pool_name = email.ip_pool and official.IpPoolName(email.ip_pool)
    mail.category = [official.Category(category) for category in email.categories[::-1]]
    mail.header = [official.Header(*item) for item in email.headers.items()]
    mail.custom_arg = [official.CustomArg(*item) for item in email.custom_args.items()]
    mail.tracking_settings = official.TrackingSettings(
        open_tracking=official_switch(official.OpenTracking, email.tracking.get("opens")),
        click_tracking=official_switch(official.ClickTracking, email.tracking.get("clicks")),
    )
    if letter.bypass_unsubscribes:
        bypass = official.BypassUnsubscribeManagement(True)
        mail.mail_settings = official.MailSettings(bypass_unsubscribe_management=bypass)
    body: dict[str, object] = mail.get()
    return body


def official_switch(setting: Callable[[object], object], value: object) -> object:
    """Make a setting that is on or off, or none."""
    return None if value is None else setting(value)


def sent(email: Email, letter: Letter, *, sandbox: bool = False) -> dict[str, Any]:
    """Build and decode the body that would be posted."""
    message = message_of(letterhead_of(email, sandbox=sandbox), letter)
    body: dict[str, Any] = json.loads(body_of(message))
    return body


class TestMessageOf:
    @given(EMAILS, LETTERS)
    def test_means_what_sendgrids_library_means(self, email: Email, letter: Letter) -> None:
        """Field by field the same as the official helper for the same input."""
        assert officially(email, letter) == sent(email, letter)

    def test_is_the_body_of_the_manual(self) -> None:
        """The minimal body: one recipient, data, our arguments, template, group, category."""
        email = Email(
            "cart", Address("shop@example.com", "Shop"), template=TEMPLATE,
            categories=("journey:cart",), group_id=17,
        )  # fmt: skip
        letter = Letter(ADA, {"homing_send": "01JD"}, {"first_name": "Ada"})

        expected = {
            "personalizations": [
                {
                    "to": [{"email": "ada@example.com", "name": "Ada"}],
                    "dynamic_template_data": {"first_name": "Ada"},
                    "custom_args": {"homing_send": "01JD"},
                }
            ],
            "from": {"email": "shop@example.com", "name": "Shop"},
            "template_id": TEMPLATE,
            "categories": ["journey:cart"],
            "asm": {"group_id": 17},
        }
        assert expected == sent(email, letter)

    def test_a_letter_leaves_its_letterhead_as_it_was(self) -> None:
        """One letterhead serves many letters: none may write on it."""
        head = letterhead_of(Email("e", SENDER, template=TEMPLATE, group_id=1))
        before = body_of(message_of(head, Letter(ADA, {})))

        message_of(head, Letter(ADA, {"a": "b"}, {"c": 1}, leave_group=True, template="d-x"))

        assert before == body_of(message_of(head, Letter(ADA, {})))

    def test_nobody_gets_two_copies(self) -> None:
        """An address twice among to, cc and bcc, in any case, would be a 400."""
        copies = (
            Address("Bob@example.com"),
            Address("bob@EXAMPLE.com", "Bob"),
            Address("ADA@example.com"),
        )
        email = Email(
            "e", SENDER, template=TEMPLATE, cc=copies, bcc=(*copies, Address("eve@x.example"))
        )

        (person,) = sent(email, Letter(ADA, {}))["personalizations"]

        assert [{"email": "Bob@example.com"}] == person["cc"]
        assert [{"email": "eve@x.example"}] == person["bcc"]

    def test_a_copy_to_the_recipient_alone_leaves_no_empty_list(self) -> None:
        """An empty cc is refused by the API."""
        email = Email("e", SENDER, template=TEMPLATE, cc=(ADA,))

        (person,) = sent(email, Letter(ADA, {}))["personalizations"]

        assert {"to"} == person.keys()

    def test_rendered_mail_has_text_before_html(self) -> None:
        """SendGrid takes text/plain first."""
        body = sent(Email("e", SENDER), Letter(ADA, {}, rendered=Rendered("Hi", "<p>Hi</p>", "Hi")))

        assert "Hi" == body["subject"]
        assert [("text/plain", "Hi"), ("text/html", "<p>Hi</p>")] == [
            (part["type"], part["value"]) for part in body["content"]
        ]

    def test_one_part_is_enough(self) -> None:
        """An absent text is left out, not sent empty."""
        body = sent(Email("e", SENDER), Letter(ADA, {}, rendered=Rendered("Hi", html="<p>Hi</p>")))

        assert [{"type": "text/html", "value": "<p>Hi</p>"}] == body["content"]

    def test_a_letter_may_name_another_template(self) -> None:
        """An action's template goes before the email's."""
        body = sent(PLAIN, Letter(ADA, {}, template="d-" + "f" * 32))

        assert "d-" + "f" * 32 == body["template_id"]

    @pytest.mark.parametrize("sandbox", [False, True])
    @pytest.mark.parametrize("bypass", [False, True])
    def test_bypass_and_sandbox_are_independent(self, sandbox: bool, bypass: bool) -> None:
        """Each flag is a setting of its own."""
        body = sent(PLAIN, Letter(ADA, {}, bypass_unsubscribes=bypass), sandbox=sandbox)

        flags = {"sandbox_mode": sandbox, "bypass_unsubscribe_management": bypass}
        assert {name: {"enable": True} for name, on in flags.items() if on} == body.get(
            "mail_settings", {}
        )

    def test_a_group_that_was_left_is_not_named(self) -> None:
        """SendGrid drops what names a group the person left, bypass or not."""
        email = Email("e", SENDER, template=TEMPLATE, group_id=17)

        assert "asm" not in sent(email, Letter(ADA, {}, leave_group=True))

    def test_names_and_subjects_cannot_break_out_of_their_header(self) -> None:
        """A line break in what a stranger typed must not begin a header."""
        to = Address("ada@example.com", "Ada\r\nBcc: eve@x.example\x00\u2028!")
        body = sent(Email("e", SENDER), Letter(to, {}, rendered=Rendered("Hi\nX: y", "h")))

        (person,) = body["personalizations"]
        assert "Ada Bcc: eve@x.example !" == person["to"][0]["name"]
        assert "Hi X: y" == body["subject"]

    def test_an_international_domain_is_written_in_ascii(self) -> None:
        """SendGrid takes ``xn--`` domains only."""
        (person,) = sent(PLAIN, Letter(Address("ada@ex\u00e4mple.de"), {}))["personalizations"]

        assert [{"email": "ada@xn--exmple-cua.de"}] == person["to"]

    def test_encoded_data_is_taken_as_it_is(self) -> None:
        """Data that a store holds as JSON need not be decoded to be sent."""
        letter = Letter(ADA, {}, data=orjson.Fragment(b'{"a":[1,2]}'))

        (person,) = sent(PLAIN, letter)["personalizations"]

        assert {"a": [1, 2]} == person["dynamic_template_data"]


class TestArgsOf:
    def test_names_what_there_is(self) -> None:
        """Absent parts are left out: an argument must be text."""
        args = args_of(send="s", user=None, rule="r", step="", variant=None, version="v")

        assert {"homing_send": "s", "homing_rule": "r", "homing_version": "v"} == args

    def test_an_address_is_never_an_argument(self) -> None:
        """Many shops use the address as userId; SendGrid keeps arguments for ever."""
        args = args_of(
            send="s", user="ada@example.com", rule="r", step=None, variant=None, version="v"
        )

        assert "homing_user" not in args


class TestHeaderText:
    @given(st.text(st.characters()))
    def test_holds_no_control_character(self, text: str) -> None:
        """Nothing that ends a line or a string gets through."""
        assert not set(header_text(text)) & {"\r", "\n", "\x00", "\u2028", "\u2029", "\x85", "\x0b"}

    def test_ordinary_text_is_left_alone(self) -> None:
        """Umlauts, emoji and inner spaces stay."""
        assert "\u00c4da  \U0001f600 & Co" == header_text("\u00c4da  \U0001f600 & Co")

"""What SendGrid would refuse is refused first."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.core.mail import Letter, Rendered, body_of, letterhead_of, message_of
from homing.core.mail_limits import (
    FORBIDDEN_HEADERS,
    MAX_BODY_BYTES,
    refusal_of,
    refusals_of_email,
    send_refusal_of,
    template_refusal_of,
)
from homing.core.plans import Address, Email

TEMPLATE = "d-00000000000000000000000000000001"
EMAIL = Email(
    "cart",
    Address("shop@example.com", "Shop"),
    template=TEMPLATE,
    reply_to=Address("care@example.com"),
    group_id=17,
    categories=("cart",),
    headers={"X-Campaign": "cart"},
    custom_args={"team": "growth"},
    ip_pool="pool",
    cc=(Address("copy@example.com"),),
    tracking={"opens": True, "clicks": False},
)
LETTER = Letter(Address("ada@example.com", "Ada"), {"homing_send": "s1"}, {"name": "Ada"})
GOOD = message_of(letterhead_of(EMAIL), LETTER)


def changed(path: str, value: object) -> dict[str, Any]:
    """Copy the good message with one field set (``None`` deletes it)."""
    message: Any = deepcopy({**GOOD})
    message["personalizations"] = deepcopy(list(message["personalizations"]))
    at = message
    *parents, last = path.split(".")
    for key in parents:
        at = at[int(key)] if isinstance(at, list | tuple) else at[key]
    if value is None:
        del at[last]
    else:
        at[last] = value
    whole: dict[str, Any] = message
    return whole


class TestRefusalOf:
    def test_a_good_message_passes(self) -> None:
        """Everything a configured email can hold is fine at once."""
        assert refusal_of(GOOD, size_bytes=len(body_of(GOOD))) is None

    def test_a_rendered_message_passes(self) -> None:
        """Subject and one part of content do without a template."""
        email = replace(EMAIL, template=None)
        letter = replace(LETTER, rendered=Rendered("Hi", text="Hi"))

        assert refusal_of(message_of(letterhead_of(email), letter)) is None

    @pytest.mark.parametrize(
        ("path", "value", "named"),
        [
            ("from", None, "from"),
            ("from", {"name": "Shop"}, "from"),
            ("from", {"email": "shop"}, "from.email"),
            ("from", {"email": "shop@example.com", "name": "a\r\nb"}, "from.name"),
            ("from", {"email": "sh\u00f6p@example.com"}, "from.email"),
            ("reply_to", {"email": ""}, "reply_to.email"),
            ("personalizations", None, "personalizations"),
            ("personalizations", [], "personalizations"),
            ("personalizations", [{"to": [{"email": "a@example.com"}]}] * 1001, "personalizations"),
            ("personalizations", ["x"], "personalizations.0"),
            ("personalizations.0.to", None, "personalizations.0.to"),
            ("personalizations.0.to", [], "personalizations.0.to"),
            ("personalizations.0.to", {"email": "a@example.com"}, "personalizations.0.to"),
            ("personalizations.0.to", [{"email": "a@b"}], "personalizations.0.to.email"),
            ("personalizations.0.to", [{"email": "COPY@example.com"}], "personalizations.0.cc"),
            ("personalizations.0.custom_args", {"n": 5}, "personalizations.0.custom_args.n"),
            ("personalizations.0.custom_args", {"n": None}, "personalizations.0.custom_args.n"),
            (
                "personalizations.0.custom_args",
                {"n": "x" * 10_000},
                "personalizations.0.custom_args",
            ),
            (
                "personalizations.0.custom_args",
                {"n": "\ud800" * 5_000},
                "personalizations.0.custom_args",
            ),
            ("personalizations.0.custom_args", "x", "personalizations.0.custom_args"),
            ("personalizations.0.dynamic_template_data", [], "dynamic_template_data"),
            ("personalizations.0.send_at", 1, "personalizations.0.send_at"),
            ("template_id", None, "subject"),
            ("template_id", "d-abc", "template_id"),
            ("template_id", "", "template_id"),
            ("template_id", 5, "template_id"),
            ("headers", {"subject": "x"}, "headers.subject"),
            ("headers", {"X-A": "b\r\nBcc: eve@example.com"}, "headers.X-A"),
            ("headers", {"X-A": "\u00e4"}, "headers.X-A"),
            ("headers", {"X-A": 1}, "headers.X-A"),
            ("headers", {"X A": "b"}, "headers"),
            ("headers", {"X-A:": "b"}, "headers"),
            ("headers", {"": "b"}, "headers"),
            ("headers", {"X-A": "b", "x-a": "c"}, "headers"),
            ("headers", ["X-A"], "headers"),
            ("categories", ["x"] * 2, "categories"),
            ("categories", [str(n) for n in range(11)], "categories"),
            ("categories", ["x" * 256], "categories"),
            ("categories", ["\u00e4"], "categories"),
            ("categories", [5], "categories"),
            ("categories", [""], "categories"),
            ("categories", "cart", "categories"),
            ("custom_args", {"n": 5}, "custom_args.n"),
            ("custom_args", [], "custom_args"),
            ("asm", {}, "asm.group_id"),
            ("asm", {"group_id": "17"}, "asm.group_id"),
            ("asm", {"group_id": True}, "asm.group_id"),
            ("asm", {"group_id": 0}, "asm.group_id"),
            ("asm", 17, "asm.group_id"),
            ("ip_pool_name", "p", "ip_pool_name"),
            ("ip_pool_name", "p" * 65, "ip_pool_name"),
            ("mail_settings", {"sandbox_mode": {"enable": "true"}}, "mail_settings.sandbox_mode"),
            ("mail_settings", True, "mail_settings"),
            (
                "mail_settings",
                {
                    "bypass_list_management": {"enable": True},
                    "bypass_spam_management": {"enable": True},
                },
                "bypass_list_management",
            ),
            (
                "tracking_settings",
                {"open_tracking": {"enable": 1}},
                "tracking_settings.open_tracking",
            ),
            ("send_at", 1, "send_at"),
            ("reply_to_list", [], "reply_to_list"),
        ],
    )
    def test_what_the_api_would_refuse_is_named(self, path: str, value: object, named: str) -> None:
        """The reason begins with the field, as SendGrid's own answer names it."""
        reason = refusal_of(changed(path, value))

        assert reason is not None
        assert named in reason
        assert 400 > len(reason)

    @pytest.mark.parametrize("name", sorted(FORBIDDEN_HEADERS))
    @pytest.mark.parametrize("spell", [str.lower, str.upper, str.title])
    def test_reserved_headers_are_refused_in_any_case(
        self, name: str, spell: Callable[[str], str]
    ) -> None:
        """Header names do not care for case; neither must the check."""
        assert refusal_of(changed("headers", {spell(name): "x"})) is not None

    def test_a_thousand_recipients_are_the_most(self) -> None:
        """To, cc and bcc of all personalizations count together."""
        entry = {"to": [{"email": "a@example.com"}], "cc": [{"email": "b@example.com"}]}

        assert refusal_of(changed("personalizations", [entry] * 500)) is None
        assert refusal_of(changed("personalizations", [entry] * 501)) is not None

    def test_arguments_of_both_levels_count_together(self) -> None:
        """SendGrid merges them before it measures."""
        half = {"n": "x" * 6_000}
        message = changed("custom_args", half)

        assert refusal_of(message) is None
        message["personalizations"][0]["custom_args"] = {"m": "x" * 6_000}
        assert refusal_of(message) is not None

    def test_the_body_has_a_largest_size(self) -> None:
        """30 MB in all."""
        assert refusal_of(GOOD, size_bytes=MAX_BODY_BYTES) is None
        assert "31,457,281 bytes" in (refusal_of(GOOD, size_bytes=MAX_BODY_BYTES + 1) or "")

    @pytest.mark.parametrize(
        ("rendered", "named"),
        [
            (Rendered("", "h", "t"), "subject"),
            (Rendered("\r\n", "h", "t"), "subject"),
            (Rendered("s", "", ""), "content"),
            (Rendered("s", None, None), "content"),
        ],
    )
    def test_rendered_mail_needs_subject_and_content(self, rendered: Rendered, named: str) -> None:
        """A template that renders to nothing is refused before the API does."""
        message = message_of(
            letterhead_of(replace(EMAIL, template=None)), replace(LETTER, rendered=rendered)
        )

        assert (refusal_of(message) or "").startswith(named)
        assert (send_refusal_of(message) or "").startswith(named)

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(sorted(GOOD)) | st.sampled_from(["to", "email", "enable"]),
                    inner,
                )
            ),
            max_leaves=8,
        )
    )
    def test_no_shape_makes_it_fail(self, value: object) -> None:
        """Whatever the body holds, the answer is a reason or nothing."""
        message = {name: value for name in GOOD}

        assert refusal_of(message)
        assert refusal_of({**GOOD, "personalizations": [{"to": value}]})


class TestSendRefusalOf:
    def test_looks_at_what_the_send_brings_only(self) -> None:
        """The letterhead was checked at load; the recipient was not."""
        letter = replace(LETTER, to=Address("ada"))

        assert send_refusal_of(changed("categories", ["\u00e4"])) is None
        assert send_refusal_of(message_of(letterhead_of(EMAIL), letter)) is not None

    def test_an_overriding_template_is_checked(self) -> None:
        """An action may name another template."""
        letter = replace(LETTER, template="welcome")

        assert "welcome" in (send_refusal_of(message_of(letterhead_of(EMAIL), letter)) or "")

    def test_a_recipient_and_data_can_be_checked_alone(self) -> None:
        """Before a send is rendered there is neither template nor content to look at."""
        message = {"personalizations": [{"to": [{"email": "ada@example.com"}]}]}

        assert send_refusal_of(message) is None


class TestRefusalsOfEmail:
    def test_a_good_email_has_none(self) -> None:
        """With template or texts of its own."""
        assert () == refusals_of_email(EMAIL)
        assert () == refusals_of_email(replace(EMAIL, template=None, subject="Hi", html="<p>"))

    def test_lists_everything_at_once(self) -> None:
        """One look at the configuration shows all there is to mend."""
        email = replace(
            EMAIL,
            sender=Address("shop"),
            template="x",
            headers={"Subject": "x"},
            custom_args={"homing_send": "mine"},
        )

        reasons = refusals_of_email(email)

        assert [
            "custom_args.homing_send",
            "from.email",
            "headers.Subject",
            "template_id",
        ] == sorted(reason.split(":")[0] for reason in reasons)

    def test_an_email_needs_a_template_or_texts(self) -> None:
        """Neither is one reason, not two."""
        reasons = refusals_of_email(replace(EMAIL, template=None))

        assert 1 == len(reasons)
        assert reasons[0].startswith("subject")


class TestTemplateRefusalOf:
    @pytest.mark.parametrize("template", [TEMPLATE, "d-" + "aB" * 16])
    def test_dynamic_templates_pass(self, template: str) -> None:
        """``d-`` and 32 hex digits."""
        assert template_refusal_of(template) is None

    @pytest.mark.parametrize(
        "template", ["", "d-", TEMPLATE[:-1], TEMPLATE + "\n", TEMPLATE[2:], None, "d-" + "g" * 32]
    )
    def test_others_are_named(self, template: object) -> None:
        """Legacy templates know no dynamic data; SendGrid answers 400 to the rest."""
        assert (template_refusal_of(template) or "").startswith("template_id")

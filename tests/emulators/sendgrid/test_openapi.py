"""The emulator against SendGrid's own OpenAPI files, and against the vendor's own client."""

import json

import pytest
from sendgrid.helpers.mail import (
    Asm,
    Bcc,
    Category,
    CustomArg,
    From,
    GroupId,
    Mail,
    PlainTextContent,
    ReplyTo,
    To,
)
from tests.support import openapi
from tests.support.sendgrid_mail import TEMPLATE, block, mail, template_mail

needs_specs = pytest.mark.skipif(not openapi.available(), reason=f"needs ${openapi.VARIABLE}")

GLOBAL = "/v3/asm/suppressions/global"
GROUP = "/v3/asm/groups/12345"


@needs_specs
class TestContract:
    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [
            ("POST", "/v3/mail/send", mail()),
            ("POST", "/v3/mail/send", template_mail({"a": [1, {"b": None}]})),
            ("POST", "/v3/mail/send", mail(mail_settings={"sandbox_mode": {"enable": True}})),
            ("POST", "/v3/mail/send", mail("nope")),
            ("GET", "/v3/scopes", None),
            ("GET", "/v3/templates?generations=dynamic&page_size=10", None),
            ("GET", f"/v3/templates/{TEMPLATE}", None),
            ("GET", "/v3/asm/groups", None),
            ("GET", "/v3/asm/groups?id=12345&id=1", None),
            ("GET", GROUP, None),
            ("POST", "/v3/asm/groups", {"name": "Offers", "description": "d", "is_default": False}),
            ("PATCH", GROUP, {"name": "News"}),
            ("GET", GROUP + "/suppressions", None),
            ("POST", GROUP + "/suppressions", {"recipient_emails": ["a@example.com"]}),
            ("POST", GROUP + "/suppressions/search", {"recipient_emails": ["eva@example.com"]}),
            ("DELETE", GROUP + "/suppressions/eva%40example.com", None),
            ("GET", "/v3/asm/suppressions", None),
            ("GET", "/v3/asm/suppressions/eva%40example.com", None),
            ("POST", GLOBAL, {"recipient_emails": ["a@example.com"]}),
            ("POST", GLOBAL, {}),
            ("GET", GLOBAL + "/eva%40example.com", None),
            ("GET", GLOBAL + "/nobody%40example.com", None),
            ("DELETE", GLOBAL + "/eva%40example.com", None),
            ("GET", "/v3/suppression/unsubscribes?limit=500&offset=0&start_time=1", None),
            ("DELETE", "/v3/asm/groups/12345", None),
            *(
                (method, f"/v3/suppression/{name}{rest}", body)
                for name in ("bounces", "blocks", "invalid_emails", "spam_reports")
                for method, rest, body in (
                    ("GET", "?limit=1&end_time=99999999999", None),
                    ("GET", "/eva%40example.com", None),
                    ("DELETE", "/eva%40example.com", None),
                    ("DELETE", "", {"emails": ["eva@example.com"]}),
                    ("DELETE", "", {"delete_all": True}),
                )
            ),
        ],
    )
    async def test_requests_and_answers_are_the_specifications(
        self, sendgrid, call, method, path, body
    ):
        """Each endpoint takes what the files describe, and answers as they do."""
        sendgrid.add_template(TEMPLATE, subject="s", html="h")
        for name in ("unsubscribes", "bounces", "blocks", "invalid_emails", "spam_reports"):
            sendgrid.suppressions.add(
                name, "eva@example.com", reason="r", status="5.1.1", ip="1.2.3.4"
            )
        sendgrid.suppressions.add_to_group(12345, "eva@example.com")

        answer = await call(sendgrid, method, path, body)

        assert answer.status in {200, 201, 202, 204, 400}
        openapi.assert_exchanges_valid(sendgrid.requests)

    @pytest.mark.parametrize("fault", ["401", "403-from", "429", "500"])
    async def test_faults_are_errors_of_the_api(self, sendgrid, call, fault):
        """What goes wrong on purpose goes wrong in the documented shape."""
        sendgrid.faults.script([fault])

        answer = await call(sendgrid, "POST", "/v3/mail/send", mail())

        openapi.assert_response_valid("POST", "/v3/mail/send", answer.status, await answer.read())


@needs_specs
class TestAssertRequestValid:
    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [
            ("POST", "/v3/mail/sent", mail()),
            ("GET", "/v3/mail/send", None),
            ("POST", "/v3/mail/send", mail(personalizations=[])),
            ("POST", "/v3/mail/send", mail(personalizations=[{"to": []}])),
            ("POST", "/v3/mail/send", mail(**{"from": None})),
            ("POST", "/v3/mail/send", mail(personalizations=[block(custom_args={"n": 1})])),
            ("POST", "/v3/mail/send", mail(custom_args="x")),
            ("POST", "/v3/mail/send", mail(catgories=["typo"])),
            ("POST", "/v3/mail/send", mail(categories=["a", "a"])),
            ("POST", "/v3/mail/send", mail(send_at="1")),
            ("POST", "/v3/mail/send", mail(ip_pool_name="a")),
            ("POST", "/v3/mail/send", mail("nope")),
            ("GET", "/v3/suppression/bounces?limit=501", None),
            ("GET", "/v3/suppression/bounces?limit=x", None),
            ("GET", "/v3/suppression/bounces?page=1", None),
            ("GET", "/v3/templates", None),
            ("POST", GLOBAL, {"recipient_emails": "a@b.co"}),
            ("PUT", "/v3/marketing/contacts", {"contacts": [{"first_name": "x" * 51}]}),
        ],
    )
    def test_what_the_files_refuse_is_refused(self, method, path, body):
        """The judge has teeth."""
        with pytest.raises(AssertionError):
            openapi.assert_request_valid(method, path, json.dumps(body).encode())

    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [
            ("PUT", "/v3/marketing/contacts", {"contacts": [{"email": "a@example.com"}]}),
            ("POST", "/v3/marketing/contacts/search/emails", {"emails": ["a@example.museum"]}),
            ("GET", "/v3/marketing/contacts/imports/0b1c5d5e", None),
            ("POST", "/v3/marketing/lists", {"name": "VIP"}),
            ("GET", "/v3/marketing/lists?page_size=1000", None),
            ("GET", "/v3/marketing/field_definitions", None),
        ],
    )
    def test_other_apis_are_known_too(self, method, path, body):
        """Everything Homing may call can be judged."""
        openapi.assert_request_valid(method, path, json.dumps(body).encode())


@needs_specs
class TestAssertResponseValid:
    @pytest.mark.parametrize(
        ("method", "path", "status", "body", "headers"),
        [
            ("POST", "/v3/mail/send", 202, b"", {}),
            ("POST", "/v3/mail/send", 202, b"{}", {"X-Message-Id": "x"}),
            ("POST", "/v3/mail/send", 201, b"", {}),
            ("POST", "/v3/mail/send", 400, b"{}", {}),
            ("POST", "/v3/mail/send", 429, b"too many", {}),
            ("GET", "/v3/scopes", 200, b'{"scopes": [1]}', {}),
            ("GET", "/v3/suppression/spam_reports", 200, b'[{"email": "a@b.co"}]', {}),
        ],
    )
    def test_a_wrong_answer_is_refused(self, method, path, status, body, headers):
        """Missing ids, unknown statuses, other shapes."""
        with pytest.raises(AssertionError):
            openapi.assert_response_valid(method, path, status, body, headers)


class TestVendorsClient:
    async def test_its_mails_are_accepted(self, sendgrid, call):
        """What the official package builds passes both judges."""
        message = Mail(
            from_email=From("shop@example.com", "Shop"),
            to_emails=To("ada@example.com", "Ada"),
            subject="Hello",
            plain_text_content=PlainTextContent("Hello"),
        )
        message.reply_to = ReplyTo("help@example.com")
        message.asm = Asm(GroupId(12345))
        message.category = Category("cart")
        message.custom_arg = CustomArg("homing_send", "s1", p=0)
        message.add_bcc(Bcc("log@example.com"), p=0)

        answer = await call(sendgrid, "POST", "/v3/mail/send", message.get())

        assert 202 == answer.status
        assert ["ada@example.com", "log@example.com"] == [one.to for one in sendgrid.accepted]
        assert {"homing_send": "s1"} == sendgrid.accepted[0].custom_args
        if openapi.available():
            openapi.assert_exchanges_valid(sendgrid.requests)

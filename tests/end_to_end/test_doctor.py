"""`homing doctor` as a person runs it, against accounts that are not as they should be."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pty
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from tests.support import openapi
from tests.support.service import SECRET, TOKEN, Service, eventually, track, write_config

from homing.adapters.sqlite.state import reading
from homing.core.verify import SendGridVerifier
from homing.emulators import (
    Destination,
    MarketingSettings,
    SegmentEmulator,
    SegmentWebhookSender,
    SendGridEmulator,
    SendGridSettings,
)
from homing.emulators.sendgrid.signing import Signer

ORDER, DIGEST, NOTICE = ("d-" + "0" * 31 + str(number) for number in (1, 2, 3))
# what SendGrid's OpenAPI files here do not describe
UNDESCRIBED = ("/v3/verified_senders", "/v3/whitelabel", "/v3/tracking_settings")
CART = "d-" + "0" * 31 + "4"
JOURNEY = f"""
[email.cart]
template = "{CART}"
group = "newsletter"
data = {{ item = "$.properties.title", entered = "$.journey.entered_at" }}

[journey.cart]
entry = {{ when = 'event = "Product Added"' }}
[[journey.cart.step]]
id = "wait"
hold = "2h"
[[journey.cart.step]]
id = "remind"
send = {{ email = "cart", data = {{ n = 1 }} }}
"""
MARKETING = """
[contacts]
when = 'type = "identify"'
custom = { plan = "$.traits.plan" }

[list.vip]
audience = "vip"
name = "VIP customers"

[list.new]
audience = "new"
"""


@dataclass(slots=True)
class Clinic:
    """An installation and its accounts."""

    service: Service
    sendgrid: SendGridEmulator
    segment: SegmentEmulator

    async def run(self, *args: str, code: int) -> list[dict[str, Any]]:
        """Run `homing doctor --json`; its lines."""
        out = await self.service.command("doctor", "--json", *args, code=code)
        return [json.loads(line) for line in out.splitlines()]

    async def of(self, check: str, *args: str, code: int) -> list[str]:
        """The statuses of one check's findings."""
        return [row["status"] for row in await self.run("--only", check, *args, code=code)]

    @property
    def url(self) -> str:
        """Where SendGrid reaches the service."""
        return f"{self.service.url}/sendgrid"

    async def post(self, *events: Mapping[str, object], secret: str = SECRET) -> None:
        """Post events as Segment does."""
        where = f"{self.service.url}/segment"
        async with SegmentWebhookSender(where, Destination(secret=secret, token=TOKEN)) as sender:
            for event in events:
                sender.send(event)
            await sender.settle()

    def lose(self, is_lost: Callable[[str], bool]) -> None:
        """Take scopes from the API key."""
        self.sendgrid.scopes.difference_update(set(filter(is_lost, self.sendgrid.scopes)))

    @property
    def asked(self) -> list[str]:
        """What SendGrid was asked."""
        return [one.path for one in self.sendgrid.requests]

    def use_key(self, key: str) -> None:
        """Have the configuration use another API key."""
        self.service.environ["SENDGRID_API_KEY"] = key


def make_well(sendgrid: SendGridEmulator, url: str) -> None:
    """Have everything that the configuration needs."""
    sendgrid.setup.verify_domain("acme.example")
    sendgrid.add_template(ORDER, subject="Order", html="<p>{{total}}</p>", name="Order")
    sendgrid.add_template(DIGEST, subject="News", html="<p>{{{unsubscribe}}}</p>")
    sendgrid.add_template(NOTICE, subject="Note", html="<p>Hello</p>")
    sendgrid.webhook_url = url


@pytest.fixture
async def clinic(tmp_path: Path) -> AsyncIterator[Clinic]:
    """Accounts that are well, and a service that does not run."""
    key = ec.generate_private_key(ec.SECP256R1())
    settings = SendGridSettings(marketing=MarketingSettings(most_lists_a_page=50))
    async with (
        SegmentEmulator() as segment,
        SendGridEmulator(private_key=key, settings=settings) as sendgrid,
    ):
        service = write_config(tmp_path, sendgrid, segment)
        service.edit('on_unknown = "drop"', 'on_unknown = "drop"\nclass = "transactional"')
        clinic = Clinic(service, sendgrid, segment)
        make_well(sendgrid, clinic.url)
        try:
            yield clinic
        finally:
            if service.process is not None:
                await service.kill()
        if openapi.available():
            openapi.assert_exchanges_valid(
                one for one in sendgrid.requests
                if one.status != 401 and not one.path.startswith(UNDESCRIBED)
            )  # fmt: skip


def by_status(rows: list[dict[str, Any]], status: str) -> list[str]:
    """The checks that say so."""
    return [row["id"] for row in rows if row["status"] == status]


def _has_event(state: Path) -> bool:
    with reading(state) as tx:
        return bool(tx.events.newest(state=None, before=None, limit=1))


def _on_a_terminal(service: Service) -> str:
    """What `homing doctor` writes to a terminal without colours."""
    ours, theirs = pty.openpty()
    environ = {**os.environ, **service.environ, "NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "120"}
    command = [sys.executable, "-m", "homing", "doctor", "--config", str(service.config)]
    with subprocess.Popen(command, env=environ, stdout=theirs, stderr=theirs):
        os.close(theirs)
        shown = b""
        # a terminal that nobody writes to any more ends with an error
        with contextlib.suppress(OSError):
            while piece := os.read(ours, 1 << 16):
                shown += piece
    os.close(ours)
    return shown.decode()


def _alerts(state: Path) -> bool:
    with reading(state) as tx:
        return bool(tx.books.alerts())


def by_id(rows: list[dict[str, Any]], check: str) -> dict[str, Any]:
    """The first finding of a check."""
    return next(row for row in rows if row["id"] == check)


class TestWell:
    async def test_all_is_well_without_a_service_and_beside_one(self, clinic):
        """No error, and no secret in what it says."""
        before = await clinic.run(code=0)
        await clinic.service.start()
        beside = await clinic.run(code=0)

        assert [] == by_status(before, "error") + by_status(beside, "error")
        store = [row for row in beside if row["id"] == "store"]
        assert "a service runs" in store[0]["found"]
        said = json.dumps([before, beside])
        secrets = [v for k, v in clinic.service.environ.items() if k != "SENDGRID_WEBHOOK_KEY"]
        assert not [secret for secret in secrets if secret in said]

    async def test_only_reads(self, clinic):
        """Nothing is changed at either account."""
        await clinic.run(code=0)

        assert {"GET"} == {one.method for one in clinic.sendgrid.requests}
        assert {"GET"} == {one.method for one in clinic.segment.requests}

    async def test_people_get_lines_with_cures(self, clinic):
        """And how many of each there are."""
        clinic.sendgrid.templates.remove(ORDER)

        out = await clinic.service.command("doctor", code=1)

        assert f"error    templates    template {ORDER} (order-confirmation):" in out
        assert "→ correct the id" in out
        assert "1 error" in out.splitlines()[-1]

    async def test_on_a_terminal_it_is_a_table(self, clinic):
        """What others named cannot move the cursor."""
        clinic.sendgrid.add_template(ORDER, subject="s", html="h", name="evil\x1b[2J\x07")

        shown = await asyncio.to_thread(_on_a_terminal, clinic.service)

        assert ["STATUS", "CHECK", "FOUND"] == shown.split("\r\n")[0].split()
        assert "\x1b" not in shown
        assert "Order" in shown or "evil" in shown

    async def test_only_some_checks_ask_only_some_questions(self, clinic):
        """A check that does not exist is a mistake on the command line."""
        rows = await clinic.run("--only", "groups", "--only", "key", code=0)
        await clinic.service.command("doctor", "--only", "grups", code=2)

        assert ["key", "groups"] == [row["id"] for row in rows]
        assert ["/v3/scopes", "/v3/asm/groups"] == [one.path for one in clinic.sendgrid.requests]


class TestKey:
    async def test_a_wrong_key_is_one_error_and_not_ten(self, clinic):
        """What cannot be looked at is skipped."""
        clinic.use_key("SG.wrong-key-wrong-key")

        rows = await clinic.run(code=1)

        assert ["key"] == by_status(rows, "error")
        assert "webhook" in by_status(rows, "skipped")
        assert "SG.wrong-key-wrong-key" not in json.dumps(rows)

    async def test_a_read_only_key_cannot_send(self, clinic):
        """The scopes that lack are named with what they are for."""
        clinic.lose(lambda scope: not scope.endswith(".read"))

        rows = await clinic.run("--only", "scopes", code=1)

        assert "mail.send" in rows[0]["found"]
        assert "asm.suppressions.global.create" in rows[0]["found"]

    async def test_full_access_is_a_warning(self, clinic):
        """Whoever reads the secret could do anything."""
        clinic.sendgrid.scopes.add("api_keys.create")

        assert ["warn"] == await clinic.of("scopes", code=0)

    async def test_a_key_that_sees_nothing_skips_what_it_cannot_see(self, clinic):
        """mail.send alone is a good key: nothing is an error for it but opting out."""
        clinic.sendgrid.scopes.clear()
        clinic.sendgrid.scopes.add("mail.send")

        rows = await clinic.run(code=1)

        assert ["scopes"] == by_status(rows, "error")
        assert {"groups", "webhook", "templates"} <= set(by_status(rows, "skipped"))

    async def test_an_account_that_is_down_is_told_within_its_time(self, clinic):
        """Nothing is held against what cannot be asked."""
        clinic.sendgrid.down = True

        assert ["key"] == by_status(await clinic.run(code=1), "error")

    async def test_nobody_at_the_endpoint(self, clinic):
        """The way is at fault, not the key."""
        await clinic.sendgrid.stop_listening()

        (row,) = await clinic.run("--only", "key", code=1)

        assert "did not answer" in row["found"]


class TestConfiguration:
    async def test_a_bad_configuration_is_an_error_with_its_place(self, clinic):
        """Nothing else can be looked at then."""
        clinic.service.edit('group = "newsletter"', 'group = "newsletters"')

        rows = await clinic.run(code=1)

        assert {("config", "error")} == {(row["id"], row["status"]) for row in rows}
        assert "homing.toml:" in rows[0]["found"]

    async def test_a_missing_secret_is_an_error(self, clinic):
        """Named with its reference."""
        del clinic.service.environ["SENDGRID_API_KEY"]

        rows = await clinic.run("--only", "config,key", code=1)

        assert ["config", "key"] == by_status(rows, "error")
        assert "${SENDGRID_API_KEY}" in rows[0]["found"]


class TestMail:
    @pytest.mark.parametrize("check", ["sender", "templates", "groups", "tracking"])
    async def test_what_mail_needs_is_missed(self, clinic, check):
        """Sender, template, group; what is merely not tracked is a warning."""
        sendgrid = clinic.sendgrid
        sendgrid.setup.domains.clear()
        sendgrid.templates.change(ORDER, is_active=False)
        sendgrid.suppressions.groups.clear()
        sendgrid.setup.tracking["open"] = False

        expected = "warn" if check == "tracking" else "error"
        assert expected in await clinic.of(check, code=int(expected == "error"))

    async def test_variables_are_compared_with_recorded_events(self, clinic):
        """What no event has is an error; who wrote the template is not asked."""
        service = clinic.service
        html = "{{total}} {{nope}} {{#if gift}}{{gift}}{{/if}} {{#each items}}{{title}}{{/each}}"
        clinic.sendgrid.add_template(ORDER, subject="s", html=html)
        assert "skipped" in await clinic.of("variables", code=0)
        await service.start()
        orders = [{"total": number, "items": [{"title": "Tea"}]} for number in (1, 2, 3)]
        await clinic.post(*(
            track(number, "Order Completed", order, user=f"u{number}")
            for number, order in enumerate(orders)
        ))  # fmt: skip
        await eventually(lambda: len(clinic.sendgrid.accepted) == 3)

        rows = await clinic.run("--only", "variables", code=1)

        (row,) = [row for row in rows if row["about"] == "email order-confirmation"]
        assert "{{nope}} (html, line 1): not in 3 of 3 recorded events" in row["found"]
        assert not any(word in row["found"] for word in ("total", "gift", "title"))

    async def test_a_route_that_asks_who_it_is_about_is_judged_too(self, clinic):
        """Whoever the recorded events are of: somebody may be in the audience one day."""
        config = clinic.service.config
        config.write_text(
            config.read_text().replace(
                "properties.total > 0'", 'in_audience("vip") and did("Tea", 3, "7d")\'', 1
            )
        )
        clinic.sendgrid.add_template(ORDER, subject="s", html="{{total}} {{nope}}")
        await clinic.service.start()
        await clinic.post(track(1, "Order Completed", {"total": 1}, user="u1"))
        await eventually(lambda: _has_event(clinic.service.state))

        rows = await clinic.run("--only", "variables", code=1)

        (row,) = [row for row in rows if row["about"] == "email order-confirmation"]
        assert "{{nope}} (html, line 1): not in 1 of 1 recorded events" in row["found"]

    async def test_an_email_of_a_journey_is_judged_by_what_its_runs_would_know(self, clinic):
        """Its data may come from the run."""
        clinic.service.config.write_text(clinic.service.config.read_text() + JOURNEY)
        clinic.sendgrid.add_template(CART, subject="{{item}}", html="{{n}} {{entered}} {{lost}}")
        await clinic.service.start()
        await clinic.post(track(1, "Product Added", {"title": "Tea"}, user="u1"))
        await eventually(lambda: _has_event(clinic.service.state))

        rows = await clinic.run("--only", "variables", code=1)

        (row,) = [row for row in rows if row["about"] == "email cart"]
        assert "{{lost}} (html, line 1): journey cart, step remind does not give" in row["found"]
        assert "item" not in row["found"]

    async def test_an_edited_template_is_shown_with_its_diff_once(self, clinic):
        """Without a store, and without a service."""
        first = await clinic.of("edits", code=0)
        clinic.sendgrid.add_template(ORDER, subject="Order", html="<p>{{total}}!</p>")
        rows = await clinic.run("--only", "edits", code=0)
        again = await clinic.of("edits", code=0)

        (edited,) = [row for row in rows if row["status"] == "warn"]
        assert ["ok"] * 3 == first == again
        assert "-<p>{{total}}</p>\n+<p>{{total}}!</p>" in edited["detail"]


class TestSegment:
    async def test_a_write_key_that_segment_does_not_know(self, clinic):
        """Segment itself answers 200 to it."""
        clinic.service.environ["SEGMENT_WRITE_KEY"] = "not-the-key-at-all"

        rows = await clinic.run("--only", "write-key", code=1)

        assert ["error"] == [row["status"] for row in rows]
        assert "not-the-key-at-all" not in json.dumps(rows)

    async def test_a_source_elsewhere_is_told(self, clinic):
        """By the public settings of the source."""
        clinic.segment.cdn.api_host = "events.eu1.segmentapis.com/v1"

        assert ["warn"] == await clinic.of("write-key", code=0)

    async def test_sendgrids_own_forwarding_counts_twice(self, clinic):
        """Into the same source."""
        clinic.sendgrid.setup.forward_to_segment(clinic.segment.write_key, "open", "click")

        assert ["error"] == await clinic.of("forwarding", code=1)

    @pytest.mark.parametrize(("token", "expected"), [("", "ok"), ("wrong-token", "error")])
    async def test_the_profile_api_takes_its_token_or_not(self, clinic, token, expected):
        """By looking nobody up."""
        clinic.service.edit(
            "[segment]",
            f'[segment]\nprofiles = {{ space = "{clinic.segment.space}",'
            f' token = "${{PROFILE_TOKEN}}", endpoint = "{clinic.segment.url}" }}',
        )
        clinic.service.environ["PROFILE_TOKEN"] = token or clinic.segment.token

        assert [expected] == await clinic.of("profiles", code=int(expected == "error"))


class TestMarketing:
    @pytest.fixture
    async def marketer(self, clinic) -> Clinic:
        """A configuration that writes contacts and lists."""
        clinic.service.config.write_text(clinic.service.config.read_text() + MARKETING)
        return clinic

    async def call(self, clinic, path, body):
        """Change the account as its owner would."""
        headers = {"Authorization": f"Bearer {clinic.sendgrid.api_key}"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.post(clinic.sendgrid.url + path, json=body) as answer,
        ):
            assert answer.status < 300, await answer.text()

    async def test_fields_and_lists_are_looked_for(self, marketer):
        """A field must be there; a list will be made."""
        absent = await marketer.of("fields,lists", code=1)
        await self.call(
            marketer, "/v3/marketing/field_definitions", {"name": "plan", "field_type": "Number"}
        )
        await self.call(marketer, "/v3/marketing/lists", {"name": "VIP customers"})

        rows = await marketer.run("--only", "contacts,fields,lists", code=0)

        assert ["error", "ok", "ok"] == absent
        assert ["ok"] * 4 == [row["status"] for row in rows]
        assert ["'VIP customers' is there", "'new' will be created with its first member"] == [
            row["found"] for row in rows if row["id"] == "lists"
        ]

    async def test_a_field_that_recorded_events_do_not_fit(self, marketer):
        """A type cannot be changed: better to know before there are contacts."""
        await self.call(
            marketer, "/v3/marketing/field_definitions", {"name": "plan", "field_type": "Number"}
        )
        await marketer.service.start()
        traits = {"email": "ann@example.com", "plan": "pro"}
        await marketer.post(
            {"type": "identify", "messageId": "i1", "userId": "ann", "traits": traits}
        )
        await eventually(lambda: _has_event(marketer.service.state))

        (row,) = await marketer.run("--only", "fields", code=1)

        assert "1 of the newest 1 values do not fit, 'pro' among them" in row["found"]

    async def test_without_a_plan_the_cause_is_named(self, marketer):
        """The key has its scopes, and is refused all the same."""
        marketer.sendgrid.no_marketing_plan = True

        (row,) = await marketer.run("--only", "contacts", code=1)

        assert "no Marketing plan" in row["found"]

    async def test_in_the_eu_the_cause_is_named(self, marketer):
        """Its host has no such API, whatever the key may do."""
        marketer.sendgrid.setup.is_eu = True

        rows = await marketer.run("--only", "scopes,contacts,fields,lists", code=1)

        assert ["contacts"] == by_status(rows, "error")
        assert "EU region" in by_id(rows, "contacts")["found"]

    async def test_lists_are_read_to_the_last_page(self, marketer):
        """A list on the last page is there."""
        for number in range(149):
            marketer.sendgrid.lists.add(f"List {number}")
        marketer.sendgrid.lists.add("VIP customers")

        rows = await marketer.run("--only", "lists", code=0)

        pages = [one for one in marketer.asked if "/v3/marketing/lists" in one]
        assert "'VIP customers' is there" == by_id(rows, "lists")["found"]
        assert 3 == len(pages)

    async def test_without_a_scope_the_cause_is_named(self, marketer):
        """The key is what is to be changed."""
        marketer.lose(lambda scope: scope.startswith("marketing"))

        rows = await marketer.run("--only", "scopes,contacts", code=1)

        assert ["scopes", "contacts"] == by_status(rows, "error")
        assert "no Marketing scope" in rows[-1]["found"]


class TestStanding:
    async def test_alerts_pauses_and_refused_posts_are_told(self, clinic):
        """What a person paused is a warning; a post turned away today is an error."""
        await clinic.service.start()
        await clinic.service.command("pause", "segment")
        await clinic.post(track(1, "X", {}, user="u1"), secret="another-secret")
        await eventually(lambda: _alerts(clinic.service.state))

        rows = await clinic.run("--only", "store,refused", code=1)

        assert (["store"], ["refused"]) == (by_status(rows, "warn"), by_status(rows, "error"))
        assert "posts of segment" in rows[-1]["about"]


class TestFix:
    @pytest.fixture
    async def unhooked(self, clinic) -> Clinic:
        """An account without an event webhook."""
        clinic.sendgrid.webhook_url = None
        return clinic

    async def test_a_webhook_is_made_its_key_written_and_then_tested(self, unhooked):
        """The first run tells what to write; the second, once it is written, tests."""
        clinic, service = unhooked, unhooked.service
        await service.start()
        fix = ("--only", "webhook", "--fix", "--url", clinic.url)

        rows = await clinic.run(*fix, code=1)
        file = service.folder / "sendgrid-webhook-default.pub"
        (webhook,) = clinic.sendgrid.setup.webhooks
        assert webhook.signer is not None
        assert webhook.signer.public_key == file.read_text().strip()
        assert ["ok", "warn"] == [row["status"] for row in rows if row["id"] == "fix"]
        line = f'public_keys = ["${{file:{file}}}"]'
        assert line in rows[1]["cure"]
        assert file.name not in service.config.read_text()

        service.edit('public_keys = ["${SENDGRID_WEBHOOK_KEY}"]', line)
        await service.command("reload")
        rows = await clinic.run(*fix, code=0)

        assert ["ok", "ok", "ok", "ok"] == [row["status"] for row in rows]
        assert "was taken" in rows[2]["found"]
        assert SendGridVerifier([file.read_text().strip()])

    async def test_a_file_that_the_configuration_names_already_is_reloaded(self, unhooked):
        """One run does it all."""
        clinic, service = unhooked, unhooked.service
        file = service.folder / "sendgrid-webhook-default.pub"
        service.edit(
            'public_keys = ["${SENDGRID_WEBHOOK_KEY}"]',
            f'public_keys = ["${{SENDGRID_WEBHOOK_KEY}}", "${{file:{file}}}"]',
        )
        file.write_text(clinic.sendgrid.public_key)
        await service.start()

        rows = await clinic.run("--only", "webhook", "--fix", "--url", clinic.url, code=0)

        assert ["made an event", "wrote its", "SendGrid's test"] == [
            " ".join(row["found"].split()[: 3 if n == 0 else 2]) for n, row in enumerate(rows[:3])
        ]

    async def test_a_webhook_that_is_off_is_switched_on_and_twice_changes_nothing(self, clinic):
        """A repair that is done needs no second."""
        (webhook,) = clinic.sendgrid.setup.webhooks
        webhook.enabled = False
        webhook.flags.clear()
        fix = ("--only", "webhook", "--fix", "--url", clinic.url)

        first = await clinic.run(*fix, code=0)
        written = len([one for one in clinic.sendgrid.requests if one.method != "GET"])
        second = await clinic.run(*fix, code=0)

        changes = [one.method for one in clinic.sendgrid.requests if one.method != "GET"]
        assert (["PATCH"], 1) == (changes, written)
        assert "switched" in first[0]["found"]
        assert "was on" in second[0]["found"]
        assert 1 == len(clinic.sendgrid.setup.webhooks)

    async def test_a_test_that_is_refused_or_goes_astray_is_told(self, clinic):
        """A key that the service does not have yet."""
        await clinic.service.start()
        (webhook,) = clinic.sendgrid.setup.webhooks
        webhook.signer = Signer()
        # the command finds the new key, the service was started with the old one
        clinic.service.environ["SENDGRID_WEBHOOK_KEY"] = webhook.signer.public_key

        rows = await clinic.run("--only", "webhook", "--fix", "--url", clinic.url, code=1)

        assert "was refused (401)" in rows[2]["found"]

    async def test_an_answer_that_gets_lost_makes_no_second_webhook(self, unhooked):
        """Made, and not heard of: the same again is refused, and found."""
        unhooked.sendgrid.faults.script(["ok", "reset-after-accept", "ok"])

        rows = await unhooked.run("--only", "webhook", "--fix", "--url", unhooked.url, code=1)

        posts = [one for one in unhooked.sendgrid.requests if one.method == "POST"]
        assert (2, 1) == (len(posts), len(unhooked.sendgrid.setup.webhooks))
        assert "made an event webhook" in rows[0]["found"]

    async def test_a_key_that_cannot_be_written_is_shown(self, unhooked):
        """So that it can be put there by hand."""
        (unhooked.service.folder / "sendgrid-webhook-default.pub").mkdir()

        rows = await unhooked.run("--only", "webhook", "--fix", "--url", unhooked.url, code=1)

        (webhook,) = unhooked.sendgrid.setup.webhooks
        assert "cannot be written" in rows[1]["found"]
        assert webhook.signer is not None
        assert webhook.signer.public_key in rows[1]["cure"]

    async def test_no_room_for_another_webhook_is_told(self, unhooked):
        """In SendGrid's words."""
        unhooked.sendgrid.setup.webhooks.max_allowed = 0

        rows = await unhooked.run("--only", "webhook", "--fix", "--url", unhooked.url, code=1)

        assert "maximum number of webhooks" in rows[0]["found"]

    async def test_a_key_that_may_not_is_told(self, unhooked):
        """With the scopes that it takes."""
        unhooked.sendgrid.scopes.discard("user.webhooks.event.settings.create")

        rows = await unhooked.run("--only", "webhook", "--fix", "--url", unhooked.url, code=1)

        assert "user.webhooks.event.settings.*" in rows[0]["cure"]

    @pytest.mark.parametrize(
        ("args", "code"),
        [
            (["--fix"], 2),
            (["--fix", "--url", "http://homing.example/sendgrid"], 65),
            (["--fix", "--url", "https://homing.example/other"], 65),
            (["--fix", "--url", "https://homing.example/sendgrid/shop"], 65),
            (["--url", "not a url"], 65),
            (["--url", "https://[bad/sendgrid"], 65),
        ],
    )
    async def test_a_url_that_is_none_of_ours_is_refused(self, clinic, args, code):
        """Before anybody is asked."""
        await clinic.service.command("doctor", *args, code=code)

        assert 0 == len(clinic.sendgrid.requests)

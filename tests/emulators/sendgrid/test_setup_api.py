"""Senders, domains, tracking, forwarding."""

import pytest
from tests.support import openapi

INTEGRATIONS = "/v3/marketing/integrations"
SEGMENT = {
    "destination": "Segment",
    "filters": {"email_events": ["click", "open"]},
    "properties": {"write_key": "a123456", "destination_region": "US"},
}


class TestSenders:
    async def test_they_are_paged_by_the_last_id(self, sendgrid, call):
        """``lastSeenID`` goes on where a page ended."""
        for number in range(5):
            sendgrid.setup.verify_sender(f"s{number}@acme.example", verified=number != 1)

        first = await (await call(sendgrid, "GET", "/v3/verified_senders?limit=2")).json()
        path = f"/v3/verified_senders?limit=9&lastSeenID={first['results'][-1]['id']}"
        rest = await (await call(sendgrid, "GET", path)).json()

        assert [True, False] == [one["verified"] for one in first["results"]]
        assert ["s2@acme.example", "s3@acme.example", "s4@acme.example"] == [
            one["from_email"] for one in rest["results"]
        ]


class TestDomains:
    async def test_they_are_paged_by_offset(self, sendgrid, call):
        """A page is as long as was asked."""
        for number in range(3):
            sendgrid.setup.verify_domain(f"d{number}.example", valid=number == 0)

        answer = await call(sendgrid, "GET", "/v3/whitelabel/domains?limit=2&offset=1")

        rows = [(one["domain"], one["valid"]) for one in await answer.json()]
        assert [("d1.example", False), ("d2.example", False)] == rows

    async def test_they_need_a_scope(self, sendgrid, call):
        """403 without."""
        sendgrid.scopes.discard("whitelabel.read")

        assert 403 == (await call(sendgrid, "GET", "/v3/whitelabel/domains")).status


class TestTracking:
    async def test_a_switch_shows_whether_it_is_on(self, sendgrid, call):
        """One that is not known is 404."""
        sendgrid.setup.tracking["open"] = False

        shown = await (await call(sendgrid, "GET", "/v3/tracking_settings/open")).json()
        other = await call(sendgrid, "GET", "/v3/tracking_settings/pigeons")

        assert ({"enabled": False}, 404) == (shown, other.status)


class TestIntegrations:
    async def test_one_is_made_listed_and_deleted(self, sendgrid, call):
        """A whole life, and the answers that the OpenAPI file describes."""
        made = await call(sendgrid, "POST", INTEGRATIONS, SEGMENT)
        listed = await (await call(sendgrid, "GET", INTEGRATIONS)).json()
        number = listed["result"][0]["integration_id"]
        deleted = await call(sendgrid, "DELETE", f"{INTEGRATIONS}?ids={number}")
        again = await call(sendgrid, "DELETE", f"{INTEGRATIONS}?ids={number}")

        assert (201, 204, 404) == (made.status, deleted.status, again.status)
        assert [await made.json()] == listed["result"]
        assert [] == sendgrid.setup.integrations

    @pytest.mark.parametrize(
        "change",
        [
            {"destination": "Elsewhere"},
            {"filters": {"email_events": ["pigeon"]}},
            {"filters": None},
            {"properties": {"write_key": "short", "destination_region": "US"}},
            {"properties": {"write_key": "a123456", "destination_region": "MARS"}},
        ],
    )
    async def test_what_it_cannot_be_is_refused(self, sendgrid, call, change):
        """Its destination, events, key and region are checked."""
        assert 400 == (await call(sendgrid, "POST", INTEGRATIONS, SEGMENT | change)).status

    @pytest.mark.skipif(not openapi.available(), reason=f"needs ${openapi.VARIABLE}")
    async def test_requests_and_answers_are_the_specifications(self, sendgrid, call):
        """Judged by the OpenAPI file."""
        await call(sendgrid, "POST", INTEGRATIONS, SEGMENT)
        await call(sendgrid, "GET", INTEGRATIONS)

        openapi.assert_exchanges_valid(sendgrid.requests)


class TestRegion:
    @pytest.mark.parametrize(
        ("path", "status"),
        [
            ("/v3/marketing/lists", 404),
            ("/v3/marketing/field_definitions", 404),
            (INTEGRATIONS, 200),
            ("/v3/scopes", 200),
            ("/v3/asm/groups", 200),
        ],
    )
    async def test_the_eu_has_no_marketing(self, sendgrid, call, path, status):
        """As the servers that the OpenAPI files name."""
        sendgrid.setup.is_eu = True

        assert status == (await call(sendgrid, "GET", path)).status


class TestTemplates:
    TEMPLATE = "d-00000000000000000000000000000001"

    async def test_earlier_versions_are_kept(self, sendgrid, call):
        """Only the newest is active."""
        for subject in ("one", "two", "three"):
            sendgrid.add_template(self.TEMPLATE, subject=subject, html="h")

        shown = await (await call(sendgrid, "GET", f"/v3/templates/{self.TEMPLATE}")).json()

        versions = [(one["subject"], one["active"]) for one in shown["versions"]]
        assert [("three", 1), ("two", 0), ("one", 0)] == versions

    async def test_a_template_may_be_without_an_active_version_or_a_legacy_one(
        self, sendgrid, call
    ):
        """A legacy one is listed among its kind alone."""
        sendgrid.add_template(self.TEMPLATE, subject="s", html="h")
        sendgrid.templates.change(self.TEMPLATE, generation="legacy", is_active=False)

        path = "/v3/templates?page_size=10&generations="
        lists = [
            len((await (await call(sendgrid, "GET", path + kind)).json())["result"])
            for kind in ("dynamic", "legacy", "legacy,dynamic")
        ]
        shown = await (await call(sendgrid, "GET", f"/v3/templates/{self.TEMPLATE}")).json()

        assert [0, 1, 1] == lists
        assert [0] == [one["active"] for one in shown["versions"]]

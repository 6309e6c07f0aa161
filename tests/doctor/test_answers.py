"""The vendors' own examples are read."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from tests.support import openapi

from homing.doctor.answers import (
    Domain,
    FieldDefinitions,
    Integrations,
    ListPage,
    Scopes,
    Senders,
    SignedWebhook,
    SourceSettings,
    Switch,
    Template,
    Version,
    Webhook,
    Webhooks,
)

SETTINGS = "/v3/user/webhooks/event/settings"
EXAMPLES: list[tuple[str, str, Any]] = [
    ("tsg_scopes_v3", "/v3/scopes", Scopes),
    ("tsg_templates_v3", "/v3/templates/{template_id}", Template),
    ("tsg_webhooks_v3", f"{SETTINGS}/all", Webhooks),
    ("tsg_webhooks_v3", f"{SETTINGS}/{{id}}", Webhook),
    ("tsg_webhooks_v3", f"{SETTINGS}/signed/{{id}}", SignedWebhook),
    ("tsg_integrations_v3", "/v3/marketing/integrations", Integrations),
    ("tsg_mc_lists_v3", "/v3/marketing/lists", ListPage),
    ("tsg_mc_custom_fields_v3", "/v3/marketing/field_definitions", FieldDefinitions),
]


def examples(file: str, path: str) -> list[object]:
    """What a file shows as the answer to a GET."""
    folder = Path(os.environ[openapi.VARIABLE])
    document = json.loads((folder / f"{file}.json").read_text())
    content = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]
    several = [one["value"] for one in content.get("examples", {}).values()]
    return several or [content[key] for key in ("example",) if key in content]


@pytest.mark.skipif(not openapi.available(), reason=f"needs ${openapi.VARIABLE}")
class TestPublishedExamples:
    @pytest.mark.parametrize(("file", "path", "shape"), EXAMPLES)
    def test_the_openapi_files_examples_are_read(self, file, path, shape):
        """Each of them, and there is one."""
        found = [shape.model_validate(one) for one in examples(file, path)]

        assert found

    def test_two_webhooks_and_none(self):
        """An account without has one empty object."""
        read = [
            Webhooks.model_validate(one) for one in examples("tsg_webhooks_v3", f"{SETTINGS}/all")
        ]

        (two,) = [one.real for one in read if one.real]
        assert [("123publickeyabc", True, False), ("123publickeydef", False, True)] == [
            (one.public_key, one.open, one.processed) for one in two
        ]
        assert 2 == len(read)


class TestShapes:
    def test_senders_domains_and_switches_are_read(self):
        """The examples of SendGrid's reference, "Verified Senders", "Domain Authentication"."""
        senders = Senders.model_validate(
            {"results": [{"id": 1234, "from_email": "orders@example.com", "verified": True,
                          "locked": False, "address2": None}]}
        )  # fmt: skip
        domain = Domain.model_validate(
            {"id": 45373692, "subdomain": "sub", "domain": "example.com", "valid": True, "dns": {}}
        )

        assert ("orders@example.com", True) == (
            senders.results[0].from_email, senders.results[0].verified,
        )  # fmt: skip
        assert ("example.com", "sub", True) == (domain.domain, domain.subdomain, domain.valid)
        assert not Switch.model_validate({"enabled": False, "enable_text": False}).enabled

    @pytest.mark.parametrize(
        ("settings", "host"),
        [
            (
                {"integrations": {"Segment.io": {"apiHost": "api.segment.io/v1"}}},
                "api.segment.io/v1",
            ),
            ({"integrations": {"Segment.io": {"apiHost": 7}}}, ""),
            ({"integrations": {"Segment.io": None}}, ""),
            ({"integrations": {}}, ""),
            ({}, ""),
        ],
    )
    def test_a_source_tells_where_it_takes_messages_or_not(self, settings, host):
        """Whatever else it says."""
        assert host == SourceSettings.model_validate(settings).api_host

    def test_null_is_as_good_as_nothing(self):
        """Texts, flags and lists."""
        rows = TypeAdapter(tuple[Version, ...]).validate_python([{"subject": None, "active": None}])
        hooks = Webhooks.model_validate({"webhooks": None})

        assert ((("", False),), ()) == (tuple((r.subject, r.active) for r in rows), hooks.real)

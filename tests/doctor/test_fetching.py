"""What the accounts are asked, and how their answers are read."""

from __future__ import annotations

import json

import pytest
from tests.doctor.conftest import EMAIL
from tests.support.stages import FixedClock

from homing.core.outcomes import Answer
from homing.doctor.answers import Failed, Got
from homing.doctor.fetching import Accounts, ahead_s, cdn_of, fetched
from homing.stages.asking import Asker
from homing.stages.rate import Rate

ID = "d-00000000000000000000000000000001"
SCOPES = "/v3/scopes"
KEY = {SCOPES: {"scopes": ["mail.send"]}}


class Account:
    """Answers by path, 404 for the others; notes what it was asked."""

    def __init__(self, answers, headers=None, *, silent=False):
        self.answers = answers
        self.silent = silent
        self.headers = headers or {}
        self.asked = []

    async def call(self, method, path, body):
        self.asked.append((method, path))
        if self.silent:
            return Answer(headers_sent=True, error="TimeoutError")
        value = self.answers.get(path, 404)
        if isinstance(value, list) and value and isinstance(value[0], Answer):
            value = value.pop(0)
        if isinstance(value, Answer):
            return value
        status, body = (value, b"") if isinstance(value, int) else (200, json.dumps(value).encode())
        return Answer(headers_sent=True, status=status, headers=self.headers, body=body)


async def no_sleep(_):
    """Sleep no time."""


def among(account, clock=None):
    """The accounts, all of them one."""
    clock = clock or FixedClock()
    rate = Rate(1e6, clock.monotonic_s, lambda: clock.now_ms() / 1000)
    ask = Asker(account, rate, clock, tries=2, sleep=no_sleep)
    return Accounts(ask, ask, ask, clock)


class TestFetched:
    async def test_only_what_is_asked_is_fetched(self, case):
        """And only by reading."""
        account = Account(KEY | {"/v3/asm/groups": [{"id": 7, "name": "News", "other": 1}]})

        facts = await fetched(case(EMAIL), {"key", "groups", "standing"}, among(account))

        assert [("GET", SCOPES), ("GET", "/v3/asm/groups")] == account.asked
        assert isinstance(facts.groups, Got)
        assert [(7, "News")] == [(one.id, one.name) for one in facts.groups.value]
        assert isinstance(facts.senders, Failed)

    async def test_a_refused_key_is_the_answer_to_every_question(self, case):
        """One cause is told once, and nothing else is asked."""
        account = Account({SCOPES: 401})

        facts = await fetched(case(EMAIL), {"key", "groups", "templates"}, among(account))

        assert {401} == {one.status for one in (facts.key, facts.groups, facts.templates[ID])}
        assert [("GET", SCOPES)] == account.asked

    async def test_the_write_key_is_never_part_of_what_is_said(self, case):
        """Though it is part of the path."""
        facts = await fetched(case(), {"source"}, among(Account({}, None, silent=True)))

        assert isinstance(facts.source, Failed)
        assert "write-key" not in facts.source.said

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"nonsense",
            b"[]",
            b"7",
            b'{"scopes": 7}',
            b'{"scopes": [1]}',
            b"\xff",
            b"[" * 9_000,
        ],
    )
    async def test_an_answer_of_another_shape_is_a_failure(self, case, body):
        """Whatever comes, nothing is raised."""
        account = Account({SCOPES: Answer(headers_sent=True, status=200, body=body)})

        facts = await fetched(case(), {"key"}, among(account))

        assert isinstance(facts.key, Failed)

    async def test_an_api_in_trouble_is_asked_twice(self, case):
        """And then it is told."""
        account = Account({SCOPES: 503})

        facts = await fetched(case(), {"key"}, among(account))

        assert 2 == len(account.asked)
        assert isinstance(facts.key, Failed)

    async def test_without_a_key_nobody_is_asked(self, case):
        """Every question fails the same way."""
        accounts = Accounts(None, None, None, FixedClock())
        wanted = {"key", "groups", "templates", "source", "profile"}

        facts = await fetched(case(EMAIL), wanted, accounts)

        looks = (facts.key, facts.groups, facts.templates[ID], facts.source, facts.profile)
        assert all(isinstance(look, Failed) for look in looks)


class TestPages:
    async def test_lists_are_followed_by_the_token_alone(self, case):
        """Where a page's URL leads is not for the answer to say."""
        base = "/v3/marketing/lists?page_size=1000"
        account = Account(
            {
                base: page(["a", "b"], "https://evil.example/steal?page_token=2&x=1"),
                f"{base}&page_token=2": page(["c"], "?page_token=3"),
                f"{base}&page_token=3": page(["d"], ""),
            }
        )
        facts = await fetched(case(), {"lists"}, among(account))

        assert isinstance(facts.lists, Got)
        assert ["a", "b", "c", "d"] == [one.name for one in facts.lists.value]

    async def test_a_page_that_leads_to_itself_is_the_last(self, case):
        """However often it is asked."""
        base = "/v3/marketing/lists?page_size=1000"
        account = Account(
            {
                base: page(["a"], "?page_token=2"),
                f"{base}&page_token=2": page(["b"], "?page_token=2"),
            }
        )
        await fetched(case(), {"lists"}, among(account))

        assert 2 == len(account.asked)

    async def test_domains_and_senders_are_paged(self, case):
        """By offset, and by the last id."""
        domains = [{"domain": f"d{n}.example", "valid": True} for n in range(60)]
        senders = [{"id": n, "from_email": f"s{n}@x.example"} for n in range(1, 131)]
        account = Account(
            {
                "/v3/whitelabel/domains?limit=50&offset=0": domains[:50],
                "/v3/whitelabel/domains?limit=50&offset=50": domains[50:],
                "/v3/verified_senders?limit=100&lastSeenID=0": {"results": senders[:100]},
                "/v3/verified_senders?limit=100&lastSeenID=100": {"results": senders[100:]},
            }
        )
        facts = await fetched(case(), {"domains", "senders"}, among(account))

        assert isinstance(facts.domains, Got)
        assert isinstance(facts.senders, Got)
        assert (60, 130) == (len(facts.domains.value), len(facts.senders.value))


def page(names, next_url):
    """One page of lists."""
    return {"result": [{"name": name} for name in names], "_metadata": {"next": next_url}}


class TestProfile:
    PATH = "/v1/spaces/spa_1/collections/users/profiles/user_id:homing-doctor/traits?limit=1"
    TEXT = '[segment]\nprofiles = { space = "spa_1", token = "${PROFILE_TOKEN}" }\n'

    @pytest.mark.parametrize(
        ("status", "said", "expected"),
        [
            (200, "", None),
            (404, "The resource was not found.", None),
            (404, "There is no such space.", 404),
            (401, "The token is not valid.", 401),
            (403, "", 403),
        ],
    )
    async def test_that_nobody_is_found_proves_the_token(self, case, status, said, expected):
        """Only the token and the space are asked about."""
        body = json.dumps({"error": {"code": "x", "message": said}}).encode()
        account = Account({self.PATH: Answer(headers_sent=True, status=status, body=body)})

        facts = await fetched(case(base=self.TEXT), {"profile"}, among(account))

        assert expected == getattr(facts.profile, "status", None)


class TestClock:
    @pytest.mark.parametrize(
        ("now_s", "date", "ahead"),
        [
            (0.0, "Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
            (0.9, "Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
            (61.0, "Thu, 01 Jan 1970 00:00:00 GMT", 60.0),
            (0.0, "Thu, 01 Jan 1970 00:01:00 GMT", -60.0),
            (0.0, None, None),
            (0.0, "", None),
            (0.0, "yesterday", None),
            (0.0, "Thu, 01 Jan 99999 00:00:00 GMT", None),
        ],
    )
    def test_whole_seconds_are_compared_mildly(self, now_s, date, ahead):
        """The header is cut off up to a second before."""
        assert ahead == ahead_s(now_s, date)


class TestCdnOf:
    @pytest.mark.parametrize(
        ("endpoint", "cdn"),
        [
            ("https://api.segment.io", "https://cdn.segment.com"),
            ("https://events.eu1.segmentapis.com", "https://cdn.segment.com"),
            ("https://t.acme.example", "https://cdn.segment.com"),
            ("http://127.0.0.1:8500", "http://127.0.0.1:8500"),
        ],
    )
    def test_settings_are_at_segments_cdn(self, endpoint, cdn):
        """In both regions; an emulator has them itself."""
        assert cdn == cdn_of(endpoint)

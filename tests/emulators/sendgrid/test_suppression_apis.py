"""The lists and groups over the API: what is on them, and how they are paged."""

import pytest

from homing.emulators import SendGridEmulator, SendGridSettings

GLOBAL = "/v3/asm/suppressions/global"
GROUP = "/v3/asm/groups/12345"
LISTS = ("bounces", "blocks", "invalid_emails", "spam_reports")


class TestGlobal:
    async def test_an_address_comes_and_goes(self, sendgrid, call):
        """Added with 201, found, taken off with 204, and then ``{}``."""
        added = await call(sendgrid, "POST", GLOBAL, {"recipient_emails": ["Ada+1@Example.com"]})
        found = await call(sendgrid, "GET", GLOBAL + "/ada%2B1%40example.com")
        removed = await call(sendgrid, "DELETE", GLOBAL + "/ada%2B1%40example.com")
        gone = await call(sendgrid, "GET", GLOBAL + "/ada%2B1%40example.com")

        assert (201, {"recipient_emails": ["Ada+1@Example.com"]}) == (
            added.status,
            await added.json(),
        )
        assert {"recipient_email": "ada+1@example.com"} == await found.json()
        assert 204 == removed.status
        assert {} == await gone.json()

    async def test_a_plus_that_is_not_encoded_is_a_space(self, sendgrid, call):
        """Who forgets to encode the address removes nobody."""
        sendgrid.suppressions.add("unsubscribes", "ada+1@example.com")

        await call(sendgrid, "DELETE", GLOBAL + "/ada+1@example.com")

        assert sendgrid.suppressions.find("unsubscribes", "ada+1@example.com")

    @pytest.mark.parametrize(
        "body", [{}, {"recipient_emails": []}, {"recipient_emails": ["x"]}, [], 1]
    )
    async def test_a_bad_body_is_refused(self, sendgrid, call, body):
        """400, and nobody is added."""
        assert 400 == (await call(sendgrid, "POST", GLOBAL, body)).status
        assert [] == sendgrid.suppressions.rows("unsubscribes")


class TestGroups:
    async def test_the_groups_are_listed(self, sendgrid, call):
        """Those of the settings, with how many have left them."""
        sendgrid.suppressions.add_to_group(12345, "ada@example.com")

        (group,) = await (await call(sendgrid, "GET", "/v3/asm/groups")).json()

        assert {
            "id": 12345, "name": "Newsletter", "description": "", "is_default": False,
            "unsubscribes": 1,
        } == group  # fmt: skip

    async def test_groups_can_be_made_changed_and_deleted(self, sendgrid, call):
        """Deleting one lets everybody in it get mail again."""
        made = await (await call(sendgrid, "POST", "/v3/asm/groups", {"name": "Offers"})).json()
        path = f"/v3/asm/groups/{made['id']}"
        sendgrid.suppressions.add_to_group(made["id"], "ada@example.com")

        changed = await call(sendgrid, "PATCH", path, {"name": "Deals"})
        deleted = await call(sendgrid, "DELETE", path)
        gone = await call(sendgrid, "GET", path)

        assert (201, "Deals") == (changed.status, (await changed.json())["name"])
        assert (204, 404) == (deleted.status, gone.status)
        assert not sendgrid.suppressions.in_group(made["id"], "ada@example.com")

    async def test_an_address_leaves_and_comes_back(self, sendgrid, call):
        """Added, listed, found by search, removed."""
        body = {"recipient_emails": ["ada@example.com", "eva@example.com"]}
        await call(sendgrid, "POST", GROUP + "/suppressions", body)

        listed = await (await call(sendgrid, "GET", GROUP + "/suppressions")).json()
        body = {"recipient_emails": ["eva@example.com", "bob@example.com"]}
        found = await (await call(sendgrid, "POST", GROUP + "/suppressions/search", body)).json()
        await call(sendgrid, "DELETE", GROUP + "/suppressions/ada%40example.com")
        everyone = await (await call(sendgrid, "GET", "/v3/asm/suppressions")).json()

        assert ["ada@example.com", "eva@example.com"] == listed
        assert ["eva@example.com"] == found
        assert [("eva@example.com", 12345, "Newsletter")] == [
            (row["email"], row["group_id"], row["group_name"]) for row in everyone
        ]

    async def test_an_unknown_group_goes_global(self, sendgrid, call):
        """So says the specification, and nothing in the answer shows it."""
        body = {"recipient_emails": ["ada@example.com"]}

        answer = await call(sendgrid, "POST", "/v3/asm/groups/99/suppressions", body)

        assert (201, body) == (answer.status, await answer.json())
        assert sendgrid.suppressions.find("unsubscribes", "ada@example.com")

    async def test_the_groups_of_an_address(self, sendgrid, call):
        """All groups, each with a flag."""
        sendgrid.suppressions.add_to_group(12345, "ada@example.com")

        answer = await (
            await call(sendgrid, "GET", "/v3/asm/suppressions/ada%40example.com")
        ).json()

        assert [(12345, True)] == [(row["id"], row["suppressed"]) for row in answer["suppressions"]]

    @pytest.mark.parametrize("group", ["x", "-1", "1.0", "٣", "9" * 30])
    async def test_a_group_id_is_a_number(self, sendgrid, call, group):
        """Anything else is 400."""
        path = f"/v3/asm/groups/{group}/suppressions"

        assert 400 == (await call(sendgrid, "POST", path, {"recipient_emails": ["a@b.co"]})).status


class TestLists:
    @pytest.mark.parametrize("name", LISTS)
    async def test_a_row_is_read_and_removed(self, sendgrid, call, name):
        """One address, by its path."""
        sendgrid.suppressions.add(name, "ada@example.com", reason="r", status="5.1.1", ip="1.2.3.4")
        path = f"/v3/suppression/{name}/ada%40example.com"

        (row,) = await (await call(sendgrid, "GET", path)).json()
        removed = await call(sendgrid, "DELETE", path)
        rest = await (await call(sendgrid, "GET", path)).json()

        assert "ada@example.com" == row["email"]
        assert (204, []) == (removed.status, rest)

    async def test_pages_drift_newest_first(self, call, ticking):
        """``limit`` and ``offset`` cut the list, whose newest rows come first."""
        async with SendGridEmulator(settings=SendGridSettings(clock=ticking)) as sendgrid:
            for number in range(5):
                sendgrid.suppressions.add("bounces", f"a{number}@example.com")

            pages = [
                await (
                    await call(sendgrid, "GET", f"/v3/suppression/bounces?limit=2&offset={offset}")
                ).json()
                for offset in (0, 2, 4, 6)
            ]

        assert [["a4", "a3"], ["a2", "a1"], ["a0"], []] == [
            [row["email"].partition("@")[0] for row in page] for page in pages
        ]

    async def test_times_are_inclusive(self, call):
        """A window takes both its ends."""
        now = [100.0]
        settings = SendGridSettings(clock=lambda: now[0])
        async with SendGridEmulator(settings=settings) as sendgrid:
            for second in (100, 101, 102, 103):
                now[0] = float(second)
                sendgrid.suppressions.add("unsubscribes", f"a{second}@example.com")

            path = "/v3/suppression/unsubscribes?start_time=101&end_time=102"
            rows = await (await call(sendgrid, "GET", path)).json()

        assert [102, 101] == [row["created"] for row in rows]

    async def test_rows_can_be_older(self, sendgrid, call):
        """A test says when; the lists are in order of time, whatever the order of adding."""
        for created in (300, 100, 200):
            sendgrid.suppressions.add("bounces", f"a{created}@example.com", created=created)
        sendgrid.suppressions.add_to_group(12345, "ada@example.com", created=50)
        sendgrid.suppressions.add_to_group(99, "eva@example.com", created=60)

        path = "/v3/suppression/bounces?start_time=100&end_time=300&limit=2&offset=1"
        page = await (await call(sendgrid, "GET", path)).json()
        (row,) = await (await call(sendgrid, "GET", "/v3/asm/suppressions")).json()

        assert [200, 100] == [row["created"] for row in page]
        assert 50 == row["created_at"]
        assert 60 == sendgrid.suppressions.find("unsubscribes", "eva@example.com").created

    @pytest.mark.parametrize(
        ("pattern", "found"),
        [
            ("sales", ["sales@a.co", "salesman@b.co"]),
            ("%25man", ["salesman@b.co", "woman@c.co"]),
            ("%25a%25b.co", ["salesman@b.co"]),
            ("sales%40a.co", ["sales@a.co"]),
            (".*", []),
            ("%25" * 50, ["sales@a.co", "salesman@b.co", "woman@c.co"]),
        ],
    )
    async def test_addresses_are_found_by_their_start(self, sendgrid, call, pattern, found):
        """``%`` stands for anything; everything else for itself."""
        for address in ("sales@a.co", "salesman@b.co", "woman@c.co"):
            sendgrid.suppressions.add("spam_reports", address)

        path = f"/v3/suppression/spam_reports?email={pattern}"
        rows = await (await call(sendgrid, "GET", path)).json()

        assert found == sorted(row["email"] for row in rows)

    @pytest.mark.parametrize(
        "query", ["limit=0", "limit=501", "limit=x", "offset=-1", "start_time=x"]
    )
    async def test_a_bad_query_is_refused(self, sendgrid, call, query):
        """400, and the parameter is named."""
        sendgrid.suppressions.add("blocks", "a@b.co")

        answer = await call(sendgrid, "GET", f"/v3/suppression/blocks?{query}")

        assert 400 == answer.status
        assert query.partition("=")[0] == (await answer.json())["errors"][0]["field"]

    @pytest.mark.parametrize(
        ("body", "status", "left"),
        [
            ({"emails": ["A@b.co"]}, 204, ["c@b.co"]),
            ({"delete_all": True}, 204, []),
            ({"delete_all": False, "emails": ["c@b.co"]}, 204, ["a@b.co"]),
            ({"delete_all": True, "emails": ["a@b.co"]}, 400, ["c@b.co", "a@b.co"]),
            ({}, 400, ["c@b.co", "a@b.co"]),
        ],
    )
    async def test_many_are_removed_at_once(self, sendgrid, call, body, status, left):
        """Some, or all, never both."""
        for address in ("c@b.co", "a@b.co"):
            sendgrid.suppressions.add("bounces", address)

        answer = await call(sendgrid, "DELETE", "/v3/suppression/bounces", body)

        assert status == answer.status
        assert sorted(left) == sorted(row.email for row in sendgrid.suppressions.rows("bounces"))

    async def test_unsubscribes_cannot_be_removed_here(self, sendgrid, call):
        """That list is read only."""
        path = "/v3/suppression/unsubscribes"

        assert 405 == (await call(sendgrid, "DELETE", path, {"delete_all": True})).status


class TestAccount:
    async def test_scopes_are_told(self, sendgrid, call):
        """What the key may do, as it is now."""
        sendgrid.scopes.clear()
        sendgrid.scopes.add("mail.send")

        assert {"scopes": ["mail.send"]} == await (await call(sendgrid, "GET", "/v3/scopes")).json()
        assert 403 == (await call(sendgrid, "GET", "/v3/asm/groups")).status

    async def test_a_template_is_shown(self, sendgrid, call):
        """With its active version, subject and contents."""
        template_id = "d-" + "a" * 32
        sendgrid.add_template(template_id, subject="Hi {{name}}", html="<p>{{name}}</p>")

        shown = await (await call(sendgrid, "GET", f"/v3/templates/{template_id}")).json()

        assert ("dynamic", 1) == (shown["generation"], len(shown["versions"]))
        assert ("Hi {{name}}", "<p>{{name}}</p>", 1) == tuple(
            shown["versions"][0][key] for key in ("subject", "html_content", "active")
        )
        assert 404 == (await call(sendgrid, "GET", "/v3/templates/d-other")).status

    async def test_templates_are_paged(self, sendgrid, call):
        """``page_size`` is required; without ``generations`` only legacy ones are meant."""
        for letter in "abc":
            sendgrid.add_template("d-" + letter * 32, subject="s", html="h")
        path = "/v3/templates?generations=dynamic&page_size=2"

        first = await (await call(sendgrid, "GET", path)).json()
        following = first["_metadata"]["next"].removeprefix(sendgrid.url)
        second = await (await call(sendgrid, "GET", following)).json()

        assert [2, 1] == [len(first["result"]), len(second["result"])]
        assert "next" not in second["_metadata"]
        assert 400 == (await call(sendgrid, "GET", "/v3/templates")).status
        assert (
            []
            == (await (await call(sendgrid, "GET", "/v3/templates?page_size=5")).json())["result"]
        )

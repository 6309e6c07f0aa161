"""Section 12: people become contacts, and audiences become lists, in the last word's sense."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from pathlib import Path
from typing import Any

from tests.support.service import World, track, world

from homing.emulators import SendGridSettings
from homing.emulators.sendgrid.marketing.settings import MarketingSettings

MARKETING = """
[contacts]
when   = 'type = "identify" and traits.email != null'
custom = { plan = "$.traits.plan", user_id = "$.userId" }

[list.vip]
audience = "vip"
name     = "VIP customers"

[list.trial]
audience = "trial"
"""


PLAIN = """
[contacts]
"""


def identify(number: int, user: str, **traits: object) -> dict[str, object]:
    return {
        "type": "identify", "messageId": f"i-{number}-{user}", "userId": user,
        "timestamp": f"2026-11-22T10:00:{number % 60:02d}.000Z",
        "traits": {"email": f"{user}@example.com", **traits},
    }  # fmt: skip


def engaged(
    number: int, user: str, *, member: bool, key: str = "vip", email: str | None = None
) -> dict[str, object]:
    """Engage's identify form, as a back-fill or a change sends it."""
    return {
        "type": "identify", "messageId": f"personas_{number}_{user}_{key}", "userId": user,
        "timestamp": f"2026-11-22T11:{number // 60:02d}:{number % 60:02d}.000Z",
        "context": {"personas": {
            "computation_class": "audience", "computation_id": "aud_1", "computation_key": key,
            "namespace": "spa_1", "space_id": "spa_1",
        }},
        "traits": {key: member, "email": email or f"{user}@example.com"},
        "integrations": {"All": False, "Webhooks (Actions)": True},
    }  # fmt: skip


def on_list(w: World, name: str) -> set[str]:
    found = w.sendgrid.lists.named(name)
    return set() if found is None else set(found.emails)


def upserts(w: World) -> int:
    return sum(
        r.method == "PUT" and r.path == "/v3/marketing/contacts" for r in w.sendgrid.requests
    )


def looks(w: World) -> int:
    return sum("/contacts/imports/" in request.path for request in w.sendgrid.requests)


def json_lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def age(w: World) -> None:
    """Let what was said of lists be of yesterday: an export may be judged by it."""
    with sqlite3.connect(w.service.state, timeout=10) as db:
        db.execute("UPDATE list_member SET changed_at = 0")


async def all_told(w: World, timeout_s: float = 40.0) -> None:
    """Wait until nothing is left to be told."""

    def told() -> bool:
        effects = w.tables()["effects"]["contacts"]
        return not effects["ready"] and not effects["sent"]

    await w.evaluated()
    await w.until(told, timeout_s, what="all told")


class TestContacts:
    async def test_an_identify_becomes_a_contact_with_typed_fields(self, tmp_path: Path) -> None:
        """Own fields in both spellings, custom ones by name, the effect done with the job."""
        async with world(tmp_path, processes=1, extra=MARKETING) as w:
            w.sendgrid.field_definitions.add("plan", "Text")
            w.sendgrid.field_definitions.add("user_id", "Text")
            await w.sender.deliver(
                identify(1, "Ann", firstName="Ann", plan=True, address={"postalCode": "1234"}),
                identify(2, "Bob", first_name="Bob", plan=None),
            )
            await w.sendgrid.until(lambda: len(w.sendgrid.contacts) == 2, 20)
            await all_told(w)

            ann = w.sendgrid.contacts.find("ann@example.com")
            assert ann is not None
            assert ("Ann", "1234") == (ann.fields["first_name"], ann.fields["postal_code"])
            assert {"true", "Ann"} == set(ann.custom.values())
            assert 1 == upserts(w)

    async def test_one_bad_address_of_a_thousand_is_dead_alone(self, tmp_path: Path) -> None:
        """Whether we see it, or SendGrid refuses the batch for it, or the job does."""
        async with world(tmp_path, processes=1, extra=PLAIN) as w:
            w.sendgrid.jobs.refused_addresses.add("p7@example.com")
            people = [identify(n, f"p{n}") for n in range(998)]
            people += [identify(998, "x", email="not@an@address"), identify(999, "y", email="@")]
            for start in range(0, len(people), 500):
                await w.sender.deliver(*people[start : start + 500])
            await all_told(w)
            dead = json_lines(await w.service.command("dead", "list", "--json"))

            assert 997 == len(w.sendgrid.contacts)
            assert 997 == w.tables()["effects"]["contacts"]["done"]
            assert 3 == len(dead)
            assert any("was refused" in row["reason"] for row in dead)

    async def test_a_custom_field_that_is_not_defined_fails_once(self, tmp_path: Path) -> None:
        """It is dead with its name; retried once it is there, it arrives."""
        async with world(tmp_path, processes=1, extra=MARKETING) as w:
            w.sendgrid.field_definitions.add("user_id", "Text")
            await w.sender.deliver(identify(1, "ann", plan="pro"), identify(2, "bob"))
            await all_told(w)
            (dead,) = json_lines(await w.service.command("dead", "list", "--json"))
            assert "custom field 'plan' is not defined" in dead["reason"]
            assert "bob@example.com" in w.sendgrid.contacts

            w.sendgrid.field_definitions.add("plan", "Text")
            await w.service.stop()
            await w.service.start()
            await w.service.command("dead", "retry", dead["id"])
            await w.sendgrid.until(lambda: "ann@example.com" in w.sendgrid.contacts, 20)

    async def test_without_a_marketing_plan_all_waits_and_the_cure_is_named(
        self, tmp_path: Path
    ) -> None:
        """403: paused with its reason, ingest goes on; then nothing was lost."""
        async with world(tmp_path, processes=1, extra=PLAIN) as w:
            w.sendgrid.no_marketing_plan = True
            await w.sender.deliver(identify(1, "ann"))
            await w.until(lambda: "contacts" in w.books().pauses, 30)
            reason = w.books().pauses["contacts"].reason
            assert reason.startswith("PUT /v3/marketing/contacts: HTTP 403")
            assert "marketing.*" in reason
            assert "a plan with Marketing Campaigns" in reason
            await w.sender.deliver(identify(2, "bob"))
            w.sendgrid.no_marketing_plan = False
            await all_told(w, 60)

            assert {"ann@example.com", "bob@example.com"} == {
                contact.email for contact in w.sendgrid.contacts
            }


class TestCrashes:
    async def test_killed_after_sendgrid_took_a_batch_it_is_written_again(
        self, tmp_path: Path
    ) -> None:
        """Nobody knows whether it was taken; an upsert may be repeated, and that is counted."""
        async with world(tmp_path, processes=1, extra=PLAIN, start=False) as w:
            await w.service.start(HOMING_CRASH_AT="after_upsert")
            await w.sender.deliver(identify(1, "ann"))
            await w.service.exited()
            await w.service.start()
            await all_told(w)

            assert 2 == upserts(w)
            assert 1 == w.books().counts["contacts:calls_repeated"]
            assert 1 == w.tables()["effects"]["contacts"]["done"]

    async def test_killed_while_sendgrid_works_it_looks_again(self, tmp_path: Path) -> None:
        """The job is on disk: it is polled to its end, and not called again."""
        async with world(tmp_path, processes=1, extra=PLAIN) as w:
            w.sendgrid.jobs.held = True
            await w.sender.deliver(identify(1, "ann"))
            await w.sendgrid.until(lambda: upserts(w) == 1, 20)
            await w.sendgrid.until(lambda: looks(w) >= 1)
            await w.service.kill()
            w.sendgrid.jobs.held = False
            w.sendgrid.jobs.finish_all()
            await w.service.start()
            await all_told(w)

            assert 1 == upserts(w)
            assert 1 == w.tables()["effects"]["contacts"]["done"]


class TestLists:
    async def test_from_one_audience_to_another(self, tmp_path: Path) -> None:
        """Never left on both, whichever word comes first."""
        async with world(tmp_path, processes=1, extra=MARKETING) as w:
            await w.sender.deliver(engaged(1, "ann", member=True, key="trial"))
            await w.sendgrid.until(lambda: on_list(w, "trial") == {"ann@example.com"}, 20)
            await w.sender.deliver(
                engaged(3, "ann", member=True), engaged(2, "ann", member=False, key="trial")
            )
            await all_told(w)

            assert (set(), {"ann@example.com"}) == (
                on_list(w, "trial"),
                on_list(w, "VIP customers"),
            )

    async def test_with_another_address_lists_follow(self, tmp_path: Path) -> None:
        """The new contact is written and listed, the old address is taken off."""
        async with world(tmp_path, processes=1, extra=MARKETING) as w:
            await w.sender.deliver(identify(1, "ann"), engaged(2, "ann", member=True))
            await w.sendgrid.until(lambda: on_list(w, "VIP customers") == {"ann@example.com"}, 20)
            await w.sender.deliver(identify(3, "ann", email="ann@new.example"))
            await w.sendgrid.until(lambda: on_list(w, "VIP customers") == {"ann@new.example"}, 30)
            await all_told(w)

            assert "ann@new.example" in w.sendgrid.contacts

    async def test_comparing_writes_only_the_difference(self, tmp_path: Path) -> None:
        """Who vanished is added again, who should not be there leaves, strangers stay."""
        async with world(tmp_path, processes=1, extra=MARKETING) as w:
            people = [f"p{n}" for n in range(20)]
            await w.sender.deliver(*(engaged(1, user, member=True) for user in people))
            await w.sender.deliver(engaged(2, "p19", member=False))
            await all_told(w)
            age(w)
            vip = w.sendgrid.lists.named("VIP customers")
            assert vip is not None
            for user in ("p1", "p2"):
                gone = w.sendgrid.contacts.find(f"{user}@example.com")
                assert gone is not None
                w.sendgrid.lists.take(vip.id, gone.id)
            for email in ("p19@example.com", "stranger@example.com"):
                w.sendgrid.lists.put(vip.id, w.sendgrid.contacts.add(email))
            said = await w.service.command("reconcile", "lists", "vip", "--json")
            (report,) = json_lines(said)
            await all_told(w)

            assert (2, 1, 1, 3) == tuple(
                report[key] for key in ("missing", "extra", "strangers", "written")
            )
            expected = {f"p{n}@example.com" for n in range(19)} | {"stranger@example.com"}
            assert expected == on_list(w, "VIP customers")
            age(w)
            (again,) = json_lines(await w.service.command("reconcile", "lists", "vip", "--json"))
            assert (0, 0, 0) == tuple(again[key] for key in ("missing", "extra", "written"))

    async def test_entering_and_leaving_in_one_batch_ends_as_the_last_word_says(
        self, tmp_path: Path
    ) -> None:
        """An address with a quote and capitals enters and exits: the list is empty."""
        async with world(tmp_path, processes=1, extra=MARKETING) as w:
            odd = "Ann.O'Neil@X.io"
            await w.sender.deliver(engaged(1, "u1", member=True, email=odd))
            await w.sendgrid.until(lambda: on_list(w, "VIP customers") == {odd.lower()}, 20)
            await w.sender.deliver(engaged(2, "u1", member=False, email=odd))
            await w.sendgrid.until(lambda: not on_list(w, "VIP customers"), 20)
            await w.sender.deliver(
                engaged(4, "u2", member=False), engaged(3, "u2", member=True),
                engaged(5, "u3", member=True), engaged(6, "u3", member=False),
            )  # fmt: skip
            await all_told(w)

            assert set() == on_list(w, "VIP customers")

    async def test_a_thousand_in_shuffled_doubled_batches_end_as_last_said(
        self, tmp_path: Path
    ) -> None:
        """The list equals the last word of each, in at most three upsert calls."""
        people = [f"p{number}" for number in range(1_000)]
        last = {user: 1 + number % 3 for number, user in enumerate(people)}
        said = [
            engaged(number, user, member=number % 2 == 1)
            for user in people
            for number in range(1, last[user] + 1)
        ]
        said += said[::2]
        said.sort(key=lambda event: hashlib.sha256(str(event["messageId"]).encode()).digest())
        async with world(tmp_path, processes=1, extra=MARKETING) as w:
            for start in range(0, len(said), 400):
                await w.sender.deliver(*said[start : start + 400])
            await all_told(w, 60)

            expected = {f"{user}@example.com" for user, words in last.items() if words % 2}
            assert expected == on_list(w, "VIP customers")
            assert upserts(w) <= 3


class TestComparing:
    async def test_killed_in_the_middle_it_goes_on_and_ends_alike(self, tmp_path: Path) -> None:
        """After a part of the repairs is on disk; an export of many packed files is read again."""
        marketing = MarketingSettings(export_file_rows=3)
        settings = SendGridSettings(marketing=marketing)
        people = [f"p{n}" for n in range(10)]
        async with world(tmp_path, processes=1, extra=MARKETING, settings=settings) as w:
            await w.sender.deliver(*(engaged(1, user, member=True) for user in people))
            await all_told(w)
            await w.service.kill()
            with sqlite3.connect(w.service.state, timeout=10) as db:
                db.execute("UPDATE list_member SET changed_at = 0")
                db.execute("DELETE FROM meta WHERE key LIKE 'reconcile:list:%'")
            vip = w.sendgrid.lists.named("VIP customers")
            assert vip is not None
            for user in people[::2]:
                gone = w.sendgrid.contacts.find(f"{user}@example.com")
                assert gone is not None
                w.sendgrid.lists.take(vip.id, gone.id)
            await w.service.start(HOMING_CRASH_AT="after_repairs")
            await w.service.exited(60)
            await w.service.start()
            await w.until(lambda: len(on_list(w, "VIP customers")) == 10, 60)
            await all_told(w)
            (report,) = json_lines(
                await w.service.command("reconcile", "lists", "vip", "--json", "--dry-run")
            )

            assert (0, 0, 10) == tuple(report[key] for key in ("missing", "extra", "on_list"))

    async def test_a_key_that_may_only_read_is_named_with_its_cure(self, tmp_path: Path) -> None:
        """The command fails and says why; what comes in is taken in meanwhile."""
        async with world(tmp_path, processes=1, extra=MARKETING) as w:
            await w.sender.deliver(engaged(1, "ann", member=True))
            await all_told(w)
            w.sendgrid.no_marketing_plan = True
            said = await w.service.command("reconcile", "lists", "vip", "--json", code=1)
            (report,) = json_lines(said)
            assert "refused" == report["status"]
            assert "Marketing Campaigns" in report["error"]
            await w.sender.deliver(engaged(2, "bob", member=True))
            await w.evaluated(2)
            with sqlite3.connect(w.service.state, timeout=10) as db:
                kinds = {kind for (kind,) in db.execute("SELECT kind FROM alert")}
            assert "reconcile_refused" in kinds


class TestWhy:
    async def test_what_an_entry_into_a_local_audience_caused_is_told(self, tmp_path: Path) -> None:
        """Of the event, and of the email: with the clause that held."""
        extra = """
[audience.gold]

[route.upgraded]
when = 'event = "Upgraded"'
add_to_audience = "gold"

[route.welcome]
when = 'event = "Audience Entered" and properties.audience_key = "gold"'
send = "notice"
"""
        async with world(tmp_path, processes=1, extra=extra) as w:
            await w.sender.deliver(track(1, "Upgraded", {}, user="ann"))
            await w.until(lambda: w.states()["accepted"] == 1)
            (event,) = json_lines(await w.service.command("why", "e1", "--json"))
            (asked,) = json_lines(
                await w.service.command("why", "--not", "notice", "ann", "--json")
            )
            (member,) = json_lines(
                await w.service.command("people", "list", "--audience", "gold", "--json")
            )

        (welcome,) = (one for one in event["decisions"] if one["after"] == "Audience Entered gold"
                      and one["rule"] == "welcome")  # fmt: skip
        assert welcome["held"]
        (route,) = (one for one in asked["routes"] if one["rule"] == "welcome")
        assert ["e1"] == [one["event"] for one in route["events"] if one["held"]]
        assert ("ann", "e1") == (member["user_id"], member["event"])

"""Section 12: people become contacts, and audiences become lists, in the last word's sense."""

from __future__ import annotations

import random
from pathlib import Path

from tests.support.service import World, world

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
    return sum(r.method == "PUT" and r.path == "/v3/marketing/contacts" for r in w.sendgrid.requests)


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


class TestLists:
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
        chance = random.Random(4)
        people = [f"p{number}" for number in range(1_000)]
        said = [
            engaged(number, user, member=member)
            for user in people
            for number, member in enumerate([True, False, True][: chance.randint(1, 3)], 1)
        ]
        last = {user: 0 for user in people}
        for event in said:
            last[str(event["userId"])] += 1
        said += chance.sample(said, len(said) // 2)
        chance.shuffle(said)
        async with world(tmp_path, processes=1, extra=MARKETING) as w:
            for start in range(0, len(said), 400):
                await w.sender.deliver(*said[start : start + 400])
            await all_told(w, 60)

            expected = {f"{user}@example.com" for user, words in last.items() if words % 2}
            assert expected == on_list(w, "VIP customers")
            assert upserts(w) <= 3

"""Whoever asks to be forgotten is found nowhere, on neither side, whatever happens meanwhile."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from tests.end_to_end.test_contacts import MARKETING, engaged, on_list
from tests.support import oracle
from tests.support.service import SECRET, World, world
from tests.support.stories import event, identified, records, take

from homing.emulators import Destination, SegmentWebhookSender, deletion
from homing.emulators.segment.products import Product

LOCAL = "quincunx"
ADDRESS = f"{LOCAL}+o'x@example.com"
OLD = f"old.{LOCAL}@example.com"
USER = f"{LOCAL}-id"
NEIGHBOUR = "neighbour"

JOURNEY = """
[journey.wait]
entry = { when = 'event = "Began"', reentry = "always", key = "$.properties.key" }
[[journey.wait.step]]
id = "hold"
delay = "3d"
[[journey.wait.step]]
id = "send"
send = "digest"
"""
EXTRA = MARKETING + JOURNEY


async def deleted(w: World, sources: int = 2) -> None:
    """Segment passes a request to delete on, once for each source."""
    destination = Destination(Product.CLASSIC, secret=SECRET)
    async with SegmentWebhookSender(f"{w.service.url}/segment", destination) as sender:
        for number in range(sources):
            post = await sender.deliver(deletion(USER, messageId=f"d{number}"))
            assert 200 == post.status


async def erased(w: World) -> None:
    """A person runs `homing erase`."""
    said = json.loads(await w.service.command("erase", "--user", USER, "--yes", "--json"))
    assert ("erased", 1) == (said["status"], said["people"])


def forms(text: str) -> set[bytes]:
    """A text as files may hold it: in small letters, as JSON and URLs write it."""
    ways = {text, quote(text), quote(text, safe="@"), json.dumps(text)[1:-1]}
    ways |= {text.replace("@", "\\u0040"), text.replace("'", "\\u0027")}
    return {one.lower().encode() for one in ways}


def files_naming(w: World, *texts: str) -> list[str]:
    """Names of all files in the folder that hold one of the texts, in whatever form."""
    wanted = {form for text in texts for form in forms(text)}
    found = []
    for path in sorted(w.service.folder.rglob("*")):
        if path.is_file():
            held = path.read_bytes().lower()
            found += [f"{path.name}: {form!r}" for form in wanted if form in held]
    return found


def contact_of(w: World, address: str) -> Any:  # noqa: ANN401  the emulator's own
    return w.sendgrid.contacts.find(address)


async def lived(w: World) -> None:
    """Somebody of whom much is known, beside somebody of whom it must stay known."""
    context = {"traits": {"email": ADDRESS, "name": "Quentin Quincunx"}}
    order = {"event": "Order Completed", "properties": {"total": 1, "note": ADDRESS}}
    # its other field is missing there: what was to be written of the first address is dead
    w.sendgrid.field_definitions.add("user_id", "Text")
    first = identified(USER, email=OLD, name="Quentin Quincunx", plan="gold")
    await take(
        w,
        first,
        identified(USER, email=ADDRESS, address={"city": LOCAL}),
        engaged(1, USER, member=True, email=ADDRESS),
        {**event("track", USER, **order), "context": context},
        {**event("track", USER, event="Digest Due", properties={}), "context": context},
        {**event("track", USER, event="Began", properties={"key": ADDRESS}), "context": context},
        identified(USER, email=ADDRESS, email_opt_out=True),
        # what cannot be used, and what came twice
        {**event("track", USER, event={"to": ADDRESS}), "context": context},
        {"type": ADDRESS, "userId": USER, "email": quote(ADDRESS)},
        first,
        identified(NEIGHBOUR, email=f"{NEIGHBOUR}@example.com"),
        engaged(2, NEIGHBOUR, member=True),
    )
    destination = Destination(Product.CLASSIC, secret=SECRET)
    async with SegmentWebhookSender(f"{w.service.url}/segment", destination) as sender:
        for body in (
            identified(NEIGHBOUR, messageId="same"),
            {"type": 5, "anonymousId": "a-1", "context": context},
        ):
            assert 200 == (await sender.deliver(body)).status
    odd = [{"event": ADDRESS, "email": ADDRESS, "timestamp": 1}]
    assert 200 == await w.engage(json.dumps(odd).encode())
    await w.sendgrid.until(lambda: len(w.sendgrid.contacts) == 2, 30)
    await w.evaluated()
    await w.at_rest()
    assert w.tables()["effects"]["contacts"]["dead"]
    await w.service.ask("pause", name="mail")
    await take(w, {**event("track", USER, **order), "context": context})
    await w.evaluated()


def progress(w: World) -> list[tuple[str, list[str]]]:
    """How far each erasure came, oldest first."""
    with oracle.looking(w.service.state) as tx:
        found = tx.erasures.newest(before=None, limit=99)[::-1]
        return [
            (one.progress.value, [done.step.value for done in tx.erasures.steps(one.number)])
            for one in found
        ]


def is_over(w: World) -> bool:
    rows = progress(w)
    return bool(rows) and all(state == "done" for state, _ in rows)


async def seen_through(w: World, timeout_s: float = 60.0) -> None:
    await w.until(lambda: is_over(w), timeout_s, what="erasures done")


def assert_forgotten(w: World) -> None:
    assert [] == files_naming(w, ADDRESS, OLD, USER, LOCAL)
    assert contact_of(w, ADDRESS) is None
    assert contact_of(w, OLD) is None
    assert {ADDRESS, OLD} <= set(w.sendgrid.erased)
    assert contact_of(w, f"{NEIGHBOUR}@example.com") is not None
    assert records(w, ADDRESS)["global"].suppressed


class TestErasure:
    @pytest.mark.parametrize("processes", [1, 2])
    @pytest.mark.parametrize("how", [deleted, erased])
    async def test_the_person_is_found_nowhere_afterwards(
        self, tmp_path: Path, how: Callable[[World], Awaitable[None]], processes: int
    ) -> None:
        """Store, log, journal, lines and SendGrid: contacts, lists, runs, sends, what was bad."""
        async with world(tmp_path, processes=processes, extra=EXTRA) as w:
            await lived(w)
            assert files_naming(w, ADDRESS, USER)

            await how(w)
            await seen_through(w)

            assert_forgotten(w)
            expected = ["asked", "local", "searched", "log", "sendgrid", "done"]
            steps = progress(w)[0][1]
            assert expected == [step for step in steps if step in expected]
            assert {"contacts", "erase_job"} <= set(steps)
            listed = json.loads(
                (await w.service.command("erase", "--list", "--json")).splitlines()[-1]
            )
            shown = json.loads(await w.service.command("erase", "--status", "1", "--json"))
            assert listed == shown
            assert (1, []) == (shown["people"], shown["under_way"])
            await w.service.command("erase", "--status", "99", code=65)

    async def test_what_was_under_way_does_not_bring_the_contact_back(self, tmp_path: Path) -> None:
        """An upsert that SendGrid works on is waited for; then the contact is deleted."""
        async with world(tmp_path, processes=1, extra=EXTRA) as w:
            w.sendgrid.field_definitions.add("user_id", "Text")
            w.sendgrid.jobs.held = True
            await take(w, identified(USER, email=ADDRESS))
            await w.sendgrid.until(
                lambda: any(r.path == "/v3/marketing/contacts" for r in w.sendgrid.requests), 20
            )
            await deleted(w)
            await w.evaluated()
            assert not w.sendgrid.erased
            w.sendgrid.jobs.held = False
            await seen_through(w)

            assert contact_of(w, ADDRESS) is None
            assert ADDRESS in w.sendgrid.erased
            assert [] == files_naming(w, ADDRESS, USER)

    async def test_who_comes_back_is_somebody_new(self, tmp_path: Path) -> None:
        """Their contact is written after the erasure of the old one, and stays."""
        async with world(tmp_path, processes=1, extra=EXTRA) as w:
            await lived(w)
            await deleted(w)
            await take(w, identified(USER, email=ADDRESS, firstName="Anew"))
            await seen_through(w)
            await w.sendgrid.until(lambda: contact_of(w, ADDRESS) is not None, 40)
            await w.service.stop()
            await w.service.start()
            await w.at_rest()

            found = contact_of(w, ADDRESS)
            assert found is not None
            assert "Anew" == found.fields["first_name"]
            assert [USER] == [user for user in users(w) if user != NEIGHBOUR]
            assert contact_of(w, OLD) is None

    async def test_who_shared_the_address_keeps_a_place_on_the_list(self, tmp_path: Path) -> None:
        """The contact is deleted, and written anew with what is known of the other."""
        async with world(tmp_path, processes=1, extra=EXTRA) as w:
            w.sendgrid.field_definitions.add("plan", "Text")
            w.sendgrid.field_definitions.add("user_id", "Text")
            shared = f"both@{LOCAL}.example.com"
            await take(
                w,
                *(identified(one, email=shared, plan=f"of {one}") for one in (NEIGHBOUR, USER)),
                *(engaged(1, one, member=True, email=shared) for one in (NEIGHBOUR, USER)),
            )
            await w.sendgrid.until(lambda: on_list(w, "VIP customers") == {shared}, 30)
            await w.evaluated()
            await w.at_rest()
            await deleted(w, 1)
            await seen_through(w)
            await w.sendgrid.until(lambda: on_list(w, "VIP customers") == {shared}, 40)

            assert shared in w.sendgrid.erased
            found = contact_of(w, shared)
            assert found is not None
            assert {f"of {NEIGHBOUR}", NEIGHBOUR} == set(found.custom.values())
            await take(w, engaged(2, NEIGHBOUR, member=False, email=shared))
            await w.sendgrid.until(lambda: not on_list(w, "VIP customers"), 40)

    @pytest.mark.parametrize("point", ["erased", "searched", "after_contacts", "after_erase_job"])
    async def test_killed_amid_it_it_is_finished_after_a_restart(
        self, tmp_path: Path, point: str
    ) -> None:
        """Repeated calls are those that may be repeated, and are counted."""
        async with world(tmp_path, start=False, processes=1, extra=EXTRA) as w:
            await w.service.start(HOMING_CRASH_AT=point)
            await lived(w)
            await deleted(w, 1)
            assert -9 == await w.service.exited(60)
            await w.service.start()
            await w.evaluated()
            await seen_through(w)

            assert_forgotten(w)
            calls = [
                r.path for r in w.sendgrid.requests
                if r.method == "DELETE" or r.path.endswith("erasejob")
            ]  # fmt: skip
            repeated = w.books().counts.get("contacts:calls_repeated", 0)
            assert repeated >= (point in {"after_contacts", "after_erase_job"})
            assert len(calls) <= 4 + repeated

    async def test_a_backup_from_before_is_erased_again(self, tmp_path: Path) -> None:
        """By `homing restore` already; and whoever came back after it stays."""
        async with world(tmp_path, processes=1, extra=EXTRA) as w:
            await lived(w)
            backup = tmp_path.parent / f"{tmp_path.name}-backup"
            await w.service.command("backup", str(backup))
            await deleted(w)
            await seen_through(w)
            await take(w, identified("newcomer", email="newcomer@example.com"))
            await w.evaluated()
            assert 0 == await w.service.stop()
            before = erase_jobs(w)

            said = json.loads(await w.service.command("restore", str(backup), "--force", "--json"))
            assert 1 == said["erased_again"]
            for path in said["aside"]:
                Path(path).unlink()
            assert USER not in users(w)
            await w.service.start()
            await seen_through(w)

            assert_forgotten(w)
            assert erase_jobs(w) > before
            await take(w, identified(USER, email=ADDRESS))
            await w.evaluated()
            assert USER in users(w)

    async def test_a_copy_put_back_by_hand_is_erased_again(self, tmp_path: Path) -> None:
        """The service looks as it starts: the journal is longer than the store knows."""
        async with world(tmp_path, processes=1, extra=EXTRA) as w:
            await lived(w)
            backup = tmp_path.parent / f"{tmp_path.name}-backup"
            await w.service.command("backup", str(backup))
            await erased(w)
            await seen_through(w)
            assert 0 == await w.service.stop()
            for path in w.service.folder.glob("homing*db*"):
                if not path.name.endswith(".erased"):
                    path.unlink()
            for name in ("homing.db", "homing.log.db"):
                (w.service.folder / name).write_bytes((backup / name).read_bytes())
            await w.service.start()
            await seen_through(w)

            assert_forgotten(w)


def erase_jobs(w: World) -> int:
    """How often SendGrid was asked to erase what it keeps of mail."""
    return sum(r.path.endswith("erasejob") for r in w.sendgrid.requests)


def users(w: World) -> list[str | None]:
    """Who is known."""
    with oracle.looking(w.service.state) as tx:
        return [person.user_id for person in tx.people.newest(before=None, limit=99)]

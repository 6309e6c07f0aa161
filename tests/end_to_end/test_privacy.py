"""No secret and no address in the log; nothing of an erased person in the files."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.support.service import SECRET, TOKEN, World, eventually, world
from tests.support.stories import event, happened, identified, records, take, verdicts

from homing.emulators import Answer, Destination, SegmentWebhookSender
from homing.emulators.segment.products import Product

# whatever else of an address may be told, never this part of it
LOCAL = "quincunx"
HOSTILE = (
    f"{LOCAL}@example.com",
    f"Bounce+{LOCAL}@Example.com",
    f"o'{LOCAL}.{LOCAL}+tag@mail.example.co.uk",
    f'"{LOCAL} odd"@example.com',
    f"{LOCAL}ü@example.com",
    f"ü{LOCAL}@exämple.com",
    f"{LOCAL}!#$&*@example.com",
    f"<{LOCAL}@example.com>\r\nBcc: {LOCAL}2@example.com",
    f"{LOCAL}@[192.0.2.1]",
    f"{LOCAL}%40example.com@example.org",
    f"x{LOCAL}\u202e@example.com",
)


def quoting(request_body: bytes) -> Answer:
    """An answer as careless APIs give it: it repeats what it was sent, and the key with it."""
    told = request_body.decode("utf-8", "replace")[:600]
    words = f"cannot mail {told} with Bearer SG.emulator-key-0000000.{'0' * 45}"
    return Answer(400, json.dumps({"errors": [{"message": words, "field": None}]}).encode())


async def live_through_the_worst(w: World) -> None:
    """Orders, refusals, quarantines, forgeries, reloads: each with addresses and secrets in it."""
    for number, address in enumerate(HOSTILE):
        context = {"traits": {"email": address, "name": f"{LOCAL}@names.example"}}
        order = {"event": "Order Completed", "properties": {"total": 1, "url": f"?e={address}"}}
        await take(
            w,
            event("track", f"user-{number}", context=context, **order),
            event("track", address, context=context, **order),
            event("identify", address, traits={"email": address, "email_opt_out": True}),
            {"type": address, "userId": address},
            event("track", f"user-{number}", event={address: 1}, context=context),
        )
    forged = Destination(secret=f"not {SECRET}", token=TOKEN)
    async with SegmentWebhookSender(f"{w.service.url}/segment", forged) as stranger:
        assert 401 == (await stranger.deliver(happened("Order Completed", LOCAL))).status
    odd = [
        {"event": f"{LOCAL}@example.com", "email": f"{LOCAL}@example.com"},
        f"{LOCAL}@example.com",
    ]
    assert 200 == await w.engage(json.dumps(odd).encode())
    assert 200 == await w.engage(f'[{{"email": "{LOCAL}@example.com", "event": nope}}]'.encode())


class TestTheLog:
    @pytest.mark.parametrize("processes", [1, 2])
    async def test_it_holds_no_secret_and_no_address_whatever_happens(
        self, tmp_path: Path, processes: int
    ) -> None:
        """P5: what is told to people and machines tells no secret, and of no address the name."""
        async with world(tmp_path, processes=processes) as w:
            refused = quoting(f"{HOSTILE[0]} {HOSTILE[3]} {HOSTILE[4]} {SECRET} {TOKEN}".encode())
            w.sendgrid.faults.when(refused, lambda r: f"{LOCAL}@".encode() in r.body)
            await live_through_the_worst(w)
            await w.evaluated()
            await w.at_rest()
            w.service.edit('from = "Acme <hello@acme.example>"', f'from = "{HOSTILE[3]} {SECRET}"')
            w.service.reload()
            await w.until(lambda: "config.refused" in w.service.log.read_text())
            w.service.edit(f'from = "{HOSTILE[3]} {SECRET}"', f'from = "{HOSTILE[0]}"')
            w.service.reload()
            await w.until(lambda: "config.reloaded" in w.service.log.read_text())
            assert 0 == await w.service.stop()
            text = w.service.log.read_text()

            assert w.books().sends["rejected"]
            assert w.books().events["quarantined"]
            for line in text.splitlines():
                for secret in w.service.environ.values():
                    assert secret not in line
                said = str(json.loads(line)) if line.startswith("{") else line
                # our own sender is the owner's, and stands in the owner's file
                assert LOCAL not in said.replace(f"from = {HOSTILE[0]}", ""), line


async def deleted(w: World) -> None:
    """Segment passes a request to delete on."""
    destination = Destination(Product.CLASSIC, secret=SECRET)
    async with SegmentWebhookSender(f"{w.service.url}/segment", destination) as sender:
        post = await sender.deliver({"type": "delete", "userId": f"{LOCAL}-id", "messageId": "d1"})
    assert 200 == post.status


async def erased(w: World) -> None:
    """A person runs `homing erase`."""
    await w.service.command("erase", "--user", f"{LOCAL}-id", "--yes")


def files_naming(w: World, *texts: str) -> list[str]:
    """Names of the store's files that hold one of the texts, in whatever case."""
    wanted = [text.lower().encode() for text in texts]
    found = []
    for path in sorted(w.service.folder.iterdir()):
        if path.name.startswith("homing.") and ".db" in path.name and path.is_file():
            held = path.read_bytes().lower()
            found += [f"{path.name}: {text!r}" for text in wanted if text in held]
    return found


class TestErasure:
    @pytest.mark.parametrize("how", [deleted, erased])
    async def test_nothing_of_the_person_is_left_in_any_file_but_the_suppression_holds(
        self, tmp_path: Path, how: Callable[[World], Awaitable[None]]
    ) -> None:
        """P3: after an erasure no file of the store names the person; the bounce still holds."""
        address, user = f"Bounce+{LOCAL}@Example.com", f"{LOCAL}-id"
        context = {"traits": {"email": address}}
        neighbour = happened("Order Completed", "neighbour", total=1)
        async with world(tmp_path, processes=1) as w:
            order = {"event": "Order Completed", "properties": {"total": 1, "note": address}}
            await take(
                w,
                identified(user, email=address, name="Quentin Quincunx", city="Bath"),
                {**event("track", user, **order), "context": context},
                event("track", user, event="Digest Due", properties={}, context=context),
            )
            # one batch with somebody else, whose events must stay
            due = event("track", user, event="Notice Due", properties={"who": user})
            await w.sender.deliver(neighbour, due)
            await w.at_rest()
            await w.service.ask("pause", name="mail")
            await take(w, event("track", user, **order, context=context))
            await w.evaluated()
            assert files_naming(w, address, user)
            assert records(w, address)["bounce"].suppressed

            await how(w)
            await w.evaluated()
            await eventually(lambda: not files_naming(w, address, user, LOCAL), 15)

            assert records(w, address)["bounce"].suppressed
            await w.service.ask("resume", name="mail")
            await take(
                w, event("track", "other", event="Digest Due", properties={}, context=context)
            )
            await w.at_rest()
            assert [("digest", "skipped", "suppressed: bounce")] == verdicts(w, "other")
            assert [("order-confirmation", "accepted", None)] == verdicts(w, "neighbour")

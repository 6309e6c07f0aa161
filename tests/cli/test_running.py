"""Commands beside a running service, between emulated vendors."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.cli.conftest import EXTRA, HTML
from tests.support.service import World, track, world

from homing.emulators import parse_faults

PARKED = """
[email.receipt]
template = "d-00000000000000000000000000000003"
class = "transactional"
on_unknown = "park"

[route.receipt]
when = 'event = "Receipt Due"'
send = "receipt"
"""


async def rows(w: World, *args: object, code: int = 0) -> list[dict[str, Any]]:
    """What a command prints with --json."""
    out = await w.service.command(*map(str, args), "--json", code=code)
    return [json.loads(line) for line in out.splitlines()]


async def row(w: World, *args: object, code: int = 0) -> dict[str, Any]:
    """The one line of it."""
    (one,) = await rows(w, *args, code=code)
    return one


async def order(w: World, number: int) -> None:
    """An event that leads to an email."""
    properties = {"total": 1, "order_id": f"o{number}"}
    await w.sender.deliver(track(number, "Order Completed", properties, user=f"u{number}"))


class TestPause:
    async def test_nothing_leaves_until_it_is_resumed(self, tmp_path: Path) -> None:
        """What comes in meanwhile is decided and waits."""
        async with world(tmp_path) as w:
            paused = await rows(w, "pause", "mail", "--reason", "looking")
            await order(w, 1)
            await w.settled(lambda stats: stats["sends"]["reserved"] == 1)
            held = len(w.sendgrid.accepted)
            why = await row(w, "why", "--not", "order-confirmation", "u1")
            await rows(w, "resume", "mail")
            await w.sendgrid.until(lambda: len(w.sendgrid.accepted) == 1, 10)

            assert [{"name": "mail", "status": "paused"}] == paused
            assert 0 == held
            assert "paused: mail: looking" == why["refused"]

    async def test_one_email_alone(self, tmp_path: Path) -> None:
        """Its sends step aside, and are put back."""
        async with world(tmp_path) as w:
            await rows(w, "pause", "email/digest")
            await w.sender.deliver(track(9, "Digest Due", {}, user="u1"))
            await order(w, 1)
            await w.sendgrid.until(lambda: len(w.sendgrid.accepted) == 1, 10)
            await w.settled(lambda stats: stats["sends"]["reserved"] == 1)
            back = await row(w, "resume", "email/digest")
            await w.sendgrid.until(lambda: len(w.sendgrid.accepted) == 2, 10)

            assert {"name": "email/digest", "status": "running", "sends": 1} == back


class TestResolve:
    async def test_a_person_decides_of_what_nobody_knows(self, tmp_path: Path) -> None:
        """Sent, send again, or drop (promise P6)."""
        faults = parse_faults(["sendgrid=timeout-after-accept:1", "webhook=drop:1"], 1)
        extra = {"extra": PARKED, "sendgrid_extra": 'unknown_after = "1s"'}
        async with world(tmp_path, faults=faults, **extra) as w:
            for number in range(3):
                await w.sender.deliver(track(number, "Receipt Due", {}, user=f"u{number}"))
            await w.settled(lambda stats: stats["sends"]["parked"] == 3, 90)
            parked = [send["id"] for send in await rows(w, "sends", "--state", "parked")]
            dead = await rows(w, "dead", "--kind", "send")
            words = ("sent", "drop", "resend")
            done = [
                await row(w, "resolve", key, "--as", word)
                for key, word in zip(parked, words, strict=True)
            ]
            again = await w.service.command("resolve", parked[0], "--as", "drop", code=1)
            shown = await row(w, "sends", parked[1])

            assert ["accepted", "dropped", "retry"] == [one["status"] for one in done]
            assert parked == [one["id"] for one in dead]
            assert "" == again
            assert "unknown" in {attempt["outcome"] for attempt in shown["attempts"]}


class TestReload:
    @pytest.mark.parametrize("processes", [1, 2])
    async def test_both_processes_take_the_change(self, tmp_path: Path, processes: int) -> None:
        """The receiver knows the new source, the worker the new route."""
        async with world(tmp_path, processes=processes) as w:
            config = w.service.folder / "homing.toml"
            config.write_text(
                config.read_text()
                + '\n[segment.source.second]\nsecrets = ["${SEGMENT_SHARED_SECRET}"]\n'
                + 'batch = "reject"\n'
                + '\n[route.new]\nwhen = \'event = "New"\'\nsend = "order-confirmation"\n'
            )
            said = await row(w, "reload")
            await eventually(w, "/segment/second")
            await w.sender.deliver(track(1, "New", {}, user="u1"))
            await w.sendgrid.until(lambda: len(w.sendgrid.accepted) == 1, 10)

            assert {"version", "status"} == set(said)

    async def test_an_invalid_change_is_refused_and_the_old_one_stays(self, tmp_path: Path) -> None:
        """Exit 78, with every error."""
        async with world(tmp_path) as w:
            config = w.service.folder / "homing.toml"
            good = config.read_text()
            config.write_text(good + "\n[route.bad]\nwhen = 'event ='\n")
            await w.service.command("reload", code=78)
            await order(w, 1)
            await w.sendgrid.until(lambda: len(w.sendgrid.accepted) == 1, 10)


async def eventually(w: World, path: str) -> None:
    """Wait until a path is there: 401 for what is not signed, not 404."""
    async with asyncio.timeout(10), aiohttp.ClientSession() as session:
        while True:
            async with session.post(w.service.url + path, data=b"{}") as answer:
                if answer.status == 401:
                    return
            await asyncio.sleep(0.05)


class TestTail:
    async def test_follows(self, tmp_path: Path) -> None:
        """A new event, its send, and what became of it, a line each."""
        async with world(tmp_path) as w, tailing(w) as lines:
            await order(w, 1)
            before = await seen_until_delivered(lines)
            await order(w, 2)
            after = await seen_until_delivered(lines)

            assert ("event", "Order Completed") in before
            assert {("event", "Order Completed"), ("event", "Email Delivered")} <= after


async def seen_until_delivered(lines: asyncio.StreamReader) -> set[tuple[str, str]]:
    """What `tail` tells up to the delivery of one email."""
    seen: set[tuple[str, str]] = set()
    async with asyncio.timeout(20):
        while ("send", "delivered") not in seen:
            line = json.loads(await lines.readline())
            seen.add((line["what"], line.get("name") or line.get("mail") or line["state"]))
    return seen


@asynccontextmanager
async def tailing(w: World) -> AsyncIterator[asyncio.StreamReader]:
    """`homing tail -f --json`, until the block ends."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "homing", "tail", "-f", "--json",
        env={
            **os.environ,
            **w.service.environ,
            "HOMING_CONFIG": str(w.service.folder / "homing.toml"),
        },
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        yield process.stdout
    finally:
        process.kill()
        await process.communicate()


class TestCapture:
    async def test_an_email_that_did_not_leave_is_kept_for_reading(self, tmp_path: Path) -> None:
        """Rendered, with the exact body; nothing reached SendGrid."""
        extra = {"extra": EXTRA, "sendgrid_extra": 'mode = "capture"', "start": False}
        async with world(tmp_path, **extra) as w:
            (tmp_path / "own.html").write_text(HTML)
            (tmp_path / "own.txt").write_text("Dear {{name}}")
            await w.service.start()
            event = track(1, "Own", {"colour": "red"}, user="u1")
            event["context"] = {
                "traits": {"email": "u1@example.com", "plan": "pro", "name": "<Ada>"}
            }
            await w.sender.deliver(event)
            await w.settled(lambda stats: stats["sends"]["accepted"] == 1)
            key = (await row(w, "sends"))["id"]
            shown = await row(w, "sends", key, "--html", tmp_path / "out.html")

            assert not w.sendgrid.accepted
            assert f"captured-{key}" == shown["send"]["message_id"]
            assert "Hello <Ada>" == shown["rendered"]["subject"]
            assert "Dear &lt;Ada&gt;" in (tmp_path / "out.html").read_text()
            assert "Dear <Ada>" == shown["body"]["content"][0]["value"]


class TestSendTest:
    async def test_one_real_email_that_counts_nowhere(self, tmp_path: Path) -> None:
        """It arrives, marked; its events are filtered and are not written home."""
        async with world(tmp_path) as w:
            event = tmp_path / "event.json"
            event.write_text(json.dumps(track(1, "Order Completed", {"total": 5}, user="u1")))
            args = ("send-test", "order-confirmation", "--event", event, "--yes")
            said = await row(w, *args, "--to", "me@example.com")
            await w.sendgrid.settle()
            await w.settled(lambda stats: stats["events"]["filtered"] >= 2)
            stats = await w.service.stats()
            (mail,) = w.sendgrid.accepted

            assert "accepted" == said["status"]
            assert ("me@example.com", said["test"]) == (mail.to, mail.custom_args["homing_test"])
            assert "homing_send" not in mail.custom_args
            assert 0 == sum(stats["sends"].values())
            assert 0 == sum(stats["effects"]["segment"].values())
            assert not w.segment.received

    async def test_not_to_the_suppressed(self, tmp_path: Path) -> None:
        """Exit 1: promise P3 knows no exception."""
        async with world(tmp_path) as w:
            await w.sender.deliver(
                {"type": "identify", "userId": "u1", "messageId": "i",
                 "traits": {"email": "u1@example.com", "email_opt_out": True}}
            )  # fmt: skip
            await w.settled(lambda stats: stats["events"]["done"] >= 1)
            event = tmp_path / "event.json"
            event.write_text(json.dumps(track(1, "Digest Due", {}, user="u2")))
            args = ("send-test", "digest", "--event", event, "--yes")
            said = await row(w, *args, "--to", "U1@example.com", code=1)

            assert ("skipped", "suppressed: global") == (said["status"], said["reason"])
            assert not w.sendgrid.accepted

    async def test_what_sendgrid_says_is_told(self, tmp_path: Path) -> None:
        """A wrong key: exit 1, in SendGrid's words."""
        async with world(tmp_path) as w:
            event = tmp_path / "event.json"
            event.write_text(json.dumps(track(1, "Order Completed", {}, user="u1")))
            w.service.environ["SENDGRID_API_KEY"] = "SG.wrong"
            args = ("send-test", "order-confirmation", "--event", event, "--yes")
            said = await row(w, *args, "--to", "me@example.com", code=1)

            assert "paused" == said["status"]
            assert "401" in said["reason"]


class TestBackup:
    async def test_beside_a_service_under_load(self, tmp_path: Path) -> None:
        """Whole and sound; restoring is refused while the service runs."""
        async with world(tmp_path) as w:
            orders = asyncio.gather(*(order(w, number) for number in range(150)))
            made = [await row(w, "backup", tmp_path / f"kept-{n}") for n in range(2)]
            await orders
            await w.service.command("restore", str(tmp_path / "kept-0"), "--force", code=75)
            checked = await rows(w, "db", "check")
            await w.sendgrid.until(lambda: len(w.sendgrid.accepted) == 150, 30)

            assert made[0]["requests"] <= made[1]["requests"]
            assert all(one["ok"] for one in checked)

    async def test_a_restored_store_mails_nobody_until_somebody_says_so(
        self, tmp_path: Path
    ) -> None:
        """What was reserved when the backup was made has been sent since."""
        async with world(tmp_path) as w:
            await rows(w, "pause", "mail")
            await order(w, 1)
            await w.settled(lambda stats: stats["sends"]["reserved"] == 1)
            await row(w, "backup", tmp_path / "kept")
            await rows(w, "resume", "mail")
            await w.sendgrid.until(lambda: len(w.sendgrid.accepted) == 1, 10)
            await w.sendgrid.settle()  # what comes later would prove that it was sent
            await w.service.stop()
            put = await row(w, "restore", tmp_path / "kept", "--force")
            await w.service.start()
            await order(w, 2)
            await w.settled(lambda stats: stats["sends"]["reserved"] == 2)
            sent = len(w.sendgrid.accepted)
            alerts = await row(w, "why", "--not", "order-confirmation", "u2")

            assert 1 == put["may_have_left"]
            assert 1 == sent
            assert alerts["refused"].startswith("paused: mail: restored from a backup")


class TestErase:
    async def test_the_log_s_bytes_go_too(self, tmp_path: Path) -> None:
        """And the running service knows nobody any more."""
        async with world(tmp_path) as w:
            await order(w, 1)
            await w.sendgrid.until(lambda: len(w.sendgrid.accepted) == 1, 10)
            await w.settled(lambda stats: stats["events"]["done"] >= 3)
            gone = await row(w, "erase", "--user", "u1", "--yes")
            async with asyncio.timeout(15):
                while "u1" in str((await row(w, "events", "e1"))["raw"]):
                    pass  # the command itself takes its time

            assert ("erased", 1) == (gone["status"], gone["people"])
            await w.service.command("people", "u1", code=1)

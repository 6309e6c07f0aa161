"""A store that a real service filled, and ways to run commands on it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.cli.carts import fill
from tests.support.service import World, track, world

from homing.cli.main import run

EXTRA = """
[email.own]
subject = "Hello {{name}}"
html_file = "own.html"
text_file = "own.txt"
class = "transactional"
data = { name = "$.profile.name", colour = "$.properties.colour" }

[route.own]
when = 'event = "Own" and profile.plan = "pro"'
send = "own"
"""
HTML = "<p>Dear {{name}}, <a href='https://acme.example/{{colour}}'>see</a></p>"


@dataclass(frozen=True, slots=True)
class Result:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Its JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def row(self) -> dict[str, Any]:
        """Its one JSON line."""
        (row,) = self.rows
        return row


# these set up logging, which would last longer than one test
WRITING = {
    "pause", "resume", "resolve", "reload", "replay", "erase", "alerts", "restore", "reconcile",
}  # fmt: skip

Command = Callable[..., Result]


def homing(
    folder: Path, *args: object, environ: Mapping[str, str] | None = None, stdin: str = ""
) -> Result:
    """Run `homing ARGS` in a process of its own, in a folder that holds a configuration."""
    done = subprocess.run(
        [sys.executable, "-m", "homing", *map(str, args)],
        cwd=folder, capture_output=True, text=True, timeout=60, check=False, input=stdin,
        env={**os.environ, "HOMING_CONFIG": str(folder / "homing.toml"), **(environ or {})},
    )  # fmt: skip
    return Result(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a service that ran, sent, heard of it, and was stopped; do not change it."""
    folder = tmp_path_factory.mktemp("filled")
    asyncio.run(_fill(folder))
    return folder


async def _fill(folder: Path) -> None:
    async with world(folder, extra=EXTRA, start=False) as w:
        (folder / "own.html").write_text(HTML)
        (folder / "own.txt").write_text("Dear {{name}}")
        await w.service.start()
        # so that what SendGrid says comes after all of Segment's: e8 and on
        await w.service.command("pause", "mail")
        await _post(w)
        await w.settled(lambda s: s["events"]["received"] == 7)
        await w.service.command("resume")
        await w.sendgrid.until(lambda: len(w.sendgrid.accepted) >= 2, 30)
        await w.sendgrid.settle()
        await w.settled(lambda s: s["events"]["received"] >= 11 and not s["requests"]["pending"])
        await w.settled(lambda s: not s["effects"]["segment"]["ready"])
        assert await w.service.stop() == 0


async def _post(w: World) -> None:
    """
    In order: u0's order is worth nothing; u1 and u2 get a confirmation; u1 opts out, so that the
    digest is skipped; u1 is on no pro plan; what is no event at all.
    """
    for number in range(3):
        order = {"total": number, "order_id": f"o{number}"}
        await w.sender.deliver(track(number, "Order Completed", order, user=f"u{number}"))
    traits = {
        "email": "u1@example.com", "email_opt_out": True, "plan": "free", "name": "Eve\x1b[31m",
    }  # fmt: skip
    await w.sender.deliver(
        {"type": "identify", "messageId": "i-1", "userId": "u1", "traits": traits,
         "timestamp": "2026-11-22T09:00:00Z"}
    )  # fmt: skip
    await w.sender.deliver(track(10, "Own", {"colour": "red"}, user="u1"))
    await w.sender.deliver(track(11, "Digest Due", {}, user="u1"))
    await w.sender.deliver({"nothing": "usable"})


@pytest.fixture(scope="session")
def carts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a store in which people went through journeys; do not change it."""
    folder = tmp_path_factory.mktemp("carts")
    asyncio.run(fill(folder))
    return folder


@pytest.fixture
def shop(carts: Path, inside: Command) -> Command:
    """Runs a command that only looks, on the store with journeys."""
    return partial(inside, carts)


@pytest.fixture
def copy(filled: Path, tmp_path: Path) -> Path:
    """The same folder, to be changed."""
    ignore = shutil.ignore_patterns("*.control")  # a socket
    return Path(shutil.copytree(filled, tmp_path / "copy", ignore=ignore))


@pytest.fixture
def inside(capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs a command in this process, in a folder that holds a configuration."""

    def ran(folder: Path, *args: object) -> Result:
        monkeypatch.chdir(folder)
        monkeypatch.setenv("HOMING_CONFIG", str(folder / "homing.toml"))
        code = run([str(arg) for arg in args])
        out, err = capsysbinary.readouterr()
        return Result(code, out.decode(), err.decode())

    return ran


@pytest.fixture
def look(filled: Path, inside: Command) -> Command:
    """Runs a command that only looks, on the filled store."""
    return partial(inside, filled)


@pytest.fixture
def act(copy: Path, inside: Command) -> Command:
    """Runs a command on a copy of the filled store; in a process of its own if it writes there."""

    def acted(*args: object) -> Result:
        writes = args[0] in WRITING or args[:2] in (("dead", "retry"), ("dead", "drop"))
        return homing(copy, *args) if writes else inside(copy, *args)

    return acted

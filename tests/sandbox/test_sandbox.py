"""The command: what it prints, how it ends."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import pytest
from click.testing import CliRunner

from homing.cli.main import homing

OURS = ("--port", "0", "--rate", "10")


async def started(*options: str) -> Process:
    """Start the command on free ports."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "homing", "sandbox", *OURS, *options,
        stdout=PIPE, stderr=PIPE,
    )  # fmt: skip


async def ended(process: Process) -> tuple[int | None, str, str]:
    """Wait for its end: exit code, output, errors."""
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


class TestSandbox:
    async def test_a_first_impression(self) -> None:
        """The addresses first, then a line a thing, then the summary; exit code 0."""
        code, out, err = await ended(await started("--for", "3s"))

        lines = out.splitlines()
        assert (0, "") == (code, err)
        assert ["mailbox", "debugger", "status", "more", "end"] == [
            line.split()[0] for line in lines[:5]
        ]
        assert all("http://127.0.0.1:" in line for line in lines[:3])
        assert any("email out" in line for line in lines)
        assert any("Email Delivered" in line for line in lines)
        assert "the books balance" == lines[-1]
        assert "\x1b" not in out

    async def test_json_is_one_object_a_line(self, tmp_path: Path) -> None:
        """The first says where things are, the last what came of it; the store can be kept."""
        kept = tmp_path / "kept"
        code, out, _ = await ended(await started("--for", "1s", "--json", "--store", str(kept)))

        opened, *happenings, summary = map(json.loads, out.splitlines())
        assert 0 == code
        assert (kept / "homing.db").exists()
        assert str(kept / "homing.toml") == opened["config"]
        assert {"what", "mailbox", "debugger", "status", "webhooks", "config"} == set(opened)
        assert {"at", "what", "who", "name", "detail"} <= set.intersection(*map(set, happenings))
        assert ("summary", True, []) == (
            summary["what"], summary["balances"], summary["problems"]
        )  # fmt: skip

    async def test_ctrl_c_ends_with_the_summary(self) -> None:
        """As --for does."""
        process = await started("-q")
        assert process.stdout is not None
        first = await process.stdout.readline()
        process.send_signal(signal.SIGINT)
        code, out, _ = await ended(process)

        assert first.startswith(b"mailbox")
        assert 0 == code
        assert out.endswith("the books balance\n")

    async def test_a_reader_who_leaves_ends_it(self) -> None:
        """As `| head -3` does; no traceback."""
        process = await started("--for", "1s")
        assert process.stdout is not None
        assert process.stderr is not None
        await process.stdout.readline()
        process.stdout._transport.close()
        async with asyncio.timeout(60):
            err = await process.stderr.read()
            code = await process.wait()

        assert (0, b"") == (code, err)


class TestRefusals:
    @pytest.mark.parametrize(
        ("options", "words"),
        [
            (["--fault", "sendgrid=tiemout"], "unknown fault"),
            (["--fault", "sendgird=429"], 'Did you mean "sendgrid"?'),
            (["--fault", "sendgrid=429:2"], "between 0 and 1"),
            (["--for", "5 seconds"], "duration"),
            (["--rate", "0"], "rate"),
            (["--rate", "nan"], "rate"),
            (["--rate", "inf"], "rate"),
            (["--port", "70000"], "port"),
        ],
    )
    def test_nonsense_is_refused(self, options: list[str], words: str) -> None:
        """With exit code 2 and what would do."""
        result = CliRunner().invoke(homing, ["sandbox", *options])

        assert 2 == result.exit_code
        assert words in result.output

    def test_a_store_that_is_not_new_is_refused(self, tmp_path: Path) -> None:
        """Its books do not start at nothing, the vendors' do."""
        (tmp_path / "homing.db").touch()

        result = CliRunner().invoke(homing, ["sandbox", "--store", str(tmp_path)])

        assert 2 == result.exit_code
        assert "holds a store already" in result.output

    def test_a_port_that_is_taken_is_named(self) -> None:
        """If it was asked for; the default ones give way."""
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = min(taken.getsockname()[1], 65_000)
            result = CliRunner().invoke(homing, ["sandbox", "--port", str(port)])

        assert 2 == result.exit_code
        assert f"port {port} is taken" in result.output

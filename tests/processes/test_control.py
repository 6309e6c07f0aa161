"""The control socket: one object a line, asked and answered."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import stat
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from homing.core.errors import HomingError
from homing.processes.control import (
    MAX_LINE,
    NoAnswer,
    NotRunning,
    Refused,
    ask,
    control_path,
    listen,
)


class NoSuchThing(HomingError):
    """A refusal."""


async def echo(asked: Mapping[str, Any]) -> object:
    """Say it again."""
    return {"heard": asked.get("word")}


async def refuse(_: Mapping[str, Any]) -> object:
    """Say no."""
    raise NoSuchThing("no send 7")


async def fail(_: Mapping[str, Any]) -> object:
    """Break."""
    raise ValueError("odd")


async def strange(_: Mapping[str, Any]) -> object:
    """Answer with what is no JSON."""
    return {"it": object()}


@pytest.fixture
async def path(tmp_path: Path) -> AsyncIterator[Path]:
    """A socket that answers four words."""
    path = control_path(tmp_path / "homing.db")
    acts = {"echo": echo, "refuse": refuse, "fail": fail, "strange": strange}
    server = await listen(path, acts)
    yield path
    server.close()
    await server.wait_closed()


async def asked(path: Path, **question: object) -> Any:  # noqa: ANN401  JSON
    """Ask as a command does."""
    return await asyncio.to_thread(ask, path, question, timeout_s=5.0)


async def raw(path: Path, line: bytes) -> bytes:
    """Send bytes; what comes back."""
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(line)
    writer.write_eof()
    async with asyncio.timeout(5):
        answer = await reader.read()
    writer.close()
    return answer


class TestListen:
    async def test_only_the_owner_may_ask(self, path):
        """
        Whoever may read the state file.
        """
        assert 0o600 == stat.S_IMODE(path.stat().st_mode)

    async def test_a_socket_left_behind_is_replaced(self, tmp_path):
        """
        By a process that died.
        """
        path = tmp_path / "homing.db.control"
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(path))
        server = await listen(path, {"echo": echo})
        try:
            assert {"heard": 1} == await asked(path, do="echo", word=1)
        finally:
            server.close()
            await server.wait_closed()

    @pytest.mark.parametrize(
        "line",
        [
            b"\n",
            b"",
            b"no json\n",
            b"[]\n",
            b'"echo"\n',
            b"{}\n",
            b'{"do": "x"}\n',
            b'{"do": []}\n',
        ],
    )
    async def test_a_question_that_is_none_is_told_what_one_is(self, path, line):
        """
        With the words there are.
        """
        assert b"expected an object with `do`, one of echo, fail, refuse, strange" in await raw(
            path, line
        )

    async def test_a_line_too_long_ends_the_conversation(self, path):
        """
        And the next one is answered.
        """
        with contextlib.suppress(ConnectionError):
            assert b"" == await raw(path, b"x" * (2 * MAX_LINE))
        assert {"heard": 1} == await asked(path, do="echo", word=1)


class TestAsk:
    async def test_an_answer_comes_back(self, path):
        """
        Whatever JSON it is.
        """
        assert {"heard": "ü" * 1_000} == await asked(path, do="echo", word="ü" * 1_000)

    async def test_a_refusal_says_why(self, path):
        """
        In the daemon's words, with the kind of error.
        """
        with pytest.raises(Refused, match="no send 7") as caught:
            await asked(path, do="refuse")

        assert "NoSuchThing" == caught.value.kind

    @pytest.mark.parametrize("word", ["fail", "strange"])
    async def test_a_failure_is_told_and_logged(self, path, word):
        """
        The daemon goes on.
        """
        with capture_logs() as lines, pytest.raises(Refused):
            await asked(path, do=word)

        assert [("command.failed", word)] == [(line["event"], line["do"]) for line in lines]
        assert {"heard": 1} == await asked(path, do="echo", word=1)

    async def test_nobody_listens(self, tmp_path):
        """
        The store may be opened instead.
        """
        with pytest.raises(NotRunning, match="no daemon listens at"):
            await asked(tmp_path / "none.control", do="echo")

    async def test_a_daemon_that_hangs_up_may_have_done_it(self, tmp_path):
        """
        Nobody says that it has not.
        """
        path = tmp_path / "rude.control"
        server = await asyncio.start_unix_server(lambda _, writer: writer.close(), path=str(path))
        try:
            with pytest.raises(NoAnswer):
                await asked(path, do="echo")
        finally:
            server.close()
            await server.wait_closed()

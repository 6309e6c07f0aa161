"""
Processes of the benchmark: told over standard input, answering on standard output.

A line of JSON each. The first line to a process is its task; its first line back says that it is
prepared. It ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import msgspec

from homing.core.errors import HomingError

S = TypeVar("S")

# a result holds the moment of each of some thousand posts
LINE_BYTES = 1 << 26


class BenchFailed(HomingError):
    """The benchmark could not be done, or what was counted is not what was sent."""


class Piped:
    """A process of the benchmark, as the one that started it sees it."""

    def __init__(self, process: asyncio.subprocess.Process, module: str) -> None:
        self._process = process
        self._module = module

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    async def tell(self, line: bytes) -> None:
        """Send a line."""
        assert self._process.stdin is not None  # noqa: S101  it was started with one
        self._process.stdin.write(line + b"\n")
        with contextlib.suppress(ConnectionError):  # that it is gone is heard on the next line
            await self._process.stdin.drain()

    async def hear(self, kind: type[S]) -> S:
        """
        Wait for its next line.

        Raises:
            BenchFailed: It is gone.
        """
        assert self._process.stdout is not None  # noqa: S101  it was started with one
        line = await self._process.stdout.readline()
        if not line:
            msg = f"{self._module} ended with {await self._process.wait()}"
            raise BenchFailed(msg)
        return msgspec.json.decode(line, type=kind)

    async def ask(self, word: str, kind: type[S]) -> S:
        """Send a word, wait for the answer."""
        await self.tell(word.encode())
        return await self.hear(kind)

    async def close(self) -> None:
        """End its input, wait for its end."""
        assert self._process.stdin is not None  # noqa: S101  it was started with one
        self._process.stdin.close()
        try:
            async with asyncio.timeout(10):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


@asynccontextmanager
async def piped(module: str, task: msgspec.Struct) -> AsyncIterator[Piped]:
    """Start ``python -m MODULE`` with a task; its first line is still to be heard."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", module,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=LINE_BYTES,
        process_group=0,  # Ctrl-C is for us: we end the others, in order
    )  # fmt: skip
    child = Piped(process, module)
    try:
        await child.tell(msgspec.json.encode(task))
        yield child
    finally:
        await child.close()


def task_of(kind: type[S]) -> S:
    """The task of this process: the first line of its input."""
    return msgspec.json.decode(sys.stdin.buffer.readline(), type=kind)


async def attend(hello: object, obey: Callable[[str], Awaitable[object]]) -> None:
    """Say *hello*, then answer each word that comes with what *obey* returns for it."""
    loop = asyncio.get_running_loop()
    words = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(words), sys.stdin)
    _say(hello)
    while word := await words.readline():
        _say(await obey(word.strip().decode()))


def _say(what: object) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(what) + b"\n")
    sys.stdout.buffer.flush()

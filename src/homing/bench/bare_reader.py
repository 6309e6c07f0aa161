"""The reference reader: a bare aiohttp session that reads a list's pages, one after the other."""

from __future__ import annotations

import time

import aiohttp
import msgspec
import orjson
import uvloop

from homing.bench.lists import KEY, LIST
from homing.bench.piped import attend, task_of
from homing.core.reconcile_suppressions import PAGE


class ReadTask(msgspec.Struct):
    """``port``: whose list."""

    port: int


class ReadRows(msgspec.Struct):
    """How many rows, in how long."""

    rows: int
    elapsed_s: float


async def read_all(task: ReadTask) -> ReadRows:
    """Read every page."""
    url = f"http://127.0.0.1:{task.port}/v3/suppression/{LIST}"
    total = 0
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {KEY}"}) as session:
        started = time.monotonic()
        while True:
            async with session.get(url, params={"limit": PAGE, "offset": total}) as answer:
                rows = orjson.loads(await answer.read())
            total += len(rows)
            if len(rows) < PAGE:
                return ReadRows(total, time.monotonic() - started)


async def main(task: ReadTask) -> None:
    """Read when told, as often as told."""

    async def obey(_word: str) -> ReadRows:
        return await read_all(task)

    await attend({}, obey)


if __name__ == "__main__":
    uvloop.run(main(task_of(ReadTask)))

"""The reference client of Marketing contacts: bare aiohttp, no store, nothing to go on from."""

from __future__ import annotations

import asyncio
import csv
import gzip
import io
import time
from typing import Any

import aiohttp
import msgspec
import orjson
import uvloop

from homing.bench.account import KEY, TITLE
from homing.bench.piped import attend, task_of
from homing.bench.stock import LEFT_EVERY, address_of

BATCH = 10_000
LOOK_S = 1.0


class ClientTask(msgspec.Struct):
    """``port``: whose API; ``total``: contacts to write, or members to compare."""

    port: int
    total: int


class Took(msgspec.Struct):
    """How many, in how long."""

    done: int
    elapsed_s: float


async def write(session: aiohttp.ClientSession, total: int) -> int:
    """Put contacts in batches, then look until each job is done."""
    jobs: list[str] = []
    for start in range(0, total, BATCH):
        rows = [
            {"email": address_of(number), "first_name": f"Ann {number}", "city": "Bern"}
            for number in range(start, min(total, start + BATCH))
        ]
        body = io.BytesIO(orjson.dumps({"contacts": rows}))
        async with session.put("/v3/marketing/contacts", data=body) as answer:
            jobs.append((await answer.json())["job_id"])
    for job in jobs:
        await _until(session, f"/v3/marketing/contacts/imports/{job}", "completed")
    return total


async def compare(session: aiohttp.ClientSession, total: int) -> int:
    """Export a list, read it, and hold it against a set; how many differ."""
    async with session.get("/v3/marketing/lists?page_size=1000") as answer:
        found = {row["name"]: row["id"] for row in (await answer.json())["result"]}
    body = {"list_ids": [found[TITLE]], "file_type": "csv"}
    async with session.post("/v3/marketing/contacts/exports", json=body) as answer:
        path = f"/v3/marketing/contacts/exports/{(await answer.json())['id']}"
    shown = await _until(session, path, "ready")
    actual: set[str] = set()
    for url in shown["urls"]:
        async with aiohttp.ClientSession() as bare, bare.get(url) as answer:
            raw = await answer.read()
        text = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode()
        actual |= {row["EMAIL"] for row in csv.DictReader(io.StringIO(text))}
    wanted = {address_of(number) for number in range(total) if number % LEFT_EVERY}
    return len(actual ^ wanted)


async def _until(session: aiohttp.ClientSession, path: str, status: str) -> dict[str, Any]:
    while True:
        async with session.get(path) as answer:
            shown: dict[str, Any] = await answer.json()
        if shown["status"] == status:
            return shown
        await asyncio.sleep(LOOK_S)


async def main(task: ClientTask) -> None:
    """Do what is said, as often as it is said."""

    async def obey(word: str) -> Took:
        started = time.monotonic()
        headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
        base = f"http://127.0.0.1:{task.port}"
        async with aiohttp.ClientSession(base, headers=headers) as session:
            done = await (write if word == "write" else compare)(session, task.total)
        return Took(done, time.monotonic() - started)

    await attend({}, obey)


if __name__ == "__main__":
    uvloop.run(main(task_of(ClientTask)))

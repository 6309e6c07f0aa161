"""The reference client: a bare aiohttp session that posts prepared bodies, so many at once."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import msgspec
import orjson
import uvloop

from homing.bench.bodies import tag_of
from homing.bench.piped import attend, task_of
from homing.config import load
from homing.core import mail
from homing.core.effects import send_key
from homing.core.plans import Address

EMAIL = "order"


class ClientTask(msgspec.Struct):
    """
    What to post.

    Args:
        config: The installation whose email is posted, as the deliverer builds it.

        body_bytes: Instead, bodies of that size to Segment's batch; 0 posts the email.

        data: The template data of the email, JSON.
    """

    port: int
    posts: int
    connections: int
    config: str
    data: str = "{}"
    body_bytes: int = 0


class Sent(msgspec.Struct):
    """How long it took."""

    posts: int
    elapsed_s: float


def bodies(task: ClientTask) -> Iterator[bytes]:
    """The bodies, made before the clock starts."""
    if task.body_bytes:
        yield from (b'{"batch":[' + b" " * (task.body_bytes - 12) + b"]}",) * task.posts
        return
    plans = load(Path(task.config), environ=os.environ).plans
    head = mail.letterhead_of(plans.emails[EMAIL])
    for number in range(1, task.posts + 1):
        args = mail.args_of(
            send=send_key(number, tag_of(number)), user=f"u{number:07d}", rule="r00", step=None,
            variant=None, version=plans.version,
        )  # fmt: skip
        letter = mail.Letter(
            to=Address(f"u{number:07d}@shop.example"), args=args, data=orjson.Fragment(task.data)
        )
        yield mail.body_of(mail.message_of(head, letter))


async def post_all(task: ClientTask, prepared: list[bytes]) -> Sent:
    """Post them, *connections* at once."""
    path = "/v1/batch" if task.body_bytes else "/v3/mail/send"
    url = f"http://127.0.0.1:{task.port}{path}"
    headers = {"Content-Type": "application/json", "Authorization": "Bearer bench"}
    remaining = iter(prepared)

    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=task.connections)
    ) as session:

        async def post_on() -> None:
            for body in remaining:
                async with session.post(url, data=body, headers=headers) as answer:
                    await answer.read()

        started = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for _ in range(task.connections):
                group.create_task(post_on())
        return Sent(len(prepared), time.monotonic() - started)


async def main(task: ClientTask) -> None:
    """Prepare, then post when told, as often as told."""
    prepared = [*bodies(task)]

    async def obey(_word: str) -> Sent:
        return await post_all(task, prepared)

    await attend({}, obey)


if __name__ == "__main__":
    uvloop.run(main(task_of(ClientTask)))

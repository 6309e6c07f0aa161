"""
The reference server: a bare aiohttp ``Application`` that reads the body and answers.

One process, uvloop, as the receiver; no signature, no disk. With somewhere to forward to, it posts
each body on before it answers: the shortest path from a webhook to an API call, with nothing kept.
"""

from __future__ import annotations

import aiohttp
import msgspec
import uvloop
from aiohttp import web

from homing.bench.piped import attend, task_of
from homing.bench.sink import Listening

CONNECTIONS = 256


class BareTask(msgspec.Struct):
    """``forward``: the port on loopback that each body is posted on to; 0 is none."""

    forward: int = 0


async def read_and_answer(request: web.Request) -> web.Response:
    """Do what a handler cannot leave out."""
    await request.read()
    return web.Response()


def forwarding(session: aiohttp.ClientSession, port: int) -> web.Application:
    """Post each body on, then answer."""
    url = f"http://127.0.0.1:{port}/v3/mail/send"
    headers = {"Content-Type": "application/json", "Authorization": "Bearer bench"}

    async def forward(request: web.Request) -> web.Response:
        body = await request.read()
        async with session.post(url, data=body, headers=headers) as answer:
            await answer.read()
        return web.Response()

    return _application(forward)


def _application(handler: object) -> web.Application:
    application = web.Application(client_max_size=8 << 20)
    for path in ("/segment", "/sendgrid"):
        application.router.add_post(path, handler)  # type: ignore[arg-type]  # one of the two above
    return application


async def main(task: BareTask) -> None:
    """Serve until the input ends."""
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    async with aiohttp.ClientSession(connector=connector) as session:
        application = (
            forwarding(session, task.forward) if task.forward else _application(read_and_answer)
        )
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024)
        await site.start()
        port: int = runner.addresses[0][1]

        async def nothing(_word: str) -> dict[str, str]:
            return {}

        await attend(Listening(port), nothing)
        await runner.cleanup()


if __name__ == "__main__":
    uvloop.run(main(task_of(BareTask)))

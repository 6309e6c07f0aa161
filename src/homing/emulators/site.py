"""One aiohttp application on one loopback port."""

from typing import Any

from aiohttp import web


class LoopbackSite:
    """
    Serve an application on ``127.0.0.1``.

    Args:
        app: Must not be changed after `start`.

        port: 0 takes a free one; `port` and `url` say which after `start`.
    """

    def __init__(self, app: web.Application, port: int = 0) -> None:
        self.port = port
        # A handler that hangs on purpose ends when its client gives up, and
        # must not hold up the end of a test.
        self._runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=0.05
        )
        self._site: web.TCPSite | None = None

    @property
    def url(self) -> str:
        """Base URL without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Bind and listen."""
        await self._runner.setup()
        await self.listen()

    async def listen(self) -> None:
        """Listen, again on the same port after `stop_listening`."""
        if self._site is not None:
            return
        self._site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await self._site.start()
        server: Any = self._runner.addresses[0]
        self.port = server[1]

    async def stop_listening(self) -> None:
        """Refuse new connections and cut the open ones, as a machine that is down."""
        if self._site is None:
            return
        site, self._site = self._site, None
        await site.stop()
        if self._runner.server is not None:
            for connection in self._runner.server.connections:
                if connection.transport is not None:
                    connection.transport.abort()

    async def close(self) -> None:
        """Stop for good."""
        await self._runner.cleanup()

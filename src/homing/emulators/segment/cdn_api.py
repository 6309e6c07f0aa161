"""
``cdn.segment.com``: the public settings of a source, by its write key.

Segment's libraries load them; Segment's own Segment destination asks for them to see whether a
write key is one. ``Segment.io`` tells the host that the source takes messages at: its region.
"""

import orjson
from aiohttp import web


class CdnApi:
    """
    The endpoint.

    Args:
        api_host: Where the source takes messages; empty: at this emulator.
    """

    def __init__(self, write_key: str, api_host: str = "") -> None:
        self._write_key = write_key
        self.api_host = api_host

    def routes(self) -> list[web.RouteDef]:
        """List the endpoints."""
        return [web.get("/v1/projects/{write_key}/settings", self._settings)]

    async def _settings(self, request: web.Request) -> web.Response:
        if request.match_info["write_key"] != self._write_key:
            return web.Response(status=404, text="Cannot find project")
        host = self.api_host or f"{request.host}/v1"
        settings = {
            "integrations": {"Segment.io": {"apiKey": self._write_key, "apiHost": host}},
            "plan": {"track": {"__default": {"enabled": True}}},
        }
        return web.Response(body=orjson.dumps(settings), content_type="application/json")

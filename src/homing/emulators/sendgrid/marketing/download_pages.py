"""Serve the files that jobs and exports point to."""

from aiohttp import web

from homing.emulators.sendgrid.marketing.downloads import PREFIX, Downloads


class DownloadPages:
    """Files by their links, which need no key and must not be given one."""

    def __init__(self, downloads: Downloads) -> None:
        self._downloads = downloads

    def routes(self) -> list[web.RouteDef]:
        """List the paths."""
        return [web.get(PREFIX + "{rest:.+}", self._serve)]

    async def _serve(self, request: web.Request) -> web.Response:
        if "Authorization" in request.headers:
            # Storage refuses a signed link that comes with a key; and the key has leaked.
            return web.Response(status=400, text="Only one auth mechanism allowed")
        file = self._downloads.find(request.path)
        if file is None:
            return web.Response(status=403, text="Request has expired")
        headers = {} if file.encoding is None else {"Content-Encoding": file.encoding}
        return web.Response(body=file.body, content_type=file.content_type, headers=headers)

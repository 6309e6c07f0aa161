"""A Segment on loopback: the tracking API, the Profile API, a debugger."""

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Final, Self

from aiohttp import web

from homing.emulators.clock import utc_text
from homing.emulators.faults import Answer, FaultPlan, Faults
from homing.emulators.intake import Handler, Intake
from homing.emulators.ledger import Ledger
from homing.emulators.misbehaviour import Misbehaviour
from homing.emulators.newest import Newest
from homing.emulators.pages import Pages
from homing.emulators.segment.cdn_api import CdnApi
from homing.emulators.segment.debugger_pages import DebuggerPages
from homing.emulators.segment.inbox import Discard, Inbox, Message
from homing.emulators.segment.profile_api import ProfileApi
from homing.emulators.segment.profiles import Profiles
from homing.emulators.segment.settings import SegmentSettings
from homing.emulators.segment.tracking_api import TrackingApi
from homing.emulators.site import LoopbackSite
from homing.emulators.waiting import Changes

#: Keys of the emulated workspace; they open nothing anywhere.
WRITE_KEY: Final = "emulator-write-key"
PROFILE_TOKEN: Final = "emulator-profile-token"  # noqa: S105 - of the emulator only
SPACE: Final = "spa_emulator"

#: More than any limit of the API's own, so that those answer.
MOST_BODY_BYTES: Final = 8 * 1024 * 1024


class SegmentEmulator:
    """
    Emulate a Segment workspace.

    Use it as ``async with SegmentEmulator() as segment:``; `url` serves as the
    tracking endpoint and as the Profile API's.

    Args:
        port: 0 takes a free one.

        write_key: Of the source that is written to.

        space, token: Of the Profile API.

        faults: `faults.segment` befalls both APIs.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        write_key: str = WRITE_KEY,
        space: str = SPACE,
        token: str = PROFILE_TOKEN,
        faults: Faults | None = None,
        settings: SegmentSettings | None = None,
    ) -> None:
        self.settings = settings or SegmentSettings()
        self.write_key, self.space, self.token = write_key, space, token
        self.changes = Changes()
        self.faults: FaultPlan = (faults or Faults()).segment
        self.requests = Ledger(self.settings.keep)
        self.profiles = Profiles(self.settings.keep)
        self._pages = Pages("Segment", "/debugger", self.settings.clock)
        self.cdn = CdnApi(write_key)
        self._inbox = Inbox(self.settings, self.profiles.apply)
        self._profile_api = ProfileApi(
            self.profiles, self.settings, space=self.space, token=self.token
        )
        self._intake = self._make_intake()
        self._site = LoopbackSite(self._application(), port)

    async def __aenter__(self) -> Self:
        await self._site.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._site.close()

    @property
    def url(self) -> str:
        """Base URL of the APIs and of the pages, without a slash at the end."""
        return self._site.url

    @property
    def port(self) -> int:
        """The port; known once started."""
        return self._site.port

    @property
    def received(self) -> Newest[Message]:
        """Published messages in order of arrival, each id once, as Segment completes them."""
        return self._inbox.received

    @property
    def discarded(self) -> Newest[Discard]:
        """Messages thrown away behind a 200, with the code of the reason."""
        return self._inbox.discarded

    @property
    def duplicates(self) -> Newest[Message]:
        """Messages whose id had been seen before."""
        return self._inbox.duplicates

    @property
    def neighbours(self) -> list[tuple[str, str]]:
        """Name and address of pages elsewhere that the debugger links to; may be changed."""
        return self._pages.neighbours

    @property
    def down(self) -> bool:
        """Whether the APIs answer 503 to everything; may be switched at any time."""
        return self._intake.down is not None

    @down.setter
    def down(self, is_down: bool) -> None:
        self._intake.down = Answer(503) if is_down else None

    def end_faults(self) -> None:
        """Let all go well from now on, and cut the connections that hang."""
        self._intake.end_faults()

    def record(self, message: Mapping[str, Any]) -> None:
        """Let an event of the workspace's own sources change the profiles, as the shop's do."""
        received = utc_text(self.settings.clock())
        self.profiles.apply({"context": {}, "receivedAt": received, **message})
        self.changes.notify()

    async def stop_listening(self) -> None:
        """Refuse connections and cut the open ones."""
        await self._site.stop_listening()

    async def listen_again(self) -> None:
        """Take connections again, on the same port."""
        await self._site.listen()

    async def until(self, predicate: Callable[[], bool], timeout_s: float = 10.0) -> None:
        """
        Wait until something holds, asked after every request.

        Raises:
            TimeoutError: It did not hold within `timeout_s` seconds.
        """
        await self.changes.until(predicate, timeout_s)

    def _make_intake(self) -> Intake:
        wait_s = self.settings.retry_after_s
        told = (
            {} if wait_s is None else {"Retry-After": str(wait_s), "X-RateLimit-Reset": str(wait_s)}
        )
        return Intake(
            ledger=self.requests,
            faults=self.faults,
            misbehaviour=Misbehaviour(
                answers={"429": Answer(429, headers=told), "500": Answer(500)},
                slow_s=self.settings.slow_s,
            ),
            changes=self.changes,
            clock=self.settings.clock,
            too_large=Answer(400),
            unreadable=Answer(400),
        )

    def _application(self) -> web.Application:
        @web.middleware
        async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
            if not request.path.startswith("/v1/"):
                return await handler(request)
            return await self._intake.serve(request, handler)

        app = web.Application(client_max_size=MOST_BODY_BYTES, middlewares=[answer])
        app.add_routes(TrackingApi(self._inbox, self.write_key).routes())
        app.add_routes(self._profile_api.routes())
        app.add_routes(self.cdn.routes())
        app.add_routes(DebuggerPages(self._inbox, self.profiles, self._pages).routes())
        return app

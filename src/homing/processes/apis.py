"""The HTTP APIs that the worker calls: where they are, with what they are called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from homing import __version__
from homing.adapters.api_http import HttpApi
from homing.adapters.plain_http import PlainHttpApi
from homing.core.errors import HomingError
from homing.processes.looking_up import profile_api, source_of
from homing.stages.write_back import authorization_of

if TYPE_CHECKING:
    from homing.config import Settings
    from homing.config.secrets import SecretRef
    from homing.stages.look_up import Source

USER_AGENT = f"Homing/{__version__}"
MAX_CONNECTIONS = 256
MIN_CONNECTIONS = 16
# a call takes about a quarter of a second at worst while all is well
SECONDS_A_CALL = 0.25
# a stage waits for it, and must not seem stuck
ALERT_TOTAL_S = 5.0


@dataclass(frozen=True, slots=True)
class Access:
    """The secrets of a configuration, as they are now; *alert_url* None: alerts go nowhere."""

    bearer: str
    write_key: str
    alert_url: str | None

    @classmethod
    def of(cls, settings: Settings, environ: Mapping[str, str]) -> Access:
        """
        Resolve them.

        Raises:
            HomingError: One cannot be had.
        """
        return cls(
            bearer_of(settings, environ),
            _resolved(settings.segment.write_key, environ),
            _alert_url(settings, environ),
        )


class Apis:
    """
    The connections; made inside the event loop.

    ``sendgrid`` is for sends, thousands a second; ``marketing`` the same API for what is seldom
    and may be large. ``alerts`` is None until there is somewhere to post them.
    """

    def __init__(self, settings: Settings, access: Access) -> None:
        sendgrid, segment = settings.sendgrid.endpoint, settings.segment.endpoint
        self.sendgrid = HttpApi(
            sendgrid,
            authorization=access.bearer,
            connections=connections_for(settings.sendgrid.rate.mail) + 8,
            user_agent=USER_AGENT,
        )
        self.marketing = PlainHttpApi(sendgrid, authorization=access.bearer, user_agent=USER_AGENT)
        self.segment = HttpApi(
            segment,
            authorization=authorization_of(access.write_key),
            connections=8,
            user_agent=USER_AGENT,
        )
        self.profiles = profile_api(USER_AGENT)
        self.alerts: HttpApi | None = None
        self._use_alerts(access.alert_url)

    def use(self, settings: Settings, access: Access) -> None:
        """Call other places, or with other keys, from the next call on."""
        self.sendgrid.use(settings.sendgrid.endpoint, authorization=access.bearer)
        self.marketing.use(settings.sendgrid.endpoint, authorization=access.bearer)
        segment = authorization_of(access.write_key)
        self.segment.use(settings.segment.endpoint, authorization=segment)
        self._use_alerts(access.alert_url)

    def source(self, settings: Settings, token: str | None) -> Source | None:
        """Where profiles are looked up; None: nowhere."""
        return source_of(self.profiles, settings.segment.profiles, token)

    async def close(self) -> None:
        """Close every connection; no call may follow."""
        for api in (self.sendgrid, self.marketing, self.segment, self.profiles):
            await api.close()
        if self.alerts is not None:
            await self.alerts.close()

    def _use_alerts(self, url: str | None) -> None:
        if url is None:
            return
        if self.alerts is None:
            self.alerts = HttpApi(
                url, authorization="", connections=1, user_agent=USER_AGENT, total_s=ALERT_TOTAL_S
            )
        else:
            self.alerts.use(url, authorization="")


def connections_for(per_second: float) -> int:
    """How many sends may be under way at once to reach a rate."""
    return int(min(MAX_CONNECTIONS, max(MIN_CONNECTIONS, per_second * SECONDS_A_CALL)))


def captured(settings: Settings) -> bool:
    """Whether nothing may leave."""
    return settings.sendgrid.mode == "capture"


def bearer_of(settings: Settings, environ: Mapping[str, str]) -> str:
    """
    SendGrid's Authorization header.

    Raises:
        HomingError: The key cannot be had.
    """
    if captured(settings):
        return "Bearer captured"
    return f"Bearer {_resolved(settings.sendgrid.api_key, environ)}"


def _alert_url(settings: Settings, environ: Mapping[str, str]) -> str | None:
    """Where alerts are posted; None: nowhere."""
    if settings.alerts.webhook is None:
        return None
    url = settings.alerts.webhook.resolve(environ).strip()
    if not url.startswith(("https://", "http://")):
        raise HomingError("`alerts.webhook` is no URL")
    return url


def _resolved(ref: SecretRef | None, environ: Mapping[str, str]) -> str:
    return "" if ref is None else ref.resolve(environ)

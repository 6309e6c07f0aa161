"""Alert: what stands as an alert is posted to ``[alerts] webhook``, each at most once an hour."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import orjson

from homing.core.events import iso_time
from homing.log import ALERT_RAISED, log

if TYPE_CHECKING:
    from homing.ports import Alert, Api, Clock, Store

AGAIN_MS = 3_600_000


@dataclass(slots=True)
class Alerter:
    """
    The stage.

    Args:
        api: The webhook; None posts nothing: the alert is still logged, and stands in the books.
    """

    store: Store
    clock: Clock
    api: Api | None
    _told: dict[tuple[str, str], int] = field(default_factory=dict)

    async def tell(self) -> int:
        """
        Tell what is new, or still stands after an hour: one alert a turn, as a post takes a while.

        Returns:
            How many were told: there may be more.
        """
        standing = await self.store.write(lambda tx: tx.books.alerts())
        for key in self._told.keys() - {(alert.kind, alert.subject) for alert in standing}:
            del self._told[key]
        now = self.clock.now_ms()
        alert = next((one for one in standing if self._is_news(one, now)), None)
        if alert is None:
            return 0
        self._told[alert.kind, alert.subject] = now
        log.error(
            ALERT_RAISED, kind=alert.kind, subject=alert.subject, text=alert.text, n=alert.count
        )
        if self.api is not None:
            await self.api.call("POST", "", _body(alert))
        return 1

    def _is_news(self, alert: Alert, now: int) -> bool:
        told_at = self._told.get((alert.kind, alert.subject))
        return told_at is None or (now - told_at >= AGAIN_MS and alert.last_at > told_at)


def _body(alert: Alert) -> bytes:
    return orjson.dumps(
        {
            "kind": alert.kind,
            "subject": alert.subject,
            "text": alert.text,
            "count": alert.count,
            "first_at": iso_time(alert.first_at),
            "last_at": iso_time(alert.last_at),
        }
    )

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
# a webhook that did not take it is asked again so soon
RETRY_MS = 60_000


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
    _unposted: set[tuple[str, str]] = field(default_factory=set)

    async def tell(self) -> int:
        """
        Tell what is new, or still stands after an hour: one alert a turn, as a post takes a while.

        Returns:
            How many were told: there may be more.
        """
        standing = await self.store.write(lambda tx: tx.books.alerts())
        for key in self._told.keys() - {(alert.kind, alert.subject) for alert in standing}:
            del self._told[key]
            self._unposted.discard(key)
        now = self.clock.now_ms()
        alert = next((one for one in standing if self._is_news(one, now)), None)
        if alert is None:
            return 0
        key = (alert.kind, alert.subject)
        if key not in self._unposted:
            log.error(ALERT_RAISED, kind=key[0], subject=key[1], text=alert.text, n=alert.count)
        self._told[key] = now
        self._unposted.discard(key)
        if not await self._is_posted(alert):
            self._unposted.add(key)
            self._told[key] = now - AGAIN_MS + RETRY_MS
        return 1

    async def _is_posted(self, alert: Alert) -> bool:
        if self.api is None:
            return True
        answer = await self.api.call("POST", "", _body(alert))
        return answer.status is not None and answer.status < 300

    def _is_news(self, alert: Alert, now: int) -> bool:
        key = (alert.kind, alert.subject)
        told_at = self._told.get(key)
        if told_at is None:
            return True
        is_due = now - told_at >= AGAIN_MS
        return is_due and (alert.last_at > told_at or key in self._unposted)


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

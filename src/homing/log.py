"""
Every log line: its set-up, and the list of all event names.

Names are ``noun.verb_past`` and part of what users may rely on. Lines hold ids and counts, never
a payload, a secret or a full address.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterable, MutableMapping
from typing import Any, Final

import structlog

DAEMON_STARTED: Final = "daemon.started"
DAEMON_STOPPED: Final = "daemon.stopped"
CONFIG_RELOADED: Final = "config.reloaded"
CONFIG_REFUSED: Final = "config.refused"
WEBHOOK_REFUSED: Final = "webhook.refused"
EVENT_QUARANTINED: Final = "event.quarantined"
SEND_ACCEPTED: Final = "send.accepted"
SEND_SKIPPED: Final = "send.skipped"
SEND_EXPIRED: Final = "send.expired"
SEND_REJECTED: Final = "send.rejected"
SEND_POSTPONED: Final = "send.postponed"
SEND_LOST: Final = "send.lost"
SEND_RESOLVED: Final = "send.resolved"
SEND_FELL_SILENT: Final = "send.fell_silent"
LOOK_UP_FAILED: Final = "look_up.failed"
EFFECT_DIED: Final = "effect.died"
CALLS_WRITTEN_BACK: Final = "calls.written_back"
DESTINATION_PAUSED: Final = "destination.paused"
DESTINATION_RESUMED: Final = "destination.resumed"
BREAKER_TURNED: Final = "breaker.turned"
SUPPRESSION_REPAIRED: Final = "suppression.repaired"
SUPPRESSIONS_RECONCILED: Final = "suppressions.reconciled"
LISTS_RECONCILED: Final = "lists.reconciled"
RECONCILE_FAILED: Final = "reconcile.failed"
LIST_CREATED: Final = "list.created"
FIELD_CREATED: Final = "field.created"
PERSON_ERASED: Final = "person.erased"
ERASURE_FINISHED: Final = "erasure.finished"
ERASURES_REPEATED: Final = "erasures.repeated"
ALERT_RAISED: Final = "alert.raised"
STAGE_FAILED: Final = "stage.failed"
COMMAND_FAILED: Final = "command.failed"
STORE_FAILED: Final = "store.failed"
STORE_RECOVERED: Final = "store.recovered"
CLOCK_JUMPED: Final = "clock.jumped"
ROWS_PRUNED: Final = "rows.pruned"

log: structlog.stdlib.BoundLogger = structlog.get_logger()

# The name before an address's "@", also in quotes, beyond ASCII, or encoded for a URL. A name that
# is not one is redacted all the same; each run of characters is looked at once.
_NAME = r"[^\s@\"<>,;()\[\]]"
_PLAIN_NAME = re.compile(rf"(?<!{_NAME})({_NAME}){_NAME}*(?=@|%40)")
_QUOTED_NAME = re.compile(r'"(?:\\"|[^"@]){1,64}"(?=@)')
_KEY = re.compile(r"SG\.[\w-]{8,}(\.[\w-]+)?|(?i:bearer|basic)\s+[\w.~+/=:-]{8,}")
_PRIORITIES = {"critical": 2, "error": 3, "warning": 4, "info": 6, "debug": 7}


class Redact:
    """Takes secrets and the local part of addresses out of every line."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self.use(secrets)

    def use(self, secrets: Iterable[str]) -> None:
        """Redact these values from now on."""
        long_enough = sorted((s for s in secrets if len(s) >= 6), key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, long_enough))) if long_enough else None

    def __call__(
        self, _logger: object, _method: str, line: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        """Redact one line's values."""
        for key, value in line.items():
            if isinstance(value, str):
                line[key] = self.text(value)
            elif value is not None and not isinstance(value, (bool, int, float)):
                line[key] = self.text(str(value))
        return line

    def text(self, value: str) -> str:
        """Redact one text."""
        if self._secrets is not None:
            value = self._secrets.sub("***", value)
        value = _KEY.sub("***", value)
        if "@" not in value and "%40" not in value:
            return value
        return _PLAIN_NAME.sub(r"\1…", _QUOTED_NAME.sub('"…"', value))


redact = Redact()


def set_up(*, level: str = "info", journal: bool = False) -> None:
    """
    Log to standard error: JSON lines under systemd or into a pipe, readable ones on a terminal.

    Args:
        level: The least that is logged.

        journal: The lines go to systemd's journal: each starts with its priority (``<4>``).
    """
    renderer: Any = structlog.processors.JSONRenderer()
    if sys.stderr.isatty():
        renderer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,  # before: what it says is redacted, too
            redact,
            _Prioritised(renderer) if journal else renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.WriteLoggerFactory(_Unfailing()),  # type: ignore[arg-type]
        cache_logger_on_first_use=True,
    )
    # aiohttp would log a stranger's bytes with a traceback
    logging.getLogger("aiohttp").setLevel(logging.CRITICAL)


class _Prioritised:
    """Writes systemd's priority before a rendered line."""

    def __init__(self, renderer: Any) -> None:  # noqa: ANN401  a structlog processor
        self._renderer = renderer

    def __call__(self, logger: Any, method: str, line: MutableMapping[str, Any]) -> str:  # noqa: ANN401
        return f"<{_PRIORITIES.get(method, 6)}>{self._renderer(logger, method, line)}"


class _Unfailing:
    """
    Standard error that may be closed or full: a log line is never worth a delivery.

    A line is one write: several processes write to the same end.
    """

    def write(self, text: str) -> int:
        """Write, or not."""
        try:
            return sys.stderr.write(text)
        except (OSError, ValueError):
            return 0

    def flush(self) -> None:
        """Flush, or not."""
        try:
            sys.stderr.flush()
        except (OSError, ValueError):
            return

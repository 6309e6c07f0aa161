"""Checks of what the service has noticed itself: alerts, pauses, refused posts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from homing.doctor.findings import Finding, error, ok, skipped, warn

if TYPE_CHECKING:
    from homing.doctor.case import Case
    from homing.ports import Alert

REFUSED: Final = "refused"
PAUSED: Final = "paused"
# a refusal that is older was probably dealt with
FRESH_MS: Final = 86_400_000

# kind of an alert -> what to do
_CURES: Final = {
    "action_failed": "correct the mapping of that rule; `homing dead list` has what failed",
    "contacts_slow": "SendGrid's status page may say why; it is looked at again",
    "clock": "have the clock set by NTP",
    "look_up_failed": "the check profiles says more; emails leave with what is known",
    "not_run": "take the action out",
    "parked": "`homing sends --state parked`, then `homing resolve`",
    "run_failed": "`homing journeys` has why; correct the journey",
    "silent": "look at the template with the checks templates and variables",
    "waiting": "set what is named here",
    "version_lost": "`homing reload --archive` ends runs that cannot go on",
}


def of_store(case: Case) -> Iterator[Finding]:
    """Nothing stands as an alert, and nothing is paused."""
    standing = case.standing
    if standing.why_not is not None:
        yield skipped(standing.why_not, "`homing serve` makes the store")
        return
    yield from _of_pauses(case)
    alerts = [one for one in standing.alerts if one.kind not in {REFUSED, PAUSED}]
    for alert in alerts:
        cure = _CURES.get(alert.kind, "see what it says; `homing alerts clear` once it is seen to")
        yield warn(_told(alert), cure, about=f"alert {alert.kind} {alert.subject}".strip())
    if not alerts and not standing.pauses:
        runs = "a service runs" if standing.runs else "no service runs"
        yield ok(f"no alert stands, nothing is paused; {runs}")


def _of_pauses(case: Case) -> Iterator[Finding]:
    for name, pause in case.standing.pauses.items():
        about, since = f"paused {name}", f"since {_when(pause.at)}: {pause.reason}"
        cure = f"`homing resume {name}`"
        if pause.by == "homing":
            cure = f"remove the cause; it is tried again by itself, or at once by {cure}"
            yield error(f"paused by Homing {since}", cure, about=about)
        else:
            yield warn(f"paused by hand {since}", cure, about=about)


def of_refused(case: Case) -> Iterator[Finding]:
    """Nobody was turned away with 401: Segment throws away what is refused."""
    if case.standing.why_not is not None:
        yield skipped(case.standing.why_not)
        return
    refused = [alert for alert in case.standing.alerts if alert.kind == REFUSED]
    for alert in refused:
        about, cure = f"posts of {alert.subject}", _cure_of_refused(alert.subject)
        is_new = case.now_ms - alert.last_at < FRESH_MS
        yield (error if is_new else warn)(_told(alert), cure, about=about)
    if not refused:
        yield ok("no post was refused for its signature or token")


def _cure_of_refused(kind: str) -> str:
    if kind.startswith("sendgrid"):
        return "see the check webhook: its public key must be in `public_keys`"
    return (
        "set the shared secret (and token) of Segment's destination under [segment.source.*]:"
        " Segment throws away what is refused; if strangers knock, nothing is lost"
    )


def _told(alert: Alert) -> str:
    times = "once" if alert.count == 1 else f"{alert.count} times"
    return f"{alert.text} ({times}, last {_when(alert.last_at)})"


def _when(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")

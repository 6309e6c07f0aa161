"""Checks of the way home: the event webhook, and SendGrid's own forwarding to Segment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from homing.doctor.access import unseen
from homing.doctor.answers import Failed, Integration, Webhook
from homing.doctor.findings import Finding, Status, error, listed, ok, skipped, warn

if TYPE_CHECKING:
    from homing.doctor.case import Case

FLAGS: Final = (
    "processed",
    "delivered",
    "deferred",
    "bounce",
    "dropped",
    "open",
    "click",
    "spam_report",
    "unsubscribe",
    "group_unsubscribe",
    "group_resubscribe",
)
"""Every event that an event webhook of ours should post."""

# the ledger and suppressions are wrong without them
_VITAL: Final = frozenset(
    [
        "delivered",
        "bounce",
        "dropped",
        "spam_report",
        "unsubscribe",
        "group_unsubscribe",
        "group_resubscribe",
    ]
)
_FORWARDED: Final = {"drop": "dropped", "machine_opened": "open"}
DEFAULT: Final = "default"


def door_of(url: str) -> str | None:
    """The ``[sendgrid.webhook.NAME]`` that a URL leads to; None: it is no path of ours."""
    try:
        path = urlsplit(url).path.rstrip("/")
    except ValueError:
        return None
    before, _, last = path.rpartition("/")
    if last == "sendgrid":
        return DEFAULT
    return last if last and before.rpartition("/")[2] == "sendgrid" else None


def of_webhooks(case: Case) -> Iterator[Finding]:
    """One posts to us, everything we need, signed with a key that we know."""
    look = case.facts.webhooks
    if isinstance(look, Failed):
        yield unseen(look, "event webhooks", "user.webhooks.event.settings.read")
        return
    names = list(case.loaded.settings.sendgrid.webhook) or [DEFAULT]
    if case.url is not None:
        names = [door_of(case.url) or DEFAULT]
    for name in names:
        yield from _of_door(case, name, look.value.real)


def _of_door(case: Case, name: str, webhooks: Iterable[Webhook]) -> Iterator[Finding]:
    path = "/sendgrid" if name == DEFAULT else f"/sendgrid/{name}"
    keys = case.secrets.public_keys.get(name, ())
    ours = [one for one in webhooks if one.url == case.url]
    if case.url is None:
        ours = [one for one in webhooks if door_of(one.url) == name]
        # several installations may share an account: a key tells which is which
        ours = [one for one in ours if one.public_key in keys] or ours
    if not ours:
        yield error(
            f"no event webhook posts to {case.url or f'…{path}'}: nothing comes home, and no"
            " opt-out is heard of",
            f"`homing doctor --fix --url {case.url or f'https://YOUR.HOST{path}'}`",
            about=f"webhook {name}",
        )
    for webhook in ours:
        wrongs = list(_wrongs(case, webhook, keys))
        about = f"webhook {name}"
        yield from (_about(one, about) for one in wrongs)
        if not wrongs:
            yield ok(f"{webhook.url} is on, signed, and gets every event", about=about)


def _about(finding: Finding, about: str) -> Finding:
    return Finding(finding.status, finding.found, finding.cure, about)


def _wrongs(case: Case, webhook: Webhook, keys: tuple[str, ...]) -> Iterator[Finding]:
    fix = f"`homing doctor --fix --url {webhook.url}`"
    if not webhook.enabled:
        yield error(f"{webhook.url} is switched off", fix)
    lacking = [flag for flag in FLAGS if not webhook.posts(flag)]
    vital = [flag for flag in lacking if flag in _vital(case)]
    if vital:
        yield error(f"{webhook.url} does not get {listed(vital)}", fix)
    elif lacking:
        found = f"{webhook.url} does not get {listed(lacking)}: the ledger tells less"
        yield warn(found, fix)
    if not webhook.public_key:
        yield error(f"{webhook.url} is not signed: its posts are refused (401)", fix)
    elif webhook.public_key not in keys:
        found = "`public_keys` has no key" if not keys else "its public key is not in `public_keys`"
        yield error(
            f"{webhook.url}: {found}: its posts are refused ({401 if keys else 503})",
            f"{fix} writes the key to a file and says what to put under `public_keys`",
        )


def _vital(case: Case) -> frozenset[str]:
    """What is written home is needed, too."""
    flags = {"spamreport": "spam_report"}
    return _VITAL | {flags.get(one, one) for one in case.loaded.settings.writeback.events}


def of_forwarding(case: Case) -> Iterator[Finding]:
    """SendGrid does not tell Segment what Homing tells it."""
    written = case.loaded.settings.writeback.events
    if case.secrets.write_key is None or not written:
        yield skipped("nothing is written home")
        return
    look = case.facts.integrations
    if isinstance(look, Failed):
        yield unseen(look, "forwarding to Segment", "the scopes of Integrations")
        return
    twice = [one for one in look.value.result if one.destination == "Segment"]
    findings = [_of_integration(case, one, set(written)) for one in twice]
    yield from findings
    if not findings:
        yield ok("SendGrid forwards nothing to Segment itself")


def _of_integration(case: Case, one: Integration, written: set[str]) -> Finding:
    events = {_FORWARDED.get(event, event) for event in one.filters.email_events}
    both = sorted(events & written)
    about = f"integration {one.label or one.properties.destination_region}".strip()
    is_same = one.properties.write_key == case.secrets.write_key
    cure = (
        "delete it in SendGrid's settings, Integrations, or take these events out of"
        " `writeback.events`"
    )
    if not both:
        return ok("SendGrid forwards to Segment, but nothing that Homing writes home", about=about)
    where = "the very source that Homing writes to" if is_same else "another source of Segment"
    found = f"SendGrid forwards {listed(both)} to {where}: such events count twice"
    return Finding(Status.ERROR if is_same else Status.WARN, found, cure, about)

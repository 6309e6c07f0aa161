"""``homing doctor --fix``: the event webhook as it should be, its key at hand, and its test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from homing.core.errors import HomingError
from homing.core.verify import SendGridVerifier, UnusableKey
from homing.doctor.answers import Failed, Got, Look, SignedWebhook, Webhook, Webhooks
from homing.doctor.fetching import changed, webhooks_of
from homing.doctor.findings import Finding, error, ok, skipped, warn
from homing.doctor.watching import Came, Watch
from homing.doctor.webhooks import DEFAULT, FLAGS, door_of

if TYPE_CHECKING:
    from homing.doctor.case import Case
    from homing.ports import Clock
    from homing.stages.asking import Asker

SETTINGS: Final = "/v3/user/webhooks/event/settings"
SETTLED_S: Final = 2.0
TEST: Final = "/v3/user/webhooks/event/test"
NAME: Final = "Homing"
SCOPES: Final = "user.webhooks.event.settings.* and user.webhooks.event.test.create"


@dataclass(frozen=True, slots=True)
class Repair:
    """
    What it takes to repair.

    Args:
        url: Where SendGrid is to post; leads to a door of ours.

        reload: Has the running service take the configuration anew.
    """

    case: Case
    ask: Asker
    clock: Clock
    url: str
    reload: Callable[[], object]

    @property
    def door(self) -> str:
        """The ``[sendgrid.webhook.NAME]``."""
        return door_of(self.url) or DEFAULT

    @property
    def about(self) -> str:
        """For people."""
        return f"webhook {self.door}"

    @property
    def key_file(self) -> Path:
        """Where the public key is written: beside the configuration."""
        return self.case.loaded.path.parent / f"sendgrid-webhook-{self.door}.pub"


async def repaired(repair: Repair) -> AsyncIterator[Finding]:
    """Do it, and tell each step; stops at the first that fails."""
    look = await webhooks_of(repair.ask)
    if isinstance(look, Failed):
        yield _failed(repair, "the event webhooks cannot be read", look)
        return
    webhook = _at(look.value, repair.url)
    made = await _ensured(repair, webhook)
    if isinstance(made, Failed):
        yield _failed(repair, "the event webhook cannot be set", made)
        return
    yield ok(_told(webhook, made.value, repair.url), about=repair.about)
    key = await _signed(repair, made.value)
    if isinstance(key, Failed):
        yield _failed(repair, "signing cannot be switched on", key)
        return
    placed = await _placed(repair, key.value)
    yield placed.finding
    if placed.is_known:
        yield await _tested(repair, made.value)


def _at(webhooks: Webhooks, url: str) -> Webhook | None:
    plain = url.rstrip("/")
    return next((one for one in webhooks.real if one.url.rstrip("/") == plain), None)


def _is_right(webhook: Webhook) -> bool:
    return webhook.enabled and all(map(webhook.posts, FLAGS))


async def _ensured(repair: Repair, webhook: Webhook | None) -> Look[Webhook]:
    """The webhook as it should be, made or changed if it was not."""
    if webhook is not None and _is_right(webhook):
        return Got(webhook)
    body: dict[str, object] = {"enabled": True, **dict.fromkeys(FLAGS, True)}
    if webhook is None:
        return await _made(repair, body | {"url": repair.url, "friendly_name": NAME})
    body |= {"url": webhook.url, "friendly_name": webhook.friendly_name}
    path = f"{SETTINGS}/{webhook.id}"
    return await changed(repair.ask, "PATCH", path, body=body, shape=Webhook)


async def _made(repair: Repair, body: Mapping[str, object]) -> Look[Webhook]:
    made = await changed(repair.ask, "POST", SETTINGS, body=body, shape=Webhook)
    if isinstance(made, Got):
        return made
    # an answer may get lost: then it is there, and the same again was refused
    look = await webhooks_of(repair.ask)
    found = _at(look.value, repair.url) if isinstance(look, Got) else None
    return made if found is None or not _is_right(found) else Got(found)


def _told(before: Webhook | None, now: Webhook, url: str) -> str:
    if before is None:
        return f"made an event webhook to {url}, with every event"
    if _is_right(before):
        return f"the event webhook to {now.url} was on, with every event"
    return f"switched the event webhook to {now.url} on, with every event"


async def _signed(repair: Repair, webhook: Webhook) -> Look[str]:
    """The public key, of a signature switched on if it was not: that would make another key."""
    path = f"{SETTINGS}/signed/{webhook.id}"
    look = await changed(repair.ask, "GET", path, body=None, shape=SignedWebhook)
    is_unsigned = look.status == 404 if isinstance(look, Failed) else not look.value.public_key
    if is_unsigned:
        body = {"enabled": True}
        look = await changed(repair.ask, "PATCH", path, body=body, shape=SignedWebhook)
    if isinstance(look, Failed):
        return look
    try:
        SendGridVerifier([look.value.public_key])
    except UnusableKey:
        return Failed(None, "SendGrid gave no public key that can be used")
    return Got(look.value.public_key)


@dataclass(frozen=True, slots=True)
class _Placed:
    """``is_known``: the service has the key, so that a test can succeed."""

    finding: Finding
    is_known: bool


async def _placed(repair: Repair, key: str) -> _Placed:
    """Have the key where the configuration finds it."""
    about = repair.about
    if key in repair.case.secrets.public_keys.get(repair.door, ()):
        found = ok("its posts are signed with a key of `public_keys`", about=about)
        return _Placed(found, is_known=True)
    file = repair.key_file
    try:
        file.write_text(key + "\n", encoding="ascii")
    except (OSError, UnicodeError) as failure:
        cure = f"put this under `public_keys` of [sendgrid.webhook.{repair.door}]: {key}"
        found = error(f"{file} cannot be written: {failure}", cure, about=about)
        return _Placed(found, is_known=False)
    if _refers_to(repair, file):
        return await _reloaded(repair, f"wrote its public key to {file}")
    line = f'public_keys = ["${{file:{file}}}"]'
    found = warn(
        f"wrote its public key to {file}; the configuration does not name it yet",
        f"put `{line}` under [sendgrid.webhook.{repair.door}], `homing reload`, and run this"
        " again: then it is tested",
        about=about,
    )
    return _Placed(found, is_known=False)


async def _reloaded(repair: Repair, wrote: str) -> _Placed:
    """Have a running service read the key."""
    about = repair.about
    if not repair.case.standing.runs:
        return _Placed(ok(wrote, about=about), is_known=True)
    try:
        repair.reload()
    except HomingError as failure:
        cure = "`homing reload`, and run this again"
        return _Placed(error(f"{wrote}, but: {failure}", cure, about=about), is_known=False)
    # the receiver is told to reload, and does not tell when it has
    await asyncio.sleep(SETTLED_S)
    return _Placed(ok(f"{wrote}, and reloaded", about=about), is_known=True)


def _refers_to(repair: Repair, file: Path) -> bool:
    webhook = repair.case.loaded.settings.sendgrid.webhook.get(repair.door)
    refs = () if webhook is None else webhook.public_keys
    return any(ref.kind == "file" and Path(ref.target) == file for ref in refs)


async def _tested(repair: Repair, webhook: Webhook) -> Finding:
    """Have SendGrid post its sample, and see what the receiver makes of it."""
    about = repair.about
    if not repair.case.standing.runs:
        cure = "start `homing serve`, and run this again"
        return skipped("no service runs here that could take a test", cure, about=about)
    clock, store = repair.clock, repair.case.loaded.store_path
    watch = Watch(store, clock, source=f"sendgrid/{repair.door}")
    body = {"url": webhook.url, "id": webhook.id}
    posted = await changed(repair.ask, "POST", TEST, body=body, shape=type(None))
    if isinstance(posted, Failed):
        return _failed(repair, "SendGrid did not post its test", posted)
    match await watch.came():
        case Came.TAKEN:
            found = "SendGrid's test arrived, signed, and was taken: events of example@test.com"
            return ok(found, about=about)
        case Came.REFUSED:
            return error(
                "SendGrid's test arrived, and was refused (401)",
                "see that nothing between changes the body, and `homing reload`; the check refused"
                " has the reason",
                about=about,
            )
        case Came.UNSEEN:
            return error(
                f"SendGrid's test did not arrive from {webhook.url}",
                "see that this URL leads to `server.listen`, path and all, from the internet",
                about=about,
            )


def _failed(repair: Repair, what: str, failed: Failed) -> Finding:
    cure = "see the check key, and run this again"
    if failed.status in {401, 403}:
        cure = f"grant the key {SCOPES} for this, or do it by hand in SendGrid's Mail Settings"
    elif failed.status == 400:
        cure = "delete an event webhook that nothing uses, or correct the URL"
    return error(f"{what}: {failed.said}", cure, about=repair.about)

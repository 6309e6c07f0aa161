"""Checks of what an email needs at SendGrid: a sender, a group, tracking."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeVar

from homing.config.leaves import all_of
from homing.core.fql import Condition
from homing.core.plans import EmailClass
from homing.doctor.access import unseen
from homing.doctor.answers import Domain, Failed, Got, Look, Switch
from homing.doctor.findings import Finding, error, listed, ok, skipped, warn

if TYPE_CHECKING:
    from homing.doctor.case import Case

_Row = TypeVar("_Row")

SENDERS_PAGE = "SendGrid's settings, Sender Authentication"


def of_senders(case: Case) -> Iterator[Finding]:
    """Each ``from`` is of an authenticated domain, or verified."""
    users: dict[str, list[str]] = {}
    for name, email in case.loaded.plans.emails.items():
        users.setdefault(email.sender.email, []).append(name)
    if not users:
        yield skipped("there is no email")
    for address, names in users.items():
        yield _of_sender(case, address, f"from {address} ({listed(names)})")


def _of_sender(case: Case, address: str, about: str) -> Finding:
    domains, senders = case.facts.domains, case.facts.senders
    domain = address.rpartition("@")[2].lower()
    for known in _rows(domains):
        if known.valid and domain in _names(known):
            return ok(f"the domain {known.domain} is authenticated", about=about)
    own = [one for one in _rows(senders) if one.from_email.lower() == address.lower()]
    if any(one.verified for one in own):
        return ok("a verified single sender", about=about)
    if isinstance(domains, Failed) or isinstance(senders, Failed):
        failed = domains if isinstance(domains, Failed) else senders
        scope = "the scopes of Sender Authentication, to read (whitelabel.read)"
        assert isinstance(failed, Failed)  # noqa: S101  one of the two is
        return unseen(failed, "the senders", scope, about=about)
    return _refused_sender(domain, domains, is_listed=bool(own), about=about)


def _refused_sender(
    domain: str, domains: Look[tuple[Domain, ...]], *, is_listed: bool, about: str
) -> Finding:
    refused = "SendGrid refuses its mail (403)"
    if is_listed:
        cure = f"open the mail that SendGrid sent to it, or resend it in {SENDERS_PAGE}"
        return error(f"it is not verified yet: {refused}", cure, about=about)
    waiting = [one for one in _rows(domains) if domain in _names(one)]
    if waiting:
        cure = f"set the DNS records, and press Verify in {SENDERS_PAGE}"
        return error(f"the DNS of {domain} is not verified yet: {refused}", cure, about=about)
    above = [
        one.domain for one in _rows(domains) if one.valid and domain.endswith(f".{one.domain}")
    ]
    if above:
        cure = f"authenticate {domain} itself in {SENDERS_PAGE}"
        found = f"{above[0]} is authenticated, {domain} is not: SendGrid may refuse its mail"
        return warn(found, cure, about=about)
    cure = f"authenticate the domain {domain} in {SENDERS_PAGE}"
    return error(f"neither it nor {domain} is verified: {refused}", cure, about=about)


def _names(domain: Domain) -> set[str]:
    name = domain.domain.lower()
    return {name, f"{domain.subdomain.lower()}.{name}"} - {""}


def _rows(look: Look[tuple[_Row, ...]]) -> tuple[_Row, ...]:
    return look.value if isinstance(look, Got) else ()


def of_groups(case: Case) -> Iterator[Finding]:
    """Each configured group exists, and is the one that is meant."""
    groups = case.loaded.settings.sendgrid.groups
    if not groups:
        yield skipped("there is no group in `sendgrid.groups`")
        return
    look = case.facts.groups
    if isinstance(look, Failed):
        yield unseen(look, "unsubscribe groups", "asm.groups.read")
        return
    found = {group.id: group.name for group in look.value}
    known = listed(f"{name} = {number}" for number, name in found.items()) or "none"
    for name, number in groups.items():
        about = f"group {name}"
        if number not in found:
            yield error(
                f"SendGrid has no unsubscribe group {number}: what is added to it becomes a global"
                " unsubscribe, and mail that names it is refused",
                f"correct `sendgrid.groups.{name}`; the account has {known}",
                about=about,
            )
        elif not _is_alike(name, found[number]):
            cure = f"see that {number} is the one you mean; the account has {known}"
            yield warn(f"{number} is called {found[number]!r} there", cure, about=about)
        else:
            yield ok(f"{number} is {found[number]!r}", about=about)


def _is_alike(ours: str, theirs: str) -> bool:
    """Tell whether two names share a word, or one holds the other."""
    one, other = (
        "".join(c if c.isalnum() else " " for c in name.casefold()) for name in (ours, theirs)
    )
    words = set(one.split()) & set(other.split())
    plain, plain_other = one.replace(" ", ""), other.replace(" ", "")
    return bool(words) or plain in plain_other or plain_other in plain


def of_unsubscribing(case: Case) -> Iterator[Finding]:
    """Marketing has a group, so that leaving it is not leaving everything."""
    bare = [
        name
        for name, email in case.loaded.plans.emails.items()
        if email.kind is EmailClass.MARKETING and email.group is None
    ]
    if bare:
        yield warn(
            f"marketing without an unsubscribe group: {listed(bare)}; its unsubscribe link is"
            " global, and takes the person off everything",
            "give each a `group` of `sendgrid.groups`",
        )
    else:
        yield ok("every marketing email has a group")


def of_tracking(case: Case) -> Iterator[Finding]:
    """Opens and clicks are tracked where something waits for them."""
    names = case.loaded.settings.writeback.names
    kinds = (
        ("opens", case.facts.opens, {names["open"], names["machine_open"]}, "open"),
        ("clicks", case.facts.clicks, {names["click"]}, "click"),
    )
    for word, look, events, event in kinds:
        yield _of_tracked(case, word, look, events=events, event=event)


def _of_tracked(
    case: Case, word: str, look: Look[Switch], *, events: set[str], event: str
) -> Finding:
    waiting = [
        loc for loc, when in all_of(Condition, case.loaded.settings) if _names_any(when, events)
    ]
    written = event in case.loaded.settings.writeback.events and case.secrets.write_key is not None
    emails = case.loaded.plans.emails.values()
    by_account = [email.name for email in emails if email.tracking.get(word) is not True]
    if not (waiting or written):
        return skipped("nothing uses them", about=word)
    if isinstance(look, Failed):
        return unseen(look, f"whether {word} are tracked", "tracking_settings.read", about=word)
    if look.value.enabled or not by_account:
        return ok("tracked", about=word)
    cure = (
        f"switch {event} tracking on in SendGrid's settings, Tracking, or set"
        f" `tracking = {{ {word} = true }}` in the emails"
    )
    if waiting:
        where = listed(".".join(map(str, loc)) for loc in waiting)
        return error(f"not tracked by the account, and {where} waits for them", cure, about=word)
    return warn(
        f"not tracked by the account: none of {listed(by_account)} is written home",
        cure,
        about=word,
    )


def _names_any(when: Condition, events: set[str]) -> bool:
    asked = {*(when.events or ()), *(did.event for did in when.dids)}
    return bool(asked & events)

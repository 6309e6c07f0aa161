"""Checks of the configuration and of the key: may it do what the configuration needs?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from homing.core.journeys.program import Act
from homing.core.plans import ChangeList, Suppress, Unsuppress, UpsertContact
from homing.doctor.answers import Failed, Got, Key
from homing.doctor.findings import Finding, error, listed, ok, skipped, warn

if TYPE_CHECKING:
    from homing.core.plans import Action, Plans
    from homing.doctor.case import Case

KEY_PAGE: Final = "SendGrid's settings, API Keys"
EU_HOST: Final = "api.eu.sendgrid.com"
# a clock that is kept is never so far off
CLOCK_WARN_S: Final = 30.0

# who can make keys or people can do anything; no restricted key has these by default
_OF_FULL_ACCESS: Final = ("api_keys.create", "api_keys.update", "teammates.create")


def of_config(case: Case) -> Iterator[Finding]:
    """It was read; what would keep ``homing serve`` from starting, and what `check` warns of."""
    for problem in case.refusals:
        yield error(problem.message, "set what is named here: `homing serve` does not start")
    if not case.refusals:
        n = len(case.loaded.warnings)
        plural = "" if n == 1 else "s"
        found = f"{case.loaded.path} can be run"
        if n:
            yield warn(f"{found}, with {n} warning{plural}", "read them: `homing check`")
        else:
            yield ok(found)


def of_key(case: Case) -> Iterator[Finding]:
    """SendGrid takes it."""
    sendgrid = case.loaded.settings.sendgrid
    if case.secrets.api_key is None:
        if sendgrid.api_key is None and case.captures:
            yield skipped("capture mode, and no `sendgrid.api_key`: nothing leaves")
            return
        yield error(
            "there is no API key",
            'set `sendgrid.api_key` to a reference like "${SENDGRID_API_KEY}"',
        )
        return
    match case.facts.key:
        case Got(key):
            yield ok(f"{sendgrid.endpoint} takes it: {len(key.scopes)} scopes")
        case Failed(401 | 403, said):
            yield error(
                f"{sendgrid.endpoint} refuses the key: {said}",
                f"make a new one in {KEY_PAGE}, or use the endpoint of its region; a key of an EU"
                f" subuser works at https://{EU_HOST} alone; an account over its quota is refused"
                " the same way",
            )
        case Failed(_, said):
            yield error(
                f"{sendgrid.endpoint} did not answer: {said}",
                "see whether this machine reaches it, and that `sendgrid.endpoint` is right",
            )


@dataclass(frozen=True, slots=True)
class _Scope:
    """A scope that something needs; of a family (``marketing.*``), any will do."""

    name: str
    what_for: str
    is_vital: bool = True


def of_scopes(case: Case) -> Iterator[Finding]:
    """Each that is needed is there, and not everything else."""
    look = case.facts.key
    if isinstance(look, Failed):
        yield unseen(look, "scopes")
        return
    key = look.value
    lacking = [scope for scope in _needed(case) if not _has(key, scope)]
    for is_vital, say in ((True, error), (False, warn)):
        names = [scope for scope in lacking if scope.is_vital is is_vital]
        if names:
            uses = listed(scope.what_for for scope in names)
            # all of them: they are to be granted in one go
            missing = ", ".join(dict.fromkeys(scope.name for scope in names))
            yield say(
                f"the key lacks {missing}: for {uses}",
                f"grant them to the key in {KEY_PAGE}",
            )
    too_much = [name for name in _OF_FULL_ACCESS if key.may(name)]
    if too_much:
        yield warn(
            f"the key has full access ({len(key.scopes)} scopes, {too_much[0]} among them)",
            "use a restricted key: whoever reads this machine's secrets could do anything with"
            " the account",
        )
    if not lacking and not too_much:
        yield ok("the key may do what is needed, and no more than a restricted key may")


def of_region(case: Case) -> Iterator[Finding]:
    """The EU has no Marketing API."""
    endpoint = case.loaded.settings.sendgrid.endpoint
    if urlsplit(endpoint).hostname != EU_HOST:
        yield ok(f"{endpoint} has every API that is used")
    elif uses_marketing(case):
        yield error(
            "contacts and lists are not to be had in the EU region: SendGrid has the Marketing API"
            " at https://api.sendgrid.com alone",
            "take [contacts], [list.*] and their actions out, or use a global account's key and"
            " endpoint",
        )
    else:
        yield ok(f"{endpoint}: the EU region, and nothing of Marketing is used")


def of_clock(case: Case) -> Iterator[Finding]:
    """SendGrid's signatures bear its time."""
    look = case.facts.key
    if isinstance(look, Failed):
        yield unseen(look, "SendGrid's clock")
        return
    ahead = look.value.ahead_s
    if ahead is None:
        yield skipped("SendGrid's answer had no date")
        return
    webhooks = case.loaded.settings.sendgrid.webhook.values()
    most_s = min((webhook.max_ahead for webhook in webhooks), default=300.0)
    word = "ahead of" if ahead > 0 else "behind"
    off = f"this machine's clock is {abs(ahead):.0f} s {word} SendGrid's"
    cure = "have the clock set by NTP (`timedatectl set-ntp true`)"
    # a clock that is behind sees posts from the future
    if -ahead > most_s:
        yield error(f"{off}: its posts are refused as {most_s:.0f} s or more ahead", cure)
    elif abs(ahead) > CLOCK_WARN_S:
        yield warn(f"{off}: waits and signatures go by it", cure)
    else:
        yield ok("it agrees with SendGrid's")


def uses_marketing(case: Case) -> bool:
    """Tell whether the configuration writes contacts or lists."""
    settings = case.loaded.settings
    if settings.contacts is not None or settings.list:
        return True
    actions = actions_of(case.loaded.plans)
    return any(isinstance(action, UpsertContact | ChangeList) for action in actions)


def unseen(look: Failed, what: str, scope: str = "", *, about: str = "") -> Finding:
    """
    Say that something could not be looked at, and what to do to see it.

    Args:
        scope: What a 403 lacks.
    """
    if look.status == 401:
        said = f"{what} could not be looked at: the key is refused"
        return skipped(said, "see the check key", about=about)
    if look.status == 403 and scope:
        cure = f"grant the key {scope}, or look at it by hand"
        said = f"{what} could not be looked at: the key may not see that"
        return skipped(said, cure, about=about)
    cure = "" if look.status is None else "run this again; status.sendgrid.com tells of outages"
    return skipped(f"{what} could not be looked at: {look.said}", cure, about=about)


def _has(key: Key, scope: _Scope) -> bool:
    if scope.name.endswith(".*"):
        return key.may_any(scope.name.removesuffix(".*"))
    return key.may(scope.name)


def _needed(case: Case) -> Iterator[_Scope]:
    settings = case.loaded.settings
    if case.ways:
        yield _Scope("mail.send", "sending", is_vital=not case.captures)
    if any(way.template for way in case.ways):
        yield _Scope("templates.read", "looking at templates", is_vital=False)
    yield from _of_suppressions(case)
    if uses_marketing(case):
        yield _Scope("marketing.*", "contacts and lists")
    if settings.sendgrid.webhook or case.ways:
        yield _Scope(
            "user.webhooks.event.settings.read", "looking at the event webhook", is_vital=False
        )


def _of_suppressions(case: Case) -> Iterator[_Scope]:
    settings = case.loaded.settings
    if settings.sendgrid.groups:
        yield _Scope("asm.groups.read", "asking whether a group exists", is_vital=bool(_opts(case)))
    for scope in sorted(_opts(case)):
        family = "asm.suppressions.global" if scope == "global" else "asm.groups.suppressions"
        for verb in ("create", "delete"):
            yield _Scope(f"{family}.{verb}", "opt-outs and opt-ins")
    if case.ways:
        reconciling = "reconciling suppressions"
        yield _Scope("suppression.read", reconciling, is_vital=False)
        yield _Scope("asm.groups.suppressions.read", reconciling, is_vital=False)
        yield _Scope("recipients.erasejob.create", "erasing people at SendGrid", is_vital=False)


def _opts(case: Case) -> set[str]:
    """The scopes of suppression that the configuration changes at SendGrid: global, or a group."""
    plans = case.loaded.plans
    found = {rule.scope for rule in (*plans.opt_out, *plans.opt_in)}
    found |= {a.scope for a in actions_of(plans) if isinstance(a, Suppress | Unsuppress)}
    return {"global" if scope == "global" else "group" for scope in found}


def actions_of(plans: Plans) -> Iterator[Action]:
    """Every action of every route and journey."""
    for route in plans.routes:
        yield from route.actions
    for journey in plans.journeys.values():
        yield from (step.action for step in journey.steps if isinstance(step, Act))

"""Settings to the frozen plans that everything else decides by."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from homing.config.actions import ACTION_KEYS, Actions
from homing.config.bodies import Bodies
from homing.config.documents import Document
from homing.config.mappings import Mappings
from homing.config.problems import Finding
from homing.config.settings import OptRule, Settings
from homing.core import plans
from homing.core.fql import Condition
from homing.core.mapping import Compiled

VERSION_DIGITS = 16

DELIVER_WITHIN_S = {plans.EmailClass.MARKETING: 86_400.0, plans.EmailClass.TRANSACTIONAL: 14_400.0}
ON_UNKNOWN = {
    plans.EmailClass.MARKETING: plans.OnUnknown.PARK,
    plans.EmailClass.TRANSACTIONAL: plans.OnUnknown.RESEND,
}


def compile_plans(settings: Settings, document: Document, parts: Parts) -> plans.Plans:
    """
    Resolve names and defaults, and freeze the result.

    Args:
        settings: Without errors: every name in it is known.

        document: Where they come from: actions are taken in the order in which they stand there.

        parts: The settings' mappings and bodies, all without findings.
    """
    suppression, writeback = settings.suppression, settings.writeback
    unversioned = plans.Plans(
        version="",
        emails={name: _email(name, settings, parts) for name in settings.email},
        routes=tuple(
            plans.Route(name, route.when, _actions(name, route, document, parts), route.stop)
            for name, route in settings.route.items()
        ),
        opt_out=_rules(suppression.opt_out),
        opt_in=_rules(suppression.opt_in),
        writeback=plans.Writeback(
            events=frozenset(writeback.events),
            names=writeback.names,
            machine_opens=plans.MachineOpens(writeback.machine_opens),
            suppression_to_segment=suppression.to_segment,
            trait_names=suppression.traits,
        ),
        groups=settings.sendgrid.groups,
        unknown_after_s=settings.sendgrid.unknown_after,
        silent_after_s=settings.sendgrid.silent_after,
    )
    version = version_of(unversioned, parts.mappings.sources)
    return dataclasses.replace(unversioned, version=version)


@dataclasses.dataclass(frozen=True, slots=True)
class Parts:
    """What was compiled or read apart from the settings, each by its place there."""

    mappings: Mappings
    bodies: Bodies

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is wrong with any of them."""
        return self.mappings.findings + self.bodies.findings

    def mapping(self, *loc: str) -> Compiled | None:
        """Return the mapping at *loc*, None where there is none."""
        return self.mappings.compiled.get(loc)


def version_of(compiled: plans.Plans, sources: Mapping[Compiled, object]) -> str:
    """
    Hash all that decisions depend on, as 16 hex digits.

    The same for any two files that mean the same: layout, comments, the order of emails and the
    way a duration is written do not count; the order of routes and of their actions does.
    """
    meaning = _meaning(dataclasses.replace(compiled, version=""), sources)
    text = json.dumps(meaning, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:VERSION_DIGITS]


def _meaning(value: object, sources: Mapping[Compiled, object]) -> object:
    if isinstance(value, Condition):
        return value.text
    if isinstance(value, Compiled):
        value = {"": "Compiled", "source": sources[value]}
    elif dataclasses.is_dataclass(value):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        value = {"": type(value).__name__, **fields}
    if isinstance(value, Mapping):
        return {str(key): _meaning(child, sources) for key, child in value.items()}
    if isinstance(value, frozenset):
        return sorted(map(str, value))
    if isinstance(value, list | tuple):
        return [_meaning(child, sources) for child in value]
    return value


def _rules(rules: Iterable[OptRule]) -> tuple[plans.OptRule, ...]:
    return tuple(plans.OptRule(rule.when, rule.group or "global") for rule in rules)


def _actions(
    name: str, actions: Actions, document: Document, parts: Parts
) -> tuple[plans.Action, ...]:
    keys = [key for key in document.keys_at(("route", name)) if key in ACTION_KEYS]
    return tuple(_action(("route", name, key), getattr(actions, key), parts) for key in keys)


def _action(loc: tuple[str, ...], value: Any, parts: Parts) -> plans.Action:  # noqa: ANN401 - of the class that the key says
    def mapping(slot: str) -> Compiled | None:
        return parts.mapping(*loc, slot)

    match loc[-1]:
        case "send":
            action = plans.Send(value.email, mapping("to"), mapping("data"), value.template)
        case "track":
            action = plans.Track(value.event, mapping("properties"))
        case "identify":
            action = plans.Identify(parts.mappings.compiled[*loc, "traits"])
        case "upsert_contact":
            action = plans.UpsertContact(mapping("fields"), mapping("custom"))
        case "suppress":
            action = plans.Suppress(value)
        case "unsuppress":
            action = plans.Unsuppress(value)
        case "add_to_list" | "remove_from_list" as key:
            action = plans.ChangeList(value, member=key == "add_to_list")
        case key:
            action = plans.ChangeAudience(value, member=key == "add_to_audience")
    return action


def _email(name: str, settings: Settings, parts: Parts) -> plans.Email:
    email, sendgrid = settings.email[name], settings.sendgrid
    kind = plans.EmailClass(email.class_)
    sender = email.from_ or sendgrid.from_
    assert sender is not None, "checks refuse an email without a sender"
    return plans.Email(
        name=name,
        sender=sender,
        template=email.template,
        subject=email.subject,
        html=parts.bodies.texts.get(("email", name, "html_file")),
        text=parts.bodies.texts.get(("email", name, "text_file")),
        kind=kind,
        group=email.group,
        group_id=sendgrid.groups[email.group] if email.group else None,
        to=parts.mapping("email", name, "to"),
        data=parts.mapping("email", name, "data"),
        reply_to=email.reply_to,
        cc=email.cc,
        bcc=email.bcc,
        headers=email.headers,
        categories=email.categories,
        custom_args=email.custom_args,
        ip_pool=email.ip_pool,
        tracking={key: on for key, on in email.tracking if on is not None},
        deliver_within_s=email.deliver_within or DELIVER_WITHIN_S[kind],
        on_unknown=plans.OnUnknown(email.on_unknown) if email.on_unknown else ON_UNKNOWN[kind],
        consent=email.consent,
        priority=email.priority,
    )

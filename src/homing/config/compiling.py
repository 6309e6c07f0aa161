"""Settings to the frozen plans that everything else decides by."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, TypeAlias

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


def compile_plans(settings: Settings, parts: Parts) -> plans.Plans:
    """
    Resolve names and defaults, and freeze the result.

    Args:
        settings: Without errors: every name in it is known.

        parts: What goes with them, without findings.
    """
    suppression, writeback = settings.suppression, settings.writeback
    unversioned = plans.Plans(
        version="",
        emails={name: _email(name, settings, parts) for name in settings.email},
        routes=tuple(_route(name, settings, parts) for name in settings.route),
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

    document: Document
    mappings: Mappings
    bodies: Bodies

    @classmethod
    def of(cls, settings: Settings, document: Document) -> Parts:
        """Compile the mappings and read the bodies of *settings*."""
        return cls(document, Mappings.of(settings, document), Bodies.of(settings, document))

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is wrong with any of them."""
        return self.mappings.findings + self.bodies.findings

    def mapping(self, *loc: str) -> Compiled | None:
        """Return the mapping at *loc*, None where there is none."""
        return self.mappings.compiled.get(loc)

    def written(self, *loc: str) -> tuple[str, ...]:
        """List the keys of the table at *loc* in the order in which their author wrote them."""
        return self.document.keys_at(loc)


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


_At: TypeAlias = Callable[[str], Any]
"""Returns the mapping in one slot of an action, None where there is none."""

_BUILDERS: Mapping[str, Callable[[Any, _At], plans.Action]] = {
    "send": lambda send, at: plans.Send(send.email, at("to"), at("data"), send.template),
    "track": lambda track, at: plans.Track(track.event, at("properties")),
    "identify": lambda _, at: plans.Identify(at("traits")),
    "upsert_contact": lambda _, at: plans.UpsertContact(at("fields"), at("custom")),
    "add_to_list": lambda name, _: plans.ChangeList(name, member=True),
    "remove_from_list": lambda name, _: plans.ChangeList(name, member=False),
    "add_to_audience": lambda key, _: plans.ChangeAudience(key, member=True),
    "remove_from_audience": lambda key, _: plans.ChangeAudience(key, member=False),
    "suppress": lambda scope, _: plans.Suppress(scope),
    "unsuppress": lambda scope, _: plans.Unsuppress(scope),
}


def _route(name: str, settings: Settings, parts: Parts) -> plans.Route:
    route = settings.route[name]
    actions = tuple(
        _BUILDERS[key](getattr(route, key), partial(parts.mapping, "route", name, key))
        for key in parts.written("route", name)
        if key in _BUILDERS
    )
    return plans.Route(name, route.when, actions, route.stop)


def _email(name: str, settings: Settings, parts: Parts) -> plans.Email:
    email, sendgrid = settings.email[name], settings.sendgrid
    kind = plans.EmailClass(email.class_)
    return plans.Email(
        name=name,
        # One of the two is there: an email without a sender is refused before.
        sender=email.from_ or sendgrid.from_ or plans.Address(""),
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

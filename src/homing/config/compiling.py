"""Settings to the frozen plans that everything else decides by."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from homing.config.action_plans import actions_of, fields_at
from homing.config.parts import Parts
from homing.config.programs import ms_of, program, quiet_hours
from homing.config.settings import ContactList, OptRule, Settings
from homing.config.versions import version_of
from homing.core import plans
from homing.core.fql import parse
from homing.core.marketing.contacts import DEFAULT_FIELDS, DEFAULT_SOURCES

EVERY_IDENTIFY = parse('type = "identify" and traits.email != null')
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
        journeys={
            name: program(name, section, parts) for name, section in settings.journey.items()
        },
        caps=_caps(settings),
        quiet=quiet_hours(settings.quiet_hours),
        contacts=_contacts(settings, parts),
        lists={name: _list(name, section) for name, section in settings.list.items()},
        audiences_to_segment=frozenset(
            key for key, audience in settings.audience.items() if audience.to_segment
        ),
    )
    sources = {**parts.mappings.sources, **DEFAULT_SOURCES}
    version = version_of(_deciding(unversioned), sources)
    return dataclasses.replace(unversioned, version=version)


def _deciding(compiled: plans.Plans) -> plans.Plans:
    """Leave out what is for readers alone."""
    journeys = compiled.journeys.items()
    plain = {name: dataclasses.replace(journey, description="") for name, journey in journeys}
    return dataclasses.replace(compiled, journeys=plain)


def _contacts(settings: Settings, parts: Parts) -> plans.Contacts:
    section = settings.contacts
    own = fields_at(parts, "contacts", "fields")
    custom = fields_at(parts, "contacts", "custom")
    contact = plans.ContactFields(DEFAULT_FIELDS if own is None else own, custom or {})
    if section is None:
        return plans.Contacts(None, contact)
    when = EVERY_IDENTIFY if section.when is None else section.when
    return plans.Contacts(when, contact, section.create_fields)


def _list(name: str, section: ContactList) -> plans.ContactList:
    return plans.ContactList(
        name, section.name or name, section.audience, section.reconcile, section.exclusive
    )


def _caps(settings: Settings) -> tuple[plans.Cap, ...]:
    caps = settings.caps.marketing if settings.caps else ()
    return tuple(plans.Cap(cap.max, ms_of(cap.per)) for cap in caps)


def _rules(rules: Iterable[OptRule]) -> tuple[plans.OptRule, ...]:
    return tuple(plans.OptRule(rule.when, rule.group or "global") for rule in rules)


def _route(name: str, settings: Settings, parts: Parts) -> plans.Route:
    route = settings.route[name]
    actions = actions_of(route, ("route", name), parts)
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

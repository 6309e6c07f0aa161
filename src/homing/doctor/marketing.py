"""Checks of Marketing: the plan, custom fields, lists."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from homing.core.marketing.contacts import FieldType, field_key, typed_value
from homing.core.plans import UpsertContact
from homing.doctor.access import actions_of, unseen, uses_marketing
from homing.doctor.answers import CustomField, Failed, Got
from homing.doctor.findings import Finding, error, ok, skipped, warn

if TYPE_CHECKING:
    from homing.doctor.case import Case

MAX_FIELDS: Final = 500
"""Source: SendGrid OpenAPI, ``tsg_mc_custom_fields_v3.json``."""

NOT_USED: Final = "no contact and no list is written"


def of_contacts(case: Case) -> Iterator[Finding]:
    """The account has Marketing, and the key may use it."""
    if not uses_marketing(case):
        yield skipped(NOT_USED)
        return
    look, key = case.facts.fields, case.facts.key
    if isinstance(look, Got) and isinstance(key, Got) and key.value.only_reads("marketing"):
        yield error(
            "the key may read Marketing, and may not write it: every contact would be refused",
            "grant the key Marketing (full access) in SendGrid's settings, API Keys",
        )
        return
    if isinstance(look, Got):
        yield ok("the Marketing API answers")
        return
    yield _of_refusal(case, look)


def _of_refusal(case: Case, look: Failed) -> Finding:
    status = f"HTTP {look.status}"
    said = status if look.said in ("", status) else f"{status}: {look.said}"
    refused = f"the Marketing API refuses us ({said})"
    key = case.facts.key
    if look.status == 403 and isinstance(key, Got) and key.value.may_any("marketing"):
        return error(
            f"{refused}: the key has Marketing scopes, so that the account has no Marketing plan",
            "book Marketing Campaigns, or take [contacts], [list.*] and their actions out",
        )
    if look.status == 403:
        return error(
            f"{refused}: the key has no Marketing scope, or the account no Marketing plan",
            "grant the key Marketing (full access) in SendGrid's settings, API Keys; if it has"
            " that, book Marketing Campaigns",
        )
    if look.status == 404:
        return error(
            f"{refused}: this endpoint has no Marketing API, as the EU region has none",
            "use a global account's key and endpoint, or take [contacts] and [list.*] out",
        )
    return unseen(look, "Marketing")


def of_fields(case: Case) -> Iterator[Finding]:
    """Each custom field exists, or may be created, and can hold what events have."""
    names = custom_names(case)
    if not names:
        yield skipped("no custom field is written")
        return
    look = case.facts.fields
    if isinstance(look, Failed):
        yield unseen(look, "custom fields", "the Marketing scopes")
        return
    known = {field_key(field.name): field for field in look.value}
    absent = [name for name in names if field_key(name) not in known]
    contacts = case.loaded.settings.contacts
    may_create = contacts is not None and contacts.create_fields
    if may_create and len(known) + len(absent) > MAX_FIELDS:
        found = (
            f"{len(absent)} fields are to be created, and {len(known)} of {MAX_FIELDS} are there"
        )
        yield error(found, "delete custom fields that nothing uses: SendGrid has no room for more")
    for name in names:
        field = known.get(field_key(name))
        yield (
            _of_absent(name, may_create=may_create)
            if field is None
            else _of_field(field, name, case.samples.custom.get(name, ()))
        )


OF_MISFITS = "contacts with it are dead, additions to lists go without it"


def _of_absent(name: str, *, may_create: bool) -> Finding:
    about = f"field {name}"
    if may_create:
        return ok("it will be created with the first contact that has it", about=about)
    return error(
        f"the account has no such custom field: {OF_MISFITS}",
        "make it in SendGrid's Marketing, Custom Fields, or set `contacts.create_fields = true`",
        about=about,
    )


def _of_field(field: CustomField, name: str, values: tuple[object, ...]) -> Finding:
    about = f"field {name}"
    if field.field_type not in set(FieldType):
        return warn(
            f"its type is {field.field_type!r}", "make another of a known type", about=about
        )
    kind = FieldType(field.field_type)
    unfit = [value for value in values if typed_value(value, kind) is None]
    if not unfit:
        checked = f"; the newest {len(values)} values fit" if values else ""
        return ok(f"a field of type {kind}{checked}", about=about)
    return error(
        f"its type is {kind}, and {len(unfit)} of the newest {len(values)} values do not fit,"
        f" {_shown(unfit[0])} among them: {OF_MISFITS}",
        "map a value that fits, or make another field: a type cannot be changed",
        about=about,
    )


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return repr(text[:40])


def custom_names(case: Case) -> list[str]:
    """Names of all custom fields that contacts get."""
    plans = case.loaded.plans
    names = dict.fromkeys(plans.contacts.contact.custom)
    for action in actions_of(plans):
        if isinstance(action, UpsertContact):
            names |= dict.fromkeys(action.custom or ())
    return list(names)


def of_lists(case: Case) -> Iterator[Finding]:
    """Each list exists once, or will be created."""
    lists = case.loaded.plans.lists
    if not lists:
        yield skipped("there is no [list.*]")
        return
    look = case.facts.lists
    if isinstance(look, Failed):
        yield unseen(look, "lists", "the Marketing scopes")
        return
    known = Counter(one.name for one in look.value)
    for name, one in lists.items():
        about = f"list {name}"
        if known[one.title] > 1:
            yield warn(
                f"{known[one.title]} lists are called {one.title!r}",
                "rename all but one: which of them is written to is chance",
                about=about,
            )
        elif known[one.title]:
            yield ok(f"{one.title!r} is there", about=about)
        else:
            yield ok(f"{one.title!r} will be created with its first member", about=about)

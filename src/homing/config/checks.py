"""What is wrong between the keys of a configuration: names that nothing has, keys at odds."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from homing.config.actions import ACTION_KEYS, Actions, Send
from homing.config.documents import Values
from homing.config.emails import MAX_ARGS_BYTES, Email
from homing.config.problems import KEY, Finding, Loc, expected, guess, shown
from homing.config.settings import Route, SendGrid, Settings
from homing.core.plans import Address

MAX_CATEGORIES = 10
MAX_COPIES = 999


@dataclass(frozen=True, slots=True)
class Names:
    """What may be referred to, by the names in the document, whether or not it is sound."""

    emails: Collection[str]
    lists: Collection[str]
    groups: Collection[str]

    @classmethod
    def of(cls, values: Values) -> Names:
        """Collect the names of *values*."""
        sendgrid = values.get("sendgrid")
        groups = sendgrid.get("groups") if isinstance(sendgrid, dict) else None
        return cls(_keys(values.get("email")), _keys(values.get("list")), _keys(groups))


def _keys(table: object) -> Collection[str]:
    return tuple(table) if isinstance(table, dict) else ()


def findings_of(settings: Settings, names: Names) -> Iterator[Finding]:
    """Check what no single key can tell, in the order of the sections."""
    yield from _of_admin(settings)
    yield from _of_groups(settings.sendgrid)
    for kind in ("opt_out", "opt_in"):
        for index, rule in enumerate(getattr(settings.suppression, kind)):
            if rule.group is not None:
                yield from _group(("suppression", kind, index, "group"), rule.group, names)
    for name, email in settings.email.items():
        yield from _of_email(("email", name), email, names)
        if email.from_ is None and settings.sendgrid.from_ is None:
            what = "an address, as there is no `sendgrid.from`"
            yield Finding(("email", name, "from"), expected(what, "nothing"))
    for name, route in settings.route.items():
        yield from _of_route(("route", name), route, names)


def _of_admin(settings: Settings) -> Iterator[Finding]:
    """Refuse pages that the network could see and nothing protects."""
    server, admin = settings.server, settings.admin
    if not server.admin.is_loopback and admin.password is None and admin.token is None:
        what = "a loopback address, as there is no `admin.password` and no `admin.token`"
        yield Finding(("server", "admin"), expected(what, shown(str(server.admin))))
    if server.admin == server.listen and server.admin.port:
        what = "another address than `server.listen`"
        yield Finding(("server", "admin"), expected(what, shown(str(server.admin))))


def _of_groups(sendgrid: SendGrid) -> Iterator[Finding]:
    by_id: dict[int, str] = {}
    for name, number in sendgrid.groups.items():
        first = by_id.setdefault(number, name)
        if first != name:
            what = f"the id of a group that has no other name ({first})"
            yield Finding(("sendgrid", "groups", name), expected(what, f"{number}"))


def actions_findings(loc: Loc, actions: Actions, names: Names) -> Iterator[Finding]:
    """Check the names that the actions at *loc* refer to."""
    if actions.send is not None:
        yield from sent_findings((*loc, "send"), actions.send, names)
    for key in ("add_to_list", "remove_from_list"):
        name = getattr(actions, key)
        if name is not None and name not in names.lists:
            message = expected("the name of a [list.*]", shown(name)) + guess(name, names.lists)
            yield Finding((*loc, key), message)
    for key in ("suppress", "unsuppress"):
        scope = getattr(actions, key)
        if scope is not None and scope != "global":
            yield from _group((*loc, key), scope, names)


def sent_findings(loc: Loc, send: Send, names: Names) -> Iterator[Finding]:
    """Check that there is such an email."""
    if send.email not in names.emails:
        what, got = "the name of an [email.*]", shown(send.email)
        yield Finding(loc, expected(what, got) + guess(send.email, names.emails))


def _group(loc: Loc, name: str, names: Names) -> Iterator[Finding]:
    if name not in names.groups:
        what, got = "a name of `sendgrid.groups`", shown(name)
        yield Finding(loc, expected(what, got) + guess(name, names.groups))


def _of_route(loc: Loc, route: Route, names: Names) -> Iterator[Finding]:
    yield from actions_findings(loc, route, names)
    if not route.stop and not actions_taken(route):
        yield Finding(
            loc, f"expected `{KEY}` to have an action, got none: {', '.join(ACTION_KEYS)}"
        )


def actions_taken(actions: Actions) -> list[str]:
    """List the keys of *actions* that are set."""
    return [key for key in ACTION_KEYS if getattr(actions, key) is not None]


def _of_email(loc: Loc, email: Email, names: Names) -> Iterator[Finding]:
    if email.group is not None:
        yield from _group((*loc, "group"), email.group, names)
    yield from _of_content(loc, email)
    yield from _of_lists(loc, email)
    headers = Counter(name.lower() for name in email.headers)
    for name in email.headers:
        if headers[name.lower()] > 1:
            yield Finding((*loc, "headers", name), expected("a header set once", "it again"))
    size = len(json.dumps(email.custom_args, ensure_ascii=False).encode())
    if size > MAX_ARGS_BYTES:
        what = f"custom args of at most {MAX_ARGS_BYTES:,} bytes together"
        yield Finding((*loc, "custom_args"), expected(what, f"{size:,} bytes"))


def _of_content(loc: Loc, email: Email) -> Iterator[Finding]:
    """Ask for a template, or else for a subject and a body; not for both."""
    own = [key for key in ("subject", "html_file", "text_file") if getattr(email, key)]
    if email.template is not None:
        for key in own:
            yield Finding(
                (*loc, key), expected("left out", "it", why="the template brings its own")
            )
    elif not own:
        message = f"expected `{KEY}` to have a template, or a subject and html_file or text_file"
        yield Finding(loc, f"{message}, got neither")
    elif own == ["subject"]:
        yield Finding(loc, f"expected `{KEY}` to have html_file or text_file, got neither")
    elif "subject" not in own:
        yield Finding((*loc, "subject"), expected("a subject", "nothing"))


def _of_lists(loc: Loc, email: Email) -> Iterator[Finding]:
    if len(email.categories) > MAX_CATEGORIES:
        what = f"at most {MAX_CATEGORIES} categories"
        yield Finding((*loc, "categories"), expected(what, f"{len(email.categories)}"))
    yield from _repeated((*loc, "categories"), email.categories)
    copies = [*_located((*loc, "cc"), email.cc), *_located((*loc, "bcc"), email.bcc)]
    if len(copies) > MAX_COPIES:
        yield Finding((*loc, "cc"), expected(f"at most {MAX_COPIES} copies", f"{len(copies)}"))
    seen: set[str] = set()
    for at, address in copies:
        if address in seen:
            why = "SendGrid refuses an address twice"
            yield Finding(at, expected("an address that is not there yet", shown(address), why=why))
        seen.add(address)


def _located(loc: Loc, addresses: tuple[Address, ...]) -> Iterator[tuple[Loc, str]]:
    for index, address in enumerate(addresses):
        yield (*loc, index), address.email.lower()


def _repeated(loc: Loc, texts: tuple[str, ...]) -> Iterator[Finding]:
    seen: set[str] = set()
    for index, text in enumerate(texts):
        if text in seen:
            yield Finding((*loc, index), expected("another one than before", shown(text)))
        seen.add(text)

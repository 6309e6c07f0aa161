"""What is wrong between the keys of a configuration: names that nothing has, keys at odds."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, KeysView
from dataclasses import dataclass

from homing.config.actions import ACTION_KEYS
from homing.config.documents import Values, found_at, reach
from homing.config.emails import MAX_ARGS_BYTES, Email
from homing.config.problems import KEY, Finding, Loc, expected, guess, shown
from homing.config.settings import SendGrid, Settings
from homing.core.plans import Address

MAX_CATEGORIES = 10
MAX_COPIES = 999


@dataclass(frozen=True, slots=True)
class Written:
    """
    What the document says, sound or not.

    A name counts as known and a key as given even if what stands there does not fit: that is
    reported by itself, and once.
    """

    values: Values

    def names(self, *loc: str) -> KeysView[str]:
        """List the keys of the table at *loc*."""
        table = self._at(loc)
        return table.keys() if isinstance(table, dict) else {}.keys()

    def has(self, *loc: str | int) -> bool:
        """Tell whether there is a value at *loc*."""
        return self._at(loc) is not None

    def _at(self, loc: Loc) -> object:
        return reach(self.values, loc)


_ACTORS = (("route", "*"), ("journey", "*", "step", "*"), ("journey", "*", "exit", "*"))
_EMAILS = (
    *((*actor, "send") for actor in _ACTORS),
    *((*actor, "send", "email") for actor in _ACTORS),
)
_LISTS = tuple((*actor, key) for actor in _ACTORS for key in ("add_to_list", "remove_from_list"))
_GROUPS = (
    ("email", "*", "group"),
    ("suppression", "opt_out", "*", "group"),
    ("suppression", "opt_in", "*", "group"),
)
_SCOPES = tuple((*actor, key) for actor in _ACTORS for key in ("suppress", "unsuppress"))


def findings_of(settings: Settings, written: Written) -> Iterator[Finding]:
    """Check what no single key can tell."""
    yield from _of_admin(settings, written)
    yield from _of_groups(settings.sendgrid)
    yield from _of_titles(settings)
    yield from _of_references(written)
    for name, email in settings.email.items():
        yield from _of_email(("email", name), email, written)
    for name, route in settings.route.items():
        if not route.stop and not set(written.names("route", name)) - {"when", "stop"}:
            message = f"expected `{KEY}` to have an action, got none: {', '.join(ACTION_KEYS)}"
            yield Finding(("route", name), message)


def _of_references(written: Written) -> Iterator[Finding]:
    """Check each name that stands for something elsewhere in the file."""
    emails, lists = written.names("email"), written.names("list")
    groups = written.names("sendgrid", "groups")
    for paths, what, known in (
        (_EMAILS, "the name of an [email.*]", emails),
        (_LISTS, "the name of a [list.*]", lists),
        (_GROUPS, "a name of `sendgrid.groups`", groups),
        (_SCOPES, '"global" or a name of `sendgrid.groups`', ("global", *groups)),
    ):
        for path in paths:
            for loc, name in found_at(written.values, path):
                if isinstance(name, str) and name not in known:
                    yield Finding(loc, expected(what, shown(name)) + guess(name, known))


def _of_admin(settings: Settings, written: Written) -> Iterator[Finding]:
    """Refuse pages that the network could see and nothing protects."""
    server = settings.server
    guarded = written.has("admin", "password") or written.has("admin", "token")
    if not server.admin.is_loopback and not guarded:
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


def _of_titles(settings: Settings) -> Iterator[Finding]:
    """Refuse two tables for one list of SendGrid's: each would undo what the other does."""
    by_title: dict[str, str] = {}
    for name, section in settings.list.items():
        title = section.name or name
        first = by_title.setdefault(title, name)
        if first != name:
            what = f"the name of a list that has no other table ([list.{first}])"
            yield Finding(("list", name, "name"), expected(what, shown(title)))


def _of_email(loc: Loc, email: Email, written: Written) -> Iterator[Finding]:
    if not written.has(*loc, "from") and not written.has("sendgrid", "from"):
        what = "an address, as there is no `sendgrid.from`"
        yield Finding((*loc, "from"), expected(what, "nothing"))
    yield from _of_content(loc, written)
    yield from _of_lists(loc, email)
    headers = Counter(name.lower() for name in email.headers)
    for name in email.headers:
        if headers[name.lower()] > 1:
            yield Finding((*loc, "headers", name), expected("a header set once", "it again"))
    size = len(json.dumps(email.custom_args, ensure_ascii=False).encode())
    if size > MAX_ARGS_BYTES:
        what = f"custom args of at most {MAX_ARGS_BYTES:,} bytes together"
        yield Finding((*loc, "custom_args"), expected(what, f"{size:,} bytes"))


def _of_content(loc: Loc, written: Written) -> Iterator[Finding]:
    """Ask for a template, or else for a subject and a body; not for both."""
    own = [key for key in ("subject", "html_file", "text_file") if written.has(*loc, key)]
    if written.has(*loc, "template"):
        for key in own:
            what = "left out, as the template brings its own"
            yield Finding((*loc, key), expected(what, "one"))
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

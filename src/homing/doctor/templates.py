"""Checks of templates: they exist, they get what they show, and who changed them since."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from homing.doctor.access import unseen
from homing.doctor.answers import Failed, Template, Version
from homing.doctor.contract import Supply, judged
from homing.doctor.findings import Finding, Status, error, listed, ok, skipped
from homing.doctor.ways import templates_of

if TYPE_CHECKING:
    from homing.doctor.case import Case, Seen
    from homing.doctor.ways import Way

SCOPE: Final = "templates.read"
# a diff of more takes minutes, and is read by nobody
MAX_DIFF_CHARS: Final = 200_000
MAX_COMPARED_LINES: Final = 5_000
MAX_DIFF_LINES: Final = 200
MAX_LINE_CHARS: Final = 300


def of_templates(case: Case) -> Iterator[Finding]:
    """Each exists, is dynamic, and has an active version."""
    if not case.ways:
        yield skipped("there is no email")
        return
    ids = templates_of(case.ways)
    for template_id in ids:
        users = listed(way.email.name for way in case.ways if way.template == template_id)
        yield _of_template(case, template_id, f"template {template_id} ({users})")
    if not ids:
        yield ok("Homing renders every email itself")


def _of_template(case: Case, template_id: str, about: str) -> Finding:
    look = case.facts.templates.get(template_id)
    if look is None or isinstance(look, Failed):
        if look is not None and look.status in {400, 404}:
            cure = "correct the id in the [email.*], or make it in SendGrid's Dynamic Templates"
            return error("the account has no such template: its mail is dropped", cure, about=about)
        return unseen(look or Failed(None, "it was not asked"), "it", SCOPE, about=about)
    template = look.value
    if template.generation != "dynamic":
        cure = "make a dynamic template of it: a legacy one gets no data"
        return error(f"it is a {template.generation} template", cure, about=about)
    version = template.active
    if version is None:
        cure = "activate a version of it in SendGrid's Dynamic Templates"
        return error("it has no active version: its mail is dropped", cure, about=about)
    return ok(f"{template.name!r}, version {version.name or version.id!r}", about=about)


def of_variables(case: Case) -> Iterator[Finding]:
    """Each template gets the variables that it shows."""
    together: dict[tuple[str, str | None], list[Way]] = {}
    for way in case.ways:
        together.setdefault((way.email.name, way.template), []).append(way)
    if not together:
        yield skipped("there is no email")
    for (name, template_id), ways in together.items():
        parts = _parts_of(case, ways[0], template_id)
        about = f"email {name}"
        if isinstance(parts, Finding):
            yield parts
        elif parts:
            supplies = [
                Supply(way.place, way.keys, case.samples.data.get(way.name, ()),
                       case.samples.failed.get(way.name))
                for way in ways
            ]  # fmt: skip
            yield from judged(parts, supplies, about=about, is_sendgrids=template_id is not None)


def _parts_of(
    case: Case, way: Way, template_id: str | None
) -> tuple[tuple[str, str], ...] | Finding:
    """What is rendered for an email; a finding where it cannot be seen."""
    if template_id is None:
        email = way.email
        parts = (("subject", email.subject), ("html", email.html), ("text", email.text))
        return tuple((name, part) for name, part in parts if part)
    look = case.facts.templates.get(template_id)
    if look is None or isinstance(look, Failed):
        about = f"email {way.email.name}"
        return skipped("its template could not be looked at, see the check templates", about=about)
    version = look.value.active
    return () if version is None else version.parts


def of_edits(case: Case) -> Iterator[Finding]:
    """What was changed in SendGrid since the last look."""
    looked = False
    for template_id in templates_of(case.ways):
        look = case.facts.templates.get(template_id)
        version = None if look is None or isinstance(look, Failed) else look.value.active
        if version is None or isinstance(look, Failed) or look is None:
            continue
        looked = True
        seen, about = case.seen.get(template_id), f"template {template_id}"
        yield _of_edit(look.value, version, seen, about=about)
    if not looked:
        yield skipped("no template of SendGrid's could be looked at")


def _of_edit(template: Template, version: Version, seen: Seen | None, *, about: str) -> Finding:
    if seen is None:
        return ok(f"{template.name!r} is looked at for the first time", about=about)
    since = datetime.fromtimestamp(seen.at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
    if seen.digest == digest_of(version):
        return ok(f"unchanged since the last look, {since}", about=about)
    detail = _diff(seen, version)
    return Finding(
        Status.WARN,
        f"{template.name!r} was edited in SendGrid since the last look, {since}"
        + (f" (version {version.name!r})" if version.name else ""),
        "read the diff; if it is not meant, activate the earlier version in SendGrid",
        about,
        detail,
    )


def digest_of(version: Version) -> str:
    """A hash of what is rendered."""
    text = "\0".join(f"{name}\0{part}" for name, part in version.parts)
    return sha256(text.encode(errors="surrogatepass")).hexdigest()


def _diff(seen: Seen, version: Version) -> str:
    if seen.parts is None:
        return "(the earlier version was too large to be kept)"
    now = dict(version.parts)
    lines: list[str] = []
    for name in ("subject", "html", "text"):
        before, after = seen.parts.get(name, ""), now.get(name, "")
        if before == after:
            continue
        if not _is_comparable(before) or not _is_comparable(after):
            lines.append(f"({name}: too large to be compared line by line)")
            continue
        lines += difflib.unified_diff(
            before.splitlines(), after.splitlines(),
            f"{name}, as it was", f"{name}, as it is", lineterm="", n=2,
        )  # fmt: skip
    return "\n".join(_shortened(lines))


def _is_comparable(part: str) -> bool:
    return len(part) <= MAX_DIFF_CHARS / 2 and part.count("\n") <= MAX_COMPARED_LINES


def _shortened(lines: Sequence[str]) -> Iterator[str]:
    for line in lines[:MAX_DIFF_LINES]:
        yield line if len(line) <= MAX_LINE_CHARS else line[:MAX_LINE_CHARS] + "…"
    if len(lines) > MAX_DIFF_LINES:
        yield f"… and {len(lines) - MAX_DIFF_LINES} lines more"

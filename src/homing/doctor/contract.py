"""The contract between a template and what it is given: what it shows must be there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from homing.adapters.render import HandlebarsRenderer, Inspection, Need, RenderError
from homing.doctor.findings import Finding, error, listed, ok, skipped, warn

# SendGrid fills these in itself when it renders a dynamic template
_OWN: Final = frozenset(["unsubscribe", "unsubscribe_preferences"])


@dataclass(frozen=True, slots=True)
class Supply:
    """
    What one way of sending gives a template.

    ``place`` is empty of an email that nothing sends. ``keys`` are the names at the top of its
    data; None: whatever events and traits have. ``data`` is what recorded events would become.
    ``failed`` says why none could be made.
    """

    place: str
    keys: frozenset[str] | None
    data: Sequence[Mapping[str, Any]] = ()
    failed: str | None = None


@dataclass(slots=True)
class _Verdict:
    """Names of variables by how they stand; each as people read it."""

    unsupplied: list[str] = field(default_factory=list)
    at_times: list[str] = field(default_factory=list)
    untold: list[str] = field(default_factory=list)


def judged(
    parts: Sequence[tuple[str, str]], supplies: Sequence[Supply], *, about: str, is_sendgrids: bool
) -> Iterator[Finding]:
    """
    Compare a template with what every way of sending it gives.

    Args:
        parts: Name ("subject", "html", "text") and template of each.

        is_sendgrids: SendGrid renders it, and fills in variables of its own.
    """
    inspected: list[tuple[str, Inspection]] = []
    for name, template in parts:
        try:
            found = _renderer().inspected(template)
        except RenderError as failure:
            cure = "correct the template: SendGrid takes the mail and drops it when it renders"
            yield error(f"its {name} cannot be read: {failure}", cure, about=about)
            return
        inspected.append((name, found))
        if found.problems:
            cure = "change it in the template: SendGrid drops the mail, or shows nothing there"
            yield error(f"its {name}: {listed(found.problems)}", cure, about=about)
    own = _OWN if is_sendgrids else frozenset()
    verdict = _verdict(inspected, supplies, own)
    yield from _told(verdict, supplies, about=about)
    if not (verdict.unsupplied or verdict.at_times or verdict.untold):
        yield _all_well(inspected, supplies, about=about)


@cache
def _renderer() -> HandlebarsRenderer:
    return HandlebarsRenderer()


def _verdict(
    inspected: Sequence[tuple[str, Inspection]], supplies: Sequence[Supply], own: frozenset[str]
) -> _Verdict:
    verdict = _Verdict()
    for name, inspection in inspected:
        for need in inspection.needs:
            if _root(need.path) not in own:
                place = f"{{{{{need.path}}}}} ({name}, line {need.line})"
                _judge(need, place, supplies, verdict=verdict)
    return verdict


def _judge(need: Need, place: str, supplies: Sequence[Supply], *, verdict: _Verdict) -> None:
    """Put one variable where the worst way of sending it puts it."""
    root = _root(need.path)
    unmapped = [one.place for one in supplies if one.keys is not None and _lacks(one.keys, need)]
    if unmapped:
        where = f": {listed(filter(None, unmapped))} does not give {root}" if any(unmapped) else ""
        (verdict.at_times if need.conditional else verdict.unsupplied).append(place + where)
        return
    data = [one for supply in supplies for one in supply.data]
    missing = sum(need.is_missing(one) for one in data)
    if missing == 0:
        is_open = any(one.keys is None and not one.data for one in supplies)
        if is_open and need.path not in need.given:
            verdict.untold.append(place)
        return
    every = all(one.keys is None for one in supplies) and missing == len(data)
    counted = f"{place}: not in {missing} of {len(data)} recorded events"
    is_error = every and not need.conditional and not need.given
    (verdict.unsupplied if is_error else verdict.at_times).append(counted)


def _lacks(keys: frozenset[str], need: Need) -> bool:
    """Whether a name is not given, and the blocks around it show it all the same."""
    if _root(need.path) in keys or need.path in need.given:
        return False
    return all(_root(path) in keys for path in need.given)


def _told(verdict: _Verdict, supplies: Sequence[Supply], *, about: str) -> Iterator[Finding]:
    failed = next((one for one in supplies if one.failed), None)
    if failed is not None:
        cure = "correct its `data`: `homing preview` shows what becomes of an event"
        yield error(f"{failed.place}: data cannot be made: {failed.failed}", cure, about=about)
    if verdict.unsupplied:
        yield error(
            f"shows what it is not given: {listed(verdict.unsupplied)}",
            "add it to `data` of the email, guard it with {{#if}}, or give it a default:"
            ' {{insert name "default=…"}}',
            about=about,
        )
    if verdict.at_times:
        yield warn(
            f"shows nothing at times: {listed(verdict.at_times)}",
            'guard it with {{#if}}, or give it a default: {{insert name "default=…"}}',
            about=about,
        )
    if verdict.untold:
        yield skipped(
            f"no recorded event leads here yet: whether there is {listed(verdict.untold)} cannot be"
            " told",
            "run this again once events have come, or give the email a `data`",
            about=about,
        )


def _all_well(
    inspected: Sequence[tuple[str, Inspection]], supplies: Sequence[Supply], *, about: str
) -> Finding:
    read = {_root(path) for _, inspection in inspected for path in inspection.reads}
    given: frozenset[str] = frozenset().union(*(one.keys or () for one in supplies))
    unused = sorted(given - read)
    note = f"; given, and not read: {listed(unused)}" if unused else ""
    n = sum(len(one.data) for one in supplies)
    asked = f", in {n} recorded events" if n else ""
    return ok(f"gets every variable that it shows{asked}{note}", about=about)


def _root(path: str) -> str:
    return path.partition(".")[0].partition("[")[0]

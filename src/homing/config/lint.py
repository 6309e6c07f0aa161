"""What is legal and probably not meant: the warnings of a configuration."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import takewhile
from typing import TypeAlias

from homing.config.actions import Actions, Send
from homing.config.documents import Values, found_at
from homing.config.expressions import RawMapping
from homing.config.journeys import Exit
from homing.config.leaves import all_of
from homing.config.problems import KEY, Finding, Loc, shown
from homing.config.settings import Settings
from homing.core.fql import Condition
from homing.core.numbers import read_number

_ANSWERED_503 = f"`{KEY}` is empty: what is posted there is answered 503"
POSTGRESQL = f"`{KEY}`: PostgreSQL is not run by this version"

# What is written to Segment.
_WRITTEN = (
    ("journey", "*", "exit", "*", "track"),
    *(
        (*actor, key)
        for actor in (("route", "*"), ("journey", "*", "step", "*"))
        for key in ("track", "identify")
    ),
)

_Hole: TypeAlias = tuple[str | None, ...]

_MIN_WORD_LETTERS = 5
LEAST_BETWEEN_S = 300.0
_SEPARATORS = re.compile(r"[\W_]+")


def warnings_of(settings: Settings, values: Values) -> Iterator[Finding]:
    """
    Look for what a person would want to know before the daemon starts.

    Args:
        settings: The configuration, without errors.

        values: The document's own tables, which tell what is set and what is a default.
    """
    if settings.store.url.scheme == "postgresql":
        yield Finding(("store", "url"), POSTGRESQL)
    yield from _of_receiving(settings)
    yield from _of_sending(settings)
    yield from _of_reconciling(settings)
    yield from _of_writing(settings, values)
    yield from _of_emails(settings)
    yield from _of_constants(settings)
    for loc, condition in all_of(Condition, settings):
        for warning in condition.warnings:
            yield Finding(loc, f"`{KEY}`: {warning}")
    yield from near_misses(_event_names(settings))


def _of_receiving(settings: Settings) -> Iterator[Finding]:
    segment, sendgrid = settings.segment, settings.sendgrid
    for name, source in segment.source.items():
        if not source.secrets:
            yield Finding(("segment", "source", name, "secrets"), _ANSWERED_503)
        if source.batch == "require-token" and source.token is None:
            yield Finding(
                ("segment", "source", name, "token"),
                f"`{KEY}` is not set: arrays that Segment signs over their first element only"
                " are answered 401 when they hold more",
            )
    for name, webhook in sendgrid.webhook.items():
        if not webhook.public_keys:
            yield Finding(("sendgrid", "webhook", name, "public_keys"), _ANSWERED_503)
    for section in ("segment", "sendgrid"):
        if getattr(settings, section).endpoint.startswith("http:"):
            yield Finding(
                (section, "endpoint"), f"`{KEY}` is http: what is sent can be read on the way"
            )


def _of_sending(settings: Settings) -> Iterator[Finding]:
    sendgrid = settings.sendgrid
    if sendgrid.mode == "capture":
        message = f'`{KEY}` is "capture": no email leaves, each is kept for reading'
        yield Finding(("sendgrid", "mode"), message)
    elif sendgrid.api_key is None and settings.email:
        yield Finding(("sendgrid", "api_key"), f"`{KEY}` is not set: emails wait until it is")


def _of_reconciling(settings: Settings) -> Iterator[Finding]:
    """Each comparison reads whole lists, from the same budget as everything else."""
    intervals: list[tuple[Loc, float]] = [
        (("list", name, "reconcile"), one.reconcile) for name, one in settings.list.items()
    ]
    intervals.append((("suppression", "reconcile"), settings.suppression.reconcile))
    for loc, interval_s in intervals:
        if interval_s < LEAST_BETWEEN_S:
            yield Finding(
                loc,
                f"`{KEY}` is under {LEAST_BETWEEN_S / 60:.0f} minutes: SendGrid's lists are read"
                " nearly without pause, and its rate limit is used up",
            )


def _of_writing(settings: Settings, values: Values) -> Iterator[Finding]:
    if settings.segment.write_key is not None:
        return
    for path in _WRITTEN:
        for loc, _ in found_at(values, path):
            yield Finding(loc, f"`{KEY}` is not written: `segment.write_key` is not set")


def _of_emails(settings: Settings) -> Iterator[Finding]:
    sent = {send.email for send in _sends(settings)}
    for name in settings.email:
        if name not in sent:
            yield Finding(("email", name), f"`{KEY}` is sent by no route and no journey")


def _of_constants(settings: Settings) -> Iterator[Finding]:
    """Values that are the same text for every event, where that cannot be meant."""
    for loc, raw in all_of(RawMapping, settings):
        value = raw.value
        if not isinstance(value, str) or value.startswith("$.") or "{{" in value:
            continue
        if loc[-1] == "to" and "@" not in value:
            yield Finding(loc, f"`{KEY}` is the text {shown(value)} for every event, no address:"
                          f" a path starts with `$.`")  # fmt: skip
        if loc[-2:] == ("goal", "value") and read_number(value) is None:
            yield Finding(loc, f"`{KEY}` is the text {shown(value)} for every event, no number:"
                          f" a path starts with `$.`")  # fmt: skip


def _sends(settings: Settings) -> Iterator[Send]:
    journeys = settings.journey.values()
    steps = [step for journey in journeys for step in journey.step]
    exits = [entry for journey in journeys for entry in journey.exit]
    actors: list[Actions | Exit] = [*settings.route.values(), *steps, *exits]
    return (actor.send for actor in actors if actor.send is not None)


def _event_names(settings: Settings) -> list[tuple[Loc, str]]:
    """List the names of track events that conditions ask for, with the place of each."""
    names: list[tuple[Loc, str]] = [
        (("writeback", "names"), name) for name in settings.writeback.names.values()
    ]
    for loc, condition in all_of(Condition, settings):
        asked = set(condition.events or ()) | {did.event for did in condition.dids}
        names += [(loc, name) for name in sorted(asked)]
    return names


def near_misses(names: Iterable[tuple[Loc, str]]) -> Iterator[Finding]:
    """
    Find names that differ so little from one before that it is probably a slip.

    Near are names that differ in case or separators only, or in one letter of one longer word:
    "Plan A" and "Plan B", "Step 1" and "Step 2" are two events.

    Returns:
        At most one finding a name; it tells the earlier spelling.
    """
    places: dict[str, Loc] = {}
    for loc, name in names:
        places.setdefault(name, loc)
    wholes: dict[str, str] = {}
    holes: dict[_Hole, dict[str, str]] = {}
    for name, loc in places.items():
        words = [word for word in _SEPARATORS.split(name.casefold()) if word]
        whole = wholes.setdefault("".join(words), name)
        near = whole if whole != name else _slip_of(words, holes)
        for hole, word in _holes(words):
            holes.setdefault(hole, {}).setdefault(word, name)
        if near is not None:
            message = f"`{KEY}` asks for the event {shown(name)}; elsewhere it is {shown(near)}"
            yield Finding(loc, message)


def _slip_of(words: list[str], holes: Mapping[_Hole, Mapping[str, str]]) -> str | None:
    slips = (
        name
        for hole, word in _holes(words)
        for other, name in holes.get(hole, {}).items()
        if _is_slip(word, other)
    )
    return next(slips, None)


def _holes(words: list[str]) -> Iterator[tuple[_Hole, str]]:
    """Leave out each word in turn that is long enough to hold a slip."""
    for index, word in enumerate(words):
        if len(word) >= _MIN_WORD_LETTERS and word.isalpha():
            yield (*words[:index], None, *words[index + 1 :]), word


def _is_slip(first: str, second: str) -> bool:
    """Tell whether one letter is changed, added or dropped, or two neighbours are swapped."""
    if abs(len(first) - len(second)) > 1:
        return False
    first, second = _without_common_start(first, second)
    first, second = _without_common_start(first[::-1], second[::-1])
    return max(len(first), len(second)) <= 1 or (len(first) == 2 and first == second[::-1])


def _without_common_start(first: str, second: str) -> tuple[str, str]:
    pairs = zip(first, second, strict=False)
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    return first[same:], second[same:]

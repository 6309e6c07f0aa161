"""What is legal and probably not meant: the warnings of a configuration."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import combinations, takewhile

from homing.config.actions import Actions, Send
from homing.config.documents import Values, found_at
from homing.config.journeys import Exit
from homing.config.leaves import all_of
from homing.config.problems import KEY, Finding, Loc, shown
from homing.config.settings import Settings
from homing.core.fql import Condition

_ANSWERED_503 = f"`{KEY}` is empty: what is posted there is answered 503"
POSTGRESQL = f"`{KEY}`: PostgreSQL is not run by this version"

# What this version reads and checks, but does not do.
_NOT_RUN = (
    ("segment", "profiles"),
    ("suppression", "reconcile"),
    ("sendgrid", "reconcile_share"),
    ("contacts",),
    ("list", "*"),
    ("audience", "*"),
    ("journey", "*"),
    *(
        ("route", "*", key)
        for key in (
            "upsert_contact",
            "add_to_list",
            "remove_from_list",
            "add_to_audience",
            "remove_from_audience",
        )
    ),
)

# What is not run either, and would have kept emails back.
_NOT_KEPT_BACK = (
    ("caps",),
    ("quiet_hours",),
    ("email", "*", "consent"),
)

_MIN_NEAR_CHARS = 6
_SEPARATORS = re.compile(r"[\W_]+")


def warnings_of(settings: Settings, values: Values) -> Iterator[Finding]:
    """
    Look for what a person would want to know before the daemon starts.

    Args:
        settings: The configuration, without errors.

        values: The document's own tables, which tell what is set and what is a default.
    """
    for path in _NOT_RUN:
        for loc, _ in found_at(values, path):
            yield Finding(loc, f"`{KEY}` is not run by this version")
    for path in _NOT_KEPT_BACK:
        for loc, _ in found_at(values, path):
            yield Finding(loc, f"`{KEY}` is not run by this version: it keeps no email back")
    if settings.store.url.scheme == "postgresql":
        yield Finding(("store", "url"), POSTGRESQL)
    yield from _of_receiving(settings)
    yield from _of_sending(settings)
    yield from _of_emails(settings)
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


def _of_emails(settings: Settings) -> Iterator[Finding]:
    sent = {send.email for send in _sends(settings)}
    for name in settings.email:
        if name not in sent:
            yield Finding(("email", name), f"`{KEY}` is sent by no route and no journey")


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
    Find names that differ so little that one is probably a slip.

    Returns:
        One finding a pair, at the later place; it names the earlier spelling.
    """
    places: dict[str, Loc] = {}
    for loc, name in names:
        places.setdefault(name, loc)
    for (first, _), (second, loc) in combinations(places.items(), 2):
        if _is_near(first, second):
            message = f"`{KEY}` asks for the event {shown(second)}; elsewhere it is {shown(first)}"
            yield Finding(loc, message)


def _is_near(first: str, second: str) -> bool:
    plain, other = (_SEPARATORS.sub("", name).casefold() for name in (first, second))
    if plain == other:
        return True
    # "Step 1" and "Step 2" are two events.
    if min(len(plain), len(other)) < _MIN_NEAR_CHARS or _digits(plain) != _digits(other):
        return False
    return _differ_by_a_slip(plain, other)


def _digits(name: str) -> str:
    return "".join(filter(str.isdigit, name))


def _differ_by_a_slip(first: str, second: str) -> bool:
    """Tell whether one letter is changed, added or dropped, or two neighbours are swapped."""
    first, second = _without_common_start(first, second)
    first, second = _without_common_start(first[::-1], second[::-1])
    return max(len(first), len(second)) <= 1 or (len(first) == 2 and first == second[::-1])


def _without_common_start(first: str, second: str) -> tuple[str, str]:
    same = sum(
        1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False))
    )
    return first[same:], second[same:]

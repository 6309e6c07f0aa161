"""One thing that would happen, as `homing simulate` prints it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import orjson

from homing.core.events import LAST_MS, iso_time

if TYPE_CHECKING:
    from homing.core.effects import SendRow
    from homing.core.journeys.run import Passage, Run
    from homing.core.plans import Plans

# of these words a passage's name is a branch
BRANCHES = frozenset({"branch", "restarted"})
# of these its effect; what is skipped and is a send has a line of another make
EFFECTS = frozenset({"effect", "skipped"})


class SimLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    A line; what does not apply is left out.

    ``at`` and ``until`` are ISO-8601 in UTC. ``what``: entered, waiting, branch, restarted,
    timeout, send, skipped, effect, exited, completed, goal. ``rule`` is the route's or journey's
    name; ``person`` the userId, else the anonymousId, else the address.
    """

    at: str
    person: str
    what: str
    journey: str | None = None
    key: str | None = None
    rule: str | None = None
    step: str | None = None
    branch: str | None = None
    variant: str | None = None
    exit: str | None = None
    effect: str | None = None
    email: str | None = None
    to: str | None = None
    template_id: str | None = None
    data: Any = None
    reason: str | None = None
    until: str | None = None
    value: float | None = None

    def view(self) -> dict[str, Any]:
        """As printed: without what does not apply."""
        return msgspec.to_builtins(self)  # type: ignore[no-any-return]  # a Struct is a table


def of_passage(passage: Passage, run: Run, person: str) -> SimLine:
    """A line of a run's history, but for its sends."""
    name = passage.name or None
    return SimLine(
        at=iso_time(passage.at),
        person=person,
        what=passage.what,
        journey=run.journey,
        key=run.key or None,
        rule=run.journey,
        step=passage.step or None,
        branch=name if passage.what in BRANCHES else None,
        variant=run.variant,
        exit=name if passage.what == "exited" else None,
        effect=name if passage.what in EFFECTS else None,
        reason=passage.reason,
        until=None if passage.due_at is None else iso_time(passage.due_at),
        value=None if passage.value is None else float(passage.value),
    )


def of_send(
    row: SendRow, plans: Plans, *, at_ms: int, person: str, run: Run | None, data: bytes
) -> SimLine:
    """What became of a send: it left, it was refused, or it waits."""
    what = {"accepted": "send", "reserved": "waiting", "retry": "waiting"}.get(row.state, "skipped")
    email = plans.emails.get(row.email)
    template = row.template or (None if email is None else email.template)
    return SimLine(
        at=iso_time(at_ms),
        person=person,
        what=what,
        journey=None if run is None else run.journey,
        key=None if run is None else run.key or None,
        rule=row.rule,
        step=row.step or None,
        variant=row.variant,
        email=row.email,
        to=row.address,
        template_id=template,
        data=orjson.loads(data) if what == "send" else None,
        reason=None if what == "send" else row.reason,
        until=_until(row) if what == "waiting" else None,
    )


def _until(row: SendRow) -> str | None:
    """When it is asked of again; None of what waits for a person."""
    deferred = row.deferred
    return None if deferred is None or deferred > LAST_MS else iso_time(deferred)

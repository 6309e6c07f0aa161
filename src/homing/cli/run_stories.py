"""What runs of journeys went through, as objects that commands print."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from homing.cli.views import run_view, send_key_of, send_view
from homing.core.journeys.program import Hold

if TYPE_CHECKING:
    from homing.core.journeys.programs import Programs
    from homing.core.journeys.run import Passage, Run
    from homing.ports import Tx


def run_story(tx: Tx, run: Run, programs: Programs) -> dict[str, Any]:
    """One run: where it is, what it waits for, what it went through, what it sent."""
    return {
        "run": run_view(tx, run),
        "waits_for": waits_for(run, programs),
        "history": [passage_view(tx, one) for one in tx.runs.passages(run.id)],
        "sends": [send_view(row) for row in tx.sends.of_run(run.id)],
    }


def passage_view(tx: Tx, one: Passage) -> dict[str, Any]:
    """One line of a run's history."""
    from homing.cli.show import time_text

    return {
        "at": time_text(one.at),
        "what": one.what,
        "step": one.step or None,
        "name": one.name or None,
        "reason": one.reason,
        "due_at": time_text(one.due_at),
        "event": None if one.event is None else f"e{one.event}",
        "send": send_key_of(tx, one.send),
        "value": one.value,
    }


def waits_for(run: Run, programs: Programs) -> list[dict[str, Any]]:
    """What ends the wait of a run: each branch of its hold and each exit, and its time."""
    from homing.cli.journeys import ways_of

    journey = programs.of(run)
    number = None if journey is None else journey.places.get(run.step)
    if journey is None or number is None or not run.is_alive:
        return []
    ways, step = dict(ways_of(journey, number)), journey.steps[number]
    found: list[dict[str, Any]] = []
    if isinstance(step, Hold):
        found += [
            {"name": one.name, "when": one.when.text, "to": ways[one.name]} for one in step.on
        ]
        found.append({"name": "timeout", "when": None, "to": ways["timeout"]})
    else:
        following = getattr(step, "next", None)
        to = "end" if following in (None, -1) else journey.steps[following].id
        found.append({"name": "its time", "when": None, "to": to})
    found += [{"name": f"exit {o.name}", "when": o.when.text, "to": "end"} for o in journey.exits]
    return found

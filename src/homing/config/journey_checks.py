"""What is wrong inside a journey: steps of no kind or of two, branches that lead nowhere."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from homing.config.actions import ACTION_KEYS
from homing.config.checks import Written
from homing.config.journeys import Journey, Step
from homing.config.problems import KEY, Finding, Loc, expected, guess, shown

MAX_STEPS = 1_000
WAITS = ("hold", "delay", "until", "split", "random")
# What a key of a step says something about.
_OF_KIND = {
    "on": "hold",
    "timeout": "hold",
    "max_restarts": "hold",
    "look_back": "hold",
    "else": "split",
    "sticky": "random",
}
_RESERVED = ("next", "end", "restart")


def journey_findings(loc: Loc, journey: Journey, written: Written) -> Iterator[Finding]:
    """Check the journey at *loc*: names, kinds of steps, targets."""
    yield from _unique((*loc, "exit"), [entry.name for entry in journey.exit])
    if not journey.step:
        yield Finding((*loc, "step"), expected("a list of steps", "an empty one"))
    if len(journey.step) > MAX_STEPS:
        what = f"a list of at most {MAX_STEPS:,} steps"
        yield Finding((*loc, "step"), expected(what, f"{len(journey.step):,}"))
    ids = [step.id for step in journey.step]
    targets = dict.fromkeys((*ids, "next", "end"))
    yield from _unique((*loc, "step"), ids, key="id")
    for index, step in enumerate(journey.step):
        yield from _of_step((*loc, "step", index), step, written)
        yield from _of_branches((*loc, "step", index), step)
        yield from _targets((*loc, "step", index), step, targets)


def _of_step(loc: Loc, step: Step, written: Written) -> Iterator[Finding]:
    if step.id in _RESERVED:
        yield Finding((*loc, "id"), expected("a name that is no target's", shown(step.id)))
    kinds = [kind for kind in (*WAITS, *ACTION_KEYS) if written.has(*loc, kind)]
    if len(kinds) != 1:
        got = " and ".join(kinds) or "none"
        every = ", ".join((*WAITS, *ACTION_KEYS))
        yield Finding(loc, f"expected `{KEY}` to have one kind, got {got}: {every}")
    for key, kind in _OF_KIND.items():
        if written.has(*loc, key) and kind not in kinds:
            what = f"left out, as the step has no {kind}"
            yield Finding((*loc, key), expected(what, "one"))
    if step.until is not None and (step.until.at is None) == (step.until.time is None):
        yield Finding((*loc, "until"), f"expected `{KEY}` to have either `at` or `time`")


def _of_branches(loc: Loc, step: Step) -> Iterator[Finding]:
    for key in ("on", "split", "random"):
        branches = getattr(step, key)
        if branches == () and key != "on":
            yield Finding((*loc, key), expected("a list of branches", "an empty one"))
        yield from _unique((*loc, key), [branch.name for branch in branches or ()])


def _targets(loc: Loc, step: Step, known: Collection[str]) -> Iterator[Finding]:
    targets: list[tuple[Loc, str | None]] = [
        ((*loc, "next"), step.next),
        ((*loc, "timeout"), step.timeout),
        ((*loc, "else"), step.else_),
    ]
    for key in ("split", "random"):
        branches = getattr(step, key) or ()
        targets += [((*loc, key, i, "then"), branch.then) for i, branch in enumerate(branches)]
    for index, branch in enumerate(step.on):
        if branch.then != "restart":
            targets.append(((*loc, "on", index, "then"), branch.then))
    for at, target in targets:
        if target is not None and target not in known:
            what = 'a step\'s id, "next" or "end"'
            yield Finding(at, expected(what, shown(target)) + guess(target, known))


def _unique(loc: Loc, names: list[str], *, key: str = "name") -> Iterator[Finding]:
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name in seen:
            yield Finding((*loc, index, key), expected("a name used once", shown(name)))
        seen.add(name)

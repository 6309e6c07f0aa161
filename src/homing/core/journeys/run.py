"""
One person's passage through one version of a journey, and how it moves.

    PASSING  --park-->  WAITING  --event, tick-->  PASSING
                        WAITING  --restart------>  WAITING
    and both end, each in its own way: see `TRANSITIONS`.

A run is passing only inside one decision; what is stored waits or has ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec

from homing.core.errors import HomingError
from homing.core.events import Happened

FOREVER: Final = 1 << 62
MAX_PASSAGES: Final = 1_000
# the room of one run in the numbers by which its sends are told apart
_ORIGINS_A_RUN: Final = 1_024
_EXIT: Final = _ORIGINS_A_RUN - 1


class RunState(StrEnum):
    """Where a run stands."""

    PASSING = "passing"
    WAITING = "waiting"
    COMPLETED = "completed"
    EXITED = "exited"
    LOOPED = "looped"
    MERGED = "merged"  # of two runs of one person under one key the older stays
    FAILED = "failed"
    ARCHIVED = "archived"


class RunSignal(StrEnum):
    """What happens to a run."""

    PARK = "park"
    EVENT = "event"
    TICK = "tick"
    RESTART = "restart"
    END = "end"
    EXIT = "exit"
    LOOP = "loop"
    MERGE = "merge"
    FAIL = "fail"
    ARCHIVE = "archive"


class IllegalMove(HomingError):
    """Our own fault: a run cannot go there from here."""


_S, _X = RunState, RunSignal

TRANSITIONS: Mapping[RunState, Mapping[RunSignal, RunState]] = {  # absent means illegal
    _S.PASSING: {
        _X.PARK: _S.WAITING,
        _X.END: _S.COMPLETED,
        _X.LOOP: _S.LOOPED,
        _X.FAIL: _S.FAILED,
    },
    _S.WAITING: {
        _X.EVENT: _S.PASSING,
        _X.TICK: _S.PASSING,
        _X.RESTART: _S.WAITING,
        _X.EXIT: _S.EXITED,
        _X.MERGE: _S.MERGED,
        _X.FAIL: _S.FAILED,
        _X.ARCHIVE: _S.ARCHIVED,
    },
    _S.COMPLETED: {},
    _S.EXITED: {},
    _S.LOOPED: {},
    _S.MERGED: {},
    _S.FAILED: {},
    _S.ARCHIVED: {},
}


OF_ITSELF: Final = (RunState.COMPLETED, RunState.LOOPED, RunState.FAILED)
"""Ways to end that leave what was reserved on its way: an exit may still cancel it."""


def after(state: RunState, signal: RunSignal) -> RunState:
    """
    Move a run.

    Raises:
        IllegalMove: The table has no such move.
    """
    try:
        return TRANSITIONS[state][signal]
    except KeyError:
        msg = f"a run that is {state} cannot {signal}"
        raise IllegalMove(msg) from None


class Run(msgspec.Struct, frozen=True, gc=False):
    """
    One row. Times are unix ms.

    ``key`` is "" of a journey without keys; ``step`` is where it waits, or where it ended.
    ``passages`` counts the steps entered. ``watch_until``: up to then its person's events concern
    it: for ever while it waits; after its end until its goal and what it reserved are over.
    """

    id: int
    person: int
    journey: str
    version: str
    key: str
    entered_at: int
    state: RunState = RunState.PASSING
    step: str = ""
    step_at: int = 0
    due_at: int | None = None
    passages: int = 0
    restarts: int = 0
    variant: str | None = None
    reason: str | None = None
    watch_until: int | None = FOREVER
    sends_until: int = 0  # when the last of what it reserved expires; 0: none of it may leave
    ended_at: int | None = None
    converted_at: int | None = None  # by event time
    value: str | None = None  # of the conversion, a decimal number as text
    first_touch: int | None = None  # the sends before the conversion
    last_touch: int | None = None

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return self.state is RunState.WAITING or self.state is RunState.PASSING


def origin_of(run: int, passage: int) -> int:
    """
    The origin of a send: unique for (run, step, visit), and below zero, where no event's is.

    Args:
        passage: How many steps the run has passed.
    """
    return -(run * _ORIGINS_A_RUN + passage)


def exit_origin(run: int) -> int:
    """The origin of the one send of a run's exit."""
    return origin_of(run, _EXIT)


def run_of(origin: int) -> int | None:
    """The run that a send's origin tells of; None of an event's."""
    return -origin // _ORIGINS_A_RUN if origin < 0 else None


def passage_of(origin: int) -> int:
    """How many steps the run of a send's origin had passed."""
    return -origin % _ORIGINS_A_RUN


def origins_of(run: int) -> tuple[int, int]:
    """The least and the greatest origin of a run's sends."""
    return -(run * _ORIGINS_A_RUN + _EXIT), -(run * _ORIGINS_A_RUN)


class Seen(msgspec.Struct, frozen=True):
    """An event that a hold will find when the run comes there."""

    step: str
    branch: str
    event: Happened


class Context(msgspec.Struct, frozen=True):
    """
    What a run knows: whole events. ``branches`` is by "step.branch", ``events`` by name.

    ``seen`` is what later holds look back to, oldest first.
    """

    entry: Happened
    latest: Happened
    events: Mapping[str, Happened] = {}
    branches: Mapping[str, Happened] = {}
    seen: tuple[Seen, ...] = ()


class Passage(msgspec.Struct, frozen=True, gc=False):
    """
    One line of a run's history; what `homing simulate` prints, what `homing why` reads.

    ``what``: entered, waiting, branch, restarted, timeout, send, skipped, effect, exited,
    completed, goal. ``send`` is the ledger's number; ``event`` the event that was the cause.
    """

    run: int
    at: int
    what: str
    step: str = ""
    name: str = ""  # the branch, the variant, the exit, the effect
    reason: str | None = None
    due_at: int | None = None
    event: int | None = None
    send: int | None = None
    value: str | None = None

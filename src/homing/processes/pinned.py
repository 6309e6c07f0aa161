"""The programs that runs are on: those of the configuration, and older ones that are kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

from homing.config import ConfigError
from homing.config.pinned import program_of, with_policy
from homing.core.journeys.programs import Programs
from homing.core.journeys.run import RunState
from homing.stages import journey as runs

if TYPE_CHECKING:
    from homing.config import Loaded
    from homing.core.journeys.program import Journey
    from homing.core.journeys.run import Run
    from homing.ports import Store, Tx

AT_ONCE = 200


class Runs(StrEnum):
    """What becomes of runs on a version of a journey that is in force no more."""

    DRAIN = "drain"
    MIGRATE = "migrate"
    ARCHIVE = "archive"


def programs_of(tx: Tx, loaded: Loaded, *, now_ms: int) -> Programs:
    """
    Programs at start; a version that cannot be compiled any more is an alert, and its runs fail.

    Args:
        loaded: The configuration in force.
    """
    current = loaded.plans.journeys
    pinned: dict[tuple[str, str], Journey] = {}
    for kept in tx.runs.definitions():
        if kept.journey in current and current[kept.journey].version == kept.version:
            continue
        try:
            program = program_of(kept.journey, kept.text, kept.version)
        except ConfigError as error:
            text = f"version {kept.version} of {kept.journey} cannot be run: {error}"
            tx.books.alert("version_lost", kept.journey, text[:500], at=now_ms)
            continue
        pinned[kept.journey, kept.version] = program
    return _under(current, pinned, loaded.definitions)


def renewed(before: Programs, loaded: Loaded) -> Programs:
    """Programs after a change of the configuration: whoever is in a run stays on its version."""
    current = loaded.plans.journeys
    known = {(one.name, one.version): one for one in before.all}
    pinned = {
        key: one for key, one in known.items()
        if key[0] not in current or current[key[0]].version != key[1]
    }  # fmt: skip
    return _under(current, pinned, loaded.definitions)


def _under(
    current: Mapping[str, Journey],
    pinned: Mapping[tuple[str, str], Journey],
    definitions: Mapping[str, bytes],
) -> Programs:
    """Programs, the older ones under what the configuration in force says of their journeys."""
    return Programs(
        current,
        {key: with_policy(one, current.get(key[0])) for key, one in pinned.items()},
        definitions,
    )


async def settle_runs(
    store: Store, programs: Programs, how: Runs, *, now_ms: Callable[[], int]
) -> dict[str, int]:
    """
    Move, or end, the runs that wait on versions that are in force no more.

    Returns:
        How many "moved", were "archived", and "stay" as they are; each run is asked once. Those
        that are to drain are not even counted.
    """
    if how is Runs.DRAIN:
        return {}
    await store.write(lambda tx: runs.define(tx, programs))
    done: Counter[str] = Counter(moved=0, archived=0, stay=0)
    for name, version in await store.write(lambda tx: _older(tx, programs)):
        after = 0
        while True:
            job = partial(_settle, key=(name, version), after=after, how=how, programs=programs)
            asked = await store.write(lambda tx, job=job: job(tx, now_ms=now_ms()))  # type: ignore[misc]
            if not asked:
                break
            after = asked[-1][0]
            done.update(word for _, word in asked)
    return dict(done)


def _older(tx: Tx, programs: Programs) -> list[tuple[str, str]]:
    known = [(kept.journey, kept.version) for kept in tx.runs.definitions()]
    current = {(one.name, one.version) for one in programs.current.values()}
    return [key for key in known if key not in current]


def _settle(
    tx: Tx, *, key: tuple[str, str], after: int, how: Runs, programs: Programs, now_ms: int
) -> list[tuple[int, str]]:
    """Ask the next runs of a version: the number of each, and what became of it."""
    waiting = tx.runs.waiting_of(*key, after=after, limit=AT_ONCE)
    current = programs.current.get(key[0])
    return [(run.id, _settled(tx, run, how, to=current, now_ms=now_ms)) for run in waiting]


def _settled(tx: Tx, run: Run, how: Runs, *, to: Journey | None, now_ms: int) -> str:
    if run.state is not RunState.WAITING:
        return "stay"
    if how is Runs.ARCHIVE:
        runs.archive(tx, run, now_ms=now_ms)
        return "archived"
    if how is Runs.MIGRATE and to is not None and runs.migrate(tx, run, to, now_ms=now_ms):
        return "moved"
    return "stay"

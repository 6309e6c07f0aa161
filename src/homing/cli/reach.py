"""How a command reaches what it needs: the configuration, the store, a running service."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from homing.cli.main import BadInput, config_path
from homing.core.errors import HomingError

if TYPE_CHECKING:
    import asyncio

    from homing.adapters.sqlite.state import SqliteState, SqliteTx
    from homing.config import Loaded
    from homing.core.plans import Plans
    from homing.processes.store_acts import StoreActs

_PLAIN_URL: Final = re.compile(r"sqlite:((?!//|:memory:)[\w./ -]+)")

Ask: TypeAlias = Callable[[Mapping[str, object]], Any]


class NoSqlite(HomingError):
    """The configuration names a store that this version does not run."""


def loaded_config(option: Path | None) -> Loaded:
    """The configuration a command runs by."""
    from homing.config import load

    return load(config_path(option).resolve(), environ=os.environ)


def store_path(option: Path | None) -> Path:
    """
    The state file.

    Of an ordinary configuration ``[store] url`` is read as it stands: that is quick, and what is
    wrong elsewhere in the file keeps nobody from looking, or from pausing.

    Raises:
        ConfigError: The configuration cannot be read.
        NoSqlite: It is no SQLite file.
    """
    path = config_path(option).resolve()
    target = _plain_target(path)
    if target is not None:
        return path.parent / target
    loaded = loaded_config(option)
    if loaded.settings.store.url.scheme != "sqlite":
        raise NoSqlite("the store is no SQLite file: this version runs no other")
    return loaded.store_path


def _plain_target(path: Path) -> str | None:
    """The file of ``[store] url``; None if the whole configuration has to be read to tell."""
    import tomllib

    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    store = values.get("store", {})
    url = store.get("url", "sqlite:homing.db") if isinstance(store, dict) else None
    if "include" in values or not isinstance(url, str):
        return None
    found = _PLAIN_URL.fullmatch(url)
    return None if found is None else found[1]


@contextmanager
def looking(option: Path | None) -> Iterator[SqliteTx]:
    """The state file, read beside a running service or without one."""
    from homing.adapters.sqlite.state import reading

    with reading(store_path(option)) as tx:
        yield tx


@contextmanager
def acting(option: Path | None) -> Iterator[Ask]:
    """
    Ask the running service, or, while none runs, do the same to the store.

    The function it gives raises what the service refuses for, and `StoreBusy` when a service that
    does not answer holds the store.
    """
    import asyncio

    from homing.adapters.sqlite.state import NoStore

    path = store_path(option)
    if not path.exists():
        msg = f"no store at {path}: `homing serve` makes it"
        raise NoStore(msg)
    with asyncio.Runner() as runner:
        alone = Alone(option, path, runner)
        try:
            yield alone.ask
        finally:
            alone.close()


@dataclass(slots=True)
class Alone:
    """Asks the service; from the first time that none answers, opens the store itself."""

    option: Path | None
    path: Path
    runner: asyncio.Runner
    _acts: StoreActs | None = None
    _store: SqliteState | None = None
    _reader: Any = field(default=None)

    def ask(self, question: Mapping[str, object]) -> Any:  # noqa: ANN401  JSON
        """Have something done; what came of it."""
        from homing.processes.control import NotRunning, ask, control_path

        if self._acts is None:
            try:
                return ask(control_path(self.path), question)
            except NotRunning:
                self._acts = self._opened()
        acts = self._acts.table()
        act = acts.get(str(question["do"]))
        if act is None:
            msg = f"no daemon listens at {control_path(self.path)}"
            raise NotRunning(msg)
        return self.runner.run(act(question))  # type: ignore[arg-type]  # it is a coroutine

    def close(self) -> None:
        """Let the store go."""
        if self._store is not None:
            self.runner.run(self._store.close())
        if self._reader is not None:
            self._reader.close()

    def _opened(self) -> StoreActs:
        from homing import log as logs

        logs.set_up(level="error")
        return self.runner.run(self._open())

    async def _open(self) -> StoreActs:
        import secrets

        from homing.adapters.clock import SystemClock
        from homing.adapters.sqlite.log import SqliteLogReader, log_path
        from homing.adapters.sqlite.state import SqliteState
        from homing.core.decide import Rules
        from homing.processes.assembly import plans_of
        from homing.processes.pinned import programs_of
        from homing.processes.store_acts import StoreActs
        from homing.stages.evaluate import Evaluator
        from homing.stages.take import Taker

        def plans() -> Plans:
            return plans_of(loaded_config(self.option))

        clock = SystemClock()
        store = self._store = SqliteState(self.path, on_fatal=lambda _: None)
        reader = self._reader = SqliteLogReader.if_made(log_path(self.path))

        async def replay(numbers: list[int]) -> dict[str, str]:
            if reader is None:
                return dict.fromkeys(map(str, numbers), "gone")
            loaded = loaded_config(self.option)
            programs = await store.write(lambda tx: programs_of(tx, loaded, now_ms=clock.now_ms()))
            rules = Rules(plans_of(loaded), programs)
            taker = Taker(clock, rules, lambda: secrets.randbits(40))
            return await Evaluator(store, reader, clock, taker=taker).replay(numbers)

        return StoreActs(store, clock, plans=plans, replay=replay)


def read_bytes(path: Path) -> bytes:
    """
    A file's bytes; ``-`` is standard input.

    Raises:
        OSError: It cannot be read.
    """
    return sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()


def read_object(path: Path) -> dict[str, Any]:
    """
    A file that holds one JSON object, decoded as the service decodes events.

    Raises:
        OSError: It cannot be read.
        BadInput: It holds something else.
    """
    return object_in(read_bytes(path), str(path))


def object_in(raw: bytes, name: str) -> dict[str, Any]:
    """
    One JSON object, decoded as the service decodes events.

    Raises:
        BadInput: *raw* is something else; *name* tells which.
    """
    from homing.core.splitting import split_events

    elements = split_events(raw).elements
    if len(elements) != 1:
        msg = f"{name}: expected one JSON object, got a list of {len(elements)}"
        raise BadInput(msg)
    if elements[0].reason is not None:
        msg = f"{name}: {elements[0].reason}"
        raise BadInput(msg)
    return elements[0].data

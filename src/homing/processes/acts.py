"""What a running worker does when a command asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from homing.config import ConfigError, load
from homing.core.effects import Dest
from homing.core.errors import HomingError
from homing.log import CONFIG_REFUSED, CONFIG_RELOADED, log, redact
from homing.processes import list_reconciling, reconciling
from homing.processes.assembly import plans_of
from homing.processes.pinned import Runs, settle_runs
from homing.processes.store_acts import StoreActs

if TYPE_CHECKING:
    from collections.abc import Callable

    from homing.config import Loaded
    from homing.processes.children import Parent
    from homing.processes.control import Act
    from homing.processes.worker import Worker


class Acts(StoreActs):
    """Answers the control socket, and lets the running stages hear of what was done."""

    def __init__(
        self, worker: Worker, config: Path, environ: Mapping[str, str], *, parent: Parent
    ) -> None:
        assembly = worker.assembly
        super().__init__(
            assembly.store,
            assembly.stages.sweep.clock,
            plans=lambda: plans_of(assembly.loaded),
            replay=assembly.stages.evaluate.replay,
        )
        self.reload_here: Callable[[], object] = self.reload
        self._parent = parent
        self._worker = worker
        self._config = config
        self._environ = environ
        self.last_reload_ok = True

    def table(self) -> dict[str, Act]:
        """Every act by the word a command uses."""
        stages = self._worker.assembly.stages
        reconcile, lists = stages.reconcile, stages.reconcile_lists
        return {
            **super().table(),
            "reload": self.reload_asked,
            "reconcile_suppressions": partial(reconciling.begin, reconcile),
            "reconciliation": partial(reconciling.look, reconcile),
            "reconcile_lists": partial(list_reconciling.begin, lists),
            "list_reconciliation": partial(list_reconciling.look, lists),
        }

    def on_resumed(self, name: str) -> None:
        """The destination's stage tries at once."""
        stages = self._worker.assembly.stages
        if name == Dest.SEGMENT:
            stages.write_back.resumed()
        elif name == Dest.SUPPRESSIONS:
            stages.suppress.resumed()
        elif name == Dest.CONTACTS:
            stages.contacts.resumed()
        else:
            stages.deliver.resumed()

    def on_work(self) -> None:
        """Every delivering stage looks."""
        for stage in self._worker.assembly.stages.delivering:
            stage.wake.set()

    async def before_erasure(self) -> None:
        """Every event that was accepted before is evaluated."""
        await self._worker.assembly.stages.evaluate.caught_up()

    def on_erased(self) -> None:
        """Nobody erased is remembered."""
        self._worker.assembly.stages.evaluate.taker.forget_people()

    def reload(self) -> None:
        """
        Swap in the configuration as the file is now; if it is not valid, the old one stays.

        Raises:
            ConfigError, HomingError: What is wrong with it.
        """
        try:
            loaded = self.servable()
            redact.use(loaded.secret_values(self._environ))
            self._worker.assembly.use(loaded, self._environ)
        except HomingError as error:
            self.last_reload_ok = False
            log.error(CONFIG_REFUSED, process="worker", error=str(error))
            raise
        self.last_reload_ok = True
        log.info(CONFIG_RELOADED, version=loaded.plans.version)

    def servable(self) -> Loaded:
        """
        Load the configuration as the file is now; nothing changes.

        Raises:
            ConfigError: It cannot be served.
        """
        loaded = load(self._config, environ=self._environ)
        problems = loaded.refusals(self._environ)
        if problems:
            raise ConfigError(problems)
        return loaded

    async def reload_asked(self, asked: Mapping[str, Any]) -> object:
        """
        Check the new configuration here, then have both processes reload it.

        ``runs`` says what becomes of runs on versions of journeys that are in force no more:
        "drain" (they end as they entered), "migrate" or "archive".
        """
        loaded = self.servable()
        how = Runs(str(asked.get("runs", Runs.DRAIN)))
        if how is not Runs.DRAIN:
            self.reload()  # first here: nobody may enter an old version behind our back
        if not self._parent.ask_reload():
            self.reload_here()
        assembly = self._worker.assembly
        programs = assembly.stages.evaluate.taker.rules.programs
        now_ms = assembly.stages.sweep.clock.now_ms
        settled = await settle_runs(assembly.store, programs, how, now_ms=now_ms)
        return {"version": loaded.plans.version, **settled}

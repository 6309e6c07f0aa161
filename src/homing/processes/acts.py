"""What a running worker does when a command asks for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from homing.config import load
from homing.core.effects import Dest
from homing.core.errors import HomingError
from homing.core.people import Identity, IdKind
from homing.log import CONFIG_REFUSED, CONFIG_RELOADED, log
from homing.stages import act, erase
from homing.stages.identity import Known

if TYPE_CHECKING:
    from homing.ports import Tx
    from homing.processes.children import Parent
    from homing.processes.control import Act
    from homing.processes.worker import Worker


class Acts:
    """Answers the control socket."""

    def __init__(
        self, worker: Worker, config: Path, environ: Mapping[str, str], parent: Parent
    ) -> None:
        self._parent = parent
        self._worker = worker
        self._config = config
        self._environ = environ
        self.last_reload_ok = True

    def table(self) -> dict[str, Act]:
        """Every act by the word a command uses."""
        return {
            "pause": self.pause,
            "resume": self.resume,
            "resolve": self.resolve,
            "retry": self.retry,
            "drop": self.drop,
            "replay": self.replay,
            "erase": self.erase,
            "reload": self.reload_asked,
        }

    def reload(self) -> None:
        """
        Swap in the configuration as the file is now; if it is not valid, the old one stays.

        Raises:
            ConfigError, HomingError: What is wrong with it.
        """
        try:
            loaded = load(self._config, environ=self._environ)
            self._worker.assembly.use(loaded, self._environ)
        except HomingError as error:
            self.last_reload_ok = False
            log.error(CONFIG_REFUSED, process="worker", error=str(error))
            raise
        self.last_reload_ok = True
        log.info(CONFIG_RELOADED, version=loaded.plans.version)

    async def reload_asked(self, _: Mapping[str, Any]) -> object:
        """Check the new configuration here, then have both processes reload it."""
        load(self._config, environ=self._environ)
        if not self._parent.ask_reload():
            self.reload()
        return {"version": self._worker.assembly.loaded.plans.version}

    async def pause(self, asked: Mapping[str, Any]) -> object:
        """``name``, ``reason``."""
        name, reason = str(asked.get("name")), str(asked.get("reason") or "by hand")
        await self._write(lambda tx: act.pause(tx, name, reason=reason, now_ms=self._now()))
        return {"name": name, "status": "paused"}

    async def resume(self, asked: Mapping[str, Any]) -> object:
        """``name``."""
        name = str(asked.get("name"))
        back = await self._write(lambda tx: act.resume(tx, name, now_ms=self._now()))
        stages = self._worker.assembly.stages
        if name == Dest.SEGMENT:
            stages.write_back.resumed()
        elif name == Dest.SUPPRESSIONS:
            stages.suppress.resumed()
        else:
            stages.deliver.resumed()
        return {"name": name, "status": "running", "sends": back}

    async def resolve(self, asked: Mapping[str, Any]) -> object:
        """``send``, ``as``: sent, resend or drop."""
        key, word = str(asked.get("send")), str(asked.get("as"))
        plans = self._worker.assembly.loaded.plans
        state = await self._write(
            lambda tx: act.resolve(tx, key, word, plans=plans, now_ms=self._now())
        )
        self._worker.assembly.stages.deliver.wake.set()
        return {"send": key, "status": state}

    async def retry(self, asked: Mapping[str, Any]) -> object:
        """``id``: x12 an effect, a send's id, or e12 an event, which is evaluated again."""
        return await self._of_dead(asked, "retry")

    async def drop(self, asked: Mapping[str, Any]) -> object:
        """``id``: as `retry`."""
        return await self._of_dead(asked, "drop")

    async def replay(self, asked: Mapping[str, Any]) -> object:
        """``events``: numbers of events to be evaluated again, under their own ids."""
        numbers = [int(number) for number in asked.get("events", ())]
        states = await self._worker.assembly.stages.evaluate.replay(numbers)
        self._wake_all()
        return {"events": states}

    async def erase(self, asked: Mapping[str, Any]) -> object:
        """``user`` or ``email``."""
        names = identities_asked(asked)
        gone = await self._write(lambda tx: erase.erase(tx, Known(), names, now_ms=self._now()))
        self._worker.assembly.stages.evaluate.taker.forget_people()
        return {"people": gone.people, "sends": gone.sends, "events": gone.events}

    async def _of_dead(self, asked: Mapping[str, Any], word: str) -> object:
        key = str(asked.get("id"))
        if key.startswith("e") and key[1:].isdigit() and word == "retry":
            states = await self._worker.assembly.stages.evaluate.replay([int(key[1:])])
            status: object = states.get(str(int(key[1:])))
        else:
            plans = self._worker.assembly.loaded.plans
            status = await self._write(
                lambda tx: act.of_dead(tx, key, word, plans=plans, now_ms=self._now())
            )
        self._wake_all()
        return {"id": key, "status": status}

    def _wake_all(self) -> None:
        stages = self._worker.assembly.stages
        for stage in (stages.deliver, stages.suppress, stages.write_back):
            stage.wake.set()

    async def _write(self, job: Callable[[Tx], Any]) -> Any:  # noqa: ANN401  the job's own type
        return await self._worker.assembly.store.write(job)

    def _now(self) -> int:
        return self._worker.assembly.stages.sweep.clock.now_ms()


def identities_asked(asked: Mapping[str, Any]) -> list[Identity]:
    """
    Whom an erasure names.

    Raises:
        HomingError: Nobody.
    """
    names = []
    if asked.get("user"):
        names.append(Identity(IdKind.USER, str(asked["user"])))
        names.append(Identity(IdKind.ANONYMOUS, str(asked["user"])))
    if asked.get("email"):
        names.append(Identity(IdKind.EMAIL, str(asked["email"]).strip().lower()))
    if not names:
        raise HomingError("expected a user or an email")
    return names

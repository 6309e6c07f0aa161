"""What commands do to the store: asked of a running worker, or done while none runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from homing.core.erasure import Asked
from homing.core.errors import HomingError
from homing.core.people import Identity, IdKind
from homing.stages import act
from homing.stages.erase import Asking, Erased, erase_people, persons_of
from homing.stages.identity import Known

if TYPE_CHECKING:
    from homing.core.plans import Plans
    from homing.ports import Clock, Store, Tx
    from homing.processes.control import Act

Replay: TypeAlias = Callable[[list[int]], Awaitable[dict[str, str]]]

RESOLUTIONS: Final = ("sent", "resend", "drop")
_TAKEN: Final = {"erased": "its payload was erased", "gone": "it is not kept any more"}


class BadQuestion(HomingError):
    """A command asked for what cannot be meant."""


class StoreActs:
    """
    Every act that needs no more than the store. A running worker adds what its stages must hear.

    Args:
        plans: Gives the plans in force.

        replay: Evaluates events again, see `homing.stages.evaluate.Evaluator.replay`.
    """

    def __init__(
        self, store: Store, clock: Clock, *, plans: Callable[[], Plans], replay: Replay
    ) -> None:
        self._store = store
        self._clock = clock
        self._plans = plans
        self._replay = replay

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
            "clear_alerts": self.clear_alerts,
        }

    def on_resumed(self, name: str) -> None:
        """A destination, or "email/NAME", may leave again."""

    def on_work(self) -> None:
        """There may be something to deliver."""

    def on_erased(self) -> None:
        """Persons are deleted by this transaction."""

    async def pause(self, asked: Mapping[str, Any]) -> object:
        """``name``, ``reason``."""
        name, reason = str(asked.get("name")), str(asked.get("reason") or "by hand")
        await self._write(lambda tx: act.pause(tx, name, reason=reason, now_ms=self._now()))
        return {"name": name, "status": "paused"}

    async def resume(self, asked: Mapping[str, Any]) -> object:
        """``name``."""
        name = str(asked.get("name"))
        back = await self._write(lambda tx: act.resume(tx, name, now_ms=self._now()))
        self.on_resumed(name)
        return {"name": name, "status": "running", "sends": back}

    async def resolve(self, asked: Mapping[str, Any]) -> object:
        """``send``, ``as``: sent, resend or drop."""
        key, word = str(asked.get("send")), str(asked.get("as"))
        if word not in RESOLUTIONS:
            msg = f"expected `as` to be one of {', '.join(RESOLUTIONS)}, got {word!r}"
            raise BadQuestion(msg)
        state = await self._write(
            lambda tx: act.resolve(tx, key, word, plans=self._plans(), now_ms=self._now())
        )
        self.on_work()
        return {"send": key, "status": state}

    async def retry(self, asked: Mapping[str, Any]) -> object:
        """
        ``id``: x12 an effect, a send's id, or e12 an event, which is evaluated again.

        Raises:
            NotThere, NotPossible: See there.
        """
        key = str(asked.get("id"))
        number = act.event_number(key)
        if number is None:
            return await self._of_dead(key, "retry")
        status = (await self._replay([number]))[str(number)]
        if status in _TAKEN:
            msg = f"event {key}: {_TAKEN[status]}, so it cannot be evaluated again"
            raise act.NotPossible(msg)
        self.on_work()
        return {"id": key, "status": status}

    async def drop(self, asked: Mapping[str, Any]) -> object:
        """``id``: as `retry`."""
        return await self._of_dead(str(asked.get("id")), "drop")

    async def replay(self, asked: Mapping[str, Any]) -> object:
        """``events``: numbers of events to be evaluated again, under their own ids."""
        numbers = asked.get("events")
        if not isinstance(numbers, list) or not all(type(n) is int for n in numbers):
            raise BadQuestion("expected `events` to be a list of numbers")
        states = await self._replay(numbers)
        self.on_work()
        return {"events": states}

    async def erase(self, asked: Mapping[str, Any]) -> object:
        """``user`` or ``email``; ``also``: userIds or anonymousIds of others who go with them."""
        names, also = identities_asked(asked), asked.get("also") or []
        if not isinstance(also, list) or not all(isinstance(one, str) for one in also):
            raise BadQuestion("expected `also` to be a list of userIds or anonymousIds")
        await self.before_erasure()
        gone = await self._write(lambda tx: self._erased(tx, names, also))
        self.on_work()
        return {
            "erasure": gone.number, "people": gone.people, "sends": gone.sends,
            "events": gone.events, "addresses": gone.addresses, "repeats": gone.repeats,
        }  # fmt: skip

    async def before_erasure(self) -> None:
        """What is accepted by now has come to the rows that are erased."""

    def _erased(self, tx: Tx, names: list[Identity], also: list[str]) -> Erased:
        """A bare address is hidden all the same."""
        # in the transaction: what is evaluated before it is durable must not know them any more
        self.on_erased()
        names = _leading(tx, names)
        persons = persons_of(tx, names)
        for one in also:
            persons |= persons_of(tx, _leading(tx, _ids(one)))
        cursor, now = tx.events.cursor(), self._now()
        asked = Asking(Asked.COMMAND, now, now, cursor.request + 1, cursor.item)
        found = list(persons.values())
        return erase_people(tx, Known(), found, names=names, asked=asked, plans=self._plans())

    async def clear_alerts(self, asked: Mapping[str, Any]) -> object:
        """``kind`` and ``subject``; null means any."""
        wanted = {key: asked[key] for key in ("kind", "subject") if asked.get(key) is not None}
        return {"cleared": await self._write(lambda tx: act.clear_alerts(tx, wanted))}

    async def _of_dead(self, key: str, word: str) -> object:
        status = await self._write(
            lambda tx: act.of_dead(tx, key, word, plans=self._plans(), now_ms=self._now())
        )
        self.on_work()
        return {"id": key, "status": status}

    async def _write(self, job: Callable[[Tx], Any]) -> Any:  # noqa: ANN401  the job's own type
        return await self._store.write(job)

    def _now(self) -> int:
        return self._clock.now_ms()


def identities_asked(asked: Mapping[str, Any]) -> list[Identity]:
    """
    Whom an erasure names, in the order in which they are tried.

    Raises:
        BadQuestion: Nobody.
    """
    names = []
    if asked.get("user"):
        names += _ids(str(asked["user"]))
    if asked.get("email"):
        names.append(Identity(IdKind.EMAIL, str(asked["email"]).strip().lower()))
    if not names:
        raise BadQuestion("expected a user or an email")
    return names


def _ids(name: str) -> list[Identity]:
    return [Identity(IdKind.USER, name), Identity(IdKind.ANONYMOUS, name)]


def _leading(tx: Tx, names: list[Identity]) -> list[Identity]:
    """The first name that leads to somebody decides."""
    return next(([name] for name in names if tx.people.find(name) is not None), names)

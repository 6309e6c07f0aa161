"""Questions to an API that may be asked again: look-ups, pages, jobs; never a send."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
import tenacity

from homing.core.errors import HomingError
from homing.core.outcomes import Answer, api_message, reason_of, told_wait_s
from homing.core.wire import json_bytes

if TYPE_CHECKING:
    from homing.ports import Api, Clock
    from homing.stages.attempts import Sleep
    from homing.stages.rate import Rate

TRIES = 5
FIRST_WAIT_S = 0.5
LAST_WAIT_S = 30.0


class Unanswered(HomingError):
    """
    The API could not be reached, or did not answer what may be asked again.

    ``answer`` is what came last, if anything did.
    """

    def __init__(self, message: str, answer: Answer | None = None) -> None:
        super().__init__(message)
        self.answer = answer


class Throttled(Unanswered):
    """The API wants to be left alone for longer than we wait here: ``after_s`` seconds."""

    def __init__(self, message: str, after_s: float) -> None:
        super().__init__(message)
        self.after_s = after_s


class Refused(HomingError):
    """
    The API refused.

    ``status`` is HTTP's, ``said`` the API's own words.
    """

    def __init__(self, status: int, said: str, what: str) -> None:
        super().__init__(f"{what}: HTTP {status}" + (f": {said}" if said else ""))
        self.status = status
        self.said = said


@dataclass(slots=True)
class Asker:
    """
    Asks one API, no faster than its budget allows.

    Args:
        rate: The budget; also heeds the rate limit that answers tell.

        tries: How often a question is asked while the API is in trouble.

        patience_s: How long to wait here at most until the API lets us ask again.

    ``calls`` counts what was asked, ``repeats`` what was asked another time.
    """

    api: Api
    rate: Rate
    clock: Clock
    tries: int = TRIES
    sleep: Sleep = asyncio.sleep
    patience_s: float = math.inf
    calls: int = 0
    repeats: int = 0

    async def ask(self, method: str, path: str, body: object = None) -> Answer:
        """
        Ask until there is an answer that another moment would not change.

        Args:
            body: Anything JSON; None sends none.

        Raises:
            Unanswered: There was none, as often as it was asked.
            Throttled: Not before a while.
        """
        content = None if body is None else json_bytes(body)

        async def once() -> Answer:
            return await self._asked(method, path, content)

        retrying = tenacity.AsyncRetrying(
            sleep=self.sleep,
            stop=tenacity.stop_after_attempt(self.tries),
            wait=self._wait_s,
            retry=tenacity.retry_if_result(_may_pass),
            before_sleep=self._repeated,
            retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
        )
        answer: Answer = await retrying(once)
        if _may_pass(answer):
            said = answer.error or reason_of(answer)
            msg = f"{method} {shown(path)}: {said}"
            raise Unanswered(msg, answer)
        return answer

    async def json(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401  JSON
        """
        Ask for a JSON value; None of an answer without a body.

        Raises:
            Unanswered: See `ask`.

            Refused: The status is not 2xx, or the body is not JSON.
        """
        answer = await self.ask(method, path, body)
        status, what = answer.status or 0, f"{method} {shown(path)}"
        if not 200 <= status < 300:
            raise Refused(status, api_message(answer.body), what)
        if not answer.body.strip():
            return None
        try:
            return orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            raise Refused(status, "expected JSON, got something else", what) from None

    async def object(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """
        Ask for a JSON object.

        Raises:
            Unanswered: See `ask`.

            Refused: See `json`; or it is no object.
        """
        value = await self.json(method, path, body)
        if not isinstance(value, dict):
            said = f"expected a JSON object, got {type(value).__name__}"
            raise Refused(200, said, f"{method} {shown(path)}")
        return value

    async def _asked(self, method: str, path: str, content: bytes | None) -> Answer:
        while not self.rate.available():
            wait_s = self.rate.wait_s()
            if wait_s > self.patience_s:
                msg = f"{method} {shown(path)}: SendGrid limits our rate for {wait_s:.0f} s"
                raise Throttled(msg, wait_s)
            await self.sleep(max(0.001, wait_s))
        self.rate.take(1)
        self.calls += 1
        answer = await self.api.call(method, path, content)
        self.rate.listen(answer, now_ms=self.clock.now_ms())
        return answer

    def _repeated(self, _state: tenacity.RetryCallState) -> None:
        self.repeats += 1

    def _wait_s(self, state: tenacity.RetryCallState) -> float:
        answer = state.outcome.result() if state.outcome else None
        told = None
        if isinstance(answer, Answer) and answer.status is not None:
            told = told_wait_s(answer.headers, now_ms=self.clock.now_ms())
        if answer is not None and answer.status == 429:
            # the rate waits as long, and says so if that is too long
            return 0.0 if told is None or told > self.patience_s else told
        grown = FIRST_WAIT_S * float(2 ** (state.attempt_number - 1))
        return min(LAST_WAIT_S, grown * (0.5 + self.clock.chance()))


def _may_pass(answer: Answer) -> bool:
    status = answer.status
    return status is None or status in {408, 429} or status >= 500


def shown(path: str) -> str:
    """A path without what it may say of a person."""
    start = path.partition("?")[0]
    return "/".join(
        "…" if "@" in part or "%40" in part.lower() else part for part in start.split("/")
    )

"""The end of a run: the trouble is over, what is open is given time, and then it is quiet."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from homing.core.effects import Dest
from homing.core.ledger import SendState
from homing.sandbox.evidence import CALLED, late_calls

if TYPE_CHECKING:
    from homing.ports import Tx
    from homing.sandbox.town import Town

PATIENCE_S: Final = 30.0
LOOK_EVERY_S: Final = 0.1
#: A run that is due so soon goes on first; others wait on, with their hour.
SOON_MS: Final = 1_000


async def mend(town: Town) -> None:
    """
    Do what an operator does when a trouble is over: no fault any more, and try again at once.

    What a person paused stays paused.
    """
    town.end_faults()
    pauses = await town.look(lambda tx: dict(tx.books.pauses()))
    for name in {Dest.MAIL.value, *(dest.value for dest in CALLED), *pauses}:
        if name not in pauses or pauses[name].by == "homing":
            await town.service.acts.resume({"name": name})


async def hold(town: Town) -> None:
    """Stop everything where it stands, so that both sides can be read at one moment."""
    town.end_faults()
    for name in (Dest.MAIL, *CALLED):
        await town.service.acts.pause({"name": name.value, "reason": "the sandbox ends"})
    stages = town.service.worker.assembly.stages
    for stage in (stages.deliver, stages.suppress, stages.write_back):
        await stage.land()


async def settle(town: Town, *, patience_s: float = PATIENCE_S) -> bool:
    """
    Wait until nothing is under way any more, or nothing will be for as long as we would wait.

    Returns:
        False if that takes longer than *patience_s* seconds.
    """
    until_ms = town.now_ms() + int(patience_s * 1000)
    try:
        async with asyncio.timeout(patience_s):
            while not await _is_quiet(town, until_ms):  # noqa: ASYNC110  three programs are asked
                await asyncio.sleep(LOOK_EVERY_S)
    except TimeoutError:
        return False
    return True


async def _is_quiet(town: Town, until_ms: int) -> bool:
    if not (town.sender.idle and town.sendgrid.idle):
        return False
    books = await town.service.books()
    if books.requests["pending"] or books.sends[SendState.UNKNOWN]:
        return False
    soon_ms = town.now_ms() + SOON_MS
    return not await town.look(lambda tx: _is_busy(tx, until_ms, soon_ms=soon_ms))


def _is_busy(tx: Tx, until_ms: int, *, soon_ms: int) -> bool:
    """Whether something leaves before *until_ms*, or a run goes on by *soon_ms*, of itself."""
    pauses = tx.books.pauses()
    if tx.sends.in_flight():
        return True
    tick = tx.runs.next_due()
    if tick is not None and tick <= soon_ms:
        return True
    due = tx.sends.next_due()
    if due is not None and due < until_ms and Dest.MAIL not in pauses:
        return True
    return any(dest not in pauses and late_calls(tx, dest, at_ms=until_ms) for dest in CALLED)

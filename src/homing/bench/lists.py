"""An emulated SendGrid with a long list of bounces, in a process of its own."""

from __future__ import annotations

from types import MappingProxyType

import msgspec
import uvloop

from homing.bench.piped import attend, task_of
from homing.bench.sink import Listening
from homing.emulators import SendGridEmulator, SendGridSettings
from homing.emulators.clock import wall_clock

LIST = "bounces"
KEY = "SG.bench"
# older than what a reconciliation leaves to webhooks
AGE_S = 3_600.0


class ListTask(msgspec.Struct):
    """``rows``: how many addresses are on the list."""

    rows: int


async def main(task: ListTask) -> None:
    """Answer until the input ends."""
    settings = SendGridSettings(
        clock=lambda: wall_clock() - AGE_S,
        rate_limits=MappingProxyType({"/v3/": 1_000_000_000}),
        keep=100,
    )
    async with SendGridEmulator(api_key=KEY, settings=settings) as sendgrid:
        for number in range(task.rows):
            sendgrid.suppressions.add(
                "bounces", f"u{number:07d}@shop.example", status="5.1.1",
                reason="550 5.1.1 The email account that you tried to reach does not exist",
            )  # fmt: skip

        async def obey(_word: str) -> Listening:
            return Listening(sendgrid.port)

        await attend(Listening(sendgrid.port), obey)


if __name__ == "__main__":
    uvloop.run(main(task_of(ListTask)))

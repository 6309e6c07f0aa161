"""An emulated SendGrid with Marketing contacts, in a process of its own."""

from __future__ import annotations

from types import MappingProxyType

import msgspec
import uvloop

from homing.bench.piped import attend, task_of
from homing.bench.sink import Listening
from homing.bench.stock import LEFT_EVERY, address_of
from homing.emulators import SendGridEmulator, SendGridSettings

KEY = "SG.bench"
TITLE = "bench"
# of the members of the list one in so many is lost, between those who are not to be on it
LOST_EVERY = LEFT_EVERY


class AccountTask(msgspec.Struct):
    """``members``: how many contacts there are, of whom some are not on the list "bench"."""

    members: int


class Asked(msgspec.Struct):
    """What was asked of it since it was last looked at."""

    calls: int
    contacts: int
    on_list: int


async def main(task: AccountTask) -> None:
    """Answer until the input ends."""
    settings = SendGridSettings(rate_limits=MappingProxyType({"/v3/": 1_000_000_000}), keep=1_000)
    async with SendGridEmulator(api_key=KEY, settings=settings) as sendgrid:
        which = sendgrid.lists.add(TITLE)
        for number in range(task.members):
            contact = sendgrid.contacts.add(address_of(number), first_name=f"Ann {number}")
            if number % LOST_EVERY != LOST_EVERY // 2:
                sendgrid.lists.put(which.id, contact)
        seen = 0

        async def obey(word: str) -> Asked:
            nonlocal seen
            if word == "forget":
                for contact in list(sendgrid.contacts):
                    sendgrid.contacts.remove(contact.id)
            total = len(sendgrid.requests)
            calls, seen = total - seen, total
            return Asked(calls, len(sendgrid.contacts), len(which.members))

        await attend(Listening(sendgrid.port), obey)


if __name__ == "__main__":
    uvloop.run(main(task_of(AccountTask)))

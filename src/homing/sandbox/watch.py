"""Watch the town: whatever happens in it is told once, as a `Happening`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from homing.emulators.clock import wall_clock
from homing.sandbox.happenings import Happening, Tell, What, call_home
from homing.sandbox.journey_watch import JourneyWatch
from homing.sandbox.ledger_watch import LedgerWatch

if TYPE_CHECKING:
    from homing.emulators import AcceptedMail
    from homing.emulators.newest import Newest
    from homing.emulators.outbox import Event
    from homing.sandbox.evidence import Copies
    from homing.sandbox.town import Town

Row = TypeVar("Row")

LOOK_EVERY_S: Final = 0.2


class Watch:
    """
    Everything that is watched.

    Args:
        tell: Called in the event loop with each happening, once.

        copies: Told of each email that SendGrid takes.
    """

    def __init__(self, town: Town, tell: Tell, copies: Copies) -> None:
        self._town = town
        self._users: dict[str, str] = {}
        self._copies = copies
        self._tell = tell
        self._followed = (
            _Followed(town.sendgrid.accepted, self._mail),
            _Followed(town.sendgrid.events, self._event),
            _Followed(town.segment.received, self._call),
        )
        self._journeys = JourneyWatch()
        self._ledger = LedgerWatch()

    async def run(self) -> None:
        """Watch for ever."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        """Tell what has happened since the last look, in the order of the path."""
        mails, events, calls = self._followed
        runs, sends = await self._town.look(
            lambda tx: (self._journeys.news(tx), self._ledger.news(tx))
        )
        self._tell_all(runs)
        mails.catch_up()
        self._tell_all(sends)
        events.catch_up()
        calls.catch_up()

    def _tell_all(self, happenings: Iterable[Happening]) -> None:
        for happening in happenings:
            self._tell(happening)

    def _mail(self, mail: AcceptedMail) -> None:
        self._copies.count(mail)
        args = mail.custom_args
        self._users[mail.to.lower()] = user = args.get("homing_user") or mail.to
        self._tell(
            Happening(
                mail.accepted_at,
                What.EMAIL_OUT,
                user,
                args.get("homing_rule", "?"),
                mail.content.subject if mail.content else mail.to,
                {"send": args.get("homing_send", ""), "to": mail.to},
            )
        )

    def _event(self, event: Event) -> None:
        name = event["event"]
        words = (event.get(key) for key in ("homing_rule", "url", "reason"))
        ids = {"send": str(event.get("homing_send", "")), "event": str(event.get("sg_event_id"))}
        self._tell(
            Happening(
                wall_clock(),
                What.SENDGRID,
                self._users.get(str(event["email"]).lower(), str(event["email"])),
                "machine open" if event.get("sg_machine_open") else name.replace("_", " "),
                " ".join(str(word) for word in words if word),
                ids,
            )
        )

    def _call(self, call: Event) -> None:
        self._tell(call_home(call, at=wall_clock()))


@dataclass(slots=True)
class _Followed(Generic[Row]):
    """A list of an emulator's, and how far it was told."""

    rows: Newest[Row]
    take: Callable[[Row], None]
    seen: int = 0

    def catch_up(self) -> None:
        fresh, self.seen = self.rows.since(self.seen), self.rows.total
        for row in fresh:
            self.take(row)

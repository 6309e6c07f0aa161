"""What happens to a mail after its 202: suppression, rendering, the journey to the recipient."""

import asyncio
import random  # noqa: TID251 - a seeded generator of our own: a run can be repeated
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final

from homing.emulators.outbox import Event
from homing.emulators.sendgrid import events
from homing.emulators.sendgrid.account import Account
from homing.emulators.sendgrid.mail import AcceptedMail
from homing.emulators.sendgrid.outcomes import Outcome, outcome_for
from homing.emulators.sendgrid.recipient import Recipients
from homing.emulators.sendgrid.rendering import Rendering
from homing.emulators.waiting import Changes

#: How long a scheduled mail waits when its hour has come and the queue is full.
BUSY_S: Final = 0.05


class Delivery:
    """
    Take accepted mails to their recipients.

    The fate the account sets for an address goes before what the address says.
    """

    def __init__(
        self, account: Account, rendering: Rendering, recipients: Recipients, *, changes: Changes
    ) -> None:
        self._suppressions = account.suppressions
        self._outcomes = account.outcomes
        self._settings = settings = account.settings
        self._rendering = rendering
        self._recipients = recipients
        self._changes = changes
        self._in_hand = 0
        # Bounded: when rendering cannot keep up, mail/send waits.
        self._queue: asyncio.Queue[AcceptedMail] = asyncio.Queue(settings.keep)
        self._engaged: Counter[str] = Counter()
        self._timers: set[asyncio.TimerHandle] = set()
        self._fates: Mapping[Outcome, Callable[[AcceptedMail], None]] = {
            Outcome.DELIVERED: self._deliver,
            Outcome.BOUNCE: self._bounce,
            Outcome.BLOCKED: self._block,
            Outcome.LATE_BOUNCE: self._deliver_then(self._bounce_late),
            Outcome.DEFERRED: self._defer,
            Outcome.EXPIRED: self._expire,
            Outcome.OPEN: self._deliver_then(recipients.open),
            Outcome.MACHINE_OPEN: self._deliver_then(recipients.machine_open),
            Outcome.CLICK: self._deliver_then(self._click),
            Outcome.SPAM: self._deliver_then(recipients.report_spam),
            Outcome.UNSUBSCRIBE: self._deliver_then(recipients.unsubscribe),
        }

    @property
    def idle(self) -> bool:
        """Tell whether no mail is waiting for anything."""
        return not (self._in_hand or self._timers)

    async def take(self, mail: AcceptedMail) -> None:
        """Accept one mail; waits while too many are in hand."""
        self._in_hand += 1
        await self._queue.put(mail)

    async def run(self) -> None:
        """Work for ever."""
        while True:
            mail = await self._queue.get()
            wait_s = (mail.personalization.send_at or mail.body.send_at or 0) - self._now()
            if wait_s > 0:
                self._after(wait_s, self._take_again, mail)
            else:
                await self._send(mail)
            self._in_hand -= 1
            self._changes.notify()

    def close(self) -> None:
        """Give up what has not happened yet."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def _take_again(self, mail: AcceptedMail) -> None:
        try:
            self._queue.put_nowait(mail)
        except asyncio.QueueFull:
            self._after(BUSY_S, self._take_again, mail)
        else:
            self._in_hand += 1

    async def _send(self, mail: AcceptedMail) -> None:
        outcome = self._outcomes.get(mail.to.lower()) or outcome_for(mail.to)
        if outcome is Outcome.SILENT:
            return
        reason = self._suppressions.drop_reason(mail)
        if reason is None and outcome is Outcome.INVALID:
            reason = "Invalid"
            self._suppressions.add("invalid_emails", mail.to, reason=events.UNKNOWN_DOMAIN)
        if reason is None and self._rendering.needs_template(mail):
            error = (await self._rendering.render(mail)).error
            reason = None if error is None else f"Template rendering failed: {error}"
        if reason is not None:
            self._emit(mail, events.dropped(mail, self._now(), reason=reason))
            return
        self._emit(mail, events.processed(mail, self._now()))
        self._after(self._settings.pace.delivered_after_s, self._fates[outcome], mail)

    def _deliver(self, mail: AcceptedMail) -> None:
        self._emit(mail, events.delivered(mail, self._now()))
        self._engage(mail)

    def _deliver_then(
        self, act: Callable[[AcceptedMail], object]
    ) -> Callable[[AcceptedMail], None]:
        def deliver(mail: AcceptedMail) -> None:
            self._emit(mail, events.delivered(mail, self._now()))
            self._after(self._settings.pace.engaged_after_s, act, mail)

        return deliver

    def _bounce(self, mail: AcceptedMail) -> None:
        self._list_bounce(mail, events.bounce(mail, self._now()))

    def _bounce_late(self, mail: AcceptedMail) -> None:
        self._list_bounce(mail, events.late_bounce(mail, self._now()))

    def _list_bounce(self, mail: AcceptedMail, event: Event) -> None:
        self._suppressions.add("bounces", mail.to, reason=event["reason"], status=event["status"])
        self._emit(mail, event)

    def _block(self, mail: AcceptedMail) -> None:
        event = events.blocked(mail, self._now())
        self._suppressions.add("blocks", mail.to, reason=event["reason"], status=event["status"])
        self._emit(mail, event)

    def _defer(self, mail: AcceptedMail, attempt: int = 0, last: int = 1) -> None:
        self._emit(mail, events.deferred(mail, self._now(), attempt=attempt))
        every_s = self._settings.pace.deferred_every_s
        if attempt < last:
            self._after(every_s, lambda m: self._defer(m, attempt + 1, last), mail)
        else:
            self._after(every_s, self._deliver, mail)

    def _expire(self, mail: AcceptedMail) -> None:
        self._emit(mail, events.deferred(mail, self._now(), attempt=0))
        self._after(self._settings.pace.deferred_every_s, self._block, mail)

    def _click(self, mail: AcceptedMail) -> None:
        if not mail.opened:
            self._recipients.open(mail)
        self._recipients.click(mail)

    def _engage(self, mail: AcceptedMail) -> None:
        """Let the recipient do what the shares say, one act after the other."""
        shares = self._settings.engagement
        chances: tuple[tuple[float, Callable[[AcceptedMail], object]], ...] = (
            (shares.machine_opens, self._recipients.machine_open),
            (shares.opens, self._recipients.open),
            (shares.clicks, self._click),
            (shares.unsubscribes, self._recipients.unsubscribe),
            (shares.spam_reports, self._recipients.report_spam),
        )
        if not any(share for share, _ in chances):
            return
        chance, step_s = self._chance_of(mail.to.lower()), self._settings.pace.engaged_after_s
        for step, (share, act) in enumerate(chances, 1):
            if chance.random() < share:
                self._after(step * step_s, act, mail)

    def _chance_of(self, address: str) -> random.Random:
        """Draw by address and its how-manieth mail: the order of all mails must not matter."""
        self._engaged[address] += 1
        seed = f"{self._settings.engagement.seed}/{address}/{self._engaged[address]}"
        return random.Random(seed)  # noqa: S311 - chance, not secrets

    def _emit(self, mail: AcceptedMail, event: Event) -> None:
        self._recipients.tell(mail, event)

    def _after(
        self, delay_s: float, act: Callable[[AcceptedMail], object], mail: AcceptedMail
    ) -> None:
        def due() -> None:
            self._timers.discard(timer)
            act(mail)
            self._changes.notify()

        timer = asyncio.get_running_loop().call_later(delay_s, due)
        self._timers.add(timer)

    def _now(self) -> float:
        return self._settings.clock()

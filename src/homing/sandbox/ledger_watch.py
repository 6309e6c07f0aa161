"""Watch the service's own books: sends that turn, destinations that pause, alerts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from homing.core.ledger import SendState
from homing.emulators.clock import wall_clock
from homing.sandbox.happenings import Happening, What

if TYPE_CHECKING:
    from homing.core.effects import SendRow
    from homing.ports import Alert, Attempt, Pause, Tx

PAGE: Final = 50

_ENDS: Final = {
    SendState.SKIPPED: What.SKIPPED,
    SendState.EXPIRED: What.EXPIRED,
    SendState.REJECTED: What.REJECTED,
}
_OPEN: Final = frozenset(
    {SendState.RESERVED, SendState.IN_FLIGHT, SendState.RETRY, SendState.UNKNOWN, SendState.PARKED}
)
#: Kinds of alerts that say what a line of the feed says.
_TOLD_ELSEWHERE: Final = frozenset({"paused", "parked"})
_RESOLVED: Final = {
    SendState.PARKED: "parked: a person decides, by `homing resolve`",
    SendState.DROPPED: "given up, as its on_unknown says",
}


class _Seen(NamedTuple):
    """A send as it was at the last look."""

    state: str = ""
    attempt: int = 0
    due_at: int = 0
    unknowns: int = 0


@dataclass(slots=True)
class LedgerWatch:
    """What was told of the service's sends, pauses and alerts so far."""

    _last: int = 0
    _open: dict[int, _Seen] = field(default_factory=dict)
    _pauses: dict[str, Pause] = field(default_factory=dict)
    _alerts: set[tuple[str, str]] = field(default_factory=set)

    def news(self, tx: Tx) -> list[Happening]:
        """What is new since the last look."""
        rows = [row for number in self._open if (row := tx.sends.get(number)) is not None]
        rows += self._fresh(tx)
        told = [happening for row in rows for happening in self._of_send(tx, row)]
        told += self._of_pauses(dict(tx.books.pauses()))
        return [*told, *self._of_alerts(tx.books.alerts())]

    def _fresh(self, tx: Tx) -> list[SendRow]:
        fresh: list[SendRow] = []
        before: int | None = None
        while rows := tx.sends.newest(state=None, before=before, limit=PAGE):
            fresh += (row for row in rows if row.id > self._last)
            before = rows[-1].id
            if before <= self._last + 1:
                break
        self._last = fresh[0].id if fresh else self._last
        return fresh[::-1]

    def _of_send(self, tx: Tx, row: SendRow) -> Iterator[Happening]:
        was = self._open.pop(row.id, _Seen())
        is_same = was[:3] == (row.state, row.attempt, row.due_at)
        if not is_same:
            lost = [a for a in tx.sends.attempts(row.id) if a.outcome == "unknown"]
            yield from _turned(row, was, lost)
            was = _Seen(row.state, row.attempt, row.due_at, len(lost))
        if row.state in _OPEN:
            self._open[row.id] = was

    def _of_pauses(self, pauses: dict[str, Pause]) -> Iterator[Happening]:
        was, self._pauses = self._pauses, pauses
        for name, pause in sorted(pauses.items()):
            if name in was and was[name].at == pause.at:
                continue
            yield Happening(pause.at / 1000, What.PAUSED, name, f"by {pause.by}", pause.reason)
        for name in sorted(was.keys() - pauses.keys()):
            yield Happening(wall_clock(), What.RESUMED, name, "")

    def _of_alerts(self, alerts: list[Alert]) -> Iterator[Happening]:
        for alert in alerts:
            name = (alert.kind, alert.subject)
            if alert.kind not in _TOLD_ELSEWHERE and name not in self._alerts:
                at = alert.first_at / 1000
                yield Happening(at, What.ALERT, alert.kind, alert.subject, alert.text)
            self._alerts.add(name)


def _turned(row: SendRow, was: _Seen, lost: list[Attempt]) -> Iterator[Happening]:
    """Tell how a send went on, *lost* being all its attempts whose outcome nobody knew."""
    state = SendState(row.state)
    for attempt in lost[was.unknowns :]:
        yield _told(row, What.UNKNOWN, attempt.detail, at=attempt.at / 1000)
    if state in _ENDS:
        yield _told(row, _ENDS[state], row.reason or "")
    elif was.state == SendState.UNKNOWN or len(lost) > was.unknowns:
        yield from _resolved(row, state, lost[-1])
    elif state is SendState.RETRY:
        yield _told(row, What.RETRY, row.reason or "")


def _resolved(row: SendRow, state: SendState, lost: Attempt) -> Iterator[Happening]:
    if state in _RESOLVED:
        yield _told(row, What.RESOLVED, _RESOLVED[state])
    elif state is SendState.ACCEPTED and row.attempt == lost.number:
        yield _told(row, What.RESOLVED, "an event proves that it was taken")
    elif state is not SendState.UNKNOWN:
        yield _told(row, What.RESOLVED, "no event came in time: sent again")


def _told(row: SendRow, what: What, detail: str, *, at: float | None = None) -> Happening:
    who = row.user or row.address or "?"
    return Happening(at or wall_clock(), what, who, row.rule, detail, {"send": row.key})

"""
What reconciliations of suppressions keep: how far one came, what it found, when the next is due.

A *reconciliation* reads each list once, then compares. All of it is written with the rows it
speaks of, so that one that was interrupted goes on where it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from homing.core.reconcile_suppressions import ListName, Repair, Window, window_after
from homing.core.segment_calls import iso

DAY_MS: Final = 86_400_000

WHOLE_ROWS: Final = 5_000
"""Unsubscribes so few (ten calls) are read as a whole each time; more of them once a day."""

STALE_MS: Final = 300_000
"""An interrupted reconciliation older than this speaks of a past that has gone on."""

WAITING: Final = "waiting"
READ: Final = "read"
REFUSED: Final = "refused"


class Tally(msgspec.Struct):
    """What one list came to."""

    pulled: int = 0
    missing_here: int = 0
    repaired_here: int = 0
    missing_there: int = 0
    repaired_there: int = 0
    gone_there: int = 0
    unusable: int = 0  # rows without an address
    unknown_groups: dict[str, int] = msgspec.field(default_factory=dict)  # by number


class Reading(msgspec.Struct):
    """
    One list of one reconciliation; ``first`` if it was never read before.

    ``failures`` counts how often it went unanswered since the last row of it.
    """

    start_s: int | None
    end_s: int
    first: bool
    state: str = WAITING
    offset: int = 0
    failures: int = 0
    error: str = ""
    tally: Tally = msgspec.field(default_factory=Tally)

    @property
    def window(self) -> Window:
        """The rows it asks for."""
        return Window(self.start_s, self.end_s)


class Reconciliation(msgspec.Struct):
    """
    One reconciliation.

    ``groups`` are the configured groups that SendGrid has, None while that is not known;
    ``missed`` counts what events should have told of; ``error`` says why it does not go on.
    """

    number: int
    began_ms: int
    end_s: int
    full: bool
    dry: bool
    readings: dict[str, Reading]
    groups: list[str] | None = None
    missed: int = 0
    error: str = ""
    ended_ms: int | None = None

    def next_list(self) -> ListName | None:
        """The list to be read next; None: all are read, or refused."""
        waiting = (name for name in ListName if self.readings[name].state == WAITING)
        return next(waiting, None)

    def marks(self, name: ListName) -> bool:
        """Whether a list is read as a whole, so that what it lacks can be told."""
        if name is ListName.GROUPS:
            return True
        return name is ListName.UNSUBSCRIBES and self.readings[name].start_s is None

    def is_compared(self, name: ListName) -> bool:
        """Whether our records are held against a list: it was read, and as a whole."""
        return self.marks(name) and self.readings[name].state == READ

    def may_go_on(self, *, full: bool, dry: bool, since_ms: int) -> bool:
        """Whether an interrupted one is what is asked for, unless it began before *since_ms*."""
        return self.began_ms >= since_ms and self.dry == dry and (self.full or not full)

    @property
    def missing(self) -> int:
        """What either side lacked, over all lists."""
        return sum(r.tally.missing_here + r.tally.missing_there for r in self.readings.values())

    @property
    def repaired(self) -> int:
        """What was repaired, or asked to be, over all lists."""
        return sum(r.tally.repaired_here + r.tally.repaired_there for r in self.readings.values())

    @property
    def drifted(self) -> int:
        """What events should have told of, and what SendGrid lacked."""
        return self.missed + sum(r.tally.missing_there for r in self.readings.values())

    @property
    def pulled(self) -> int:
        """Rows read so far, over all lists."""
        return sum(reading.tally.pulled for reading in self.readings.values())


class Kept(msgspec.Struct):
    """
    All that is kept.

    ``ends`` says up to when each list is read (unix seconds), ``whole_ms`` when the unsubscribes
    were last read as a whole, ``whole_rows`` how many they were. ``last`` is the last one that
    ended, ``tried`` the last dry run.
    """

    number: int = 0
    ends: dict[str, int] = msgspec.field(default_factory=dict)
    whole_ms: int = 0
    whole_rows: int = 0
    current: Reconciliation | None = None
    last: Reconciliation | None = None
    tried: Reconciliation | None = None

    def begin(self, *, full: bool, dry: bool, now_ms: int) -> Reconciliation:
        """Start a new one."""
        self.number += 1
        whole = full or now_ms - self.whole_ms >= DAY_MS or self.whole_rows <= WHOLE_ROWS
        readings = {}
        for name in ListName:
            end_s = self.ends.get(name)
            is_whole = full or (whole and name is ListName.UNSUBSCRIBES)
            window = window_after(None if is_whole else end_s, now_ms=now_ms)
            readings[name.value] = Reading(window.start_s, window.end_s, first=end_s is None)
        end_s = window_after(None, now_ms=now_ms).end_s
        self.current = Reconciliation(self.number, now_ms, end_s, full, dry, readings)
        return self.current

    def close_list(self, name: ListName) -> None:
        """The current one has read a list to its end."""
        if self.current is None:
            return
        reading = self.current.readings[name]
        reading.state = READ
        if self.current.dry:
            return
        self.ends[name.value] = reading.end_s
        if name is ListName.UNSUBSCRIBES and reading.start_s is None:
            self.whole_ms, self.whole_rows = self.current.began_ms, reading.tally.pulled

    def end(self, *, now_ms: int) -> Reconciliation | None:
        """The current one is over."""
        ended, self.current = self.current, None
        if ended is not None:
            ended.ended_ms = now_ms
            if ended.dry:
                self.tried = ended
            else:
                self.last = ended
        return ended

    def of(self, number: int) -> Reconciliation | None:
        """One by number, while it is kept."""
        every = (self.current, self.last, self.tried)
        return next((one for one in every if one is not None and one.number == number), None)


def kept_from(text: object) -> Kept:
    """Read what `kept_text` wrote; nothing kept of anything else."""
    if not isinstance(text, str):
        return Kept()
    return msgspec.json.decode(text, type=Kept)


def kept_text(kept: Kept) -> str:
    """Write all that is kept."""
    return msgspec.json.encode(kept).decode()


def rows_of(one: Reconciliation, repairs: Iterable[Repair] = ()) -> Sequence[dict[str, object]]:
    """A reconciliation for people and programs: a row a list."""
    named: dict[str, list[Mapping[str, object]]] = {name.value: [] for name in ListName}
    for repair in repairs:
        named[repair.list.value].append(
            {
                "address": repair.address,
                "missing": repair.side.value,
                "change": "opt_out" if repair.suppressed else "opt_in",
                "at": iso(repair.at_ms),
            }
        )
    return [_row(name, one, named[name]) for name in ListName]


def _row(
    name: ListName, one: Reconciliation, named: list[Mapping[str, object]]
) -> dict[str, object]:
    reading = one.readings[name]
    tally = msgspec.structs.asdict(reading.tally)
    return {
        "list": name.value,
        "status": reading.state,
        **tally,
        "from": None if reading.start_s is None else iso(reading.start_s * 1000),
        "to": iso(reading.end_s * 1000),
        "dry_run": one.dry,
        "error": reading.error,
        "named": named,
    }

"""P4, P6 through outages: everything is delivered in order, or expired by name; none hammered."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest
from tests.support import oracle
from tests.support.process import Outside, Process
from tests.support.service import World, track, world
from tests.support.stages import FakeLog, FixedClock, plans_of

from homing.adapters.sqlite.state import SqliteState
from homing.core.effects import Dest, SendRow
from homing.core.outcomes import Answer

USERS = 15
EACH = 4


def order(user: int, number: int) -> dict[str, object]:
    return track(
        user * 1000 + number, "Order Completed", {"total": 1, "n": number}, user=f"u{user}"
    )


async def take_orders(w: World, numbers: Iterable[int]) -> None:
    for number in numbers:
        await w.sender.deliver(*(order(user, number) for user in range(USERS)))


def assert_all_in_order(w: World) -> None:
    mailed: dict[str, list[int]] = defaultdict(list)
    for mail in w.sendgrid.accepted:
        mailed[mail.to].append(mail.template_data["n"])
    assert {f"u{u}@example.com": list(range(EACH)) for u in range(USERS)} == mailed


class TestSendGridIsDown:
    async def test_it_answers_503_for_a_while(self, tmp_path: Path) -> None:
        """P4: in an outage calls stop but for probes; afterwards each leaves once, in order."""
        async with world(tmp_path, processes=1) as w:
            w.sendgrid.down = True
            await take_orders(w, range(2))
            await w.until(lambda: "open" in breaker_turns(w))
            during = len(w.sendgrid.requests)
            await take_orders(w, range(2, EACH))
            # two probes later: at one and at two seconds
            await w.sendgrid.until(lambda: len(w.sendgrid.requests) >= during + 2)
            assert during + 3 >= len(w.sendgrid.requests)
            w.sendgrid.down = False
            await w.until(lambda: {"accepted": USERS * EACH} == w.states())
            await w.at_rest()

            assert_all_in_order(w)
            assert {1} == set(w.accepted().values())
            assert 0 == w.tables()["unknown"]["total"]

    async def test_it_cannot_be_reached_for_a_while(self, tmp_path: Path) -> None:
        """P4, P6: refused connections burn no attempt and leave nothing unknown."""
        async with world(tmp_path, processes=1) as w:
            await w.sendgrid.stop_listening()
            await take_orders(w, range(EACH))
            await w.until(lambda: "open" in breaker_turns(w))
            await w.sendgrid.listen_again()
            await w.until(lambda: {"accepted": USERS * EACH} == w.states())
            await w.at_rest()

            assert_all_in_order(w)
            assert {1} == {row.attempt for row in w.sends()}
            assert 0 == w.tables()["unknown"]["total"]

    async def test_others_are_not_held_up(self, tmp_path: Path) -> None:
        """While mail stands still, events are taken, decided and written home."""
        async with world(tmp_path, extra=TRACKS) as w:
            await w.sendgrid.stop_listening()
            await w.sender.deliver(order(0, 0), track(9, "Paid", {}, user="u0"))
            await w.segment.until(lambda: len(w.segment.received) == 1)

            assert 200 == (await w.sender.deliver(order(0, 1))).status
            await w.service.ready(5)
            await w.sendgrid.listen_again()
            await w.until(lambda: {"accepted": 2} == w.states())
            await w.at_rest()


class TestSegmentIsDown:
    @pytest.mark.parametrize("how", ["503", "refused"])
    async def test_what_goes_home_waits_and_arrives_in_order(
        self, tmp_path: Path, how: str
    ) -> None:
        """P4: calls home wait out an outage of Segment's; each person's arrive once, in order."""
        async with world(tmp_path, processes=1, extra=TRACKS) as w:
            if how == "503":
                w.segment.down = True
            else:
                await w.segment.stop_listening()
            for number in range(EACH):
                await w.sender.deliver(
                    *(
                        track(u * 1000 + number, "Paid", {"n": number}, user=f"u{u}")
                        for u in range(USERS)
                    )
                )
            await w.evaluated(EACH)
            if how == "503":
                await w.segment.until(lambda: len(w.segment.requests) >= 2, 30)
                w.segment.down = False
            else:
                await asyncio.sleep(1.5)  # how long the outage is
                await w.segment.listen_again()
            await w.at_rest(60)

            home: dict[str, list[int]] = defaultdict(list)
            for message in w.segment.received:
                home[message["userId"]].append(message["properties"]["n"])
            assert {f"u{u}": list(range(EACH)) for u in range(USERS)} == home
            assert USERS * EACH == w.tables()["effects"]["segment"]["done"]


TRACKS = """
[route.paid]
when = 'event = "Paid"'
track = { event = "Receipt Wanted", properties = { n = "$.properties.n" } }
"""


def breaker_turns(w: World) -> list[str]:
    return [line["state"] for line in oracle.log_lines(w.service.log, "breaker.turned")]


@dataclass(slots=True)
class Vendor:
    """SendGrid as an hour of outage needs it: remembers when it was called and what it took."""

    clock: FixedClock
    is_up: bool = True
    calls: list[int] = field(default_factory=list)
    taken: list[dict[str, Any]] = field(default_factory=list)

    async def call(self, _method: str, _path: str, body: bytes | None) -> Answer:
        """Take mail, or answer 503."""
        self.calls.append(self.clock.at_ms)
        if not self.is_up:
            return Answer(headers_sent=True, status=503)
        block = orjson.loads(body or b"")["personalizations"][0]
        self.taken.append({"to": block["to"][0]["email"], **block["dynamic_template_data"]})
        return Answer(headers_sent=True, status=202, headers={"X-Message-Id": "m"})


SHOP = """
[sendgrid]
api_key = "${API_KEY}"
from = "Acme <hello@acme.example>"
[email.receipt]
template = "d-00000000000000000000000000000001"
class = "transactional"
[email.flash]
template = "d-00000000000000000000000000000002"
deliver_within = "30m"
[route.receipt]
when = 'event = "Ordered"'
send = "receipt"
[route.flash]
when = 'event = "Flash"'
send = "flash"
"""
HOUR_S = 3_600
STEP_S = 2
RATE = 50.0


class TestAnHour:
    async def test_an_hour_without_sendgrid(self, tmp_path: Path) -> None:
        """P4: an hour long memory is flat and probes are few; then all leaves, or has expired."""
        clock, log = FixedClock(), FakeLog()
        store = SqliteState(tmp_path / "homing.db", on_fatal=_raise, synchronous="OFF")
        vendor = Vendor(clock, is_up=False)
        process = Process(Outside(store, log, vendor, vendor, clock, plans_of("", SHOP)), rate=RATE)
        await process.start()
        sizes = await live_through_an_hour(process, log)
        outage_calls = len(vendor.calls)
        vendor.is_up = True
        began_ms = clock.at_ms
        while await open_sends(process):
            clock.forward(100)
            await process.delivered()
        rows = await sends_of(process)
        await store.close()

        # ten to find out, and a probe every half minute, sooner at first
        assert outage_calls <= 10 + 16 + 5 + HOUR_S / 30
        assert max(sizes) - sizes[0] < 2_000_000, sizes
        assert HOUR_S // STEP_S == len(rows)
        for row in rows:
            assert_in_time_or_expired(row, ended_ms=clock.at_ms)
        # at first some learn the hard way; from then on no attempt is burned
        assert sum(row.attempt > 1 for row in rows) <= 16
        assert_recovery(vendor, began_ms)

    async def test_an_hour_without_segment(self, tmp_path: Path) -> None:
        """P4: the same of what goes home: each call arrives once, a person's in order."""
        clock, log = FixedClock(), FakeLog()
        store = SqliteState(tmp_path / "homing.db", on_fatal=_raise, synchronous="OFF")
        mail, home = Vendor(clock), Home(clock, is_up=False)
        process = Process(Outside(store, log, mail, home, clock, plans_of("", SHOP + TOLD)))
        await process.start()
        sizes = await live_through_an_hour(process, log)
        outage_calls = len(home.calls)
        home.is_up = True
        while await calls_left(process):
            clock.forward(100)
            await process.others_delivered()
        books = await process.tx(lambda tx: tx.books.counts())
        await store.close()

        assert outage_calls <= 16 + HOUR_S / 30
        assert max(sizes) - sizes[0] < 2_000_000, sizes
        told = HOUR_S // STEP_S // 2
        assert (told, 0) == (books["effects:segment:done"], books.get("effects:segment:dead", 0))
        assert {n: 1 for n in range(STEP_S, HOUR_S, 2 * STEP_S)} == Counter(
            message["properties"]["n"] for message in home.taken
        )
        of_person: dict[str, list[int]] = defaultdict(list)
        for message in home.taken:
            of_person[message["userId"]].append(message["properties"]["n"])
        assert all(numbers == sorted(numbers) for numbers in of_person.values())
        # nobody's mail had to wait for it
        assert HOUR_S // STEP_S == len(mail.taken)


class Home(Vendor):
    """Segment as an hour of outage needs it."""

    async def call(self, _method: str, _path: str, body: bytes | None) -> Answer:
        """Take a batch, or answer 503."""
        self.calls.append(self.clock.at_ms)
        if not self.is_up:
            return Answer(headers_sent=True, status=503)
        self.taken += orjson.loads(body or b"")["batch"]
        return Answer(headers_sent=True, status=200)


TOLD = """
[route.told]
when = 'event = "Ordered"'
track = { event = "Receipt Wanted", properties = { n = "$.properties.n" } }
"""


async def calls_left(process: Process) -> bool:
    return bool(await process.tx(lambda tx: tx.effects.ready(Dest.SEGMENT, after=0, limit=1)))


async def live_through_an_hour(process: Process, log: FakeLog) -> list[int]:
    """Customers go on as ever; the bytes of memory that are in use, now and then."""
    clock = process.outside.clock
    sizes: list[int] = []
    tracemalloc.start()
    for second in range(0, HOUR_S, STEP_S):
        name = "Ordered" if second % (2 * STEP_S) else "Flash"
        log.append("segment/default", event_of(second, name), clock.at_ms)
        clock.forward(STEP_S * 1_000)
        process.health.heard()
        await process.delivered()
        await process.others_delivered()
        if second % 900 == 900 - STEP_S:
            sizes.append(tracemalloc.get_traced_memory()[0] - log_bytes(log))
    tracemalloc.stop()
    return sizes


def assert_in_time_or_expired(row: SendRow, *, ended_ms: int) -> None:
    if row.state == "expired":
        assert ("flash", True) == (row.email, row.expires_at <= ended_ms)
        assert row.reason
    else:
        assert "accepted" == row.state
        assert row.accepted_at is not None
        assert row.accepted_at < row.expires_at


def assert_recovery(vendor: Vendor, began_ms: int) -> None:
    """In order per person, ramping up, never above the configured rate."""
    taken: dict[tuple[str, str], list[int]] = defaultdict(list)
    for mail in vendor.taken:
        taken[mail["to"], mail["kind"]].append(mail["n"])
    assert all(numbers == sorted(set(numbers)) for numbers in taken.values())
    after = [at for at in vendor.calls if at >= began_ms]
    first = after[0]
    assert sum(at < first + 200 for at in after) < RATE, "at once, not ramped up"
    for start in range(first, after[-1], 1_000):
        in_second = sum(start <= at < start + 1_000 for at in after)
        assert in_second <= RATE * 1.3, "faster than the configured rate"


def event_of(number: int, name: str) -> dict[str, object]:
    user = f"u{number % 97}"
    return {
        "type": "track", "messageId": f"m{number}", "userId": user, "event": name,
        "properties": {"n": number, "kind": name},
        "context": {"traits": {"email": f"{user}@x.io"}},
    }  # fmt: skip


def log_bytes(log: FakeLog) -> int:
    """The fake log keeps in memory what the real one keeps on disk."""
    return sum(len(one.body) + 300 for one in log.requests if one is not None)


async def sends_of(process: Process) -> list[SendRow]:
    return await process.tx(
        lambda tx: list(tx.sends.newest(state=None, before=None, limit=100_000))
    )


async def open_sends(process: Process) -> bool:
    def job(tx: Any) -> bool:  # noqa: ANN401  a Tx
        return bool(tx.sends.next_due() is not None or tx.sends.in_flight())

    return await process.tx(job)


def _raise(error: BaseException) -> None:
    raise error

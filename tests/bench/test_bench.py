"""Tests of homing.bench.bench: the processes that the measures start."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from homing.bench.bench import Bench, bare, check, did, sink, stage, turns
from homing.bench.bodies import Kind
from homing.bench.figures import Run
from homing.bench.piped import BenchFailed
from homing.bench.scale import TINY
from homing.bench.sink import Taken

REFUSED = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A benchmark of next to nothing."""
    return Bench(TINY, tmp_path, ec.generate_private_key(ec.SECP256R1()), lambda _: None)


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[int]:
    """A server that answers whatever comes with these bytes, or closes if there are none."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1 << 16) and answer:
            writer.write(answer)
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


class TestLoad:
    async def test_every_post_arrives_once(self, bench: Bench) -> None:
        """Over fewer connections than posts, and over more."""
        async with sink() as (child, port):
            for connections in (3, 256):
                posted = await bench.load(port, Kind.MIX, 50, connections=connections)
                assert 50 == posted.accepted
                assert posted.p50_ms <= posted.p99_ms
            assert 100 == (await child.ask("taken", Taken)).posts

    async def test_a_pace_is_kept_and_each_post_has_its_time(self, bench: Bench) -> None:
        """20 posts at 100 a second leave over at least 180 ms, whatever the server does."""
        async with sink() as (_, port):
            posted = await bench.load(port, Kind.ORDERS, 20, connections=2, per_second=100.0)

        assert 20 == len(posted.left_at)
        assert posted.left_at[-1] - posted.left_at[0] >= 0.18
        assert sorted(posted.left_at) == posted.left_at

    async def test_a_post_refused_is_no_figure(self, bench: Bench) -> None:
        """It is the end of the benchmark."""
        async with answering(REFUSED) as port:
            with pytest.raises(BenchFailed, match="'503': 5"):
                await bench.load(port, Kind.MIX, 5, connections=2)

    async def test_a_connection_closed_is_no_figure(self, bench: Bench) -> None:
        """It is the end of the benchmark, not a wait for ever."""
        async with answering(b"") as port:
            with pytest.raises(BenchFailed, match=r"homing\.bench\.load ended"):
                await bench.load(port, Kind.MIX, 5, connections=2)


class TestSink:
    async def test_it_knows_when_the_email_of_each_order_came(self, bench: Bench) -> None:
        """By the number in the body that is posted on; asking again starts anew."""
        async with sink(marked=True) as (child, port), bare(forward=port) as (_, forwarding):
            posted = await bench.load(forwarding, Kind.ORDERS, 7, connections=2, per_second=500.0)
            taken = await child.ask("taken", Taken)

            assert set(range(7)) == set(taken.came_at)
            assert all(taken.came_at[n] >= left for n, left in enumerate(posted.left_at))
            assert Taken() == await child.ask("taken", Taken)


class TestStock:
    async def test_its_books_balance_and_the_stage_goes_on_from_it(self, bench: Bench) -> None:
        """Events of the past are done, those waiting are evaluated, their sends delivered."""
        async with sink() as (child, port):
            installation = bench.install(sink=port)
            stocked = await bench.stock(
                installation, events=500, sends=100, people=40, waiting=60, kind=Kind.ORDERS
            )
            assert 500 == installation.count("events:done") == installation.evaluated()
            assert 560 == installation.head()
            assert stocked.state_mib > 0

            async with stage(installation) as stages:
                await did(stages, "evaluate", 60)
                await did(stages, "deliver", 60)

            assert 60 == (await child.ask("taken", Taken)).posts
        with installation.looking() as tx:
            assert 160 == tx.books.counts()["sends:accepted"]
            assert 560 == tx.books.counts()["events:received"]
            newest = tx.sends.get(160)
        assert newest is not None
        assert "accepted" == newest.state

    async def test_engagement_finds_its_sends(self, bench: Bench) -> None:
        """By the id in it: the ledger hears, and three of four events are to be written home."""
        async with sink() as (child, port):
            installation = bench.install(sink=port)
            await bench.stock(
                installation, events=100, sends=50, people=40, waiting=2, kind=Kind.ENGAGEMENT
            )

            async with stage(installation) as stages:
                await did(stages, "evaluate", 200)
                await did(stages, "write_back", 150)

            assert 150 == (await child.ask("taken", Taken)).calls
        with installation.looking() as tx:
            send = tx.sends.get(1)
        assert send is not None
        assert "clicked" == send.mail

    async def test_a_stage_that_did_less_is_no_figure(self, bench: Bench) -> None:
        """What was expected and what was done are named."""
        installation = bench.install(capture=True)
        await bench.stock(installation, waiting=3)
        async with stage(installation) as stages:
            with pytest.raises(BenchFailed, match="evaluate did 3, expected 4"):
                await did(stages, "evaluate", 4)


class TestTurns:
    async def test_both_are_run_in_turns(self) -> None:
        """So that what else the machine does falls on both alike."""
        order: list[str] = []

        async def ours() -> Run:
            order.append("ours")
            return Run(1.0)

        async def theirs() -> Run:
            order.append("theirs")
            return Run(2.0)

        assert ([Run(1.0)] * 2, [Run(2.0)] * 2) == await turns(2, ours, theirs)
        assert ["ours", "theirs"] * 2 == order


class TestCheck:
    def test_what_differs_is_named(self) -> None:
        """And what agrees raises nothing."""
        check("events", 3, 3)
        with pytest.raises(BenchFailed, match="events: expected 3, found 2"):
            check("events", 3, 2)

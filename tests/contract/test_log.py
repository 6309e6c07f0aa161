"""What every log promises, from both sides."""

from __future__ import annotations

import asyncio

from tests.support.rows import HOUR, NOON

from homing.ports import LogReader, LogWriter

Log = tuple[LogWriter, LogReader]


class TestAppend:
    async def test_requests_are_numbered_in_order_and_kept_byte_by_byte(self, log: Log) -> None:
        """
        The first request is number 1, and each byte comes back.
        """
        writer, reader = log
        bodies = [b"{}", b"", bytes(range(256)) * 40]

        numbers = [await writer.append("segment/web", body, NOON) for body in bodies]

        assert [1, 2, 3] == numbers
        found = reader.after(0, limit=10, max_bytes=1 << 20)
        assert bodies == [request.body for request in found]
        assert [("segment/web", NOON)] * 3 == [(r.source, r.received_ms) for r in found]

    async def test_many_at_once_get_a_number_each(self, log: Log) -> None:
        """
        Requests that share a commit have numbers of their own, without gaps.
        """
        writer, reader = log

        numbers = await asyncio.gather(
            *(writer.append("segment/web", b"%d" % n, NOON) for n in range(100))
        )

        assert list(range(1, 101)) == sorted(numbers)
        assert 100 == reader.head()
        assert [b"%d" % numbers.index(n) for n in range(1, 101)] == [
            request.body for request in reader.after(0, limit=200, max_bytes=1 << 20)
        ]


class TestAfter:
    async def test_either_bound_ends_it_but_one_request_always_comes(self, log: Log) -> None:
        """
        A request larger than *max_bytes* is still read, alone.
        """
        writer, reader = log
        for size in (10, 10, 5_000, 10):
            await writer.append("segment/web", b"x" * size, NOON)

        assert [1, 2] == [r.seq for r in reader.after(0, limit=2, max_bytes=10_000)]
        assert [1, 2] == [r.seq for r in reader.after(0, limit=10, max_bytes=20)]
        assert [3] == [r.seq for r in reader.after(2, limit=10, max_bytes=20)]
        assert [] == reader.after(4, limit=10, max_bytes=20)

    async def test_an_empty_log_has_head_0(self, log: Log) -> None:
        """
        There is nothing before the first request.
        """
        _, reader = log

        assert 0 == reader.head()
        assert [] == reader.after(0, limit=10, max_bytes=10)
        assert reader.request(1) is None


class TestForget:
    async def test_old_requests_go_in_order_some_at_a_time(self, log: Log) -> None:
        """
        At most *limit* go at once, the oldest first.
        """
        writer, reader = log
        for hour in range(5):
            await writer.append("segment/web", b"{}", NOON + hour * HOUR)

        assert 2 == await writer.forget(NOON + 3 * HOUR, evaluated=5, limit=2)
        assert [3, 4, 5] == [r.seq for r in reader.after(0, limit=10, max_bytes=1_000)]
        assert 1 == await writer.forget(NOON + 3 * HOUR, evaluated=5, limit=2)
        assert 0 == await writer.forget(NOON + 3 * HOUR, evaluated=5, limit=2)

    async def test_what_is_not_evaluated_stays_however_old(self, log: Log) -> None:
        """
        Retention never takes a request whose events nobody has seen.
        """
        writer, reader = log
        for _ in range(4):
            await writer.append("segment/web", b"{}", NOON)

        assert 2 == await writer.forget(NOON + HOUR, evaluated=2, limit=10)
        assert 3 == reader.after(0, limit=1, max_bytes=1)[0].seq

    async def test_the_newest_stays_so_that_no_number_is_given_twice(self, log: Log) -> None:
        """
        A log of which all is old still knows how far it was.
        """
        writer, reader = log
        for _ in range(3):
            await writer.append("segment/web", b"{}", NOON)

        assert 2 == await writer.forget(NOON + HOUR, evaluated=3, limit=10)
        assert 0 == await writer.forget(NOON + HOUR, evaluated=3, limit=10)
        assert 4 == await writer.append("segment/web", b"{}", NOON)
        assert 4 == reader.head()

    async def test_a_request_that_is_gone_is_none_and_never_its_neighbour(self, log: Log) -> None:
        """
        Asked for one request, the log does not answer with the next.
        """
        writer, reader = log
        for _ in range(3):
            await writer.append("segment/web", b"{}", NOON)
        await writer.forget(NOON + HOUR, evaluated=1, limit=10)

        assert reader.request(1) is None
        assert await writer.body(1) is None
        found = reader.request(2)
        assert found is not None
        assert 2 == found.seq


class TestRewrite:
    async def test_bodies_are_replaced_and_nothing_else(self, log: Log) -> None:
        """
        Erasure changes what a request says, not that it came.
        """
        writer, reader = log
        for body in (b"one", b"two", b"three"):
            await writer.append("segment/web", body, NOON)

        await writer.rewrite({2: b"{}", 99: b"nobody"})

        bodies = [r.body for r in reader.after(0, limit=10, max_bytes=1_000)]
        assert [b"one", b"{}", b"three"] == bodies
        assert b"{}" == await writer.body(2)
        assert 3 == reader.head()

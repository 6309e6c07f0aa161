import asyncio

import pytest
import uvloop

from homing.processes.channel import MESSAGE_BYTES, Channel

LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]


@pytest.fixture
def channel():
    """Both ends, in one process."""
    one, other = Channel.pair()
    yield one, other
    one.close()
    other.close()


class TestSend:
    def test_nobody_waits_for_a_side_that_does_not_read(self, channel):
        """
        Full is full: the message is dropped and counted.
        """
        one, other = channel

        sent = sum(one.send(b"wake") for _ in range(10_000))

        assert sent + one.dropped == 10_000
        assert sent >= 1000  # far more than net.unix.max_dgram_qlen
        assert sent == other.drain()
        assert one.send(b"wake")

    def test_the_longest_message_arrives_whole(self, channel):
        """
        Datagrams are not split.
        """
        one, other = channel
        assert one.send(bytes(MESSAGE_BYTES))

        assert 1 == other.drain()

    def test_a_longer_one_is_the_callers_mistake(self, channel):
        """
        It would be cut on the other side.
        """
        with pytest.raises(ValueError, match="at most 65535 bytes, got 65536"):
            channel[0].send(bytes(MESSAGE_BYTES + 1))

    def test_to_a_side_that_is_gone_it_is_dropped(self, channel):
        """
        The supervisor keeps both ends, so this is the end of everything; still no error.
        """
        one, other = channel
        other.close()

        assert not one.send(b"wake")


class TestListen:
    @pytest.mark.parametrize("loop_factory", LOOPS)
    def test_messages_come_in_order_empty_ones_too(self, channel, loop_factory):
        """
        More of them than one turn of the loop takes.
        """
        one, other = channel
        expected = [b"", *(str(at).encode() for at in range(300))]
        received: list[bytes] = []

        async def exchange() -> None:
            complete = asyncio.Event()

            def receive(message: bytes) -> None:
                received.append(message)
                if len(received) == len(expected):
                    complete.set()

            other.listen(asyncio.get_running_loop(), receive)
            for message in expected:
                assert one.send(message)
            async with asyncio.timeout(5):
                await complete.wait()
            other.close()
            other.close()

        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(exchange())
        assert expected == received

    async def test_the_receiver_may_close_it(self, channel):
        """
        What comes after is not delivered, and not an error.
        """
        one, other = channel
        closed = asyncio.Event()

        def receive(_message: bytes) -> None:
            other.close()
            closed.set()

        other.listen(asyncio.get_running_loop(), receive)
        one.send(b"first")
        one.send(b"second")

        async with asyncio.timeout(5):
            await closed.wait()


class TestDrain:
    def test_an_empty_channel_has_nothing_to_throw_away(self, channel):
        """
        And it does not wait for anything.
        """
        assert 0 == channel[0].drain()

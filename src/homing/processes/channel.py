"""
The wire between receiver and worker: small messages, lost rather than waited for.

Everything that matters is in the store; what passes here only makes it quicker
or better told: wake-up, counters, health.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:  # the supervisor imports this module and must stay small
    from asyncio import AbstractEventLoop
    from collections.abc import Callable

MESSAGE_BYTES: Final = 65_535
"""The longest message."""

_BUFFER_BYTES: Final = 1 << 20
_AT_ONCE: Final = 64
_HOLDS: Final = 8192  # more than the kernel fits into the buffer


class Channel:
    """
    One end of the wire, for one event loop.

    Args:
        end: A connected datagram socket, as `channel_ends` opens it.
    """

    def __init__(self, end: socket.socket) -> None:
        end.settimeout(0)
        self._end = end
        self._loop: AbstractEventLoop | None = None
        self.dropped = 0

    @classmethod
    def pair(cls) -> tuple[Self, Self]:
        """Open both ends in this process, for when receiver and worker share it."""
        one, other = channel_ends()
        return cls(one), cls(other)

    def send(self, message: bytes) -> bool:
        """
        Send without waiting.

        Returns:
            False when the message was dropped, and counted in `dropped`, because
            the other side is slow, absent or gone.

        Raises:
            ValueError: *message* is longer than MESSAGE_BYTES.
        """
        if len(message) > MESSAGE_BYTES:
            msg = f"expected at most {MESSAGE_BYTES} bytes, got {len(message)}"
            raise ValueError(msg)
        try:
            self._end.send(message)
        except OSError:
            self.dropped += 1
            return False
        return True

    def listen(self, loop: AbstractEventLoop, receive: Callable[[bytes], object]) -> None:
        """Call *receive* with each message, in order, from *loop*, until closed."""
        self._loop = loop
        loop.add_reader(self._end, self._pass_on, receive)

    def drain(self) -> int:
        """
        Throw away what waits: a restarted process does not want old news.

        Returns:
            How many messages there were.
        """
        # bounded, because the other side may be sending all the while
        for thrown in range(_HOLDS):
            if self._receive() is None:
                return thrown
        return _HOLDS

    def close(self) -> None:
        """Stop listening and close this process's copy of the end; twice does no harm."""
        if self._loop is not None:
            self._loop.remove_reader(self._end)
            self._loop = None
        self._end.close()

    def _pass_on(self, receive: Callable[[bytes], object]) -> None:
        # a bounded number, so that a flood leaves the loop its turns
        for _ in range(_AT_ONCE):
            message = self._receive()
            if message is None:
                return
            receive(message)

    def _receive(self) -> bytes | None:
        try:
            return self._end.recv(MESSAGE_BYTES)
        except OSError:
            return None


def channel_ends() -> tuple[socket.socket, socket.socket]:
    """
    Open the two ends of a channel, non-blocking.

    Datagrams, not a stream: messages stay whole, and neither side sees an end of
    file when the process behind the other is replaced.
    """
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    for end in ends:
        end.settimeout(0)
        # what may be under way before a sender drops; the kernel caps it at wmem_max
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
    return ends
